//! `/v1/sources/{seq}`: the raw bytes behind a reading.
//!
//! Promise: exactly the bytes that were acknowledged under this number, to their
//! own tenant only, checked on the way out against the hash they came in with.

use std::io::Read;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use ingest::Problem;
use journal::{ArchiveReader, Content, Record};
use meter::{Sequence, TenantId};
use query::{Format, Principal};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::api::Refusals;
use crate::{Parts, Shared, asked, problem};

/// Read from the archive ahead of who takes it.
const PIECE_BYTES: usize = 256 << 10;
const PIECES_AHEAD: usize = 2;

/// The bytes as they came in.
///
/// A file whole; a body of readings as long as the journal keeps it.
#[utoipa::path(get, path = "/v1/sources/{seq}", tag = "intake",
    params(("seq" = u64, Path, description = "`seq` of a reading, a refusal or an import")),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>, description = "The bytes"), Refusals))]
pub(crate) async fn raw(
    State(parts): State<Arc<Shared>>,
    seq: Result<Path<u64>, axum::extract::rejection::PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let seq = problem::path_number(seq)?;
    let tenant = asked::asker(&parts, &headers).await?;
    match record(&parts, tenant, Sequence(seq)).await?.map(|record| record.body.content) {
        Some(Content::Bytes(bytes)) => Ok(octets(bytes.len() as u64, Body::from(bytes))),
        Some(Content::Archived { sha256, .. }) => archived(&parts, seq, sha256).await,
        None => match known_hash(&parts, tenant, seq).await? {
            Some(Some(sha256)) => archived(&parts, seq, sha256).await,
            Some(None) => Err(problem::source_gone(seq)),
            None => Err(problem::no_record(seq)),
        },
    }
}

/// What the journal still holds of this tenant's under this number.
pub(crate) async fn record(parts: &Parts, tenant: TenantId, seq: Sequence) -> Result<Option<Record>, Problem> {
    if seq < parts.journal.start().await || seq >= parts.journal.end().await {
        return Ok(None);
    }
    let read = parts.journal.read(seq, 1).await;
    match read {
        Ok(records) => Ok(records.into_iter().find(|record| record.sequence == seq && record.body.tenant == tenant)),
        // Trimmed since its start was asked.
        Err(journal::Error::Trimmed { .. }) => Ok(None),
        Err(error) => Err(problem::of_journal(&error)),
    }
}

/// A row of the answer to what is known of a record.
#[derive(Deserialize)]
struct Known {
    /// Hexadecimal; absent if the record lay in the journal alone.
    sha256: Option<String>,
}

/// The hash of a record that was applied; none within if it lay in the journal alone.
async fn known_hash(parts: &Parts, tenant: TenantId, seq: u64) -> Result<Option<Option<[u8; 32]>>, Problem> {
    let session = parts.engine.session(Principal { tenant }, parts.reader.snapshot());
    let failed = |error: query::Error| problem::of_query(&error);
    let sql = format!("select max(sha256) as sha256 from sources where seq = {seq} group by seq");
    let page = session.query(&sql).await.map_err(failed)?.page(1, &[]).await.map_err(failed)?;
    let rows = page.encode(Format::Json, Vec::new()).map_err(failed)?;
    let rows: Vec<Known> = serde_json::from_slice(&rows).expect("the engine writes JSON");
    Ok(rows.first().map(|known| known.sha256.as_deref().and_then(unhexed)))
}

fn unhexed(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    (text.len() == 64).then_some(bytes)
}

async fn archived(parts: &Parts, seq: u64, sha256: [u8; 32]) -> Result<Response, Problem> {
    let archive = parts.archive.clone();
    let opened = tokio::task::spawn_blocking(move || archive.reader(&sha256)).await;
    let reader = match opened {
        Ok(Ok(reader)) => reader,
        Ok(Err(error)) if error.kind() == host::Kind::NotFound => return Err(problem::source_gone(seq)),
        Ok(Err(error)) => return Err(problem::of_journal(&error)),
        Err(error) => return Err(problem::task(&error)),
    };
    let size = reader.size();
    let (give, mut pieces) = mpsc::channel(PIECES_AHEAD);
    tokio::task::spawn_blocking(move || read_out(reader, &give));
    let stream = futures::stream::poll_fn(move |context| pieces.poll_recv(context));
    Ok(octets(size, Body::from_stream(stream)))
}

/// Ends early where nobody takes the pieces; an error breaks the answer off.
fn read_out(mut reader: ArchiveReader, give: &mpsc::Sender<std::io::Result<Bytes>>) {
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let piece = match reader.read(&mut piece) {
            Ok(0) => return,
            Ok(count) => {
                piece.truncate(count);
                Ok(Bytes::from(piece))
            }
            Err(error) => {
                tracing::error!(%error, "a source cannot be read out");
                Err(error)
            }
        };
        let failed = piece.is_err();
        if give.blocking_send(piece).is_err() || failed {
            return;
        }
    }
}

fn octets(size: u64, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, size.to_string()),
        // A stranger's bytes: no browser shall take them for a page.
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CONTENT_DISPOSITION, "attachment".to_owned()),
    ];
    (headers, body).into_response()
}
