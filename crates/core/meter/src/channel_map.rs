//! Something for each of very many channels, in their order.
//!
//! Promise: as a `BTreeMap` by channel, in little more memory than what is kept:
//! leaves are filled to the end where channels come in order, as they do because
//! blocks are leased in order.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::ChannelId;

/// Entries of a leaf: one that comes between others moves half of them.
const LEAF_MAX: usize = 64;

/// See the module.
#[derive(Debug)]
pub struct ChannelMap<T> {
    /// The first channel of each leaf.
    firsts: Vec<ChannelId>,
    leaves: Vec<Leaf<T>>,
    count: usize,
    /// The leaf asked for last: only a guess. Who asks in order finds it right.
    last: AtomicUsize,
}

#[derive(Debug)]
struct Leaf<T> {
    /// Ascending, each with its value at the same place.
    channels: Vec<ChannelId>,
    values: Vec<T>,
}

impl<T> Default for ChannelMap<T> {
    fn default() -> Self {
        ChannelMap { firsts: Vec::new(), leaves: Vec::new(), count: 0, last: AtomicUsize::new(0) }
    }
}

impl<T> ChannelMap<T> {
    /// How many channels have a value.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none has one.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The channel's value.
    pub fn get(&self, channel: ChannelId) -> Option<&T> {
        let leaf = &self.leaves[self.leaf_of(channel)?];
        let at = leaf.channels.binary_search(&channel).ok()?;
        Some(&leaf.values[at])
    }

    /// The channel's value; made where there is none, which the second tells.
    pub fn get_or_insert_with(&mut self, channel: ChannelId, make: impl FnOnce() -> T) -> (&mut T, bool) {
        let Some(leaf) = self.leaf_of(channel) else { return self.insert_leaf(0, channel, make()) };
        let there = self.leaves[leaf].channels.binary_search(&channel);
        let at = match there {
            Ok(at) => return (&mut self.leaves[leaf].values[at], false),
            Err(at) => at,
        };
        if self.leaves[leaf].channels.len() < LEAF_MAX {
            return self.insert_at(leaf, at, channel, make());
        }
        if at == LEAF_MAX {
            return self.insert_leaf(leaf + 1, channel, make());
        }
        self.split(leaf);
        let half = LEAF_MAX / 2;
        let (leaf, at) = if at <= half { (leaf, at) } else { (leaf + 1, at - half) };
        self.insert_at(leaf, at, channel, make())
    }

    /// All values of channels from `from` on, in their order.
    pub fn range_from(&self, from: ChannelId) -> impl Iterator<Item = (ChannelId, &T)> {
        let first = self.leaf_of(from).unwrap_or(0);
        let rest = self.leaves.get(first..).unwrap_or_default();
        let all = rest.iter().flat_map(|leaf| leaf.channels.iter().copied().zip(&leaf.values));
        all.skip_while(move |(channel, _)| *channel < from)
    }

    /// All values, in the order of their channels.
    pub fn iter(&self) -> impl Iterator<Item = (ChannelId, &T)> {
        self.range_from(ChannelId(i64::MIN))
    }

    /// The leaf a channel is in, or goes into where it is between two: the one before it, or the first.
    fn leaf_of(&self, channel: ChannelId) -> Option<usize> {
        let last = self.last.load(Ordering::Relaxed);
        let begun = self.firsts.get(last).is_some_and(|first| *first <= channel);
        if begun && self.firsts.get(last + 1).is_none_or(|next| channel < *next) {
            return Some(last);
        }
        let after = self.firsts.partition_point(|first| *first <= channel);
        let leaf = (!self.leaves.is_empty()).then(|| after.saturating_sub(1))?;
        self.last.store(leaf, Ordering::Relaxed);
        Some(leaf)
    }

    fn insert_leaf(&mut self, place: usize, channel: ChannelId, value: T) -> (&mut T, bool) {
        // Most leaves are filled: their memory is taken at once, and only once.
        let (mut channels, mut values) = (Vec::with_capacity(LEAF_MAX), Vec::with_capacity(LEAF_MAX));
        channels.push(channel);
        values.push(value);
        self.firsts.insert(place, channel);
        self.leaves.insert(place, Leaf { channels, values });
        self.count += 1;
        (&mut self.leaves[place].values[0], true)
    }

    fn insert_at(&mut self, leaf: usize, at: usize, channel: ChannelId, value: T) -> (&mut T, bool) {
        let there = &mut self.leaves[leaf];
        there.channels.insert(at, channel);
        there.values.insert(at, value);
        self.firsts[leaf] = there.channels[0];
        self.count += 1;
        (&mut there.values[at], true)
    }

    fn split(&mut self, leaf: usize) {
        let full = &mut self.leaves[leaf];
        let (mut channels, mut values) = (Vec::with_capacity(LEAF_MAX), Vec::with_capacity(LEAF_MAX));
        channels.extend(full.channels.drain(LEAF_MAX / 2..));
        values.extend(full.values.drain(LEAF_MAX / 2..));
        self.firsts.insert(leaf + 1, channels[0]);
        self.leaves.insert(leaf + 1, Leaf { channels, values });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_holds_what_a_plain_map_holds(
            told in prop::collection::vec((-300_i64..300, any::<u8>()), 0..900),
            ascending in 0_i64..500,
            from in -400_i64..400,
        ) {
            let (mut ours, mut plain) = (ChannelMap::default(), BTreeMap::new());
            let ordered = (0..ascending).map(|number| (number * 3, 7));
            for (channel, value) in ordered.chain(told) {
                let (there, new) = ours.get_or_insert_with(ChannelId(channel), || value);
                prop_assert_eq!(new, !plain.contains_key(&channel));
                let expected = plain.entry(channel).or_insert(value);
                prop_assert_eq!(*there, *expected);
                (*there, *expected) = (value, value);
            }
            prop_assert_eq!(ours.len(), plain.len());
            prop_assert_eq!(ours.is_empty(), plain.is_empty());
            let seen: Vec<(i64, u8)> = ours.range_from(ChannelId(from)).map(|(id, value)| (id.0, *value)).collect();
            prop_assert_eq!(seen, plain.range(from..).map(|(id, value)| (*id, *value)).collect::<Vec<_>>());
            for channel in -310..1_600 {
                prop_assert_eq!(ours.get(ChannelId(channel)), plain.get(&channel));
            }
            prop_assert_eq!(ours.iter().count(), plain.len());
        }
    }

    #[test]
    fn channels_in_order_fill_their_leaves() {
        let mut map = ChannelMap::default();
        for channel in 0..10_000 {
            map.get_or_insert_with(ChannelId(channel * 64), || 0_u64);
        }
        assert_eq!(map.leaves.len(), 10_000_usize.div_ceil(LEAF_MAX));
    }
}
