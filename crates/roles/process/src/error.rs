//! What can stop the role, and what to do about it.

use host::Kind;

/// Why the role stopped.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what happened, and to what")]
pub enum Error {
    #[error("journal: {0}")]
    Journal(journal::Error),
    #[error("lake: {0}")]
    Store(store::Error),
    #[error("registry: {0}")]
    Registry(registry::Error),
    #[error("vocabulary: {0}")]
    Words(meter::WordsError),
    #[error("body of a record: {0}")]
    Body(std::io::Error),
    #[error("the system gives no randomness: {0}")]
    Entropy(std::io::Error),
    #[error("checkpoint {path}: {cause}")]
    Checkpoint { path: String, cause: std::io::Error },
    /// Columns that do not fit their table: ours to prevent.
    #[error("columns of table {table}: {cause}")]
    Columns { table: &'static str, cause: arrow::error::ArrowError },
    /// After 2^32 of them, each the room of 64 channels.
    #[error("the registry leased block {0}, and names are held for 2^32 blocks")]
    Blocks(i64),
    #[error("a stage of the role ended early: {0}")]
    Stage(String),
    /// The other side of a channel went away; its own error says why.
    #[error("a stage of the role is gone")]
    Gone,
}

impl Error {
    /// What to do about it.
    pub fn kind(&self) -> Kind {
        match self {
            Error::Journal(error) => error.kind(),
            Error::Store(error) => error.kind(),
            Error::Registry(error) => error.kind(),
            Error::Words(_) => Kind::Busy,
            Error::Body(_) => Kind::Corrupt,
            Error::Checkpoint { cause, .. } | Error::Entropy(cause) => Kind::of_io(cause),
            Error::Columns { .. } | Error::Blocks(_) | Error::Stage(_) | Error::Gone => Kind::Bug,
        }
    }
}

impl From<journal::Error> for Error {
    fn from(error: journal::Error) -> Self {
        Error::Journal(error)
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Error::Store(error)
    }
}

impl From<registry::Error> for Error {
    fn from(error: registry::Error) -> Self {
        Error::Registry(error)
    }
}

impl From<meter::WordsError> for Error {
    fn from(error: meter::WordsError) -> Self {
        Error::Words(error)
    }
}
