//! Units of measure, their many spellings, and exact conversion.
//!
//! Promise: a conversion is exact or an error (D12). The unit as the source
//! spelled it stays with the reading; this is its meaning.

use crate::Decimal;

/// A unit we know. The number is what is stored: never reuse one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Unit {
    /// The source gave no unit, or a count.
    #[default]
    None = 0,
    /// Wh
    WattHour = 1,
    /// kWh
    KilowattHour = 2,
    /// MWh
    MegawattHour = 3,
    /// J
    Joule = 4,
    /// MJ
    Megajoule = 5,
    /// GJ
    Gigajoule = 6,
    /// m³
    CubicMetre = 7,
    /// l
    Litre = 8,
    /// US therm (59 °F): 105,480,400 J.
    Therm = 9,
    /// W
    Watt = 10,
    /// kW
    Kilowatt = 11,
    /// var, reactive power.
    Var = 12,
    /// kvar
    Kilovar = 13,
    /// VA, apparent power.
    VoltAmpere = 14,
    /// kVA
    KilovoltAmpere = 15,
    /// varh, reactive energy.
    VarHour = 16,
    /// kvarh
    KilovarHour = 17,
    /// VAh, apparent energy.
    VoltAmpereHour = 18,
    /// kVAh
    KilovoltAmpereHour = 19,
    /// V
    Volt = 20,
    /// A
    Ampere = 21,
    /// Hz
    Hertz = 22,
    /// °C
    DegreeCelsius = 23,
    /// bar
    Bar = 24,
    /// A ratio such as a power factor.
    PerUnit = 25,
    /// MW
    Megawatt = 26,
    /// Mvar
    Megavar = 27,
    /// Mvarh
    MegavarHour = 28,
    /// m³/h
    CubicMetrePerHour = 29,
    /// l/h
    LitrePerHour = 30,
    /// s
    Second = 31,
    /// The source names a unit we do not know; its spelling is kept.
    Unknown = 255,
}

/// What can be converted into what: one base unit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dimension {
    Energy,
    ReactiveEnergy,
    ApparentEnergy,
    Power,
    ReactivePower,
    ApparentPower,
    Volume,
    VolumeFlow,
    Alone(Unit),
}

/// Why a quantity cannot be expressed in another unit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what happened, and to what")]
pub enum ConversionError {
    #[error("{from} cannot be converted to {to}: they measure different things")]
    OtherDimension { from: Unit, to: Unit },
    #[error("{value} {from} has no exact decimal in {to}")]
    Inexact { value: String, from: Unit, to: Unit },
}

/// Every unit with its symbol and other spellings, lower case.
const SPELLINGS: &[(Unit, &str, &[&str])] = &[
    (Unit::None, "", &["none", "count", "counts"]),
    (Unit::WattHour, "Wh", &[]),
    (Unit::KilowattHour, "kWh", &[]),
    (Unit::MegawattHour, "MWh", &[]),
    (Unit::Joule, "J", &[]),
    (Unit::Megajoule, "MJ", &[]),
    (Unit::Gigajoule, "GJ", &[]),
    (Unit::CubicMetre, "m³", &["m3", "m^3", "cbm"]),
    (Unit::Litre, "l", &["litre", "liter", "ltr"]),
    (Unit::Therm, "therm", &["therms", "thm"]),
    (Unit::Watt, "W", &[]),
    (Unit::Kilowatt, "kW", &[]),
    (Unit::Megawatt, "MW", &[]),
    (Unit::Var, "var", &[]),
    (Unit::Kilovar, "kvar", &[]),
    (Unit::Megavar, "Mvar", &[]),
    (Unit::VoltAmpere, "VA", &[]),
    (Unit::KilovoltAmpere, "kVA", &[]),
    (Unit::VarHour, "varh", &[]),
    (Unit::KilovarHour, "kvarh", &[]),
    (Unit::MegavarHour, "Mvarh", &[]),
    (Unit::VoltAmpereHour, "VAh", &[]),
    (Unit::KilovoltAmpereHour, "kVAh", &[]),
    (Unit::Volt, "V", &[]),
    (Unit::Ampere, "A", &[]),
    (Unit::Hertz, "Hz", &[]),
    (Unit::DegreeCelsius, "°C", &["c", "degc", "celsius"]),
    (Unit::Bar, "bar", &[]),
    (Unit::PerUnit, "pu", &["per-unit", "p.u.", "pf"]),
    (Unit::CubicMetrePerHour, "m³/h", &["m3/h"]),
    (Unit::LitrePerHour, "l/h", &[]),
    (Unit::Second, "s", &["sec"]),
    (Unit::Unknown, "?", &[]),
];

impl Unit {
    /// The unit a spelling means, ignoring case: `KWH`, `kWh` and `kwh` are one.
    /// `Unknown` for a spelling we do not have; blank is `None`.
    pub fn from_spelling(spelling: &str) -> Unit {
        let spelling = spelling.trim();
        for (unit, symbol, others) in SPELLINGS {
            if symbol.eq_ignore_ascii_case(spelling) || others.iter().any(|o| o.eq_ignore_ascii_case(spelling)) {
                return *unit;
            }
        }
        Unit::Unknown
    }

    /// As people write it; `?` for `Unknown`, empty for `None`.
    pub fn symbol(self) -> &'static str {
        SPELLINGS.iter().find(|(unit, ..)| *unit == self).map_or("?", |(_, symbol, _)| symbol)
    }

    /// What is stored.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The meaning of a stored code; `Unknown` for one a newer version wrote.
    pub fn from_code(code: u8) -> Unit {
        SPELLINGS.iter().map(|(unit, ..)| *unit).find(|u| u.code() == code).unwrap_or(Unit::Unknown)
    }

    /// The unit that quantities of this family are shown and summed in. Families
    /// are such that this conversion is always exact: joules stay apart from
    /// watt-hours, therms from both.
    pub fn family(self) -> Unit {
        match self {
            Unit::WattHour | Unit::MegawattHour => Unit::KilowattHour,
            Unit::Joule | Unit::Gigajoule => Unit::Megajoule,
            Unit::Litre => Unit::CubicMetre,
            Unit::Watt | Unit::Megawatt => Unit::Kilowatt,
            Unit::Var | Unit::Megavar => Unit::Kilovar,
            Unit::VoltAmpere => Unit::KilovoltAmpere,
            Unit::VarHour | Unit::MegavarHour => Unit::KilovarHour,
            Unit::VoltAmpereHour => Unit::KilovoltAmpereHour,
            Unit::LitrePerHour => Unit::CubicMetrePerHour,
            alone => alone,
        }
    }

    /// Dimension and the size of one of it in the dimension's base unit.
    fn measure(self) -> (Dimension, i64) {
        use Dimension::*;
        match self {
            Unit::Joule => (Energy, 1),
            Unit::WattHour => (Energy, 3_600),
            Unit::KilowattHour => (Energy, 3_600_000),
            Unit::MegawattHour => (Energy, 3_600_000_000),
            Unit::Megajoule => (Energy, 1_000_000),
            Unit::Gigajoule => (Energy, 1_000_000_000),
            Unit::Therm => (Energy, 105_480_400),
            Unit::VarHour => (ReactiveEnergy, 1),
            Unit::KilovarHour => (ReactiveEnergy, 1_000),
            Unit::MegavarHour => (ReactiveEnergy, 1_000_000),
            Unit::VoltAmpereHour => (ApparentEnergy, 1),
            Unit::KilovoltAmpereHour => (ApparentEnergy, 1_000),
            Unit::Watt => (Power, 1),
            Unit::Kilowatt => (Power, 1_000),
            Unit::Megawatt => (Power, 1_000_000),
            Unit::Var => (ReactivePower, 1),
            Unit::Kilovar => (ReactivePower, 1_000),
            Unit::Megavar => (ReactivePower, 1_000_000),
            Unit::VoltAmpere => (ApparentPower, 1),
            Unit::KilovoltAmpere => (ApparentPower, 1_000),
            Unit::Litre => (Volume, 1),
            Unit::CubicMetre => (Volume, 1_000),
            Unit::LitrePerHour => (VolumeFlow, 1),
            Unit::CubicMetrePerHour => (VolumeFlow, 1_000),
            alone => (Alone(alone), 1),
        }
    }

    /// One of this unit is `.0` / `.1` of `to`, in lowest terms: for whoever
    /// converts whole columns. `None` where the two measure different things.
    pub fn ratio(self, to: Unit) -> Option<(i64, i64)> {
        if self == to {
            return Some((1, 1));
        }
        let ((from_dimension, from_size), (to_dimension, to_size)) = (self.measure(), to.measure());
        if from_dimension != to_dimension || self == Unit::Unknown || to == Unit::Unknown {
            return None;
        }
        let (mut a, mut b) = (from_size, to_size);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Some((from_size / a, to_size / a))
    }

    /// `value` of this unit, expressed in `to`.
    pub fn convert(self, value: Decimal, to: Unit) -> Result<Decimal, ConversionError> {
        if self == to {
            return Ok(value);
        }
        let ((from_dimension, from_size), (to_dimension, to_size)) = (self.measure(), to.measure());
        if from_dimension != to_dimension || self == Unit::Unknown || to == Unit::Unknown {
            return Err(ConversionError::OtherDimension { from: self, to });
        }
        let inexact = || ConversionError::Inexact { value: value.to_string(), from: self, to };
        let product = i128::from(value.value) * i128::from(from_size);
        let divisor = i128::from(to_size);
        // Each step buys one more decimal; a fraction that never ends stops at 18.
        let (mut product, mut scale) = (product, value.scale);
        while product % divisor != 0 && scale < Decimal::SCALE_MAX {
            product = product.checked_mul(10).ok_or_else(inexact)?;
            scale += 1;
        }
        if product % divisor != 0 {
            return Err(inexact());
        }
        let mut quotient = product / divisor;
        while i64::try_from(quotient).is_err() && scale > 0 && quotient % 10 == 0 {
            quotient /= 10;
            scale -= 1;
        }
        let value = i64::try_from(quotient).map_err(|_| inexact())?;
        Ok(Decimal { value, scale })
    }
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.symbol())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, from: &str, to: &str, expected: &str) {
        let value = Decimal::parse(text).expect("a number");
        let converted = Unit::from_spelling(from).convert(value, Unit::from_spelling(to));
        assert_eq!(converted.map(|d| d.normalised().to_string()).as_deref(), Ok(expected));
    }

    #[test]
    fn energy_converts_exactly() {
        check("1.5", "kWh", "WH", "1500");
        check("1500", "Wh", "kwh", "1.5");
        check("1", "kWh", "J", "3600000");
        check("3.6", "MJ", "kWh", "1");
        check("1", "m3", "l", "1000");
        check("1", "therm", "J", "105480400");
    }

    #[test]
    fn what_is_not_exact_or_not_comparable_is_an_error() {
        let one = Decimal::new(1, 0);
        assert!(matches!(Unit::Joule.convert(one, Unit::KilowattHour), Err(ConversionError::Inexact { .. })));
        assert!(matches!(Unit::Volt.convert(one, Unit::Ampere), Err(ConversionError::OtherDimension { .. })));
        assert!(matches!(Unit::Unknown.convert(one, Unit::Volt), Err(ConversionError::OtherDimension { .. })));
    }

    #[test]
    fn every_code_and_symbol_leads_back_to_its_unit() {
        for (unit, symbol, _) in SPELLINGS {
            assert_eq!(Unit::from_code(unit.code()), *unit);
            assert_eq!(Unit::from_spelling(symbol), *unit);
        }
        assert_eq!(Unit::from_spelling("furlong"), Unit::Unknown);
        assert_eq!(Unit::from_spelling(" "), Unit::None);
    }

    #[test]
    fn every_unit_converts_exactly_into_its_family() {
        for (unit, ..) in SPELLINGS.iter().filter(|(unit, ..)| *unit != Unit::Unknown) {
            let smallest = Decimal::new(1, 12);
            assert!(unit.convert(smallest, unit.family()).is_ok(), "{unit}");
            assert_eq!(unit.family().family(), unit.family());
        }
    }

    #[test]
    fn a_ratio_is_what_one_converts_to() {
        for (from, ..) in SPELLINGS {
            for (to, ..) in SPELLINGS {
                let Ok(one) = from.convert(Decimal::new(1, 0), *to) else { continue };
                let (up, down) = from.ratio(*to).expect("convertible");
                assert_eq!(one.at_scale_18() * i128::from(down), i128::from(up) * 10_i128.pow(18), "{from} {to}");
            }
        }
        assert_eq!(Unit::Joule.ratio(Unit::KilowattHour), Some((1, 3_600_000)));
        assert_eq!(Unit::Volt.ratio(Unit::Ampere), None);
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_same_number(value in -1_000_000_000_i64..1_000_000_000, scale in 0_u8..6) {
            let read = Decimal::new(value, scale);
            for (from, to) in [(Unit::KilowattHour, Unit::Joule), (Unit::CubicMetre, Unit::Litre), (Unit::Megawatt, Unit::Watt)] {
                let there = from.convert(read, to).expect("larger to smaller is exact");
                prop_assert_eq!(to.convert(there, from), Ok(read));
            }
        }
    }
}
