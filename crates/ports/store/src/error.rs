//! What can go wrong in the lake, and what to do about it.

use host::Kind;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: {source}")]
    Disk { path: String, source: std::io::Error },
    #[error("{path}: not readable as parquet: {source}")]
    Parquet { path: String, source: parquet::errors::ParquetError },
    #[error("{path}: {what}")]
    Damaged { path: String, what: String },
    /// Values that a table's schema does not allow: ours to prevent.
    #[error("rows for table {table}: {source}")]
    Rows { table: &'static str, source: arrow::error::ArrowError },
    #[error("table {table}, column {column}, row {row}: {what}")]
    Cell { table: &'static str, column: &'static str, row: usize, what: String },
    #[error("channel {}, start {}, span {} us stands twice among new readings", key.channel.0, key.start, key.span.0)]
    KeyTwice { key: meter::RowKey },
    #[error("vocabulary of the lake: {0}")]
    Words(#[from] meter::WordsError),
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
            Error::Disk { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Kind::Corrupt,
            Error::Disk { source, .. } => Kind::of_io(source),
            Error::Parquet { .. } | Error::Damaged { .. } | Error::Cell { .. } => Kind::Corrupt,
            Error::Rows { .. } | Error::KeyTwice { .. } | Error::TooManyPartitions { .. } => Kind::Bug,
            Error::Words(_) | Error::OverlayFull { .. } | Error::Stopped | Error::AtWork { .. } => Kind::Busy,
            Error::Delta { kind, .. } => *kind,
        }
    }

    pub(crate) fn disk(path: &str) -> impl FnOnce(std::io::Error) -> Error + '_ {
        move |source| Error::Disk { path: path.into(), source }
    }

    pub(crate) fn parquet(path: &str) -> impl FnOnce(parquet::errors::ParquetError) -> Error + '_ {
        move |source| Error::Parquet { path: path.into(), source }
    }

    pub(crate) fn damaged(path: &str, what: impl Into<String>) -> Error {
        Error::Damaged { path: path.into(), what: what.into() }
    }
}
