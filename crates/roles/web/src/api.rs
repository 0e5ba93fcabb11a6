//! The description of the interface, from the code: `/v1/openapi.json`.

use std::collections::BTreeMap;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use ingest::Problem;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{self, RefOr};
use utoipa::{IntoResponses, OpenApi};

use crate::rows::PageForm;
use crate::sql::AnswerForm;
use crate::{health, imports, lists, live, profiles, queries, sources, sql};

/// Of questions and lists.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        ingest::refusals(&[
            (404, "There is no such thing for this tenant."),
            (409, "It was told to end, or cannot be what it would be."),
            (410, "It was there and is not kept any more."),
            (413, "More than is taken in at once."),
        ])
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Meterhouse", description = "What meters measure: taken in, kept exactly, answered."),
    paths(
        sql::get, sql::post, queries::list, queries::one, queries::cancel, lists::readings, lists::channels, lists::latest, lists::refused, imports::list, imports::one,
        profiles::list, profiles::one, profiles::add, profiles::test,
        sources::raw, live::watch, health::healthz, health::readyz, health::metrics, openapi
    ),
    components(schemas(Problem, PageForm, AnswerForm)),
    tags(
        (name = "intake", description = "What comes in, and what became of it"),
        (name = "questions", description = "What is stored"),
        (name = "health", description = "Whether the server lives and is ready"),
    ),
    modifiers(&Token),
    security(("token" = []))
)]
struct Api;

/// Every request shows a token, except where a path says otherwise.
struct Token;

impl utoipa::Modify for Token {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        openapi.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// All requests of the server: those of the doors and those of this role.
pub fn description() -> utoipa::openapi::OpenApi {
    let mut all = Api::openapi();
    all.merge(ingest::Doors::openapi());
    all
}

/// This description.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "health", security(()),
    responses((status = 200, content_type = "application/json", body = serde_json::Value, description = "OpenAPI 3.1")))]
pub(crate) async fn openapi() -> Response {
    let text = description().to_json().unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
