//! The meter: a counter of so many dials on a branch, now and then exchanged, and
//! sometimes with a clock that goes wrong.
//!
//! Promise: between two reads of one device its counter advances by exactly what was
//! metered between the instants its clock showed; at the greatest number it goes on
//! from zero.

use meter::{Flags, Timestamp};

use super::Medium;
use super::branch::{Branch, Day};
use super::pace::{DAY_S, instant, seconds};
use super::window::{Befallen, Drift, Mishap, Window, drifting};

/// What a meter shows at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Which device at this place, counted from 0.
    pub device: u32,
    /// The number on the dials, in its last digit.
    pub digits: i64,
}

/// A meter, and the truth behind it. Numbers are in its last digit: watt-hours or litres.
#[derive(Clone, Debug)]
pub struct Gauge {
    home: u32,
    medium: Medium,
    branch: Branch,
    dials: u32,
    /// Devices by time; the first from the beginning.
    installs: Vec<Install>,
    drift: Option<Drift>,
}

#[derive(Clone, Copy, Debug)]
struct Install {
    from_s: i64,
    opening: i64,
    /// What the place had metered by then.
    total: i64,
}

impl Gauge {
    pub(crate) fn new(home: u32, medium: Medium, branch: Branch, dials: u32, opening: i64) -> Gauge {
        let total = branch.on(0).metered(0).div_euclid(1_000);
        let first = Install { from_s: 0, opening, total };
        Gauge { home, medium, branch, dials, installs: vec![first], drift: None }
    }

    /// With other devices from those instants on, which begin at the windows' sizes.
    pub(crate) fn exchanged(mut self, windows: &[Window]) -> Gauge {
        for window in windows {
            let total = self.reader().total_at(self.true_second(window.from_s));
            self.installs.push(Install { from_s: window.from_s, opening: window.size, total });
        }
        self
    }

    pub(crate) fn drifting(self, drift: Option<Drift>) -> Gauge {
        Gauge { drift, ..self }
    }

    /// Digits of the counter, those behind the decimal point among them.
    pub fn dials(&self) -> u32 {
        self.dials
    }

    /// Reads it from one instant to the next: quickest within a day.
    pub fn reader(&self) -> Reader<'_> {
        Reader { gauge: self, day: self.branch.on(0) }
    }

    /// What was really used in `[from, to)`, by a true clock.
    pub fn used(&self, from: Timestamp, to: Timestamp) -> i64 {
        let mut reader = self.reader();
        reader.used(to) - reader.used(from)
    }

    /// What the meter counted between its clock's showing `from` and `to`.
    pub fn metered(&self, from: Timestamp, to: Timestamp) -> i64 {
        let mut reader = self.reader();
        reader.total(to) - reader.total(from)
    }

    /// Whether there is no electricity.
    pub fn is_out(&self, at: Timestamp) -> bool {
        self.branch.is_out(seconds(at), seconds(at) + 1)
    }

    /// What the meter notes of the time in which its clock showed `[from, to)`: that its
    /// power was off, that its clock was set, that it is new. Whose use it missed and
    /// where its counter came round it does not know.
    pub fn noted(&self, from: Timestamp, to: Timestamp) -> Flags {
        let (from_s, to_s) = (seconds(from), seconds(to));
        let notes = [
            (self.branch.is_out(self.true_second(from_s), self.true_second(to_s)), Flags::OUTAGE),
            (self.drift.is_some_and(|drift| drift.is_set_in(from_s, to_s)), Flags::CLOCK_ADJUSTED),
            (self.installs[1..].iter().any(|install| (from_s..to_s).contains(&install.from_s)), Flags::EXCHANGE),
        ];
        notes.into_iter().filter(|(is_so, _)| *is_so).fold(Flags::default(), |all, (_, flag)| all.with(flag))
    }

    /// When other devices took over.
    pub(crate) fn exchanges(&self) -> impl Iterator<Item = Timestamp> {
        self.installs[1..].iter().map(|install| instant(install.from_s))
    }

    /// When other devices took over, a wrong clock, and when the counter passed zero in
    /// `[from, to)`.
    pub fn befell(&self, from: Timestamp, to: Timestamp) -> Vec<Befallen> {
        let mut all: Vec<Befallen> =
            self.drift.map(|drift| drifting(drift, self.home, self.medium)).into_iter().collect();
        for install in &self.installs[1..] {
            let window = Window { from_s: install.from_s, to_s: install.from_s, size: install.opening };
            all.push(window.befell(Mishap::Exchange, self.home, self.medium));
        }
        all.extend(self.rollovers(from, to));
        all
    }

    fn rollovers(&self, from: Timestamp, to: Timestamp) -> Vec<Befallen> {
        let (mut found, mut reader) = (Vec::new(), self.reader());
        let (from_s, to_s) = (seconds(from), seconds(to));
        let ends = self.installs[1..].iter().map(|install| install.from_s).chain([i64::MAX]);
        for (install, end) in self.installs.iter().zip(ends) {
            let (mut low, last) = (from_s.max(install.from_s), to_s.min(end));
            while low < last && self.turns(install, &mut reader, low) < self.turns(install, &mut reader, last) {
                let turned = self.turns(install, &mut reader, low);
                let (mut before, mut after) = (low, last);
                while after - before > 1 {
                    let middle = before + (after - before) / 2;
                    if self.turns(install, &mut reader, middle) > turned { after = middle } else { before = middle }
                }
                let window = Window { from_s: after, to_s: after, size: i64::from(self.dials) };
                found.push(window.befell(Mishap::Rollover, self.home, self.medium));
                low = after;
            }
        }
        found
    }

    fn turns(&self, install: &Install, reader: &mut Reader<'_>, label_s: i64) -> i64 {
        let total = reader.total_at(self.true_second(label_s));
        (install.opening + total - install.total).div_euclid(10_i64.pow(self.dials))
    }

    fn true_second(&self, label_s: i64) -> i64 {
        self.drift.map_or(label_s, |drift| drift.true_second(label_s).max(0))
    }
}

/// A look at a meter: it remembers the day it was last at.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    gauge: &'a Gauge,
    day: Day<'a>,
}

impl Reader<'_> {
    /// What is shown when the meter's clock shows `at`.
    pub fn read(&mut self, at: Timestamp) -> Read {
        let device = self.gauge.installs.partition_point(|install| install.from_s <= seconds(at)).max(1) - 1;
        self.read_of(device, at)
    }

    /// What the device that makes way for another at `at` shows then.
    pub(crate) fn closing(&mut self, at: Timestamp) -> Read {
        let device = self.gauge.installs.partition_point(|install| install.from_s < seconds(at)).max(1) - 1;
        self.read_of(device, at)
    }

    fn read_of(&mut self, device: usize, at: Timestamp) -> Read {
        let install = &self.gauge.installs[device];
        let advance = self.total(at) - install.total;
        let digits = (install.opening + advance).rem_euclid(10_i64.pow(self.gauge.dials));
        Read { device: device as u32, digits }
    }

    /// All that devices at this place counted until their clock showed `at`.
    #[inline]
    pub fn total(&mut self, at: Timestamp) -> i64 {
        self.total_at(self.gauge.true_second(seconds(at)))
    }

    /// All that was really used before `at`.
    pub fn used(&mut self, at: Timestamp) -> i64 {
        let second = seconds(at);
        self.turn_to(second);
        self.day.used(second).div_euclid(1_000)
    }

    /// What flowed in the minute before `at`: watts, or litres an hour.
    pub fn rate(&mut self, at: Timestamp) -> i64 {
        let second = seconds(at);
        let mut metered = |second: i64| {
            self.turn_to(second);
            self.day.metered(second)
        };
        (metered(second) - metered((second - 60).max(0))) * 60 / 1_000
    }

    #[inline]
    fn total_at(&mut self, second: i64) -> i64 {
        self.turn_to(second);
        self.day.metered(second).div_euclid(1_000)
    }

    #[inline]
    fn turn_to(&mut self, second: i64) {
        // The last day's end is the next one's beginning.
        if !(0..=DAY_S).contains(&(second - self.day.number() * DAY_S)) {
            self.day = self.gauge.branch.on(second / DAY_S);
        }
    }
}
