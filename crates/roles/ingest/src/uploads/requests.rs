//! The protocol: tus 1.0 (<https://tus.io/protocols/resumable-upload>), its core
//! with creation and termination.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use registry::Principal;

use super::facts::Facts;
use super::{Upload, finish, receive};
use crate::api::UploadRefusals;
use crate::base64;
use crate::body::{Incoming, declared_bytes};
use crate::expand::Encoding;
use crate::files::{Named, Octets};
use crate::intake::Intake;
use crate::limits::METADATA_BYTES_MAX;
use crate::{Error, Result};

const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const RESUMED: HeaderValue = HeaderValue::from_static("1.0.0");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const SEQUENCE: HeaderName = HeaderName::from_static("meterhouse-sequence");
/// That of tus, and that of any client that sends bytes.
const PIECE_TYPES: [&str; 2] = ["application/offset+octet-stream", "application/octet-stream"];

/// Those that are spoken here.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "said in the description of the interface")]
enum Version {
    #[serde(rename = "1.0.0")]
    One,
}

/// Begin a file that comes in pieces.
///
/// tus 1.0. The answer's `Location` takes the pieces; once the last is there, the file is
/// kept as if it came to `/v1/files`.
#[utoipa::path(post, path = "/v1/uploads", tag = "intake",
    params(("Tus-Resumable" = inline(Version), Header, description = "Of tus"),
        ("Upload-Length" = u64, Header, minimum = 1, maximum = 4294967296_i64, description = "Bytes of the whole file"),
        ("Upload-Metadata" = String, Header, description = "`filename` and perhaps `format`, their values in Base64",
            example = "filename bWF5LmNzdg==",
            pattern = r"^filename [A-Za-z0-9+/]+={0,2}(,format [A-Za-z0-9+/]+={0,2})?$")),
    responses((status = 201, description = "`Location` says where the pieces go"), UploadRefusals))]
pub(crate) async fn create(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let outcome = begin(&intake, &head.headers).await;
    answer(&intake, outcome)
}

/// What of a file is there.
///
/// tus 1.0: `Upload-Offset`. A file that is whole has `Meterhouse-Sequence` too, for as long as it is remembered.
#[utoipa::path(head, path = "/v1/uploads/{id}", tag = "intake",
    params(("id" = String, Path), ("Tus-Resumable" = inline(Version), Header, description = "Of tus")),
    responses((status = 200, description = "`Upload-Offset` bytes are there"), UploadRefusals))]
pub(crate) async fn look(State(intake): State<Arc<Intake>>, Path(id): Path<String>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let outcome = state(&intake, &head.headers, &id).await;
    answer(&intake, outcome)
}

/// The next piece of a file.
///
/// tus 1.0. What came of a piece that breaks off is kept; `HEAD` says how much. With the last
/// piece the answer carries `Meterhouse-Sequence`.
#[utoipa::path(patch, path = "/v1/uploads/{id}", tag = "intake",
    params(("id" = String, Path), ("Tus-Resumable" = inline(Version), Header, description = "Of tus"),
        ("Upload-Offset" = u64, Header, maximum = 4294967296_i64, description = "Bytes that are there already")),
    request_body(content((inline(Octets) = "application/offset+octet-stream"), (inline(Octets) = "application/octet-stream"))),
    responses((status = 204, description = "It is kept"), UploadRefusals))]
pub(crate) async fn send(State(intake): State<Arc<Intake>>, Path(id): Path<String>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let outcome = piece(&intake, &head, &id, body).await;
    answer(&intake, outcome)
}

/// Give a file up.
///
/// tus 1.0. What of it is there is removed; a file that is whole is only forgotten here.
#[utoipa::path(delete, path = "/v1/uploads/{id}", tag = "intake",
    params(("id" = String, Path), ("Tus-Resumable" = inline(Version), Header, description = "Of tus")),
    responses((status = 204, description = "It is gone"), UploadRefusals))]
pub(crate) async fn end(State(intake): State<Arc<Intake>>, Path(id): Path<String>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let outcome = remove(&intake, &head.headers, &id).await;
    answer(&intake, outcome)
}

/// What the server can do of tus.
#[utoipa::path(options, path = "/v1/uploads", tag = "intake", security(()),
    responses((status = 204, description = "`Tus-Version`, `Tus-Extension` and `Tus-Max-Size`")))]
pub(crate) async fn describe(State(intake): State<Arc<Intake>>) -> Response {
    let can = [
        ("tus-resumable", "1.0.0".to_owned()),
        ("tus-version", "1.0.0".to_owned()),
        ("tus-extension", "creation,termination".to_owned()),
        ("tus-max-size", intake.parts.limits.file_bytes_max.to_string()),
    ];
    (StatusCode::NO_CONTENT, can).into_response()
}

fn answer(intake: &Intake, outcome: Result<Response>) -> Response {
    let mut response = intake.answer(outcome);
    let headers = response.headers_mut();
    headers.insert(RESUMABLE, RESUMED);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn begin(intake: &Arc<Intake>, headers: &HeaderMap) -> Result<Response> {
    let writer = let_in(intake, headers).await?;
    let (length, limit) = (number(headers, &LENGTH)?, intake.parts.limits.file_bytes_max);
    if length == 0 {
        return Err(Error::Empty);
    }
    if length > limit {
        return Err(Error::FileTooLarge { limit });
    }
    let metadata = headers.get(METADATA).map(HeaderValue::to_str).transpose().map_err(|_| wrong(&METADATA))?;
    let metadata = metadata.unwrap_or_default();
    if metadata.len() > METADATA_BYTES_MAX {
        return Err(wrong(&METADATA));
    }
    let named = Named { name: said(metadata, "filename")?, format: said(metadata, "format")? };
    let (name, format) = named.check(intake, writer.tenant).await?;
    let facts = Facts::new(writer.tenant, length, name, format, metadata.to_owned());
    let uploads = intake.parts.uploads.clone();
    let begun = tokio::task::spawn_blocking(move || uploads.begin(facts)).await;
    let upload = begun.map_err(|error| Error::Task(error.to_string()))??;
    let place = [(header::LOCATION, format!("/v1/uploads/{}", upload.id))];
    Ok((StatusCode::CREATED, place, [(OFFSET, "0")]).into_response())
}

async fn state(intake: &Arc<Intake>, headers: &HeaderMap, id: &str) -> Result<Response> {
    let writer = let_in(intake, headers).await?;
    let upload = intake.parts.uploads.find(writer.tenant, id)?;
    let mut facts = upload.facts();
    if facts.is_whole()
        && facts.sequence.is_none()
        && let Ok(hold) = upload.hold()
    {
        // An earlier try did not get to the journal.
        finish::finish(intake, &upload, hold).await?;
        facts = upload.facts();
    }
    let mut response = place(StatusCode::OK, &facts);
    response.headers_mut().insert(LENGTH, HeaderValue::from(facts.length));
    if let Ok(metadata) = HeaderValue::from_str(&facts.metadata)
        && !metadata.is_empty()
    {
        response.headers_mut().insert(METADATA, metadata);
    }
    Ok(response)
}

async fn piece(intake: &Arc<Intake>, head: &Parts, id: &str, body: Body) -> Result<Response> {
    let mut incoming = Incoming::file(body, &head.headers, &intake.parts.limits, intake.parts.clock.clone());
    let outcome = take_in(intake, &head.headers, id, &mut incoming).await;
    match outcome {
        Ok(facts) => Ok(place(StatusCode::NO_CONTENT, &facts)),
        Err(error) => {
            incoming.discard_after(&error).await;
            Err(error)
        }
    }
}

async fn take_in(intake: &Arc<Intake>, headers: &HeaderMap, id: &str, incoming: &mut Incoming) -> Result<Facts> {
    let writer = let_in(intake, headers).await?;
    let uploads = &intake.parts.uploads;
    let upload = uploads.find(writer.tenant, id)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !PIECE_TYPES.contains(&kind) || Encoding::of(headers)? != Encoding::Identity {
        return Err(Error::PieceType { found: kind.chars().take(100).collect() });
    }
    let offset = number(headers, &OFFSET)?;
    let facts = upload.facts();
    if facts.sequence.is_some() && offset == facts.length && declared_bytes(headers) == Some(0) {
        // Its sender only wants to hear the end again: no one is in its way.
        return Ok(facts);
    }
    let hold = upload.hold()?;
    // Perhaps removed by whoever held it until now.
    let Facts { offset: expected, length, .. } = uploads.find(writer.tenant, id)?.facts();
    if offset != expected {
        return Err(Error::UploadOffset { expected, found: offset });
    }
    if declared_bytes(headers).is_some_and(|declared| declared > length - offset) {
        return Err(Error::UploadTooLong { length });
    }
    let _permit = intake.admit(writer.tenant, 0)?;
    let place = intake.writer_place()?;
    let (reached, hold) = receive::receive(uploads, &upload, hold, place, incoming).await?;
    intake.metrics().received(reached - offset);
    if reached == length {
        finish::finish(intake, &upload, hold).await?;
    }
    Ok(upload.facts())
}

async fn remove(intake: &Arc<Intake>, headers: &HeaderMap, id: &str) -> Result<Response> {
    let writer = let_in(intake, headers).await?;
    let upload: Arc<Upload> = intake.parts.uploads.find(writer.tenant, id)?;
    let hold = upload.hold()?;
    let uploads = intake.parts.uploads.clone();
    let removed = tokio::task::spawn_blocking(move || {
        uploads.forget(&upload);
        drop(hold);
    });
    removed.await.map_err(|error| Error::Task(error.to_string()))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Who sends, and in which version of the protocol.
async fn let_in(intake: &Intake, headers: &HeaderMap) -> Result<Principal> {
    let writer = intake.writer(headers).await?;
    match headers.get(RESUMABLE) {
        Some(version) if *version == RESUMED => Ok(writer),
        Some(other) => {
            Err(Error::TusVersion { found: String::from_utf8_lossy(other.as_bytes()).chars().take(20).collect() })
        }
        None => Err(Error::TusMissing),
    }
}

fn place(status: StatusCode, facts: &Facts) -> Response {
    let mut response = (status, [(OFFSET, facts.offset.to_string())]).into_response();
    if let Some(sequence) = facts.sequence {
        response.headers_mut().insert(SEQUENCE, HeaderValue::from(sequence));
    }
    response
}

fn wrong(name: &HeaderName) -> Error {
    Error::UploadHeader { name: name.as_str().to_owned() }
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64> {
    let text = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // `parse` would take a plus sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong(name));
    }
    text.parse().map_err(|_| wrong(name))
}

/// The value of a key in `Upload-Metadata`: `filename bWF5LmNzdg==,format bmVtMTI=`.
fn said(metadata: &str, key: &str) -> Result<String> {
    let mut pairs = metadata.split(',').map(|pair| pair.trim().split_once(' ').unwrap_or((pair.trim(), "")));
    let Some((_, value)) = pairs.find(|(found, _)| *found == key) else { return Ok(String::new()) };
    let bytes = base64::decode(value.trim()).ok_or_else(|| wrong(&METADATA))?;
    String::from_utf8(bytes).map_err(|_| wrong(&METADATA))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_pairs_of_a_key_and_base64() {
        let metadata = "filename bWF5LmNzdg==, is_confidential,format bmVtMTI=";
        assert_eq!(said(metadata, "filename").expect("reads"), "may.csv");
        assert_eq!(said(metadata, "format").expect("reads"), "nem12");
        assert_eq!(said(metadata, "is_confidential").expect("reads"), "");
        assert_eq!(said(metadata, "filetype").expect("reads"), "");
        assert!(matches!(said("filename ???", "filename"), Err(Error::UploadHeader { .. })));
        assert!(matches!(said("filename //79", "filename"), Err(Error::UploadHeader { .. })));
    }
}
