//! A body that is held whole: off the wire, into the journal, and once more
//! through its parser for the answer.

use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderMap;
use bytes::Bytes;
use journal::{Content, RECORD_BYTES_MAX};
use meter::{TenantId, Timestamp};
use parse::Limits;

use crate::admission::Permit;
use crate::body::{Incoming, declared_bytes};
use crate::expand::Encoding;
use crate::files::archive_whole;
use crate::form::{Form, Readable};
use crate::gather::Gathered;
use crate::intake::{Intake, Label};
use crate::limits::INLINE_BYTES_MAX;
use crate::receipt::Receipt;
use crate::{Error, Result};

/// All that can be said of a body before a byte of it is read.
pub(crate) struct Announced {
    tenant: TenantId,
    form: Form,
    encoding: Encoding,
    body: Gathered,
    permit: Permit,
    /// When someone follows.
    since: Option<Timestamp>,
}

impl Announced {
    /// What the headers say, if there is room for as much.
    pub(crate) fn of(intake: &Intake, headers: &HeaderMap, tenant: TenantId, form: Form) -> Result<Announced> {
        let encoding = Encoding::of(headers)?;
        let (declared, limit) = (declared_bytes(headers).unwrap_or_default(), intake.parts.limits.wire_bytes_max);
        if declared > limit {
            return Err(Error::TooLarge { limit });
        }
        let (permit, body) = (intake.admit(tenant, declared)?, Gathered::new(declared));
        Ok(Announced { tenant, form, encoding, body, permit, since: intake.parts.spans.now() })
    }
}

/// The bytes, what they hold, and the journal; then the answer. Whoever is not
/// let in is heard out first, within limits.
pub(crate) async fn take_in(
    intake: &Arc<Intake>,
    headers: &HeaderMap,
    body: Body,
    announced: Result<Announced>,
) -> Result<Receipt> {
    let limits = &intake.parts.limits;
    let mut incoming = Incoming::readings(body, headers, limits, intake.parts.clock.clone());
    let announced = match announced {
        Ok(announced) => announced,
        Err(error) => {
            incoming.discard().await;
            return Err(error);
        }
    };
    let Announced { tenant, form, encoding, body, mut permit, since } = announced;
    let sent = receive(&mut incoming, body, limits.wire_bytes_max, &mut permit).await;
    let sent = match sent {
        Ok(sent) => sent,
        Err(error) => {
            incoming.discard_after(&error).await;
            return Err(error);
        }
    };
    intake.metrics().received(sent.len() as u64);
    let (readable, permit) = understand(sent, form, encoding, limits.expanded_bytes_max, permit).await?;
    let label = Label::of_http(tenant, form.format().name().to_owned(), String::new(), since);
    let bytes = readable.bytes().clone();
    let size = bytes.len();
    let (content, _held) = match size <= RECORD_BYTES_MAX {
        true => (Content::Bytes(bytes), None),
        false => archive_whole(intake, bytes).await.map(|stored| (stored.content(), Some(stored)))?,
    };
    let appended = intake.append(label, content).await?;
    let receipt = inline_or_apart(size, move || {
        let listing = readable.list(Limits::received_at(appended.received_at))?;
        drop(permit);
        Ok::<_, Error>(Receipt::new(&appended, listing))
    });
    let receipt = receipt.await??;
    intake.metrics().understood(receipt.accepted_measurements, receipt.refused_total);
    Ok(receipt)
}

/// All of a body, behind what `body` has.
pub(crate) async fn receive(
    incoming: &mut Incoming,
    mut body: Gathered,
    limit: u64,
    permit: &mut Permit,
) -> Result<Bytes> {
    while let Some(piece) = incoming.next().await? {
        if body.len() + piece.len() as u64 > limit {
            return Err(Error::TooLarge { limit });
        }
        body.add(&piece, permit)?;
    }
    if body.len() == 0 {
        return Err(Error::Empty);
    }
    Ok(body.into_bytes())
}

/// Expands a body and makes sure that it can be read as a whole.
async fn understand(
    sent: Bytes,
    form: Form,
    encoding: Encoding,
    bytes_max: u64,
    mut permit: Permit,
) -> Result<(Readable, Permit)> {
    if encoding == Encoding::Identity {
        let size = sent.len();
        return inline_or_apart(size, move || Ok((form.check(sent)?, permit))).await?;
    }
    // A short body can become a long one: never on the runtime.
    let work = move || {
        let held = permit.bytes();
        let expanded = encoding.expand(&sent, bytes_max, &mut |bytes| permit.grow_to(held + bytes))?;
        if expanded.is_empty() {
            return Err(Error::Empty);
        }
        Ok((form.check(Bytes::from(expanded))?, permit))
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
