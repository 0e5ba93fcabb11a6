//! Local time: what clocks show at a place, and the days and buckets they cut
//! time into.
//!
//! Promise: the days and the buckets of a place follow each other without a gap
//! and without an overlap, whatever its clocks do. Arithmetic only; nothing
//! here knows SQL.
//!
//! Read: `calendar/zone.rs` (a clock), `calendar/width.rs` (how long a bucket
//! is), `calendar/bucket.rs` (where it begins and ends).

mod zone;
mod width;
mod bucket;

pub(crate) use bucket::{Bucket, Buckets};
pub(crate) use width::Width;
pub(crate) use zone::Zone;

use crate::error::{Error, Result};

/// Microseconds.
pub(crate) const MINUTE: i64 = 60_000_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// What the asker can put right.
pub(crate) fn wrong(message: impl Into<String>) -> Error {
    Error::Sql { message: message.into(), place: None }
}

/// Microseconds since 1970 that lie in the years the lake knows.
pub(crate) fn checked(at: i64) -> Result<i64> {
    let outside = |_| wrong(format!("the instant {at} µs from 1970 lies outside the years 1900 to 2200"));
    meter::Timestamp::checked(at).map(|at| at.0).map_err(outside)
}
