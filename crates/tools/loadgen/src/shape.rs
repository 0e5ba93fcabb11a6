//! What lies in the lake: how many channels, how long, and every value of it.
//!
//! Promise: a value is a function of the seed, its channel and its place in time,
//! so what is stored can be compared with what was sent without keeping either.

use std::ops::Range;

use bytes::Bytes;
use meter::{Commodity, Flow, Kind, Span, Timestamp};
use parse::protobuf::{Container, Measurement, Stream, Value, Writer};

use crate::sent::Sent;
use crate::source::{Body, Order};

/// 2023-01-01T00:00:00Z.
const FROM: Timestamp = Timestamp(1_672_531_200_000_000);
const DAY: i64 = 86_400_000_000;
/// Of a household's day, hour by hour, in percent of its mean.
const HOURS: [i64; 24] =
    [55, 48, 45, 44, 46, 58, 85, 115, 118, 105, 98, 102, 110, 104, 95, 92, 100, 125, 150, 165, 158, 135, 100, 72];

/// What a meter of a shape says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// kWh of equal intervals, three decimals.
    Intervals,
    /// What a water meter's counter shows, in litres; each meter is passed at an hour of its own.
    Counter,
}

/// A rectangle of readings: every meter has as many.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub name: &'static str,
    pub says: Says,
    pub channels: u32,
    /// Of each channel.
    pub readings: u32,
    pub step: Span,
    /// Readings of a message, which begin at a multiple of it.
    pub a_message: u32,
    pub seed: u64,
}

/// Count and sum of the digits of some values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    pub count: u64,
    pub digits: i64,
}

impl Total {
    pub fn add(&mut self, digits: i64) {
        self.count += 1;
        self.digits += digits;
    }
}

impl Shape {
    /// A thousand meters with quarter-hours of almost three years, a message a day.
    pub fn long(seed: u64, rows: u64) -> Shape {
        let readings = u32::try_from(rows / 1_000).unwrap_or(u32::MAX).max(1);
        let days = Shape::days_of(Span::from_minutes(15));
        Shape { name: "1000x100000", channels: 1_000, readings, seed, ..days }
    }

    /// A million meters with half-hours of two days and four hours, a message a day.
    pub fn wide(seed: u64, rows: u64) -> Shape {
        let channels = u32::try_from(rows / 100).unwrap_or(u32::MAX).max(1);
        let days = Shape::days_of(Span::from_minutes(30));
        Shape { name: "1000000x100", channels, readings: 100, seed, ..days }
    }

    fn days_of(step: Span) -> Shape {
        let a_message = u32::try_from(DAY / step.0).expect("at most a minute's");
        Shape { name: "days", says: Says::Intervals, channels: 0, readings: 0, step, a_message, seed: 0 }
    }

    pub fn rows(&self) -> u64 {
        u64::from(self.channels) * u64::from(self.readings)
    }

    /// Messages of all meters.
    pub fn messages(&self) -> u64 {
        u64::from(self.readings.div_ceil(self.a_message)) * u64::from(self.channels)
    }

    pub fn point(&self, channel: u32) -> String {
        format!("meter-{channel:07}")
    }

    pub fn at(&self, reading: u32) -> Timestamp {
        Timestamp(FROM.0 + i64::from(reading) * self.step.0)
    }

    /// Days since 1970 of a reading, in UTC.
    pub fn day(&self, reading: u32) -> i64 {
        self.at(reading).0.div_euclid(DAY)
    }

    /// Watt-hours of the interval, or what the counter shows.
    pub fn digits(&self, channel: u32, reading: u32) -> i64 {
        let home = mix(self.seed ^ (u64::from(channel) << 32));
        let spread = 50 + (mix(home ^ u64::from(reading)) % 150) as i64;
        match self.says {
            Says::Intervals => {
                let hour = (self.at(reading).0.rem_euclid(DAY) / 3_600_000_000) as usize;
                // 150 to 850 W, and a spread from half to twice that.
                let mean_wh = (150 + (home % 700) as i64) * self.step.0 / 3_600_000_000;
                mean_wh * HOURS[hour] * spread / 10_000
            }
            Says::Counter => {
                // 80 to 480 litres a day: what a step adds is never less than half of that.
                let mean_l = (80 + (home % 400) as i64) * self.step.0 / DAY;
                (home >> 40) as i64 + mean_l * i64::from(reading) + mean_l * spread / 400
            }
        }
    }

    /// Where the reading of a channel stands in time.
    fn start(&self, channel: u32, reading: u32) -> Timestamp {
        let at = self.at(reading);
        match self.says {
            Says::Intervals => at,
            Says::Counter => at.plus(Span(i64::from(channel % 72) * 600_000_000)),
        }
    }

    /// The readings of a channel that start within these times.
    pub fn within(&self, channel: u32, from: Timestamp, before: Timestamp) -> Total {
        let mut total = Total::default();
        for reading in 0..self.readings {
            if (from..before).contains(&self.at(reading)) {
                total.add(self.digits(channel, reading));
            }
        }
        total
    }

    /// The whole lake, day by day.
    pub fn by_day(&self) -> Vec<(i64, Total)> {
        let mut days: Vec<(i64, Total)> = Vec::new();
        for reading in 0..self.readings {
            if days.last().is_none_or(|(day, _)| *day != self.day(reading)) {
                days.push((self.day(reading), Total::default()));
            }
            let (_, total) = days.last_mut().expect("was just made");
            (0..self.channels).for_each(|channel| total.add(self.digits(channel, reading)));
        }
        days
    }

    /// Body by body: a message of all meters after the other, as a head-end delivers them.
    pub fn bodies(&self, readings: Range<u32>, request: usize, order: Order) -> impl Iterator<Item = Body> + use<> {
        let shape = *self;
        let places = readings.start / self.a_message..readings.end.div_ceil(self.a_message);
        let count = places.len() as u32;
        let in_turn = move |turn| match order {
            Order::OldestFirst => places.start + turn,
            Order::NewestFirst => places.end - 1 - turn,
        };
        let starts = move |place| (0..shape.channels).step_by(request).map(move |channel| (place, channel));
        (0..count).map(in_turn).flat_map(starts).map(move |(place, channel)| {
            let from = place * shape.a_message;
            let these = from.max(readings.start)..readings.end.min(from + shape.a_message);
            shape.body(these, channel..shape.channels.min(channel.saturating_add(request as u32)))
        })
    }

    pub fn sent(&self) -> Sent {
        let register = self.stream().register;
        let scale = self.stream().scale;
        Sent::of_parts(self.channels, |channels| {
            let (mut sent, mut line) = (Sent::default(), Vec::new());
            for channel in channels {
                let point = self.point(channel);
                for reading in 0..self.readings {
                    let at = self.start(channel, reading).0;
                    sent.note(&mut line, &point, register, at, self.digits(channel, reading), scale);
                }
            }
            sent
        })
    }

    fn stream(&self) -> Stream<'static> {
        match self.says {
            Says::Intervals => Stream {
                register: "1-1:1.29.0",
                kind: Some(Kind::Interval),
                commodity: Commodity::Electricity,
                flow: Flow::Delivered,
                unit: "kWh",
                scale: 3,
                span: self.step,
                ..Stream::default()
            },
            Says::Counter => Stream {
                register: "8-0:1.0.0",
                kind: Some(Kind::Register),
                commodity: Commodity::Water,
                flow: Flow::Delivered,
                unit: "m3",
                scale: 3,
                ..Stream::default()
            },
        }
    }

    fn body(&self, readings: Range<u32>, channels: Range<u32>) -> Body {
        let mut request = Writer::new();
        let stream = [self.stream()];
        let shared = channels.len() > 1;
        if shared {
            request.stream(&stream[0]);
        }
        let messages = channels.len() as u32;
        let mut measurements = Vec::with_capacity(readings.len());
        for channel in channels {
            measurements.clear();
            measurements.extend(readings.clone().map(|reading| Measurement {
                at: Span(i64::from(reading - readings.start) * self.step.0),
                value: Some(Value::Digits(self.digits(channel, reading))),
                ..Measurement::default()
            }));
            request.container(&Container {
                point: &self.point(channel),
                device: &format!("MH{channel:07}"),
                created_at: Some(self.start(channel, readings.end)),
                base_time: Some(self.start(channel, readings.start)),
                streams: if shared { &[] } else { &stream },
                measurements: &measurements,
                ..Container::default()
            });
        }
        Body { bytes: Bytes::from(request.into_body()), messages }
    }
}

/// The finaliser of SplitMix64.
const fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_together_are_all_of_it() {
        for shape in [Shape::long(1, 200_000), Shape::wide(1, 20_000)] {
            let days = shape.by_day();
            assert_eq!(days.iter().map(|(_, total)| total.count).sum::<u64>(), shape.rows());
            let channels = (0..shape.channels).map(|channel| shape.within(channel, Timestamp::MIN, Timestamp::MAX));
            let digits: i64 = channels.map(|total| total.digits).sum();
            assert_eq!(days.iter().map(|(_, total)| total.digits).sum::<i64>(), digits);
            let bodies = shape.bodies(0..shape.readings, 100, Order::OldestFirst);
            assert_eq!(bodies.map(|body| u64::from(body.messages)).sum::<u64>(), shape.messages());
        }
    }
}
