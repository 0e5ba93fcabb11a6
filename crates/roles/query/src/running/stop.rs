//! The word that ends a query, from whoever says it first: its asker, who is
//! gone or cancels it, or the clock.
//!
//! Promise: what works for a query hears it between two batches, whether or not
//! a thread is free to run a timer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use host::{Clock, SystemClock};
use tokio::sync::Notify;

use crate::error::{Error, Result};

#[derive(Debug)]
pub(crate) struct Stop {
    told: AtomicBool,
    /// Wakes the one that waits.
    word: Notify,
    clock: Arc<SystemClock>,
    deadline: Duration,
    time_max: Duration,
}

impl Stop {
    pub(crate) fn new(clock: Arc<SystemClock>, begun: Duration, time_max: Duration) -> Stop {
        let deadline = begun.saturating_add(time_max);
        Stop { told: AtomicBool::new(false), word: Notify::new(), clock, deadline, time_max }
    }

    pub(crate) fn tell(&self) {
        self.told.store(true, Ordering::SeqCst);
        self.word.notify_one();
    }

    /// Waits for the word. One at a time: it wakes only one.
    pub(crate) async fn told(&self) {
        while !self.told.load(Ordering::SeqCst) {
            self.word.notified().await;
        }
    }

    /// An error once the query is to end.
    pub(crate) fn check(&self) -> Result<()> {
        if self.told.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        if self.clock.monotonic() > self.deadline {
            return Err(self.too_long());
        }
        Ok(())
    }

    pub(crate) fn too_long(&self) -> Error {
        Error::Time { seconds: self.time_max.as_secs() }
    }
}

/// Whoever waits for a query: when this is dropped, the query ends.
pub(crate) struct Asker(pub Arc<Stop>);

impl Drop for Asker {
    fn drop(&mut self) {
        self.0.tell();
    }
}
