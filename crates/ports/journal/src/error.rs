//! What can go wrong, and what is found damaged.

use std::io;

use host::Kind;
use meter::Sequence;

/// What a journal or the archive answers instead.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what happened, and to what")]
pub enum Error {
    #[error(
        "a body of {bytes} bytes does not fit into a record of at most {most}; put it into the archive and append its reference"
    )]
    TooLarge { bytes: usize, most: usize },
    #[error("a {what} of {bytes} bytes is longer than the {most} that are kept")]
    TooLong { what: &'static str, bytes: usize, most: usize },
    #[error("an object of more than {most} bytes is not archived; split it")]
    ObjectTooLarge { most: u64 },
    #[error("{waiting} bodies wait to be written; send again later")]
    Full { waiting: usize },
    #[error("the disk is full: {why}")]
    DiskFull { why: String },
    #[error("record {from} has been trimmed away; the first one left is {start}")]
    Trimmed { from: Sequence, start: Sequence },
    #[error(
        "record {from} is asked for but the journal ends before {end}: it has lost records that were once read; restore it from a backup"
    )]
    Ahead { from: Sequence, end: Sequence },
    #[error("segment {segment} is damaged at byte {offset}: {what}; restore it from a backup")]
    Damaged { segment: u64, offset: u64, what: &'static str },
    #[error("records {from} to {to} are missing: no segment in the journal holds them; restore it from a backup")]
    Missing { from: u64, to: u64 },
    #[error("segment {segment} holds at byte {offset} {what}, which this version cannot read; use a newer one")]
    Newer { segment: u64, offset: u64, what: String },
    #[error(
        "the journal stopped for good after a failed write ({why}); restart, and replace the disk if it happens again"
    )]
    Poisoned { why: String },
    #[error("the journal is closed")]
    Closed,
    #[error("journal settings: {what}")]
    Settings { what: String },
    #[error("no object {sha256} in the archive")]
    NoObject { sha256: String },
    #[error(transparent)]
    Disk(#[from] io::Error),
}

impl Error {
    /// What the caller can do about it.
    pub fn kind(&self) -> Kind {
        match self {
            Error::TooLarge { .. } | Error::TooLong { .. } | Error::ObjectTooLarge { .. } => Kind::BadInput,
            Error::Settings { .. } => Kind::BadInput,
            Error::Full { .. } | Error::DiskFull { .. } | Error::Closed => Kind::Busy,
            Error::Trimmed { .. } | Error::NoObject { .. } => Kind::NotFound,
            Error::Ahead { .. } | Error::Damaged { .. } | Error::Missing { .. } => Kind::Corrupt,
            Error::Newer { .. } => Kind::Conflict,
            Error::Poisoned { .. } => Kind::Bug,
            Error::Disk(error) => Kind::of_io(error),
        }
    }

    /// The error of a disk that may be full.
    pub(crate) fn of_disk(error: io::Error) -> Error {
        match Kind::of_io(&error) {
            Kind::Busy => Error::DiskFull { why: error.to_string() },
            _ => Error::Disk(error),
        }
    }
}

/// Bytes that are not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Below the data directory.
    pub path: String,
    /// The first byte known to be affected.
    pub byte: u64,
    /// What is wrong there.
    pub what: String,
}
