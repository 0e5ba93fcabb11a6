//! What a source said, before names are resolved: readings, events, refusals.

use crate::{Decimal, Flags, Quality, ReadingType, Span, Timestamp};

/// Whether the device is part of a channel's name (D2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The point and register name the stream; the device is an attribute that
    /// changes with an exchange (NEM12).
    #[default]
    Point,
    /// The device names the stream too (wM-Bus, plugs).
    Device,
}

/// One observation in the source's own words, borrowed from its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// The place that is metered, as the source names it.
    pub point: &'a str,
    /// Serial of the device; empty where the source names none.
    pub device: &'a str,
    /// The register's name in the source's words, such as `E1` or `1-0:1.8.0`.
    pub register: &'a str,
    /// Whether `device` is part of the channel's name.
    pub identity: Identity,
    /// What is measured, in our words.
    pub reading_type: ReadingType,
    /// Start of the interval, or the instant of the read.
    pub start: Timestamp,
    /// Zero for register reads and spot values.
    pub span: Span,
    /// In `unit`, digit for digit.
    pub value: Decimal,
    /// The unit as spelled; `reading_type.unit` is its meaning.
    pub unit: &'a str,
    /// The source's quality word, verbatim; `canonical` is its rank.
    pub quality: &'a str,
    /// The rank of `quality`.
    pub canonical: Quality,
    /// The source's reason code, verbatim; empty where there is none.
    pub reason: &'a str,
    /// Circumstances the source tells.
    pub flags: Flags,
    /// When the source last changed this reading; newest stands.
    pub message_time: Option<Timestamp>,
    /// When the file or message around it was made: decides between equal message times.
    pub issued_at: Option<Timestamp>,
}

/// A message within a source that its sender gave a name of its own.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The sender's name for it; the same message sent twice has the same.
    pub id: &'a str,
    /// Whether it says when it was made: then its readings say the same whenever it comes.
    pub stamped: bool,
    /// All of it, as sent.
    pub bytes: &'a [u8],
    /// A hash of what else gives its readings their meaning.
    pub context: u64,
}

/// Something a source said besides quantities.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The place it happened at.
    pub point: &'a str,
    /// Serial of the device; empty where the source names none.
    pub device: &'a str,
    /// Empty where the event concerns the whole device or point.
    pub register: &'a str,
    /// When it happened, or began.
    pub at: Timestamp,
    /// How long it lasted; zero where it has no length.
    pub span: Span,
    /// The event's name in the source's format, such as `nem12.500` or `nem12.reason`.
    pub kind: &'a str,
    /// Its code there, verbatim.
    pub code: &'a str,
    /// What the source says in words, verbatim.
    pub text: &'a str,
    /// Where it stands in the source.
    pub place: Place,
}

/// Where in a source something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Counted from 1.
    Line(u64),
    /// Bytes from the start of the (decompressed) body.
    Byte(u64),
    /// The source as a whole.
    Whole,
}

/// Input that was not understood, kept so that a person can act on it.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// Where it stands in the source.
    pub place: Place,
    /// Short and stable, for counting: `nem12.interval_count`.
    pub code: &'a str,
    /// What a person can act on: lower case, names the object and the number.
    pub reason: &'a str,
    /// The raw input at the place, cut to [`Refusal::EXCERPT_BYTES_MAX`].
    pub excerpt: &'a [u8],
}

impl Refusal<'_> {
    /// As much as fits on three lines of a terminal.
    pub const EXCERPT_BYTES_MAX: usize = 240;
}

/// Takes in what a parser finds, in the order of the source.
///
/// Parsing streams into a sink and always ends; one bad line never costs the file.
pub trait Sink {
    /// Takes one reading; its texts are gone when this returns.
    fn reading(&mut self, reading: Reading<'_>);
    /// Takes one event, likewise.
    fn event(&mut self, event: Event<'_>);
    /// Takes what was not understood; parsing goes on behind it.
    fn refused(&mut self, refusal: Refusal<'_>);
    /// A message begins: the readings from here to the next one are its own.
    fn message(&mut self, _message: Message<'_>) {}
    /// True once the sink wants no more; a parser asks between records.
    fn stopped(&self) -> bool {
        false
    }
}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn reading(&mut self, reading: Reading<'_>) {
        (**self).reading(reading);
    }

    fn event(&mut self, event: Event<'_>) {
        (**self).event(event);
    }

    fn refused(&mut self, refusal: Refusal<'_>) {
        (**self).refused(refusal);
    }

    fn message(&mut self, message: Message<'_>) {
        (**self).message(message);
    }

    fn stopped(&self) -> bool {
        (**self).stopped()
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Line(line) => write!(f, "line {line}"),
            Place::Byte(byte) => write!(f, "byte {byte}"),
            Place::Whole => f.write_str("the whole source"),
        }
    }
}
