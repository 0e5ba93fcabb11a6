//! The weather: cold, warmth and sun over the whole town.
//!
//! Promise: the temperature is 18 °C less the rate at which degree-hours run, so
//! a heating meter and a thermometer tell the same story.

use meter::Timestamp;

use super::habits::{COLD_HOURS, EVEN_WEEK, WARM_HOURS};
use super::pace::{DAY_S, Pace, Season, seconds};
use super::part::Part;
use super::way::{SUN, Way};
use crate::draw::Dice;

/// How far below 18 °C it is, in thousandths of a kelvin: nothing in high summer.
const COLD: Season = Season { winter: 17_000, summer: -5_000, midwinter: 15 };
/// How far above.
const WARM: Season = Season { winter: -9_000, summer: 5_000, midwinter: 15 };
const HEATING_LIMIT_MILLIKELVIN: i64 = 18_000;

/// One weather for a whole town.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    cold: Part,
    warm: Part,
    sun: Part,
}

impl Weather {
    pub(crate) fn new(dice: Dice) -> Weather {
        let part = |season, hours, pace: Dice| {
            let pace = Pace::new(EVEN_WEEK, pace, 200, 550);
            let way = Way::Hours { workday: hours, weekend: hours, uneven_s: 0 };
            Part { daily: 1_000, season, pace, way, dice: dice.of(13), pieces: None }
        };
        let (cold, warm) = (part(COLD, &COLD_HOURS, dice.of(10)), part(WARM, &WARM_HOURS, dice.of(11)));
        let clouds = Pace::new(EVEN_WEEK, dice.of(12), 700, 200);
        let sun = Part { daily: 1_000, season: SUN, pace: clouds, way: Way::Sun, dice: dice.of(14), pieces: None };
        Weather { cold, warm, sun }
    }

    /// Outside, in thousandths of a degree Celsius, steady for an hour.
    pub fn temperature_millicelsius(&self, at: Timestamp) -> i64 {
        let second = seconds(at);
        let (day, hour_s) = (second.div_euclid(DAY_S), second % DAY_S / 3_600 * 3_600);
        let rate = |part: &Part| {
            let today = part.on(day);
            24 * (today.until(hour_s + 3_600) - today.until(hour_s))
        };
        HEATING_LIMIT_MILLIKELVIN - rate(&self.cold) + rate(&self.warm)
    }

    /// How long and how far it was below 18 °C in a period: thousandths of a kelvin × hours.
    pub fn degree_hours_thousandths(&self, from: Timestamp, to: Timestamp) -> i64 {
        let until = |at| 24 * self.cold.on(seconds(at) / DAY_S).until(seconds(at) % DAY_S);
        until(to) - until(from)
    }

    /// What heats: `daily` a kelvin below 18 °C, with habits of its own.
    pub(crate) fn heating(&self, daily: i64, way: Way, dice: Dice) -> Part {
        Part { daily, way, dice, ..self.cold }
    }

    /// What a roof yields: `daily` on a clear day in the middle of summer.
    pub(crate) fn roof(&self, daily: i64) -> Part {
        Part { daily, ..self.sun }
    }
}
