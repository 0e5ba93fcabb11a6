//! The benchmark's fleet: homes by number, and their messages.

use std::ops::Range;
use std::sync::Arc;

use meter::{Span, Timestamp};
use parse::protobuf::Stream;

use crate::draw::Dice;
use crate::message::{Message, device, point};
use crate::plugs;

/// A number of homes that a seed describes completely: each with a counter, voltage,
/// frequency and some plugs.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    dice: Dice,
    homes: u32,
    /// Of each home.
    plugs: u32,
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

    /// `hdm(seed, Fleet::HDM_HOMES).messages(HDM_FROM, HDM_TO, HDM_STEP)` is the data set.
    pub fn hdm(seed: u64, homes: u32) -> Fleet {
        Fleet::plugs(seed, homes, 8)
    }

    /// Homes with so many plugs, at most [`Fleet::PLUGS_MAX`]: more are not there.
    pub fn plugs(seed: u64, homes: u32, plugs: u32) -> Fleet {
        Fleet { dice: Dice::new(seed), homes, plugs: plugs.min(Fleet::PLUGS_MAX) }
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

    /// What its messages carry, in the order samples refer to.
    pub fn streams(&self) -> Arc<[Stream<'static>]> {
        plugs::streams(self.plugs)
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
        let meters = homes.clone().map(|home| plugs::Home::new(self.dice.of(u64::from(home)), self.plugs)).collect();
        Messages { first: homes.start, meters, next: 0, at: from, to, step, streams: self.streams() }
    }
}

/// Messages of a period; about half a kilobyte of memory per home.
#[derive(Clone, Debug)]
pub struct Messages {
    first: u32,
    meters: Vec<plugs::Home>,
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
        self.meters.get_mut(self.next)?.samples(&mut message);
        self.next += 1;
        if self.next == self.meters.len() {
            (self.next, self.at) = (0, self.at.plus(self.step));
        }
        Some(message)
    }
}
