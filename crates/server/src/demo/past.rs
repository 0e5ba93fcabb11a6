//! The months before now, cut into what is sent at once.

use std::ops::Range;

use anyhow::Context;
use meter::{Span, Timestamp};
use simulate::{BEGIN, END, HALF_HOUR, Medium, Parcel, Town};

use crate::exit::Usage;

const DAY: Span = Span::from_minutes(24 * 60);
/// 365.25 days a year.
const SIXTEENTHS_OF_A_MONTH_DAYS: i64 = 487;
/// With a month of four media each about 2 MB; a door takes 8 MiB.
pub const HOMES_A_PIECE: u32 = 25;

/// Some months of a town.
#[derive(Clone, Copy, Debug)]
pub struct Past {
    pub town: Town,
    pub from: Timestamp,
    pub to: Timestamp,
    /// How long before midnight in UTC its days begin.
    ahead: Span,
}

/// Some homes in one month.
#[derive(Clone, Debug)]
pub struct Piece {
    pub homes: Range<u32>,
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Past {
    /// Up to the last full half-hour.
    pub fn until(town: Town, now: Timestamp, months: u32) -> anyhow::Result<Past> {
        let to = Timestamp(now.0 - now.0.rem_euclid(HALF_HOUR.0));
        Past::of(town, to, months, Span::ZERO)
    }

    /// Up to the last midnight, where days begin `ahead` of those in UTC.
    pub fn of_whole_days(town: Town, now: Timestamp, months: u32, ahead: Span) -> anyhow::Result<Past> {
        Past::of(town, midnight(now, ahead), months, ahead)
    }

    fn of(town: Town, to: Timestamp, months: u32, ahead: Span) -> anyhow::Result<Past> {
        let days = i64::from(months) * SIXTEENTHS_OF_A_MONTH_DAYS / 16;
        let from = Timestamp(midnight(to, ahead).0 - days * DAY.0);
        if from < BEGIN || to > END {
            return Err(Usage(format!("the town stands from {BEGIN} to {END}: not from {from} to {to}")).into());
        }
        Ok(Past { town, from, to, ahead })
    }

    /// The calendar month of an instant, as `yyyymm`, where days begin as they do here.
    pub fn month(&self, at: Timestamp) -> i32 {
        at.plus(self.ahead).month()
    }

    /// By month, then by home: a month lies in a partition of its own.
    pub fn pieces(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut from = self.from;
        while from < self.to {
            let mut to = from;
            while to < self.to && self.month(to) == self.month(from) {
                to = self.to.min(midnight(to, self.ahead).plus(DAY));
            }
            for first in (0..self.town.homes()).step_by(HOMES_A_PIECE as usize) {
                let homes = first..self.town.homes().min(first + HOMES_A_PIECE);
                pieces.push(Piece { homes, from, to });
            }
            from = to;
        }
        pieces
    }

    /// All that the homes of a piece send, and the transformers whose first home is among them.
    pub fn parcels(&self, piece: &Piece) -> Vec<Parcel> {
        let homes = piece.homes.clone().map(|home| self.town.home(home));
        let of_home = |home: simulate::Home| Medium::ALL.map(|medium| home.half_hours(medium, piece.from, piece.to));
        let mut parcels: Vec<Parcel> = homes.flat_map(of_home).flatten().collect();
        let transformers = 0..self.town.transformers();
        let mine = transformers.filter(|number| piece.homes.contains(&self.town.below(*number).start));
        parcels.extend(mine.map(|number| self.town.transformer(number).half_hours(piece.from, piece.to)));
        parcels
    }

    /// What all meters of a medium counted: in watt-hours or litres.
    pub fn metered(&self, medium: Medium) -> i64 {
        let homes = (0..self.town.homes()).map(|home| self.town.home(home));
        homes.filter_map(|home| Some(home.gauge(medium)?.metered(self.from, self.to))).sum()
    }

    /// The last `days` of it, if there are so many.
    pub fn last_days(&self, days: i64) -> anyhow::Result<Timestamp> {
        let from = Timestamp(self.to.0 - days * DAY.0);
        (from >= self.from).then_some(from).context("the past is shorter")
    }
}

/// The beginning of the day that an instant lies in.
fn midnight(at: Timestamp, ahead: Span) -> Timestamp {
    Timestamp(at.0 - at.plus(ahead).0.rem_euclid(DAY.0))
}
