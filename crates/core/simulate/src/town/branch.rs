//! All that flows through one meter, and what flows past it.
//!
//! Promise: what is used, and what of it is metered, never falls with time.

use super::pace::DAY_S;
use super::part::{self, Part};
use super::window::{Cuts, Window, leaked};

/// The use of one thing in one home, in thousandths of the counter's last digit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Branch {
    parts: Vec<Part>,
    away: Cuts,
    leaks: Vec<Window>,
    outages: Cuts,
    bypasses: Cuts,
}

impl Branch {
    pub(crate) fn new(parts: Vec<Part>) -> Branch {
        Branch { parts, ..Branch::default() }
    }

    /// Nobody at home: a share of the parts rests.
    pub(crate) fn away(mut self, windows: &[Window]) -> Branch {
        self.away = Cuts::new(windows, |second| self.on(second / DAY_S).flows(second));
        self
    }

    pub(crate) fn leaking(self, leaks: Vec<Window>) -> Branch {
        Branch { leaks, ..self }
    }

    /// Nothing flows.
    pub(crate) fn out(mut self, windows: &[Window]) -> Branch {
        self.outages = Cuts::new(windows, |second| self.on(second / DAY_S).used(second));
        self
    }

    /// A share is not metered.
    pub(crate) fn bypassed(mut self, windows: &[Window]) -> Branch {
        self.bypasses = Cuts::new(windows, |second| self.on(second / DAY_S).used(second));
        self
    }

    /// Whether there is no electricity in some of `[from_s, to_s)`.
    pub(crate) fn is_out(&self, from_s: i64, to_s: i64) -> bool {
        self.outages.meet(from_s, to_s)
    }

    pub(crate) fn on(&self, day: i64) -> Day<'_> {
        Day { branch: self, day, parts: self.parts.iter().map(|part| part.on(day)).collect() }
    }
}

/// A branch on one day.
#[derive(Clone, Debug)]
pub(crate) struct Day<'a> {
    branch: &'a Branch,
    day: i64,
    parts: Vec<part::Today>,
}

impl Day<'_> {
    pub(crate) fn number(&self) -> i64 {
        self.day
    }

    #[inline]
    fn flows(&self, second: i64) -> i64 {
        let of_day = second - self.day * DAY_S;
        let parts = self.parts.iter().map(|part| part.until(of_day)).sum();
        self.branch.away.less(second, parts)
    }

    /// All that was used before a second of this day.
    #[inline]
    pub(crate) fn used(&self, second: i64) -> i64 {
        let flows = self.flows(second) + leaked(&self.branch.leaks, second);
        self.branch.outages.less(second, flows)
    }

    /// What of it the meter saw.
    #[inline]
    pub(crate) fn metered(&self, second: i64) -> i64 {
        self.branch.bypasses.less(second, self.used(second))
    }
}
