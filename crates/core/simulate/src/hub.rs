//! A home of the simulated town: electricity, for some gas and water, as one hub
//! reports them.

use std::sync::Arc;

use meter::{Commodity, Flow, Kind, Phase, Span, Timestamp};
use parse::protobuf::Stream;

use crate::draw::Dice;
use crate::message::Message;
use crate::supply::{Habits, Meter, Supply};

/// What a home uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Use {
    /// Counted in watt-hours.
    Electricity,
    /// Counted in litres.
    Gas,
    /// Counted in litres.
    Water,
}

/// Up in the morning, away at noon, home in the evening.
pub(crate) static ELECTRICITY: Habits = Habits {
    workday: [25, 20, 18, 17, 18, 25, 50, 75, 60, 45, 40, 42, 48, 44, 42, 45, 60, 90, 110, 105, 95, 80, 55, 35],
    weekend: [30, 24, 20, 18, 18, 20, 30, 50, 75, 85, 85, 90, 95, 85, 75, 72, 80, 95, 105, 100, 92, 80, 60, 42],
    winter: 1_300,
    summer: 750,
    bursts: 12,
    burst: 8,
};

/// Heating: almost nothing in summer.
static GAS: Habits = Habits {
    workday: [20, 15, 15, 15, 25, 70, 110, 110, 80, 55, 45, 40, 40, 38, 40, 50, 70, 95, 105, 100, 85, 65, 40, 25],
    weekend: [20, 15, 15, 15, 20, 35, 70, 105, 110, 90, 75, 65, 60, 55, 55, 60, 75, 95, 105, 100, 85, 65, 40, 25],
    winter: 1_900,
    summer: 120,
    bursts: 6,
    burst: 4,
};

/// Little by night, and in gushes.
static WATER: Habits = Habits {
    workday: [2, 1, 1, 1, 3, 30, 95, 110, 60, 35, 30, 30, 40, 35, 28, 30, 40, 65, 80, 75, 65, 55, 35, 12],
    weekend: [4, 2, 1, 1, 1, 6, 25, 70, 100, 95, 80, 70, 65, 55, 48, 45, 50, 65, 75, 70, 62, 55, 40, 18],
    winter: 960,
    summer: 1_080,
    bursts: 10,
    burst: 40,
};

/// Places of `streams`.
const COUNTER: u32 = 0;
const INTERVAL: u32 = 1;
const VOLTAGE: u32 = 2;
const POWER: u32 = 3;
const GAS_COUNTER: u32 = 4;
const WATER_COUNTER: u32 = 5;

pub(crate) fn streams(step: Span) -> Arc<[Stream<'static>]> {
    let counter = Stream { kind: Some(Kind::Register), flow: Flow::Delivered, scale: 3, ..Stream::default() };
    let electricity = Stream { commodity: Commodity::Electricity, unit: "kWh", ..counter };
    let spot = Stream { kind: Some(Kind::Spot), flow: Flow::None, scale: 0, ..electricity };
    Arc::new([
        Stream { register: "1-0:1.8.0", ..electricity },
        Stream { register: "1-0:1.29.0", kind: Some(Kind::Interval), span: step, ..electricity },
        Stream { register: "1-0:32.7.0", unit: "V", scale: 1, phase: Phase::L1, ..spot },
        Stream { register: "1-0:1.7.0", unit: "W", flow: Flow::Delivered, ..spot },
        Stream { register: "7-0:3.0.0", commodity: Commodity::Gas, unit: "m3", ..counter },
        Stream { register: "8-0:1.0.0", commodity: Commodity::Water, unit: "m3", ..counter },
    ])
}

/// A home's use of one thing; `None` where it is not connected.
pub(crate) fn supply(dice: Dice, used: Use) -> Option<Supply> {
    let (own, connected) = (dice.of(used as u64), dice.between(used as i64, 0, 99));
    let (habits, low, high, connected) = match used {
        Use::Electricity => (&ELECTRICITY, 4_000, 14_000, true),
        Use::Gas => (&GAS, 1_500, 5_000, connected < 55),
        Use::Water => (&WATER, 120, 520, connected < 70),
    };
    let supply = Supply::new(habits, own, own.between(-1, low, high), own.between(-2, 0, 30_000_000));
    connected.then_some(supply)
}

/// The meters of one home.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    dice: Dice,
    electricity: Meter,
    gas: Option<Meter>,
    water: Option<Meter>,
}

impl Home {
    pub(crate) fn new(dice: Dice) -> Home {
        let meter = |used| supply(dice, used).map(Meter::new);
        let electricity = meter(Use::Electricity).expect("every home has electricity");
        Home { dice, electricity, gas: meter(Use::Gas), water: meter(Use::Water) }
    }

    pub(crate) fn samples(&mut self, message: &mut Message, step: Span) {
        let at = message.at();
        // In this order, so that a meter is never read backwards.
        let before = self.electricity.read(Timestamp(at.0 - step.0));
        let (read, watts) = (self.electricity.read(at), self.electricity.in_minute(at) * 60);
        message.push(COUNTER, Span::ZERO, read);
        message.push(INTERVAL, Span(-step.0), read - before);
        message.push(VOLTAGE, Span::ZERO, voltage(self.dice, at, watts));
        message.push(POWER, Span::ZERO, watts);
        if let Some(gas) = &mut self.gas {
            message.push(GAS_COUNTER, Span::ZERO, gas.read(at));
        }
        if let Some(water) = &mut self.water {
            message.push(WATER_COUNTER, Span::ZERO, water.read(at));
        }
    }
}

/// In tenths of a volt: 230 V, each home a little off, less under load, and noise.
pub(crate) fn voltage(dice: Dice, at: Timestamp, watts: i64) -> i64 {
    let second = at.0.div_euclid(1_000_000);
    let (own, noise) = (dice.of(10), dice.of(11));
    2_300 + own.between(0, -40, 40) - watts / 400 + noise.between(second, -9, 9) + noise.between(!second, -9, 9)
}
