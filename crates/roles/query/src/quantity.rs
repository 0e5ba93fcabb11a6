//! `quantity`: a reading's value in its channel's unit, as `DECIMAL(38,18)` (D12).
//!
//! Promise: the number is exact. Where a unit has no exact decimal in the
//! channel's unit, or is no such unit at all, the query fails and names the
//! channel; nothing is rounded and nothing left out.

use datafusion::arrow::datatypes::i256;
use meter::{Decimal, Unit};

use crate::error::{Error, Result};
use crate::names::Channel;

pub(crate) const PRECISION: u8 = 38;
pub(crate) const SCALE: i8 = 18;

/// The largest number of 38 digits.
const UNSCALED_MAX: i128 = 10_i128.pow(PRECISION as u32) - 1;

/// A reading's number as stored.
#[derive(Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub value: i64,
    pub scale: i8,
    pub unit_code: i16,
    /// As spelled, for a message.
    pub unit: &'a str,
}

/// Remembers the last pair of units: rows of a channel follow each other.
#[derive(Default)]
pub(crate) struct Converter {
    last: Option<Pair>,
}

/// A stored unit, a channel's, and how many of the one make the other; none if
/// the two measure different things.
struct Pair {
    stored: i16,
    channel: Unit,
    ratio: Option<(i64, i64)>,
}

impl Converter {
    /// The unscaled integer of the `DECIMAL(38,18)`.
    pub(crate) fn quantity(&mut self, stored: Stored<'_>, channel: &Channel) -> Result<i128> {
        let decimal = decimal(stored.value, stored.scale, channel.id.0)?;
        let ratio = match &self.last {
            Some(pair) if pair.stored == stored.unit_code && pair.channel == channel.unit => pair.ratio,
            _ => {
                let from = Unit::from_code(u8::try_from(stored.unit_code).unwrap_or(u8::MAX));
                let ratio = from.ratio(channel.unit);
                self.last = Some(Pair { stored: stored.unit_code, channel: channel.unit, ratio });
                ratio
            }
        };
        ratio.and_then(|ratio| converted(decimal, ratio)).ok_or_else(|| inexact(decimal, stored.unit, channel))
    }
}

/// The value as it came in. A scale outside 0 to 18 is not of our writing.
pub(crate) fn decimal(value: i64, scale: i8, channel: i64) -> Result<Decimal> {
    match u8::try_from(scale) {
        Ok(scale) if scale <= Decimal::SCALE_MAX => Ok(Decimal::new(value, scale)),
        _ => Err(Error::Damaged { channel, what: format!("its scale is {scale}, not 0 to 18") }),
    }
}

fn converted(value: Decimal, (up, down): (i64, i64)) -> Option<i128> {
    let unscaled = value.at_scale_18();
    if (up, down) == (1, 1) {
        return Some(unscaled);
    }
    let wide = |number: i64| i256::from_i128(i128::from(number));
    let product = i256::from_i128(unscaled).checked_mul(wide(up))?;
    if product.checked_rem(wide(down))? != i256::ZERO {
        return None;
    }
    let quotient = product.checked_div(wide(down))?.to_i128()?;
    (quotient.unsigned_abs() <= UNSCALED_MAX.unsigned_abs()).then_some(quotient)
}

fn inexact(value: Decimal, unit: &str, channel: &Channel) -> Error {
    Error::Inexact {
        channel: channel.id.0,
        point: (&*channel.point).into(),
        register: (&*channel.register).into(),
        value: value.to_string().into(),
        unit: unit.into(),
        channel_unit: channel.unit.symbol().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, from: Unit, to: Unit, expected: Option<i128>) {
        let ratio = from.ratio(to).expect("comparable");
        assert_eq!(converted(Decimal::parse(text).expect("a number"), ratio), expected, "{text} {from} in {to}");
    }

    #[test]
    fn a_quantity_has_every_digit_or_is_none() {
        check("1.5", Unit::KilowattHour, Unit::WattHour, Some(1_500 * 10_i128.pow(18)));
        check("0.000000000000000001", Unit::WattHour, Unit::WattHour, Some(1));
        check("0.000000000000000001", Unit::WattHour, Unit::KilowattHour, None);
        check("1", Unit::Joule, Unit::KilowattHour, None);
        check("9223372036854775807", Unit::MegawattHour, Unit::WattHour, None); // 43 digits
        check(
            "9223372036854775807",
            Unit::KilowattHour,
            Unit::KilowattHour,
            Some(i128::from(i64::MAX) * 10_i128.pow(18)),
        );
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_conversion_of_single_values(value: i64, scale in 0_u8..=18, pair in 0_usize..4) {
            let (from, to) = [
                (Unit::KilowattHour, Unit::WattHour),
                (Unit::Megajoule, Unit::KilowattHour),
                (Unit::CubicMetre, Unit::Litre),
                (Unit::Watt, Unit::Megawatt),
            ][pair];
            let read = Decimal::new(value, scale);
            let ours = converted(read, from.ratio(to).expect("comparable"));
            if let Ok(theirs) = from.convert(read, to) {
                prop_assert_eq!(ours, Some(theirs.at_scale_18()));
            }
        }
    }
}
