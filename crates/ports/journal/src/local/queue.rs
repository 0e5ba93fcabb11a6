//! The bounded queue between those who append and the one thread that writes.
//!
//! Promise: it never holds more than its limits, hands bodies on in the order
//! in which it took them, and wakes the writer no more often than needed.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::{Error, Receipt};

use super::Settings;
use super::frame::padded;

/// A body on its way into a segment.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) head: Vec<u8>,
    pub(super) content: Bytes,
    pub(super) payload_crc: u32,
    pub(super) reply: oneshot::Sender<Result<Receipt, Error>>,
}

impl Waiting {
    pub(super) fn payload_bytes(&self) -> usize {
        self.head.len() + self.content.len()
    }

    pub(super) fn frame_bytes(&self) -> usize {
        padded(self.payload_bytes())
    }
}

/// Why nothing more is taken.
#[derive(Clone, Debug)]
pub(super) enum Stopped {
    Closed,
    Poisoned(String),
}

impl Stopped {
    pub(super) fn error(&self) -> Error {
        match self {
            Stopped::Closed => Error::Closed,
            Stopped::Poisoned(why) => Error::Poisoned { why: why.clone() },
        }
    }
}

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    records_max: usize,
    bytes_max: usize,
    group_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// The writer sleeps until so many wait.
    wake_at: usize,
    stopped: Option<Stopped>,
}

impl State {
    fn check_open(&self) -> Result<(), Error> {
        self.stopped.as_ref().map_or(Ok(()), |stopped| Err(stopped.error()))
    }
}

impl Queue {
    pub(super) fn new(settings: &Settings) -> Queue {
        Queue {
            state: Mutex::default(),
            wake: Condvar::new(),
            records_max: settings.queue_records,
            bytes_max: settings.queue_bytes,
            group_bytes: settings.group_bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// Whether anything is taken still.
    pub(super) fn check_open(&self) -> Result<(), Error> {
        self.lock().check_open()
    }

    /// Takes all of them, or none.
    pub(super) fn push(&self, bodies: Vec<Waiting>) -> Result<(), Error> {
        let mut state = self.lock();
        state.check_open()?;
        let bytes: usize = bodies.iter().map(Waiting::frame_bytes).sum();
        // One that is alone always fits, so that a frame around the largest body does.
        let over = state.bytes + bytes > self.bytes_max && !state.waiting.is_empty();
        if over || state.waiting.len() + bodies.len() > self.records_max {
            return Err(Error::Full { waiting: state.waiting.len() });
        }
        state.bytes += bytes;
        state.waiting.extend(bodies);
        if state.waiting.len() >= state.wake_at || state.bytes >= self.group_bytes {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Sleeps until there is something to write; then, if fewer wait than are
    /// `expected`, a little longer. `None` when stopped and empty.
    pub(super) fn next_group(&self, expected: usize, wait: Duration) -> Option<Vec<Waiting>> {
        let mut state = self.lock();
        state.wake_at = 1;
        let idle = |state: &mut State| state.waiting.is_empty() && state.stopped.is_none();
        state = self.wake.wait_while(state, idle).expect("no holder of this lock panics");
        if state.waiting.len() < expected && !wait.is_zero() {
            state.wake_at = expected;
            let few = |state: &mut State| {
                state.waiting.len() < expected && state.bytes < self.group_bytes && state.stopped.is_none()
            };
            (state, _) = self.wake.wait_timeout_while(state, wait, few).expect("no holder of this lock panics");
        }
        state.wake_at = usize::MAX;
        let mut bytes = 0;
        let mut group = Vec::new();
        while let Some(next) = state.waiting.front() {
            if !group.is_empty() && bytes + next.frame_bytes() > self.group_bytes {
                break;
            }
            bytes += next.frame_bytes();
            group.extend(state.waiting.pop_front());
        }
        state.bytes -= bytes;
        if group.is_empty() { None } else { Some(group) }
    }

    /// How many wait now.
    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Takes nothing more; what waits is still written.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.stopped.get_or_insert(Stopped::Closed);
        self.wake.notify_one();
    }

    /// Takes nothing more, and tells those who wait.
    pub(super) fn poison(&self, why: &str) {
        let mut state = self.lock();
        let stopped = Stopped::Poisoned(why.to_owned());
        for waiting in std::mem::take(&mut state.waiting) {
            // Whoever no longer listens does not need the answer.
            let _ = waiting.reply.send(Err(stopped.error()));
        }
        state.bytes = 0;
        state.stopped = Some(stopped);
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue {
        Queue::new(&Settings { queue_records: 4, queue_bytes: 1_000, group_bytes: 300, ..Settings::default() })
    }

    fn waiting(bytes: usize) -> Waiting {
        let (reply, _) = oneshot::channel();
        Waiting { head: Vec::new(), content: vec![0; bytes].into(), payload_crc: 0, reply }
    }

    fn push(queue: &Queue, bytes: &[usize]) -> Result<(), Error> {
        queue.push(bytes.iter().map(|bytes| waiting(*bytes)).collect())
    }

    #[test]
    fn one_who_is_alone_is_served_at_once() {
        let queue = queue();
        push(&queue, &[10]).expect("fits");
        // The test would hang for an hour if it waited for company.
        let group = queue.next_group(1, Duration::from_secs(3_600)).expect("one waits");
        assert_eq!(group.len(), 1);
    }

    #[test]
    fn company_that_does_not_come_is_not_waited_for_longer_than_said() {
        let queue = queue();
        push(&queue, &[10]).expect("fits");
        assert_eq!(queue.next_group(3, Duration::from_millis(1)).expect("one waits").len(), 1);
    }

    #[test]
    fn a_full_group_waits_for_nobody_and_leaves_the_rest() {
        let queue = queue();
        push(&queue, &[90, 90, 90]).expect("fits");
        let group = queue.next_group(9, Duration::from_secs(3_600)).expect("three wait");
        assert_eq!((group.len(), queue.len()), (2, 1));
    }

    #[test]
    fn records_and_bytes_are_bounded_but_one_alone_always_fits() {
        let queue = queue();
        push(&queue, &[5_000]).expect("alone");
        assert!(matches!(push(&queue, &[1]), Err(Error::Full { waiting: 1 })));
        queue.next_group(1, Duration::ZERO).expect("one waits");
        assert!(matches!(push(&queue, &[1; 5]), Err(Error::Full { waiting: 0 })));
        push(&queue, &[1; 4]).expect("fits");
        assert!(matches!(push(&queue, &[1]), Err(Error::Full { waiting: 4 })));
    }

    #[test]
    fn closing_serves_those_who_wait_and_poisoning_tells_them() {
        let queue = queue();
        push(&queue, &[1]).expect("fits");
        queue.close();
        assert!(matches!(push(&queue, &[1]), Err(Error::Closed)));
        assert_eq!(queue.next_group(1, Duration::ZERO).map(|group| group.len()), Some(1));
        assert!(queue.next_group(1, Duration::ZERO).is_none());

        let (reply, mut answer) = oneshot::channel();
        let queue = self::queue();
        queue.push(vec![Waiting { reply, ..waiting(1) }]).expect("fits");
        queue.poison("the disk said no");
        assert!(matches!(answer.try_recv(), Ok(Err(Error::Poisoned { .. }))));
        assert!(queue.next_group(1, Duration::ZERO).is_none());
    }
}
