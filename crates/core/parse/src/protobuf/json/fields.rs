//! One object of JSON, written as the protobuf message of the same content.
//!
//! The readers of protobuf then give it its meaning: there is one meaning of a
//! request, however it is spelled.

use meter::Timestamp;

use super::check::shown;
use super::fault::{Fault, What};
use super::scalar::{self, As, INT64, Moment, UINT32};
use super::scan::{Text, Value};
use crate::protobuf::schema::{CONTAINER, Layout, MEASUREMENT, STREAM, container, measurement};
use crate::protobuf::write::{bytes, optional, zigzag};

/// A message's layout, and what each of its fields may be, in the same order.
pub(super) struct Object {
    pub(super) layout: &'static Layout,
    pub(super) fields: &'static [As],
}

pub(in crate::protobuf) const IDENTITIES: [&str; 2] = ["POINT", "DEVICE"];
pub(in crate::protobuf) const KINDS: [&str; 4] = ["UNSPECIFIED", "INTERVAL", "REGISTER", "SPOT"];
pub(in crate::protobuf) const COMMODITIES: [&str; 6] = ["UNKNOWN", "ELECTRICITY", "GAS", "WATER", "HEAT", "COOLING"];
pub(in crate::protobuf) const FLOWS: [&str; 4] = ["NONE", "DELIVERED", "RECEIVED", "NET"];
pub(in crate::protobuf) const PHASES: [&str; 5] = ["ALL", "L1", "L2", "L3", "NEUTRAL"];

static OF_CONTAINER: Object = Object {
    layout: &CONTAINER,
    fields: &[
        As::Text,
        As::Text,
        As::Text,
        As::Instant,
        As::Instant,
        As::Code("IDENTITY_", &IDENTITIES),
        As::List,
        As::List,
    ],
};

static OF_STREAM: Object = Object {
    layout: &STREAM,
    fields: &[
        As::Text,
        As::Code("KIND_", &KINDS),
        As::Code("COMMODITY_", &COMMODITIES),
        As::Code("FLOW_", &FLOWS),
        As::Code("PHASE_", &PHASES),
        As::Text,
        UINT32,
        INT64,
        As::Text,
        As::Text,
    ],
};

static OF_MEASUREMENT: Object = Object {
    layout: &MEASUREMENT,
    fields: &[UINT32, As::Start, INT64, As::Number, UINT32, INT64, As::Text, As::Text, UINT32, As::Instant],
};

/// A container's lists, and what its measurements' times count from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lists<'a> {
    pub(super) streams: Option<Value<'a>>,
    pub(super) measurements: Option<Value<'a>>,
    pub(super) base_us: i64,
}

/// Which field of a message a key names, as in the schema or in lowerCamelCase.
pub(super) fn place_of(layout: &Layout, key: Text<'_>) -> Option<usize> {
    let mut unescaped = Vec::new();
    let key = if key.0.contains(&b'\\') {
        key.write(&mut unescaped);
        &unescaped
    } else {
        key.0
    };
    layout.fields.iter().position(|(name, _)| key == name.as_bytes() || is_camel(key, name))
}

/// Whether `key` is `name` with a capital for each underscore.
fn is_camel(key: &[u8], name: &str) -> bool {
    let mut left = key.iter();
    let mut after_mark = false;
    for byte in name.bytes() {
        if byte == b'_' {
            after_mark = true;
            continue;
        }
        let wanted = if after_mark { byte.to_ascii_uppercase() } else { byte };
        if left.next() != Some(&wanted) {
            return false;
        }
        after_mark = false;
    }
    left.next().is_none()
}

/// Everything of a container but its lists.
pub(super) fn container<'a>(value: Value<'a>, out: &mut Vec<u8>) -> Result<Lists<'a>, Fault> {
    let mut lists = Lists::default();
    let (mut created_at, mut base_time) = (0, None);
    each(&OF_CONTAINER, value, |tag, field, value| {
        match (tag, field) {
            (container::STREAMS | container::MEASUREMENTS, _) => {
                if value.elements().is_none() {
                    return Err(What::wrong_type(value, "a list"));
                }
                let list = if tag == container::STREAMS { &mut lists.streams } else { &mut lists.measurements };
                *list = Some(value);
            }
            (container::CREATED_AT, _) => {
                created_at = instant(value)?;
                number(out, tag, created_at.cast_unsigned());
            }
            (container::BASE_TIME, _) => {
                let at = instant(value)?;
                base_time = Some(at);
                number(out, tag, at.cast_unsigned());
            }
            _ => plain(tag, field, value, out)?,
        }
        Ok(())
    })?;
    lists.base_us = base_time.unwrap_or(created_at);
    Ok(lists)
}

pub(super) fn stream(value: Value<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    each(&OF_STREAM, value, |tag, field, value| plain(tag, field, value, out))
}

/// A measurement of a container whose times count from `base_us`.
pub(super) fn measurement(value: Value<'_>, base_us: i64, out: &mut Vec<u8>) -> Result<(), Fault> {
    let (mut decimal, mut has_digits) = (None, false);
    each(&OF_MEASUREMENT, value, |tag, field, value| {
        match (tag, field) {
            (measurement::AT, _) => {
                let at = match scalar::moment(value)? {
                    Moment::Microseconds(at) => at,
                    // Beyond `i64` only from a base that is no time itself, and is refused.
                    Moment::Instant(Timestamp(at)) => at.wrapping_sub(base_us),
                };
                number(out, tag, zigzag(at));
            }
            (measurement::DIGITS, As::Whole(least, most)) => {
                has_digits = true;
                number(out, tag, zigzag(scalar::whole(value, least, most)?));
            }
            (measurement::NUMBER, _) => decimal = Some(scalar::number(value)?),
            _ => plain(tag, field, value, out)?,
        }
        Ok(())
    })?;
    if let Some(decimal) = decimal {
        if has_digits {
            return Err(Fault { field: "", what: What::Both });
        }
        // Behind a scale of its own, which does not apply to it.
        number(out, measurement::DIGITS, zigzag(decimal.value));
        number(out, measurement::SCALE, decimal.scale.into());
    }
    Ok(())
}

/// Each field that is there, with its tag; `null` is not.
fn each<'a>(
    object: &'static Object,
    value: Value<'a>,
    mut take: impl FnMut(u32, As, Value<'a>) -> Result<(), What>,
) -> Result<(), Fault> {
    let layout = object.layout;
    let of_itself = |what| Fault { field: "", what };
    let members = value.members().ok_or_else(|| of_itself(What::wrong_type(value, "an object")))?;
    let mut seen = 0_u32;
    for (key, value) in members {
        let place = place_of(layout, key).ok_or_else(|| of_itself(unknown(layout, key)))?;
        let (field, shape) = layout.fields[place];
        let fault = |what| Fault { field, what };
        if seen & (1 << place) != 0 {
            return Err(fault(What::Twice));
        }
        seen |= 1 << place;
        if !value.is_null() {
            let tag = ((place as u32 + 1) << 3) | shape.wire_type();
            take(tag, object.fields[place], value).map_err(fault)?;
        }
    }
    Ok(())
}

/// A field whose meaning stands in its type.
fn plain(tag: u32, field: As, value: Value<'_>, out: &mut Vec<u8>) -> Result<(), What> {
    match field {
        As::Text => {
            let mut text = Vec::new();
            scalar::text(value)?.write(&mut text);
            bytes(out, tag, &text);
        }
        As::Whole(least, most) => number(out, tag, scalar::whole(value, least, most)?.cast_unsigned()),
        As::Code(prefix, names) => number(out, tag, scalar::code(value, prefix, names)?.cast_unsigned()),
        As::Instant => number(out, tag, instant(value)?.cast_unsigned()),
        As::Start | As::Number | As::List => unreachable!("taken by the message's own reader"),
    }
    Ok(())
}

fn instant(value: Value<'_>) -> Result<i64, What> {
    Ok(match scalar::moment(value)? {
        Moment::Microseconds(at) | Moment::Instant(Timestamp(at)) => at,
    })
}

fn number(out: &mut Vec<u8>, tag: u32, number: u64) {
    optional(out, tag, Some(number));
}

fn unknown(layout: &Layout, key: Text<'_>) -> What {
    let known: Vec<_> = layout.fields.iter().map(|(name, _)| *name).collect();
    What::Unknown { key: shown(key), message: layout.name.to_lowercase(), known: known.join(", ") }
}
