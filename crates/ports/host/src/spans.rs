//! What happened to a record and when, for whoever follows it.
//!
//! Promise: nobody waits for it. While nobody follows, a question costs one
//! look at a pointer; a span for which there is no room is counted and dropped.
//!
//! Nothing is handed along with a record: which are followed is decided by the
//! sequence number alone, so that door, journal and process choose the same
//! ones, also in processes of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use meter::{Sequence, Timestamp};
use tokio::sync::mpsc;

use crate::Clock;

/// A piece of a record's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The record.
    pub sequence: Sequence,
    /// Which piece.
    pub step: Step,
    /// When it began.
    pub from: Timestamp,
    /// When it ended.
    pub to: Timestamp,
    /// What else is known, by name. Never what a person could be told by.
    pub notes: Vec<(&'static str, String)>,
}

/// The way of a record, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// From the first byte until it is acknowledged.
    Door,
    /// Within it: waiting for the journal.
    Append,
    /// Within that: one write and one sync, for a group of records.
    Sync,
    /// Parsed, its names resolved.
    Understand,
    /// Compared with what is stored.
    Judge,
    /// Waiting until a query can see it.
    Show,
    /// Into the lake, with a round of others.
    Commit,
}

/// Where spans are told; clones share it. The default is told nothing.
#[derive(Clone, Default)]
pub struct Spans {
    told: Option<Arc<Told>>,
}

struct Told {
    clock: Arc<dyn Clock>,
    one_in: u64,
    sender: mpsc::Sender<Span>,
    lost: AtomicU64,
}

impl Spans {
    /// One record in `one_in` is followed, 0 counts as 1; at most `room` spans wait.
    pub fn new(clock: Arc<dyn Clock>, one_in: u64, room: usize) -> (Spans, mpsc::Receiver<Span>) {
        let (sender, receiver) = mpsc::channel(room);
        let told = Told { clock, one_in: one_in.max(1), sender, lost: AtomicU64::new(0) };
        (Spans { told: Some(Arc::new(told)) }, receiver)
    }

    /// The time, if anyone follows: where a span begins before its record has a number.
    pub fn now(&self) -> Option<Timestamp> {
        self.told.as_ref().map(|told| told.clock.now())
    }

    /// Whether this record is followed.
    pub fn follows(&self, sequence: Sequence) -> bool {
        self.told.as_ref().is_some_and(|told| mixed(sequence.0).is_multiple_of(told.one_in))
    }

    /// The time, if this record is followed.
    pub fn begin(&self, sequence: Sequence) -> Option<Timestamp> {
        if self.follows(sequence) { self.now() } else { None }
    }

    /// What ended now, and began at a time that was asked for here.
    pub fn tell(
        &self,
        sequence: Sequence,
        step: Step,
        from: Option<Timestamp>,
        notes: impl FnOnce() -> Vec<(&'static str, String)>,
    ) {
        let (Some(told), Some(from)) = (&self.told, from) else { return };
        if !self.follows(sequence) {
            return;
        }
        let to = told.clock.now().max(from);
        if told.sender.try_send(Span { sequence, step, from, to, notes: notes() }).is_err() {
            told.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Spans dropped since the start, for want of room.
    pub fn lost(&self) -> u64 {
        self.told.as_ref().map_or(0, |told| told.lost.load(Ordering::Relaxed))
    }
}

/// SplitMix64's last step: neighbours and every n-th record are chosen alike.
fn mixed(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ number >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ManualClock;

    fn clock() -> Arc<ManualClock> {
        Arc::new(ManualClock::new(Timestamp(5)))
    }

    #[test]
    fn nobody_is_told_anything_unless_asked() {
        let spans = Spans::default();
        assert_eq!((spans.now(), spans.follows(Sequence(1)), spans.lost()), (None, false, 0));
        spans.tell(Sequence(1), Step::Door, Some(Timestamp(1)), || panic!("made for nobody"));
    }

    #[test]
    fn about_one_in_so_many_is_followed_and_always_the_same() {
        let (spans, _receiver) = Spans::new(clock(), 10, 1);
        let (other, _other) = Spans::new(clock(), 10, 1);
        for step in [1, 10, 64] {
            let chosen: Vec<bool> = (0..10_000).map(|at| spans.follows(Sequence(at * step))).collect();
            let count = chosen.iter().filter(|chosen| **chosen).count();
            assert!((900..1_100).contains(&count), "{count} by {step}");
            assert!((0..10_000).all(|at| other.follows(Sequence(at * step)) == chosen[at as usize]));
        }
        let (all, _receiver) = Spans::new(clock(), 0, 1);
        assert!((0..100).all(|at| all.follows(Sequence(at))));
    }

    #[test]
    fn who_does_not_listen_is_not_waited_for() {
        let (spans, mut receiver) = Spans::new(clock(), 1, 2);
        for at in 0..5 {
            spans.tell(Sequence(at), Step::Commit, spans.begin(Sequence(at)), Vec::new);
        }
        assert_eq!(spans.lost(), 3);
        let first = receiver.try_recv().expect("told");
        assert_eq!((first.sequence, first.from, first.to), (Sequence(0), Timestamp(5), Timestamp(5)));
    }
}
