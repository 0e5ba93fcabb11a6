//! A 300 record, held until the 400 records after it have said which interval
//! has which quality.
//!
//! Promise: a day is emitted whole or refused whole. Its buffers are reused.

use std::ops::Range;

use meter::{Decimal, Event, Flags, Reading, Refusal, Sink, Span, Timestamp};

use super::codes::{Method, reason};
use super::fault::{Fault, Version, What, shown};
use super::fields::{CODE_BYTES_MAX, Row, text};
use super::intervals::Stream;
use super::{At, Header, clock};

/// No 400 record speaks of this interval.
const WHOLE_DAY: u16 = u16::MAX;

#[derive(Default)]
pub(super) struct Day {
    line: u64,
    /// Beginnings of the raw lines, the 300 record's first.
    excerpts: Vec<u8>,
    excerpt: Range<usize>,
    pub(super) midnight: Timestamp,
    values: Vec<Decimal>,
    /// Intervals whose value is blank: absent, not zero.
    blanks: Vec<usize>,
    stated: Option<Stated>,
    message_time: Option<Timestamp>,
    parts: Vec<Part>,
    /// For each interval the index of its part.
    owners: Vec<u16>,
    /// A 400 record of it that was refused.
    broken_at: Option<u64>,
    texts: String,
}

/// Quality, reason and description as a 300 or 400 record states them.
#[derive(Clone)]
struct Stated {
    method: Method,
    flags: Flags,
    quality: Range<usize>,
    reason: Range<usize>,
    description: Range<usize>,
}

/// A 400 record.
struct Part {
    line: u64,
    excerpt: Range<usize>,
    /// Intervals counted from 0.
    intervals: Range<usize>,
    stated: Stated,
}

impl Day {
    pub(super) fn read(&mut self, at: At<'_>, row: Row<'_>, stream: &Stream, header: &Header) -> Result<(), Fault> {
        self.line = at.line;
        self.excerpts.clear();
        self.excerpt = self.keep_excerpt(at.raw);
        self.values.clear();
        self.blanks.clear();
        self.parts.clear();
        self.owners.clear();
        self.texts.clear();
        self.broken_at = None;

        let mut fields = row.fields();
        fields.next();
        self.midnight = clock::date("interval date", fields.next().unwrap_or_default())?;
        for index in 0..stream.count {
            if let Some(value) = fields.plain_number() {
                self.values.push(value);
                continue;
            }
            let Some(field) = fields.next() else { return Err(stream.count_fault(index)) };
            if field.is_empty() {
                self.blanks.push(index);
                self.values.push(Decimal::default());
                continue;
            }
            match Decimal::parse_bytes(field) {
                Ok(value) => self.values.push(value),
                Err(_) if Method::parse(field).is_ok() => return Err(stream.count_fault(index)),
                Err(error) => return Err(Fault::new(What::Value, format!("interval {}: {error}", index + 1))),
            }
        }
        let Some(quality) = fields.next() else {
            let reason = format!("the record ends after {} values, without a quality method", stream.count);
            return Err(Fault::new(What::Quality, reason));
        };
        if Decimal::parse_bytes(quality).is_ok() {
            let more = fields.take_while(|field| Decimal::parse_bytes(field).is_ok()).count();
            return Err(stream.count_fault(stream.count + 1 + more));
        }
        let reason = fields.next().unwrap_or_default();
        let description = fields.next().unwrap_or_default();
        let stated = self.state(quality, reason, description)?;
        self.message_time = header.message_time(fields.next().unwrap_or_default())?;
        fields.next(); // MSATSLoadDateTime: when the market's own system took it in
        fields.expect_blank(stream.count + 7)?;
        self.stated = Some(stated);
        Ok(())
    }

    /// Adds a 400 record. One that does not fit leaves the day in doubt.
    pub(super) fn add(&mut self, at: At<'_>, row: Row<'_>) -> Result<(), Fault> {
        let added = self.part(at, row);
        if added.is_err() {
            self.broken_at = Some(at.line);
        }
        added
    }

    fn part(&mut self, at: At<'_>, row: Row<'_>) -> Result<(), Fault> {
        let [_, first, last, quality, reason, description] = row.first::<6>()?;
        let count = self.values.len();
        let (Some(first), Some(last)) = (ordinal(first, count), ordinal(last, count)) else {
            let (first, last) = (shown(first), shown(last));
            return Err(coverage(format!("intervals {first} to {last} of a day that has 1 to {count}")));
        };
        if last < first {
            return Err(coverage(format!("intervals {first} to {last} run backwards")));
        }
        let stated = self.state(quality, reason, description)?;
        if stated.method.variable {
            return Err(Fault::new(What::Quality, "quality V in a 400 record, which is there to resolve it".into()));
        }
        self.owners.resize(count, WHOLE_DAY);
        let intervals = first - 1..last;
        let owners = &mut self.owners[intervals.clone()];
        if owners.iter().any(|owner| *owner != WHOLE_DAY) {
            return Err(coverage(format!(
                "intervals {first} to {last} have a quality from another 400 record already"
            )));
        }
        // At most one part an interval, and at most 288 intervals.
        owners.fill(u16::try_from(self.parts.len()).expect("no more parts than intervals"));
        let excerpt = self.keep_excerpt(at.raw);
        self.parts.push(Part { line: at.line, excerpt, intervals, stated });
        Ok(())
    }

    fn keep_excerpt(&mut self, raw: &[u8]) -> Range<usize> {
        let from = self.excerpts.len();
        self.excerpts.extend_from_slice(&raw[..raw.len().min(Refusal::EXCERPT_BYTES_MAX)]);
        from..self.excerpts.len()
    }

    fn state(&mut self, quality: &[u8], code: &[u8], description: &[u8]) -> Result<Stated, Fault> {
        let method = Method::parse(quality)?;
        let (code, circumstance) = reason(code)?;
        let quality = text("quality method", quality, CODE_BYTES_MAX)?;
        Ok(Stated {
            method,
            flags: method.flags.with(circumstance),
            quality: keep(&mut self.texts, quality),
            reason: keep(&mut self.texts, code),
            description: keep(&mut self.texts, &String::from_utf8_lossy(description)),
        })
    }

    /// Emits the day, or refuses it with its 400 records. True if emitted.
    pub(super) fn finish<S: Sink + ?Sized>(&mut self, stream: &Stream, header: &Header, sink: &mut S) -> bool {
        let Some(stated) = self.stated.take() else { return false };
        if let Err(fault) = self.check(&stated) {
            fault.refuse(Version::Nem12, self.line, &self.excerpts[self.excerpt.clone()], sink);
            for part in &self.parts {
                let excerpt = &self.excerpts[part.excerpt.clone()];
                Fault::orphan("400", "300", Some(self.line)).refuse(Version::Nem12, part.line, excerpt, sink);
            }
            return false;
        }
        self.emit(&stated, stream, header, sink);
        true
    }

    fn check(&self, stated: &Stated) -> Result<(), Fault> {
        if let Some(line) = self.broken_at {
            return Err(coverage(format!("its 400 record at line {line} was refused, so its qualities are in doubt")));
        }
        if !stated.method.variable {
            return Ok(());
        }
        let covered = self.owners.iter().filter(|owner| **owner != WHOLE_DAY).count();
        if covered < self.values.len() {
            let first = self.owners.iter().position(|owner| *owner == WHOLE_DAY).unwrap_or(0) + 1;
            let count = self.values.len();
            return Err(coverage(format!(
                "quality V, but its 400 records give a quality to {covered} of {count} intervals; the first without is {first}"
            )));
        }
        Ok(())
    }

    fn emit<S: Sink + ?Sized>(&self, stated: &Stated, stream: &Stream, header: &Header, sink: &mut S) {
        if self.owners.is_empty() {
            self.emit_run(0..self.values.len(), stated, stream, header, sink);
        }
        let mut from = 0;
        for run in self.owners.chunk_by(|a, b| a == b) {
            let stated = self.parts.get(usize::from(run[0])).map_or(stated, |part| &part.stated);
            self.emit_run(from..from + run.len(), stated, stream, header, sink);
            from += run.len();
        }
        self.describe(0..self.values.len(), stated, self.line, stream, sink);
        for part in &self.parts {
            self.describe(part.intervals.clone(), &part.stated, part.line, stream, sink);
        }
    }

    /// The readings of intervals that share quality and reason.
    fn emit_run<S: Sink + ?Sized>(
        &self,
        run: Range<usize>,
        stated: &Stated,
        stream: &Stream,
        header: &Header,
        sink: &mut S,
    ) {
        let mut reading = Reading {
            start: self.start(run.start, stream),
            span: stream.span,
            quality: &self.texts[stated.quality.clone()],
            canonical: stated.method.canonical,
            reason: &self.texts[stated.reason.clone()],
            flags: stated.flags,
            message_time: self.message_time,
            issued_at: header.issued_at,
            ..stream.reading()
        };
        for index in run {
            if self.blanks.is_empty() || self.blanks.binary_search(&index).is_err() {
                reading.value = self.values[index];
                sink.reading(reading);
            } else {
                let (kind, code, text) = ("nem12.null", reading.quality, "no value given");
                sink.event(Event { kind, code, text, ..stream.event(self.line, reading.start, stream.span) });
            }
            reading.start = reading.start.plus(stream.span);
        }
    }

    /// The reason in words, which a reading has no room for.
    fn describe<S: Sink + ?Sized>(
        &self,
        intervals: Range<usize>,
        stated: &Stated,
        line: u64,
        stream: &Stream,
        sink: &mut S,
    ) {
        if stated.description.is_empty() {
            return;
        }
        let at = self.start(intervals.start, stream);
        let span = Span(self.start(intervals.end, stream).0 - at.0);
        let code = &self.texts[stated.reason.clone()];
        let text = &self.texts[stated.description.clone()];
        sink.event(Event { kind: "nem12.reason", code, text, ..stream.event(line, at, span) });
    }

    fn start(&self, index: usize, stream: &Stream) -> Timestamp {
        let index = i64::try_from(index).expect("at most 288 intervals");
        self.midnight.plus(Span(index * stream.span.0))
    }

    pub(super) fn is_held(&self) -> bool {
        self.stated.is_some()
    }

    /// A 400 record of this day could not be read at all.
    pub(super) fn break_at(&mut self, line: u64) {
        self.broken_at = Some(line);
    }
}

fn coverage(reason: String) -> Fault {
    Fault::new(What::Coverage, reason)
}

/// A number of an interval, from 1 to `count`.
fn ordinal(field: &[u8], count: usize) -> Option<usize> {
    let digits = std::str::from_utf8(field).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok().filter(|ordinal| (1..=count).contains(ordinal))
}

fn keep(texts: &mut String, text: &str) -> Range<usize> {
    let from = texts.len();
    texts.push_str(text);
    from..texts.len()
}
