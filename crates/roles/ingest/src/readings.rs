//! `POST /v1/readings`: a request in protobuf or JSON, and what came of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

use crate::Result;
use crate::api::Refusals;
use crate::form::Form;
use crate::intake::Intake;
use crate::receipt::Receipt;
use crate::whole::{self, Announced};

/// Hand in readings.
///
/// A `meterhouse.v1.Request`, or the same as JSON; acknowledged once it is synced to disk.
#[utoipa::path(post, path = "/v1/readings", tag = "intake",
    params(("Content-Encoding" = Option<String>, Header, description = "`gzip`, `zstd` or `identity`")),
    request_body(content((Vec<u8> = "application/x-protobuf"), (serde_json::Value = "application/json"),
        (String = "application/x-ndjson"))),
    responses((status = 200, body = Receipt, description = "It is kept"), Refusals))]
pub(crate) async fn post(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let announced = look_at(&intake, &head.headers).await;
    let outcome = whole::take_in(&intake, &head.headers, body, announced).await;
    intake.answer(outcome.map(|receipt| Json(receipt).into_response()))
}

/// All that can be said before a byte of the body is read.
async fn look_at(intake: &Intake, headers: &HeaderMap) -> Result<Announced> {
    let writer = intake.writer(headers).await?;
    Announced::of(intake, headers, writer.tenant, Form::of(headers)?)
}
