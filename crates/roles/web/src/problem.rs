//! How the errors of questions are told: problem+json with code, cause, next step.

use host::Kind;
use ingest::Problem;
use query::Error;

/// What to do about an error of the engine is said in its message; this adds
/// where to look.
pub(crate) fn of_query(error: &Error) -> Problem {
    let cause = match error.place() {
        Some(place) => format!("line {}, column {}: {error}", place.line, place.column),
        None => error.to_string(),
    };
    let next = match error.kind() {
        Kind::BadInput => "correct the query; the tables and columns are in information_schema.columns",
        Kind::NotAllowed => "send a select; readings come in through /v1/readings and /v1/files",
        Kind::Busy => "send it again shortly",
        _ => "tell the operator; `meterhouse verify` checks what is stored",
    };
    Problem::new(error.kind(), error.code(), cause, next)
}

/// A parameter that cannot be meant.
pub(crate) fn parameter(cause: String, next: &str) -> Problem {
    Problem::new(Kind::BadInput, "parameter", cause, next)
}

/// The record asked for did not come into sight in time.
pub(crate) fn not_yet(wanted: u64, below: u64) -> Problem {
    let cause = format!("record {wanted} is not visible yet, records below {below} are");
    Problem::new(Kind::Busy, "not_yet_visible", cause, "send it again shortly")
}
