//! Which record is being read, and how far.
//!
//! Promise: a record is said to be read as far only as its bytes went to its
//! parser. What they say is visible a little later.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use meter::Sequence;

/// Told by the role, asked by whoever shows it; clones share it.
#[derive(Clone, Default)]
pub struct AtHand(Arc<Mutex<Place>>);

/// A place in the journal, within a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Every record below it has been read, or was before the start.
    pub sequence: Sequence,
    /// Of that record.
    pub bytes_read: u64,
}

impl AtHand {
    /// Where the role is.
    pub fn place(&self) -> Place {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, sequence: Sequence, bytes_read: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Place { sequence, bytes_read };
    }

    /// `file`, with what is read of it counted for the record at hand.
    pub(crate) fn counting<R: Read>(&self, file: R) -> Counting<R> {
        Counting { file, at_hand: self.clone() }
    }
}

impl Place {
    /// How much of a record of `bytes` has been read.
    pub fn read_of(&self, sequence: Sequence, bytes: u64) -> u64 {
        match sequence.cmp(&self.sequence) {
            std::cmp::Ordering::Less => bytes,
            std::cmp::Ordering::Equal => self.bytes_read.min(bytes),
            std::cmp::Ordering::Greater => 0,
        }
    }
}

pub(crate) struct Counting<R> {
    file: R,
    at_hand: AtHand,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(into)?;
        self.at_hand.0.lock().unwrap_or_else(PoisonError::into_inner).bytes_read += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_half_read_is_not_shown_as_read() {
        let at_hand = AtHand::default();
        at_hand.begin(Sequence(7), 0);
        let mut file = at_hand.counting(&[1; 100][..]);
        file.read_exact(&mut [0; 40]).expect("is there");
        let shown = |sequence| at_hand.place().read_of(Sequence(sequence), 100);
        assert_eq!([6, 7, 8].map(shown), [100, 40, 0]);
        file.read_to_end(&mut Vec::new()).expect("is there");
        assert_eq!([6, 7, 8].map(shown), [100, 100, 0]);
    }
}
