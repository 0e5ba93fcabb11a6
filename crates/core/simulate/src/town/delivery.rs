//! How messages come through, and how not: missed, late, repeated, out of order.
//!
//! Promise: what arrives at all is what a clean delivery brings; what goes wrong on
//! the way is told beside it, each with its window.

use std::ops::Range;

use meter::{Span, Timestamp};

use super::Town;
use super::home::Medium;
use super::pace::seconds;
use super::parcel::Parcel;
use super::window::{Befallen, Mishap};
use crate::draw::Dice;

const DAY: Span = Span::from_minutes(24 * 60);
const HOUR_S: i64 = 3_600;
const DELIVERY: u64 = 3;

/// Of a thousand messages.
const MISSED: i64 = 8;
const LATE: i64 = 25;
const REPEATED: i64 = 25;
const SHUFFLED: i64 = 25;

/// A message and when it comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Never before it was made.
    pub arrives_at: Timestamp,
    /// The message.
    pub parcel: Parcel,
}

/// What came of some homes' messages.
#[derive(Clone, Debug, Default)]
pub struct Deliveries {
    /// By time of arrival.
    pub all: Vec<Delivery>,
    /// What went wrong.
    pub befallen: Vec<Befallen>,
}

impl Town {
    /// Each day of `[from, to)` in a message of its own for each device, as networks and
    /// head-ends bring them. `from` and `to` are a number of days apart.
    pub fn deliveries(&self, homes: Range<u32>, from: Timestamp, to: Timestamp) -> Deliveries {
        let mut deliveries = Deliveries::default();
        for home in homes {
            let (of, dice) = (self.home(home), self.dice().of(DELIVERY).of(u64::from(home)));
            for medium in Medium::ALL {
                let mut day = from;
                while day < to {
                    let parcels = of.half_hours(medium, day, day.plus(DAY));
                    deliveries.deliver(parcels, (home, medium, day), dice.of(medium as u64));
                    day = day.plus(DAY);
                }
            }
        }
        deliveries.all.sort_by_key(|delivery| delivery.arrives_at);
        deliveries
    }
}

impl Deliveries {
    fn deliver(&mut self, parcels: Vec<Parcel>, (home, medium, day): (u32, Medium, Timestamp), dice: Dice) {
        let Some(made_at) = parcels.first().map(|parcel| parcel.made_at) else { return };
        let number = seconds(day);
        let mut happens = |mishap: Mishap, often, size: (i64, i64)| {
            let own = dice.of(mishap as u64);
            let size = (own.between(number, 0, 999) < often).then(|| own.of(1).between(number, size.0, size.1))?;
            self.befallen.push(Befallen { mishap, number: home, medium, from: day, to: day.plus(DAY), size });
            Some(size)
        };
        if happens(Mishap::Missed, MISSED, (1, 1)).is_some() {
            return;
        }
        let late_s = happens(Mishap::Late, LATE, (HOUR_S, 240 * HOUR_S)).unwrap_or(0);
        let again_s = happens(Mishap::Repeated, REPEATED, (HOUR_S, 72 * HOUR_S));
        let shuffled = happens(Mishap::Shuffled, SHUFFLED, (1, 1)).is_some();
        // Everybody sends within a quarter of an hour after midnight.
        let arrives_at = made_at.plus(Span::from_seconds(late_s + dice.between(number, 1, 900)));
        for mut parcel in parcels {
            if shuffled {
                let order = dice.of(Mishap::Shuffled as u64).of(2);
                parcel.values.sort_by_key(|measured| order.draw(measured.start.0 ^ i64::from(measured.stream)));
            }
            if let Some(again_s) = again_s {
                let arrives_at = arrives_at.plus(Span::from_seconds(again_s));
                self.all.push(Delivery { arrives_at, parcel: parcel.clone() });
            }
            self.all.push(Delivery { arrives_at, parcel });
        }
    }
}
