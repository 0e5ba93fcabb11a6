//! How long something lasts, as a person types it: `15m`, `1h`, `90d`, `5y`.

use std::fmt;
use std::str::FromStr;

/// Whole seconds, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length {
    pub seconds: u64,
}

/// 365.25 days: four of them are four years.
pub const YEAR_SECONDS: u64 = 31_557_600;
pub const DAY_SECONDS: u64 = 86_400;
const UNITS: [(&str, u64); 6] =
    [("y", YEAR_SECONDS), ("w", 7 * DAY_SECONDS), ("d", DAY_SECONDS), ("h", 3_600), ("m", 60), ("s", 1)];
/// A century and more than any meter stands.
const SECONDS_MAX: u64 = 200 * YEAR_SECONDS;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no length of time; write a number and s, m, h, d, w or y, such as 15m or 5y")]
pub struct NotALength(String);

impl FromStr for Length {
    type Err = NotALength;

    fn from_str(text: &str) -> Result<Length, NotALength> {
        let wrong = || NotALength(text.chars().take(40).collect());
        let unit = UNITS.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)));
        let (digits, unit) = unit.ok_or_else(wrong)?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let seconds = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit)).ok_or_else(wrong)?;
        if (1..=SECONDS_MAX).contains(&seconds) { Ok(Length { seconds }) } else { Err(wrong()) }
    }
}

/// In the largest unit that divides it.
impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = UNITS.iter().find(|(_, seconds)| self.seconds.is_multiple_of(*seconds));
        let (unit, seconds) = fits.expect("a second divides everything");
        write!(f, "{}{unit}", self.seconds / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_length_is_refused_with_an_example() {
        for text in ["", "15", "m", "0m", "-1h", "1.5h", "15 m", "1e9y", "99999999999999999999s", "201y", "5Y"] {
            let error = text.parse::<Length>().expect_err(text);
            assert!(error.to_string().contains("such as 15m"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_length_reads_as_it_is_told(seconds in 1..=SECONDS_MAX) {
            let length = Length { seconds };
            prop_assert_eq!(length.to_string().parse::<Length>(), Ok(length));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,12}") {
            let _ = text.parse::<Length>();
        }
    }
}
