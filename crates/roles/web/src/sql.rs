//! `/v1/sql`: a question, answered as it is found.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use ingest::Problem;
use meter::TenantId;
use query::{Format, Principal};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::api::Refusals;
use crate::asked::{self, Asked};
use crate::queries::QUERY_ID;
use crate::rows::Octets;
use crate::{Parts, Shared, problem};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    /// One select statement.
    #[param(min_length = 1, example = "select count(*) from readings")]
    q: String,
    /// How the answer is written.
    #[param(value_type = Option<AnswerForm>)]
    format: Option<String>,
    /// Answer once this record is visible.
    #[param(maximum = 9223372036854775807_i64)]
    wait: Option<u64>,
}

/// How a question that is a body is answered.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// How the answer is written.
    #[param(value_type = Option<AnswerForm>)]
    format: Option<String>,
    /// Answer once this record is visible.
    #[param(maximum = 9223372036854775807_i64)]
    wait: Option<u64>,
}

/// A query as it is.
#[derive(ToSchema)]
#[schema(min_length = 1, example = "select count(*) from readings")]
#[expect(dead_code, reason = "said in the description of the interface")]
pub(crate) struct InText(String);

/// The body of a POST that says it is JSON.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InJson {
    /// One select statement.
    #[schema(min_length = 1, example = "select count(*) from readings")]
    sql: String,
}

/// The forms of an answer.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AnswerForm {
    Json,
    Csv,
    Arrow,
    Table,
    Parquet,
}

/// An object with the columns that were asked for.
#[derive(ToSchema)]
#[expect(dead_code, reason = "said in the description of the interface")]
pub(crate) struct Row(BTreeMap<String, serde_json::Value>);

/// The longest query, every character of it escaped as `\uNNNN`.
const BODY_BYTES_MAX: usize = 6 * query::SQL_BYTES_MAX + 64;

/// Ask in SQL.
///
/// One select statement over the tables of the token's tenant; exact sums, or an error.
#[utoipa::path(get, path = "/v1/sql", tag = "questions", params(Question),
    responses((status = 200, description = "The rows", content((Vec<Row> = "application/json"), (String = "text/csv"),
        (String = "text/plain"), (inline(Octets) = "application/vnd.apache.arrow.stream"),
        (inline(Octets) = "application/vnd.apache.parquet"))), Refusals))]
pub(crate) async fn get(
    State(parts): State<Arc<Shared>>,
    question: Asked<Question>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Question { q, format, wait } =
        asked::known(question, "q with the query, or a POST with it as the body; format and wait")?;
    let tenant = asked::asker(&parts, &headers).await?;
    answer(&parts, tenant, &q, &Wanted { format, wait }).await
}

/// Ask a longer question in SQL.
///
/// The query is the body: as it is, or as JSON.
#[utoipa::path(post, path = "/v1/sql", tag = "questions", params(Wanted),
    request_body(content((inline(InText) = "text/plain"), (InJson = "application/json"))),
    responses((status = 200, description = "The rows", content((Vec<Row> = "application/json"), (String = "text/csv"),
        (String = "text/plain"), (inline(Octets) = "application/vnd.apache.arrow.stream"),
        (inline(Octets) = "application/vnd.apache.parquet"))), Refusals))]
pub(crate) async fn post(
    State(parts): State<Arc<Shared>>,
    wanted: Asked<Wanted>,
    request: Request,
) -> Result<Response, Problem> {
    let wanted = asked::known(wanted, "format and wait")?;
    // The token is looked at before a byte of the body is kept.
    let (head, body) = request.into_parts();
    let tenant = asked::asker(&parts, &head.headers).await?;
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| problem::body_too_large(BODY_BYTES_MAX))?;
    let sql = text(&head.headers, &body)?;
    answer(&parts, tenant, &sql, &wanted).await
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

async fn answer(parts: &Parts, tenant: TenantId, sql: &str, wanted: &Wanted) -> Result<Response, Problem> {
    let format = asked::format_of(wanted.format.as_deref(), &Format::ALL)?;
    asked::wait_for(parts, wanted.wait).await?;
    let session = parts.engine.session(Principal { tenant }, parts.reader.snapshot());
    let rows = session.query(sql).await.map_err(|error| problem::of_query(&error))?;
    let id = rows.id();
    let mut bytes = Box::pin(query::encode(rows, format));
    // The first rows decide: an error before them still gets its own status.
    let first = match bytes.next().await {
        Some(Err(error)) => return Err(problem::of_query(&error)),
        first => first,
    };
    let body = Body::from_stream(stream::iter(first).chain(bytes));
    let headers = [(header::CONTENT_TYPE, format.content_type().to_owned()), (QUERY_ID, id.to_string())];
    Ok((headers, body).into_response())
}
