//! The journal: what was sent, in order, before anyone interprets it.
//!
//! Promise: when `append` returns, the body survives power loss; no door
//! acknowledges a sender earlier. Every record gets one sequence number, and
//! "arrived earlier" means nothing else. What lies here is never changed, and
//! a byte that changes by itself is found.
//!
//! Read: `body.rs` (what a record holds), `error.rs`, `port.rs` (the contract),
//! `contract.rs` (the contract as a test), `local.rs` (segments on a disk),
//! `archive.rs` (bodies too large for a record).

mod body;
mod error;
mod port;
pub mod contract;
mod local;
mod archive;

pub use archive::{ARCHIVE_DIR, ARCHIVE_VERSION, Archive, ArchiveReader, Incoming, OBJECT_BYTES_MAX, Removing, Stored};
pub use body::{
    Body, Content, Door, FORMAT_BYTES_MAX, MESSAGE_ID_BYTES_MAX, OBJECT_NAME_BYTES_MAX, RECORD_BYTES_MAX, Receipt,
    Record,
};
pub use error::{Damage, Error};
pub use local::{
    FORMAT_VERSION, GROUP_BYTES, GROUP_WAIT, Glance, Hold, JOURNAL_DIR, Local, QUEUE_BYTES, QUEUE_RECORDS,
    READ_BYTES_MAX, SEGMENT_BYTES, SegmentFile, Settings, Torn, glance, scrub,
};
pub use port::Journal;
