//! What an error asks of whoever gets it.
//!
//! Promise: every crate's error enum maps each of its cases to one `Kind`, and
//! the tables of HTTP statuses, exit codes and retries know nothing but these.
//! Such an error's text is whole: it tells its cause itself, or is `transparent`,
//! and does not hand the cause on as `source()`. So a log line that shows the
//! error says everything, and a chain of causes says it once.

use std::io;

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The caller sent something that can never work: correct it.
    BadInput,
    /// The caller may not do this.
    NotAllowed,
    /// What was named does not exist.
    NotFound,
    /// Something else already stands where this would go.
    Conflict,
    /// Full or overloaded: the same call may work later.
    Busy,
    /// Stored bytes are not what was written: stop and look.
    Corrupt,
    /// Our own mistake, or a machine that cannot go on: stop.
    Bug,
}

impl Kind {
    /// The kind of an error the disk gave.
    pub fn of_io(error: &io::Error) -> Kind {
        use io::ErrorKind as E;
        match error.kind() {
            E::NotFound => Kind::NotFound,
            E::AlreadyExists | E::WouldBlock => Kind::Conflict,
            E::PermissionDenied | E::ReadOnlyFilesystem => Kind::NotAllowed,
            E::StorageFull | E::QuotaExceeded | E::OutOfMemory | E::Interrupted | E::TimedOut => Kind::Busy,
            E::InvalidInput | E::InvalidFilename => Kind::BadInput,
            E::InvalidData | E::UnexpectedEof => Kind::Corrupt,
            _ => Kind::Bug,
        }
    }

    /// The word for logs and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Kind::BadInput => "bad_input",
            Kind::NotAllowed => "not_allowed",
            Kind::NotFound => "not_found",
            Kind::Conflict => "conflict",
            Kind::Busy => "busy",
            Kind::Corrupt => "corrupt",
            Kind::Bug => "bug",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
