//! NEM13: register reads and the consumption between them (250), and what the
//! sender was asked to do (550).
//!
//! The two reads and the consumption share the suffix as register; their kind
//! tells them apart, and the reads belong to their device (D2 of the design).

use meter::{Commodity, Decimal, Event, Flags, Kind, Phase, Place, Reading, ReadingType, Sink, Span, Timestamp, Unit};

use super::codes::{Method, direction, identity_of, reason};
use super::fault::{Fault, Version, What};
use super::fields::{CODE_BYTES_MAX, NAME_BYTES_MAX, Row, required, text};
use super::intervals::describe_transaction;
use super::{At, Header, clock};

/// What the next 550 record belongs to.
#[derive(Default)]
enum Last {
    #[default]
    Nothing,
    Read(Names),
    /// The 250 record on this line was refused.
    Refused(u64),
}

struct Names {
    point: String,
    device: String,
    register: String,
    previous_at: Option<Timestamp>,
    current_at: Option<Timestamp>,
}

#[derive(Default)]
pub(super) struct Reads {
    last: Last,
    notes: String,
}

/// One of the two register reads of a 250 record.
struct RegisterRead<'a> {
    /// `None` where the field is blank: not read.
    value: Option<Decimal>,
    at: Option<Timestamp>,
    method: Method,
    quality: &'a str,
    reason: &'a str,
    flags: Flags,
    description: &'a [u8],
}

/// A 250 record, understood as a whole before anything of it is emitted.
struct Record<'a> {
    point: &'a str,
    device: &'a str,
    register: &'a str,
    unit: &'a str,
    reading_type: ReadingType,
    previous: RegisterRead<'a>,
    current: RegisterRead<'a>,
    /// The consumption; `None` where it is blank.
    quantity: Option<(Timestamp, Span, Decimal)>,
    message_time: Option<Timestamp>,
}

impl Reads {
    pub(super) fn read<S: Sink + ?Sized>(&mut self, at: At<'_>, row: Row<'_>, header: &Header, sink: &mut S) {
        match Record::read(row, header) {
            Ok(record) => {
                record.emit(at, header, sink);
                self.last = Last::Read(record.names());
            }
            Err(fault) => {
                self.last = Last::Refused(at.line);
                fault.refuse(Version::Nem13, at.line, at.raw, sink);
            }
        }
    }

    pub(super) fn transaction<S: Sink + ?Sized>(&mut self, at: At<'_>, row: Row<'_>, sink: &mut S) {
        if let Err(fault) = self.emit_transaction(at, row, sink) {
            fault.refuse(Version::Nem13, at.line, at.raw, sink);
        }
    }

    /// One event per read that a transaction is named for.
    fn emit_transaction<S: Sink + ?Sized>(&mut self, at: At<'_>, row: Row<'_>, sink: &mut S) -> Result<(), Fault> {
        let names = match &self.last {
            Last::Read(names) => names,
            Last::Nothing => return Err(Fault::orphan("550", "250", None)),
            Last::Refused(line) => return Err(Fault::orphan("550", "250", Some(*line))),
        };
        let [_, previous, previous_order, current, current_order] = row.first::<5>()?;
        for (code, order, read_at) in
            [(previous, previous_order, names.previous_at), (current, current_order, names.current_at)]
        {
            let code = text("transaction code", code, CODE_BYTES_MAX)?;
            let order = text("service order", order, NAME_BYTES_MAX)?;
            let Some(read_at) = read_at else { continue };
            if code.is_empty() && order.is_empty() {
                continue;
            }
            describe_transaction(order, "", &mut self.notes);
            sink.event(Event {
                point: &names.point,
                device: &names.device,
                register: &names.register,
                at: read_at,
                span: Span::ZERO,
                kind: "nem13.550",
                code,
                text: &self.notes,
                place: Place::Line(at.line),
            });
        }
        Ok(())
    }

    /// A record that may have been a 250 cannot be read.
    pub(super) fn lose(&mut self, line: u64) {
        self.last = Last::Refused(line);
    }
}

impl<'a> Record<'a> {
    fn read(row: Row<'a>, header: &Header) -> Result<Record<'a>, Fault> {
        let fields = row.first::<23>()?;
        let [_, nmi, _configuration, _register_id, suffix, _market_stream, serial, flow, ..] = fields;
        let [.., quantity, unit, _next_read, update_time, _loaded] = fields;
        let previous = RegisterRead::read("previous", &fields[8..13])?;
        let current = RegisterRead::read("current", &fields[13..18])?;
        let unit = text("unit", unit, CODE_BYTES_MAX)?;
        let record = Record {
            point: required("nmi", nmi)?,
            device: text("meter serial", serial, NAME_BYTES_MAX)?,
            register: required("nmi suffix", suffix)?,
            unit,
            reading_type: ReadingType {
                commodity: Commodity::Electricity,
                kind: Kind::Register,
                flow: direction(flow)?,
                unit: Unit::from_spelling(unit),
                phase: Phase::All,
            },
            quantity: consumption(quantity, previous.at, current.at)?,
            previous,
            current,
            message_time: header.message_time(update_time)?,
        };
        if record.previous.value.or(record.current.value).is_none() && record.quantity.is_none() {
            return Err(Fault::new(What::Value, "neither a register read nor a quantity is given".into()));
        }
        if record.quantity.is_some() && record.current.quality.is_empty() {
            return Err(Fault::new(What::Quality, "a quantity whose current read has no quality method".into()));
        }
        Ok(record)
    }

    fn emit<S: Sink + ?Sized>(&self, at: At<'_>, header: &Header, sink: &mut S) {
        for read in [&self.previous, &self.current] {
            if let (Some(value), Some(read_at)) = (read.value, read.at) {
                sink.reading(self.reading(read, self.reading_type, (read_at, Span::ZERO, value), header));
            }
        }
        if let Some(quantity) = self.quantity {
            let reading_type = ReadingType { kind: Kind::Interval, ..self.reading_type };
            sink.reading(self.reading(&self.current, reading_type, quantity, header));
        }
        for read in [&self.previous, &self.current] {
            let (Some(read_at), false) = (read.at, read.description.is_empty()) else { continue };
            sink.event(Event {
                point: self.point,
                device: self.device,
                register: self.register,
                at: read_at,
                span: Span::ZERO,
                kind: "nem13.reason",
                code: read.reason,
                text: &String::from_utf8_lossy(read.description),
                place: Place::Line(at.line),
            });
        }
    }

    /// With the quality, reason and flags of one of the two reads.
    fn reading(
        &self,
        read: &RegisterRead<'a>,
        reading_type: ReadingType,
        (start, span, value): (Timestamp, Span, Decimal),
        header: &Header,
    ) -> Reading<'a> {
        Reading {
            point: self.point,
            device: self.device,
            register: self.register,
            identity: identity_of(reading_type.kind),
            reading_type,
            start,
            span,
            value,
            unit: self.unit,
            quality: read.quality,
            canonical: read.method.canonical,
            reason: read.reason,
            flags: read.flags,
            message_time: self.message_time,
            issued_at: header.issued_at,
        }
    }

    fn names(&self) -> Names {
        Names {
            point: self.point.to_string(),
            device: self.device.to_string(),
            register: self.register.to_string(),
            previous_at: self.previous.at,
            current_at: self.current.at,
        }
    }
}

impl<'a> RegisterRead<'a> {
    /// From value, time, quality method, reason code and reason description.
    fn read(which: &str, fields: &[&'a [u8]]) -> Result<RegisterRead<'a>, Fault> {
        let &[value, at, quality, code, description] = fields else {
            unreachable!("five fields of a 250 record");
        };
        let value = number(&format!("{which} register read"), value)?;
        let at = clock::date_time(&format!("{which} read time"), at)?;
        if value.is_some() && at.is_none() {
            return Err(Fault::new(What::Date, format!("the {which} register read has no time")));
        }
        let method = match (value, quality) {
            (None, []) => Method::NONE,
            _ => Method::parse(quality)?,
        };
        if method.variable {
            return Err(Fault::new(What::Quality, "quality V, which only days of intervals can have".into()));
        }
        let quality = text("quality method", quality, CODE_BYTES_MAX)?;
        let (reason, circumstance) = reason(code)?;
        Ok(RegisterRead { value, at, method, quality, reason, flags: method.flags.with(circumstance), description })
    }
}

/// The quantity and what it stands for: from the previous read to the current.
fn consumption(
    quantity: &[u8],
    previous_at: Option<Timestamp>,
    current_at: Option<Timestamp>,
) -> Result<Option<(Timestamp, Span, Decimal)>, Fault> {
    let Some(quantity) = number("quantity", quantity)? else { return Ok(None) };
    let (Some(from), Some(to)) = (previous_at, current_at) else {
        return Err(Fault::new(What::Date, "a quantity without the times of both reads".into()));
    };
    if to <= from {
        return Err(Fault::new(
            What::Date,
            format!("the current read at {to} is not later than the previous at {from}"),
        ));
    }
    Ok(Some((from, Span(to.0 - from.0), quantity)))
}

fn number(name: &str, field: &[u8]) -> Result<Option<Decimal>, Fault> {
    if field.is_empty() {
        return Ok(None);
    }
    Decimal::parse_bytes(field).map(Some).map_err(|error| Fault::new(What::Value, format!("{name}: {error}")))
}
