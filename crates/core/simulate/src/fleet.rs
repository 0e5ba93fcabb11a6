//! The fleet: homes by number, their messages and their truth.

use std::ops::Range;
use std::sync::Arc;

use meter::{Span, Timestamp};
use parse::protobuf::Stream;

use crate::draw::Dice;
use crate::message::{Message, device, point};
use crate::supply::{Meter, Supply};
use crate::{Use, hub, plugs};

/// A number of homes that a seed describes completely.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    dice: Dice,
    homes: u32,
    make: Make,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Make {
    Town,
    /// So many of them.
    Plugs(u32),
}

impl Fleet {
    /// The data set `hdm`: 20,000 homes × 11 registers × 100 minutes = 22 M measurements.
    pub const HDM_HOMES: u32 = 20_000;
    /// 2026-01-12T06:00:00Z, a Monday.
    pub const HDM_FROM: Timestamp = Timestamp(1_768_197_600_000_000);
    /// A hundred steps later.
    pub const HDM_TO: Timestamp = Timestamp(Self::HDM_FROM.0 + 100 * Self::HDM_STEP.0);
    /// Every home sends once a minute.
    pub const HDM_STEP: Span = Span::from_minutes(1);

    /// As many plugs as a home can have: 30 registers with those of its meter.
    pub const PLUGS_MAX: u32 = 27;

    /// A town: electricity counter, interval, voltage and power; for some gas and water.
    pub fn new(seed: u64, homes: u32) -> Fleet {
        Fleet { dice: Dice::new(seed), homes, make: Make::Town }
    }

    /// Homes as in `hdm`: counter, voltage, frequency and eight plugs.
    /// `hdm(seed, Fleet::HDM_HOMES).messages(HDM_FROM, HDM_TO, HDM_STEP)` is the set.
    pub fn hdm(seed: u64, homes: u32) -> Fleet {
        Fleet::plugs(seed, homes, 8)
    }

    /// Homes with a counter, voltage, frequency and so many switched plugs, at most
    /// [`Fleet::PLUGS_MAX`]: more are not there.
    pub fn plugs(seed: u64, homes: u32, plugs: u32) -> Fleet {
        Fleet { make: Make::Plugs(plugs.min(Fleet::PLUGS_MAX)), ..Fleet::new(seed, homes) }
    }

    /// How many homes there are, numbered from 0.
    pub fn homes(&self) -> u32 {
        self.homes
    }

    /// The name of a home's point.
    pub fn point(home: u32) -> String {
        point(home)
    }

    /// The serial of a home's device.
    pub fn device(home: u32) -> String {
        device(home)
    }

    /// What messages of this step carry, in the order samples refer to.
    pub fn streams(&self, step: Span) -> Arc<[Stream<'static>]> {
        match self.make {
            Make::Town => hub::streams(step),
            Make::Plugs(plugs) => plugs::streams(plugs),
        }
    }

    /// What every home sends at `from` and each `step` after it, before `to`:
    /// by time, then by home.
    pub fn messages(&self, from: Timestamp, to: Timestamp, step: Span) -> Messages {
        self.messages_of(0..self.homes, from, to, step)
    }

    /// The same of some homes: parts of a fleet can be sent side by side.
    pub fn messages_of(&self, homes: Range<u32>, from: Timestamp, to: Timestamp, step: Span) -> Messages {
        assert!(step > Span::ZERO, "a step leads on");
        let homes = homes.start..homes.end.min(self.homes);
        let meters = homes.clone().map(|home| self.home(home)).collect();
        Messages { first: homes.start, meters, next: 0, at: from, to, step, streams: self.streams(step) }
    }

    /// What a home really used in `[from, to)`, in the counter's last digit:
    /// watt-hours or litres. `None` where it is not connected.
    pub fn truth(&self, home: u32, used: Use, from: Timestamp, to: Timestamp) -> Option<i64> {
        let mut meter = Meter::new(self.supply(home, used)?);
        Some(meter.read(to) - meter.read(from))
    }

    /// A home's use of one thing, to put a [`Meter`] on.
    pub fn supply(&self, home: u32, used: Use) -> Option<Supply> {
        match self.make {
            Make::Plugs(_) if used != Use::Electricity => None,
            Make::Town | Make::Plugs(_) => hub::supply(self.dice.of(u64::from(home)), used),
        }
    }

    fn home(&self, home: u32) -> Home {
        let dice = self.dice.of(u64::from(home));
        match self.make {
            Make::Town => Home::Town(Box::new(hub::Home::new(dice))),
            Make::Plugs(plugs) => Home::Plugs(Box::new(plugs::Home::new(dice, plugs))),
        }
    }
}

#[derive(Clone, Debug)]
enum Home {
    Town(Box<hub::Home>),
    Plugs(Box<plugs::Home>),
}

/// Messages of a period; about half a kilobyte of memory per home and supply.
#[derive(Clone, Debug)]
pub struct Messages {
    first: u32,
    meters: Vec<Home>,
    /// Whose turn it is.
    next: usize,
    at: Timestamp,
    to: Timestamp,
    step: Span,
    streams: Arc<[Stream<'static>]>,
}

impl Iterator for Messages {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        if self.at >= self.to {
            return None;
        }
        let home = self.first + u32::try_from(self.next).expect("homes are counted in u32");
        let mut message = Message::new(home, self.at, Arc::clone(&self.streams));
        match self.meters.get_mut(self.next)? {
            Home::Town(home) => home.samples(&mut message, self.step),
            Home::Plugs(home) => home.samples(&mut message),
        }
        self.next += 1;
        if self.next == self.meters.len() {
            (self.next, self.at) = (0, self.at.plus(self.step));
        }
        Some(message)
    }
}
