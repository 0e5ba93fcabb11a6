//! `POST /v1/readings`: a protobuf request, and what came of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use journal::{Content, RECORD_BYTES_MAX};
use parse::protobuf;
use registry::Principal;

use crate::admission::Permit;
use crate::api::Refusals;
use crate::body::{Incoming, declared_bytes};
use crate::expand::Encoding;
use crate::files::archive_whole;
use crate::intake::{Intake, Label};
use crate::limits::INLINE_BYTES_MAX;
use crate::receipt::Receipt;
use crate::{Error, Result};

/// What a body of this door is called in the journal.
const FORMAT: &str = "protobuf";

/// The names protobuf goes by; there is no registered one.
const CONTENT_TYPES: [&str; 4] =
    ["application/x-protobuf", "application/protobuf", "application/vnd.google.protobuf", "application/octet-stream"];

/// Hand in readings.
///
/// A `meterhouse.v1.Request`; acknowledged once it is synced to disk.
#[utoipa::path(post, path = "/v1/readings", tag = "intake",
    params(("Content-Encoding" = Option<String>, Header, description = "`gzip`, `zstd` or `identity`")),
    request_body(content = Vec<u8>, content_type = "application/x-protobuf"),
    responses((status = 200, body = Receipt, description = "It is kept"), Refusals))]
pub(crate) async fn post(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let outcome = take_in(&intake, request).await;
    intake.answer(outcome)
}

/// Who, what, how much; then the bytes, what they hold, and the journal; then
/// the answer.
async fn take_in(intake: &Arc<Intake>, request: Request) -> Result<Response> {
    let (head, body) = request.into_parts();
    let limits = &intake.parts.limits;
    let mut incoming = Incoming::readings(body, &head.headers, limits, intake.parts.clock.clone());
    let (writer, encoding, mut permit) = match look_at(intake, &head.headers).await {
        Ok(seen) => seen,
        Err(error) => {
            incoming.discard().await;
            return Err(error);
        }
    };
    let declared = declared_bytes(&head.headers).unwrap_or_default();
    let sent = match receive(&mut incoming, declared, limits.wire_bytes_max, &mut permit).await {
        Ok(sent) => sent,
        Err(error) => {
            if !matches!(error, Error::Slow { .. }) {
                incoming.discard().await;
            }
            return Err(error);
        }
    };
    intake.metrics().received(sent.len() as u64);
    let (readable, permit) = understand(sent, encoding, limits.expanded_bytes_max, permit).await?;
    let label = Label { tenant: writer.tenant, format: FORMAT.to_owned(), object: String::new() };
    let content = match readable.len() <= RECORD_BYTES_MAX {
        true => Content::Bytes(readable.clone()),
        false => archive_whole(intake, readable.clone()).await?,
    };
    let appended = intake.append(label, content).await?;
    let receipt = inline_or_apart(readable.len(), move || {
        let receipt = Receipt::of(&readable, appended.sequence, appended.received_at);
        drop(permit);
        receipt
    });
    let receipt = receipt.await??;
    intake.metrics().understood(receipt.accepted_measurements, receipt.refused_total);
    Ok(Json(receipt).into_response())
}

/// All that can be said before a byte of the body is read.
async fn look_at(intake: &Intake, headers: &HeaderMap) -> Result<(Principal, Encoding, Permit)> {
    let writer = intake.writer(headers).await?;
    check_type(headers)?;
    let encoding = Encoding::of(headers)?;
    let (declared, limit) = (declared_bytes(headers).unwrap_or_default(), intake.parts.limits.wire_bytes_max);
    if declared > limit {
        return Err(Error::TooLarge { limit });
    }
    Ok((writer, encoding, intake.admit(writer.tenant, declared)?))
}

fn check_type(headers: &HeaderMap) -> Result<()> {
    let found = headers.get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let found = found.unwrap_or_default();
    let plain = found.split(';').next().unwrap_or_default().trim();
    if CONTENT_TYPES.iter().any(|known| known.eq_ignore_ascii_case(plain)) {
        return Ok(());
    }
    Err(Error::ContentType { found: found.chars().take(100).collect() })
}

/// `declared` bytes have been admitted; a body that declares nothing grows.
async fn receive(incoming: &mut Incoming, declared: u64, limit: u64, permit: &mut Permit) -> Result<Bytes> {
    let mut sent = BytesMut::with_capacity(usize::try_from(declared).unwrap_or_default());
    while let Some(piece) = incoming.next().await? {
        let total = sent.len() + piece.len();
        if total as u64 > limit {
            return Err(Error::TooLarge { limit });
        }
        permit.grow_to(total as u64)?;
        sent.extend_from_slice(&piece);
    }
    if sent.is_empty() {
        return Err(Error::Empty);
    }
    Ok(sent.freeze())
}

/// Expands a body and makes sure that it can be read as a whole.
async fn understand(sent: Bytes, encoding: Encoding, bytes_max: u64, mut permit: Permit) -> Result<(Bytes, Permit)> {
    if encoding == Encoding::Identity {
        let size = sent.len();
        return inline_or_apart(size, move || {
            protobuf::check(&sent)?;
            Ok((sent, permit))
        })
        .await?;
    }
    // A short body can become a long one: never on the runtime.
    let work = move || {
        let held = sent.len() as u64;
        let expanded = encoding.expand(&sent, bytes_max, &mut |bytes| permit.grow_to(held + bytes))?;
        if expanded.is_empty() {
            return Err(Error::Empty);
        }
        protobuf::check(&expanded)?;
        Ok((Bytes::from(expanded), permit))
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Task(error.to_string()))?
}

/// Runs short work where it stands, long work where it delays nobody.
async fn inline_or_apart<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    if bytes <= INLINE_BYTES_MAX {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Task(error.to_string()))
}
