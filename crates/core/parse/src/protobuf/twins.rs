//! Two values for one register, start and message time in one container: which
//! of them holds nobody can tell, so the first is kept and the others refused.
//!
//! Senders list by time or by register. As long as they do, no two keys can be
//! equal and nothing is remembered; only a container that leaves both orders is
//! sorted and looked through.

use meter::{Reading, Span, Timestamp, Unit};

use super::read::{Meaning, next};
use super::wire::{Cursor, Step};

/// Whether keys have risen so far, by time or by register.
#[derive(Debug)]
pub(super) struct Order {
    last: (u32, Timestamp, Span),
    empty: bool,
    by_register: bool,
    by_time: bool,
}

impl Order {
    pub(super) fn new() -> Order {
        Order { last: (0, Timestamp::MIN, Span::ZERO), empty: true, by_register: true, by_time: true }
    }

    /// Takes in the next key. True while none can have been there before.
    #[inline]
    pub(super) fn rises(&mut self, rank: u32, reading: &Reading<'_>) -> bool {
        let (last, start, span) = (self.last, reading.start, reading.span);
        if !self.empty {
            self.by_register &= (rank, start, span) > last;
            self.by_time &= (start, span, rank) > (last.1, last.2, last.0);
        }
        self.empty = false;
        self.last = (rank, start, span);
        self.by_register || self.by_time
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    rank: u32,
    start: Timestamp,
    span: Span,
    message_time: Option<Timestamp>,
    byte: usize,
}

/// The measurements to refuse, of one container.
#[derive(Debug, Default)]
pub(super) struct Twins {
    /// By byte, with the byte of the one that was kept.
    refused: Vec<(usize, usize)>,
    keys: Vec<Key>,
}

impl Twins {
    pub(super) fn forget(&mut self) {
        self.refused.clear();
    }

    /// Where the measurement stands that contradicts the one at `byte` and came first.
    #[inline]
    pub(super) fn first_of(&self, byte: usize) -> Option<usize> {
        if self.refused.is_empty() {
            return None;
        }
        let place = self.refused.binary_search_by_key(&byte, |(byte, _)| *byte).ok()?;
        Some(self.refused[place].1)
    }

    /// Looks through all measurements from `first` on.
    pub(super) fn search(&mut self, first: Cursor<'_>, meaning: &Meaning<'_, '_>) -> Step<()> {
        self.keys.clear();
        let mut message = first;
        while let Some((byte, measurement)) = next(&mut message)? {
            if let Ok((reading, rank)) = meaning.of(measurement)? {
                let Reading { start, span, message_time, .. } = reading;
                self.keys.push(Key { rank, start, span, message_time, byte });
            }
        }
        self.keys.sort_unstable();
        let same = |left: &Key, right: &Key| Key { byte: 0, ..*left } == Key { byte: 0, ..*right };
        for twins in self.keys.chunk_by(same) {
            let [kept, others @ ..] = twins else { continue };
            for other in others {
                if contradict(first, meaning, kept.byte, other.byte)? {
                    self.refused.push((other.byte, kept.byte));
                }
            }
        }
        self.refused.sort_unstable();
        Ok(())
    }
}

/// Whether two measurements of one key differ in value, unit, quality or reason.
fn contradict(first: Cursor<'_>, meaning: &Meaning<'_, '_>, left: usize, right: usize) -> Step<bool> {
    let [left, right] = [reading_at(first, meaning, left)?, reading_at(first, meaning, right)?];
    let (Some(left), Some(right)) = (left, right) else { return Ok(false) };
    let same_unit = match (left.reading_type.unit, right.reading_type.unit) {
        (Unit::Unknown, Unit::Unknown) => left.unit == right.unit,
        (one, other) => one == other,
    };
    Ok(left.value != right.value || !same_unit || left.quality != right.quality || left.reason != right.reason)
}

fn reading_at<'a>(first: Cursor<'a>, meaning: &Meaning<'_, 'a>, byte: usize) -> Step<Option<Reading<'a>>> {
    let Some((_, measurement)) = next(&mut first.moved_to(byte))? else { return Ok(None) };
    Ok(meaning.of(measurement)?.ok().map(|(reading, _)| reading))
}
