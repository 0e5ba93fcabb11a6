//! The visitor: a body's measurements into a sink, in the order they stand.

use std::hash::{DefaultHasher, Hash, Hasher};

use meter::{Message, Place, Reading, Refusal, Sink};

use super::check::Checked;
use super::container::{Container, Header};
use super::fault::Fault;
use super::limits::Limits;
use super::measurement::Raw;
use super::schema::{container, request};
use super::streams::Streams;
use super::twins::{Order, Twins};
use super::wire::{Cursor, EnvelopeError, Step};

/// What came of a body. `readings + refused` is the number of its measurements,
/// unless the sink stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Measurements that became readings.
    pub readings: u64,
    /// Measurements; a container refused as a whole counts all of its own.
    pub refused: u64,
}

/// Reads a body into `sink`. If the envelope cannot be read, nothing has been
/// emitted. The sink is asked between containers whether it wants more.
pub fn read(body: &[u8], limits: Limits, sink: &mut impl Sink) -> Result<Tally, EnvelopeError> {
    Ok(Checked::new(body)?.read(limits, sink))
}

/// As [`read`], of a body that a door has checked: it is not walked once more before it is
/// read. If its envelope cannot be read after all, what stands before the fault has been emitted.
pub fn read_admitted(body: &[u8], limits: Limits, sink: &mut impl Sink) -> Result<Tally, EnvelopeError> {
    Ok(read_checked(body, limits, sink)?)
}

impl<B: AsRef<[u8]>> Checked<B> {
    /// Reads it into `sink`, which is asked between containers whether it wants more.
    pub fn read(&self, limits: Limits, sink: &mut impl Sink) -> Tally {
        read_checked(self.body().as_ref(), limits, sink).expect("an envelope that was checked can be read")
    }
}

// A copy for each kind of sink: what a sink does not ask about a reading is not made for it.
fn read_checked(body: &[u8], limits: Limits, sink: &mut impl Sink) -> Step<Tally> {
    let mut shared = Streams::default();
    let mut message = Cursor::new(body);
    let mut context = DefaultHasher::new();
    while let Some(tag) = message.tag()? {
        match tag {
            request::STREAMS => {
                let stream = message.message()?;
                stream.rest().hash(&mut context);
                shared.declare(stream)?;
            }
            _ => message.skip(tag)?,
        }
    }
    shared.end();
    let mut visit = Visit::new(limits, sink, &shared, context.finish());
    let mut message = Cursor::new(body);
    let mut byte = message.at();
    while let Some(tag) = message.tag()? {
        match tag {
            request::CONTAINERS if visit.sink.stopped() => break,
            request::CONTAINERS => visit.container(byte, message.message()?, &AsSent)?,
            _ => message.skip(tag)?,
        }
        byte = message.at();
    }
    Ok(visit.tally)
}

/// How a container's sender is told of it: in the terms of what was sent.
pub(super) trait Sent {
    /// The container as sent; `message` is what was read.
    fn message<'m>(&'m self, message: &'m [u8]) -> &'m [u8];
    /// Tells the sink why a container or a measurement was refused.
    fn refuse(&self, refused: Refused<'_>, sink: &mut dyn Sink);
}

/// Something of a container that was refused.
pub(super) struct Refused<'r> {
    /// Where it stands in what was read.
    pub(super) byte: usize,
    pub(super) fault: Fault,
    /// Of a container refused as a whole.
    pub(super) measurements: Option<u64>,
    /// Its bytes there.
    pub(super) spelled: &'r [u8],
}

/// What was read is what was sent.
struct AsSent;

impl Sent for AsSent {
    fn message<'m>(&'m self, message: &'m [u8]) -> &'m [u8] {
        message
    }

    #[cold]
    fn refuse(&self, refused: Refused<'_>, sink: &mut dyn Sink) {
        let Refused { byte, fault, spelled, .. } = refused;
        let excerpt = &spelled[..spelled.len().min(Refusal::EXCERPT_BYTES_MAX)];
        let place = Place::Byte(byte as u64);
        sink.refused(Refusal { place, code: fault.code(), reason: &refused.reason(), excerpt });
    }
}

impl Refused<'_> {
    /// What a person is told.
    pub(super) fn reason(&self) -> String {
        with_measurements(&self.fault, self.measurements.unwrap_or(0))
    }
}

/// A fault that so many measurements are refused for.
pub(super) fn with_measurements(fault: &impl std::fmt::Display, count: u64) -> String {
    match count {
        0 => fault.to_string(),
        1 => format!("{fault}; its measurement is refused with it"),
        _ => format!("{fault}; its {count} measurements are refused with it"),
    }
}

/// One container after the other, into a sink.
pub(super) struct Visit<'a, 's, S> {
    limits: Limits,
    pub(super) sink: &'s mut S,
    /// The request's streams, for containers without their own.
    shared: &'s Streams<'a>,
    /// Of the shared streams, as sent.
    context: u64,
    own: Streams<'a>,
    twins: Twins,
    pub(super) tally: Tally,
}

impl<'a, 's, S: Sink> Visit<'a, 's, S> {
    pub(super) fn new(limits: Limits, sink: &'s mut S, shared: &'s Streams<'a>, context: u64) -> Visit<'a, 's, S> {
        let (own, twins, tally) = (Streams::default(), Twins::default(), Tally::default());
        Visit { limits, sink, shared, context, own, twins, tally }
    }

    pub(super) fn container(&mut self, byte: usize, message: Cursor<'a>, sent: &impl Sent) -> Step<()> {
        let container = Container::read(message, &mut self.own)?;
        match container.header(&self.limits) {
            Ok(header) => {
                if !header.message_id.is_empty() {
                    let (id, stamped) = (header.message_id, header.created_at.is_some());
                    let bytes = sent.message(message.rest());
                    self.sink.message(Message { id, stamped, bytes, context: self.context });
                }
                self.measurements(&header, container.first, sent)
            }
            Err(fault) => {
                self.tally.refused += container.count;
                let (measurements, spelled) = (Some(container.count), message.rest());
                sent.refuse(Refused { byte, fault, measurements, spelled }, self.sink);
                Ok(())
            }
        }
    }

    fn measurements(&mut self, header: &Header<'a>, first: Cursor<'a>, sent: &impl Sent) -> Step<()> {
        let streams = if self.own.is_empty() { self.shared } else { &self.own };
        let meaning = Meaning { header, streams, limits: &self.limits };
        let (mut message, mut order, mut searched) = (first, Order::new(), false);
        self.twins.forget();
        while let Some((byte, measurement)) = next(&mut message)? {
            let fault = match meaning.of(measurement)? {
                Ok((reading, rank)) => {
                    if !searched && !order.rises(rank, &reading) {
                        self.twins.search(first, &meaning)?;
                        searched = true;
                    }
                    let Some(first) = self.twins.first_of(byte) else {
                        self.tally.readings += 1;
                        self.sink.reading(reading);
                        continue;
                    };
                    Fault::DuplicateKey { first }
                }
                Err(fault) => fault,
            };
            self.tally.refused += 1;
            sent.refuse(Refused { byte, fault, measurements: None, spelled: measurement.rest() }, self.sink);
        }
        Ok(())
    }
}

/// All that gives a measurement its meaning.
pub(super) struct Meaning<'m, 'a> {
    header: &'m Header<'a>,
    streams: &'m Streams<'a>,
    limits: &'m Limits,
}

impl<'a> Meaning<'_, 'a> {
    /// A measurement's reading and its register's rank, or why there is none.
    // Called, it would hand back 240 bytes to be moved twice: a sixth of all that reading takes.
    #[inline(always)]
    pub(super) fn of(&self, measurement: Cursor<'a>) -> Step<Result<(Reading<'a>, u32), Fault>> {
        let raw = Raw::read(measurement)?;
        Ok(self.streams.get(raw.stream).and_then(|declared| {
            let reading = raw.reading(self.header, declared, self.limits)?;
            Ok((reading, declared.rank))
        }))
    }
}

/// The next measurement of a container, and where it stands.
#[inline]
pub(super) fn next<'a>(message: &mut Cursor<'a>) -> Step<Option<(usize, Cursor<'a>)>> {
    let mut byte = message.at();
    while let Some(tag) = message.tag()? {
        if tag == container::MEASUREMENTS {
            return Ok(Some((byte, message.message()?)));
        }
        message.skip(tag)?;
        byte = message.at();
    }
    Ok(None)
}
