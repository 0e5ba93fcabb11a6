//! What lies in the lake: how many channels, how long, and every value of it.
//!
//! Promise: a value is a function of the seed, its channel and its place in time,
//! so what is stored can be compared with what was sent without keeping either.

use bytes::Bytes;
use meter::{Commodity, Flow, Kind, Span, Timestamp};
use parse::protobuf::{Container, Measurement, Stream, Value, Writer};

/// 2023-01-01T00:00:00Z.
const FROM: Timestamp = Timestamp(1_672_531_200_000_000);
const DAY: i64 = 86_400_000_000;
/// Containers of a body: with a day of quarter-hours in each about 90 kB.
const CONTAINERS: u32 = 100;
/// Of a household's day, hour by hour, in percent of its mean.
const HOURS: [i64; 24] =
    [55, 48, 45, 44, 46, 58, 85, 115, 118, 105, 98, 102, 110, 104, 95, 92, 100, 125, 150, 165, 158, 135, 100, 72];

/// A rectangle of readings: kWh of equal intervals, three decimals.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub name: &'static str,
    pub channels: u32,
    /// Of each channel.
    pub readings: u32,
    pub step: Span,
    seed: u64,
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
        Shape { name: "1000x100000", channels: 1_000, readings, step: Span::from_minutes(15), seed }
    }

    /// A million meters with half-hours of two days and four hours, a message a day.
    pub fn wide(seed: u64, rows: u64) -> Shape {
        let channels = u32::try_from(rows / 100).unwrap_or(u32::MAX).max(1);
        Shape { name: "1000000x100", channels, readings: 100, step: Span::from_minutes(30), seed }
    }

    pub fn rows(&self) -> u64 {
        u64::from(self.channels) * u64::from(self.readings)
    }

    pub fn bodies(&self) -> u64 {
        u64::from(self.days()) * u64::from(self.channels.div_ceil(CONTAINERS))
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

    /// In watt-hours.
    pub fn digits(&self, channel: u32, reading: u32) -> i64 {
        let home = mix(self.seed ^ (u64::from(channel) << 32));
        let hour = (self.at(reading).0.rem_euclid(DAY) / 3_600_000_000) as usize;
        // 150 to 850 W, and a spread from half to twice that.
        let mean_wh = (150 + (home % 700) as i64) * self.step.0 / 3_600_000_000;
        let spread = 50 + (mix(home ^ u64::from(reading)) % 150) as i64;
        mean_wh * HOURS[hour] * spread / 10_000
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

    /// Body by body: a day of all meters after the other, as a head-end delivers them.
    pub fn encoded(self) -> impl Iterator<Item = Bytes> {
        let starts = move |day| (0..self.channels).step_by(CONTAINERS as usize).map(move |channel| (day, channel));
        (0..self.days()).flat_map(starts).map(move |(day, channel)| self.body(day, channel))
    }

    fn readings_a_day(&self) -> u32 {
        u32::try_from(DAY / self.step.0).expect("at most a minute's")
    }

    fn days(&self) -> u32 {
        self.readings.div_ceil(self.readings_a_day())
    }

    fn body(&self, day: u32, first: u32) -> Bytes {
        let from = day * self.readings_a_day();
        let readings = from..self.readings.min(from + self.readings_a_day());
        let mut request = Writer::new();
        request.stream(&Stream {
            register: "1-1:1.29.0",
            kind: Some(Kind::Interval),
            commodity: Commodity::Electricity,
            flow: Flow::Delivered,
            unit: "kWh",
            scale: 3,
            span: self.step,
            ..Stream::default()
        });
        let mut measurements = Vec::with_capacity(readings.len());
        for channel in first..self.channels.min(first + CONTAINERS) {
            measurements.clear();
            measurements.extend(readings.clone().map(|reading| Measurement {
                at: Span(i64::from(reading - from) * self.step.0),
                value: Some(Value::Digits(self.digits(channel, reading))),
                ..Measurement::default()
            }));
            request.container(&Container {
                point: &self.point(channel),
                device: &format!("MH{channel:07}"),
                created_at: Some(self.at(readings.end)),
                base_time: Some(self.at(from)),
                measurements: &measurements,
                ..Container::default()
            });
        }
        Bytes::from(request.into_body())
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
            assert_eq!(shape.encoded().count() as u64, shape.bodies());
        }
    }
}
