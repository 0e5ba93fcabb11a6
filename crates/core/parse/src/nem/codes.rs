//! The market's small vocabularies in our words (domain.md 1.4, 1.5, §8):
//! quality methods, reason codes, datastream suffixes.

use meter::{Flags, Flow, Identity, Kind, Quality, Unit};

use super::fault::{Fault, What, shown};
use super::fields::{CODE_BYTES_MAX, text};

/// A counter belongs to its device: at an exchange two of them are read at one
/// instant. What flowed belongs to the point (D2).
pub(super) fn identity_of(kind: Kind) -> Identity {
    match kind {
        Kind::Register => Identity::Device,
        Kind::Interval | Kind::Spot => Identity::Point,
    }
}

/// A quality method such as `A`, `S14` or `V`, judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Method {
    pub(super) canonical: Quality,
    pub(super) flags: Flags,
    /// `V`: the 400 records say which interval has which quality.
    pub(super) variable: bool,
}

/// Method codes agreed between the parties (domain.md 1.4).
const AGREED: [u8; 4] = [16, 55, 64, 74];
/// Taken or calculated from another meter: check, calculated, SCADA.
const FROM_ANOTHER_METER: [u8; 3] = [11, 12, 13];
const DATA_SCALING: u8 = 24;

impl Method {
    /// Of a value that is not there.
    pub(super) const NONE: Method = Method { canonical: Quality::Missing, flags: Flags(0), variable: false };

    /// One letter of `A S F E N V`, and two digits for how it was made.
    pub(super) fn parse(field: &[u8]) -> Result<Method, Fault> {
        let known = |digits: &[u8]| matches!(digits, [] | [b'0'..=b'9', b'0'..=b'9']);
        let fault = || {
            let reason = match field {
                [] => "the quality method is blank".to_string(),
                _ => format!("quality method {} is none of A, S, F, E, N or V with two digits", shown(field)),
            };
            Fault::new(What::Quality, reason)
        };
        let [letter, digits @ ..] = field else { return Err(fault()) };
        if !known(digits) {
            return Err(fault());
        }
        let code = digits.iter().fold(0_u8, |code, digit| code * 10 + (digit - b'0'));
        let canonical = match letter.to_ascii_uppercase() {
            b'A' => Quality::Measured,
            b'F' => Quality::Final,
            b'S' | b'E' if AGREED.contains(&code) => Quality::Edited,
            b'S' | b'E' if FROM_ANOTHER_METER.contains(&code) => Quality::Derived,
            b'S' | b'E' => Quality::Estimated,
            b'N' | b'V' => Quality::Missing,
            _ => return Err(fault()),
        };
        let flags = if code == DATA_SCALING { Flags::SCALED } else { Flags::default() };
        Ok(Method { canonical, flags, variable: letter.eq_ignore_ascii_case(&b'V') })
    }
}

/// A reason code as text, and the circumstance it tells of.
pub(super) fn reason(field: &[u8]) -> Result<(&str, Flags), Fault> {
    let flags = match field {
        b"1" | b"01" => Flags::EXCHANGE,
        b"43" | b"58" | b"79" => Flags::OUTAGE,
        b"86" | b"89" => Flags::CLOCK_ADJUSTED,
        b"44" | b"90" => Flags::TEST_MODE,
        _ => Flags::default(),
    };
    Ok((text("reason code", field, CODE_BYTES_MAX)?, flags))
}

/// What a stream of the market measures; `None` where its suffix leaves it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Energy {
    Active,
    Reactive,
    Apparent,
    Other,
}

/// Table 1 of the National Metering Identifier procedure. The market says
/// export for what a customer takes: delivered, in our words.
fn stream(suffix: &str) -> (Flow, Option<Energy>) {
    match suffix.bytes().next().unwrap_or_default().to_ascii_uppercase() {
        b'A'..=b'C' => (Flow::Received, Some(Energy::Active)),
        b'D'..=b'F' => (Flow::Delivered, Some(Energy::Active)),
        b'N' => (Flow::Net, Some(Energy::Active)),
        b'J'..=b'L' => (Flow::Received, Some(Energy::Reactive)),
        b'P'..=b'R' => (Flow::Delivered, Some(Energy::Reactive)),
        b'X' => (Flow::Net, Some(Energy::Reactive)),
        b'S'..=b'U' => (Flow::None, Some(Energy::Apparent)),
        _ => (Flow::None, None),
    }
}

fn energy(unit: Unit) -> Option<Energy> {
    match unit {
        Unit::None | Unit::Unknown => None,
        Unit::WattHour | Unit::KilowattHour | Unit::MegawattHour => Some(Energy::Active),
        Unit::Watt | Unit::Kilowatt | Unit::Megawatt => Some(Energy::Active),
        Unit::VarHour | Unit::KilovarHour | Unit::MegavarHour => Some(Energy::Reactive),
        Unit::Var | Unit::Kilovar | Unit::Megavar => Some(Energy::Reactive),
        Unit::VoltAmpereHour | Unit::KilovoltAmpereHour => Some(Energy::Apparent),
        Unit::VoltAmpere | Unit::KilovoltAmpere => Some(Energy::Apparent),
        _ => Some(Energy::Other),
    }
}

/// Direction of an interval stream, and whether its unit can be true.
pub(super) fn interval_stream(suffix: &str, spelling: &str) -> Result<(Flow, Unit), Fault> {
    let unit = Unit::from_spelling(spelling);
    let (flow, measured) = stream(suffix);
    match (measured, energy(unit)) {
        (Some(measured), Some(given)) if measured != given => Err(Fault::new(
            What::Unit,
            format!("suffix {suffix} stands for {} energy, but its unit is {spelling}", measured.word()),
        )),
        _ => Ok((flow, unit)),
    }
}

/// Direction of an accumulated stream, by its DirectionIndicator.
pub(super) fn direction(field: &[u8]) -> Result<Flow, Fault> {
    match field {
        b"E" | b"e" => Ok(Flow::Delivered),
        b"I" | b"i" => Ok(Flow::Received),
        b"" => Ok(Flow::None),
        _ => Err(Fault::new(What::Direction, format!("direction indicator {} is neither E nor I", shown(field)))),
    }
}

impl Energy {
    fn word(self) -> &'static str {
        match self {
            Energy::Active => "active",
            Energy::Reactive => "reactive",
            Energy::Apparent => "apparent",
            Energy::Other => "no",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_its_rank() {
        for (field, canonical) in [
            ("A", Quality::Measured),
            ("a", Quality::Measured),
            ("E52", Quality::Estimated),
            ("S14", Quality::Estimated),
            ("S11", Quality::Derived),
            ("S64", Quality::Edited),
            ("F14", Quality::Final),
            ("N", Quality::Missing),
        ] {
            assert_eq!(Method::parse(field.as_bytes()).map(|m| m.canonical).ok(), Some(canonical), "{field}");
        }
        assert!(Method::parse(b"S24").is_ok_and(|m| m.flags == Flags::SCALED));
        assert!(Method::parse(b"V").is_ok_and(|m| m.variable));
        for field in ["", "X", "S1", "S145", "480", "AA", "S-1"] {
            assert!(Method::parse(field.as_bytes()).is_err(), "{field}");
        }
    }

    #[test]
    fn export_of_the_market_is_delivered_to_the_customer() {
        for (suffix, unit, flow) in [
            ("E1", "kWh", Flow::Delivered),
            ("B2", "WH", Flow::Received),
            ("N1", "kWh", Flow::Net),
            ("Q1", "kVArh", Flow::Delivered),
            ("K1", "", Flow::Received),
            ("V1", "", Flow::None),
            ("D1", "kW", Flow::Delivered),
        ] {
            assert_eq!(interval_stream(suffix, unit).map(|(flow, _)| flow).ok(), Some(flow), "{suffix} {unit}");
        }
    }

    #[test]
    fn a_unit_that_contradicts_the_suffix_is_refused() {
        for (suffix, unit) in [("E1", "kVArh"), ("Q1", "kWh"), ("B1", "V"), ("T1", "kWh")] {
            assert!(interval_stream(suffix, unit).is_err(), "{suffix} {unit}");
        }
    }
}
