//! What the clocks of one place show.
//!
//! Promise: at every instant of the years 1900 to 2200 the offset is the one of
//! the time zone database; a place it does not know is an error that names it.
//!
//! A *wall* is what a clock shows, as microseconds since its own 1970-01-01.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use meter::Timestamp;

use super::{DAY, HOUR, wrong};
use crate::error::Result;

/// Places kept once they were looked up: of 10 KB each, 10 MB.
const KEPT_MAX: usize = 1_024;

/// Clocks of one place change less than this apart from UTC and from each other.
const OFFSETS_APART_MAX: i64 = 2 * DAY;

static KEPT: LazyLock<Mutex<HashMap<String, Arc<Zone>>>> = LazyLock::new(Mutex::default);

/// A place's clock.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    /// Ascending; the first holds since ever.
    changes: Vec<Change>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    from: i64,
    offset: i64,
}

/// Time in which a clock runs steadily.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub from: i64,
    pub before: i64,
    /// What the clock is ahead of UTC.
    pub offset: i64,
}

impl Zone {
    /// `UTC`, `+10:00`, or a place such as `Europe/Berlin`.
    pub(crate) fn named(name: &str) -> Result<Arc<Zone>> {
        if let Some(known) = KEPT.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(known.clone());
        }
        let zone = Arc::new(Zone::of(&look_up(name)?));
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(name.to_owned(), zone.clone());
        Ok(zone)
    }

    fn of(zone: &TimeZone) -> Zone {
        let at = |at: Timestamp| jiff::Timestamp::from_microsecond(at.0).expect("the calendar reaches further");
        let (first, last) = (at(Timestamp::MIN), at(Timestamp::MAX));
        let micros = |offset: Offset| i64::from(offset.seconds()) * 1_000_000;
        let mut changes = vec![Change { from: i64::MIN, offset: micros(zone.to_offset(first)) }];
        for change in zone.following(first).take_while(|change| change.timestamp() <= last) {
            let offset = micros(change.offset());
            // Some changes are of the name only.
            if changes.last().is_some_and(|before| before.offset != offset) {
                changes.push(Change { from: change.timestamp().as_microsecond(), offset });
            }
        }
        Zone { changes }
    }

    fn place(&self, at: i64) -> usize {
        self.changes.partition_point(|change| change.from <= at) - 1
    }

    fn stretch_at(&self, place: usize) -> Stretch {
        let Change { from, offset } = self.changes[place];
        Stretch { from, before: self.changes.get(place + 1).map_or(i64::MAX, |next| next.from), offset }
    }

    /// The steady time around an instant.
    pub(crate) fn stretch(&self, at: i64) -> Stretch {
        self.stretch_at(self.place(at))
    }

    /// Walls at which the clock goes on after its next changes, as far as they
    /// can lie behind the one at `at`.
    pub(crate) fn walls_after(&self, at: i64) -> impl Iterator<Item = i64> {
        let soon = at.saturating_add(OFFSETS_APART_MAX);
        let next = &self.changes[self.place(at) + 1..];
        next.iter().take_while(move |change| change.from < soon).map(|change| change.from + change.offset)
    }

    /// The stretch in which a wall is passed for the last time.
    fn last_before(&self, wall: i64) -> usize {
        let late = self.changes.partition_point(|change| change.from < wall.saturating_add(OFFSETS_APART_MAX));
        let earlier = |change: &Change| change.from.saturating_add(change.offset) < wall;
        self.changes[..late].iter().rposition(earlier).unwrap_or(0)
    }

    /// The instant from which on the clock shows `wall` or later for good: a
    /// time it skips is passed when it skips, one it shows twice the second time.
    pub(crate) fn reached(&self, wall: i64) -> i64 {
        let stretch = self.stretch_at(self.last_before(wall));
        wall.saturating_sub(stretch.offset).min(stretch.before)
    }

    /// Whether the clock never showed `wall` or later before it was [reached](Zone::reached).
    fn is_passed_once(&self, wall: i64) -> bool {
        let last = self.last_before(wall);
        let earlier = (0..last).rev().map(|place| self.stretch_at(place));
        let mut near = earlier.take_while(|stretch| stretch.before.saturating_add(OFFSETS_APART_MAX) > wall);
        near.all(|stretch| stretch.before + stretch.offset <= wall)
    }

    /// The part of a calendar day around an instant in which the clock runs
    /// steadily, and the day, counted from 1970.
    pub(crate) fn day(&self, at: i64) -> (Stretch, i64) {
        let stretch = self.stretch(at);
        let day = (at + stretch.offset).div_euclid(DAY);
        let midnight = day * DAY - stretch.offset;
        let part = Stretch {
            from: stretch.from.max(midnight),
            before: stretch.before.min(midnight + DAY),
            offset: stretch.offset,
        };
        (part, day)
    }

    /// The instants of a day, if every instant before is of an earlier day and
    /// every later one of a later. Where clocks go back over midnight it is not so.
    pub(crate) fn whole_day(&self, day: i64) -> Option<(i64, i64)> {
        let midnight = day.checked_mul(DAY)?;
        let next = midnight.checked_add(DAY)?;
        let known = |wall: i64| (Timestamp::MIN.0 + DAY..Timestamp::MAX.0 - DAY).contains(&wall);
        let plain = |wall: i64| known(wall) && self.is_passed_once(wall);
        (plain(midnight) && plain(next)).then(|| (self.reached(midnight), self.reached(next)))
    }
}

fn look_up(name: &str) -> Result<TimeZone> {
    if name == "UTC" || name == "Z" {
        return Ok(TimeZone::UTC);
    }
    if let Some(offset) = offset(name) {
        return Ok(TimeZone::fixed(offset));
    }
    let known = TimeZoneDatabase::bundled().get(name).ok().filter(|zone| !zone.is_unknown());
    known.ok_or_else(|| {
        let said: String = name.chars().take(40).collect();
        wrong(format!("zone {said:?} is none of UTC, an offset such as '+10:00', or a place such as 'Europe/Berlin'"))
    })
}

/// `+10:00`, `-03:30`.
fn offset(name: &str) -> Option<Offset> {
    let [sign @ (b'+' | b'-'), digits @ ..] = name.as_bytes() else { return None };
    let [h1, h2, b':', m1, m2] = digits else { return None };
    let two = |tens: &u8, ones: &u8| {
        let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
        digits.then(|| i32::from(tens - b'0') * 10 + i32::from(ones - b'0'))
    };
    let (hours, minutes) = (two(h1, h2)?, two(m1, m2).filter(|minutes| *minutes < 60)?);
    let seconds = (hours * 60 + minutes) * 60;
    // Beyond a day is no clock.
    let seconds = Some(seconds).filter(|seconds| i64::from(*seconds) * 1_000_000 < 24 * HOUR)?;
    Offset::from_seconds(if *sign == b'-' { -seconds } else { seconds }).ok()
}

#[cfg(test)]
pub(super) mod tests;
