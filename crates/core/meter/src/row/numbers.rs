//! A row as numbers, for what keeps or writes very many.
//!
//! Promise: what is made of them is the row they were taken from; of numbers that
//! no row can have nothing is made.

use crate::{
    ChannelId, Decimal, DeviceId, Flags, Quality, Row, RowKey, Sequence, Span, TenantId, Timestamp, Word, Words,
};

impl Row {
    /// How many numbers a row is, its channel apart.
    pub const NUMBERS: usize = 14;

    /// All but the channel: start and span of the key first, then what changes from
    /// row to row, then what seldom does. When it was issued is told from its message time on.
    #[inline]
    pub fn numbers(&self) -> [i64; Row::NUMBERS] {
        [
            self.key.start.0,
            self.key.span.0,
            self.value.value,
            self.device.0,
            self.message_time.0,
            self.issued_at.0.wrapping_sub(self.message_time.0),
            self.sequence.0.cast_signed(),
            self.key.tenant.0.into(),
            self.unit.0.into(),
            self.quality.0.into(),
            self.reason.0.into(),
            self.flags.0.into(),
            self.value.scale.into(),
            self.canonical.code().into(),
        ]
    }

    /// The row of a channel that these are the numbers of; none if there is none.
    #[inline]
    pub fn of_numbers(channel: ChannelId, numbers: [i64; Row::NUMBERS]) -> Option<Row> {
        let [start, span, value, device, message_time, issued_after, sequence, ..] = numbers;
        let [.., tenant, unit, quality, reason, flags, scale, canonical] = numbers;
        let word = |number: i64| u32::try_from(number).ok().filter(|word| *word < Words::COUNT_MAX as u32).map(Word);
        let tenant = TenantId(i32::try_from(tenant).ok()?);
        Some(Row {
            key: RowKey { tenant, channel, start: Timestamp(start), span: Span(span) },
            value: Decimal::new(value, u8::try_from(scale).ok().filter(|scale| *scale <= Decimal::SCALE_MAX)?),
            unit: word(unit)?,
            quality: word(quality)?,
            canonical: Quality::from_code(u8::try_from(canonical).ok()?)?,
            reason: word(reason)?,
            flags: Flags(u16::try_from(flags).ok()?),
            device: DeviceId(device),
            message_time: Timestamp(message_time),
            issued_at: Timestamp(message_time.wrapping_add(issued_after)),
            sequence: Sequence(sequence.cast_unsigned()),
        })
    }
}
