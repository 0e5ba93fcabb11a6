//! How long a bucket is, as people write it.
//!
//! Promise: a width is above zero and at most a hundred years; `24 hours` is
//! refused, because it is no day where clocks change.

use datafusion::arrow::datatypes::IntervalMonthDayNano;

use super::{DAY, HOUR, MINUTE, wrong};
use crate::error::Result;

/// Longer buckets would begin before the years the lake knows.
const YEARS_MAX: i64 = 100;

/// How long a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Width {
    /// Microseconds of the clock; below a day.
    Clock(i64),
    /// Days of the calendar.
    Days(i64),
    /// Months of the calendar.
    Months(i64),
}

impl Width {
    /// `15 minutes`, `1 hour`, `1 day`, `2 weeks`, `1 month`, `1 quarter`, `1 year`.
    pub(crate) fn parse(text: &str) -> Result<Width> {
        let said = || text.chars().take(40).collect::<String>();
        let unknown = || {
            wrong(format!(
                "width {:?} is not understood; write a number and second, minute, hour, day, week, month, quarter or \
                 year, such as '15 minutes'",
                said()
            ))
        };
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '-' && c != '+').ok_or_else(unknown)?;
        let (count, unit) = text.split_at(digits);
        let unit = unit.trim().to_lowercase();
        let count: i64 = count.parse().map_err(|_| unknown())?;
        let times = |size: i64| count.checked_mul(size).ok_or_else(|| too_long(&said()));
        let width = match unit.strip_suffix('s').filter(|unit| unit.len() > 1).unwrap_or(&unit) {
            "second" | "sec" => Width::Clock(times(1_000_000)?),
            "minute" | "min" => Width::Clock(times(MINUTE)?),
            "hour" | "h" => Width::Clock(times(HOUR)?),
            "day" | "d" => Width::Days(count),
            "week" => Width::Days(times(7)?),
            "month" | "mon" => Width::Months(count),
            "quarter" => Width::Months(times(3)?),
            "year" => Width::Months(times(12)?),
            _ => return Err(unknown()),
        };
        width.checked(&said())
    }

    /// The same of an interval, which must not mix months, days and hours.
    pub(crate) fn of_interval(interval: IntervalMonthDayNano) -> Result<Width> {
        let IntervalMonthDayNano { months, days, nanoseconds } = interval;
        let said = format!("{months} months {days} days {nanoseconds} ns");
        let width = match (months, days, nanoseconds) {
            (months, 0, 0) if months != 0 => Width::Months(months.into()),
            (0, days, 0) => Width::Days(days.into()),
            (0, 0, nanos) if nanos % 1_000 == 0 => Width::Clock(nanos / 1_000),
            (0, 0, _) => return Err(wrong(format!("width {said} is no whole number of microseconds"))),
            _ => return Err(wrong(format!("width {said} mixes units; write one of months, days or hours"))),
        };
        width.checked(&said)
    }

    fn checked(self, said: &str) -> Result<Width> {
        let (count, max) = match self {
            Width::Clock(micros) => (micros, i64::MAX),
            Width::Days(days) => (days, 365 * YEARS_MAX),
            Width::Months(months) => (months, 12 * YEARS_MAX),
        };
        if count <= 0 {
            return Err(wrong(format!("width {said:?} is not above zero")));
        }
        if count > max {
            return Err(too_long(said));
        }
        if matches!(self, Width::Clock(micros) if micros >= DAY) {
            let advice = "days are 23 to 25 hours long where clocks change; write it in days";
            return Err(wrong(format!("width {said:?} is a day or more in hours: {advice}")));
        }
        Ok(self)
    }

    /// At least as many buckets as there can be in this many microseconds, and
    /// hardly more. What clocks that go back add, others that go forward take.
    pub(crate) fn count_max(self, micros: i64) -> i64 {
        let days = micros / DAY + 3;
        match self {
            // And one for each time a clock changes, eight times a year at most.
            Width::Clock(width) => days.saturating_mul((DAY + width - 1) / width) + days / 45,
            Width::Days(width) => days / width + 2,
            Width::Months(width) => days / (28 * width) + 2,
        }
    }
}

fn too_long(said: &str) -> crate::error::Error {
    wrong(format!("width {said:?} is more than {YEARS_MAX} years"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let width = Width::parse(text).map_or_else(|error| error.to_string(), |width| format!("{width:?}"));
        assert!(width.contains(expected), "{text:?}: {width}");
    }

    #[test]
    fn a_width_is_a_number_and_a_unit() {
        check("15 minutes", "Clock(900000000)");
        check(" 1hour ", "Clock(3600000000)");
        check("90 s", "not understood");
        check("90 sec", "Clock(90000000)");
        check("1 Day", "Days(1)");
        check("2 weeks", "Days(14)");
        check("1 month", "Months(1)");
        check("1 quarter", "Months(3)");
        check("10 years", "Months(120)");
    }

    #[test]
    fn what_is_no_width_is_refused() {
        for text in ["", " ", "hour", "1", "1 hour 30 minutes", "1.5 hours", "one hour", "-", "1 ſ", "😀 days"] {
            check(text, "not understood");
        }
        for text in ["0 hours", "-1 day", "-0 months"] {
            check(text, "above zero");
        }
        for text in ["24 hours", "86400 seconds", "100000 minutes"] {
            check(text, "in days");
        }
        for text in ["101 years", "9223372036854775807 weeks", "9223372036854775807 days", "2000000000 years"] {
            check(text, "100 years");
        }
        check("99999999999999999999 days", "not understood");
    }

    #[test]
    fn an_interval_has_one_unit() {
        let of = |months, days, nanoseconds| {
            Width::of_interval(IntervalMonthDayNano { months, days, nanoseconds })
                .map_or_else(|error| error.to_string(), |width| format!("{width:?}"))
        };
        assert_eq!(of(1, 0, 0), "Months(1)");
        assert_eq!(of(0, 7, 0), "Days(7)");
        assert_eq!(of(0, 0, 900_000_000_000), "Clock(900000000)");
        for (wrong, why) in [
            (of(1, 1, 0), "mixes"),
            (of(0, 1, 1_000), "mixes"),
            (of(0, 0, 999), "microseconds"),
            (of(0, 0, 0), "above zero"),
            (of(0, 0, i64::MIN), "microseconds"),
            (of(0, 0, -1_000), "above zero"),
            (of(i32::MIN, 0, 0), "above zero"),
            (of(i32::MAX, 0, 0), "100 years"),
            (of(0, i32::MAX, 0), "100 years"),
        ] {
            assert!(wrong.contains(why), "{wrong}");
        }
    }
}
