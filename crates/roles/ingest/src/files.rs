//! `POST /v1/files?name=…&format=…`: a file as it is, however large.
//!
//! What is in it is found out later, by `process`: the answer says that it is
//! kept, under which number and hash, and nothing about its readings.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use journal::{Archive, Content, RECORD_BYTES_MAX, Stored};
use meter::TenantId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::admission::Permit;
use crate::api::Refusals;
use crate::body::{Incoming, declared_bytes};
use crate::expand::Encoding;
use crate::gather::Gathered;
use crate::intake::{Intake, Label};
use crate::limits::FILE_NAME_CHARS_MAX;
use crate::{Error, Result};

/// Pieces between the wire and the disk: four of at most 32 KiB (hyper's buffer).
const PIECES_WAITING_MAX: usize = 4;

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Named {
    /// Kept with the file.
    #[serde(default)]
    #[param(required = true, min_length = 1, max_length = 512, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
    pub(crate) name: String,
    /// What it is; empty or `auto`: found from the content. A profile and `line` may have options
    /// behind a question mark.
    #[serde(default)]
    #[param(
        pattern = r"^(|auto|nem12|nem13|protobuf|json|line(\?precision=(ns|us|ms|s|m|h))?|csv/[a-z0-9][a-z0-9-]{0,39}(@[1-9][0-9]{0,8})?(\?[a-z]+=.*)?)$"
    )]
    pub(crate) format: String,
}

impl Named {
    /// Name and format as the journal takes them.
    pub(crate) async fn check(self, intake: &Intake, tenant: TenantId) -> Result<(String, String)> {
        let Named { name, format } = self;
        if name.is_empty() || name.chars().nth(FILE_NAME_CHARS_MAX).is_some() || name.chars().any(char::is_control) {
            return Err(Error::FileName { found: name.chars().take(100).collect() });
        }
        Ok((name, intake.in_force(tenant, format).await?))
    }
}

/// Bytes that are there.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary, min_length = 1)]
#[expect(dead_code, reason = "said in the description of the interface")]
pub(crate) struct Octets(Vec<u8>);

/// The answer to a file.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Kept {
    /// Where it stands in the journal; a query can wait for it.
    sequence: u64,
    #[schema(format = DateTime)]
    received_at: String,
    /// Of its bytes, hexadecimal.
    sha256: String,
    bytes: u64,
}

/// Hand in a file.
///
/// As it is, however large; acknowledged once it is synced to disk. What was read of it
/// stands in `/v1/imports/{seq}`.
#[utoipa::path(post, path = "/v1/files", tag = "intake", params(Named),
    request_body(content = inline(Octets), content_type = "application/octet-stream"),
    responses((status = 200, body = Kept, description = "It is kept"), Refusals))]
pub(crate) async fn post(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let outcome = take_in(&intake, request).await;
    intake.answer(outcome)
}

async fn take_in(intake: &Arc<Intake>, request: Request) -> Result<Response> {
    let (head, body) = request.into_parts();
    let mut incoming = Incoming::file(body, &head.headers, &intake.parts.limits, intake.parts.clock.clone());
    let (label, start, mut permit) = match look_at(intake, &head.uri, &head.headers).await {
        Ok(seen) => seen,
        Err(error) => {
            incoming.discard().await;
            return Err(error);
        }
    };
    let (content, sha256, _held) = match receive(intake, &mut incoming, start, &mut permit).await {
        Ok(received) => received,
        Err(error) => {
            incoming.discard_after(&error).await;
            return Err(error);
        }
    };
    let bytes = content.size();
    intake.metrics().received(bytes);
    let appended = intake.append(label, content).await?;
    intake.metrics().file();
    let (sequence, received_at) = (appended.sequence.0, appended.received_at.to_string());
    Ok(Json(Kept { sequence, received_at, sha256: hex(&sha256), bytes }).into_response())
}

/// All that can be said before a byte of the file is read.
async fn look_at(intake: &Intake, uri: &Uri, headers: &HeaderMap) -> Result<(Label, Gathered, Permit)> {
    let writer = intake.writer(headers).await?;
    let query = uri.query().unwrap_or_default();
    let Ok(Query(named)) = Query::<Named>::try_from_uri(uri) else {
        return Err(Error::FileName { found: query.chars().take(100).collect() });
    };
    let (name, format) = named.check(intake, writer.tenant).await?;
    if Encoding::of(headers)? != Encoding::Identity {
        return Err(Error::FileEncoding);
    }
    let (declared, limit) = (declared_bytes(headers).unwrap_or_default(), intake.parts.limits.file_bytes_max);
    if declared > limit {
        return Err(Error::FileTooLarge { limit });
    }
    let in_memory = declared.min(RECORD_BYTES_MAX as u64);
    let permit = intake.admit(writer.tenant, in_memory)?;
    Ok((Label::of_http(writer.tenant, format, name, intake.parts.spans.now()), Gathered::new(in_memory), permit))
}

/// A small file into memory, a larger one into the archive as it comes: held there, too.
async fn receive(
    intake: &Intake,
    incoming: &mut Incoming,
    mut start: Gathered,
    permit: &mut Permit,
) -> Result<(Content, [u8; 32], Option<Stored>)> {
    let limit = intake.parts.limits.file_bytes_max;
    while let Some(piece) = incoming.next().await? {
        start.add(&piece, permit)?;
        if start.len() > limit {
            return Err(Error::FileTooLarge { limit });
        }
        if start.len() > RECORD_BYTES_MAX as u64 {
            let stored = stream(intake, start.into_bytes(), incoming, limit).await?;
            return Ok((stored.content(), stored.sha256, Some(stored)));
        }
    }
    if start.len() == 0 {
        return Err(Error::Empty);
    }
    let bytes = start.into_bytes();
    let hashed = bytes.clone();
    let hash = tokio::task::spawn_blocking(move || Sha256::digest(&hashed).into());
    let sha256 = hash.await.map_err(|error| Error::Task(error.to_string()))?;
    Ok((Content::Bytes(bytes), sha256, None))
}

enum Piece {
    Bytes(Bytes),
    /// Without it the object is dropped: the sender went away.
    End,
}

/// Writes `start` and all that is still to come into the archive.
async fn stream(intake: &Intake, start: Bytes, incoming: &mut Incoming, limit: u64) -> Result<Stored> {
    let place = intake.writer_place()?;
    let (pieces, waiting) = mpsc::channel(PIECES_WAITING_MAX);
    let archive = intake.parts.archive.clone();
    // The place is free once the thread is, not when the request is dropped.
    let writing = tokio::task::spawn_blocking(move || {
        let written = write(&archive, waiting);
        drop(place);
        written
    });
    let mut total = start.len() as u64;
    let mut open = pieces.send(Piece::Bytes(start)).await.is_ok();
    // A writer that is gone has the error to tell; asking it comes last.
    while open {
        let Some(piece) = incoming.next().await? else {
            // If the writer is gone, its error is told below.
            let _ = pieces.send(Piece::End).await;
            break;
        };
        total += piece.len() as u64;
        if total > limit {
            return Err(Error::FileTooLarge { limit });
        }
        open = pieces.send(Piece::Bytes(piece)).await.is_ok();
    }
    drop(pieces);
    let stored = writing.await.map_err(|error| Error::Task(error.to_string()))??;
    stored.ok_or_else(|| Error::Task("the archive's writer ended before the file did".to_owned()))
}

/// `None` if the pieces broke off.
fn write(archive: &Archive, mut pieces: mpsc::Receiver<Piece>) -> Result<Option<Stored>> {
    let mut object = archive.begin()?;
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Bytes(bytes) => object.write(&bytes)?,
            Piece::End => return Ok(Some(object.finish()?)),
        }
    }
    Ok(None)
}

/// For a body in memory that is too large for a record.
pub(crate) async fn archive_whole(intake: &Intake, bytes: Bytes) -> Result<Stored> {
    let archive = intake.parts.archive.clone();
    let put = tokio::task::spawn_blocking(move || archive.put(&bytes[..]));
    Ok(put.await.map_err(|error| Error::Task(error.to_string()))??)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
