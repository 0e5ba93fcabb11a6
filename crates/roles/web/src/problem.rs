//! How the errors of questions are told: problem+json with code, cause, next step.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use host::Kind;
use ingest::Problem;
use query::Error;

/// What to do about an error of the engine is said in its message; this adds
/// where to look.
pub(crate) fn of_query(error: &Error) -> Problem {
    let cause = match (error, error.place()) {
        // Paths of files are for the operator's eye.
        (Error::Store { .. } | Error::Engine(_) | Error::Write { .. }, _) => {
            tracing::error!(%error, kind = %error.kind(), "query failed");
            "what is stored could not be read, or the engine failed".to_owned()
        }
        (_, Some(place)) => format!("line {}, column {}: {error}", place.line, place.column),
        (_, None) => error.to_string(),
    };
    let next = match error.kind() {
        Kind::BadInput if error.code() == "sql" => {
            "correct the query; the tables and columns are in information_schema.columns"
        }
        Kind::BadInput => "change the query as the detail says",
        Kind::NotAllowed => "send a select; readings come in through /v1/readings and /v1/files",
        Kind::Busy => "send it again shortly",
        Kind::Conflict => "ask again, if the answer is still wanted",
        _ => "tell the operator; `meterhouse verify` checks what is stored",
    };
    Problem::new(error.kind(), error.code(), cause, next)
}

/// A query that cannot be that long.
pub(crate) fn body_too_large(bytes_max: usize) -> Problem {
    let cause = format!("the body has more than {bytes_max} bytes, or broke off");
    let next = "send less; a long list of points fits in several queries, a sample is the beginning of a file";
    Problem::new(Kind::BadInput, "body_too_large", cause, next).with_status(axum::http::StatusCode::PAYLOAD_TOO_LARGE)
}

/// A parameter that cannot be meant.
pub(crate) fn parameter(cause: String, next: &str) -> Problem {
    Problem::new(Kind::BadInput, "parameter", cause, next)
}

/// The record asked for is none yet: waiting for it would end in nothing.
pub(crate) fn not_given_out(wanted: u64, below: u64) -> Problem {
    let cause = match below {
        0 | 1 => format!("record {wanted} is not there; none was taken in yet"),
        _ => format!("record {wanted} is not there; the newest is {}", below - 1),
    };
    Problem::new(Kind::NotFound, "no_record", cause, "wait for the `sequence` of an acknowledgement")
}

/// The record asked for did not come into sight in time.
pub(crate) fn not_yet(wanted: u64, below: u64) -> Problem {
    let cause = format!("record {wanted} is not visible yet, records below {below} are");
    Problem::new(Kind::Busy, "not_yet_visible", cause, "send it again shortly")
}

/// A number in a path that is none.
pub(crate) fn path_number(found: Result<Path<u64>, PathRejection>) -> Result<u64, Problem> {
    let Path(number) = found.map_err(|error| parameter(error.body_text(), "put the sequence number into the path"))?;
    // The engine's numbers are signed.
    if number > i64::MAX as u64 { Err(no_record(number)) } else { Ok(number) }
}

/// Nothing came in under this number, as far as this tenant may know.
pub(crate) fn no_record(seq: u64) -> Problem {
    let cause = format!("there is no record {seq}");
    Problem::new(Kind::NotFound, "no_record", cause, "take a number from an acknowledgement, or `seq` of a row")
}

/// This tenant runs no such query.
pub(crate) fn no_query(id: u64) -> Problem {
    let cause = format!("no query {id} runs");
    Problem::new(Kind::NotFound, "no_query", cause, "it may have ended; GET /v1/queries lists those that run")
}

/// What came in is known, its bytes are not kept any more.
pub(crate) fn source_gone(seq: u64) -> Problem {
    let cause = format!("the bytes of record {seq} are not kept any more; what was read of them is");
    let next = "ask the sender for them; `journal.keep_bytes` says how much the journal keeps of what was applied";
    Problem::new(Kind::NotFound, "source_gone", cause, next).with_status(axum::http::StatusCode::GONE)
}

/// What the journal or the archive could not do.
pub(crate) fn of_journal(error: &journal::Error) -> Problem {
    tracing::error!(%error, "what came in cannot be read");
    let next = "tell the operator; `meterhouse verify` checks what is stored";
    Problem::new(error.kind(), "journal", "what came in cannot be read", next)
}

/// A task that panicked or was cut.
pub(crate) fn task(error: &tokio::task::JoinError) -> Problem {
    tracing::error!(%error, "a task ended early");
    Problem::new(Kind::Bug, "bug", "the server made a mistake", "tell the operator")
}

/// No place to watch from.
pub(crate) fn watchers(most: usize) -> Problem {
    let cause = format!("{most} streams of readings are open, the limit of this server");
    Problem::new(Kind::Busy, "watchers", cause, "ask /v1/readings for what is new, or come back later")
}

/// No place to try a profile out.
pub(crate) fn trials(most: usize) -> Problem {
    let cause = format!("{most} profiles are being tried out, the limit of this server");
    Problem::new(Kind::Busy, "busy", cause, "send it again shortly, or try it out with `meterhouse profile test`")
}
