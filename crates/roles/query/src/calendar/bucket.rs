//! Where buckets begin and end.
//!
//! Promise: buckets of one width follow each other without a gap or an overlap.
//! Days, weeks, months and widths above an hour follow what the clock shows:
//! where clocks change, such a bucket is shorter or longer. Widths up to an
//! hour are counted from midnight by the clock, and begin anew where the clock
//! is changed: none is longer than its width, and none holds two hours the
//! clock shows alike.

use jiff::civil::Date;
use jiff::tz::Offset;

use super::{DAY, HOUR, Width, Zone};

/// Weeks begin on Mondays: 2000-01-03, in days since 1970.
const MONDAY: i64 = 10_959;

/// Several months are counted from January 2000.
const YEAR: i64 = 2_000;

/// From an instant to before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub from: i64,
    pub before: i64,
}

impl Bucket {
    pub(crate) fn holds(self, at: i64) -> bool {
        (self.from..self.before).contains(&at)
    }
}

/// The buckets of one width at one place. Remembers the last: readings of a
/// channel follow each other.
pub(crate) struct Buckets<'a> {
    width: Width,
    zone: &'a Zone,
    last: Bucket,
}

impl<'a> Buckets<'a> {
    pub(crate) fn new(width: Width, zone: &'a Zone) -> Buckets<'a> {
        Buckets { width, zone, last: Bucket { from: 0, before: 0 } }
    }

    /// The bucket of an instant of the years the lake knows.
    pub(crate) fn of(&mut self, at: i64) -> Bucket {
        if !self.last.holds(at) {
            self.last = match self.width {
                Width::Clock(width) if width <= HOUR => short(width, self.zone, at),
                width => long(width, self.zone, at),
            };
        }
        self.last
    }
}

fn short(width: i64, zone: &Zone, at: i64) -> Bucket {
    let (day, _) = zone.day(at);
    let wall = at + day.offset;
    let midnight = wall - wall.rem_euclid(DAY);
    let from = wall - (wall - midnight) % width;
    Bucket { from: day.from.max(from - day.offset), before: day.before.min(from - day.offset + width) }
}

/// Its wall is the earliest the clock still shows from `at` on: where it goes
/// back over the edge of a bucket, it has not left that bucket yet.
fn long(width: Width, zone: &Zone, at: i64) -> Bucket {
    let now = at + zone.stretch(at).offset;
    let wall = zone.walls_after(at).fold(now, i64::min);
    let (from, next) = edges(width, wall);
    Bucket { from: zone.reached(from), before: zone.reached(next) }
}

/// The walls between which a wall lies.
fn edges(width: Width, wall: i64) -> (i64, i64) {
    let day = wall.div_euclid(DAY);
    match width {
        Width::Clock(width) => {
            let from = wall - wall.rem_euclid(DAY) % width;
            (from, (from + width).min((day + 1) * DAY))
        }
        Width::Days(days) => {
            let from = day - (day - MONDAY).rem_euclid(days);
            (from * DAY, (from + days) * DAY)
        }
        Width::Months(months) => {
            let date = Offset::UTC.to_datetime(
                jiff::Timestamp::from_microsecond(wall).expect("the lake's years are within the calendar"),
            );
            let month = (i64::from(date.year()) - YEAR) * 12 + i64::from(date.month()) - 1;
            let from = month - month.rem_euclid(months);
            (first_of(from), first_of(from + months))
        }
    }
}

/// Midnight of the first of a month, counted from January 2000.
fn first_of(month: i64) -> i64 {
    let year = i16::try_from(YEAR + month.div_euclid(12)).expect("a bucket has at most a hundred years");
    let month = i8::try_from(month.rem_euclid(12) + 1).expect("at most twelve");
    let first = Date::new(year, month, 1).expect("every month has a first");
    Offset::UTC.to_timestamp(first.at(0, 0, 0, 0)).expect("within the calendar").as_microsecond()
}

#[cfg(test)]
mod tests;
