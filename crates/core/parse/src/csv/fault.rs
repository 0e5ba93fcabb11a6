//! Why a line or a cell is refused: a stable code to count by, a sentence to act on.

use meter::{Place, Refusal, Sink};

/// What is wrong; each has one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Header,
    FileName,
    LineTooLong,
    Quote,
    FieldCount,
    Time,
    NonexistentTime,
    RepeatedTime,
    Interval,
    Text,
    Register,
    Quality,
    Value,
}

#[derive(Debug)]
pub(super) struct Fault {
    pub(super) what: What,
    pub(super) reason: String,
}

impl What {
    pub(super) fn code(self) -> &'static str {
        match self {
            What::Header => "csv.header",
            What::FileName => "csv.file_name",
            What::LineTooLong => "csv.line_too_long",
            What::Quote => "csv.quote",
            What::FieldCount => "csv.field_count",
            What::Time => "csv.time",
            What::NonexistentTime => "csv.nonexistent_time",
            What::RepeatedTime => "csv.repeated_time",
            What::Interval => "csv.interval",
            What::Text => "csv.text",
            What::Register => "csv.register",
            What::Quality => "csv.quality",
            What::Value => "csv.value",
        }
    }
}

impl Fault {
    pub(super) fn new(what: What, reason: String) -> Fault {
        Fault { what, reason }
    }

    /// Tells the sink, with the beginning of the raw line; line 0 is the file.
    pub(super) fn refuse(&self, line: u64, raw: &[u8], sink: &mut (impl Sink + ?Sized)) {
        refuse(self.what, &self.reason, line, raw, sink);
    }

    /// Refuses one cell of the line.
    pub(super) fn refuse_cell(&self, column: &str, line: u64, raw: &[u8], sink: &mut (impl Sink + ?Sized)) {
        let reason = format!("column {}: {}", shown(column.as_bytes()), self.reason);
        refuse(self.what, &reason, line, raw, sink);
    }
}

fn refuse(what: What, reason: &str, line: u64, raw: &[u8], sink: &mut (impl Sink + ?Sized)) {
    let excerpt = &raw[..raw.len().min(Refusal::EXCERPT_BYTES_MAX)];
    let place = if line == 0 { Place::Whole } else { Place::Line(line) };
    sink.refused(Refusal { place, code: what.code(), reason, excerpt });
}

/// A few characters of hostile input, quoted, for a sentence.
pub(super) fn shown(field: &[u8]) -> String {
    let text = String::from_utf8_lossy(&field[..field.len().min(160)]);
    format!("{:?}", text.chars().take(40).collect::<String>())
}
