//! Limits of the local journal, with their arithmetic.

use std::time::Duration;

use crate::Error;
use crate::body::{FORMAT_BYTES_MAX, MESSAGE_ID_BYTES_MAX, OBJECT_NAME_BYTES_MAX, RECORD_BYTES_MAX};

use super::frame::{ALIGNMENT, FRAME_BYTES};
use super::payload::FIXED_BYTES;
use super::segment::HEADER_BYTES;

/// Large enough that making the next one (a reservation and two syncs) costs
/// nothing, small enough that trimming, which drops whole ones, stays close.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// A group is one write and one sync; past a megabyte (2,000 bodies of 470 bytes)
/// a larger one saves no more syncs worth having.
pub const GROUP_BYTES: usize = 1 << 20;
/// How long a group may wait for those who are expected to join it. It never
/// waits longer than the last sync took, and alone it does not wait at all.
pub const GROUP_WAIT: Duration = Duration::from_millis(2);
/// Bodies that may wait: two seconds' worth at 8,000 a second.
pub const QUEUE_RECORDS: usize = 16_384;
/// Memory of the bodies that wait; eight of the largest.
pub const QUEUE_BYTES: usize = 64 << 20;
/// Most that one read gives back, whatever limit its caller names.
pub const READ_BYTES_MAX: usize = 64 << 20;

/// The longest frame around a body of `content` bytes.
const fn frame_bytes_max(content: usize) -> u64 {
    let names = FORMAT_BYTES_MAX + OBJECT_NAME_BYTES_MAX + MESSAGE_ID_BYTES_MAX;
    (FRAME_BYTES + FIXED_BYTES + names + content + ALIGNMENT) as u64
}

/// The smallest segment that holds the largest record and the mark after it.
const fn segment_bytes_min(content: usize) -> u64 {
    HEADER_BYTES as u64 + frame_bytes_max(content) + FRAME_BYTES as u64
}

const _: () = assert!(SEGMENT_BYTES >= 4 * segment_bytes_min(RECORD_BYTES_MAX));
const _: () = assert!(QUEUE_BYTES >= 4 * RECORD_BYTES_MAX);
const _: () = assert!(READ_BYTES_MAX >= 2 * RECORD_BYTES_MAX);

/// The defaults are the constants above; tests make everything smaller.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Size of each segment, reserved whole when it is made.
    pub segment_bytes: u64,
    /// How much of what may be trimmed is kept all the same, in whole segments,
    /// for those who ask for the bytes behind a reading.
    pub keep_bytes: u64,
    /// Larger contents belong into the archive.
    pub record_bytes_max: usize,
    /// A group that holds as much is written without waiting for more.
    pub group_bytes: usize,
    /// How long a group waits for those who are expected to join.
    pub group_wait: Duration,
    /// Bodies that may wait; further ones are told to come later.
    pub queue_records: usize,
    /// Memory of the bodies that wait, likewise.
    pub queue_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            segment_bytes: SEGMENT_BYTES,
            keep_bytes: 0,
            record_bytes_max: RECORD_BYTES_MAX,
            group_bytes: GROUP_BYTES,
            group_wait: GROUP_WAIT,
            queue_records: QUEUE_RECORDS,
            queue_bytes: QUEUE_BYTES,
        }
    }
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), Error> {
        let refuse = |what: String| Err(Error::Settings { what });
        if self.record_bytes_max > RECORD_BYTES_MAX {
            return refuse(format!("record_bytes_max {} is above {RECORD_BYTES_MAX}", self.record_bytes_max));
        }
        let least = segment_bytes_min(self.record_bytes_max);
        if self.segment_bytes < least || !self.segment_bytes.is_multiple_of(ALIGNMENT as u64) {
            let given = self.segment_bytes;
            return refuse(format!("segment_bytes {given} is not a multiple of {ALIGNMENT} of at least {least}"));
        }
        if self.segment_bytes > SEGMENT_BYTES {
            return refuse(format!("segment_bytes {} is above {SEGMENT_BYTES}", self.segment_bytes));
        }
        if self.queue_records == 0 || self.queue_bytes < self.record_bytes_max {
            return refuse(format!("the queue of {} bytes holds no record", self.queue_bytes));
        }
        Ok(())
    }
}
