//! What time it is, and how long something took.
//!
//! Promise: `now` is the wall clock and may jump either way; `monotonic` only
//! ever grows. Whoever needs strictly increasing times makes them so.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use meter::{Span, Timestamp};

/// The clock as an argument.
pub trait Clock: Send + Sync {
    /// The wall clock, in UTC; kept within [`Timestamp::MIN`] and [`Timestamp::MAX`].
    fn now(&self) -> Timestamp;
    /// Time since some moment before the first call; never smaller than before.
    fn monotonic(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Its monotonic time counts from now.
    pub fn new() -> SystemClock {
        SystemClock { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
        };
        Timestamp(micros).clamp(Timestamp::MIN, Timestamp::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock {
    times: Mutex<(Timestamp, Duration)>,
}

impl ManualClock {
    /// Stands at `now`, its monotonic time at zero.
    pub fn new(now: Timestamp) -> ManualClock {
        ManualClock { times: Mutex::new((now, Duration::ZERO)) }
    }

    /// Both clocks go forward.
    pub fn advance(&self, by: Duration) {
        let mut times = self.times.lock().expect("no holder of this lock panics");
        let micros = i64::try_from(by.as_micros()).expect("tests advance by less than 292,000 years");
        times.0 = times.0.plus(Span(micros));
        times.1 += by;
    }

    /// The wall clock jumps, as when someone sets it.
    pub fn set(&self, now: Timestamp) {
        self.times.lock().expect("no holder of this lock panics").0 = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.times.lock().expect("no holder of this lock panics").0
    }

    fn monotonic(&self) -> Duration {
        self.times.lock().expect("no holder of this lock panics").1
    }
}

/// Waits inside an async task; a test pauses it with tokio's own clock.
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_lives_after_this_was_written() {
        let clock = SystemClock::new();
        assert!(clock.now() > Timestamp::from_seconds(1_760_000_000).expect("in range"));
        let earlier = clock.monotonic();
        assert!(clock.monotonic() >= earlier);
    }

    #[test]
    fn setting_the_wall_clock_back_leaves_the_monotonic_one_alone() {
        let clock = ManualClock::new(Timestamp(1_000_000));
        clock.advance(Duration::from_secs(5));
        clock.set(Timestamp(3));
        assert_eq!((clock.now(), clock.monotonic()), (Timestamp(3), Duration::from_secs(5)));
    }
}
