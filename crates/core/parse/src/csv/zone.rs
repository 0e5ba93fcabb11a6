//! From what a clock on the wall showed to the instant it meant.
//!
//! Promise: a time that its clock skipped is none, and is never moved; one that
//! it showed twice is resolved as the profile says, or refused.

use std::collections::HashMap;

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use meter::{Span, Timestamp};

use super::fault::{Fault, What};
use super::profile::Repeated;
use super::stamp::Stamp;

/// Streams with times that stand twice, and with `count` their times: 2^16
/// names of up to 768 bytes stay below 64 MiB.
const REPEATED_MAX: usize = 1 << 16;
/// Two times of one stream further apart belong to clocks set at two dates.
const ONE_NIGHT_HOURS: i64 = 12;

/// A zone's clock, and how far the rows have run through hours it shows twice.
pub(super) struct Clock {
    zone: TimeZone,
    name: String,
    repeated: Repeated,
    /// The last day, with its offset if that holds all day.
    day: Option<(Date, Option<Offset>)>,
    /// By stream; with `count` by stream and time.
    passes: HashMap<(String, DateTime), Pass>,
}

#[derive(Clone, Copy)]
struct Pass {
    last: DateTime,
    /// 0 while the hour stands there for the first time.
    number: u8,
}

impl Clock {
    pub(super) fn new(zone: TimeZone, name: &str, repeated: Repeated) -> Clock {
        Clock { zone, name: name.to_owned(), repeated, day: None, passes: HashMap::new() }
    }

    /// The instant of a stamp; `stream` names what its rows belong to.
    pub(super) fn instant(&mut self, stamp: Stamp, stream: impl Fn() -> String) -> Result<Timestamp, Fault> {
        let civil = stamp.civil;
        if let Some(seconds) = stamp.offset_seconds {
            let offset = Offset::from_seconds(seconds).map_err(|_| out_of_range(civil))?;
            return at(offset, civil);
        }
        if let Some(offset) = self.offset_all_day(civil.date()) {
            return at(offset, civil);
        }
        match self.zone.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => at(offset, civil),
            AmbiguousOffset::Gap { before, after } => {
                let change = Span::from_seconds(i64::from(after.seconds() - before.seconds()));
                let minutes = change.0 / 60_000_000;
                let reason = format!(
                    "{civil} does not exist in {}: its clocks were put forward by {minutes} minutes",
                    self.name
                );
                Err(Fault::new(What::NonexistentTime, reason))
            }
            AmbiguousOffset::Fold { before, after } => {
                let is_later = self.is_later(civil, stream())?;
                at(if is_later { after } else { before }, civil)
            }
        }
    }

    /// Most days have one offset; looking it up costs more than all else in a row.
    fn offset_all_day(&mut self, date: Date) -> Option<Offset> {
        if let Some((day, offset)) = self.day
            && day == date
        {
            return offset;
        }
        let offset = self.look_up_day(date);
        self.day = Some((date, offset));
        offset
    }

    fn look_up_day(&self, date: Date) -> Option<Offset> {
        let midnight = |date: Date| match self.zone.to_ambiguous_timestamp(date.at(0, 0, 0, 0)).offset() {
            AmbiguousOffset::Unambiguous { offset } => Some(offset),
            AmbiguousOffset::Gap { .. } | AmbiguousOffset::Fold { .. } => None,
        };
        let (first, last) = (midnight(date)?, midnight(date.tomorrow().ok()?)?);
        let start = first.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
        let end = last.to_timestamp(date.tomorrow().ok()?.at(0, 0, 0, 0)).ok()?;
        let change = self.zone.following(start).next();
        let changes = change.is_some_and(|change| change.timestamp() <= end);
        (first == last && !changes).then_some(first)
    }

    /// Whether the later of the two instants of a time is meant.
    fn is_later(&mut self, civil: DateTime, stream: String) -> Result<bool, Fault> {
        let twice = |why: &str| {
            let reason = format!("{civil} stands for two instants in {}: {why}", self.name);
            Fault::new(What::RepeatedTime, reason)
        };
        let key = match self.repeated {
            Repeated::Refuse => return Err(twice("the profile does not say which is meant")),
            Repeated::Count => (stream, civil),
            Repeated::Ascending | Repeated::Descending => (stream, DateTime::MIN),
        };
        if self.passes.len() >= REPEATED_MAX && !self.passes.contains_key(&key) {
            return Err(twice(&format!("more than {REPEATED_MAX} streams have such times; split the file")));
        }
        let last = self.passes.get(&key).copied();
        let same_night = last.filter(|pass| (pass.last.duration_until(civil).abs().as_hours()) < ONE_NIGHT_HOURS);
        let number = match (same_night, self.repeated) {
            (None, _) => 0,
            (Some(pass), Repeated::Ascending) => pass.number + u8::from(civil <= pass.last),
            (Some(pass), Repeated::Descending) => pass.number + u8::from(civil >= pass.last),
            (Some(pass), Repeated::Count | Repeated::Refuse) => pass.number + 1,
        };
        if number > 1 {
            return Err(twice("it stands there a third time"));
        }
        self.passes.insert(key, Pass { last: civil, number });
        Ok((number == 1) != (self.repeated == Repeated::Descending))
    }
}

/// The same time of the clock on another day. What its clock skipped or shows
/// twice on that day is the first instant at or behind it.
pub(super) fn days_away(zone: &TimeZone, at: Timestamp, days: i64) -> Result<Timestamp, Fault> {
    let far = || Fault::new(What::Time, format!("{days} days from {at} lie beyond the calendar"));
    let here = jiff::Timestamp::from_microsecond(at.0).map_err(|_| far())?.to_zoned(zone.clone());
    let there = here.checked_add(jiff::Span::new().days(days)).map_err(|_| far())?;
    Timestamp::checked(there.timestamp().as_microsecond()).map_err(|_| far())
}

fn at(offset: Offset, civil: DateTime) -> Result<Timestamp, Fault> {
    let at = offset.to_timestamp(civil).map_err(|_| out_of_range(civil))?;
    Timestamp::checked(at.as_microsecond()).map_err(|_| out_of_range(civil))
}

fn out_of_range(civil: DateTime) -> Fault {
    Fault::new(What::Time, format!("{civil} lies outside the years 1900 to 2200"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZoneDatabase;

    /// The instants of one stream's times, in the order of its rows.
    fn check(zone: &str, repeated: Repeated, times: &str, expected: &str) {
        let place = TimeZoneDatabase::bundled().get(zone).expect("a zone");
        let mut clock = Clock::new(place, zone, repeated);
        let said = times.split_whitespace().map(|time| {
            let civil: DateTime = time.parse().expect("a time");
            match clock.instant(Stamp { civil, offset_seconds: None }, String::new) {
                Ok(at) => at.to_string()[8..16].replace('T', "/"),
                Err(fault) => fault.what.code()[4..].to_string(),
            }
        });
        assert_eq!(said.collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn an_hour_that_stands_twice_is_told_by_the_order_of_rows() {
        let forwards =
            "2016-10-30T01:45 2016-10-30T02:00 2016-10-30T02:45 2016-10-30T02:00 2016-10-30T02:45 2016-10-30T03:00";
        let instants = "29/23:45 30/00:00 30/00:45 30/01:00 30/01:45 30/02:00";
        check("Europe/Berlin", Repeated::Ascending, forwards, instants);
        check("Europe/Berlin", Repeated::Count, forwards, instants);
        let backwards: Vec<_> = forwards.split(' ').rev().collect();
        let instants: Vec<_> = instants.split(' ').rev().collect();
        check("Europe/Berlin", Repeated::Descending, &backwards.join(" "), &instants.join(" "));
    }

    #[test]
    fn a_row_missing_from_the_first_pass_does_not_move_the_second() {
        let rows = "2016-10-30T02:00 2016-10-30T02:30 2016-10-30T02:15 2016-10-30T02:30";
        check("Europe/Berlin", Repeated::Ascending, rows, "30/00:00 30/00:30 30/01:15 30/01:30");
    }

    #[test]
    fn pairs_are_told_by_count() {
        let rows = "2016-10-30T02:00 2016-10-30T02:00 2016-10-30T02:30 2016-10-30T02:30 2016-10-30T02:00";
        check("Europe/Berlin", Repeated::Count, rows, "30/00:00 30/01:00 30/00:30 30/01:30 repeated_time");
    }

    #[test]
    fn another_autumn_begins_anew() {
        let rows = "2015-10-25T02:00 2015-10-25T02:00 2016-10-30T02:00 2016-10-30T02:00 2016-10-30T02:00";
        check("Europe/Berlin", Repeated::Ascending, rows, "25/00:00 25/01:00 30/00:00 30/01:00 repeated_time");
        check("Europe/Berlin", Repeated::Refuse, "2016-10-30T02:00", "repeated_time");
    }

    #[test]
    fn streams_without_end_do_not_take_memory_without_end() {
        let place = TimeZoneDatabase::bundled().get("Europe/Berlin").expect("a zone");
        let mut clock = Clock::new(place, "Europe/Berlin", Repeated::Ascending);
        let civil: DateTime = "2016-10-30T02:00".parse().expect("a time");
        let stamp = Stamp { civil, offset_seconds: None };
        let refused = (0..REPEATED_MAX + 3).filter(|stream| clock.instant(stamp, || stream.to_string()).is_err());
        assert_eq!(refused.count(), 3);
        assert!(clock.instant(stamp, || "0".into()).is_ok());
    }

    #[test]
    fn what_the_clock_skipped_is_no_time() {
        let rows = "2011-10-02T01:30 2011-10-02T02:00 2011-10-02T02:30 2011-10-02T03:00";
        check("Australia/Sydney", Repeated::Ascending, rows, "01/15:30 nonexistent_time nonexistent_time 01/16:00");
        // Samoa left out a day, Lord Howe Island goes half an hour, Nuuk changes before midnight.
        check("Pacific/Apia", Repeated::Refuse, "2011-12-30T12:00 2011-12-31T00:00", "nonexistent_time 30/10:00");
        check("Australia/Lord_Howe", Repeated::Count, "2024-04-07T01:45 2024-04-07T01:45", "06/14:45 06/15:15");
        check("America/Nuuk", Repeated::Count, "2024-10-26T23:30 2024-10-26T23:30", "27/00:30 27/01:30");
    }
}
