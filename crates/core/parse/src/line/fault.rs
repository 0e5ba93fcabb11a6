//! Why a line or a field is refused: a stable code to count by, a sentence to act on.

use meter::{Place, Refusal, Sink};

/// What is wrong; each has one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    LineTooLong,
    Utf8,
    Syntax,
    TooMany,
    RepeatedTag,
    RepeatedField,
    NoPoint,
    Text,
    Time,
    NoTime,
    Kind,
    Interval,
    Unit,
    Value,
    QuotedNumber,
}

#[derive(Debug)]
pub(super) struct Fault {
    what: What,
    /// Characters from the line's start, counted from 1; 0 where it is about the line.
    column: usize,
    reason: String,
}

impl What {
    fn code(self) -> &'static str {
        match self {
            What::LineTooLong => "line.line_too_long",
            What::Utf8 => "line.utf8",
            What::Syntax => "line.syntax",
            What::TooMany => "line.too_many",
            What::RepeatedTag => "line.repeated_tag",
            What::RepeatedField => "line.repeated_field",
            What::NoPoint => "line.no_point",
            What::Text => "line.text",
            What::Time => "line.time",
            What::NoTime => "line.no_time",
            What::Kind => "line.kind",
            What::Interval => "line.interval",
            What::Unit => "line.unit",
            What::Value => "line.value",
            What::QuotedNumber => "line.quoted_number",
        }
    }
}

impl Fault {
    pub(super) fn new(what: What, column: usize, reason: impl Into<String>) -> Fault {
        Fault { what, column, reason: reason.into() }
    }

    /// The same fault, found in a field.
    pub(super) fn of_field(self, column: usize, key: &str) -> Fault {
        Fault { column, reason: format!("field {}: {}", shown(key), self.reason), ..self }
    }

    /// Tells the sink, with the beginning of the raw line.
    pub(super) fn refuse<S: Sink + ?Sized>(&self, line: u64, raw: &[u8], sink: &mut S) {
        let excerpt = &raw[..raw.len().min(Refusal::EXCERPT_BYTES_MAX)];
        let reason = match self.column {
            0 => self.reason.clone(),
            column => format!("column {column}: {}", self.reason),
        };
        sink.refused(Refusal { place: Place::Line(line), code: self.what.code(), reason: &reason, excerpt });
    }
}

/// A few characters of hostile input, quoted, for a sentence.
pub(super) fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(40).collect::<String>())
}
