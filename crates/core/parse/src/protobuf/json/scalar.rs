//! One value of JSON as the number, text or code that its field holds.

use meter::{Decimal, Timestamp};

use super::check::shown;
use super::fault::What;
use super::scan::{Text, Value, is_number};

/// What a field's value may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum As {
    Text,
    /// A whole number between two others, spelled as such or in quotes.
    Whole(i64, i64),
    /// Microseconds since 1970, or RFC 3339.
    Instant,
    /// Microseconds from the container's base time, or RFC 3339.
    Start,
    /// A decimal of any form.
    Number,
    /// What names begin with, and their endings, numbered from 0.
    Code(&'static str, &'static [&'static str]),
    List,
}

pub(super) const INT64: As = As::Whole(i64::MIN, i64::MAX);
pub(super) const UINT32: As = As::Whole(0, u32::MAX as i64);

/// An instant, or how far one is from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Microseconds(i64),
    Instant(Timestamp),
}

pub(super) fn text(value: Value<'_>) -> Result<Text<'_>, What> {
    value.text().ok_or_else(|| What::wrong_type(value, "a text"))
}

/// A number's own text, with or without quotes around it.
fn spelled(value: Value<'_>) -> Result<&[u8], What> {
    let inside = value.text().map(|text| text.0);
    value.number().or(inside).ok_or_else(|| What::wrong_type(value, "a number"))
}

/// As protobuf's JSON has them: `1e3` is a thousand, `1.5` is none.
pub(super) fn whole(value: Value<'_>, least: i64, most: i64) -> Result<i64, What> {
    let spelled = spelled(value)?;
    let wrong = || What::Whole { shown: shown(Text(spelled)), least, most };
    if !is_number(spelled) {
        return Err(wrong());
    }
    let number = Decimal::parse_bytes(spelled).map_err(|_| wrong())?.normalised();
    if number.scale != 0 || number.value < least || number.value > most {
        return Err(wrong());
    }
    Ok(number.value)
}

/// The number that the text says, digit for digit.
pub(super) fn number(value: Value<'_>) -> Result<Decimal, What> {
    let spelled = spelled(value)?;
    if !is_number(spelled) && !matches!(spelled, b"NaN" | b"Infinity" | b"-Infinity") {
        return Err(What::NotANumber { shown: shown(Text(spelled)) });
    }
    Decimal::parse_bytes(spelled).map_err(|error| What::not_a_decimal(&error, spelled))
}

/// What lies below a microsecond is cut off, as everywhere in the house.
pub(super) fn moment(value: Value<'_>) -> Result<Moment, What> {
    let Some(said) = value.text().filter(|text| !is_number(text.0)) else {
        return whole(value, i64::MIN, i64::MAX).map(Moment::Microseconds);
    };
    let parsed = std::str::from_utf8(said.0).ok().and_then(|text| Timestamp::parse(text).ok());
    parsed.map(Moment::Instant).ok_or_else(|| What::Time { shown: shown(said) })
}

/// By name or by number; a number we do not know is left to whoever reads it.
pub(super) fn code(value: Value<'_>, prefix: &str, names: &[&str]) -> Result<i64, What> {
    let Some(name) = value.text().filter(|text| !is_number(text.0)) else {
        return whole(value, i32::MIN.into(), i32::MAX.into());
    };
    let ending = std::str::from_utf8(name.0).ok().and_then(|name| name.strip_prefix(prefix));
    let place = ending.and_then(|ending| names.iter().position(|name| *name == ending));
    place.and_then(|place| i64::try_from(place).ok()).ok_or_else(|| {
        let known: Vec<_> = names.iter().map(|name| format!("{prefix}{name}")).collect();
        What::Name { shown: shown(name), known: known.join(", ") }
    })
}
