//! What a journal shows without being opened, also beside its writer.
//!
//! Promise: nothing is written, nothing is locked, and a flaw is no error: who
//! glances wants to know what may be there, `scrub` and `open` judge it.

use std::io;

use host::Disk;
use meter::Timestamp;

use super::SEGMENT_BYTES_READ;
use super::recover::segments;
use super::segment::{MAGIC, SegmentHeader, VERSION_AT, file_name, walk};
use super::writer::path_of;

/// Of the newest segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// Format version it was written in; `None` where there is no segment.
    pub version: Option<u8>,
    /// When its last whole record came in, by the clock of that moment.
    pub last_received: Option<Timestamp>,
}

/// Looks at the newest segment of a journal. Blocks.
pub fn glance(disk: &dyn Disk) -> io::Result<Glance> {
    let Some(newest) = segments(disk)?.pop() else { return Ok(Glance::default()) };
    let bytes = match disk.read(&path_of(&file_name(newest)), 0, SEGMENT_BYTES_READ) {
        // Trimmed since it was listed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Glance::default()),
        bytes => bytes?,
    };
    let version = bytes.get(VERSION_AT).copied().filter(|_| bytes.starts_with(&MAGIC));
    let last_received = SegmentHeader::decode(&bytes).ok().map(|header| walk(&header, &bytes).last_received);
    let last_received = last_received.filter(|at| *at != SegmentHeader::NONE_BEFORE).map(Timestamp);
    Ok(Glance { version, last_received })
}
