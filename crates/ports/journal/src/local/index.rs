//! What a reader may see: the durable part of each segment, and where in it to look.

use std::collections::VecDeque;

use super::segment::HEADER_BYTES;

/// One place is kept for so many bytes: a read skips at most this much, and a
/// full segment of 64 MiB costs 16 KiB of memory.
const PLACE_EVERY_BYTES: u64 = 64 << 10;

/// Some sequences of a segment with their places, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    kept: Vec<(u64, u64)>,
}

impl Places {
    /// Told of every record in order, keeps a few.
    pub(super) fn note(&mut self, sequence: u64, at: u64) {
        if self.kept.last().is_none_or(|(_, last)| at >= last + PLACE_EVERY_BYTES) {
            self.kept.push((sequence, at));
        }
    }

    /// A place at or before the record's.
    fn before(&self, sequence: u64) -> u64 {
        let later = self.kept.partition_point(|(kept, _)| *kept <= sequence);
        later.checked_sub(1).map_or(HEADER_BYTES as u64, |at| self.kept[at].1)
    }
}

/// A segment as far as it is durable.
#[derive(Clone, Debug)]
pub(super) struct SegmentIndex {
    pub(super) first: u64,
    pub(super) salt: u64,
    /// One past the last durable frame.
    pub(super) end: u64,
    /// One past the last byte that may have been written.
    pub(super) claimed: u64,
    pub(super) places: Places,
}

/// All segments, oldest first; there is always one.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) segments: VecDeque<SegmentIndex>,
    /// One past the last durable record.
    pub(super) next: u64,
}

/// Where a reader starts.
pub(super) struct Spot {
    pub(super) first: u64,
    pub(super) salt: u64,
    /// A frame at or before the one wanted.
    pub(super) at: u64,
    pub(super) end: u64,
}

impl Index {
    pub(super) fn start(&self) -> u64 {
        self.segments.front().expect("there is always a segment").first
    }

    pub(super) fn active(&mut self) -> &mut SegmentIndex {
        self.segments.back_mut().expect("there is always a segment")
    }

    /// For a sequence in `start..next`.
    pub(super) fn spot(&self, sequence: u64) -> Spot {
        let later = self.segments.partition_point(|segment| segment.first <= sequence);
        let segment = &self.segments[later - 1];
        let at = segment.places.before(sequence);
        Spot { first: segment.first, salt: segment.salt, at, end: segment.end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_never_behind_the_record() {
        let mut places = Places::default();
        let all: Vec<(u64, u64)> = (0..5_000).map(|number| (100 + number, 64 + number * 104)).collect();
        all.iter().for_each(|(sequence, at)| places.note(*sequence, *at));
        assert!(places.kept.len() < 10);
        for (sequence, at) in all {
            let found = places.before(sequence);
            assert!(found <= at && at - found <= PLACE_EVERY_BYTES + 104);
        }
    }
}
