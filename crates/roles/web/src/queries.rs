//! `/v1/queries`: the questions of a tenant that are being answered, how far they
//! are, what those that ended have read, and an end to one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use ingest::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::Refusals;
use crate::{Shared, asked, problem};

/// Said with every answer: by it the query is found.
pub(crate) const QUERY_ID: HeaderName = HeaderName::from_static("meterhouse-query");

/// A question on its way, or at its end.
#[derive(Serialize, ToSchema)]
pub(crate) struct AskedQuery {
    /// Also in the header `Meterhouse-Query` of its answer.
    id: u64,
    /// Whether it is being answered; otherwise these are its last figures.
    running: bool,
    /// Null once it ended.
    sql: Option<String>,
    /// Since it was asked, or until it ended.
    elapsed_ms: u64,
    /// Files and pieces of memory it will read; 0 until it is planned.
    parts_to_read: u64,
    /// Those it has read.
    parts_read: u64,
    files_opened: u64,
    /// Pages of one column.
    pages_read: u64,
    /// From files.
    bytes_read: u64,
    rows_scanned: u64,
    rows_answered: u64,
}

/// The questions that run.
///
/// Oldest first, with how far each is.
#[utoipa::path(get, path = "/v1/queries", tag = "questions",
    responses((status = 200, body = Vec<AskedQuery>, description = "Those of the token's tenant"), Refusals))]
pub(crate) async fn list(
    State(parts): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<Json<Vec<AskedQuery>>, Problem> {
    let tenant = asked::asker(&parts, &headers).await?;
    Ok(Json(parts.engine.queries(tenant).into_iter().map(AskedQuery::from).collect()))
}

/// What a question reads, or has read.
///
/// Known while it runs and for a while after: the last 4,096 that ended, of all tenants, are kept.
#[utoipa::path(get, path = "/v1/queries/{id}", tag = "questions",
    params(("id" = u64, Path, description = "The header `Meterhouse-Query` of its answer")),
    responses((status = 200, body = AskedQuery, description = "The question"), Refusals))]
pub(crate) async fn one(
    State(parts): State<Arc<Shared>>,
    id: Result<Path<u64>, axum::extract::rejection::PathRejection>,
    headers: HeaderMap,
) -> Result<Json<AskedQuery>, Problem> {
    let id = problem::path_number(id)?;
    let tenant = asked::asker(&parts, &headers).await?;
    let found = parts.engine.query(tenant, id).ok_or_else(|| problem::no_query(id))?;
    Ok(Json(AskedQuery::from(found)))
}

/// End a question.
///
/// Its answer breaks off with the code `cancelled`; its place is free within half a second.
#[utoipa::path(delete, path = "/v1/queries/{id}", tag = "questions",
    params(("id" = u64, Path, description = "As `/v1/queries` lists it")),
    responses((status = 204, description = "It is told to end"), Refusals))]
pub(crate) async fn cancel(
    State(parts): State<Arc<Shared>>,
    id: Result<Path<u64>, axum::extract::rejection::PathRejection>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let id = problem::path_number(id)?;
    let tenant = asked::asker(&parts, &headers).await?;
    if parts.engine.cancel(tenant, id) { Ok(StatusCode::NO_CONTENT) } else { Err(problem::no_query(id)) }
}

impl From<query::Running> for AskedQuery {
    fn from(running: query::Running) -> AskedQuery {
        let query::Running { id, sql, elapsed, progress } = running;
        AskedQuery {
            id,
            running: sql.is_some(),
            sql: sql.as_deref().map(str::to_owned),
            elapsed_ms: elapsed.as_millis() as u64,
            parts_to_read: progress.parts_to_read,
            parts_read: progress.parts_read,
            files_opened: progress.files_opened,
            pages_read: progress.pages_read,
            bytes_read: progress.bytes_read,
            rows_scanned: progress.rows_scanned,
            rows_answered: progress.rows_answered,
        }
    }
}
