//! Exact decimals: an `i64` and the number of digits after the point (D1).
//!
//! Promise: `parse` then `Display` gives the number that came in, digit for
//! digit, trailing zeros included; no float touches it. A number that does not
//! fit is an error, never rounded.

use std::cmp::Ordering;
use std::io::Write as _;

/// `value` × 10^-`scale`, `scale` at most [`Decimal::SCALE_MAX`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Decimal {
    /// The digits without their point: 1.50 is 150.
    pub value: i64,
    /// Digits after the point.
    pub scale: u8,
}

/// Why a text or a double is no [`Decimal`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what happened, and to what")]
pub enum DecimalError {
    #[error("{0:?} is not a number")]
    NotANumber(String),
    #[error("not a finite number")]
    NotFinite,
    #[error("{0:?} has more digits than fit (18 after the point, 19 in all)")]
    TooManyDigits(String),
}

impl Decimal {
    /// Real files carry up to 18 decimals; 10^18 is the largest power of ten in an `i64`.
    pub const SCALE_MAX: u8 = 18;

    /// `value` × 10^-`scale`; a scale above [`Decimal::SCALE_MAX`] panics.
    pub const fn new(value: i64, scale: u8) -> Self {
        assert!(scale <= Self::SCALE_MAX);
        Decimal { value, scale }
    }

    /// Reads `-12.340`, `.5`, `7.`, `1.2E-3`; no spaces, no thousands marks.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        Self::parse_bytes(text.as_bytes())
    }

    /// As [`Decimal::parse`], on bytes: one pass for the plain form.
    pub fn parse_bytes(text: &[u8]) -> Result<Self, DecimalError> {
        let (negative, digits) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let (mut value, mut scale, mut seen, mut after_point) = (0_i64, 0_i32, false, false);
        for (at, byte) in digits.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    // Counted downwards: `i64::MIN` has no positive twin.
                    value = value
                        .checked_mul(10)
                        .and_then(|v| v.checked_sub(i64::from(byte - b'0')))
                        .ok_or_else(|| DecimalError::TooManyDigits(shown(text)))?;
                    scale += i32::from(after_point);
                    seen = true;
                }
                b'.' if !after_point => after_point = true,
                b'e' | b'E' if seen => {
                    scale = scale
                        .checked_sub(exponent(&digits[at + 1..]).ok_or_else(|| not_a_number(text))?)
                        .ok_or_else(|| DecimalError::TooManyDigits(shown(text)))?;
                    return Self::placed(value, negative, scale, text);
                }
                _ => return Err(not_a_number(text)),
            }
        }
        if !seen {
            return Err(not_a_number(text));
        }
        Self::placed(value, negative, scale, text)
    }

    /// The shortest decimal that reads back as the same double.
    pub fn from_double(double: f64) -> Result<Self, DecimalError> {
        if !double.is_finite() {
            return Err(DecimalError::NotFinite);
        }
        // The longest, -2.2250738585072014e-308, has 24 bytes.
        let mut text = [0_u8; 32];
        let mut left = &mut text[..];
        write!(left, "{double:e}").expect("a double prints in 24 bytes");
        let unused = left.len();
        Self::parse_bytes(&text[..text.len() - unused])
    }

    /// Puts the point `scale` digits from the right; a scale outside `0..=18`
    /// is brought inside only where that loses no digit.
    fn placed(negated: i64, negative: bool, scale: i32, text: &[u8]) -> Result<Self, DecimalError> {
        let too_many = || DecimalError::TooManyDigits(shown(text));
        let (mut negated, mut scale) = (negated, scale);
        if negated == 0 {
            scale = scale.clamp(0, i32::from(Self::SCALE_MAX));
        }
        while scale < 0 {
            negated = negated.checked_mul(10).ok_or_else(too_many)?;
            scale += 1;
        }
        while scale > i32::from(Self::SCALE_MAX) {
            if negated % 10 != 0 {
                return Err(too_many());
            }
            negated /= 10;
            scale -= 1;
        }
        let value = if negative { negated } else { negated.checked_neg().ok_or_else(too_many)? };
        Ok(Decimal { value, scale: u8::try_from(scale).expect("clamped to 0..=18") })
    }

    /// The same number without trailing zeros after the point: 1.50 becomes 1.5.
    pub fn normalised(self) -> Self {
        let Decimal { mut value, mut scale } = self;
        while scale > 0 && value % 10 == 0 {
            value /= 10;
            scale -= 1;
        }
        Decimal { value, scale }
    }

    /// `value` × 10^(18 - `scale`): the unscaled integer of a `DECIMAL(38,18)`.
    pub fn at_scale_18(self) -> i128 {
        i128::from(self.value) * 10_i128.pow(u32::from(Self::SCALE_MAX - self.scale))
    }

    /// The product with 10^`power`, where it still fits.
    pub fn times_power_of_ten(self, power: i32) -> Result<Self, DecimalError> {
        let text = self.to_string();
        let negated = if self.value < 0 { self.value } else { -self.value };
        let scale =
            i32::from(self.scale).checked_sub(power).ok_or_else(|| DecimalError::TooManyDigits(text.clone()))?;
        Self::placed(negated, self.value < 0, scale, text.as_bytes())
    }
}

fn exponent(text: &[u8]) -> Option<i32> {
    // Four digits are far beyond any scale that fits, and cannot overflow.
    let text = std::str::from_utf8(text).ok()?;
    if text.len() > 5 {
        return None;
    }
    text.parse().ok()
}

fn not_a_number(text: &[u8]) -> DecimalError {
    let word = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    if ["nan", "inf", "infinity", "∞"].iter().any(|w| word.eq_ignore_ascii_case(w.as_bytes())) {
        return DecimalError::NotFinite;
    }
    DecimalError::NotANumber(shown(text))
}

/// At most 40 characters of hostile input go into an error message.
fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(160)]).chars().take(40).collect()
}

/// 1.50 equals 1.5: equality is of the number, not of its spelling.
impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.scale == other.scale {
            return self.value.cmp(&other.value);
        }
        self.at_scale_18().cmp(&other.at_scale_18())
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.value < 0 { "-" } else { "" };
        let digits = self.value.unsigned_abs();
        if self.scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let unit = 10_u64.pow(u32::from(self.scale));
        let width = usize::from(self.scale);
        write!(f, "{sign}{}.{:0width$}", digits / unit, digits % unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, printed: &str) {
        assert_eq!(Decimal::parse(text).map(|d| d.to_string()), Ok(printed.to_string()), "{text}");
    }

    #[test]
    fn every_spelling_keeps_its_digits() {
        check("19.150", "19.150");
        check("-0.05", "-0.05");
        check(".5", "0.5");
        check("7.", "7");
        check("+3", "3");
        check("006342.8", "6342.8");
        check("1.2E-3", "0.0012");
        check("1.2e3", "1200");
        check("0E-30", "0.000000000000000000");
        check("-9223372036854775808", "-9223372036854775808");
        check("0.123456789012345678", "0.123456789012345678");
    }

    #[test]
    fn what_does_not_fit_is_an_error_never_rounded() {
        for text in ["9223372036854775808", "0.1234567890123456789", "1E19", "1E-19", "1e99999"] {
            assert!(Decimal::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_says_so() {
        for text in ["", "-", ".", "1.2.3", "1,5", " 1", "0x1", "e5", "1e", "--1", "1-"] {
            assert!(matches!(Decimal::parse(text), Err(DecimalError::NotANumber(_))), "{text}");
        }
        for text in ["NaN", "-inf", "Infinity"] {
            assert_eq!(Decimal::parse(text), Err(DecimalError::NotFinite), "{text}");
        }
    }

    #[test]
    fn doubles_become_their_shortest_decimal() {
        assert_eq!(Decimal::from_double(0.1).map(|d| d.to_string()), Ok("0.1".into()));
        assert_eq!(Decimal::from_double(230.4).map(|d| d.to_string()), Ok("230.4".into()));
        assert_eq!(Decimal::from_double(-1e15).map(|d| d.to_string()), Ok("-1000000000000000".into()));
        assert_eq!(Decimal::from_double(f64::NAN), Err(DecimalError::NotFinite));
        assert!(Decimal::from_double(1e300).is_err());
    }

    #[test]
    fn a_power_of_ten_only_moves_the_point() {
        let read = Decimal::new(12_345, 2);
        assert_eq!(read.times_power_of_ten(3).map(|d| d.to_string()), Ok("123450".into()));
        assert_eq!(read.times_power_of_ten(-3).map(|d| d.to_string()), Ok("0.12345".into()));
        assert!(read.times_power_of_ten(17).is_err());
    }

    proptest! {
        #[test]
        fn printing_and_reading_agree(value: i64, scale in 0_u8..=18) {
            let decimal = Decimal::new(value, scale);
            let read = Decimal::parse(&decimal.to_string()).expect("printed by us");
            prop_assert_eq!((read.value, read.scale), (value, scale));
            prop_assert_eq!(decimal.normalised(), decimal);
        }

        #[test]
        fn every_finite_double_reads_back_or_is_refused(double: f64) {
            if let Ok(decimal) = Decimal::from_double(double) {
                prop_assert_eq!(decimal.to_string().parse::<f64>(), Ok(double));
            }
        }

        #[test]
        fn nothing_makes_the_parser_panic(text in "[-+0-9.eEn]{0,30}") {
            let _ = Decimal::parse(&text);
        }
    }
}
