//! Writes requests: for simulated meters, load and tests.
//!
//! It writes what it is told, wrong or right, and fields in the order of their
//! numbers; defaults are left out, as any protobuf library does.

use meter::{Commodity, Flags, Flow, Identity, Kind, Phase, Span, Timestamp};

use super::schema::{FIXED64, container, measurement, request, stream};

/// See `Container` in the schema.
#[derive(Clone, Copy, Debug, Default)]
pub struct Container<'a> {
    /// The place that is metered.
    pub point: &'a str,
    /// Serial of the device.
    pub device: &'a str,
    /// The same for the same message sent again.
    pub message_id: &'a str,
    /// When the message was made; `None` leaves it to the time of arrival.
    pub created_at: Option<Timestamp>,
    /// What [`Measurement::at`] counts from; `None` means `created_at`.
    pub base_time: Option<Timestamp>,
    /// Whether the device names the streams too.
    pub identity: Identity,
    /// Empty: the request's streams are meant.
    pub streams: &'a [Stream<'a>],
    /// What was measured.
    pub measurements: &'a [Measurement<'a>],
}

/// See `Stream` in the schema.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stream<'a> {
    /// The register's name in the source's words.
    pub register: &'a str,
    /// `None` is what a sender writes that forgot it.
    pub kind: Option<Kind>,
    /// What is delivered.
    pub commodity: Commodity,
    /// In which direction.
    pub flow: Flow,
    /// On which conductor.
    pub phase: Phase,
    /// As the source spells it.
    pub unit: &'a str,
    /// Digits after the decimal point, 0 to 18.
    pub scale: u32,
    /// Length of an interval; zero for register reads and spot values.
    pub span: Span,
    /// The source's quality word; empty means measured.
    pub quality: &'a str,
    /// The source's reason code.
    pub reason: &'a str,
}

/// See `Measurement` in the schema.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measurement<'a> {
    /// Which stream, counted from 0.
    pub stream: u32,
    /// From the container's base time.
    pub at: Span,
    /// `None` is what a sender writes that forgot it.
    pub value: Option<Value>,
    /// Instead of the stream's.
    pub scale: Option<u32>,
    /// Instead of the stream's.
    pub span: Option<Span>,
    /// Instead of the stream's.
    pub quality: Option<&'a str>,
    /// Instead of the stream's.
    pub reason: Option<&'a str>,
    /// Circumstances.
    pub flags: Flags,
    /// When the source last changed this reading; `None` means `created_at`.
    pub changed_at: Option<Timestamp>,
}

/// A quantity in either of the two ways a sender may write it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// The number without its decimal point.
    Digits(i64),
    /// Read as the shortest decimal that gives this double.
    Number(f64),
}

/// A request being written. [`Writer::clear`] keeps its memory for the next.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    body: Vec<u8>,
    /// Where lengths are not known before their messages are written.
    outer: Vec<u8>,
    inner: Vec<u8>,
}

impl Writer {
    /// An empty request.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// Declares a stream for the containers that declare none.
    pub fn stream(&mut self, declared: &Stream<'_>) {
        self.inner.clear();
        write_stream(&mut self.inner, declared);
        bytes(&mut self.body, request::STREAMS, &self.inner);
    }

    /// Adds a container.
    pub fn container(&mut self, written: &Container<'_>) {
        let out = &mut self.outer;
        out.clear();
        text(out, container::POINT, written.point);
        text(out, container::DEVICE, written.device);
        text(out, container::MESSAGE_ID, written.message_id);
        int(out, container::CREATED_AT, written.created_at.map_or(0, |at| at.0.cast_unsigned()));
        optional(out, container::BASE_TIME, written.base_time.map(|at| at.0.cast_unsigned()));
        int(out, container::IDENTITY, u64::from(written.identity == Identity::Device));
        for declared in written.streams {
            self.inner.clear();
            write_stream(&mut self.inner, declared);
            bytes(out, container::STREAMS, &self.inner);
        }
        for measured in written.measurements {
            self.inner.clear();
            write_measurement(&mut self.inner, measured);
            bytes(out, container::MEASUREMENTS, &self.inner);
        }
        bytes(&mut self.body, request::CONTAINERS, &self.outer);
    }

    /// The request so far.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The request so far, given away.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// Begins the next request.
    pub fn clear(&mut self) {
        self.body.clear();
    }
}

fn write_stream(out: &mut Vec<u8>, declared: &Stream<'_>) {
    text(out, stream::REGISTER, declared.register);
    int(out, stream::KIND, declared.kind.map_or(0, |kind| u64::from(kind.code()) + 1));
    int(out, stream::COMMODITY, u64::from(declared.commodity.code()));
    int(out, stream::FLOW, u64::from(declared.flow.code()));
    int(out, stream::PHASE, u64::from(declared.phase.code()));
    text(out, stream::UNIT, declared.unit);
    int(out, stream::SCALE, u64::from(declared.scale));
    int(out, stream::SPAN, declared.span.0.cast_unsigned());
    text(out, stream::QUALITY, declared.quality);
    text(out, stream::REASON, declared.reason);
}

fn write_measurement(out: &mut Vec<u8>, measured: &Measurement<'_>) {
    int(out, measurement::STREAM, u64::from(measured.stream));
    int(out, measurement::AT, zigzag(measured.at.0));
    match measured.value {
        None => {}
        Some(Value::Digits(digits)) => optional(out, measurement::DIGITS, Some(zigzag(digits))),
        Some(Value::Number(number)) => {
            varint(out, u64::from(measurement::NUMBER));
            debug_assert_eq!(measurement::NUMBER & 7, FIXED64);
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
    optional(out, measurement::SCALE, measured.scale.map(u64::from));
    optional(out, measurement::SPAN, measured.span.map(|span| span.0.cast_unsigned()));
    if let Some(quality) = measured.quality {
        bytes(out, measurement::QUALITY, quality.as_bytes());
    }
    if let Some(reason) = measured.reason {
        bytes(out, measurement::REASON, reason.as_bytes());
    }
    int(out, measurement::FLAGS, u64::from(measured.flags.0));
    optional(out, measurement::CHANGED_AT, measured.changed_at.map(|at| at.0.cast_unsigned()));
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// A field whose absence means zero.
fn int(out: &mut Vec<u8>, tag: u32, value: u64) {
    optional(out, tag, (value != 0).then_some(value));
}

/// A field whose absence means something else.
pub(super) fn optional(out: &mut Vec<u8>, tag: u32, value: Option<u64>) {
    if let Some(value) = value {
        varint(out, u64::from(tag));
        varint(out, value);
    }
}

fn text(out: &mut Vec<u8>, tag: u32, value: &str) {
    if !value.is_empty() {
        bytes(out, tag, value.as_bytes());
    }
}

pub(super) fn bytes(out: &mut Vec<u8>, tag: u32, value: &[u8]) {
    varint(out, u64::from(tag));
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}
