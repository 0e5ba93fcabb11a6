//! What a home of the fleet uses, and the counter that shows it.
//!
//! A day's total follows from home and day, is split over its hours, an hour over
//! its minutes; each split rounds the running sum, so the parts add up to the
//! whole. The counter at an instant is what was there at the start plus all
//! before: no matter from where one asks, the answer is the same.

use meter::Timestamp;

use crate::draw::{Dice, gamma};

/// 2020-01-01T00:00:00Z: before, every counter stands still at its first read.
pub(crate) const INSTALLED: Timestamp = Timestamp(1_577_836_800_000_000);

const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;

/// The habits of a supply, equal for all homes.
#[derive(Debug)]
pub(crate) struct Habits {
    /// Relative use by hour of the day, UTC.
    pub(crate) workday: [u64; 24],
    pub(crate) weekend: [u64; 24],
    /// A day's use in the middle of winter and of summer, of 1000.
    pub(crate) winter: i64,
    pub(crate) summer: i64,
    /// Of 256 minutes, how many take a kettle or a shower besides.
    pub(crate) bursts: u64,
    /// How much more such a minute takes.
    pub(crate) burst: u64,
}

/// One home's use of one thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Supply {
    habits: &'static Habits,
    dice: Dice,
    /// An average day in the counter's last digit.
    daily: i64,
    /// What the counter showed when it was installed.
    opening: i64,
}

impl Supply {
    pub(crate) fn new(habits: &'static Habits, dice: Dice, daily: i64, opening: i64) -> Supply {
        Supply { habits, dice, daily, opening }
    }

    /// The use of a day, counted from the installation.
    fn day(&self, day: i64) -> i64 {
        let (winter, summer) = (self.habits.winter, self.habits.summer);
        // A straight line from midwinter to midsummer and back; day 0 is a 1 January.
        let of_year = day * 10_000 % 3_652_425;
        let from_midwinter = of_year.min(3_652_425 - of_year);
        let season = winter + (summer - winter) * from_midwinter / 1_826_213;
        let chance = self.dice.of(1).between(day, 700, 1_300);
        self.daily * season / 1_000 * chance / 1_000
    }

    /// Use from the day's start to the end of each hour.
    fn hours(&self, day: i64) -> [u32; 25] {
        // 2020-01-01 was a Wednesday.
        let weekend = matches!(day % 7, 3 | 4);
        let weights = if weekend { &self.habits.weekend } else { &self.habits.workday };
        let dice = self.dice.of(2);
        split(self.day(day), |hour| weights[hour] * (64 + (dice.draw(day * 24 + hour as i64) >> 57)))
    }

    /// Use from the hour's start to the end of each minute.
    fn minutes(&self, hour: i64, total: u32) -> [u32; 61] {
        let dice = self.dice.of(3);
        split(i64::from(total), |minute| {
            let bits = dice.draw(hour * 60 + minute as i64);
            let burst = if bits & 0xff < self.habits.bursts { self.habits.burst } else { 1 };
            gamma(bits) * burst
        })
    }
}

/// `total` over `N - 1` parts by weight, as running sums from 0 to `total`.
fn split<const N: usize>(total: i64, weight: impl Fn(usize) -> u64) -> [u32; N] {
    let mut sums = [0_u64; N];
    for part in 1..N {
        sums[part] = sums[part - 1] + weight(part - 1).max(1);
    }
    let whole = u128::from(sums[N - 1]);
    let total = u128::from(total.max(0).cast_unsigned());
    sums.map(|sum| u32::try_from(total * u128::from(sum) / whole).expect("a day's use fits"))
}

/// A counter on a supply. It remembers the hour it was last read in: reading on
/// is quick, reading back is as right.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    supply: Supply,
    day: i64,
    /// The counter at the start of `day`.
    before: i64,
    hours: [u32; 25],
    hour: i64,
    minutes: [u32; 61],
}

impl Meter {
    /// A counter that has run since [`INSTALLED`].
    pub(crate) fn new(supply: Supply) -> Meter {
        let hours = supply.hours(0);
        let minutes = supply.minutes(0, hours[1]);
        Meter { supply, day: 0, before: supply.opening, hours, hour: 0, minutes }
    }

    /// What the counter shows, in its last digit.
    pub(crate) fn read(&mut self, at: Timestamp) -> i64 {
        let since_us = (at.0 - INSTALLED.0).max(0);
        self.turn_to(since_us / HOUR_US);
        let (hour, minute) = (self.hour % 24, since_us % HOUR_US / MINUTE_US);
        let (low, high) = (self.minutes[minute as usize], self.minutes[minute as usize + 1]);
        let within = i64::from(high - low) * (since_us % MINUTE_US) / MINUTE_US;
        self.before + i64::from(self.hours[hour as usize]) + i64::from(low) + within
    }

    /// Use in the minute around `at`.
    pub(crate) fn in_minute(&mut self, at: Timestamp) -> i64 {
        let since_us = (at.0 - INSTALLED.0).max(0);
        self.turn_to(since_us / HOUR_US);
        let minute = (since_us % HOUR_US / MINUTE_US) as usize;
        i64::from(self.minutes[minute + 1] - self.minutes[minute])
    }

    fn turn_to(&mut self, hour: i64) {
        if hour == self.hour {
            return;
        }
        let day = hour / 24;
        if day != self.day {
            if day < self.day {
                (self.day, self.before) = (0, self.supply.opening);
            }
            self.before += (self.day..day).map(|earlier| self.supply.day(earlier)).sum::<i64>();
            self.day = day;
            self.hours = self.supply.hours(day);
        }
        self.hour = hour;
        let of_day = (hour % 24) as usize;
        self.minutes = self.supply.minutes(hour, self.hours[of_day + 1] - self.hours[of_day]);
    }
}
