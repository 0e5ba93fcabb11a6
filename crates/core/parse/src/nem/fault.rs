//! Why a record is refused: a stable code to count by, a sentence to act on.

use meter::{Place, Refusal, Sink};

/// Which of the two formats a header announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Nem12,
    Nem13,
}

/// What is wrong; each has one code per format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Empty,
    NoHeader,
    Version,
    UnknownRecord,
    LineTooLong,
    Quote,
    FieldCount,
    Name,
    Direction,
    Unit,
    IntervalLength,
    IntervalCount,
    Value,
    Quality,
    Date,
    Coverage,
    Orphan,
    NoEnd,
}

#[derive(Debug)]
pub(super) struct Fault {
    what: What,
    reason: String,
}

impl What {
    fn codes(self) -> [&'static str; 2] {
        match self {
            What::Empty => ["nem12.empty", "nem13.empty"],
            What::NoHeader => ["nem12.no_header", "nem13.no_header"],
            What::Version => ["nem12.version", "nem13.version"],
            What::UnknownRecord => ["nem12.unknown_record", "nem13.unknown_record"],
            What::LineTooLong => ["nem12.line_too_long", "nem13.line_too_long"],
            What::Quote => ["nem12.quote", "nem13.quote"],
            What::FieldCount => ["nem12.field_count", "nem13.field_count"],
            What::Name => ["nem12.name", "nem13.name"],
            What::Direction => ["nem12.direction", "nem13.direction"],
            What::Unit => ["nem12.unit_mismatch", "nem13.unit_mismatch"],
            What::IntervalLength => ["nem12.interval_length", "nem13.interval_length"],
            What::IntervalCount => ["nem12.interval_count", "nem13.interval_count"],
            What::Value => ["nem12.value", "nem13.value"],
            What::Quality => ["nem12.quality", "nem13.quality"],
            What::Date => ["nem12.date", "nem13.date"],
            What::Coverage => ["nem12.coverage", "nem13.coverage"],
            What::Orphan => ["nem12.orphan", "nem13.orphan"],
            What::NoEnd => ["nem12.no_end", "nem13.no_end"],
        }
    }
}

impl Fault {
    pub(super) fn new(what: What, reason: String) -> Fault {
        Fault { what, reason }
    }

    pub(super) fn orphan(record: &str, parent: &str, refused_at: Option<u64>) -> Fault {
        let reason = match refused_at {
            Some(line) => {
                format!("the {parent} record at line {line}, which this {record} record belongs to, was refused")
            }
            None => format!("a {record} record with no {parent} record before it"),
        };
        Fault::new(What::Orphan, reason)
    }

    /// Tells the sink, with the beginning of the raw line.
    pub(super) fn refuse<S: Sink + ?Sized>(self, version: Version, line: u64, raw: &[u8], sink: &mut S) {
        let code = self.what.codes()[usize::from(version == Version::Nem13)];
        let excerpt = &raw[..raw.len().min(Refusal::EXCERPT_BYTES_MAX)];
        let place = if line == 0 { Place::Whole } else { Place::Line(line) };
        sink.refused(Refusal { place, code, reason: &self.reason, excerpt });
    }
}

/// A few characters of hostile input, quoted, for a sentence.
pub(super) fn shown(field: &[u8]) -> String {
    let text = String::from_utf8_lossy(&field[..field.len().min(160)]);
    format!("{:?}", text.chars().take(40).collect::<String>())
}
