//! Why a query was not answered, and what kind of trouble it is.
//!
//! Promise: what the asker can put right is `BadInput` and says how; what the
//! lake or we did wrong never looks like the asker's fault.

use std::sync::Arc;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use host::Kind;

/// What every call of this crate gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where in the query text something stands, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqlPlace {
    /// The line of the text.
    pub line: u64,
    /// The character in that line.
    pub column: u64,
}

/// Why a query was not answered.
///
/// `Clone`, because the engine hands one error to every consumer of a shared plan.
#[derive(Clone, Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what happened, and to what")]
pub enum Error {
    #[error("{message}")]
    Sql { message: String, place: Option<SqlPlace> },
    #[error("{what} is not possible here: queries only read; send a select")]
    ReadOnly { what: String },
    #[error("{what}; at most {max} fit in one query, split it")]
    TooComplex { what: String, max: usize },
    #[error("the query needs more memory than the {bytes_max} bytes it may use; narrow it or aggregate earlier")]
    Memory { bytes_max: usize },
    #[error("the answer has more than {rows_max} rows; add a limit, aggregate, or use `meterhouse export`")]
    Rows { rows_max: u64 },
    #[error("the query took longer than {seconds} s; narrow it by point or start")]
    Time { seconds: u64 },
    #[error("the query was cancelled")]
    Cancelled,
    #[error("{running} queries are running, as many as may; try again shortly")]
    Busy { running: usize },
    #[error("{function} of these values does not fit {type_name}; aggregate fewer or cast to a smaller unit")]
    Overflow { function: &'static str, type_name: String },
    #[error(
        "channel {channel} ({point} {register}), reading {value} {unit:?}: no exact quantity in {channel_unit:?}; \
         select value, scale and unit instead of quantity, or leave the channel out"
    )]
    Inexact {
        channel: i64,
        point: Box<str>,
        register: Box<str>,
        value: Box<str>,
        unit: Box<str>,
        channel_unit: Box<str>,
    },
    #[error("a reading names {what} {id}, which the lake does not know; run `meterhouse verify`")]
    Nameless { what: &'static str, id: i64 },
    #[error("reading of channel {channel}: {what}; run `meterhouse verify`")]
    Damaged { channel: i64, what: String },
    #[error("{message}")]
    Store { message: String, kind: Kind },
    #[error("the {path} cannot be written: {cause}")]
    Write { path: String, cause: Arc<std::io::Error> },
    #[error("query engine: {0}")]
    Engine(String),
}

impl Error {
    /// What to do about it.
    pub fn kind(&self) -> Kind {
        match self {
            Error::Sql { .. }
            | Error::TooComplex { .. }
            | Error::Memory { .. }
            | Error::Rows { .. }
            | Error::Time { .. }
            | Error::Overflow { .. }
            | Error::Inexact { .. } => Kind::BadInput,
            Error::ReadOnly { .. } => Kind::NotAllowed,
            Error::Busy { .. } => Kind::Busy,
            // The question was fine; somebody decided otherwise.
            Error::Cancelled => Kind::Conflict,
            Error::Nameless { .. } | Error::Damaged { .. } => Kind::Corrupt,
            Error::Store { kind, .. } => *kind,
            Error::Write { cause, .. } => Kind::of_io(cause),
            Error::Engine(_) => Kind::Bug,
        }
    }

    /// Short and stable, for programs: `sql`, `read_only`, …
    pub fn code(&self) -> &'static str {
        match self {
            Error::Sql { .. } => "sql",
            Error::ReadOnly { .. } => "read_only",
            Error::TooComplex { .. } => "too_complex",
            Error::Memory { .. } => "memory_limit",
            Error::Rows { .. } => "row_limit",
            Error::Time { .. } => "time_limit",
            Error::Cancelled => "cancelled",
            Error::Busy { .. } => "busy",
            Error::Overflow { .. } => "overflow",
            Error::Inexact { .. } => "inexact_quantity",
            Error::Nameless { .. } | Error::Damaged { .. } => "corrupt",
            Error::Store { .. } => "store",
            Error::Write { .. } => "write",
            Error::Engine(_) => "internal",
        }
    }

    /// Where in the query text it stands, if that is known.
    pub fn place(&self) -> Option<SqlPlace> {
        match self {
            Error::Sql { place, .. } => *place,
            _ => None,
        }
    }

    /// The error inside what the engine reports. `memory_bytes_max` is the
    /// limit the query ran under.
    pub(crate) fn from_engine(error: &DataFusionError, memory_bytes_max: usize) -> Error {
        use DataFusionError as E;
        let again = |inner: &DataFusionError| Error::from_engine(inner, memory_bytes_max);
        let sql = |message: &str| Error::Sql { message: plain(message), place: None };
        match error {
            E::Shared(inner) => again(inner),
            E::Context(_, inner) => again(inner),
            E::Collection(all) => all.first().map_or_else(|| Error::Engine("unnamed error".into()), again),
            E::Diagnostic(diagnostic, inner) => {
                let place = diagnostic.span.map(|s| SqlPlace { line: s.start.line, column: s.start.column });
                match again(inner) {
                    Error::Sql { message, place: None } => Error::Sql { message, place },
                    other => other,
                }
            }
            E::External(inner) => from_box(inner.as_ref(), memory_bytes_max),
            E::ArrowError(inner, _) => from_arrow(inner, memory_bytes_max),
            E::SQL(inner, _) => with_place(&inner.to_string()),
            E::NotImplemented(message) | E::Plan(message) | E::Execution(message) => sql(message),
            E::SchemaError(inner, _) => sql(&inner.to_string()),
            E::ResourcesExhausted(_) => Error::Memory { bytes_max: memory_bytes_max },
            E::IoError(source) => Error::Store { message: format!("spill file: {source}"), kind: Kind::of_io(source) },
            other => Error::Engine(plain(&other.strip_backtrace())),
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Error::Store { kind: error.kind(), message: error.to_string() }
    }
}

/// Our errors travel through the engine boxed.
impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

fn from_box(error: &(dyn std::error::Error + Send + Sync + 'static), memory_bytes_max: usize) -> Error {
    if let Some(ours) = error.downcast_ref::<Error>() {
        return ours.clone();
    }
    if let Some(inner) = error.downcast_ref::<DataFusionError>() {
        return Error::from_engine(inner, memory_bytes_max);
    }
    if let Some(inner) = error.downcast_ref::<ArrowError>() {
        return from_arrow(inner, memory_bytes_max);
    }
    Error::Engine(error.to_string())
}

fn from_arrow(error: &ArrowError, memory_bytes_max: usize) -> Error {
    use ArrowError as A;
    match error {
        A::ExternalError(inner) => from_box(inner.as_ref(), memory_bytes_max),
        A::DivideByZero => Error::Sql { message: "division by zero".into(), place: None },
        A::CastError(m)
        | A::ParseError(m)
        | A::ComputeError(m)
        | A::InvalidArgumentError(m)
        | A::ArithmeticOverflow(m) => Error::Sql { message: plain(m), place: None },
        A::MemoryError(_) => Error::Memory { bytes_max: memory_bytes_max },
        other => Error::Engine(other.to_string()),
    }
}

/// The parser writes ` at Line: 1, Column: 8` at the end of its message.
fn with_place(message: &str) -> Error {
    let message = message.strip_prefix("sql parser error: ").unwrap_or(message);
    let parsed = message.rsplit_once(" at Line: ").and_then(|(head, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((head, SqlPlace { line: line.parse().ok()?, column: column.parse().ok()? }))
    });
    match parsed {
        Some((head, place)) => Error::Sql { message: plain(head), place: Some(place) },
        None => Error::Sql { message: plain(message), place: None },
    }
}

/// Lower case where a sentence starts, no full stop, no backtrace, one line.
fn plain(message: &str) -> String {
    let message = message.split("\n\nbacktrace:").next().unwrap_or(message);
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches('.');
    let mut letters = line.chars();
    let Some(first) = letters.next() else { return "unnamed error".into() };
    // `SELECT` and `Int64` are names, `Expected` starts a sentence.
    let starts_a_sentence = line.split(' ').next().is_some_and(|word| {
        let word = word.trim_end_matches(':');
        word.len() > 1 && word.chars().skip(1).all(|c| c.is_ascii_lowercase()) && first.is_ascii_uppercase()
    });
    if starts_a_sentence { first.to_lowercase().chain(letters).collect() } else { line.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parser_message_tells_the_place() {
        let error = with_place("sql parser error: Expected: an expression, found: EOF at Line: 2, Column: 7");
        assert_eq!(error.to_string(), "expected: an expression, found: EOF");
        assert_eq!(error.place(), Some(SqlPlace { line: 2, column: 7 }));
    }

    #[test]
    fn our_own_error_is_found_however_deep_it_is_wrapped() {
        let ours = Error::Overflow { function: "sum", type_name: "Int64".into() };
        let arrow = ArrowError::ExternalError(Box::new(DataFusionError::from(ours)));
        let wrapped = DataFusionError::Shared(Arc::new(DataFusionError::from(arrow).context("while adding")));
        let found = Error::from_engine(&wrapped, 1);
        assert!(matches!(found, Error::Overflow { .. }), "{found}");
        assert_eq!(found.kind(), Kind::BadInput);
    }
}
