//! Homes with as many registers as a set asks for.
//!
//! A home of `hdm` has a counter, a voltage, a frequency and eight plugs. One with more
//! registers has the plugs of the same home in further fleets behind its own.

use meter::{Span, Timestamp};
use parse::protobuf::Stream;
use simulate::{Fleet, Messages};

use super::Size;

/// 2026-05-01T00:00:00Z: a midnight whose five days lie in one month.
pub const FROM: Timestamp = Timestamp(1_777_593_600_000_000);
pub const MINUTE: Span = Span::from_minutes(1);
/// Of a home of `hdm`, before its plugs.
const METER_REGISTERS: usize = 3;

/// What one home sends at one minute: a number a register, in its last digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minute {
    pub home: u32,
    pub at: Timestamp,
    pub digits: Vec<i64>,
}

pub struct Homes {
    fleets: Vec<Fleet>,
    size: Size,
    registers: Vec<String>,
}

impl Homes {
    pub fn new(seed: u64, size: Size) -> Homes {
        let first = Fleet::hdm(seed, size.homes);
        let own = first.streams();
        let plugs = own.len() - METER_REGISTERS;
        let more = size.registers.saturating_sub(own.len()).div_ceil(plugs) as u64;
        let fleets = (0..=more).map(|fleet| Fleet::hdm(seed + fleet, size.homes)).collect();
        let mut registers: Vec<String> = own.iter().map(|stream| stream.register.to_owned()).collect();
        registers.extend(
            (registers.len()..size.registers).map(|register| format!("plug-{}", register + 1 - METER_REGISTERS)),
        );
        registers.truncate(size.registers);
        Homes { fleets, size, registers }
    }

    /// Their names in the source's words; elsewhere they go by their places.
    pub fn registers(&self) -> &[String] {
        &self.registers
    }

    /// What a request declares of all its messages.
    pub fn streams(&self) -> Vec<Stream<'_>> {
        let own = self.fleets[0].streams();
        let last = own[own.len() - 1];
        let of = |place: usize| own.get(place).copied().unwrap_or(last);
        self.registers.iter().enumerate().map(|(place, register)| Stream { register, ..of(place) }).collect()
    }

    /// Digits after the point, by register.
    pub fn scales(&self) -> Vec<u8> {
        let scale = |stream: &Stream<'_>| u8::try_from(stream.scale).expect("a scale is at most 18");
        self.streams().iter().map(scale).collect()
    }

    /// By time, then by home.
    pub fn minutes(&self) -> impl Iterator<Item = Minute> {
        let to = Timestamp(FROM.0 + i64::from(self.size.minutes) * MINUTE.0);
        let mut parts: Vec<Messages> = self.fleets.iter().map(|fleet| fleet.messages(FROM, to, MINUTE)).collect();
        let registers = self.size.registers;
        std::iter::from_fn(move || {
            let mut whole: Option<Minute> = None;
            for part in &mut parts {
                let message = part.next()?;
                let digits = message.samples().iter().map(|sample| sample.digits);
                match &mut whole {
                    None => whole = Some(Minute { home: message.home(), at: message.at(), digits: digits.collect() }),
                    Some(whole) => whole.digits.extend(digits.skip(METER_REGISTERS)),
                }
            }
            whole.as_mut()?.digits.truncate(registers);
            whole
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_home_sends_every_register_every_minute() {
        for registers in [1, 3, 11, 12, 19, 20, 30] {
            let homes = Homes::new(7, Size { homes: 3, registers, minutes: 4 });
            let minutes: Vec<Minute> = homes.minutes().collect();
            assert_eq!(minutes.len(), 12);
            assert!(minutes.iter().all(|minute| minute.digits.len() == registers));
            assert_eq!((homes.registers().len(), homes.streams().len()), (registers, registers));
            let mut names = homes.registers().to_vec();
            names.dedup();
            assert_eq!(names.len(), registers, "a name twice: {names:?}");
        }
    }

    #[test]
    fn the_first_registers_are_those_of_hdm() {
        let homes = Homes::new(7, Size { homes: 3, registers: 30, minutes: 2 });
        let message = Fleet::hdm(7, 3).messages(FROM, FROM.plus(MINUTE), MINUTE).next().unwrap();
        let first: Vec<i64> = message.samples().iter().map(|sample| sample.digits).collect();
        assert_eq!(homes.minutes().next().unwrap().digits[..11], first);
    }
}
