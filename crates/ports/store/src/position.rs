//! How far a table is: a journal record and a chunk of it, as one number.
//!
//! A record is applied in chunks of a fixed number of items, so that a 2 GB
//! file is many bounded commits. The number is what stands in a commit's `txn`.

use meter::Sequence;

/// Everything before it is in: records below `sequence`, and of that record the
/// chunks below `chunk`. Greater is further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// 2^20 chunks of 2^17 items: no record comes near it.
    pub const CHUNK_BITS: u32 = 20;
    /// Chunks of one record.
    pub const CHUNKS_MAX: u32 = 1 << Self::CHUNK_BITS;
    /// A `txn` version is an `i64`: 43 bits for the sequence, 278,000 years at a record a second.
    pub const SEQUENCE_MAX: u64 = (1 << (63 - Self::CHUNK_BITS)) - 1;
    /// Nothing is in yet: the journal's first sequence is 1.
    pub const START: Position = Position(1 << Self::CHUNK_BITS);

    /// The chunks below `chunk` of this record are in, and all records before it.
    pub const fn chunk(sequence: Sequence, chunk: u32) -> Position {
        assert!(chunk < Self::CHUNKS_MAX && sequence.0 <= Self::SEQUENCE_MAX);
        Position(sequence.0 << Self::CHUNK_BITS | chunk as u64)
    }

    /// All of this record is in, and all records before it.
    pub const fn done(sequence: Sequence) -> Position {
        Position::chunk(Sequence(sequence.0 + 1), 0)
    }

    /// The record to go on with.
    pub const fn sequence(self) -> Sequence {
        Sequence(self.0 >> Self::CHUNK_BITS)
    }

    /// The chunk of that record to go on with.
    pub const fn next_chunk(self) -> u32 {
        (self.0 & (Self::CHUNKS_MAX as u64 - 1)) as u32
    }

    /// As it stands in a `txn`.
    pub const fn as_version(self) -> i64 {
        self.0 as i64
    }

    /// From a `txn`; none is the start, and so is what no version of ours wrote.
    pub fn from_version(version: Option<i64>) -> Position {
        let number = version.and_then(|v| u64::try_from(v).ok()).unwrap_or(0);
        Position(number).max(Position::START)
    }
}

impl Default for Position {
    fn default() -> Self {
        Position::START
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.sequence(), self.next_chunk())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_finished_record_is_the_start_of_the_next() {
        let done = Position::done(Sequence(7));
        assert_eq!(done, Position::chunk(Sequence(8), 0));
        assert!(Position::chunk(Sequence(7), Position::CHUNKS_MAX - 1) < done);
        assert_eq!(Position::from_version(None), Position::done(Sequence(0)));
        assert_eq!(done.to_string(), "8.0");
    }

    proptest! {
        #[test]
        fn a_position_survives_the_log(sequence in 1_u64..=Position::SEQUENCE_MAX, chunk in 0..Position::CHUNKS_MAX) {
            let position = Position::chunk(Sequence(sequence), chunk);
            let read = Position::from_version(Some(position.as_version()));
            prop_assert_eq!(read, position);
            prop_assert_eq!((read.sequence().0, read.next_chunk()), (sequence, chunk));
        }

        #[test]
        fn positions_are_ordered_as_record_and_chunk(a in (1_u64..9, 0_u32..9), b in (1_u64..9, 0_u32..9)) {
            let position = |(sequence, chunk)| Position::chunk(Sequence(sequence), chunk);
            prop_assert_eq!(position(a).cmp(&position(b)), a.cmp(&b));
        }
    }
}
