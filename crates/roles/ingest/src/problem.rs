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
            E::Format(_) => {
                Problem::new(kind, "file_format", cause, "leave `format` out, or send `auto` or the name of a format")
            }
            E::NoSuchProfile { .. } => {
                Problem::new(kind, "no_profile", cause, "GET /v1/profiles lists those there are")
            }
            E::Profile(_) => Problem::new(kind, "profile", cause, "see docs/reference/profiles.md"),
            E::ProfileBuiltIn { .. } => Problem::new(kind, "profile_built_in", cause, "add it under another name"),
            E::ProfilesFull => Problem::new(kind, "profiles_full", cause, "add fewer versions: try them out first"),
            _ if kind == Kind::Busy => Problem::new(kind, "registry_busy", cause, "try again later"),
            // The path of a file is nothing for a stranger.
            _ => Problem::new(kind, "registry", "the registry failed", "ask the operator to look at the log"),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (kind, cause) = (error.kind(), error.to_string());
        match error {
            Error::Registry(error) => Problem::from(error),
            Error::Journal(_) => of_journal(kind, cause, error.is_fatal()),
            // The path of a file is nothing for a stranger.
            Error::Disk(_) if kind != Kind::Busy => Problem::new(
                kind,
                "disk",
                "the disk failed",
                "begin the upload again; ask the operator to look at the log",
            ),
            Error::Task(_) => Problem::new(kind, "bug", "the server made a mistake", "keep it and tell the operator"),
            _ => {
                let (code, next) = words(&error);
                let problem = Problem { byte: byte(&error), ..Problem::new(kind, code, cause, next) };
                let status = refined_status(&error).unwrap_or(problem.status);
                problem.with_status(status)
            }
        }
    }
}

fn of_journal(kind: Kind, cause: String, is_fatal: bool) -> Problem {
    if kind == Kind::Busy {
        return Problem::new(kind, "journal_busy", cause, "keep it and send it again after the time in Retry-After");
    }
    if is_fatal {
        let next = "keep it and send it again once the operator has restarted the server";
        let problem = Problem::new(kind, "journal_stopped", "the journal has stopped", next);
        return problem.with_status(StatusCode::SERVICE_UNAVAILABLE);
    }
    Problem::new(kind, "journal", cause, "ask the operator to look at the log")
}

/// The code, and what to do.
fn words(error: &Error) -> (&'static str, &'static str) {
    match error {
        Error::Envelope(_) => ("envelope", "send one `meterhouse.v1.Request`, see schemas/ and the byte named here"),
        Error::Json(_) => ("envelope", "send requests as JSON, see docs/reference/formats.md and the byte named here"),
        Error::NotText { .. } => {
            ("not_text", "send lines in UTF-8; if they are compressed, say so in Content-Encoding")
        }
        Error::Precision { .. } => ("precision", "say what times count, such as `precision=s`"),
        Error::Parameters => ("parameter", "write each parameter once, percent-encoded"),
        Error::Statement { .. } => ("influxql", "ask in SQL: POST /v1/sql"),
        Error::ContentType { .. } => (
            "content_type",
            "send `Content-Type: application/x-protobuf`, `application/json` or `application/x-ndjson`",
        ),
        Error::ContentEncoding { .. } => ("content_encoding", "send it as `identity`, `gzip` or `zstd`"),
        Error::Empty => ("body_empty", "send at least one reading, or nothing at all"),
        Error::TooLarge { .. } => ("body_too_large", "send several smaller bodies, or a file to /v1/files"),
        Error::ExpandsTooFar { .. } => ("body_expands_too_far", "send several smaller bodies"),
        Error::Bomb { .. } => ("body_ratio", "send it uncompressed, or as several bodies"),
        Error::Damaged { .. } => ("body_damaged", "compress it again and send it whole"),
        Error::BrokeOff { .. } => ("body_broke_off", "send it again, whole"),
        Error::Slow { .. } => ("body_too_slow", "send it again in smaller bodies, or over a faster line"),
        Error::FileName { .. } => ("file_name", "name the file: POST /v1/files?name=meter.csv"),
        Error::FileEncoding => ("content_encoding", "send it as `identity`"),
        Error::FileTooLarge { .. } => ("file_too_large", "split the file, or import it where the data lies"),
        Error::InFlight { .. } | Error::Writers { .. } | Error::Connections { .. } => {
            ("busy", "send it again after the time in Retry-After")
        }
        Error::TenantInFlight { .. } => ("tenant_busy", "send less at once; again after the time in Retry-After"),
        Error::TusMissing | Error::TusVersion { .. } => {
            ("tus_version", "send `Tus-Resumable: 1.0.0`, see https://tus.io")
        }
        Error::UploadHeader { .. } => ("upload_header", "send it as tus 1.0 says, see docs/reference/http.md"),
        Error::PieceType { .. } => {
            ("content_type", "send `Content-Type: application/offset+octet-stream`, and no content encoding")
        }
        Error::NoUpload => ("no_upload", "begin a new one: POST /v1/uploads"),
        Error::UploadOffset { .. } => ("upload_offset", "ask with HEAD how much is there, and go on from there"),
        Error::UploadTooLong { .. } => ("upload_too_long", "begin a new upload with the length that the file has"),
        Error::UploadLocked => ("upload_locked", "ask with HEAD after the time in Retry-After, and go on from there"),
        Error::UploadsOpen { .. } => ("uploads_open", "finish some, or give some up with DELETE"),
        Error::UploadsFull { .. } => ("uploads_full", "begin again when others are finished"),
        Error::Disk(_) => ("disk_full", "go on after the time in Retry-After, from where HEAD says"),
        Error::Registry(_) | Error::Journal(_) | Error::Task(_) => ("bug", "keep it and tell the operator"),
    }
}

/// Where the protocol has a better word than the kind's.
fn refined_status(error: &Error) -> Option<StatusCode> {
    match error {
        Error::ContentType { .. } | Error::ContentEncoding { .. } | Error::FileEncoding | Error::PieceType { .. } => {
            Some(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        }
        Error::UploadTooLong { .. } => Some(StatusCode::PAYLOAD_TOO_LARGE),
        Error::TusVersion { .. } => Some(StatusCode::PRECONDITION_FAILED),
        Error::UploadLocked => Some(StatusCode::LOCKED),
        Error::UploadsOpen { .. } => Some(StatusCode::TOO_MANY_REQUESTS),
        Error::TooLarge { .. } | Error::ExpandsTooFar { .. } | Error::Bomb { .. } | Error::FileTooLarge { .. } => {
            Some(StatusCode::PAYLOAD_TOO_LARGE)
        }
        Error::Slow { .. } => Some(StatusCode::REQUEST_TIMEOUT),
        Error::TenantInFlight { .. } => Some(StatusCode::TOO_MANY_REQUESTS),
        _ => None,
    }
}

/// In the decompressed body, where one is known.
fn byte(error: &Error) -> Option<u64> {
    match error {
        Error::Envelope(error) => Some(error.byte as u64),
        Error::Json(error) => Some(error.byte as u64),
        Error::NotText { byte } => Some(*byte),
        Error::Damaged { expanded, .. } => Some(*expanded),
        Error::BrokeOff { received, .. } => Some(*received),
        _ => None,
    }
}

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}
