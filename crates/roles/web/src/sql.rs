//! `/v1/sql`: a question, answered as it is found.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use ingest::Problem;
use meter::{Sequence, TenantId};
use query::{Format, Principal};
use registry::Scope;
use serde::Deserialize;

use crate::{Parts, problem};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// The query, for GET.
    q: Option<String>,
    /// csv, json, arrow or table.
    format: Option<String>,
    /// Answer once this record is visible.
    wait: Option<u64>,
}

/// The body of a POST that says it is JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InJson {
    sql: String,
}

/// The longest query, every character of it escaped as `\uNNNN`.
const BODY_BYTES_MAX: usize = 6 * query::SQL_BYTES_MAX + 64;

type Asked = Result<Query<Parameters>, axum::extract::rejection::QueryRejection>;

pub(crate) async fn get(
    State(parts): State<Arc<Parts>>,
    parameters: Asked,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let parameters = known(parameters)?;
    let Some(sql) = &parameters.q else {
        return Err(problem::parameter(
            "the parameter q is missing".into(),
            "send the query as q=, or as the body of a POST",
        ));
    };
    let tenant = asker(&parts, &headers).await?;
    answer(&parts, tenant, sql, &parameters).await
}

/// The token is looked at before a byte of the body is kept.
pub(crate) async fn post(
    State(parts): State<Arc<Parts>>,
    parameters: Asked,
    request: Request,
) -> Result<Response, Problem> {
    let parameters = known(parameters)?;
    let (head, body) = request.into_parts();
    let tenant = asker(&parts, &head.headers).await?;
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| problem::body_too_large(BODY_BYTES_MAX))?;
    let sql = text(&head.headers, &body)?;
    answer(&parts, tenant, &sql, &parameters).await
}

/// The query in a body: as it is, or as `{"sql": "…"}` where the body says it is JSON.
fn text(headers: &HeaderMap, body: &Bytes) -> Result<String, Problem> {
    let json = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if json {
        let asked: InJson = serde_json::from_slice(body).map_err(|error| {
            problem::parameter(format!("the body is not a query in JSON: {error}"), "send {\"sql\": \"select …\"}")
        })?;
        return Ok(asked.sql);
    }
    let sql = std::str::from_utf8(body)
        .map_err(|error| problem::parameter(format!("the query is not UTF-8: {error}"), "send it in UTF-8"))?;
    Ok(sql.to_owned())
}

fn known(parameters: Asked) -> Result<Parameters, Problem> {
    let Query(parameters) =
        parameters.map_err(|error| problem::parameter(error.body_text(), "q, format and wait are known"))?;
    Ok(parameters)
}

async fn asker(parts: &Parts, headers: &HeaderMap) -> Result<TenantId, Problem> {
    let principal = ingest::identify(&parts.authenticator, headers, Scope::Read).await.map_err(Problem::from)?;
    Ok(principal.tenant)
}

async fn answer(parts: &Parts, tenant: TenantId, sql: &str, asked: &Parameters) -> Result<Response, Problem> {
    let name = asked.format.as_deref().unwrap_or("json");
    let Some(format) = Format::from_name(name) else {
        return Err(problem::parameter(format!("format {name:?} is not known"), "csv, json, arrow and table are"));
    };
    if let Some(wanted) = asked.wait {
        wait_for(parts, wanted).await?;
    }
    let session = parts.engine.session(Principal { tenant }, parts.reader.snapshot());
    let rows = session.query(sql).await.map_err(|error| problem::of_query(&error))?;
    let mut bytes = Box::pin(query::encode(rows, format));
    // The first rows decide: an error before them still gets its own status.
    let first = match bytes.next().await {
        Some(Err(error)) => return Err(problem::of_query(&error)),
        first => first,
    };
    let body = Body::from_stream(stream::iter(first).chain(bytes));
    Ok(([(header::CONTENT_TYPE, format.content_type())], body).into_response())
}

async fn wait_for(parts: &Parts, wanted: u64) -> Result<(), Problem> {
    let mut seen = parts.seen.clone();
    let visible = seen.wait_for(|seen| seen.below > Sequence(wanted));
    let waited = tokio::select! {
        waited = visible => waited.map(|_| ()).ok(),
        () = host::sleep(parts.wait_max) => None,
    };
    waited.ok_or_else(|| problem::not_yet(wanted, parts.seen.borrow().below.0))
}
