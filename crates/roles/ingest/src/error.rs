//! What can go wrong at a door, and what kind of trouble it is.

use std::time::Duration;

use host::Kind;
use parse::{json, protobuf};

use crate::limits::{EXPANDED_RATIO_MAX, FILE_NAME_CHARS_MAX};

/// What every call of the doors gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a body was not taken in.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what happened, and to what")]
pub enum Error {
    #[error(transparent)]
    Registry(#[from] registry::Error),
    #[error("content type {found:?} is not known here")]
    ContentType { found: String },
    #[error("content encoding {found:?} is not known here")]
    ContentEncoding { found: String },
    #[error("the body is empty")]
    Empty,
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the body expands to more than {limit} bytes")]
    ExpandsTooFar { limit: u64 },
    #[error("the body of {sent} bytes expands more than {EXPANDED_RATIO_MAX} to 1")]
    Bomb { sent: u64 },
    #[error("the body cannot be decompressed after {expanded} bytes: {what}")]
    Damaged { expanded: u64, what: String },
    #[error("the body broke off after {received} bytes: {what}")]
    BrokeOff { received: u64, what: String },
    #[error("{received} bytes of the body came in {} s, which is too slow", waited.as_secs())]
    Slow { received: u64, waited: Duration },
    #[error(transparent)]
    Envelope(#[from] protobuf::EnvelopeError),
    #[error(transparent)]
    Json(#[from] json::EnvelopeError),
    #[error("the body is no text in UTF-8 at byte {byte}, and no line of it can be read")]
    NotText { byte: u64 },
    #[error("precision {found:?} is none of n, ns, u, us, ms, s, m and h")]
    Precision { found: String },
    #[error("the parameters in the query cannot be read, or one stands there twice")]
    Parameters,
    #[error("statement {found:?} is not CREATE DATABASE, the only one that is answered here")]
    Statement { found: String },
    #[error("file name {found:?} must be 1 to {FILE_NAME_CHARS_MAX} characters, none of control")]
    FileName { found: String },
    #[error("a file comes as it is, without content encoding")]
    FileEncoding,
    #[error("the file is larger than {limit} bytes")]
    FileTooLarge { limit: u64 },
    #[error("an upload needs the header Tus-Resumable: 1.0.0")]
    TusMissing,
    #[error("version {found:?} of tus is not spoken here")]
    TusVersion { found: String },
    #[error("the header {name} is missing, or not what tus 1.0 has there")]
    UploadHeader { name: String },
    #[error("a piece of type {found:?}, or with a content encoding, is not taken")]
    PieceType { found: String },
    #[error("there is no such upload")]
    NoUpload,
    #[error("the piece begins at byte {found}, and {expected} bytes are there")]
    UploadOffset { expected: u64, found: u64 },
    #[error("the piece goes beyond the {length} bytes that the upload was to have")]
    UploadTooLong { length: u64 },
    #[error("another request is at work on this upload")]
    UploadLocked,
    #[error("{most} uploads of this tenant are open, as many as may be")]
    UploadsOpen { most: usize },
    #[error("open uploads may come to {most} bytes together, and would with this one come to more")]
    UploadsFull { most: u64 },
    #[error("{0}")]
    Disk(std::io::Error),
    #[error("bodies of {limit} bytes are being taken in, the limit of this server")]
    InFlight { limit: u64 },
    #[error("{limit} files are being written, the limit of this server")]
    Writers { limit: usize },
    #[error("{limit} connections are open, the limit of this server")]
    Connections { limit: usize },
    #[error("bodies of {limit} bytes of this tenant are being taken in, its share of this server")]
    TenantInFlight { limit: u64 },
    #[error(transparent)]
    Journal(#[from] journal::Error),
    #[error("a task of this server ended early: {0}")]
    Task(String),
}

impl Error {
    /// What the sender, or its operator, can do about it.
    pub fn kind(&self) -> Kind {
        match self {
            Error::Registry(error) => error.kind(),
            Error::Journal(error) => error.kind(),
            Error::ContentType { .. }
            | Error::ContentEncoding { .. }
            | Error::Empty
            | Error::TooLarge { .. }
            | Error::ExpandsTooFar { .. }
            | Error::Bomb { .. }
            | Error::Damaged { .. }
            | Error::BrokeOff { .. }
            | Error::Slow { .. }
            | Error::Envelope(_)
            | Error::Json(_)
            | Error::NotText { .. }
            | Error::Precision { .. }
            | Error::Parameters
            | Error::Statement { .. }
            | Error::FileName { .. }
            | Error::FileEncoding
            | Error::FileTooLarge { .. }
            | Error::TusMissing
            | Error::TusVersion { .. }
            | Error::UploadHeader { .. }
            | Error::PieceType { .. }
            | Error::UploadTooLong { .. } => Kind::BadInput,
            Error::NoUpload => Kind::NotFound,
            Error::UploadOffset { .. } => Kind::Conflict,
            Error::Disk(error) if host::is_full(error) => Kind::Busy,
            Error::InFlight { .. }
            | Error::Writers { .. }
            | Error::Connections { .. }
            | Error::TenantInFlight { .. }
            | Error::UploadLocked
            | Error::UploadsOpen { .. }
            | Error::UploadsFull { .. } => Kind::Busy,
            Error::Disk(_) | Error::Task(_) => Kind::Bug,
        }
    }

    /// The journal can take in nothing more until someone has looked: the process must stop.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Error::Journal(error) if matches!(error.kind(), Kind::Bug | Kind::Corrupt))
    }
}
