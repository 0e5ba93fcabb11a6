//! The visitor: a body's measurements into a sink, in the order they stand.

use std::hash::{DefaultHasher, Hash, Hasher};

use meter::{Message, Place, Reading, Refusal, Sink};

use super::check::check;
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
pub fn read(body: &[u8], limits: Limits, sink: &mut dyn Sink) -> Result<Tally, EnvelopeError> {
    check(body)?;
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
    let (own, twins, tally) = (Streams::default(), Twins::default(), Tally::default());
    let mut visit = Visit { limits, sink, shared, context: context.finish(), own, twins, tally };
    let mut message = Cursor::new(body);
    let mut byte = message.at();
    while let Some(tag) = message.tag()? {
        match tag {
            request::CONTAINERS if visit.sink.stopped() => break,
            request::CONTAINERS => visit.container(byte, message.message()?)?,
            _ => message.skip(tag)?,
        }
        byte = message.at();
    }
    Ok(visit.tally)
}

struct Visit<'a, 's> {
    limits: Limits,
    sink: &'s mut dyn Sink,
    /// The request's streams, for containers without their own.
    shared: Streams<'a>,
    /// Of the shared streams, as sent.
    context: u64,
    own: Streams<'a>,
    twins: Twins,
    tally: Tally,
}

impl<'a> Visit<'a, '_> {
    fn container(&mut self, byte: usize, message: Cursor<'a>) -> Step<()> {
        let container = Container::read(message, &mut self.own)?;
        match container.header(&self.limits) {
            Ok(header) => {
                if !header.message_id.is_empty() {
                    let (id, stamped) = (header.message_id, header.created_at.is_some());
                    self.sink.message(Message { id, stamped, bytes: message.rest(), context: self.context });
                }
                self.measurements(&header, container.first)
            }
            Err(fault) => {
                self.tally.refused += container.count;
                refuse(self.sink, byte, &whole(fault, container.count), fault.code(), message.rest());
                Ok(())
            }
        }
    }

    fn measurements(&mut self, header: &Header<'a>, first: Cursor<'a>) -> Step<()> {
        let streams = if self.own.is_empty() { &self.shared } else { &self.own };
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
            refuse(self.sink, byte, &fault.to_string(), fault.code(), measurement.rest());
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
    #[inline]
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

fn whole(fault: Fault, count: u64) -> String {
    match count {
        0 => fault.to_string(),
        1 => format!("{fault}; its measurement is refused with it"),
        _ => format!("{fault}; its {count} measurements are refused with it"),
    }
}

#[cold]
fn refuse(sink: &mut dyn Sink, byte: usize, reason: &str, code: &str, spelled: &[u8]) {
    let excerpt = &spelled[..spelled.len().min(Refusal::EXCERPT_BYTES_MAX)];
    sink.refused(Refusal { place: Place::Byte(byte as u64), code, reason, excerpt });
}
