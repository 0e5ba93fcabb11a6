//! What can go wrong in the lake, and what to do about it.

use host::Kind;
use parquet::errors::ParquetError;

/// What every call of the lake gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the lake did not do it.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what happened, and to what")]
pub enum Error {
    #[error("{path}: {cause}")]
    Disk { path: String, cause: std::io::Error },
    #[error("{path}: not readable as parquet: {cause}")]
    Parquet { path: String, cause: ParquetError },
    #[error("{path}: {what}")]
    Damaged { path: String, what: String },
    /// Values that a table's schema does not allow: ours to prevent.
    #[error("rows for table {table}: {cause}")]
    Rows { table: &'static str, cause: arrow::error::ArrowError },
    #[error("table {table}, column {column}, row {row}: {what}")]
    Cell { table: &'static str, column: &'static str, row: usize, what: String },
    #[error("channel {}, start {}, span {} us stands twice among new readings", key.channel.0, key.start, key.span.0)]
    KeyTwice { key: meter::RowKey },
    #[error("vocabulary of the lake: {0}")]
    Words(meter::WordsError),
    #[error("table {table}: {what}")]
    Delta { table: String, what: String, kind: Kind },
    #[error("a commit to {table} touches {partitions} partitions; at most {max} fit, split it")]
    TooManyPartitions { table: &'static str, partitions: usize, max: usize },
    #[error("the runtime stopped while the lake was at work")]
    Stopped,
    #[error("{jobs} jobs have written files that they have not committed; finish them first")]
    AtWork { jobs: usize },
    #[error("{rows} corrections wait to be folded; at most {max} fit, fold first")]
    OverlayFull { rows: u64, max: u64 },
}

impl Error {
    /// What to do about it.
    pub fn kind(&self) -> Kind {
        match self {
            // A file that the log names must be there.
            Error::Disk { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound => Kind::Corrupt,
            Error::Disk { cause, .. } => Kind::of_io(cause),
            Error::Parquet { .. } | Error::Damaged { .. } | Error::Cell { .. } => Kind::Corrupt,
            Error::Rows { .. } | Error::KeyTwice { .. } | Error::TooManyPartitions { .. } => Kind::Bug,
            Error::Words(_) | Error::OverlayFull { .. } | Error::Stopped | Error::AtWork { .. } => Kind::Busy,
            Error::Delta { kind, .. } => *kind,
        }
    }

    pub(crate) fn disk(path: &str) -> impl FnOnce(std::io::Error) -> Error + '_ {
        move |cause| Error::Disk { path: path.into(), cause }
    }

    pub(crate) fn parquet(path: &str) -> impl FnOnce(ParquetError) -> Error + '_ {
        move |cause| Error::Parquet { path: path.into(), cause }
    }

    /// Of the writer of a Parquet file: mostly the disk's own error comes through it.
    pub(crate) fn unwritten(path: &str) -> impl FnOnce(ParquetError) -> Error + '_ {
        move |cause| match cause {
            ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
                Ok(cause) => Error::disk(path)(*cause),
                Err(inner) => Error::parquet(path)(ParquetError::External(inner)),
            },
            cause => Error::parquet(path)(cause),
        }
    }

    pub(crate) fn damaged(path: &str, what: impl Into<String>) -> Error {
        Error::Damaged { path: path.into(), what: what.into() }
    }
}

impl From<meter::WordsError> for Error {
    fn from(error: meter::WordsError) -> Self {
        Error::Words(error)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn an_error_tells_its_cause_and_hands_on_none_to_be_told_again() {
        let errors = [
            Error::disk("lake/a")(io::Error::other("the cause")),
            Error::parquet("lake/a")(ParquetError::General("the cause".into())),
            Error::Rows { table: "readings", cause: arrow::error::ArrowError::ComputeError("the cause".into()) },
        ];
        for error in errors {
            assert!(error.to_string().contains("the cause"), "{error}");
            assert!(std::error::Error::source(&error).is_none(), "{error}");
        }
    }

    #[test]
    fn a_full_disk_beneath_the_parquet_writer_is_busy_and_not_damage() {
        let full = ParquetError::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(Error::unwritten("lake/a")(full).kind(), Kind::Busy);
        let other = ParquetError::General("too many columns".into());
        assert_eq!(Error::unwritten("lake/a")(other).kind(), Kind::Corrupt);
    }
}
