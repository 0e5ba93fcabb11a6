//! Where something lies in a list, by the hash that lies there with it.
//!
//! Promise: six to twelve bytes an entry, for hashes that are even already. What
//! is not there is known without a look at the list, but once in 255 times.

/// Open addressing with steps of one; at most seven of eight slots are taken.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// A byte of the hash, which is read first; 0 is free. A power of two of them.
    tags: Vec<u8>,
    places: Vec<u32>,
}

const SLOTS_MIN: usize = 64;

impl Places {
    /// The place of this hash; `hash_at` gives that of a place.
    pub(super) fn find(&self, hash: &[u64; 2], hash_at: impl Fn(usize) -> [u64; 2]) -> Option<usize> {
        let mask = self.tags.len().checked_sub(1)?;
        let mut slot = hash[0] as usize & mask;
        while self.tags[slot] != 0 {
            let place = self.places[slot] as usize;
            if self.tags[slot] == tag(hash) && hash_at(place) == *hash {
                return Some(place);
            }
            slot = (slot + 1) & mask;
        }
        None
    }

    /// Takes in the last of so many entries, which was not there.
    pub(super) fn insert(&mut self, count: usize, hash_at: impl Fn(usize) -> [u64; 2]) {
        if count * 8 > self.tags.len() * 7 {
            let slots = (self.tags.len() * 2).max(SLOTS_MIN);
            (self.tags, self.places) = (vec![0; slots], vec![0; slots]);
            (0..count).for_each(|place| self.put(place, hash_at(place)));
        } else {
            self.put(count - 1, hash_at(count - 1));
        }
    }

    fn put(&mut self, place: usize, hash: [u64; 2]) {
        let mask = self.tags.len() - 1;
        let mut slot = hash[0] as usize & mask;
        while self.tags[slot] != 0 {
            slot = (slot + 1) & mask;
        }
        self.tags[slot] = tag(&hash);
        self.places[slot] = u32::try_from(place).expect("fewer entries than 2^32");
    }
}

fn tag(hash: &[u64; 2]) -> u8 {
    (hash[1] as u8).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::collections::hash_map::Entry;

    proptest! {
        #[test]
        fn what_was_taken_in_is_found_and_nothing_else_is(
            hashes in prop::collection::vec((0_u64..400, 0_u64..3), 0..500),
            others in prop::collection::vec((0_u64..400, 0_u64..3), 0..50),
        ) {
            let (mut places, mut list, mut plain) = (Places::default(), Vec::new(), HashMap::new());
            for (low, high) in hashes {
                let hash = [low, high];
                prop_assert_eq!(places.find(&hash, |place| list[place]), plain.get(&hash).copied());
                if let Entry::Vacant(free) = plain.entry(hash) {
                    free.insert(list.len());
                    list.push(hash);
                    places.insert(list.len(), |place| list[place]);
                }
            }
            for (low, high) in others {
                let found = places.find(&[low, high], |place| list[place]);
                prop_assert_eq!(found, plain.get(&[low, high]).copied());
            }
        }
    }
}
