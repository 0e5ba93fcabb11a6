//! The shape of `schemas/meterhouse/v1/readings.proto`, as the reader and the
//! writer need it: which field has which number and wire type.
//!
//! A field's number is its place here, counted from 1; a test compares names,
//! numbers and types with the `.proto` file.

/// How a field stands on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Varint,
    Double,
    Text,
    Message(&'static Layout),
}

#[derive(Debug)]
pub(super) struct Layout {
    pub(super) name: &'static str,
    pub(super) fields: &'static [(&'static str, Shape)],
    /// The wire type of each field, four bits by number; 15 where there is none.
    wire_types: u64,
}

pub(super) const VARINT: u32 = 0;
pub(super) const FIXED64: u32 = 1;
pub(super) const LENGTH: u32 = 2;

pub(super) static REQUEST: Layout =
    Layout::new("Request", &[("containers", Shape::Message(&CONTAINER)), ("streams", Shape::Message(&STREAM))]);

pub(super) static CONTAINER: Layout = Layout::new(
    "Container",
    &[
        ("point", Shape::Text),
        ("device", Shape::Text),
        ("message_id", Shape::Text),
        ("created_at", Shape::Varint),
        ("base_time", Shape::Varint),
        ("identity", Shape::Varint),
        ("streams", Shape::Message(&STREAM)),
        ("measurements", Shape::Message(&MEASUREMENT)),
    ],
);

pub(super) static STREAM: Layout = Layout::new(
    "Stream",
    &[
        ("register", Shape::Text),
        ("kind", Shape::Varint),
        ("commodity", Shape::Varint),
        ("flow", Shape::Varint),
        ("phase", Shape::Varint),
        ("unit", Shape::Text),
        ("scale", Shape::Varint),
        ("span", Shape::Varint),
        ("quality", Shape::Text),
        ("reason", Shape::Text),
    ],
);

pub(super) static MEASUREMENT: Layout = Layout::new(
    "Measurement",
    &[
        ("stream", Shape::Varint),
        ("at", Shape::Varint),
        ("digits", Shape::Varint),
        ("number", Shape::Double),
        ("scale", Shape::Varint),
        ("span", Shape::Varint),
        ("quality", Shape::Text),
        ("reason", Shape::Text),
        ("flags", Shape::Varint),
        ("changed_at", Shape::Varint),
    ],
);

impl Shape {
    pub(super) const fn wire_type(self) -> u32 {
        match self {
            Shape::Varint => VARINT,
            Shape::Double => FIXED64,
            Shape::Text | Shape::Message(_) => LENGTH,
        }
    }
}

impl Layout {
    const fn new(name: &'static str, fields: &'static [(&'static str, Shape)]) -> Layout {
        let (mut wire_types, mut place) = (u64::MAX, 0);
        assert!(fields.len() < 16, "four bits each");
        while place < fields.len() {
            let shift = 4 * (place + 1);
            wire_types = wire_types & !(15 << shift) | ((fields[place].1.wire_type() as u64) << shift);
            place += 1;
        }
        Layout { name, fields, wire_types }
    }

    /// The wire type of a field this version knows.
    #[inline]
    pub(super) fn wire_type(&self, number: u32) -> Option<u32> {
        if number >= 16 {
            return None;
        }
        let found = (self.wire_types >> (4 * number)) as u32 & 15;
        (found != 15).then_some(found)
    }

    /// The tags, one bit each, of fields this version knows to be whole numbers.
    pub(super) const fn varint_tags(&self) -> u128 {
        let (mut tags, mut place) = (0, 0);
        while place < self.fields.len() {
            if self.fields[place].1.wire_type() == VARINT {
                tags |= 1 << (((place as u32 + 1) << 3) | VARINT);
            }
            place += 1;
        }
        tags
    }

    /// The shape of a field this version knows.
    pub(super) fn shape(&self, number: u32) -> Option<Shape> {
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        self.fields.get(place).map(|(_, shape)| *shape)
    }

    /// What stands before the field on the wire; a misspelt name does not compile.
    const fn tag(&self, name: &str) -> u32 {
        let mut place = 0;
        while !same(self.fields[place].0.as_bytes(), name.as_bytes()) {
            place += 1;
        }
        ((place as u32 + 1) << 3) | self.fields[place].1.wire_type()
    }
}

const fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut place = 0;
    while place < left.len() {
        if left[place] != right[place] {
            return false;
        }
        place += 1;
    }
    true
}

/// Tags of a request's fields.
pub(super) mod request {
    pub(in super::super) const CONTAINERS: u32 = super::REQUEST.tag("containers");
    pub(in super::super) const STREAMS: u32 = super::REQUEST.tag("streams");
}

/// Tags of a container's fields.
pub(super) mod container {
    pub(in super::super) const POINT: u32 = super::CONTAINER.tag("point");
    pub(in super::super) const DEVICE: u32 = super::CONTAINER.tag("device");
    pub(in super::super) const MESSAGE_ID: u32 = super::CONTAINER.tag("message_id");
    pub(in super::super) const CREATED_AT: u32 = super::CONTAINER.tag("created_at");
    pub(in super::super) const BASE_TIME: u32 = super::CONTAINER.tag("base_time");
    pub(in super::super) const IDENTITY: u32 = super::CONTAINER.tag("identity");
    pub(in super::super) const STREAMS: u32 = super::CONTAINER.tag("streams");
    pub(in super::super) const MEASUREMENTS: u32 = super::CONTAINER.tag("measurements");
}

/// Tags of a stream's fields.
pub(super) mod stream {
    pub(in super::super) const REGISTER: u32 = super::STREAM.tag("register");
    pub(in super::super) const KIND: u32 = super::STREAM.tag("kind");
    pub(in super::super) const COMMODITY: u32 = super::STREAM.tag("commodity");
    pub(in super::super) const FLOW: u32 = super::STREAM.tag("flow");
    pub(in super::super) const PHASE: u32 = super::STREAM.tag("phase");
    pub(in super::super) const UNIT: u32 = super::STREAM.tag("unit");
    pub(in super::super) const SCALE: u32 = super::STREAM.tag("scale");
    pub(in super::super) const SPAN: u32 = super::STREAM.tag("span");
    pub(in super::super) const QUALITY: u32 = super::STREAM.tag("quality");
    pub(in super::super) const REASON: u32 = super::STREAM.tag("reason");
}

/// Tags of a measurement's fields.
pub(super) mod measurement {
    pub(in super::super) const STREAM: u32 = super::MEASUREMENT.tag("stream");
    pub(in super::super) const AT: u32 = super::MEASUREMENT.tag("at");
    pub(in super::super) const DIGITS: u32 = super::MEASUREMENT.tag("digits");
    pub(in super::super) const NUMBER: u32 = super::MEASUREMENT.tag("number");
    pub(in super::super) const SCALE: u32 = super::MEASUREMENT.tag("scale");
    pub(in super::super) const SPAN: u32 = super::MEASUREMENT.tag("span");
    pub(in super::super) const QUALITY: u32 = super::MEASUREMENT.tag("quality");
    pub(in super::super) const REASON: u32 = super::MEASUREMENT.tag("reason");
    pub(in super::super) const FLAGS: u32 = super::MEASUREMENT.tag("flags");
    pub(in super::super) const CHANGED_AT: u32 = super::MEASUREMENT.tag("changed_at");
}
