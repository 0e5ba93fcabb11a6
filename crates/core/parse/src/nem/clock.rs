//! Dates and times as NEM files write them, in the market's own time.
//!
//! Promise: market time is UTC+10 all year, whatever the season and the state.

use jiff::civil::{Date, DateTime};
use meter::Timestamp;

use super::fault::{Fault, What, shown};

const MARKET_OFFSET_HOURS: i8 = 10;
/// A meter that lost its clock says 2000; these formats began in 2004.
const YEAR_MIN: i16 = 2001;
/// 2099 is what software writes for "no end".
const YEAR_MAX: i16 = 2098;

/// Midnight of a `yyyymmdd`.
pub(super) fn date(name: &str, field: &[u8]) -> Result<Timestamp, Fault> {
    if field.len() != 8 {
        return Err(fault(name, field, "is not a date such as 20040417"));
    }
    Ok(instant(name, field)?.0)
}

/// A `yyyymmddhhmm` or `yyyymmddhhmmss`; `None` where the field is blank.
pub(super) fn date_time(name: &str, field: &[u8]) -> Result<Option<Timestamp>, Fault> {
    match field.len() {
        0 => Ok(None),
        12 | 14 => Ok(Some(instant(name, field)?.0)),
        _ => Err(fault(name, field, "is not a time such as 20040417093000")),
    }
}

/// Digits of an instant, two by two after the year.
fn instant(name: &str, digits: &[u8]) -> Result<(Timestamp, Date), Fault> {
    let not_a_time = || fault(name, digits, "is not a time of the calendar");
    let year = number(&digits[..4]).ok_or_else(not_a_time)?;
    let mut parts = [1, 1, 0, 0, 0];
    for (part, pair) in parts.iter_mut().zip(digits[4..].chunks(2)) {
        *part = i8::try_from(number(pair).ok_or_else(not_a_time)?).map_err(|_| not_a_time())?;
    }
    let [month, day, hour, minute, second] = parts;
    let civil = DateTime::new(year, month, day, hour, minute, second, 0).map_err(|_| not_a_time())?;
    if !(YEAR_MIN..=YEAR_MAX).contains(&year) {
        let wrong = format!("lies outside {YEAR_MIN} to {YEAR_MAX}: check the clock it was made with");
        return Err(fault(name, digits, &wrong));
    }
    let at = Timestamp::from_civil(civil, MARKET_OFFSET_HOURS).map_err(|_| not_a_time())?;
    Ok((at, civil.date()))
}

fn number(digits: &[u8]) -> Option<i16> {
    digits.iter().try_fold(0_i16, |number, digit| match digit {
        b'0'..=b'9' => Some(number * 10 + i16::from(digit - b'0')),
        _ => None,
    })
}

fn fault(name: &str, field: &[u8], wrong: &str) -> Fault {
    Fault::new(What::Date, format!("{name} {} {wrong}", shown(field)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(field: &str, expected: Option<&str>) {
        let read = match field.len() {
            8 => date("date", field.as_bytes()).map(Some),
            _ => date_time("time", field.as_bytes()),
        };
        let printed = read.ok().flatten().map(|at| at.to_string());
        assert_eq!(printed.as_deref(), expected, "{field}");
    }

    #[test]
    fn market_time_is_utc_plus_ten_in_summer_too() {
        check("20040417", Some("2004-04-16T14:00:00Z"));
        check("20050101", Some("2004-12-31T14:00:00Z"));
        check("200404170930", Some("2004-04-16T23:30:00Z"));
        check("20040417093055", Some("2004-04-16T23:30:55Z"));
        check("20240229", Some("2024-02-28T14:00:00Z"));
    }

    #[test]
    fn what_is_no_time_or_cannot_be_true_is_refused() {
        for field in ["20000101", "20990101", "00000000", "20230229", "20041301", "20040400", "2004041x", "-0040101"] {
            check(field, None);
        }
        for field in ["200404172430", "20040417096000", "20040417093060", "2004041709", "99999999999999", "2004-04-17"]
        {
            check(field, None);
        }
    }
}
