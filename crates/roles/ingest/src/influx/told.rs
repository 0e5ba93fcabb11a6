//! What is wrong, in the JSON that clients of InfluxDB look for; the members of
//! a [`Problem`] stand beside theirs, so that its code is seen in their logs.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use utoipa::IntoResponses;

use crate::Problem;

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
        let (member, said) = match self {
            Dialect::V1 => ("error", format!("{code}: {cause}; {next}")),
            Dialect::V2 => ("message", format!("{cause}; {next}")),
        };
        let mut told = serde_json::to_value(&problem).expect("texts and numbers become JSON");
        told[member] = said.into();
        let mut response = problem.into_response();
        *response.body_mut() = Body::from(told.to_string());
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

/// As the doors' own, but for the type of what is said.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "said in the description of the interface")]
pub(super) enum Refusals {
    /// The body or the request cannot be read.
    #[response(status = 400, content_type = "application/json")]
    BadInput(Problem),
    /// There is no token, or nobody knows it.
    #[response(status = 401, content_type = "application/json")]
    Stranger(Problem),
    /// The token may not.
    #[response(status = 403, content_type = "application/json")]
    NotAllowed(Problem),
    /// The body came too slowly.
    #[response(status = 408, content_type = "application/json")]
    Slow(Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/json")]
    TooLarge(Problem),
    /// The body is in an encoding that is not known here.
    #[response(status = 415, content_type = "application/json")]
    Form(Problem),
    /// This tenant sends too much at once; `Retry-After` says when to go on.
    #[response(status = 429, content_type = "application/json")]
    TooMuch(Problem),
    /// The server failed; its log says why.
    #[response(status = 500, content_type = "application/json")]
    Failed(Problem),
    /// Busy: the same may work after `Retry-After`.
    #[response(status = 503, content_type = "application/json")]
    Busy(Problem),
}
