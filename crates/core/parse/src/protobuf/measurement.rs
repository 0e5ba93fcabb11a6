//! One measurement: its fields as they stand, then the reading they mean.

use meter::{Decimal, DecimalError, Flags, Kind, Reading, Span, Timestamp};

use super::container::Header;
use super::fault::Fault;
use super::limits::{Limits, text};
use super::schema::measurement as tags;
use super::streams::{Declared, canonical};
use super::wire::{Cursor, Step};

#[derive(Clone, Copy, Debug)]
enum Value {
    Digits(i64),
    Number(f64),
}

/// A measurement's fields as they stand on the wire.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Raw<'a> {
    pub(super) stream: u64,
    at_us: i64,
    value: Option<Value>,
    scale: Option<u64>,
    span_us: Option<i64>,
    quality: Option<&'a [u8]>,
    reason: Option<&'a [u8]>,
    flags: u64,
    changed_at_us: Option<i64>,
}

/// Flags a source may set; the others are ours.
const SOURCE_FLAGS: Flags = Flags::OUTAGE
    .with(Flags::CLOCK_ADJUSTED)
    .with(Flags::DST_MARKED)
    .with(Flags::ROLLOVER)
    .with(Flags::EXCHANGE)
    .with(Flags::SCALED)
    .with(Flags::LATE)
    .with(Flags::TEST_MODE);

impl<'a> Raw<'a> {
    #[inline(always)]
    pub(super) fn read(mut message: Cursor<'a>) -> Step<Raw<'a>> {
        let mut raw = Raw::default();
        while let Some(tag) = message.tag()? {
            match tag {
                tags::STREAM => raw.stream = message.varint()?,
                tags::AT => raw.at_us = message.zigzag()?,
                tags::DIGITS => raw.value = Some(Value::Digits(message.zigzag()?)),
                tags::NUMBER => raw.value = Some(Value::Number(message.double()?)),
                tags::SCALE => raw.scale = Some(message.varint()?),
                tags::SPAN => raw.span_us = Some(message.int64()?),
                tags::QUALITY => raw.quality = Some(message.bytes()?),
                tags::REASON => raw.reason = Some(message.bytes()?),
                tags::FLAGS => raw.flags = message.varint()?,
                tags::CHANGED_AT => raw.changed_at_us = Some(message.int64()?),
                _ => message.skip(tag)?,
            }
        }
        Ok(raw)
    }

    /// The reading it means.
    #[inline(always)]
    pub(super) fn reading(
        &self,
        header: &Header<'a>,
        declared: &Declared<'a>,
        limits: &Limits,
    ) -> Result<Reading<'a>, Fault> {
        let start = limits.instant("the start", header.base_us, self.at_us)?;
        let (quality, canonical) = match self.quality {
            None => (declared.quality, declared.canonical),
            Some(bytes) => text("quality", bytes).map(|word| (word, canonical(word)))?,
        };
        let span = self.span(declared, start)?;
        let value = self.value(declared)?;
        let reason = match self.reason {
            None => declared.reason,
            Some(bytes) => text("reason", bytes)?,
        };
        let flags = self.flags()?;
        let message_time = match self.changed_at_us {
            None => header.created_at,
            Some(at_us) => Some(limits.instant("changed_at", at_us, 0)?),
        };
        Ok(Reading {
            point: header.point,
            device: header.device,
            register: declared.register,
            identity: header.identity,
            reading_type: declared.reading_type,
            start,
            span,
            value,
            unit: declared.unit,
            quality,
            canonical,
            reason,
            flags,
            message_time,
            issued_at: header.created_at,
        })
    }

    #[inline]
    fn span(&self, declared: &Declared<'_>, start: Timestamp) -> Result<Span, Fault> {
        let span_us = self.span_us.unwrap_or(declared.span_us);
        match declared.reading_type.kind {
            Kind::Interval if span_us <= 0 || start.plus(Span(span_us)) > Timestamp::MAX => {
                Err(Fault::IntervalSpan { span_us })
            }
            kind @ (Kind::Register | Kind::Spot) if span_us != 0 => Err(Fault::InstantSpan { span_us, kind }),
            _ => Ok(Span(span_us)),
        }
    }

    #[inline]
    fn value(&self, declared: &Declared<'_>) -> Result<Decimal, Fault> {
        match self.value {
            None => Err(Fault::NoValue),
            Some(Value::Digits(digits)) => {
                let scale = self.scale.unwrap_or(declared.scale);
                match u8::try_from(scale) {
                    Ok(places) if places <= Decimal::SCALE_MAX => Ok(Decimal::new(digits, places)),
                    _ => Err(Fault::Scale { scale }),
                }
            }
            Some(Value::Number(number)) => Decimal::from_double(number).map_err(|error| match error {
                DecimalError::NotFinite => Fault::NotFinite,
                DecimalError::NotANumber(_) | DecimalError::TooManyDigits(_) => Fault::Digits { number },
            }),
        }
    }

    #[inline]
    fn flags(&self) -> Result<Flags, Fault> {
        match u16::try_from(self.flags).map(Flags) {
            Ok(flags) if SOURCE_FLAGS.has(flags) => Ok(flags),
            _ => Err(Fault::Flags { flags: self.flags }),
        }
    }
}
