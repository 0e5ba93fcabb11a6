//! From the fields of a line to readings and events.
//!
//! Promise: each field becomes a reading, an event or a refusal, and a number is
//! read from its text, digit for digit.

use meter::{Decimal, Event, Flags, Kind, Place, Reading, ReadingType, Sink, Span, Timestamp, Unit};

use super::fault::{Fault, What, shown};
use super::mapping::Checked;
use super::parts::{Field, Parts, Raw};
use super::series::{Series, check_text};
use crate::protobuf::{EARLIEST, Limits};

pub(super) struct Reader<'a> {
    pub(super) checked: &'a Checked,
    pub(super) limits: Limits,
}

/// What a bare value says.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Number(Decimal),
    Boolean(bool),
}

/// What all fields of a line have in common.
struct Context<'a> {
    line: u64,
    series: &'a Series<'a>,
    at: Timestamp,
    measurement: &'a str,
}

impl Reader<'_> {
    /// Reads a line, or says why none of it can be read.
    pub(super) fn line<S: Sink + ?Sized>(
        &self,
        number: u64,
        raw: &[u8],
        parts: &Parts<'_>,
        sink: &mut S,
    ) -> Result<(), Fault> {
        let series = Series::read(self.checked, parts)?;
        let at = self.time(parts)?;
        let context = Context { line: number, series: &series, at, measurement: &parts.measurement };
        let mut register = String::new();
        for (place, field) in parts.fields.iter().enumerate() {
            let is_twin = parts.fields[..place].iter().any(|earlier| earlier.key == field.key);
            let read = if is_twin {
                let reason = format!("field {} stands there twice; the first was kept", shown(&field.key));
                Err(Fault::new(What::RepeatedField, field.column, reason))
            } else {
                self.field(&context, field, &mut register, sink)
            };
            if let Err(fault) = read {
                fault.refuse(number, raw, sink);
            }
        }
        Ok(())
    }

    /// See [`super::looks_like`].
    pub(super) fn is_convincing(&self, parts: &Parts<'_>) -> bool {
        let is_number =
            |field: &Field<'_>| matches!(&field.value, Raw::Bare(bare) if matches!(said(bare), Ok(Said::Number(_))));
        let is_value = |field: &Field<'_>| {
            matches!(field.value, Raw::Text(_)) || matches!(&field.value, Raw::Bare(bare) if said(bare).is_ok())
        };
        parts.time.is_some()
            && self.time(parts).is_ok()
            && Series::read(self.checked, parts).is_ok()
            && parts.fields.iter().all(is_value)
            && parts.fields.iter().any(is_number)
    }

    fn time(&self, parts: &Parts<'_>) -> Result<Timestamp, Fault> {
        let Some((column, text)) = parts.time else {
            let arrival = self.limits.arrival();
            return arrival.ok_or_else(|| Fault::new(What::NoTime, 0, "no time stands at the end of the line"));
        };
        let profile = &self.checked.profile;
        let fault = |why: String| Fault::new(What::Time, column, why);
        let is_whole = !text.starts_with('+');
        let count = text.parse().ok().filter(|_| is_whole);
        let count: i64 = count.ok_or_else(|| fault(format!("{} is no time: a whole number is", shown(text))))?;
        let unit = format!("in {}; precision=s in the format's name says another unit", profile.precision);
        let outside = || fault(format!("{count} lies outside the years 1900 to 2200 if it counts {unit}"));
        let at = self.checked.precision.microseconds(count).ok_or_else(outside)?;
        let at = Timestamp::checked(at).map_err(|_| outside())?;
        if at < EARLIEST {
            return Err(fault(format!("{at} is where a clock starts that was never set, if {count} counts {unit}")));
        }
        match self.limits.newest {
            Some(newest) if at > newest => Err(fault(format!("{at} lies after the body came in, at {newest}"))),
            _ => Ok(at),
        }
    }

    fn field<S: Sink + ?Sized>(
        &self,
        context: &Context<'_>,
        field: &Field<'_>,
        register: &mut String,
        sink: &mut S,
    ) -> Result<(), Fault> {
        let series = context.series;
        let at_field = |fault: Fault| fault.of_field(field.column, &field.key);
        series.register(self.checked, &field.key, register);
        check_text("register", register).map_err(at_field)?;
        let (code, text) = match &field.value {
            Raw::Text(text) => match Decimal::parse(text) {
                Ok(_) => {
                    let why =
                        format!("the number {} stands in quotes, which make it a text; write it without", shown(text));
                    return Err(at_field(Fault::new(What::QuotedNumber, 0, why)));
                }
                Err(_) => ("", &**text),
            },
            Raw::Bare(bare) => match said(bare).map_err(at_field)? {
                Said::Number(value) => {
                    let reading = self.reading(context, &field.key, register, value).map_err(at_field)?;
                    sink.reading(reading);
                    return Ok(());
                }
                Said::Boolean(true) => ("true", ""),
                Said::Boolean(false) => ("false", ""),
            },
        };
        let kind = if code.is_empty() { "line.text" } else { "line.boolean" };
        let (place, span) = (Place::Line(context.line), Span::ZERO);
        let (point, device, at) = (series.point, series.device, context.at);
        sink.event(Event { point, device, register, at, span, kind, code, text, place });
        Ok(())
    }

    fn reading<'r>(
        &'r self,
        context: &Context<'r>,
        key: &str,
        register: &'r str,
        value: Decimal,
    ) -> Result<Reading<'r>, Fault> {
        let series = context.series;
        let spelled = self.unit(context, key)?;
        check_text("unit", spelled)?;
        let unit = Unit::from_spelling(spelled);
        let is_counter = self.checked.counters.contains(&unit);
        let kind = series.kind.unwrap_or(if is_counter { Kind::Register } else { Kind::Spot });
        let (start, span) = match (kind, self.checked.interval) {
            (Kind::Interval, Some(span)) if self.checked.stamps_end => (Timestamp(context.at.0 - span.0), span),
            (Kind::Interval, Some(span)) => (context.at, span),
            _ => (context.at, Span::ZERO),
        };
        let Series { commodity, flow, phase, .. } = *series;
        Ok(Reading {
            point: series.point,
            device: series.device,
            register,
            identity: series.identity,
            reading_type: ReadingType { commodity, kind, flow, unit, phase },
            start,
            span,
            value,
            unit: spelled,
            quality: series.quality,
            canonical: series.canonical,
            reason: series.reason,
            flags: Flags::default(),
            message_time: None,
            issued_at: None,
        })
    }

    /// As the tag says it, or the end of the field's name, or an option.
    fn unit<'r>(&'r self, context: &Context<'r>, key: &str) -> Result<&'r str, Fault> {
        let of_value = if *key == *self.checked.profile.value { self.suffix(context.measurement) } else { None };
        let suffix = self.suffix(key).or(of_value);
        match (context.series.unit, suffix) {
            (Some(tag), Some(suffix)) if Unit::from_spelling(tag) != Unit::from_spelling(suffix) => {
                let why = format!("the tag says that its unit is {}, and its name says {suffix}", shown(tag));
                Err(Fault::new(What::Unit, 0, why))
            }
            (Some(said), _) | (None, Some(said)) => Ok(said),
            (None, None) => Ok(self.checked.profile.defaults.unit.as_deref().unwrap_or_default()),
        }
    }

    /// The unit that a name ends in.
    fn suffix(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        let endings = name.match_indices('_').map(|(place, _)| &name[place + 1..]);
        let known = |ending| self.checked.profile.units.get(ending);
        // A whole name such as `kwh` is one too; one letter may mean anything.
        let whole = Some(name.as_str()).filter(|name| name.len() > 1);
        // The first is the longest.
        whole.into_iter().chain(endings).filter_map(known).next().map(String::as_str).filter(|unit| !unit.is_empty())
    }
}

/// A value without quotes.
fn said(bare: &str) -> Result<Said, Fault> {
    match bare {
        "t" | "T" | "true" | "True" | "TRUE" => return Ok(Said::Boolean(true)),
        "f" | "F" | "false" | "False" | "FALSE" => return Ok(Said::Boolean(false)),
        _ => {}
    }
    let fault = |why: String| Fault::new(What::Value, 0, why);
    let whole = bare.strip_suffix('i').or(bare.strip_suffix('u').filter(|digits| !digits.starts_with('-')));
    if let Some(digits) = whole
        && !digits.strip_prefix('-').unwrap_or(digits).bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(fault(format!("{} is no whole number", shown(bare))));
    }
    let number = Decimal::parse(whole.unwrap_or(bare));
    number.map(Said::Number).map_err(|error| match error {
        meter::DecimalError::NotANumber(_) => {
            fault(format!("{} is not a number; a text stands in double quotes", shown(bare)))
        }
        error => fault(error.to_string()),
    })
}
