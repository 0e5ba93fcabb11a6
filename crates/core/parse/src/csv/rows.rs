//! From the cells of a row to readings.
//!
//! Promise: each data cell of a row becomes a reading, an event where a word
//! says that there is no value, or a refusal with line, column and reason.

use meter::{
    Decimal, DecimalError, Event, Flags, Identity, Kind as Kinds, Phase, Place, Quality, Reading, ReadingType, Sink,
    Span, Timestamp, Unit, same_word,
};

use super::TEXT_BYTES_MAX;
use super::cells::Cells;
use super::columns::{Columns, Source, ValueColumn};
use super::fault::{Fault, What, shown};
use super::mapping::{Checked, Interval, Meaning};
use super::profile::{Kind, Layout, Stamps};
use super::stamp::Stamp;
use super::zone::{self, Clock};
use crate::nem;
use crate::protobuf::{EARLIEST, Limits};

/// The longest number that fits has 18 digits after the point; zeros may lead.
const NUMBER_BYTES_MAX: usize = 64;

/// A line of the file, and its cells.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) number: u64,
    pub(super) raw: &'a [u8],
    pub(super) cells: &'a Cells,
}

/// What all rows of a file have in common.
pub(super) struct Rows<'a> {
    checked: &'a Checked,
    columns: Columns,
    limits: Limits,
    starts: Clock,
    ends: Clock,
    changes: Clock,
    /// The unit last met in a cell: nearly always the next one too.
    unit: (String, Unit),
}

/// What the value cells of one row have in common.
struct Shared<'a> {
    point: &'a str,
    device: &'a str,
    register: &'a str,
    unit: (&'a str, Unit),
    quality: &'a str,
    canonical: Quality,
    reason: &'a str,
    stamp: Stamp,
    /// What the stamp means; not in the day layout, where each cell has its own.
    at: Timestamp,
    end: Option<Timestamp>,
    changed: Option<Timestamp>,
}

/// A fault, and the column it was found in.
struct Misread {
    fault: Fault,
    column: usize,
}

impl Line<'_> {
    fn cell(&self, index: usize) -> &[u8] {
        self.cells.cell(self.raw, index)
    }
}

impl<'a> Rows<'a> {
    pub(super) fn new(checked: &'a Checked, columns: Columns, limits: Limits) -> Rows<'a> {
        let time = &checked.profile.time;
        let clock = || Clock::new(checked.zone.clone(), &time.zone, time.repeated);
        let (starts, ends, changes) = (clock(), clock(), clock());
        Rows { checked, columns, limits, starts, ends, changes, unit: (String::new(), Unit::None) }
    }

    pub(super) fn row<S: Sink + ?Sized>(&mut self, line: Line<'_>, sink: &mut S) {
        if let Err(fault) = self.check_width(line) {
            return fault.refuse(line.number, line.raw, sink);
        }
        if self.columns.unit_changed(line, &self.unit.0) {
            self.unit = self.columns.unit_of(line);
        }
        let is_long = self.checked.profile.layout == Layout::Long;
        let Rows { checked, columns, limits, starts, ends, changes, unit } = self;
        let reader = Reader { checked, columns, limits: *limits };
        match reader.shared(line, unit.1, [&mut *starts, ends, changes]) {
            Ok(shared) => {
                for value in &columns.values {
                    if let Err(fault) = reader.value(line, &shared, value, starts, sink) {
                        fault.refuse_cell(&columns.heading(value.index), line.number, line.raw, sink);
                    }
                }
            }
            Err(Misread { fault, column }) => {
                for value in &columns.values {
                    let column = if is_long { column } else { value.index };
                    fault.refuse_cell(&columns.heading(column), line.number, line.raw, sink);
                }
            }
        }
    }

    fn check_width(&self, line: Line<'_>) -> Result<(), Fault> {
        let (count, width) = (line.cells.count(), self.columns.width);
        let surplus = self.checked.profile.header && (width..count).any(|index| !line.cell(index).is_empty());
        if count < width || surplus {
            let reason = format!("{count} cells where there are {width} columns");
            return Err(Fault::new(What::FieldCount, reason));
        }
        Ok(())
    }
}

impl Columns {
    fn unit_changed(&self, line: Line<'_>, last: &str) -> bool {
        !same_word(self.source_text(&self.unit, line), last)
    }

    /// An unreadable unit is refused when the row is read.
    fn unit_of(&self, line: Line<'_>) -> (String, Unit) {
        let text = String::from_utf8_lossy(self.source_text(&self.unit, line)).into_owned();
        let unit = Unit::from_spelling(&text);
        (text, unit)
    }

    fn source_text<'a>(&'a self, source: &'a Source, line: Line<'a>) -> &'a [u8] {
        match source {
            Source::Fixed(text) => text.as_bytes(),
            Source::Cell(index) => line.cells.cell(line.raw, *index),
            Source::Heading => b"",
        }
    }
}

/// What does not change from row to row.
struct Reader<'a> {
    checked: &'a Checked,
    columns: &'a Columns,
    limits: Limits,
}

impl Reader<'_> {
    fn shared<'b>(&'b self, line: Line<'b>, unit: Unit, clocks: [&mut Clock; 3]) -> Result<Shared<'b>, Misread> {
        let columns = self.columns;
        let point = self.text("point", &columns.point, line)?;
        if point.is_empty()
            && let Source::Cell(column) = columns.point
        {
            return Err(Misread { fault: Fault::new(What::Text, "no point is named".into()), column });
        }
        let device = self.text("device", &columns.device, line)?;
        let register = self.text("register", &columns.register, line)?;
        let unit = (self.text("unit", &columns.unit, line)?, unit);
        let quality = self.text("quality", &columns.quality, line)?;
        let canonical = self.canonical(quality)?;
        let reason = self.text("reason", &columns.reason, line)?;

        let stream = || format!("{point}\u{1f}{device}\u{1f}{register}");
        let [starts, ends, changes] = clocks;
        let stamp = self.stamp(line, columns.time)?;
        let mut at = Timestamp::default();
        if self.checked.profile.layout != Layout::Day {
            at = starts.instant(stamp, stream).map_err(|fault| Misread { fault, column: columns.time })?;
        }
        let instant = |clock: &mut Clock, column: Option<usize>| match column {
            Some(column) if !line.cell(column).is_empty() => {
                let stamp = self.stamp(line, column)?;
                clock.instant(stamp, stream).map(Some).map_err(|fault| Misread { fault, column })
            }
            _ => Ok(None),
        };
        let end = instant(ends, columns.end)?;
        let changed = instant(changes, columns.changed)?;
        if let (Some(changed), Some(newest), Some(column)) = (changed, self.limits.newest, columns.changed)
            && changed > newest
        {
            let reason = format!("{changed} lies after the file came in, at {newest}");
            return Err(Misread { fault: Fault::new(What::Time, reason), column });
        }
        Ok(Shared { point, device, register, unit, quality, canonical, reason, stamp, at, end, changed })
    }

    fn text<'b>(&'b self, what: &str, source: &'b Source, line: Line<'b>) -> Result<&'b str, Misread> {
        let column = match source {
            Source::Fixed(text) => return Ok(text),
            Source::Heading => return Ok(""),
            Source::Cell(column) => *column,
        };
        let bytes = line.cells.cell(line.raw, column);
        let fault = |why: String| Misread { fault: Fault::new(What::Text, format!("{what} {why}")), column };
        if bytes.len() > TEXT_BYTES_MAX {
            return Err(fault(format!("of {} bytes; at most {TEXT_BYTES_MAX} are read", bytes.len())));
        }
        if bytes.iter().any(u8::is_ascii_control) {
            return Err(fault(format!("{} has a control character", shown(bytes))));
        }
        std::str::from_utf8(bytes).map_err(|_| fault(format!("{} is not UTF-8", shown(bytes))))
    }

    fn canonical(&self, quality: &str) -> Result<Quality, Misread> {
        let words = &self.checked.quality_words;
        if quality.is_empty() || words.is_empty() {
            return Ok(Quality::default());
        }
        if let Some((_, canonical)) = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(quality)) {
            return Ok(*canonical);
        }
        let is_method = self.checked.profile.nem_qualities;
        if let Some(canonical) = if is_method { nem::quality_of(quality) } else { None } {
            return Ok(canonical);
        }
        if let Some(canonical) = self.checked.other_qualities {
            return Ok(canonical);
        }
        let known: Vec<_> = words.iter().take(8).map(|(word, _)| word.as_str()).collect();
        let reason = format!("quality {} is none of {}", shown(quality.as_bytes()), known.join(", "));
        let column = if let Source::Cell(column) = self.columns.quality { column } else { self.columns.time };
        Err(Misread { fault: Fault::new(What::Quality, reason), column })
    }

    fn stamp(&self, line: Line<'_>, column: usize) -> Result<Stamp, Misread> {
        let cell = line.cell(column);
        self.checked.form.stamp(cell).ok_or_else(|| {
            let reason = format!("{} is no time of the form {}", shown(cell), self.checked.profile.time.form);
            Misread { fault: Fault::new(What::Time, reason), column }
        })
    }

    fn value<S: Sink + ?Sized>(
        &self,
        line: Line<'_>,
        shared: &Shared<'_>,
        value: &ValueColumn,
        clock: &mut Clock,
        sink: &mut S,
    ) -> Result<(), Fault> {
        let point = if matches!(self.columns.point, Source::Heading) { &value.point } else { shared.point };
        let register = if matches!(self.columns.register, Source::Heading) { &value.register } else { shared.register };
        let meaning = match &value.meaning {
            Some(meaning) => meaning,
            None => {
                let unknown = || Fault::new(What::Register, self.checked.unknown_register(register));
                self.checked.meaning(register).ok_or_else(unknown)?
            }
        };
        let at = match self.checked.profile.layout {
            Layout::Day => {
                let stamp = self.stamp_of_day(shared.stamp, value)?;
                clock.instant(stamp, || format!("{point}\u{1f}{}\u{1f}{register}", shared.device))?
            }
            Layout::Long | Layout::Wide => shared.at,
        };
        let (kind, start, span) = self.placed(meaning, at, shared.end)?;
        self.believe(start)?;
        let cell = line.cell(value.index);
        let missing = &self.checked.profile.value.missing;
        let (unit, meant) = meaning.unit.as_ref().map_or(shared.unit, |(text, unit)| (text.as_str(), *unit));
        if missing.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(cell)) {
            let code = String::from_utf8_lossy(cell);
            let place = Place::Line(line.number);
            let (device, text) = (shared.device, "no value given");
            let kind = "csv.missing";
            sink.event(Event { point, device, register, at: start, span, kind, code: &code, text, place });
            return Ok(());
        }
        let number = self.number(cell)?;
        let Meaning { commodity, flow, .. } = *meaning;
        sink.reading(Reading {
            point,
            device: shared.device,
            register,
            identity: Identity::Point,
            reading_type: ReadingType { commodity, kind, flow, unit: meant, phase: Phase::All },
            start,
            span,
            value: number,
            unit,
            quality: shared.quality,
            canonical: shared.canonical,
            reason: shared.reason,
            flags: Flags::default(),
            message_time: shared.changed,
            issued_at: None,
        });
        Ok(())
    }

    /// 0:00 at the end of an interval is the end of the day.
    fn stamp_of_day(&self, day: Stamp, value: &ValueColumn) -> Result<Stamp, Fault> {
        let at_end = self.checked.profile.time.stamps == Stamps::End && value.minute == 0;
        let minutes = if at_end { 24 * 60 } else { i64::from(value.minute) };
        let moved = day.civil.date().to_datetime(jiff::civil::Time::midnight());
        let moved = moved.checked_add(jiff::SignedDuration::from_mins(minutes));
        let civil = moved.map_err(|_| Fault::new(What::Time, "the day lies beyond the calendar".into()))?;
        Ok(Stamp { civil, offset_seconds: day.offset_seconds })
    }

    /// Kind, start and length of what a stamp stands for.
    fn placed(
        &self,
        meaning: &Meaning,
        at: Timestamp,
        end: Option<Timestamp>,
    ) -> Result<(Kinds, Timestamp, Span), Fault> {
        match meaning.kind {
            Kind::Register => return Ok((Kinds::Register, at, Span::ZERO)),
            Kind::Spot => return Ok((Kinds::Spot, at, Span::ZERO)),
            Kind::Interval | Kind::IntervalOrRegister => {}
        }
        if let Some(end) = end {
            let (start, span) = (at, Span(end.0 - at.0));
            return match span.0 {
                0 if meaning.kind == Kind::IntervalOrRegister => Ok((Kinds::Register, start, span)),
                1.. => Ok((Kinds::Interval, start, span)),
                _ => Err(Fault::new(What::Interval, format!("an interval from {start} to {end}"))),
            };
        }
        let Some(interval) = self.checked.interval else {
            return Err(Fault::new(What::Interval, "no end is given".into()));
        };
        let other = |sign: i64| match interval {
            Interval::Fixed(span) => Ok(at.plus(Span(sign * span.0))),
            Interval::Days(days) => zone::days_away(&self.checked.zone, at, sign * days),
        };
        let (start, end) = match self.checked.profile.time.stamps {
            Stamps::Start => (at, other(1)?),
            Stamps::End => (other(-1)?, at),
        };
        Ok((Kinds::Interval, start, Span(end.0 - start.0)))
    }

    fn believe(&self, start: Timestamp) -> Result<(), Fault> {
        let fault = |reason: String| Err(Fault::new(What::Time, reason));
        if start < EARLIEST {
            return fault(format!("{start} is where a clock starts that was never set"));
        }
        match self.limits.newest {
            Some(newest) if start > newest => fault(format!("{start} lies after the file came in, at {newest}")),
            _ => Ok(()),
        }
    }

    fn number(&self, cell: &[u8]) -> Result<Decimal, Fault> {
        let decimal = self.checked.decimal;
        let fault = |why: String| Fault::new(What::Value, why);
        if !self.checked.profile.exponents && cell.iter().any(|byte| matches!(byte, b'e' | b'E')) {
            return Err(fault(format!("{} has an exponent, which the profile does not expect", shown(cell))));
        }
        if decimal == b'.' {
            return Decimal::parse_bytes(cell).map_err(|error| fault(error.to_string()));
        }
        let mut bytes = [0; NUMBER_BYTES_MAX];
        let is_number = cell.len() <= NUMBER_BYTES_MAX && !cell.contains(&b'.');
        let not_a_number =
            || fault(format!("{} is not a number with the decimal mark {:?}", shown(cell), decimal as char));
        let bytes = if is_number { &mut bytes[..cell.len()] } else { return Err(not_a_number()) };
        for (to, from) in bytes.iter_mut().zip(cell) {
            *to = if *from == decimal { b'.' } else { *from };
        }
        Decimal::parse_bytes(bytes).map_err(|error| match error {
            DecimalError::NotANumber(_) => not_a_number(),
            error => fault(error.to_string()),
        })
    }
}
