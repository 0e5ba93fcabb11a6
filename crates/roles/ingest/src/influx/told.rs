//! What is wrong, in the JSON that clients of InfluxDB look for; the members of
//! a [`Problem`] stand beside theirs, so that its code is seen in their logs.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{self, RefOr};
use utoipa::{IntoResponses, ToSchema};

use crate::Problem;
use crate::refusals::told_as;

/// Which of their clients asks.
#[derive(Clone, Copy)]
pub(super) enum Dialect {
    /// `{"error": …}`.
    V1,
    /// `{"code": …, "message": …}`.
    V2,
}

impl Dialect {
    pub(super) fn tell(self, problem: Problem) -> Response {
        let Problem { code, cause, next, .. } = &problem;
        let (error, message) = match self {
            Dialect::V1 => (Some(format!("{code}: {cause}; {next}")), None),
            Dialect::V2 => (None, Some(format!("{cause}; {next}"))),
        };
        let (status, detail, next) = (problem.status.as_u16(), cause.clone(), next.clone());
        let Problem { byte, retry_after_s, .. } = problem;
        let told = Told { status, code, detail, next, byte, retry_after_s, error, message };
        let text = serde_json::to_string(&told).expect("texts and numbers become JSON");
        let mut response = problem.into_response();
        *response.body_mut() = Body::from(text);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

/// A [`Problem`] with the member that the client shows to people.
#[derive(Serialize, ToSchema)]
pub(crate) struct Told {
    status: u16,
    code: &'static str,
    detail: String,
    next: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    byte: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u32>,
    /// For clients of version 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// For clients of version 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// As the doors' own, but for the type of what is said.
pub(super) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let own = [
            (408, "The body came too slowly."),
            (413, "The body is too large."),
            (415, "The body is in an encoding that is not known here."),
            (429, "This tenant sends too much at once; `Retry-After` says when to go on."),
        ];
        told_as("application/json", "Told", &own)
    }
}
