//! `POST /v1/readings`: a request in protobuf or JSON, and what came of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::Result;
use crate::api::Refusals;
use crate::expand;
use crate::files::Octets;
use crate::form::Form;
use crate::intake::Intake;
use crate::receipt::Receipt;
use crate::whole::{self, Announced};

#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "said in the description of the interface")]
struct Encoded {
    /// How the body is compressed.
    #[param(rename = "Content-Encoding", schema_with = encodings, required = false)]
    content_encoding: Option<String>,
}

fn encodings() -> utoipa::openapi::Object {
    // None at all is as good as `identity`.
    let known = expand::KNOWN.split(", ").chain([""]);
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(known)).into()
}

/// A request as JSON, as far as it must be right: what is wrong further inside costs itself, and is
/// listed in `refused`. The fields of a container are those of `meterhouse.v1`.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"containers": [{
    "point": "NMI0000001",
    "streams": [{"register": "E1", "kind": "KIND_INTERVAL", "unit": "kWh", "span": 1_800_000_000}],
    "measurements": [{"stream": 0, "at": "2026-05-01T00:00:00Z", "number": 0.25}],
}]}))]
#[expect(dead_code, reason = "said in the description of the interface")]
struct InJson {
    #[schema(min_items = 1)]
    containers: Vec<serde_json::Value>,
    /// Those that several containers share.
    #[serde(default)]
    streams: Vec<serde_json::Value>,
}

/// Hand in readings.
///
/// A `meterhouse.v1.Request`, or the same as JSON; acknowledged once it is synced to disk.
#[utoipa::path(post, path = "/v1/readings", tag = "intake",
    params(Encoded),
    request_body(content((inline(Octets) = "application/x-protobuf"), (inline(InJson) = "application/json"),
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
