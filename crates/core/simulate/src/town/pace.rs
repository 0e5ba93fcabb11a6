//! How days go by: by season and weekday, now quicker, now slower, and summed over
//! years in one step.
//!
//! Promise: [`Season::until`] and [`Pace::at`] never fall, and cost the same for
//! every day.

use meter::Timestamp;

use crate::draw::Dice;

/// 2020-01-01T00:00:00Z, a Wednesday: before, every counter stands still.
pub const BEGIN: Timestamp = Timestamp(1_577_836_800_000_000);
/// 2040-01-01T00:00:00Z: nothing befalls anyone later.
pub const END: Timestamp = Timestamp(2_208_988_800_000_000);

/// A day, in the fractions that days are counted in here.
pub(crate) const ONE: i64 = 1 << 16;
/// Half of 365.2425 days.
const HALF_YEAR: i64 = 11_968_266;
const YEAR: i64 = 2 * HALF_YEAR;
pub(crate) const DAY_S: i64 = 86_400;

/// Seconds since [`BEGIN`], none before.
pub(crate) fn seconds(at: Timestamp) -> i64 {
    (at.0 - BEGIN.0).max(0) / 1_000_000
}

pub(crate) fn instant(second: i64) -> Timestamp {
    Timestamp(BEGIN.0 + second * 1_000_000)
}

/// How much there is of something through the year: straight from the middle of
/// winter to that of summer and back, and nothing where that would be below zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Season {
    /// In thousandths, up to 20,000 either way.
    pub(crate) winter: i64,
    pub(crate) summer: i64,
    /// Days from New Year to the middle of winter.
    pub(crate) midwinter: i64,
}

impl Season {
    pub(crate) const EVEN: Season = Season { winter: 1_000, summer: 1_000, midwinter: 0 };

    /// All of it before `at`, from one midwinter on: 1,000 a day where there are 1,000.
    /// Both are counted in [`ONE`]s.
    pub(crate) fn until(&self, at: i64) -> i64 {
        let since = at + YEAR - self.midwinter * ONE;
        let (years, of_year) = (since.div_euclid(YEAR), since.rem_euclid(YEAR));
        let whole = 2 * self.half(HALF_YEAR);
        let part = if of_year <= HALF_YEAR { self.half(of_year) } else { whole - self.half(YEAR - of_year) };
        years * whole + part
    }

    /// From midwinter on, at most to midsummer.
    fn half(&self, days: i64) -> i64 {
        let turn = || HALF_YEAR * self.winter / (self.winter - self.summer);
        match (self.winter > 0, self.summer > 0) {
            (true, true) => self.line(days),
            (true, false) => self.line(days.min(turn())),
            (false, true) => self.line(days.max(turn())) - self.line(turn()),
            (false, false) => 0,
        }
    }

    /// The area below the straight line.
    fn line(&self, days: i64) -> i64 {
        (2 * HALF_YEAR * self.winter * days + (self.summer - self.winter) * days * days) / (2 * HALF_YEAR)
    }

    /// How far `day` is from the middle of winter: 0 there, 1,000 at that of summer.
    pub(crate) fn summerly(&self, day: i64) -> i64 {
        let of_year = ((day - self.midwinter) * ONE).rem_euclid(YEAR);
        1_000 * of_year.min(YEAR - of_year) / HALF_YEAR
    }
}

/// A clock that runs unevenly. A day of it is about a day, or none, or that of a
/// week if it runs on one weekday only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// At the beginning of each day of a week, and at its end; weeks begin on Wednesday.
    sums: [i64; 8],
    /// Of those days, how many the clock runs on.
    turns: [i64; 8],
    dice: Dice,
    /// How far chance moves the beginning of a single day.
    jitter: i64,
    /// How far it moves that of every eighth.
    swing: i64,
}

/// Turns between two swings: a spell of weather, a busy week.
const SPELL: i64 = 8;

impl Pace {
    /// `week` holds the weights of Wednesday to Tuesday. Chance moves a day by
    /// `jitter` and its spell by `swing` thousandths; together less than 1,000.
    pub(crate) fn new(week: [i64; 7], dice: Dice, jitter: i64, swing: i64) -> Pace {
        let (mut sums, mut turns) = ([0; 8], [0; 8]);
        let whole: i64 = week.iter().sum();
        let mut weight = 0;
        for day in 0..7 {
            weight += week[day];
            sums[day + 1] = 7 * ONE * weight / whole;
            turns[day + 1] = turns[day] + i64::from(week[day] > 0);
        }
        let least = (0..7).map(|day| sums[day + 1] - sums[day]).filter(|length| *length > 0).min().unwrap_or(0);
        Pace { sums, turns, dice, jitter: least * jitter / 1_000, swing: SPELL * least * swing / 1_000 }
    }

    /// What the clock shows when `day` begins, in [`ONE`]s.
    pub(crate) fn at(&self, day: i64) -> i64 {
        let (weeks, of_week) = (day.div_euclid(7), day.rem_euclid(7) as usize);
        let turn = weeks * self.turns[7] + self.turns[of_week];
        let (spell, of_spell) = (turn.div_euclid(SPELL), turn.rem_euclid(SPELL));
        let (swings, moved) = (self.dice.of(1), self.dice.draw(turn) >> 48);
        let swing = |spell| (swings.draw(spell) >> 48).cast_signed();
        let swung = swing(spell) * (SPELL - of_spell) + swing(spell + 1) * of_spell;
        let even = weeks * self.sums[7] + self.sums[of_week];
        even + self.jitter * moved.cast_signed() / ONE + self.swing * swung / (SPELL * ONE)
    }
}
