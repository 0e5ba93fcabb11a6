//! NEM12 and NEM13: the Australian market's files of intervals and of register
//! reads (AEMO, Meter Data File Format Specification).
//!
//! Promise: every record is read or refused with its line, and a refused one
//! costs only what hangs on it: a 300 record its 400 records, a 200 record its
//! days. Nothing is guessed: no header means no reading, a count that does not
//! fit means no day. Memory is bounded by one line and one day.
//!
//! Real files bend the format, and are read: other line ends, a byte order
//! mark, blank and padded rows, spaces around fields, quotes, units in any case
//! or none, several files in one, 12-digit update times.
//!
//! Read: `lines.rs`, `fields.rs`, `clock.rs`, `codes.rs`, `fault.rs` (what is
//! refused), `day.rs` (a 300 record until its 400 records are in),
//! `intervals.rs` (NEM12), `reads.rs` (NEM13), then [`nem`] below.

mod fields;
mod clock;
mod codes;
mod fault;
mod day;
mod intervals;
mod reads;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead};

use meter::{Quality, Sink, Span, Timestamp};

use crate::lines::Lines;
use crate::protobuf::Limits;
use fault::{Fault, Version, What, shown};
use fields::Row;
use intervals::Intervals;
use reads::Reads;

pub use crate::lines::LINE_BYTES_MAX;
pub use fields::{CODE_BYTES_MAX, NAME_BYTES_MAX};

/// A sender's clock may run on summer time or be a little wrong. Later than
/// this after it came in, an update time would stand against every correction.
pub const UPDATE_AHEAD_MAX: Span = Span::from_minutes(24 * 60);

/// Reads a file of either format into `sink`; fails only where `input` does.
pub fn nem<S: Sink + ?Sized>(input: impl BufRead, limits: Limits, sink: &mut S) -> io::Result<()> {
    let mut lines = Lines::new(input);
    let mut reader = Reader::new(limits);
    let mut scratch = Vec::new();
    while !reader.over && !sink.stopped() {
        let Some(line) = lines.next()? else {
            reader.end(sink);
            break;
        };
        let at = At { line: line.number, raw: line.bytes };
        if line.too_long {
            reader.too_long(at, sink);
            continue;
        }
        match Row::new(line.bytes, &mut scratch) {
            Ok(row) if row.is_blank() => {}
            Ok(row) => reader.record(at, row, sink),
            Err(fault) => reader.unreadable(at, fault, sink),
        }
    }
    Ok(())
}

/// The rank of a quality method such as `A` or `S14`; `None` for any other word.
pub(crate) fn quality_of(method: &str) -> Option<Quality> {
    codes::Method::parse(method.as_bytes()).ok().map(|method| method.canonical)
}

/// The line a record stands on.
#[derive(Clone, Copy)]
struct At<'a> {
    line: u64,
    raw: &'a [u8],
}

/// What the 100 record says of the records up to its 900.
#[derive(Clone, Copy)]
struct Header {
    version: Version,
    issued_at: Option<Timestamp>,
    /// The latest update time that is believed.
    newest: Option<Timestamp>,
}

impl Header {
    /// When a record last changed; the header's time where it says nothing.
    fn message_time(&self, update_time: &[u8]) -> Result<Option<Timestamp>, Fault> {
        Ok(self.time("update time", update_time)?.or(self.issued_at))
    }

    fn time(&self, name: &str, field: &[u8]) -> Result<Option<Timestamp>, Fault> {
        let time = clock::date_time(name, field)?;
        match (time, self.newest) {
            (Some(time), Some(newest)) if time > newest => {
                let reason =
                    format!("{name} {time} lies more than a day after the file came in: check the sender's clock");
                Err(Fault::new(What::Date, reason))
            }
            _ => Ok(time),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    /// No record yet.
    Before,
    Open,
    /// Its header was refused, and its records with it.
    Refused,
    /// The 900 record stood on this line.
    Ended(u64),
}

struct Reader {
    block: Block,
    header: Header,
    intervals: Intervals,
    reads: Reads,
    last_line: u64,
    /// Nothing further is to be read.
    over: bool,
}

impl Reader {
    fn new(limits: Limits) -> Reader {
        let newest = limits.newest.map(|newest| newest.plus(UPDATE_AHEAD_MAX));
        Reader {
            block: Block::Before,
            header: Header { version: Version::Nem12, issued_at: None, newest },
            intervals: Intervals::default(),
            reads: Reads::default(),
            last_line: 0,
            over: false,
        }
    }

    fn record<S: Sink + ?Sized>(&mut self, at: At<'_>, row: Row<'_>, sink: &mut S) {
        self.last_line = at.line;
        let indicator = row.indicator();
        // The latter is a file that ended without a line end, and the next after it.
        if matches!(indicator, b"100" | b"900100") {
            let version = row.fields().nth(1).unwrap_or_default();
            // Within a block, anything else is a damaged record of another kind.
            if version.get(..3).is_some_and(|name| name.eq_ignore_ascii_case(b"NEM")) || self.block != Block::Open {
                return self.open(at, row, sink);
            }
        }
        if !matches!(indicator, b"200" | b"250" | b"300" | b"400" | b"500" | b"550" | b"900") {
            return self.unknown(at, row, sink);
        }
        if self.block != Block::Open {
            return self.homeless(at, indicator, sink);
        }
        let header = &self.header;
        match (header.version, indicator) {
            (Version::Nem12, b"200") => self.intervals.details(at, row, header, sink),
            (Version::Nem12, b"300") => self.intervals.day(at, row, header, sink),
            (Version::Nem12, b"400") => self.intervals.quality(at, row, header, sink),
            (Version::Nem12, b"500") => self.intervals.transaction(at, row, header, sink),
            (Version::Nem13, b"250") => self.reads.read(at, row, header, sink),
            (Version::Nem13, b"550") => self.reads.transaction(at, row, sink),
            (_, b"900") if row.first::<1>().is_ok() => {
                self.close(sink);
                self.block = Block::Ended(at.line);
            }
            _ => self.unknown(at, row, sink),
        }
    }

    /// A 100 record: what stood open before it ends, with or without its 900.
    fn open<S: Sink + ?Sized>(&mut self, at: At<'_>, row: Row<'_>, sink: &mut S) {
        if self.block == Block::Open {
            self.close(sink);
        }
        self.block = Block::Open;
        let mut fields = row.fields().skip(1);
        let version = fields.next().unwrap_or_default();
        self.header.issued_at = None;
        if version.eq_ignore_ascii_case(b"NEM12") {
            self.header.version = Version::Nem12;
        } else if version.eq_ignore_ascii_case(b"NEM13") {
            self.header.version = Version::Nem13;
        } else {
            self.block = Block::Refused;
            let reason = format!(
                "version {} is neither NEM12 nor NEM13; nothing is read up to the next 100 record",
                shown(version)
            );
            return Fault::new(What::Version, reason).refuse(self.header.version, at.line, at.raw, sink);
        }
        match self.header.time("header time", fields.next().unwrap_or_default()) {
            Ok(issued_at) => self.header.issued_at = issued_at,
            Err(fault) => fault.refuse(self.header.version, at.line, at.raw, sink),
        }
    }

    /// A record of the format outside every block. At the start of a file that
    /// is the end of it: whose data it is, and in which format, nobody said.
    fn homeless<S: Sink + ?Sized>(&mut self, at: At<'_>, indicator: &[u8], sink: &mut S) {
        let indicator = String::from_utf8_lossy(indicator);
        let reason = match self.block {
            Block::Refused => return,
            // Its end again, of no harm.
            Block::Ended(_) if indicator == "900" => return,
            Block::Ended(line) => {
                format!("a {indicator} record after the 900 record at line {line}, without a 100 record of its own")
            }
            Block::Before | Block::Open => {
                self.over = true;
                if matches!(&*indicator, "250" | "550") {
                    self.header.version = Version::Nem13;
                }
                format!(
                    "a {indicator} record before any 100 header: nothing of this file is read; \
                     ask for it again with its header, 100,NEM12 or 100,NEM13"
                )
            }
        };
        Fault::new(What::NoHeader, reason).refuse(self.header.version, at.line, at.raw, sink);
    }

    fn unknown<S: Sink + ?Sized>(&mut self, at: At<'_>, row: Row<'_>, sink: &mut S) {
        if self.block == Block::Refused {
            return;
        }
        let format = match self.header.version {
            Version::Nem12 => "NEM12",
            Version::Nem13 => "NEM13",
        };
        let fields = row.fields().count();
        let reason = format!("{} with {fields} fields is no record of {format}", shown(row.indicator()));
        let fault = Fault::new(What::UnknownRecord, reason);
        match self.header.version {
            Version::Nem12 => self.intervals.unknown(fault, at, row, &self.header, sink),
            Version::Nem13 => {
                self.reads.lose(at.line);
                fault.refuse(Version::Nem13, at.line, at.raw, sink);
            }
        }
    }

    fn too_long<S: Sink + ?Sized>(&mut self, at: At<'_>, sink: &mut S) {
        let reason = format!("a line of more than {LINE_BYTES_MAX} bytes");
        self.last_line = at.line;
        self.intervals.lose_stream(at.line, &self.header, sink);
        self.reads.lose(at.line);
        Fault::new(What::LineTooLong, reason).refuse(self.header.version, at.line, at.raw, sink);
    }

    /// A line whose fields cannot be told apart: what may hang on it goes too.
    fn unreadable<S: Sink + ?Sized>(&mut self, at: At<'_>, fault: Fault, sink: &mut S) {
        self.last_line = at.line;
        match at.raw.trim_ascii_start() {
            [b'3', b'0', b'0', b',', ..] => self.intervals.lose_day(at.line, &self.header, sink),
            [b'4', b'0', b'0', b',', ..] => self.intervals.lose_quality(at.line),
            [b'5', b'0' | b'5', b'0', b',', ..] => {}
            _ => {
                self.intervals.lose_stream(at.line, &self.header, sink);
                self.reads.lose(at.line);
            }
        }
        fault.refuse(self.header.version, at.line, at.raw, sink);
    }

    fn close<S: Sink + ?Sized>(&mut self, sink: &mut S) {
        self.intervals.close(&self.header, sink);
        self.reads = Reads::default();
    }

    fn end<S: Sink + ?Sized>(&mut self, sink: &mut S) {
        let version = self.header.version;
        match self.block {
            Block::Open => {
                self.close(sink);
                let reason = "the file ends without a 900 record: it may be cut short; compare it with the sender's";
                Fault::new(What::NoEnd, reason.into()).refuse(version, self.last_line, b"", sink);
            }
            Block::Before if self.last_line == 0 => {
                Fault::new(What::Empty, "the file holds no record".into()).refuse(version, 0, b"", sink);
            }
            Block::Before => {
                let reason = "no line of this file is a record of NEM12 or NEM13";
                Fault::new(What::NoHeader, reason.into()).refuse(version, 0, b"", sink);
            }
            Block::Refused | Block::Ended(_) => {}
        }
    }
}
