//! Some numbers for each of very many channels, in their order.
//!
//! Promise: as a `BTreeMap` from a channel to `N` numbers, in about the memory
//! that neighbours differ by: two bytes for the channel, two or three of what a
//! leaf has once, and no byte for a number that is the same all over a leaf.
//! Leaves are filled to the end where channels come in order, as they do because
//! blocks are leased in order.
//!
//! Read: `channel_map/leaf.rs` (neighbours, packed), then here.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::ChannelId;

mod leaf;

use leaf::{LEAF_MAX, Leaf};

/// See the module.
#[derive(Debug)]
pub struct ChannelMap<const N: usize> {
    /// The first channel of each leaf.
    firsts: Vec<ChannelId>,
    leaves: Vec<Box<Leaf<N>>>,
    count: usize,
    /// The leaf asked for last and the place in it: only a guess. Who asks in order finds it right.
    last: AtomicUsize,
}

// Of 128 channels: distances, and for each number a base and a width.
const _: () = assert!(size_of::<Leaf<14>>() == 408 && size_of::<Leaf<5>>() == 328);

impl<const N: usize> Default for ChannelMap<N> {
    fn default() -> Self {
        ChannelMap { firsts: Vec::new(), leaves: Vec::new(), count: 0, last: AtomicUsize::new(0) }
    }
}

impl<const N: usize> ChannelMap<N> {
    /// How many channels have numbers.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none has any.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The channel's numbers.
    #[inline(always)]
    pub fn get(&self, channel: ChannelId) -> Option<[i64; N]> {
        let place = self.leaf_of(channel)?;
        let at = self.find(place, self.distance(place, channel)?).ok()?;
        Some(self.leaves[place].get(at))
    }

    /// Gives the channel other numbers: those that `with` makes of those it has, if it
    /// has any and makes some.
    #[inline]
    pub fn update(&mut self, channel: ChannelId, with: impl FnOnce(Option<[i64; N]>) -> Option<[i64; N]>) {
        let there = self.leaf_of(channel).and_then(|place| {
            let at = self.find(place, self.distance(place, channel)?).ok()?;
            Some((place, at))
        });
        match there {
            Some((place, at)) => {
                let leaf = &mut self.leaves[place];
                if let Some(numbers) = with(Some(leaf.get(at))) {
                    leaf.set(at, numbers);
                }
            }
            None => {
                if let Some(numbers) = with(None) {
                    self.insert(channel, numbers);
                }
            }
        }
    }

    /// A channel that is not there.
    fn insert(&mut self, channel: ChannelId, numbers: [i64; N]) {
        let Some(place) = self.leaf_of(channel) else { return self.add_leaf(0, channel, numbers) };
        if channel < self.firsts[place] {
            return self.insert_first(channel, numbers);
        }
        let Some(distance) = self.distance(place, channel) else {
            return self.add_leaf(place + 1, channel, numbers);
        };
        let at = self.find(place, distance).unwrap_or_else(|at| at);
        let leaf = &mut self.leaves[place];
        if !leaf.is_full() {
            leaf.insert(at, distance, numbers);
            self.count += 1;
            self.last = AtomicUsize::new(place * LEAF_MAX + at);
        } else if at == leaf.len() {
            self.add_leaf(place + 1, channel, numbers);
        } else {
            let (begins, later) = leaf.split();
            self.firsts.insert(place + 1, ChannelId(self.firsts[place].0 + i64::from(begins)));
            self.leaves.insert(place + 1, Box::new(later));
            self.insert(channel, numbers);
        }
    }

    /// All numbers of channels from `from` on, in their order.
    pub fn range_from(&self, from: ChannelId) -> impl Iterator<Item = (ChannelId, [i64; N])> {
        let begin = self.leaf_of(from).unwrap_or(0);
        let leaves = self.firsts.iter().zip(&self.leaves).skip(begin);
        let all = leaves.flat_map(|(first, leaf)| {
            let channels = leaf.distances().iter().map(|distance| ChannelId(first.0 + i64::from(*distance)));
            channels.enumerate().map(|(at, channel)| (channel, leaf.get(at)))
        });
        all.skip_while(move |(channel, _)| *channel < from)
    }

    /// All numbers, in the order of their channels.
    pub fn iter(&self) -> impl Iterator<Item = (ChannelId, [i64; N])> {
        self.range_from(ChannelId(i64::MIN))
    }

    /// The leaf a channel is in, or goes into where it is between two: the one before it, or the first.
    #[inline]
    fn leaf_of(&self, channel: ChannelId) -> Option<usize> {
        let last = self.last.load(Ordering::Relaxed) / LEAF_MAX;
        let begun = self.firsts.get(last).is_some_and(|first| *first <= channel);
        if begun && self.firsts.get(last + 1).is_none_or(|next| channel < *next) {
            return Some(last);
        }
        let after = self.firsts.partition_point(|first| *first <= channel);
        (!self.leaves.is_empty()).then(|| after.saturating_sub(1))
    }

    /// Where a channel is in its leaf, or has to go.
    #[inline]
    fn find(&self, place: usize, distance: u16) -> Result<usize, usize> {
        let last = self.last.load(Ordering::Relaxed);
        let before = if last / LEAF_MAX == place { last % LEAF_MAX } else { 0 };
        let at = self.leaves[place].find(distance, before)?;
        if (place, at) != (last / LEAF_MAX, before) {
            self.last.store(place * LEAF_MAX + at, Ordering::Relaxed);
        }
        Ok(at)
    }

    /// From the first channel of a leaf; none if it is another leaf's, so far away or before it.
    fn distance(&self, place: usize, channel: ChannelId) -> Option<u16> {
        u16::try_from(channel.0.checked_sub(self.firsts[place].0)?).ok()
    }

    /// A channel before all others.
    fn insert_first(&mut self, channel: ChannelId, numbers: [i64; N]) {
        let by = self.firsts[0].0.checked_sub(channel.0).and_then(|by| u16::try_from(by).ok());
        let leaf = &mut self.leaves[0];
        if leaf.is_full() || !by.is_some_and(|by| leaf.begin_earlier(by)) {
            return self.add_leaf(0, channel, numbers);
        }
        leaf.insert(0, 0, numbers);
        self.firsts[0] = channel;
        self.count += 1;
    }

    fn add_leaf(&mut self, place: usize, channel: ChannelId, numbers: [i64; N]) {
        self.firsts.insert(place, channel);
        self.leaves.insert(place, Box::new(Leaf::new(numbers)));
        self.count += 1;
        self.last = AtomicUsize::new(place * LEAF_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn any_number() -> impl Strategy<Value = i64> {
        prop_oneof![3 => -9_i64..9, 1 => any::<i64>(), 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
    }

    /// Near each other, as blocks are leased; a few far away, and the ends of all.
    fn any_channel() -> impl Strategy<Value = i64> {
        let (near, apart) = (-300_i64..300, (-9_i64..9).prop_map(|number| number * 50_000));
        prop_oneof![20 => near, 4 => apart, 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
    }

    proptest! {
        #[test]
        fn it_holds_what_a_plain_map_holds(
            told in prop::collection::vec((any_channel(), [any_number(), any_number(), any_number()]), 0..900),
            ascending in 0_i64..500,
            from in -400_i64..400,
        ) {
            let (mut ours, mut plain) = (ChannelMap::default(), BTreeMap::new());
            let ordered = (0..ascending).map(|number| (number * 3, [7, number, 1]));
            for (channel, numbers) in ordered.chain(told) {
                ours.update(ChannelId(channel), |there| {
                    assert_eq!(there, plain.get(&channel).copied());
                    (numbers[2] != 0).then_some(numbers)
                });
                if numbers[2] != 0 {
                    plain.insert(channel, numbers);
                }
            }
            prop_assert_eq!(ours.len(), plain.len());
            prop_assert_eq!(ours.is_empty(), plain.is_empty());
            let seen: Vec<(i64, [i64; 3])> = ours.range_from(ChannelId(from)).map(|(id, numbers)| (id.0, numbers)).collect();
            prop_assert_eq!(seen, plain.range(from..).map(|(id, numbers)| (*id, *numbers)).collect::<Vec<_>>());
            for channel in -310..1_600 {
                prop_assert_eq!(ours.get(ChannelId(channel)), plain.get(&channel).copied());
            }
            prop_assert_eq!(ours.iter().count(), plain.len());
        }
    }

    #[test]
    fn channels_in_order_fill_their_leaves() {
        for step in [1, 64, -1, -64] {
            let mut map = ChannelMap::default();
            for place in 0..10_000 {
                map.update(ChannelId(place * step), |_| Some([5]));
            }
            assert_eq!(map.leaves.len(), 10_000_usize.div_ceil(LEAF_MAX), "{step}");
        }
    }
}
