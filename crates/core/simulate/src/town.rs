//! A town whose truth is known: homes and shops with electricity, water and heat,
//! the weather they share, the transformers above them, and what befalls them.
//!
//! Promise: everything follows from a seed, by integer arithmetic alone. What a
//! meter shows at an instant is a function of seed, home and instant: the day's
//! share of a year has a closed form, and so has the moment's share of a day.
//! Nothing is run through from the start, whichever instant is asked for.
//!
//! Read: `pace.rs` (days and seasons), `way.rs` (hours of a day), `part.rs` (one
//! thing that uses), `weather.rs`, `habits.rs` (the numbers), `window.rs` (stretches
//! in which less is used, or more), `branch.rs` (all behind one meter), `gauge.rs` (the
//! meter), `home.rs`, `transformer.rs`, `parcel.rs` (what is sent),
//! `delivery.rs` (how it comes through), `file.rs`, `truth.rs`.

mod pace;
mod way;
mod part;
mod weather;
mod habits;
mod window;
mod branch;
mod gauge;
mod home;
mod transformer;
mod parcel;
mod delivery;
mod file;
mod truth;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::draw::Dice;

pub use delivery::{Deliveries, Delivery};
pub use file::FileFormat;
pub use gauge::{Gauge, Read, Reader};
pub use home::{Home, Medium, Premises};
pub use pace::{BEGIN, END};
pub use parcel::{Measured, Parcel, STREAMS, declare, point, request};
pub use transformer::{Slot, Transformer};
pub use truth::{BEFALLEN_HEADER, USED_HEADER, befallen_rows, used_rows};
pub use weather::Weather;
pub use window::{Befallen, HALF_HOUR, Mishap};

/// Homes below one transformer.
const HOMES_BELOW: u32 = 50;

/// A number of homes that a seed describes completely.
#[derive(Clone, Copy, Debug)]
pub struct Town {
    seed: u64,
    homes: u32,
}

impl Town {
    /// Homes are numbered from 0; the first ones of a larger town are those of a smaller.
    pub fn new(seed: u64, homes: u32) -> Town {
        Town { seed, homes }
    }

    /// What makes it this town and no other.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How many homes and shops there are.
    pub fn homes(&self) -> u32 {
        self.homes
    }

    /// One of them, with its meters.
    pub fn home(&self, number: u32) -> Home {
        Home::new(self, number)
    }

    /// The weather over all of them.
    pub fn weather(&self) -> Weather {
        Weather::new(self.dice())
    }

    /// How many transformers stand above the homes.
    pub fn transformers(&self) -> u32 {
        self.homes.div_ceil(HOMES_BELOW)
    }

    /// One of them, numbered from 0.
    pub fn transformer(&self, number: u32) -> Transformer {
        Transformer::new(*self, number)
    }

    /// The homes that hang on a transformer.
    pub fn below(&self, transformer: u32) -> Range<u32> {
        let first = transformer * HOMES_BELOW;
        first..self.homes.min(first + HOMES_BELOW)
    }

    /// Draws of its own beside those of the benchmark's fleet.
    fn dice(&self) -> Dice {
        Dice::new(self.seed).of(TOWN)
    }

    fn dice_of(&self, home: u32) -> Dice {
        self.dice().of(HOME).of(u64::from(home))
    }

    fn dice_of_transformer(&self, number: u32) -> Dice {
        self.dice().of(TRANSFORMER).of(u64::from(number))
    }
}

const TOWN: u64 = 0x746f_776e;
const HOME: u64 = 1;
const TRANSFORMER: u64 = 2;
