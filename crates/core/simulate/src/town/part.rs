//! One thing that uses, or yields: the kettle and the lamps, a car, a roof.

use super::pace::{ONE, Pace, Season};
use super::way::{self, Way};
use crate::draw::Dice;

/// Counted in thousandths of the counter's last digit: of a watt-hour, of a litre.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// On a day on which the season stands at 1,000.
    pub(crate) daily: i64,
    pub(crate) season: Season,
    pub(crate) pace: Pace,
    pub(crate) way: Way,
    pub(crate) dice: Dice,
    /// Where it goes by the piece. Then `daily` counts pieces, in [`ONE`]s.
    pub(crate) pieces: Option<Pieces>,
}

/// Water is drawn by the piece: a flush, a shower.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pieces {
    pub(crate) size: i64,
    /// A piece flows in this part of the time until the next, at the pace of then.
    pub(crate) one_of: i64,
}

impl Part {
    /// All of it before a day.
    fn until(&self, day: i64) -> i64 {
        let seasons = self.season.until(self.pace.at(day));
        (i128::from(self.daily) * i128::from(seasons) / i128::from(1_000 * ONE)) as i64
    }

    pub(crate) fn on(&self, day: i64) -> Today {
        let before = self.until(day);
        let amount = self.until(day + 1) - before;
        Today { before, amount, way: self.way.on(day, amount, self.dice), pieces: self.pieces }
    }
}

/// A part on one day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Today {
    before: i64,
    pub(crate) amount: i64,
    way: way::Today,
    pieces: Option<Pieces>,
}

impl Today {
    /// All of it before an instant of the day.
    #[inline]
    pub(crate) fn until(&self, second: i64) -> i64 {
        let smooth = self.before + if self.amount == 0 { 0 } else { self.way.share(self.amount, second) };
        let Some(Pieces { size, one_of }) = self.pieces else { return smooth };
        let (whole, begun) = (smooth.div_euclid(ONE), smooth.rem_euclid(ONE));
        whole * size + (begun * one_of).min(ONE) * size / ONE
    }
}
