//! What a record holds: a body as it came, and where it came from.

use bytes::Bytes;
use meter::{Sequence, TenantId, Timestamp};

use crate::Error;

/// One record must not starve the others: at 8 MiB it costs a disk that writes
/// 400 MB/s 20 ms. Larger bodies lie in the archive.
pub const RECORD_BYTES_MAX: usize = 8 << 20;
/// `nem12` and its like; the name of a profile with its version and all its options.
pub const FORMAT_BYTES_MAX: usize = 512;
/// The longest path Linux takes; object stores allow 1,024.
pub const OBJECT_NAME_BYTES_MAX: usize = 4_096;
/// A UUID is 36, a URN with one below 80.
pub const MESSAGE_ID_BYTES_MAX: usize = 256;

/// How a body came in. The number is what is stored: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Door {
    /// A request to the server.
    Http = 1,
    /// A file from `meterhouse import`.
    File = 2,
}

impl Door {
    /// What is stored.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The meaning of a stored code; `None` for one a newer version wrote.
    pub fn from_code(code: u8) -> Option<Door> {
        [Door::Http, Door::File].into_iter().find(|door| door.code() == code)
    }

    /// The word that SQL shows.
    pub fn name(self) -> &'static str {
        match self {
            Door::Http => "http",
            Door::File => "file",
        }
    }
}

/// What a door hands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Whose readings it holds.
    pub tenant: TenantId,
    /// How it came in.
    pub door: Door,
    /// What the sender or the file's name says it is; empty means: look inside.
    pub format: String,
    /// File name or object id at the source; empty if there is none.
    pub object: String,
    /// Empty if the sender gave none.
    pub message_id: String,
    /// Its bytes, or where they lie.
    pub content: Content,
}

/// The bytes of a body, in the record or beside the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// At most [`RECORD_BYTES_MAX`].
    Bytes(Bytes),
    /// The bytes lie in the [`Archive`](crate::Archive) and were durable there first.
    Archived {
        /// Of the bytes: the object's name.
        sha256: [u8; 32],
        /// In bytes.
        size: u64,
    },
}

impl Content {
    /// Bytes of the body, wherever they lie.
    pub fn size(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Archived { size, .. } => *size,
        }
    }
}

/// What an append gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The record's place in the order.
    pub sequence: Sequence,
    /// Later than that of every earlier record.
    pub received_at: Timestamp,
}

/// A body with its place in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the order.
    pub sequence: Sequence,
    /// Later than that of every earlier record.
    pub received_at: Timestamp,
    /// What came.
    pub body: Body,
}

impl Body {
    /// Refuses what a record cannot hold.
    pub(crate) fn check(&self, record_bytes_max: usize) -> Result<(), Error> {
        let names = [
            ("format", self.format.len(), FORMAT_BYTES_MAX),
            ("object name", self.object.len(), OBJECT_NAME_BYTES_MAX),
            ("message id", self.message_id.len(), MESSAGE_ID_BYTES_MAX),
        ];
        for (what, bytes, most) in names {
            if bytes > most {
                return Err(Error::TooLong { what, bytes, most });
            }
        }
        match &self.content {
            Content::Bytes(bytes) if bytes.len() > record_bytes_max => {
                Err(Error::TooLarge { bytes: bytes.len(), most: record_bytes_max })
            }
            _ => Ok(()),
        }
    }
}
