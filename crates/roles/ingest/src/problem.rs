//! How trouble is told over HTTP: `application/problem+json` (RFC 9457).
//!
//! Promise: every refusal carries a stable code, the cause, the next step, the
//! byte where one is known, and `Retry-After` exactly when trying again the
//! same way can help.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use host::Kind;
use serde::Serialize;

use crate::limits::RETRY_AFTER_S;
use crate::{Error, expand};

/// The one table from kinds of trouble to HTTP. A protocol detail may refine it
/// (401, 408, 413, 415, 429); nothing contradicts it.
pub fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::BadInput => StatusCode::BAD_REQUEST,
        Kind::NotAllowed => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Corrupt | Kind::Bug => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A refusal as its sender reads it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// Of the answer.
    #[schema(value_type = u16)]
    #[serde(serialize_with = "as_number")]
    pub status: StatusCode,
    /// Stable: counted, searched for, and listed in the reference.
    pub code: &'static str,
    /// What happened.
    #[serde(rename = "detail")]
    pub cause: String,
    /// What to do.
    pub next: String,
    /// In the decompressed body, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byte: Option<u64>,
    /// Seconds, also in the header.
    #[serde(rename = "retry_after_s", skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
}

impl Problem {
    /// With the status of its kind; Busy ones ask to try again.
    pub fn new(kind: Kind, code: &'static str, cause: impl Into<String>, next: impl Into<String>) -> Problem {
        let retry_after_s = (kind == Kind::Busy).then_some(RETRY_AFTER_S);
        let (cause, next) = (cause.into(), next.into());
        Problem { status: status_of(kind), code, cause, next, byte: None, retry_after_s }
    }

    /// The same under another status.
    pub fn with_status(self, status: StatusCode) -> Problem {
        Problem { status, ..self }
    }

    /// For paths nobody serves.
    pub fn not_found(path: &str) -> Problem {
        let cause = format!("there is nothing at {:?}", path.chars().take(200).collect::<String>());
        Problem::new(Kind::NotFound, "not_found", cause, "look the path up in the reference")
    }

    /// For a path that is served, but not so.
    pub fn method() -> Problem {
        let cause = "the path is served, but not with this method";
        let problem = Problem::new(Kind::BadInput, "method", cause, "look the method up in the reference");
        problem.with_status(StatusCode::METHOD_NOT_ALLOWED)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).expect("texts and numbers become JSON");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(expand::KNOWN));
            }
            // What is left of the body will not be read, so nothing can follow it.
            StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}

impl From<registry::Error> for Problem {
    fn from(error: registry::Error) -> Self {
        use registry::Error as E;
        let (cause, kind) = (error.to_string(), error.kind());
        match error {
            E::TokenMissing => Problem::new(kind, "token_missing", cause, "send `Authorization: Bearer mh_…`")
                .with_status(StatusCode::UNAUTHORIZED),
            E::TokenUnknown => Problem::new(kind, "token_unknown", cause, "have a new token made: `meterhouse token`")
                .with_status(StatusCode::UNAUTHORIZED),
            E::TokenScope { .. } => Problem::new(kind, "token_scope", cause, "use a token that has the scope"),
            _ if kind == Kind::Busy => Problem::new(kind, "registry_busy", cause, "try again later"),
            // The path of a file is nothing for a stranger.
            _ => Problem::new(kind, "registry", "the registry failed", "ask the operator to look at the log"),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (cause, kind, fatal) = (error.to_string(), error.kind(), error.is_fatal());
        let new = |code, next: &str| Problem::new(kind, code, cause.clone(), next);
        match error {
            Error::Registry(error) => Problem::from(error),
            Error::Envelope(error) => {
                let next = "send one `meterhouse.v1.Request`, see schemas/ and the byte named here";
                Problem { byte: Some(error.byte as u64), ..new("envelope", next) }
            }
            Error::Json(error) => {
                let next = "send requests as JSON, see docs/reference/formats.md and the byte named here";
                Problem { byte: Some(error.byte as u64), ..new("envelope", next) }
            }
            Error::ContentType { .. } => {
                let next = "send `Content-Type: application/x-protobuf`, `application/json` or `application/x-ndjson`";
                new("content_type", next).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            }
            Error::ContentEncoding { .. } => new("content_encoding", "send it as `identity`, `gzip` or `zstd`")
                .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Error::Empty => new("body_empty", "send at least one container, or nothing at all"),
            Error::TooLarge { .. } => new("body_too_large", "send several smaller bodies, or a file to /v1/files")
                .with_status(StatusCode::PAYLOAD_TOO_LARGE),
            Error::ExpandsTooFar { .. } => {
                new("body_expands_too_far", "send several smaller bodies").with_status(StatusCode::PAYLOAD_TOO_LARGE)
            }
            Error::Bomb { .. } => new("body_ratio", "send it uncompressed, or as several bodies")
                .with_status(StatusCode::PAYLOAD_TOO_LARGE),
            Error::Damaged { expanded, .. } => {
                let next = "compress it again and send it whole";
                Problem { byte: Some(expanded), ..new("body_damaged", next) }
            }
            Error::BrokeOff { received, .. } => {
                Problem { byte: Some(received), ..new("body_broke_off", "send it again, whole") }
            }
            Error::Slow { .. } => new("body_too_slow", "send it again in smaller bodies, or over a faster line")
                .with_status(StatusCode::REQUEST_TIMEOUT),
            Error::FileName { .. } => new("file_name", "name the file: POST /v1/files?name=meter.csv"),
            Error::Format { .. } => new("file_format", "leave `format` out, or send `auto` or the name of a format"),
            Error::FileEncoding => {
                new("content_encoding", "send it as `identity`").with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            }
            Error::FileTooLarge { .. } => new("file_too_large", "split the file, or import it where the data lies")
                .with_status(StatusCode::PAYLOAD_TOO_LARGE),
            Error::InFlight { .. } => new("busy", "send it again after the time in Retry-After"),
            Error::TenantInFlight { .. } => {
                new("tenant_busy", "send less at once; again after the time in Retry-After")
                    .with_status(StatusCode::TOO_MANY_REQUESTS)
            }
            Error::Journal(_) if kind == Kind::Busy => {
                new("journal_busy", "keep it and send it again after the time in Retry-After")
            }
            Error::Journal(_) if fatal => {
                let next = "keep it and send it again once the operator has restarted the server";
                Problem::new(kind, "journal_stopped", "the journal has stopped", next)
                    .with_status(StatusCode::SERVICE_UNAVAILABLE)
            }
            Error::Journal(_) => new("journal", "ask the operator to look at the log"),
            Error::Task(_) => Problem::new(kind, "bug", "the server made a mistake", "keep it and tell the operator"),
        }
    }
}

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}
