//! What is known of a name, found by the name's hash.
//!
//! Promise: a name known is never taken for another, as far as 128 bits of BLAKE3
//! tell them apart: among 2^27 names two are alike with a chance of 2^-75. A
//! name is found with one or two reads of memory, and held in 1.1 to 1.4 times the
//! bytes of its hash and its value.

use super::NameHash;

/// It grows beyond nine of ten homes, by a quarter: 72 of a hundred are taken then. By
/// an eighth, taking a million points and devices in was a fifth of a restart.
const FULL: (usize, usize) = (9, 10);
const HOMES_MIN: usize = 64;
/// Slots behind the last home; more are made where they do not suffice.
const SPARE: usize = 16;

/// Entries in the order of their hashes with free slots between, each at its home
/// or behind it, so that what is not there ends the search early. The home follows
/// from the hash and rises with it.
pub(super) struct ByHash<V> {
    slots: Vec<Slot<V>>,
    homes: usize,
    count: usize,
}

/// Where a name lies, until another is taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place(usize);

/// Bytes, for nothing to be lost to alignment. A hash of 0 is free.
#[derive(Clone, Copy)]
struct Slot<V> {
    hash: [u8; 16],
    value: V,
}

const _: () = assert!(size_of::<Slot<[u8; 5]>>() == 21);

impl<V: Copy + Default> ByHash<V> {
    pub(super) fn new() -> ByHash<V> {
        ByHash { slots: Vec::new(), homes: 0, count: 0 }
    }

    pub(super) fn find(&self, hash: NameHash) -> Option<Place> {
        self.search(hash).ok().map(Place)
    }

    /// Takes in a name that is not there.
    pub(super) fn insert(&mut self, hash: NameHash, value: V) -> Place {
        self.count += 1;
        if self.count * FULL.1 > self.homes * FULL.0 {
            self.grow();
        }
        let at = self.search(hash).unwrap_or_else(|at| at);
        let free = self.slots[at..].iter().position(Slot::is_free);
        let end = free.map_or(self.slots.len(), |after| at + after);
        if end == self.slots.len() {
            self.slots.reserve_exact(SPARE);
            self.slots.push(Slot::free());
        }
        self.slots.copy_within(at..end, at + 1);
        self.slots[at] = Slot { hash: hash.to_le_bytes(), value };
        Place(at)
    }

    pub(super) fn hash(&self, at: Place) -> NameHash {
        self.slots[at.0].hash()
    }

    pub(super) fn get(&self, at: Place) -> V {
        self.slots[at.0].value
    }

    pub(super) fn set(&mut self, at: Place, value: V) {
        self.slots[at.0].value = value;
    }

    /// Where it lies, or would have to.
    fn search(&self, hash: NameHash) -> Result<usize, usize> {
        let home = home(hash, self.homes);
        for (after, slot) in self.slots[home..].iter().enumerate() {
            let there = slot.hash();
            if there == hash {
                return Ok(home + after);
            }
            if there == 0 || there > hash {
                return Err(home + after);
            }
        }
        Err(self.slots.len())
    }

    /// In place, for nothing to be held twice: entries go to the end, and from there,
    /// the first one first, to where they belong, which is never behind where they are.
    fn grow(&mut self) {
        self.homes = (self.homes + self.homes / 4).max(HOMES_MIN);
        let taken = self.slots.iter().filter(|slot| !slot.is_free());
        let end = taken.fold(0, |to, slot| to.max(home(slot.hash(), self.homes)) + 1);
        let before = self.slots.len();
        let slots = before.max(self.homes).max(end) + SPARE;
        self.slots.reserve_exact(slots - before);
        self.slots.resize(slots, Slot::free());
        let mut first = slots;
        for from in (0..before).rev() {
            if !self.slots[from].is_free() {
                first -= 1;
                self.slots.swap(from, first);
            }
        }
        let mut to = 0;
        for from in first..slots {
            to = to.max(home(self.slots[from].hash(), self.homes));
            self.slots.swap(from, to);
            to += 1;
        }
    }
}

fn home(hash: NameHash, homes: usize) -> usize {
    let even = (hash >> 64) as u64;
    ((u128::from(even) * homes as u128) >> 64) as usize
}

impl<V: Copy + Default> Slot<V> {
    fn free() -> Slot<V> {
        Slot { hash: [0; 16], value: V::default() }
    }

    fn is_free(&self) -> bool {
        self.hash() == 0
    }

    fn hash(&self) -> NameHash {
        NameHash::from_le_bytes(self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Many near each other, at both ends and between.
    fn any_hash() -> impl Strategy<Value = NameHash> {
        let near = prop_oneof![Just(1), Just(NameHash::MAX - 500), Just(7 << 120), Just((8 << 120) - 500)];
        prop_oneof![any::<NameHash>().prop_map(|hash| hash.max(1)), (near, 0_u128..500).prop_map(|(at, by)| at + by)]
    }

    proptest! {
        #[test]
        fn what_was_taken_in_is_found_and_nothing_else_is(
            hashes in prop::collection::vec(any_hash(), 0..900),
            others in prop::collection::vec(any_hash(), 0..50),
        ) {
            let (mut ours, mut plain) = (ByHash::new(), HashMap::new());
            for (number, hash) in hashes.into_iter().enumerate() {
                let place = ours.find(hash);
                prop_assert_eq!(place.map(|place| ours.get(place)), plain.insert(hash, number));
                let place = match place {
                    Some(place) => {
                        ours.set(place, number);
                        place
                    }
                    None => ours.insert(hash, number),
                };
                prop_assert_eq!((ours.hash(place), ours.get(place)), (hash, number));
            }
            for hash in others.iter().chain(plain.keys()) {
                let found = ours.find(*hash);
                prop_assert_eq!(found.map(|place| ours.get(place)), plain.get(hash).copied());
            }
        }
    }

    #[test]
    fn names_take_little_more_memory_than_themselves() {
        let (mut names, secret) = (ByHash::new(), crate::secret::Secret::of_tests());
        for number in 1..=100_000_u64 {
            let hash = secret.hash(&number.to_le_bytes());
            names.insert(hash, [0_u8; 5]);
            if number.is_multiple_of(5_000) {
                let slots = names.slots.capacity() as u64;
                assert!(slots * 10 < number * 14 + 10 * SPARE as u64, "{slots} slots for {number}");
            }
        }
    }
}
