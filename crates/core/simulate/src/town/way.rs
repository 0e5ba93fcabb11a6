//! How a day's amount comes about within the day.
//!
//! Promise: at the day's beginning nothing of it is there, at its end all, and in
//! between it never falls.

use super::pace::{DAY_S, Season};
use crate::draw::Dice;

const HOUR_S: i64 = 3_600;
const SLOT_S: i64 = 1_800;
/// Half of what a slot takes comes within this: a kettle, a shower.
const RUSH_S: i64 = 300;
const NOON_S: i64 = 12 * HOUR_S;

/// Relative amounts of the 24 hours, as sums from midnight on.
#[derive(Debug)]
pub(crate) struct Hours([i64; 25]);

impl Hours {
    pub(crate) const fn of(weights: [i64; 24]) -> Hours {
        let mut sums = [0; 25];
        let mut hour = 0;
        while hour < 24 {
            sums[hour + 1] = sums[hour] + weights[hour];
            hour += 1;
        }
        Hours(sums)
    }

    /// Weight × seconds from midnight on.
    fn until(&self, second: i64) -> i64 {
        if second >= DAY_S {
            return self.0[24] * HOUR_S;
        }
        let hour = (second / HOUR_S) as usize;
        self.0[hour] * HOUR_S + (self.0[hour + 1] - self.0[hour]) * (second % HOUR_S)
    }
}

/// The habit, equal on all days.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// By the hour; chance moves the bounds of half-hours by `uneven_s` seconds at most, below 900.
    Hours { workday: &'static Hours, weekend: &'static Hours, uneven_s: i64 },
    /// At once, with this power, from a moment between the two; ends at midnight at the latest.
    Run { earliest_s: i64, latest_s: i64, watts: i64 },
    /// On and off all day, like a fridge. The period divides a day.
    Cycle { period_s: i64, on_s: i64 },
    /// From sunrise to sunset, with clouds.
    Sun,
}

/// The habit on one day.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Today {
    Hours { sums: &'static Hours, dice: Dice, uneven_s: i64 },
    Run { from_s: i64, length_s: i64 },
    Cycle { period_s: i64, on_s: i64 },
    Sun { half_s: i64, dice: Dice },
}

/// As far from the year's middle as the sun is.
pub(crate) const SUN: Season = Season { winter: 160, summer: 1_000, midwinter: -10 };

impl Way {
    /// `amount` is the day's, in thousandths of a watt-hour or a litre.
    pub(crate) fn on(&self, day: i64, amount: i64, dice: Dice) -> Today {
        let today = dice.of(day.cast_unsigned());
        match *self {
            Way::Hours { workday, weekend, uneven_s } => {
                let sums = if is_weekend(day) { weekend } else { workday };
                Today::Hours { sums, dice: today, uneven_s }
            }
            Way::Run { earliest_s, latest_s, watts } => {
                let from_s = today.between(-1, earliest_s, latest_s);
                // A thousandth of a watt-hour lasts 3.6 s at one watt.
                let length_s = (amount * 18 / (5 * watts)).clamp(1, DAY_S - from_s);
                Today::Run { from_s, length_s }
            }
            Way::Cycle { period_s, on_s } => Today::Cycle { period_s, on_s },
            // Eight hours of daylight in winter, sixteen and a half in summer.
            Way::Sun => Today::Sun { half_s: 14_400 + 15_300 * SUN.summerly(day) / 1_000, dice: today },
        }
    }
}

/// Day 0 is a Wednesday.
fn is_weekend(day: i64) -> bool {
    matches!(day.rem_euclid(7), 3 | 4)
}

impl Today {
    /// How much of `amount` is there so many seconds after midnight.
    #[inline]
    pub(crate) fn share(&self, amount: i64, second: i64) -> i64 {
        match *self {
            Today::Hours { sums, dice, uneven_s } => {
                let slot = second / SLOT_S;
                let low = sums.until(bound(dice, slot, uneven_s));
                let mut done = low * HOUR_S;
                let within = second % SLOT_S;
                if within > 0 {
                    let high = sums.until(bound(dice, slot + 1, uneven_s));
                    let rush = within - dice.between(!slot, 0, SLOT_S - RUSH_S);
                    done += (high - low) * (within + rush.clamp(0, RUSH_S) * (SLOT_S / RUSH_S));
                }
                part_of(amount, done, sums.until(DAY_S) * HOUR_S)
            }
            Today::Run { from_s, length_s } => part_of(amount, (second - from_s).clamp(0, length_s), length_s),
            Today::Cycle { period_s, on_s } => {
                let done = second / period_s * on_s + (second % period_s).min(on_s);
                part_of(amount, done, DAY_S / period_s * on_s)
            }
            Today::Sun { half_s, dice } => {
                let (slot, within) = (second / SLOT_S, second % SLOT_S);
                let (low, high) = (bound(dice, slot, 800), bound(dice, slot + 1, 800));
                let moved = low + (high - low) * within / SLOT_S;
                part_of(amount, sunlight((moved - NOON_S).clamp(-half_s, half_s), half_s), 1 << 30)
            }
        }
    }
}

/// Where a slot begins for once; the day's ends stay.
#[inline]
fn bound(dice: Dice, slot: i64, uneven_s: i64) -> i64 {
    if slot == 0 || slot >= DAY_S / SLOT_S {
        return slot.min(DAY_S / SLOT_S) * SLOT_S;
    }
    slot * SLOT_S + dice.between(slot, -uneven_s, uneven_s)
}

/// Of a day's light, in 2^30ths, what has come from sunrise until `from_noon_s`: the
/// integral of a parabola.
fn sunlight(from_noon_s: i64, half_s: i64) -> i64 {
    let at = (from_noon_s << 15) / half_s;
    ((2 << 45) + ((3 * at) << 30) - at * at * at) >> 17
}

#[inline]
fn part_of(amount: i64, done: i64, whole: i64) -> i64 {
    match amount.checked_mul(done) {
        Some(product) => product / whole,
        None => (i128::from(amount) * i128::from(done) / i128::from(whole)) as i64,
    }
}
