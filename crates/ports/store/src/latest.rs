//! The latest row of every channel, held in memory (D9): "latest of everything"
//! must not scan.
//!
//! Promise: for each channel the standing version under its greatest key among
//! the rows it was told. Readers never wait for the disk; what they see is at
//! least as new as any snapshot published before they ask.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use arrow::array::RecordBatch;
use meter::{
    ChannelId, Decimal, DeviceId, Flags, Quality, Row, RowKey, Sequence, Span, TenantId, Timestamp, Word, Words,
};

use crate::prune::Ranges;
use crate::rows::rows_to_batch;

/// Units, qualities and reasons of rows in memory, shared by whoever holds some.
pub type SharedWords = Arc<RwLock<Words>>;

/// See the module.
#[derive(Debug)]
pub struct Latest {
    words: SharedWords,
    /// By block of channels: those of one point lie in one block, so that memory
    /// a channel stays near the 72 bytes of its row.
    blocks: RwLock<Blocks>,
}

#[derive(Debug, Default)]
struct Blocks {
    by_number: BTreeMap<i64, Block>,
    /// Channels that have a row.
    channels: usize,
}

#[derive(Debug)]
struct Block {
    tenant: TenantId,
    /// By slot; as long as the greatest one used.
    slots: Vec<Option<Kept>>,
}

/// A row without what its place tells.
#[derive(Clone, Copy, Debug)]
struct Kept {
    start: Timestamp,
    span: Span,
    value: i64,
    device: DeviceId,
    message_time: Timestamp,
    issued_at: Timestamp,
    sequence: Sequence,
    unit: Word,
    quality: Word,
    reason: Word,
    flags: Flags,
    scale: u8,
    canonical: Quality,
}

const _: () = assert!(size_of::<Option<Kept>>() == 72);

impl Latest {
    /// Knows nothing yet; `words` are those of the rows it will be told.
    pub fn new(words: SharedWords) -> Latest {
        Latest { words, blocks: RwLock::default() }
    }

    /// Takes in rows that stand. One of a greater key takes the place of what is
    /// there, and so does one of the same key: the last told stands.
    pub fn tell(&self, rows: &[Row]) {
        let mut blocks = self.blocks.write().expect("no holder panics");
        let Blocks { by_number, channels } = &mut *blocks;
        for row in rows {
            let (block, slot) = place_of(row.key.channel);
            let block = by_number.entry(block).or_insert_with(|| Block { tenant: row.key.tenant, slots: Vec::new() });
            if block.slots.len() <= slot {
                block.slots.reserve_exact(slot + 1 - block.slots.len());
                block.slots.resize(slot + 1, None);
            }
            let there = &mut block.slots[slot];
            *channels += usize::from(there.is_none());
            if there.is_none_or(|kept| (kept.start, kept.span) <= (row.key.start, row.key.span)) {
                *there = Some(Kept::of(row));
            }
        }
    }

    /// Whether this key is the latest of its channel.
    pub fn is_latest(&self, key: &RowKey) -> bool {
        let blocks = self.blocks.read().expect("no holder panics");
        let (block, slot) = place_of(key.channel);
        let kept = blocks.by_number.get(&block).and_then(|block| block.slots.get(slot).copied().flatten());
        kept.is_some_and(|kept| (kept.start, kept.span) == (key.start, key.span))
    }

    /// Channels that have a row.
    pub fn channel_count(&self) -> usize {
        self.blocks.read().expect("no holder panics").channels
    }

    /// The rows of channels from `from` on, in their order, at most so many; and
    /// the channel to go on with, if there may be more.
    pub fn rows(&self, from: ChannelId, at_most: usize) -> (Vec<Row>, Option<ChannelId>) {
        self.rows_within(&Ranges::default(), from, at_most)
    }

    fn rows_within(&self, ranges: &Ranges, from: ChannelId, at_most: usize) -> (Vec<Row>, Option<ChannelId>) {
        let mut rows = Vec::new();
        let blocks = &self.blocks.read().expect("no holder panics").by_number;
        if let Some(channels) = &ranges.channels {
            for channel in &channels[channels.partition_point(|channel| *channel < from)..] {
                if rows.len() == at_most {
                    return (rows, Some(*channel));
                }
                let (block, slot) = place_of(*channel);
                let found =
                    blocks.get(&block).and_then(|block| Some((block, block.slots.get(slot).copied().flatten()?)));
                rows.extend(found.map(|(block, kept)| kept.row(block.tenant, *channel)));
            }
            return (rows, None);
        }
        let (first, mut slot) = place_of(from);
        for (number, block) in blocks.range(first..) {
            let from_slot = std::mem::take(&mut slot);
            if ranges.tenant.is_some_and(|tenant| tenant != block.tenant) {
                continue;
            }
            for slot in from_slot..block.slots.len() {
                let channel = ChannelId::new(*number, slot as i64);
                if rows.len() == at_most {
                    return (rows, Some(channel));
                }
                rows.extend(block.slots[slot].map(|kept| kept.row(block.tenant, channel)));
            }
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

fn place_of(channel: ChannelId) -> (i64, usize) {
    (channel.0.div_euclid(ChannelId::SLOTS), channel.0.rem_euclid(ChannelId::SLOTS) as usize)
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
            unit: row.unit,
            quality: row.quality,
            reason: row.reason,
            // Where it lay says nothing about what stands.
            flags: row.flags.without(Flags::REISSUED),
            scale: row.value.scale,
            canonical: row.canonical,
        }
    }

    fn row(&self, tenant: TenantId, channel: ChannelId) -> Row {
        Row {
            key: RowKey { tenant, channel, start: self.start, span: self.span },
            value: Decimal::new(self.value, self.scale),
            unit: self.unit,
            quality: self.quality,
            canonical: self.canonical,
            reason: self.reason,
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
