//! Times as rows write them: digits of a calendar and a clock.
//!
//! Promise: what is read is a time of the calendar, or refused; no century and
//! no order of day and month is guessed.

use jiff::civil::{Date, DateTime, Time};

/// How a profile's times are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `2020-04-01T01:00:00+01:00`; a blank for the `T`, no seconds, no offset,
    /// and a date alone will do.
    Iso,
    Pattern(Vec<Part>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Mark(u8),
}

/// What a clock on the wall showed; with an offset it is an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) civil: DateTime,
    pub(super) offset_seconds: Option<i32>,
}

impl Stamp {
    /// From any one instant, to tell how far apart two stamps are.
    pub(super) fn seconds(self) -> i64 {
        self.civil.duration_since(DateTime::ZERO).as_secs() - i64::from(self.offset_seconds.unwrap_or(0))
    }
}

/// In the order of [`Part`].
type Numbers = [i16; 6];

impl Form {
    /// `iso`, or a pattern such as `%d.%m.%Y %H:%M`.
    pub(super) fn read(text: &str) -> Result<Form, &'static str> {
        if text == "iso" {
            return Ok(Form::Iso);
        }
        let mut parts = Vec::new();
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            parts.push(match (byte, byte == b'%') {
                (mark, false) if mark.is_ascii() && !mark.is_ascii_digit() => Part::Mark(mark),
                (_, false) => return Err("has a digit, or a character beyond ASCII"),
                (_, true) => match bytes.next() {
                    Some(b'Y') => Part::Year,
                    Some(b'm') => Part::Month,
                    Some(b'd') => Part::Day,
                    Some(b'H') => Part::Hour,
                    Some(b'M') => Part::Minute,
                    Some(b'S') => Part::Second,
                    _ => return Err("knows %Y, %m, %d, %H, %M and %S, and iso"),
                },
            });
        }
        let count = |wanted: Part| parts.iter().filter(|part| **part == wanted).count();
        if [Part::Year, Part::Month, Part::Day].into_iter().any(|part| count(part) != 1) {
            return Err("needs %Y, %m and %d, each once");
        }
        if [Part::Hour, Part::Minute, Part::Second].into_iter().any(|part| count(part) > 1) {
            return Err("has a part of the clock twice");
        }
        Ok(Form::Pattern(parts))
    }

    pub(super) fn stamp(&self, text: &[u8]) -> Option<Stamp> {
        match self {
            Form::Iso => iso(text),
            Form::Pattern(parts) => {
                let mut left = text;
                let mut numbers = [0; 6];
                for part in parts {
                    match part {
                        Part::Mark(mark) => left = after(left, *mark)?,
                        Part::Year => numbers[0] = digits(&mut left, 4, 4)?,
                        part => numbers[part.place()] = digits(&mut left, 1, 2)?,
                    }
                }
                left.is_empty().then_some(())?;
                Some(Stamp { civil: civil(numbers, 0)?, offset_seconds: None })
            }
        }
    }
}

impl Part {
    fn place(self) -> usize {
        match self {
            Part::Year | Part::Mark(_) => 0,
            Part::Month => 1,
            Part::Day => 2,
            Part::Hour => 3,
            Part::Minute => 4,
            Part::Second => 5,
        }
    }
}

fn iso(text: &[u8]) -> Option<Stamp> {
    let mut left = text;
    let mut numbers: Numbers = [0; 6];
    numbers[0] = digits(&mut left, 4, 4)?;
    for number in &mut numbers[1..3] {
        left = after(left, b'-')?;
        *number = digits(&mut left, 2, 2)?;
    }
    if left.is_empty() {
        return Some(Stamp { civil: civil(numbers, 0)?, offset_seconds: None });
    }
    left = after(left, b'T').or_else(|| after(left, b' '))?;
    numbers[3] = digits(&mut left, 2, 2)?;
    left = after(left, b':')?;
    numbers[4] = digits(&mut left, 2, 2)?;
    let mut nanoseconds = 0;
    if let Some(rest) = after(left, b':') {
        left = rest;
        numbers[5] = digits(&mut left, 2, 2)?;
        if let Some(rest) = after(left, b'.') {
            let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let micros =
                std::str::from_utf8(rest.get(..count)?).ok().filter(|digits| (1..=6).contains(&digits.len()))?;
            nanoseconds = format!("{micros:0<9}").parse().ok()?;
            left = &rest[count..];
        }
    }
    let offset = match left {
        b"" => None,
        b"Z" => Some(0),
        offset => Some(offset_seconds(offset)?),
    };
    Some(Stamp { civil: civil(numbers, nanoseconds)?, offset_seconds: offset })
}

/// `+10:00`, `-0330` or `+01`.
pub(super) fn offset_seconds(text: &[u8]) -> Option<i32> {
    let (sign, mut left) = match text {
        [b'+', left @ ..] => (1, left),
        [b'-', left @ ..] => (-1, left),
        _ => return None,
    };
    let hours = digits(&mut left, 2, 2)?;
    let mut minutes = 0;
    if !left.is_empty() {
        left = after(left, b':').unwrap_or(left);
        minutes = digits(&mut left, 2, 2)?;
    }
    (left.is_empty() && hours < 24 && minutes < 60)
        .then_some(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60))
}

/// The minutes of a column's time of day, such as `0:30`; `24:00` is the day's end.
pub(super) fn minute_of_day(text: &str) -> Option<i16> {
    let mut left = text.as_bytes();
    let hour = digits(&mut left, 1, 2)?;
    left = after(left, b':')?;
    let minute = digits(&mut left, 2, 2)?;
    let minutes = hour * 60 + minute;
    (left.is_empty() && minute < 60 && minutes <= 24 * 60).then_some(minutes)
}

/// What stands behind a mark. In place: to compare one byte, a call costs more
/// than the rest of the stamp.
fn after(text: &[u8], mark: u8) -> Option<&[u8]> {
    match text {
        [first, rest @ ..] if *first == mark => Some(rest),
        _ => None,
    }
}

fn digits(left: &mut &[u8], min: usize, max: usize) -> Option<i16> {
    let count = left.iter().take(max).take_while(|byte| byte.is_ascii_digit()).count();
    if count < min {
        return None;
    }
    let (number, rest) = left.split_at(count);
    *left = rest;
    Some(number.iter().fold(0, |number, digit| number * 10 + i16::from(digit - b'0')))
}

/// 24:00 is the next day's midnight.
fn civil(numbers: Numbers, nanoseconds: i32) -> Option<DateTime> {
    let [year, month, day, hour, minute, second] = numbers;
    let date = Date::new(year, small(month)?, small(day)?).ok()?;
    if hour == 24 {
        let is_midnight = minute == 0 && second == 0 && nanoseconds == 0;
        return if is_midnight { Some(date.tomorrow().ok()?.to_datetime(Time::midnight())) } else { None };
    }
    let time = Time::new(small(hour)?, small(minute)?, small(second)?, nanoseconds).ok()?;
    Some(date.to_datetime(time))
}

fn small(number: i16) -> Option<i8> {
    i8::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(form: &str, text: &str, expected: Option<&str>) {
        let stamp = Form::read(form).expect("a form").stamp(text.as_bytes());
        let printed = stamp.map(|stamp| match stamp.offset_seconds {
            Some(offset) => format!("{} {offset}", stamp.civil),
            None => stamp.civil.to_string(),
        });
        assert_eq!(printed.as_deref(), expected, "{form} {text}");
    }

    #[test]
    fn iso_times_may_leave_out_what_is_clear() {
        check("iso", "2020-04-01T01:00:00+01:00", Some("2020-04-01T01:00:00 3600"));
        check("iso", "2020-04-01 01:00:00Z", Some("2020-04-01T01:00:00 0"));
        check("iso", "2020-04-01 01:30", Some("2020-04-01T01:30:00"));
        check("iso", "2020-04-01T01:30:15.25-0330", Some("2020-04-01T01:30:15.25 -12600"));
        check("iso", "2020-02-29", Some("2020-02-29T00:00:00"));
        check("iso", "2020-12-31T24:00:00", Some("2021-01-01T00:00:00"));
    }

    #[test]
    fn a_pattern_says_the_order_of_day_and_month() {
        check("%d-%m-%Y %H:%M", "04-10-2024 01:00", Some("2024-10-04T01:00:00"));
        check("%m/%d/%Y %H:%M:%S", "4/10/2024 1:02:03", Some("2024-04-10T01:02:03"));
        check("%Y%m%d", "20240410", Some("2024-04-10T00:00:00"));
    }

    #[test]
    fn what_is_no_time_is_not_made_one() {
        for text in ["", "2020-4-01", "2020-13-01", "2019-02-29", "2020-04-01T1:00", "2020-04-01T24:01", "20-04-01"] {
            check("iso", text, None);
        }
        for text in
            ["2020-04-01T01:00:60", "2020-04-01T01:00+25:00", "2020-04-01T01:00 x", "2020-04-01T01:00:00.1234567"]
        {
            check("iso", text, None);
        }
        for text in ["4-10-24 01:00", "32-01-2024 00:00", "04-10-2024", "04-10-2024 01:00 "] {
            check("%d-%m-%Y %H:%M", text, None);
        }
        for form in ["", "%d-%m", "%Y%m%d%d", "%Y-%m-%d %I", "%Y-%m-%d 00"] {
            assert!(Form::read(form).is_err(), "{form}");
        }
    }

    #[test]
    fn a_heading_is_a_time_of_day_or_not() {
        assert_eq!(["0:30", "00:30", "24:00", "0:00"].map(minute_of_day), [Some(30), Some(30), Some(1440), Some(0)]);
        assert_eq!(["24:01", "0:60", "x", "1:5", ""].map(minute_of_day), [None; 5]);
    }
}
