//! NEM12: streams of intervals (200), their days (300), the quality of single
//! intervals (400), and what the sender was asked to do (500).

use meter::{
    Commodity, Decimal, Event, Flags, Flow, Identity, Kind, Phase, Place, Quality, Reading, ReadingType, Sink, Span,
    Timestamp, Unit,
};

use super::codes::identity_of;
use super::day::Day;
use super::fault::{Fault, Version, What, shown};
use super::fields::{CODE_BYTES_MAX, NAME_BYTES_MAX, Row, required, text};
use super::{At, Header, clock, codes};

const DAY_MINUTES: i64 = 24 * 60;

/// A 200 record: resolved once, borrowed by every reading under it.
pub(super) struct Stream {
    line: u64,
    point: String,
    device: String,
    register: String,
    unit: String,
    flow: Flow,
    meaning: Unit,
    pub(super) span: Span,
    /// Intervals of a day.
    pub(super) count: usize,
}

/// What the next 300 record belongs to.
#[derive(Default)]
enum Context {
    #[default]
    Nothing,
    Open(Stream),
    /// Its 200 record, on this line, was refused.
    Refused(u64),
}

#[derive(Default)]
pub(super) struct Intervals {
    context: Context,
    day: Day,
    /// Of the 300 record last refused in this stream, if no day was read since.
    refused_day: Option<u64>,
    /// Of the day last emitted in this stream.
    last_midnight: Option<Timestamp>,
    notes: String,
}

impl Intervals {
    pub(super) fn details<S: Sink + ?Sized>(&mut self, at: At<'_>, row: Row<'_>, header: &Header, sink: &mut S) {
        self.close(header, sink);
        match Stream::read(at, row) {
            Ok(stream) => self.context = Context::Open(stream),
            Err(fault) => {
                self.context = Context::Refused(at.line);
                fault.refuse(Version::Nem12, at.line, at.raw, sink);
            }
        }
    }

    pub(super) fn day<S: Sink + ?Sized>(&mut self, at: At<'_>, row: Row<'_>, header: &Header, sink: &mut S) {
        self.finish_day(header, sink);
        self.refused_day = None;
        let read = match &self.context {
            Context::Open(stream) => self.day.read(at, row, stream, header),
            context => Err(context.orphan("300")),
        };
        if let Err(fault) = read {
            self.refused_day = Some(at.line);
            self.refuse(fault, at, row, header, sink);
        }
    }

    pub(super) fn quality<S: Sink + ?Sized>(&mut self, at: At<'_>, row: Row<'_>, header: &Header, sink: &mut S) {
        let added =
            if self.day.is_held() { self.day.add(at, row) } else { Err(Fault::orphan("400", "300", self.refused_day)) };
        if let Err(fault) = added {
            self.refuse(fault, at, row, header, sink);
        }
    }

    pub(super) fn transaction<S: Sink + ?Sized>(&mut self, at: At<'_>, row: Row<'_>, header: &Header, sink: &mut S) {
        self.finish_day(header, sink);
        if let Err(fault) = self.emit_transaction(at, row, header, sink) {
            self.refuse(fault, at, row, header, sink);
        }
    }

    /// The event, and the index read as a reading of the stream's register.
    fn emit_transaction<S: Sink + ?Sized>(
        &mut self,
        at: At<'_>,
        row: Row<'_>,
        header: &Header,
        sink: &mut S,
    ) -> Result<(), Fault> {
        let Context::Open(stream) = &self.context else { return Err(self.context.orphan("500")) };
        let [_, code, order, read_at, index] = row.first::<5>()?;
        let code = text("transaction code", code, CODE_BYTES_MAX)?;
        let order = text("service order", order, NAME_BYTES_MAX)?;
        let index_text = text("index read", index, CODE_BYTES_MAX)?;
        let read_at = clock::date_time("read time", read_at)?;
        let Some(shown_at) = read_at.or(self.last_midnight) else {
            return Err(Fault::new(What::Date, "no read time, and no day before it to stand for one".into()));
        };
        describe_transaction(order, index_text, &mut self.notes);
        let text = self.notes.as_str();
        sink.event(Event { kind: "nem12.500", code, text, ..stream.event(at.line, shown_at, Span::ZERO) });
        if let (Some(read_at), Ok(value)) = (read_at, Decimal::parse_bytes(index)) {
            let estimated = code.eq_ignore_ascii_case("E");
            sink.reading(Reading {
                identity: identity_of(Kind::Register),
                reading_type: ReadingType { kind: Kind::Register, ..stream.reading_type() },
                start: read_at,
                span: Span::ZERO,
                value,
                canonical: if estimated { Quality::Estimated } else { Quality::Measured },
                message_time: header.issued_at,
                issued_at: header.issued_at,
                ..stream.reading()
            });
        }
        Ok(())
    }

    /// A record that is none of NEM12's: it may have been a day, or even a
    /// stream, and what follows must not be taken for another's.
    pub(super) fn unknown<S: Sink + ?Sized>(
        &mut self,
        fault: Fault,
        at: At<'_>,
        row: Row<'_>,
        header: &Header,
        sink: &mut S,
    ) {
        self.lose_day(at.line, header, sink);
        self.refuse(fault, at, row, header, sink);
    }

    /// Refuses a record other than a 200, and the stream if it hides one.
    fn refuse<S: Sink + ?Sized>(&mut self, fault: Fault, at: At<'_>, row: Row<'_>, header: &Header, sink: &mut S) {
        fault.refuse(Version::Nem12, at.line, at.raw, sink);
        if row.hides_details() {
            self.lose_stream(at.line, header, sink);
        }
    }

    /// A record that may have been a 200 cannot be read: its days have no stream.
    pub(super) fn lose_stream<S: Sink + ?Sized>(&mut self, line: u64, header: &Header, sink: &mut S) {
        self.close(header, sink);
        self.context = Context::Refused(line);
    }

    pub(super) fn lose_day<S: Sink + ?Sized>(&mut self, line: u64, header: &Header, sink: &mut S) {
        self.finish_day(header, sink);
        self.refused_day = Some(line);
    }

    pub(super) fn lose_quality(&mut self, line: u64) {
        self.day.break_at(line);
    }

    /// Ends the stream.
    pub(super) fn close<S: Sink + ?Sized>(&mut self, header: &Header, sink: &mut S) {
        self.finish_day(header, sink);
        self.context = Context::Nothing;
        self.refused_day = None;
        self.last_midnight = None;
    }

    fn finish_day<S: Sink + ?Sized>(&mut self, header: &Header, sink: &mut S) {
        let Context::Open(stream) = &self.context else { return };
        if self.day.finish(stream, header, sink) {
            self.last_midnight = Some(self.day.midnight);
        }
    }
}

impl Context {
    fn orphan(&self, record: &str) -> Fault {
        let refused_at = match self {
            Context::Refused(line) => Some(*line),
            Context::Nothing | Context::Open(_) => None,
        };
        Fault::orphan(record, "200", refused_at)
    }
}

impl Stream {
    fn read(at: At<'_>, row: Row<'_>) -> Result<Stream, Fault> {
        let [_, nmi, _configuration, _register_id, suffix, _market_stream, serial, unit, length, _next_read] =
            row.first::<10>()?;
        let point = required("nmi", nmi)?.to_string();
        let register = required("nmi suffix", suffix)?.to_string();
        let device = text("meter serial", serial, NAME_BYTES_MAX)?.to_string();
        let unit = text("unit", unit, CODE_BYTES_MAX)?.to_string();
        let (flow, meaning) = codes::interval_stream(&register, &unit)?;
        let minutes = match length {
            b"5" | b"05" => 5,
            b"10" => 10,
            b"15" => 15,
            b"30" => 30,
            _ => {
                let reason = format!("interval length {} is none of 5, 10, 15 or 30 minutes", shown(length));
                return Err(Fault::new(What::IntervalLength, reason));
            }
        };
        let count = usize::try_from(DAY_MINUTES / minutes).expect("288 at most");
        let (line, span) = (at.line, Span::from_minutes(minutes));
        Ok(Stream { line, point, device, register, unit, flow, meaning, span, count })
    }

    fn reading_type(&self) -> ReadingType {
        ReadingType {
            commodity: Commodity::Electricity,
            kind: Kind::Interval,
            flow: self.flow,
            unit: self.meaning,
            phase: Phase::All,
        }
    }

    /// A reading of this stream, its own part still to be filled in.
    pub(super) fn reading(&self) -> Reading<'_> {
        Reading {
            point: &self.point,
            device: &self.device,
            register: &self.register,
            identity: Identity::Point,
            reading_type: self.reading_type(),
            start: Timestamp::MIN,
            span: self.span,
            value: Decimal::default(),
            unit: &self.unit,
            quality: "",
            canonical: Quality::Missing,
            reason: "",
            flags: Flags::default(),
            message_time: None,
            issued_at: None,
        }
    }

    /// An event of this stream, what it says still to be filled in.
    pub(super) fn event(&self, line: u64, at: Timestamp, span: Span) -> Event<'_> {
        let (point, device, register) = (self.point.as_str(), self.device.as_str(), self.register.as_str());
        Event { point, device, register, at, span, kind: "", code: "", text: "", place: Place::Line(line) }
    }

    /// A day of `found` values instead of [`Stream::count`].
    pub(super) fn count_fault(&self, found: usize) -> Fault {
        let (minutes, line, count) = (DAY_MINUTES / self.count as i64, self.line, self.count);
        let reason = format!(
            "a day of {found} values, but the 200 record at line {line} says {minutes} minutes, which makes {count}"
        );
        Fault::new(What::IntervalCount, reason)
    }
}

/// Writes what a transaction says, leaving out what it does not.
pub(super) fn describe_transaction(order: &str, index: &str, out: &mut String) {
    out.clear();
    for (name, value) in [("service order", order), ("index read", index)] {
        if !value.is_empty() {
            let comma = if out.is_empty() { "" } else { ", " };
            out.extend([comma, name, " ", value]);
        }
    }
}
