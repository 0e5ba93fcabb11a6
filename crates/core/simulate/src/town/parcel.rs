//! What a meter sends: the half-hours of a period and the counter's midnights, or
//! what it shows right now.
//!
//! Promise: half-hours of a period sum to what the meter counted in it; a parcel
//! names one device only, so an exchange ends one and begins another.

use meter::{Commodity, Flags, Flow, Kind, Phase, Span, Timestamp};
use parse::protobuf::{Container, Measurement, Stream, Value, Writer};

use super::gauge::Gauge;
use super::home::{Home, Medium};
use super::transformer::Transformer;
use super::window::HALF_HOUR;

const DAY: Span = Span::from_minutes(24 * 60);
/// A closing read stands so long before the new device's first: their instants differ.
const CLOSING: Span = Span::from_seconds(1);

/// What all parcels measure; values name their stream by its place here.
pub static STREAMS: [Stream<'static>; 10] = [
    half_hours("1-0:1.29.0", Commodity::Electricity, Flow::Delivered, "kWh"),
    counter("1-0:1.8.0", Commodity::Electricity, Flow::Delivered, "kWh"),
    half_hours("1-0:2.29.0", Commodity::Electricity, Flow::Received, "kWh"),
    counter("1-0:2.8.0", Commodity::Electricity, Flow::Received, "kWh"),
    half_hours("8-0:1.29.0", Commodity::Water, Flow::Delivered, "m3"),
    counter("8-0:1.0.0", Commodity::Water, Flow::Delivered, "m3"),
    half_hours("6-0:1.29.0", Commodity::Heat, Flow::Delivered, "kWh"),
    counter("6-0:1.0.0", Commodity::Heat, Flow::Delivered, "kWh"),
    spot("1-0:32.7.0", Flow::None, Phase::L1, "V", 1),
    spot("1-0:1.7.0", Flow::Delivered, Phase::All, "W", 0),
];
const VOLTAGE: u32 = 8;
const POWER: u32 = 9;

const fn half_hours(register: &'static str, commodity: Commodity, flow: Flow, unit: &'static str) -> Stream<'static> {
    Stream { kind: Some(Kind::Interval), span: HALF_HOUR, ..counter(register, commodity, flow, unit) }
}

const fn counter(register: &'static str, commodity: Commodity, flow: Flow, unit: &'static str) -> Stream<'static> {
    let (kind, phase, span) = (Some(Kind::Register), Phase::All, Span::ZERO);
    Stream { register, kind, commodity, flow, phase, unit, scale: 3, span, quality: "", reason: "" }
}

const fn spot(register: &'static str, flow: Flow, phase: Phase, unit: &'static str, scale: u32) -> Stream<'static> {
    let electricity = counter(register, Commodity::Electricity, flow, unit);
    Stream { kind: Some(Kind::Spot), phase, scale, ..electricity }
}

impl Medium {
    /// The place of its half-hours in [`STREAMS`].
    pub fn half_hours(self) -> u32 {
        2 * self as u32
    }

    /// The place of its counter in [`STREAMS`].
    pub fn counter(self) -> u32 {
        self.half_hours() + 1
    }

    /// The first letters of the serials of the devices that count it.
    fn serial(self) -> &'static str {
        match self {
            Medium::Electricity | Medium::FeedIn => "MH",
            Medium::Water => "MW",
            Medium::Heat => "MT",
        }
    }
}

/// One number that a meter sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Its place in [`STREAMS`].
    pub stream: u32,
    /// Start of the half-hour, or the instant of the read.
    pub start: Timestamp,
    /// In the last digit of the stream's scale.
    pub digits: i64,
    /// What the meter noted beside it.
    pub flags: Flags,
}

/// What one device sends at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// The place that is metered.
    pub point: String,
    /// Serial of the device.
    pub device: String,
    /// When it was made; nothing in it is newer.
    pub made_at: Timestamp,
    /// Stream by stream, each by time.
    pub values: Vec<Measured>,
}

/// The name of a home's point.
pub fn point(home: u32) -> String {
    format!("home-{home:06}")
}

fn device(medium: Medium, home: u32, device: u32) -> String {
    format!("{}{:07}", medium.serial(), device * 1_000_000 + home)
}

impl Parcel {
    /// Adds it to a request that declares [`STREAMS`].
    pub fn write(&self, request: &mut Writer) {
        let Some(first) = self.values.iter().map(|measured| measured.start).min() else { return };
        let measurement = |measured: &Measured| Measurement {
            stream: measured.stream,
            at: Span(measured.start.0 - first.0),
            value: Some(Value::Digits(measured.digits)),
            flags: measured.flags,
            ..Measurement::default()
        };
        let measurements: Vec<_> = self.values.iter().map(measurement).collect();
        request.container(&Container {
            point: &self.point,
            device: &self.device,
            message_id: &format!("{}-{}-{}", self.device, self.values[0].stream, self.made_at.0 / 1_000_000),
            created_at: Some(self.made_at),
            base_time: Some(first),
            measurements: &measurements,
            ..Container::default()
        });
    }
}

/// Declares [`STREAMS`] to a request.
pub fn declare(request: &mut Writer) {
    STREAMS.iter().for_each(|stream| request.stream(stream));
}

/// Several parcels as one request, its streams declared.
pub fn request(parcels: &[Parcel]) -> Vec<u8> {
    let mut request = Writer::new();
    declare(&mut request);
    parcels.iter().for_each(|parcel| parcel.write(&mut request));
    request.into_body()
}

impl Home {
    /// The half-hours of a medium in `[from, to)` and its counter at the midnights after
    /// `from` up to `to`, a parcel a device. `from` and `to` lie on the grid.
    pub fn half_hours(&self, medium: Medium, from: Timestamp, to: Timestamp) -> Vec<Parcel> {
        let Some(gauge) = self.gauge(medium) else { return Vec::new() };
        let mut parcels = vec![self.parcel(medium, gauge, from, to)];
        for at in gauge.exchanges().filter(|at| (from..to).contains(at)) {
            self.exchange(&mut parcels, medium, gauge, at);
        }
        parcels
    }

    fn parcel(&self, medium: Medium, gauge: &Gauge, from: Timestamp, to: Timestamp) -> Parcel {
        let slots = (to.0 - from.0) / HALF_HOUR.0;
        let (mut reader, stream) = (gauge.reader(), medium.half_hours());
        let mut values = Vec::with_capacity((slots + slots / 48 + 2) as usize);
        let mut before = reader.total(from);
        for slot in 0..slots {
            let start = Timestamp(from.0 + slot * HALF_HOUR.0);
            let end = start.plus(HALF_HOUR);
            let total = reader.total(end);
            values.push(Measured { stream, start, digits: total - before, flags: gauge.noted(start, end) });
            before = total;
        }
        let stream = medium.counter();
        let mut midnight = Timestamp((from.0.div_euclid(DAY.0) + 1) * DAY.0);
        while midnight <= to {
            let digits = reader.read(midnight).digits;
            values.push(Measured { stream, start: midnight, digits, flags: Flags::default() });
            midnight = midnight.plus(DAY);
        }
        let device = device(medium, self.number(), reader.read(from).device);
        Parcel { point: point(self.number()), device, made_at: to, values }
    }

    /// Splits the last parcel where another device takes over, and adds the closing
    /// and the opening read. The half-hour in which it happens is the new device's.
    fn exchange(&self, parcels: &mut Vec<Parcel>, medium: Medium, gauge: &Gauge, at: Timestamp) {
        let Some(last) = parcels.last_mut() else { return };
        let mut reader = gauge.reader();
        let flags = Flags::EXCHANGE;
        let read = |start, digits| Measured { stream: medium.counter(), start, digits, flags };
        let opening = reader.read(at);
        let is_old = |measured: &Measured| {
            let span = STREAMS[measured.stream as usize].span;
            measured.start.plus(span) <= at && measured.start < at
        };
        let (mut old, mut new): (Vec<_>, Vec<_>) = last.values.iter().partition(|measured| is_old(measured));
        old.push(read(Timestamp(at.0 - CLOSING.0), reader.closing(at).digits));
        match new.iter_mut().find(|measured| measured.stream == medium.counter() && measured.start == at) {
            Some(midnight) => midnight.flags = flags,
            None => new.push(read(at, opening.digits)),
        }
        last.values = old;
        let device = device(medium, self.number(), opening.device);
        let parcel = Parcel { device, values: new, ..last.clone() };
        parcels.push(parcel);
    }

    /// What its meters show at an instant: counters, power and voltage, a parcel a device.
    pub fn now(&self, at: Timestamp) -> Vec<Parcel> {
        let mut parcels: Vec<Parcel> = Vec::new();
        for (medium, gauge) in Medium::ALL.into_iter().filter_map(|medium| Some((medium, self.gauge(medium)?))) {
            let mut reader = gauge.reader();
            let read = reader.read(at);
            let flags = if gauge.is_out(at) { Flags::OUTAGE } else { Flags::default() };
            let shown = |stream, digits| Measured { stream, start: at, digits, flags };
            let mut values = vec![shown(medium.counter(), read.digits)];
            if medium == Medium::Electricity {
                values.push(shown(VOLTAGE, self.voltage_decivolts(at)));
                values.push(shown(POWER, reader.rate(at)));
            }
            let device = device(medium, self.number(), read.device);
            match parcels.iter_mut().find(|parcel| parcel.device == device) {
                Some(parcel) => parcel.values.extend(values),
                None => parcels.push(Parcel { point: point(self.number()), device, made_at: at, values }),
            }
        }
        parcels
    }
}

impl Transformer {
    /// Its half-hours in `[from, to)`, both ways.
    pub fn half_hours(&self, from: Timestamp, to: Timestamp) -> Parcel {
        let bounds: Vec<Timestamp> =
            (0..=(to.0 - from.0) / HALF_HOUR.0).map(|slot| Timestamp(from.0 + slot * HALF_HOUR.0)).collect();
        let slots = self.slots(&bounds);
        let mut values = Vec::with_capacity(2 * slots.len());
        for (medium, sent) in [(Medium::Electricity, true), (Medium::FeedIn, false)] {
            values.extend(bounds.iter().zip(&slots).map(|(start, slot)| Measured {
                stream: medium.half_hours(),
                start: *start,
                digits: if sent { slot.delivered } else { slot.received },
                flags: if slot.dark_s > 0 { Flags::OUTAGE } else { Flags::default() },
            }));
        }
        Parcel { point: self.point(), device: format!("MS{:07}", self.number()), made_at: to, values }
    }
}
