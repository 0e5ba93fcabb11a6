//! The latest row of every channel, held in memory (D9): "latest of everything"
//! must not scan.
//!
//! Promise: for each channel the standing version under its greatest key among
//! the rows it was told. Readers never wait for the disk; what they see is at
//! least as new as any snapshot published before they ask.

use std::sync::{Arc, RwLock};

use arrow::array::RecordBatch;
use meter::{
    ChannelId, ChannelMap, Decimal, DeviceId, Flags, Quality, Row, RowKey, Sequence, Span, TenantId, Timestamp, Word,
    Words,
};

use crate::prune::Ranges;
use crate::rows::rows_to_batch;

/// Units, qualities and reasons of rows in memory, shared by whoever holds some.
pub type SharedWords = Arc<RwLock<Words>>;

/// See the module.
#[derive(Debug)]
pub struct Latest {
    words: SharedWords,
    by_channel: RwLock<ChannelMap<Kept>>,
}

/// A row without its channel: 80 bytes with it, of which a restart of a million
/// channels holds 80 MB.
#[derive(Clone, Copy, Debug)]
struct Kept {
    start: Timestamp,
    span: Span,
    value: i64,
    device: DeviceId,
    message_time: Timestamp,
    issued_at: Timestamp,
    sequence: Sequence,
    said: Said,
    tenant: TenantId,
    flags: Flags,
}

const _: () = assert!(size_of::<Kept>() == 72);

/// Three words, a scale and a quality in 64 bits.
#[derive(Clone, Copy, Debug)]
struct Said(u64);

const WORD_BITS: u32 = 17;
const _: () = assert!(Words::COUNT_MAX <= 1 << WORD_BITS);
const _: () = assert!(Decimal::SCALE_MAX < 32 && Quality::ALL.len() <= 256);

impl Said {
    fn of(row: &Row) -> Said {
        let words = [row.unit, row.quality, row.reason];
        let small = u64::from(row.value.scale) << 8 | u64::from(row.canonical.code());
        Said(words.iter().fold(small, |said, word| said << WORD_BITS | u64::from(word.0)))
    }

    fn word(self, place: u32) -> Word {
        Word((self.0 >> (WORD_BITS * place)) as u32 & ((1 << WORD_BITS) - 1))
    }

    fn unit(self) -> Word {
        self.word(2)
    }

    fn quality(self) -> Word {
        self.word(1)
    }

    fn reason(self) -> Word {
        self.word(0)
    }

    fn canonical(self) -> Quality {
        Quality::from_code((self.0 >> (3 * WORD_BITS)) as u8).expect("was put in as one")
    }

    fn scale(self) -> u8 {
        (self.0 >> (3 * WORD_BITS + 8)) as u8
    }
}

impl Latest {
    /// Knows nothing yet; `words` are those of the rows it will be told.
    pub fn new(words: SharedWords) -> Latest {
        Latest { words, by_channel: RwLock::default() }
    }

    /// Takes in rows that stand. One of a greater key takes the place of what is
    /// there, and so does one of the same key: the last told stands.
    pub fn tell(&self, rows: &[Row]) {
        let mut by_channel = self.by_channel.write().expect("no holder panics");
        for row in rows {
            let (there, new) = by_channel.get_or_insert_with(row.key.channel, || Kept::of(row));
            if !new && (there.start, there.span) <= (row.key.start, row.key.span) {
                *there = Kept::of(row);
            }
        }
    }

    /// Whether this key is the latest of its channel.
    pub fn is_latest(&self, key: &RowKey) -> bool {
        let by_channel = self.by_channel.read().expect("no holder panics");
        by_channel.get(key.channel).is_some_and(|kept| (kept.start, kept.span) == (key.start, key.span))
    }

    /// Channels that have a row.
    pub fn channel_count(&self) -> usize {
        self.by_channel.read().expect("no holder panics").len()
    }

    /// The rows of channels from `from` on, in their order, at most so many; and
    /// the channel to go on with, if there may be more.
    pub fn rows(&self, from: ChannelId, at_most: usize) -> (Vec<Row>, Option<ChannelId>) {
        self.rows_within(&Ranges::default(), from, at_most)
    }

    fn rows_within(&self, ranges: &Ranges, from: ChannelId, at_most: usize) -> (Vec<Row>, Option<ChannelId>) {
        let mut rows = Vec::new();
        let from = ranges.channel_from.map_or(from, |first| first.max(from));
        let by_channel = self.by_channel.read().expect("no holder panics");
        if let Some(channels) = &ranges.channels {
            for channel in &channels[channels.partition_point(|channel| *channel < from)..] {
                if rows.len() == at_most {
                    return (rows, Some(*channel));
                }
                rows.extend(by_channel.get(*channel).map(|kept| kept.row(*channel)));
            }
            return (rows, None);
        }
        for (channel, kept) in by_channel.range_from(from) {
            if ranges.tenant.is_some_and(|tenant| tenant != kept.tenant) {
                continue;
            }
            if rows.len() == at_most {
                return (rows, Some(channel));
            }
            rows.push(kept.row(channel));
        }
        (rows, None)
    }

    /// The same as columns of `readings`. Channels outside the ranges may be
    /// left out; the times of the ranges are not looked at.
    pub(crate) fn batch(&self, ranges: &Ranges, from: ChannelId, at_most: usize) -> (RecordBatch, Option<ChannelId>) {
        // In the order in which whoever judges takes them: words, then blocks.
        let words = self.words.read().expect("no holder panics");
        let (rows, next) = self.rows_within(ranges, from, at_most);
        (rows_to_batch(&rows, &words), next)
    }
}

impl Kept {
    fn of(row: &Row) -> Kept {
        Kept {
            start: row.key.start,
            span: row.key.span,
            value: row.value.value,
            device: row.device,
            message_time: row.message_time,
            issued_at: row.issued_at,
            sequence: row.sequence,
            said: Said::of(row),
            tenant: row.key.tenant,
            // Where it lay says nothing about what stands.
            flags: row.flags.without(Flags::REISSUED),
        }
    }

    fn row(&self, channel: ChannelId) -> Row {
        Row {
            key: RowKey { tenant: self.tenant, channel, start: self.start, span: self.span },
            value: Decimal::new(self.value, self.said.scale()),
            unit: self.said.unit(),
            quality: self.said.quality(),
            canonical: self.said.canonical(),
            reason: self.said.reason(),
            flags: self.flags,
            device: self.device,
            message_time: self.message_time,
            issued_at: self.issued_at,
            sequence: self.sequence,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap as Plain;

    fn row(channel: i64, start: i64, value: i64) -> Row {
        let mut row = crate::tests::any_row();
        row.key.channel = ChannelId(channel);
        row.key.start = Timestamp(start);
        row.value = Decimal::new(value, 2);
        row
    }

    fn all(latest: &Latest, at_a_time: usize) -> Vec<(i64, i64, i64)> {
        let (mut seen, mut next) = (Vec::new(), Some(ChannelId(0)));
        while let Some(from) = next {
            let (rows, more) = latest.rows(from, at_a_time);
            seen.extend(rows.iter().map(|row| (row.key.channel.0, row.key.start.0, row.value.value)));
            next = more;
        }
        seen
    }

    #[test]
    fn what_was_issued_again_shows_the_flags_it_has_in_readings() {
        let latest = Latest::new(SharedWords::default());
        let mut told = row(64, 5, 1);
        told.flags = Flags::REISSUED.with(Flags::LATE);
        latest.tell(&[told]);
        assert_eq!(latest.rows(ChannelId(0), 9).0[0].flags, Flags::LATE);
    }

    proptest! {
        #[test]
        fn a_row_comes_out_as_it_was_told(
            words in [0_u32..Words::COUNT_MAX as u32, 0..Words::COUNT_MAX as u32, 0..Words::COUNT_MAX as u32],
            scale in 0..=Decimal::SCALE_MAX,
            quality in 0..Quality::ALL.len(),
            numbers: [i64; 5],
        ) {
            let mut told = row(64, numbers[0], numbers[1]);
            [told.unit, told.quality, told.reason] = words.map(Word);
            (told.value.scale, told.canonical, told.key.tenant) = (scale, Quality::ALL[quality], TenantId(i32::MAX));
            (told.device, told.message_time, told.issued_at) =
                (DeviceId(numbers[2]), Timestamp(numbers[3]), Timestamp(numbers[4]));
            let latest = Latest::new(SharedWords::default());
            latest.tell(&[told]);
            prop_assert_eq!(format!("{:?}", latest.rows(ChannelId(0), 9).0), format!("{:?}", [told]));
        }

        #[test]
        fn the_greatest_key_and_of_one_key_the_last_told(
            told in prop::collection::vec((0_i64..300, 0_i64..6, any::<i64>()), 0..200),
            at_a_time in 1_usize..20,
        ) {
            let latest = Latest::new(SharedWords::default());
            let mut plain: Plain<i64, (i64, i64)> = Plain::new();
            for (channel, start, value) in &told {
                latest.tell(&[row(*channel, *start, *value)]);
                let there = plain.entry(*channel).or_insert((*start, *value));
                if there.0 <= *start {
                    *there = (*start, *value);
                }
            }
            let expected: Vec<_> = plain.iter().map(|(channel, (start, value))| (*channel, *start, *value)).collect();
            prop_assert_eq!(all(&latest, at_a_time), expected);
            prop_assert_eq!(latest.channel_count(), plain.len());
            for (channel, start, _) in &told {
                let key = row(*channel, *start, 0).key;
                prop_assert_eq!(latest.is_latest(&key), plain[channel].0 == *start);
            }
        }

        #[test]
        fn asked_for_some_channels_it_gives_those(
            channels in prop::collection::btree_set(0_i64..300, 0..40),
            wanted in prop::collection::btree_set(0_i64..300, 0..40),
            at_a_time in 1_usize..20,
        ) {
            let latest = Latest::new(SharedWords::default());
            latest.tell(&channels.iter().map(|channel| row(*channel, 5, 1)).collect::<Vec<_>>());
            let ranges = Ranges { channels: Some(wanted.iter().copied().map(ChannelId).collect()), ..Ranges::default() };
            let (mut seen, mut next) = (Vec::new(), Some(ChannelId(0)));
            while let Some(from) = next {
                let (rows, more) = latest.rows_within(&ranges, from, at_a_time);
                seen.extend(rows.iter().map(|row| row.key.channel.0));
                next = more;
            }
            prop_assert_eq!(seen, channels.intersection(&wanted).copied().collect::<Vec<_>>());
        }
    }
}
