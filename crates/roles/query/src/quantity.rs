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

/// How the readings of one channel, unit and scale become quantities. Rows of a
/// channel follow each other, so there is one for many of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conversion {
    scale: i8,
    unit_code: i16,
    /// How many of the stored unit make how many of the channel's; none if the
    /// two measure different things.
    ratio: Option<(i64, i64)>,
    /// What digits are multiplied by, where that is exact for each of them: two
    /// factors of 64 bits have a product of 38 digits.
    factor: Option<i64>,
}

const _: () = assert!((i64::MAX as i128).pow(2) < UNSCALED_MAX);

impl Conversion {
    /// An error where the scale is none of ours.
    pub(crate) fn of(scale: i8, unit_code: i16, channel: &Channel<'_>) -> Result<Conversion> {
        let one = decimal(1, scale, channel.id.0)?;
        let ratio = unit(unit_code).ratio(channel.unit);
        let factor = ratio.and_then(|(up, down)| {
            let product = one.at_scale_18().checked_mul(i128::from(up))?;
            let down = i128::from(down);
            let exact = product.checked_rem(down)? == 0;
            i64::try_from(product.checked_div(down)?).ok().filter(|_| exact)
        });
        Ok(Conversion { scale, unit_code, ratio, factor })
    }

    /// The unscaled integers of the `DECIMAL(38,18)`s of these digits, put behind
    /// `into`; one that is not exact is told to `inexact`.
    pub(crate) fn quantities(
        &self,
        digits: &[i64],
        channel: &Channel<'_>,
        into: &mut Vec<i128>,
        mut inexact: impl FnMut(usize, Error) -> Result<()>,
    ) -> Result<()> {
        if let Some(factor) = self.factor {
            into.extend(digits.iter().map(|digits| i128::from(*digits) * i128::from(factor)));
            return Ok(());
        }
        for digits in digits {
            let decimal = decimal(*digits, self.scale, channel.id.0)?;
            let quantity = self.ratio.and_then(|ratio| converted(decimal, ratio));
            if quantity.is_none() {
                inexact(into.len(), told(decimal, unit(self.unit_code), channel))?;
            }
            into.push(quantity.unwrap_or(0));
        }
        Ok(())
    }
}

fn unit(code: i16) -> Unit {
    Unit::from_code(u8::try_from(code).unwrap_or(u8::MAX))
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

fn told(value: Decimal, unit: Unit, channel: &Channel<'_>) -> Error {
    Error::Inexact {
        channel: channel.id.0,
        point: channel.point.into(),
        register: channel.register.into(),
        value: value.to_string().into(),
        unit: unit.symbol().into(),
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

    fn channel(unit: Unit) -> Channel<'static> {
        let (kind, commodity, flow, phase) = Default::default();
        Channel { id: meter::ChannelId(7), point: "P", register: "R", kind, commodity, flow, phase, unit }
    }

    proptest! {
        #[test]
        fn many_at_once_are_what_each_is(
            digits in proptest::collection::vec(any::<i64>(), 0..20),
            scale in 0_u8..=18,
            pair in 0_usize..6,
        ) {
            let (from, to) = [
                (Unit::KilowattHour, Unit::KilowattHour),
                (Unit::KilowattHour, Unit::WattHour),
                (Unit::WattHour, Unit::KilowattHour),
                (Unit::Megajoule, Unit::KilowattHour),
                (Unit::Joule, Unit::MegawattHour),
                (Unit::Watt, Unit::KilowattHour),
            ][pair];
            let channel = channel(to);
            let conversion = Conversion::of(scale as i8, i16::from(from.code()), &channel).expect("a scale of ours");
            let (mut made, mut left_out) = (Vec::new(), Vec::new());
            let note = |place, _| {
                left_out.push(place);
                Ok(())
            };
            conversion.quantities(&digits, &channel, &mut made, note).expect("only noted");
            prop_assert_eq!(made.len(), digits.len());
            for (place, digits) in digits.iter().enumerate() {
                let plain = from.ratio(to).and_then(|ratio| converted(Decimal::new(*digits, scale), ratio));
                prop_assert_eq!(plain, (!left_out.contains(&place)).then_some(made[place]));
            }
        }

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
