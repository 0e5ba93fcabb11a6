//! A transformer above some homes: what it delivers is what they use, stolen or not,
//! less what their roofs send back, and its own losses.

use meter::Timestamp;

use super::Town;
use super::home::{Home, Medium, OUTAGE};
use super::pace::seconds;
use super::window::{Befallen, Mishap, Window, windows};

/// What went through a transformer in a slot, in watt-hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// To the homes, losses included.
    pub delivered: i64,
    /// From them, where roofs yield more than all use.
    pub received: i64,
    /// Turned to warmth in the transformer and the lines.
    pub losses: i64,
    /// Seconds of it without power.
    pub dark_s: i64,
}

/// With the homes below it.
#[derive(Clone, Debug)]
pub struct Transformer {
    number: u32,
    homes: Vec<Home>,
    outages: Vec<Window>,
}

/// 4 kW a home, as small towns build them.
const RATED_WATTS_A_HOME: i64 = 4_000;
/// Of the rated power: always, and at full load besides.
const IDLE_LOSS_THOUSANDTHS: i64 = 2;
const LOAD_LOSS_THOUSANDTHS: i64 = 14;

impl Transformer {
    pub(super) fn new(town: Town, number: u32) -> Transformer {
        let homes = town.below(number).map(|home| town.home(home)).collect();
        Transformer { number, homes, outages: town.outages(number) }
    }

    /// Its number in the town.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The name of its point.
    pub fn point(&self) -> String {
        point(self.number)
    }

    /// Those that hang on it.
    pub fn homes(&self) -> &[Home] {
        &self.homes
    }

    /// What went through it in each slot between neighbouring `bounds`.
    pub fn slots(&self, bounds: &[Timestamp]) -> Vec<Slot> {
        let mut net = vec![0; bounds.len().saturating_sub(1)];
        for home in &self.homes {
            for (medium, sign) in [(Medium::Electricity, 1), (Medium::FeedIn, -1)] {
                let Some(gauge) = home.gauge(medium) else { continue };
                let (mut reader, mut before) = (gauge.reader(), None);
                for (slot, bound) in bounds.iter().enumerate() {
                    let used = reader.used(*bound);
                    if let Some(before) = before.replace(used) {
                        net[slot - 1] += sign * (used - before);
                    }
                }
            }
        }
        bounds.windows(2).zip(net).map(|(slot, net)| self.slot(seconds(slot[0]), seconds(slot[1]), net)).collect()
    }

    fn slot(&self, from_s: i64, to_s: i64, net: i64) -> Slot {
        let dark_s: i64 = self.outages.iter().map(|out| (to_s.min(out.to_s) - from_s.max(out.from_s)).max(0)).sum();
        let lit_s = to_s - from_s - dark_s;
        if lit_s == 0 {
            return Slot { dark_s, ..Slot::default() };
        }
        let rated = RATED_WATTS_A_HOME * self.homes.len() as i64;
        let watts = net * 3_600 / lit_s;
        let lost_watts = rated * IDLE_LOSS_THOUSANDTHS / 1_000 + watts * watts / rated * LOAD_LOSS_THOUSANDTHS / 1_000;
        let losses = lost_watts * lit_s / 3_600;
        Slot { delivered: (net + losses).max(0), received: (-net - losses).max(0), losses, dark_s }
    }
}

/// The name of a transformer's point.
pub(super) fn point(number: u32) -> String {
    format!("transformer-{number:04}")
}

/// A transformer's outages in `[from, to)`.
pub(super) fn befell(town: &Town, number: u32, from: Timestamp, to: Timestamp) -> Vec<Befallen> {
    let (from_s, to_s) = (seconds(from), seconds(to));
    let outages = town.outages(number).into_iter().filter(|out| out.from_s < to_s && out.to_s > from_s);
    let sized = outages.map(|out| Window { size: out.to_s - out.from_s, ..out });
    sized.map(|out| out.befell(Mishap::Outage, number, Medium::Electricity)).collect()
}

impl Town {
    pub(super) fn outages(&self, transformer: u32) -> Vec<Window> {
        windows(self.dice_of_transformer(transformer), OUTAGE)
    }
}
