//! What can stop the role, and what to do about it.

use host::Kind;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("journal: {0}")]
    Journal(#[from] journal::Error),
    #[error("lake: {0}")]
    Store(#[from] store::Error),
    #[error("ids for new channels: {0}")]
    Registry(#[from] registry::Error),
    #[error("vocabulary: {0}")]
    Words(#[from] meter::WordsError),
    #[error("body of a record: {0}")]
    Body(std::io::Error),
    #[error("checkpoint {path}: {source}")]
    Checkpoint { path: String, source: std::io::Error },
    /// Columns that do not fit their table: ours to prevent.
    #[error("columns of table {table}: {source}")]
    Columns { table: &'static str, source: arrow::error::ArrowError },
    #[error("a stage of the role ended early: {0}")]
    Stage(String),
    /// The other side of a channel went away; its own error says why.
    #[error("a stage of the role is gone")]
    Gone,
}

impl Error {
    pub fn kind(&self) -> Kind {
        match self {
            Error::Journal(error) => error.kind(),
            Error::Store(error) => error.kind(),
            Error::Registry(error) => error.kind(),
            Error::Words(_) => Kind::Busy,
            Error::Body(_) | Error::Checkpoint { .. } => Kind::Corrupt,
            Error::Columns { .. } | Error::Stage(_) | Error::Gone => Kind::Bug,
        }
    }
}
