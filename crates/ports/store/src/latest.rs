//! The latest row of every channel, held in memory (D9): "latest of everything"
//! must not scan.
//!
//! Promise: for each channel the standing version under its greatest key among
//! the rows it was told. Readers never wait for the disk; what they see is at
//! least as new as any snapshot published before they ask.

use std::sync::{Arc, RwLock};

use arrow::array::RecordBatch;
use meter::{ChannelId, ChannelMap, Flags, Row, RowKey, Words};

use crate::prune::Ranges;
use crate::rows::rows_to_batch;

/// Units, qualities and reasons of rows in memory, shared by whoever holds some.
pub type SharedWords = Arc<RwLock<Words>>;

/// See the module.
#[derive(Debug)]
pub struct Latest {
    words: SharedWords,
    by_channel: RwLock<ChannelMap<{ Row::NUMBERS }>>,
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
            // Where it lay says nothing about what stands.
            let told = Row { flags: row.flags.without(Flags::REISSUED), ..*row }.numbers();
            by_channel.update(row.key.channel, |there| {
                let newer = there.is_none_or(|there| key_of(&there) <= key_of(&told));
                newer.then_some(told)
            });
        }
    }

    /// Whether this key is the latest of its channel.
    pub fn is_latest(&self, key: &RowKey) -> bool {
        let by_channel = self.by_channel.read().expect("no holder panics");
        by_channel.get(key.channel).is_some_and(|there| key_of(&there) == (key.start.0, key.span.0))
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
                rows.extend(by_channel.get(*channel).map(|numbers| row_of(*channel, numbers)));
            }
            return (rows, None);
        }
        for (channel, numbers) in by_channel.range_from(from) {
            let row = row_of(channel, numbers);
            if ranges.tenant.is_some_and(|tenant| tenant != row.key.tenant) {
                continue;
            }
            if rows.len() == at_most {
                return (rows, Some(channel));
            }
            rows.push(row);
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

/// Start and span of a row kept.
fn key_of(numbers: &[i64; Row::NUMBERS]) -> (i64, i64) {
    (numbers[0], numbers[1])
}

fn row_of(channel: ChannelId, numbers: [i64; Row::NUMBERS]) -> Row {
    Row::of_numbers(channel, numbers).expect("they are a row's")
}

#[cfg(test)]
mod tests {
    use super::*;
    use meter::{Decimal, DeviceId, Quality, Sequence, Span, TenantId, Timestamp, Word};
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

    /// Times and values near each other, and the ends of all numbers between them.
    fn any_numbers() -> impl Strategy<Value = [i64; 7]> {
        let ends = prop_oneof![Just(i64::MIN), Just(i64::MAX), any::<i64>()];
        prop::array::uniform7(prop_oneof![9 => 1_700_000_000_000_000..1_700_000_900_000_000_i64, 1 => ends])
    }

    /// Words, scale, quality, flags and tenant.
    fn any_small() -> impl Strategy<Value = ([u32; 3], u8, usize, u16, i32)> {
        let word = prop_oneof![9 => 0..3_u32, 1 => 0..Words::COUNT_MAX as u32];
        let flags = prop_oneof![9 => Just(0), 1 => any::<u16>()];
        let tenant = prop_oneof![9 => Just(1), 1 => any::<i32>()];
        (prop::array::uniform3(word), 0..=Decimal::SCALE_MAX, 0..Quality::ALL.len(), flags, tenant)
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
        fn a_row_comes_out_as_it_was_told_whatever_its_neighbours_are(
            told in prop::collection::vec((0_i64..200, any_numbers(), any_small()), 1..300),
        ) {
            let (latest, mut plain) = (Latest::new(SharedWords::default()), Plain::new());
            for (channel, numbers, (words, scale, quality, flags, tenant)) in told {
                let mut told = row(channel, numbers[0], numbers[1]);
                (told.key.span, told.key.tenant) = (Span(numbers[2]), TenantId(tenant));
                [told.unit, told.quality, told.reason] = words.map(Word);
                (told.value.scale, told.canonical, told.flags) = (scale, Quality::ALL[quality], Flags(flags));
                (told.device, told.sequence) = (DeviceId(numbers[3]), Sequence(numbers[4].cast_unsigned()));
                (told.message_time, told.issued_at) = (Timestamp(numbers[5]), Timestamp(numbers[6]));
                latest.tell(&[told]);
                told.flags = told.flags.without(Flags::REISSUED);
                let there = plain.entry(channel).or_insert(told);
                if (there.key.start, there.key.span) <= (told.key.start, told.key.span) {
                    *there = told;
                }
            }
            let expected: Vec<Row> = plain.into_values().collect();
            prop_assert_eq!(format!("{:?}", latest.rows(ChannelId(0), 999).0), format!("{expected:?}"));
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
