//! Stretches of time in which something befalls a home, and what becomes of its use.
//!
//! Promise: at most one of a kind a year, so that none overlap; all of them are
//! known from the seed, with their ends.

use meter::{Span, Timestamp};

use super::Medium;
use super::pace::{BEGIN, DAY_S, END, instant};
use crate::draw::Dice;

/// What befell a home or a transformer: what a detector may find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Befallen {
    /// What it was.
    pub mishap: Mishap,
    /// The home's number, or the transformer's for an outage.
    pub number: u32,
    /// What it concerns.
    pub medium: Medium,
    /// When it began.
    pub from: Timestamp,
    /// When it was over; the same instant for what takes no time.
    pub to: Timestamp,
    /// How much, in the unit that the mishap says.
    pub size: i64,
}

/// What can befall them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mishap {
    /// Water runs day and night: millilitres an hour.
    Leak,
    /// Electricity flows past the meter: thousandths of it.
    Bypass,
    /// A transformer is dead, and all below it: seconds.
    Outage,
    /// A new device takes over: what it shows when it begins, in its last digit.
    Exchange,
    /// The meter's clock goes wrong until it is set every four weeks: seconds a day.
    Drift,
    /// A counter passes from its greatest number to zero: its dials.
    Rollover,
    /// Nobody is at home: thousandths of the use that rest.
    Away,
    /// A message was lost: how many.
    Missed,
    /// A message came later than it should: seconds.
    Late,
    /// A message came twice: seconds between the two.
    Repeated,
    /// The values of a message came out of order: in how many messages.
    Shuffled,
}

impl Mishap {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Mishap::Leak => "leak",
            Mishap::Bypass => "bypass",
            Mishap::Outage => "outage",
            Mishap::Exchange => "exchange",
            Mishap::Drift => "drift",
            Mishap::Rollover => "rollover",
            Mishap::Away => "away",
            Mishap::Missed => "missed",
            Mishap::Late => "late",
            Mishap::Repeated => "repeated",
            Mishap::Shuffled => "shuffled",
        }
    }

    /// What its size counts, in files.
    pub fn size_in(self) -> &'static str {
        match self {
            Mishap::Leak => "ml/h",
            Mishap::Bypass | Mishap::Away => "thousandths",
            Mishap::Outage | Mishap::Late | Mishap::Repeated => "s",
            Mishap::Exchange => "last digits",
            Mishap::Drift => "s/day",
            Mishap::Rollover => "dials",
            Mishap::Missed | Mishap::Shuffled => "messages",
        }
    }
}

/// From a second on, to another, and how much: per thousand, or an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from_s: i64,
    pub(crate) to_s: i64,
    pub(crate) size: i64,
}

impl Window {
    pub(crate) fn befell(&self, mishap: Mishap, number: u32, medium: Medium) -> Befallen {
        Befallen { mishap, number, medium, from: instant(self.from_s), to: instant(self.to_s), size: self.size }
    }
}

/// How often something happens, how long it lasts and how much it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habit {
    /// Of a thousand years.
    pub(crate) often: i64,
    pub(crate) length_s: (i64, i64),
    pub(crate) size: (i64, i64),
}

const YEAR_S: i64 = 365 * DAY_S;
const YEARS: i64 = (END.0 - BEGIN.0) / 1_000_000 / YEAR_S;

/// All there are from [`BEGIN`] to [`END`], by time.
pub(crate) fn windows(dice: Dice, habit: Habit) -> Vec<Window> {
    let mut windows = Vec::new();
    for year in 0..YEARS {
        if dice.between(year, 0, 999) < habit.often {
            let length_s = dice.of(1).between(year, habit.length_s.0, habit.length_s.1);
            // To the full minute, and clear of the next year's.
            let from_s = year * YEAR_S + dice.of(2).between(year, 60, (YEAR_S - length_s) / 60 - 60) * 60;
            let size = dice.of(3).between(year, habit.size.0, habit.size.1);
            windows.push(Window { from_s, to_s: from_s + length_s, size });
        }
    }
    windows
}

/// Windows in which a share of what would flow does not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cuts(Vec<Cut>);

#[derive(Clone, Copy, Debug)]
struct Cut {
    window: Window,
    /// What would have flowed before it.
    begun: i64,
    /// What earlier cuts took, and what this one did.
    lost_before: i64,
    lost: i64,
}

impl Cuts {
    /// `until` says what would flow without them before a second.
    pub(crate) fn new(windows: &[Window], until: impl Fn(i64) -> i64) -> Cuts {
        let (mut cuts, mut lost_before) = (Vec::with_capacity(windows.len()), 0);
        for window in windows {
            let begun = until(window.from_s);
            let lost = share(until(window.to_s) - begun, window.size);
            cuts.push(Cut { window: *window, begun, lost_before, lost });
            lost_before += lost;
        }
        Cuts(cuts)
    }

    /// What of `value`, all that would have flowed before `second`, did flow.
    #[inline]
    pub(crate) fn less(&self, second: i64, value: i64) -> i64 {
        if self.0.is_empty() {
            return value;
        }
        let begun = self.0.partition_point(|cut| cut.window.from_s <= second);
        let Some(cut) = begun.checked_sub(1).map(|last| &self.0[last]) else { return value };
        let lost = if second < cut.window.to_s { share(value - cut.begun, cut.window.size) } else { cut.lost };
        value - cut.lost_before - lost
    }

    /// Whether some of `[from_s, to_s)` is within one.
    pub(crate) fn meet(&self, from_s: i64, to_s: i64) -> bool {
        self.0.iter().any(|cut| cut.window.from_s < to_s && cut.window.to_s > from_s)
    }
}

fn share(value: i64, thousandths: i64) -> i64 {
    value * thousandths / 1_000
}

/// What ran away in windows before a second, at `size` an hour.
pub(crate) fn leaked(windows: &[Window], second: i64) -> i64 {
    windows.iter().map(|leak| (second - leak.from_s).clamp(0, leak.to_s - leak.from_s) * leak.size / 3_600).sum()
}

/// A meter's clock: ahead by so many seconds more each day, or behind, and set back
/// within a day every four weeks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drift {
    pub(crate) a_day_s: i64,
}

/// Below half an hour in four weeks, so that labels keep their order.
pub(crate) const DRIFT_A_DAY_S_MAX: i64 = 30;
const SET_DAYS: i64 = 28;

impl Drift {
    /// The second at which the meter's clock shows `label_s`.
    pub(crate) fn true_second(self, label_s: i64) -> i64 {
        let (drifting_s, of_turn) = ((SET_DAYS - 1) * DAY_S, label_s.rem_euclid(SET_DAYS * DAY_S));
        let furthest = self.a_day_s * (SET_DAYS - 1);
        let off = if of_turn <= drifting_s {
            furthest * of_turn / drifting_s
        } else {
            furthest * (SET_DAYS * DAY_S - of_turn) / DAY_S
        };
        label_s - off
    }

    /// Whether the clock is being set in some of `[from_s, to_s)`, as it shows them.
    pub(crate) fn is_set_in(self, from_s: i64, to_s: i64) -> bool {
        // It is set on the last day of each turn.
        self.a_day_s != 0
            && (from_s.div_euclid(DAY_S)..=(to_s - 1).div_euclid(DAY_S)).any(|day| (day + 1) % SET_DAYS == 0)
    }
}

/// As a window that never ends.
pub(crate) fn drifting(drift: Drift, number: u32, medium: Medium) -> Befallen {
    Befallen { mishap: Mishap::Drift, number, medium, from: BEGIN, to: END, size: drift.a_day_s }
}

/// Half an hour: the grid that intervals stand on.
pub const HALF_HOUR: Span = Span::from_minutes(30);
