//! A reading as stored: names resolved to ids; and which version of it stands.
//!
//! Promise: for any set of versions of one key, the standing one is the same in
//! whatever order they arrived (promise 3 of the design): `stands_over` is a
//! total order on what a version says, never on when it came.
//!
//! Read: here, then `row/numbers.rs`.

use std::cmp::Ordering;

use crate::{ChannelId, Decimal, DeviceId, Flags, Quality, Sequence, Span, TenantId, Timestamp, Unit, Word, Words};

mod numbers;

/// The key of a reading (D2). Rows lie in the lake in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// Whose reading it is.
    pub tenant: TenantId,
    /// The stream it belongs to.
    pub channel: ChannelId,
    /// Start of the interval, or the instant of the read.
    pub start: Timestamp,
    /// Zero for a register read or a spot value.
    pub span: Span,
}

/// One version of one reading.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which reading this is a version of.
    pub key: RowKey,
    /// In `unit`, digit for digit.
    pub value: Decimal,
    /// As spelled by the source.
    pub unit: Word,
    /// Verbatim from the source.
    pub quality: Word,
    /// The rank of `quality`.
    pub canonical: Quality,
    /// The source's reason code, verbatim.
    pub reason: Word,
    /// Circumstances, the source's and our own.
    pub flags: Flags,
    /// The device that measured; [`DeviceId::NONE`] if none is named.
    pub device: DeviceId,
    /// The source's own, or the journal's received-at with [`Flags::ARRIVAL_TIME`].
    pub message_time: Timestamp,
    /// When the file around it was made; equals `message_time` where the source has no header.
    pub issued_at: Timestamp,
    /// The journal record it came in with.
    pub sequence: Sequence,
}

impl Row {
    /// Same value (1.50 = 1.5), canonical unit, quality and reason (promise 2).
    pub fn same_content(&self, other: &Row, words: &Words) -> bool {
        self.content_order(other, words) == Ordering::Equal
    }

    /// Same content and message time: the same version, however often it comes.
    pub fn same_version(&self, other: &Row, words: &Words) -> bool {
        self.message_time == other.message_time && self.same_content(other, words)
    }

    /// Which of two versions of one key stands: newest message time, then newest
    /// file, then an arbitrary but fixed order of content. Greater stands.
    pub fn standing_order(&self, other: &Row, words: &Words) -> Ordering {
        (self.message_time, self.issued_at)
            .cmp(&(other.message_time, other.issued_at))
            .then_with(|| self.content_order(other, words))
    }

    /// By texts, not by `Word` numbers: those differ from run to run.
    pub fn content_order(&self, other: &Row, words: &Words) -> Ordering {
        let unit = |row: &Row| Unit::from_spelling(words.text(row.unit));
        let by_unit = || {
            if self.unit == other.unit {
                return Ordering::Equal;
            }
            let (ours, theirs) = (unit(self), unit(other));
            if ours == Unit::Unknown && theirs == Unit::Unknown {
                return words.text(self.unit).cmp(words.text(other.unit));
            }
            ours.cmp(&theirs)
        };
        self.value
            .cmp(&other.value)
            .then_with(by_unit)
            .then_with(|| words.text(self.quality).cmp(words.text(other.quality)))
            .then_with(|| words.text(self.reason).cmp(words.text(other.reason)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(value: Decimal, unit: Word, message_time: i64, issued_at: i64) -> Row {
        Row {
            key: RowKey::default(),
            value,
            unit,
            quality: Word(0),
            canonical: Quality::Measured,
            reason: Word(0),
            flags: Flags::default(),
            device: DeviceId::NONE,
            message_time: Timestamp(message_time),
            issued_at: Timestamp(issued_at),
            sequence: Sequence(0),
        }
    }

    #[test]
    fn a_trailing_zero_or_another_spelling_is_the_same_content() {
        let mut words = Words::new();
        let (kwh, upper) = (words.intern("kWh").expect("fits"), words.intern("KWH").expect("fits"));
        let one = row(Decimal::new(150, 2), kwh, 5, 5);
        let two = row(Decimal::new(15, 1), upper, 5, 9);
        assert!(one.same_version(&two, &words));
        assert!(!one.same_version(&row(Decimal::new(16, 1), kwh, 5, 5), &words));
        assert!(!one.same_version(&row(Decimal::new(15, 1), kwh, 6, 5), &words));
    }

    proptest! {
        #[test]
        fn the_standing_version_does_not_depend_on_arrival(
            versions in proptest::collection::vec((0_i64..3, 0_i64..3, 0_i64..3, 0_u8..3), 1..8),
            seed: u64,
        ) {
            let mut words = Words::new();
            let units = ["kWh", "KWH", "Wh"].map(|u| words.intern(u).expect("fits"));
            let rows: Vec<Row> = versions
                .iter()
                .map(|(value, message, issued, unit)| row(Decimal::new(*value, 0), units[usize::from(*unit)], *message, *issued))
                .collect();
            let mut shuffled = rows.clone();
            let by = (seed as usize) % shuffled.len();
            shuffled.rotate_left(by);
            let standing = |rows: &[Row]| *rows.iter().max_by(|a, b| a.standing_order(b, &words)).expect("not empty");
            let (ours, theirs) = (standing(&rows), standing(&shuffled));
            prop_assert!(ours.same_version(&theirs, &words));
        }
    }
}
