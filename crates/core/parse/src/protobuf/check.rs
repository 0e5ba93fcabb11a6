//! Can the envelope be read? Asked by a door before it takes a body in.

use super::schema::{self, CONTAINER, LENGTH, Layout, MEASUREMENT, REQUEST, STREAM, Shape};
use super::wire::{Cursor, EnvelopeError, EnvelopeFault, Step, wire_type_fits};

/// What a readable body holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages of devices.
    pub containers: u64,
    /// In all containers together.
    pub measurements: u64,
}

/// A body whose envelope can be read, as [`check`] says; it does not change while this holds it.
#[derive(Clone, Copy, Debug)]
pub struct Checked<B> {
    body: B,
    summary: Summary,
}

impl<B: AsRef<[u8]>> Checked<B> {
    /// The body, if its envelope can be read.
    pub fn new(body: B) -> Result<Checked<B>, EnvelopeError> {
        Ok(Checked { summary: check(body.as_ref())?, body })
    }

    /// As it was handed in.
    pub fn body(&self) -> &B {
        &self.body
    }

    /// What it holds.
    pub fn summary(&self) -> Summary {
        self.summary
    }
}

/// Walks the whole envelope: every length, number and wire type of every field
/// we know, at every depth. What the fields mean is not looked at.
pub fn check(body: &[u8]) -> Result<Summary, EnvelopeError> {
    if body.is_empty() {
        return Err(EnvelopeError { byte: 0, what: EnvelopeFault::Empty });
    }
    let mut summary = Summary::default();
    let mut request = Cursor::new(body);
    while let Some(tag) = field(&mut request, &REQUEST)? {
        match tag {
            schema::request::CONTAINERS => {
                summary.containers += 1;
                summary.measurements += container(request.message()?)?;
            }
            schema::request::STREAMS => leaf(request.message()?, &STREAM)?,
            _ => request.skip(tag)?,
        }
    }
    if summary.containers == 0 {
        return Err(EnvelopeError { byte: 0, what: EnvelopeFault::NoContainer });
    }
    Ok(summary)
}

/// How many measurements a container holds.
fn container(mut message: Cursor<'_>) -> Step<u64> {
    let mut measurements = 0;
    while let Some(tag) = field(&mut message, &CONTAINER)? {
        match tag {
            schema::container::MEASUREMENTS => {
                measurements += 1;
                let measurement = message.message()?;
                if !numbers_only(measurement.rest()) {
                    leaf(measurement, &MEASUREMENT)?;
                }
            }
            schema::container::STREAMS => leaf(message.message()?, &STREAM)?,
            _ => message.skip(tag)?,
        }
    }
    Ok(measurements)
}

/// Whether a measurement is nothing but whole numbers in fields we know, each of at most nine bytes, as
/// nearly all are: a quicker look than field by field, which anything else gets.
fn numbers_only(mut bytes: &[u8]) -> bool {
    const TAGS: u128 = MEASUREMENT.varint_tags();
    while let [tag, value @ ..] = bytes {
        let is_known = *tag < 0x80 && TAGS >> *tag & 1 == 1;
        let Some(end) = value.iter().take(9).position(|byte| *byte < 0x80).filter(|_| is_known) else { return false };
        bytes = &value[end + 1..];
    }
    true
}

fn leaf(mut message: Cursor<'_>, layout: &'static Layout) -> Step<()> {
    while let Some(tag) = field(&mut message, layout)? {
        message.skip(tag)?;
    }
    Ok(())
}

#[inline]
fn field(message: &mut Cursor<'_>, layout: &'static Layout) -> Step<Option<u32>> {
    let byte = message.at();
    let tag = message.tag()?;
    if let Some(tag) = tag {
        wire_type_fits(layout, tag, byte)?;
    }
    Ok(tag)
}

/// Whether a body, or as much of its beginning as is at hand, reads as a
/// request. The first container or stream decides: it must hold a field we
/// know, and nothing that contradicts one. Bytes that could be typed are text:
/// a request has numbers below the space character among its tags.
pub fn looks_like(head: &[u8]) -> bool {
    if head.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')) {
        return false;
    }
    let mut request = Cursor::new(head);
    let Ok(Some(tag)) = request.tag() else { return false };
    let layout = match tag {
        schema::request::CONTAINERS => &CONTAINER,
        schema::request::STREAMS => &STREAM,
        _ => return false,
    };
    let mut whole = request;
    if let Ok(message) = whole.message() {
        return !message.at_end() && resembles(message, layout, false);
    }
    request.varint().is_ok_and(|_| resembles(request, layout, true))
}

/// `cut`: the message goes on beyond the bytes at hand.
fn resembles(mut message: Cursor<'_>, layout: &'static Layout, cut: bool) -> bool {
    let mut known = false;
    loop {
        let byte = message.at();
        let tag = match message.tag() {
            Ok(Some(tag)) => tag,
            Ok(None) => return known,
            Err(error) => return cut && known && ends_early(&error),
        };
        if wire_type_fits(layout, tag, byte).is_err() {
            return false;
        }
        let shape = layout.shape(tag >> 3);
        let mut value = message;
        match value.bytes() {
            Ok(text) if tag & 7 == LENGTH && !fits(shape, text) => return false,
            _ => {}
        }
        if let Err(error) = message.skip(tag) {
            return cut && known && ends_early(&error);
        }
        known |= shape.is_some();
    }
}

fn fits(shape: Option<Shape>, value: &[u8]) -> bool {
    match shape {
        Some(Shape::Text) => std::str::from_utf8(value).is_ok(),
        Some(Shape::Message(layout)) => value.is_empty() || resembles(Cursor::new(value), layout, false),
        _ => true,
    }
}

fn ends_early(error: &EnvelopeError) -> bool {
    matches!(error.what, EnvelopeFault::EndsInNumber | EnvelopeFault::EndsInField { .. })
}
