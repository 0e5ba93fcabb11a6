//! Homes with as many registers as a set asks for: those of `hdm`, with more plugs or fewer.

use meter::{Span, Timestamp};
use parse::protobuf::Stream;
use simulate::Fleet;

use super::Size;

/// 2026-05-01T00:00:00Z: a midnight whose five days lie in one month.
pub const FROM: Timestamp = Timestamp(1_777_593_600_000_000);
pub const MINUTE: Span = Span::from_minutes(1);
/// Of a home's own meter, before its plugs.
const METER_REGISTERS: u32 = 3;

/// What one home sends at one minute: a number a register, in its last digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minute {
    pub home: u32,
    pub at: Timestamp,
    pub digits: Vec<i64>,
}

pub struct Homes {
    fleet: Fleet,
    size: Size,
    streams: Vec<Stream<'static>>,
    registers: Vec<String>,
}

impl Homes {
    pub fn new(seed: u64, size: Size) -> Homes {
        let registers = u32::try_from(size.registers).unwrap_or(u32::MAX);
        let fleet = Fleet::plugs(seed, size.homes, registers.saturating_sub(METER_REGISTERS));
        let streams: Vec<Stream<'static>> = fleet.streams().iter().take(size.registers).copied().collect();
        let registers = streams.iter().map(|stream| stream.register.to_owned()).collect();
        Homes { fleet, size, streams, registers }
    }

    /// Their names in the source's words; elsewhere they go by their places.
    pub fn registers(&self) -> &[String] {
        &self.registers
    }

    /// What a request declares of all its messages.
    pub fn streams(&self) -> &[Stream<'static>] {
        &self.streams
    }

    /// Digits after the point, by register.
    pub fn scales(&self) -> Vec<u8> {
        let scale = |stream: &Stream<'_>| u8::try_from(stream.scale).expect("a scale is at most 18");
        self.streams().iter().map(scale).collect()
    }

    /// By time, then by home.
    pub fn minutes(&self) -> impl Iterator<Item = Minute> + use<> {
        let to = Timestamp(FROM.0 + i64::from(self.size.minutes) * MINUTE.0);
        let registers = self.size.registers;
        self.fleet.messages(FROM, to, MINUTE).map(move |message| {
            let digits = message.samples().iter().take(registers).map(|sample| sample.digits);
            Minute { home: message.home(), at: message.at(), digits: digits.collect() }
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
        let message = Fleet::hdm(7, 3).messages(FROM, FROM.plus(MINUTE), MINUTE).next().expect("a message");
        let first: Vec<i64> = message.samples().iter().map(|sample| sample.digits).collect();
        assert_eq!(homes.minutes().next().expect("a minute").digits[..11], first);
    }
}
