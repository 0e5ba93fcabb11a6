//! `/v1/imports`: what came in, and how far it is read.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use ingest::Problem;
use journal::Record;
use meter::{Sequence, TenantId};
use process::Place;
use query::{Cursor, Format, Principal};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::Refusals;
use crate::paged::{self, Key, List, Paging};
use crate::rows::{Import, Imports, Octets};
use crate::{Parts, Shared, asked, problem, sources};

const COLUMNS: &str = "seq, state, received_at, door, format, object, bytes, bytes_read, sha256, duplicate_of, accepted, duplicate, \
    corrected, refused, events";

/// Records whose numbers are among `sequences`, each put together from its rows of
/// `sources`: one a chunk. Without the condition all that ever came in would be.
fn records(sequences: &str, place: Place) -> String {
    let Place { sequence, bytes_read } = place;
    format!(
        "(select seq, case when bool_or(last) then 'read' else 'reading' end as state, \
         min(received_at) as received_at, max(door) as door, max(format) as format, max(object) as object, \
         max(bytes) as bytes, \
         case when bool_or(last) or seq < {sequence} then max(bytes) when seq = {sequence} then {bytes_read} else 0 end \
         as bytes_read, max(sha256) as sha256, max(duplicate_of) as duplicate_of, sum(accepted) as accepted, \
         sum(duplicate) as duplicate, sum(corrected) as corrected, sum(refused) as refused, sum(events) as events \
         from sources where seq in ({sequences}) group by seq)"
    )
}

/// The numbers of a page's records and of the one behind it. Every record has a first chunk, and only one.
fn sequences(files: bool, after: Option<&Cursor>, rows: usize) -> String {
    let files = if files { " and object <> ''" } else { "" };
    let after = after.map_or(String::new(), |place| format!(" and seq < {}", place.0[0]));
    format!("select seq from sources where chunk = 0{files}{after} order by seq desc limit {}", rows + 1)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportsAsked {
    /// Files only; without it bodies of readings too.
    #[serde(default)]
    files: bool,
}

/// What came in, the newest first.
///
/// With counts of what is new, was there already, corrects what was there, and was refused.
/// What waits in the journal is not listed yet: ask for it by its sequence.
#[utoipa::path(get, path = "/v1/imports", tag = "intake",
    params(ImportsAsked, Paging, ("after" = Option<String>, Query,
        description = "`next` of the page before", pattern = r"^[0-9]{1,18}$")),
    responses((status = 200, description = "A page of imports", content((Imports = "application/json"), (String = "text/csv"),
        (inline(Octets) = "application/vnd.apache.arrow.stream"))), Refusals))]
pub(crate) async fn list(State(parts): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let (asked, paging) = paged::asked::<ImportsAsked>(&uri, "files")?;
    let tenant = asked::asker(&parts, &headers).await?;
    let key = &[Key::Number("seq")];
    let page = sequences(asked.files, paging.place(key)?.as_ref(), paging.rows()?);
    let from = records(&page, parts.at_hand.place()).into();
    let list = List { columns: COLUMNS, from, conditions: Vec::new(), key, descending: true, beyond: None };
    paged::answer(&parts, tenant, list, &paging, &uri).await
}

/// One of them.
///
/// Known from the moment it is acknowledged; its counts grow while it is read.
#[utoipa::path(get, path = "/v1/imports/{seq}", tag = "intake",
    params(("seq" = u64, Path, description = "The `sequence` of the acknowledgement")),
    responses((status = 200, body = Import, description = "The import"), Refusals))]
pub(crate) async fn one(
    State(parts): State<Arc<Shared>>,
    seq: Result<Path<u64>, axum::extract::rejection::PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let seq = problem::path_number(seq)?;
    let tenant = asked::asker(&parts, &headers).await?;
    // The journal first: what is applied meanwhile is still found in the table.
    let record = sources::record(&parts, tenant, Sequence(seq)).await?;
    if let Some(row) = stored(&parts, tenant, seq).await? {
        return Ok(([(header::CONTENT_TYPE, Format::Json.content_type())], row).into_response());
    }
    let record = record.ok_or_else(|| problem::no_record(seq))?;
    Ok(Json(waiting(&record, parts.at_hand.place())).into_response())
}

/// The row as JSON, if a chunk of the record is applied.
async fn stored(parts: &Parts, tenant: TenantId, seq: u64) -> Result<Option<Vec<u8>>, Problem> {
    let session = parts.engine.session(Principal { tenant }, parts.reader.snapshot());
    let sql = format!("select {COLUMNS} from {}", records(&seq.to_string(), parts.at_hand.place()));
    let failed = |error: query::Error| problem::of_query(&error);
    let page = session.query(&sql).await.map_err(failed)?.page(1, &["seq"]).await.map_err(failed)?;
    let rows = page.encode(Format::Json, Vec::new()).map_err(failed)?;
    let row = rows.trim_ascii_end().strip_prefix(b"[").and_then(|rows| rows.strip_suffix(b"]")).unwrap_or_default();
    Ok((!row.is_empty()).then(|| row.to_vec()))
}

/// What is known before anything of it can be seen.
fn waiting(record: &Record, place: Place) -> serde_json::Value {
    let bytes = record.body.content.size();
    serde_json::json!({
        "seq": record.sequence.0,
        "state": if place.sequence < record.sequence { "waiting" } else { "reading" },
        "received_at": record.received_at.to_string(),
        "door": record.body.door.name(),
        "format": record.body.format,
        "object": record.body.object,
        "bytes": bytes,
        "bytes_read": place.read_of(record.sequence, bytes),
        "sha256": null,
        "duplicate_of": null,
        "accepted": 0,
        "duplicate": 0,
        "corrected": 0,
        "refused": 0,
        "events": 0,
    })
}
