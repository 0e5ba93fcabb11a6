//! A home with a meter and switched plugs, eight of them in the data set `hdm`.

use std::sync::Arc;

use meter::{Commodity, Flow, Kind, Phase, Span, Timestamp};
use parse::protobuf::Stream;

use crate::draw::Dice;
use crate::message::Message;
use crate::supply::{Habits, Meter, Supply};

/// Up in the morning, away at noon, home in the evening.
static ELECTRICITY: Habits = Habits {
    workday: [25, 20, 18, 17, 18, 25, 50, 75, 60, 45, 40, 42, 48, 44, 42, 45, 60, 90, 110, 105, 95, 80, 55, 35],
    weekend: [30, 24, 20, 18, 18, 20, 30, 50, 75, 85, 85, 90, 95, 85, 75, 72, 80, 95, 105, 100, 92, 80, 60, 42],
    winter: 1_300,
    summer: 750,
    bursts: 12,
    burst: 8,
};

const COUNTER: u32 = 0;
const VOLTAGE: u32 = 1;
const FREQUENCY: u32 = 2;
const FIRST_PLUG: u32 = 3;

/// The registers of all the plugs that a home can have.
const REGISTERS: [&str; 27] = [
    "plug-1", "plug-2", "plug-3", "plug-4", "plug-5", "plug-6", "plug-7", "plug-8", "plug-9", "plug-10", "plug-11",
    "plug-12", "plug-13", "plug-14", "plug-15", "plug-16", "plug-17", "plug-18", "plug-19", "plug-20", "plug-21",
    "plug-22", "plug-23", "plug-24", "plug-25", "plug-26", "plug-27",
];

pub(crate) fn streams(plugs: u32) -> Arc<[Stream<'static>]> {
    let spot = Stream { kind: Some(Kind::Spot), commodity: Commodity::Electricity, ..Stream::default() };
    let plug = |register| Stream { register, unit: "W", scale: 1, flow: Flow::Delivered, ..spot };
    let counter = Stream { kind: Some(Kind::Register), flow: Flow::Delivered, unit: "kWh", scale: 3, ..spot };
    let meter = [
        Stream { register: "1-0:1.8.0", ..counter },
        Stream { register: "1-0:32.7.0", unit: "V", scale: 1, phase: Phase::L1, ..spot },
        Stream { register: "1-0:14.7.0", unit: "Hz", scale: 2, ..spot },
    ];
    meter.into_iter().chain(REGISTERS.into_iter().take(plugs as usize).map(plug)).collect()
}

#[derive(Clone, Debug)]
pub(crate) struct Home {
    dice: Dice,
    plugs: u32,
    electricity: Meter,
}

impl Home {
    pub(crate) fn new(dice: Dice, plugs: u32) -> Home {
        Home { dice, plugs, electricity: Meter::new(supply(dice)) }
    }

    pub(crate) fn samples(&mut self, message: &mut Message) {
        let at = message.at();
        let read = self.electricity.read(at);
        message.push(COUNTER, Span::ZERO, read);
        message.push(VOLTAGE, Span::ZERO, voltage(self.dice, at, self.electricity.in_minute(at) * 60));
        message.push(FREQUENCY, Span::ZERO, frequency(self.dice, at));
        for plug in 0..self.plugs {
            message.push(FIRST_PLUG + plug, Span::ZERO, power(self.dice.of(30 + u64::from(plug)), at));
        }
    }
}

/// What a home draws, in watt-hours.
pub(crate) fn supply(dice: Dice) -> Supply {
    let own = dice.of(0);
    Supply::new(&ELECTRICITY, own, own.between(-1, 4_000, 14_000), own.between(-2, 0, 30_000_000))
}

/// In tenths of a volt: 230 V, each home a little off, less under load, and noise.
fn voltage(dice: Dice, at: Timestamp, watts: i64) -> i64 {
    let second = at.0.div_euclid(1_000_000);
    let (own, noise) = (dice.of(10), dice.of(11));
    2_300 + own.between(0, -40, 40) - watts / 400 + noise.between(second, -9, 9) + noise.between(!second, -9, 9)
}

/// In hundredths of a hertz, as the home's own meter measures the grid's.
fn frequency(dice: Dice, at: Timestamp) -> i64 {
    let (second, noise) = (at.0.div_euclid(1_000_000), dice.of(12));
    5_000 + noise.between(second, -2, 2) + noise.between(!second, -2, 2)
}

/// In tenths of a watt: a plug stays on or off for its own 5 to 40 minutes at a
/// time; on, it takes its own power within a hundredth; off, a standby.
fn power(plug: Dice, at: Timestamp) -> i64 {
    let minute = at.0.div_euclid(60_000_000);
    let turn = minute.div_euclid(plug.between(-1, 5, 40));
    let noise = plug.of(2);
    if plug.of(1).between(turn, 0, 2) > 0 {
        return noise.between(minute, 0, 5);
    }
    let rated = plug.between(-2, 50, 20_000);
    rated + noise.between(minute, -rated / 100, rated / 100)
}
