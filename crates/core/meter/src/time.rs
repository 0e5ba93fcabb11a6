//! Instants and durations, in whole microseconds of UTC (domain.md 0.1).
//!
//! Microseconds, because that is what a Delta `timestamp` column holds: one
//! resolution from the parser to every engine that reads the lake.

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// Length of an interval in microseconds; zero for a register read or a spot value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub i64);

const SECOND: i64 = 1_000_000;

/// Why a text or a number is no [`Timestamp`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what happened, and to what")]
pub enum TimeError {
    #[error("{0:?} is not a time")]
    NotATime(String),
    #[error("the time lies outside the years 1900 to 2200")]
    OutOfRange,
}

impl Timestamp {
    /// 1900-01-01T00:00:00Z: nothing metered is older.
    pub const MIN: Timestamp = Timestamp(-2_208_988_800 * SECOND);
    /// 2200-01-01T00:00:00Z: a limit that keeps every sum of spans inside `i64`.
    pub const MAX: Timestamp = Timestamp(7_258_118_400 * SECOND);

    /// Seconds since 1970, if that lies between `MIN` and `MAX`.
    pub fn from_seconds(seconds: i64) -> Result<Self, TimeError> {
        let micros = seconds.checked_mul(SECOND).ok_or(TimeError::OutOfRange)?;
        Self::checked(micros)
    }

    /// The instant, if it lies between `MIN` and `MAX`.
    pub fn checked(micros: i64) -> Result<Self, TimeError> {
        let at = Timestamp(micros);
        if at < Self::MIN || at > Self::MAX {
            return Err(TimeError::OutOfRange);
        }
        Ok(at)
    }

    /// A civil time at a fixed offset from UTC, such as the NEM's UTC+10.
    pub fn from_civil(civil: DateTime, offset_hours: i8) -> Result<Self, TimeError> {
        let at = Offset::constant(offset_hours).to_timestamp(civil).map_err(|_| TimeError::OutOfRange)?;
        Self::checked(at.as_microsecond())
    }

    /// Midnight of a civil date at a fixed offset from UTC.
    pub fn from_date(date: Date, offset_hours: i8) -> Result<Self, TimeError> {
        Self::from_civil(date.at(0, 0, 0, 0), offset_hours)
    }

    /// Reads RFC 3339, with any offset.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let at: jiff::Timestamp = text.parse().map_err(|_| TimeError::NotATime(text.chars().take(40).collect()))?;
        Self::checked(at.as_microsecond())
    }

    /// The instant `span` later; stays at the end of `i64` where that is beyond it.
    pub fn plus(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_add(span.0))
    }

    /// Calendar month in UTC as `yyyymm`: the partition a reading lies in.
    pub fn month(self) -> i32 {
        let days = self.0.div_euclid(86_400 * SECOND);
        // Days to civil date by the proleptic Gregorian 400-year cycle.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        i32::try_from(year * 100 + month).expect("years 1900 to 2200 fit")
    }
}

/// Calendar months of instants that mostly lie in the same day as the one before.
#[derive(Clone, Debug, Default)]
pub struct Months {
    day: i64,
    /// 0 until the first was asked for.
    month: i32,
}

impl Months {
    /// As [`Timestamp::month`].
    #[inline]
    pub fn of(&mut self, at: Timestamp) -> i32 {
        let day = at.0.div_euclid(86_400 * SECOND);
        if day != self.day || self.month == 0 {
            self.another(day, at);
        }
        self.month
    }

    #[cold]
    fn another(&mut self, day: i64, at: Timestamp) {
        *self = Months { day, month: at.month() };
    }
}

/// RFC 3339 in UTC, with fractions only where there are any.
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(at) => write!(f, "{at}"),
            Err(_) => write!(f, "@{}us", self.0),
        }
    }
}

impl Span {
    /// The length of what happens at an instant.
    pub const ZERO: Span = Span(0);

    /// As many seconds.
    pub const fn from_seconds(seconds: i64) -> Span {
        Span(seconds * SECOND)
    }

    /// As many minutes.
    pub const fn from_minutes(minutes: i64) -> Span {
        Span(minutes * 60 * SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc3339_is_printed_in_utc() {
        let at = Timestamp::parse("2004-04-17T00:30:00+10:00").expect("valid");
        assert_eq!(at.to_string(), "2004-04-16T14:30:00Z");
    }

    #[test]
    fn a_time_outside_the_limits_is_refused() {
        assert_eq!(Timestamp::parse("1899-12-31T23:59:59Z"), Err(TimeError::OutOfRange));
        assert!(Timestamp::parse("yesterday").is_err());
    }

    proptest! {
        #[test]
        fn the_month_agrees_with_the_calendar(micros in Timestamp::MIN.0..Timestamp::MAX.0) {
            let date = jiff::Timestamp::from_microsecond(micros).expect("in range").to_zoned(jiff::tz::TimeZone::UTC).date();
            prop_assert_eq!(Timestamp(micros).month(), i32::from(date.year()) * 100 + i32::from(date.month()));
            let mut months = Months::default();
            for near in [micros, micros - 86_400 * SECOND, micros, micros + 40_000 * SECOND] {
                prop_assert_eq!(months.of(Timestamp(near)), Timestamp(near).month());
            }
        }

        #[test]
        fn printing_and_reading_agree(micros in Timestamp::MIN.0..Timestamp::MAX.0) {
            prop_assert_eq!(Timestamp::parse(&Timestamp(micros).to_string()), Ok(Timestamp(micros)));
        }
    }
}
