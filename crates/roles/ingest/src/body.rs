//! A body off the wire, piece by piece.
//!
//! Promise: no sender holds a request longer than its bytes are worth: a pause
//! has a limit, the whole has one, and after a grace there is a least speed.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use host::Clock;
use http_body_util::BodyExt;

use crate::limits::{DISCARD_BYTES_MAX, DISCARD_WAIT_MAX, Limits};
use crate::{Error, Result};

/// A body being read.
pub(crate) struct Incoming {
    body: Body,
    clock: Arc<dyn Clock>,
    start: Duration,
    received: u64,
    pace: Pace,
    /// The sender waits for our word before it sends (`Expect: 100-continue`).
    waits: bool,
    ended: bool,
    /// Its time was up once, and it was asked whether that was our doing.
    looked_again: bool,
}

/// For bytes that lie in the socket while we were busy ourselves.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

struct Pace {
    wait_max: Duration,
    total_max: Option<Duration>,
    grace: Duration,
    bytes_per_s: u64,
}

impl Incoming {
    /// A body of readings: short, and over within `read_total_max`.
    pub(crate) fn readings(body: Body, headers: &HeaderMap, limits: &Limits, clock: Arc<dyn Clock>) -> Incoming {
        Incoming::new(body, headers, limits, clock, Some(limits.read_total_max))
    }

    /// A file: as long as it takes, so long as it comes on.
    pub(crate) fn file(body: Body, headers: &HeaderMap, limits: &Limits, clock: Arc<dyn Clock>) -> Incoming {
        Incoming::new(body, headers, limits, clock, None)
    }

    fn new(
        body: Body,
        headers: &HeaderMap,
        limits: &Limits,
        clock: Arc<dyn Clock>,
        total_max: Option<Duration>,
    ) -> Incoming {
        let pace = Pace {
            wait_max: limits.read_wait_max,
            total_max,
            grace: limits.progress_grace,
            bytes_per_s: limits.progress_bytes_per_s.max(1),
        };
        let (start, waits) = (clock.monotonic(), headers.contains_key(header::EXPECT));
        Incoming { body, clock, start, received: 0, pace, waits, ended: false, looked_again: false }
    }

    /// The next bytes, never none; `None` at the body's end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let waited = self.clock.monotonic().saturating_sub(self.start);
            let mut left = self.pace.left(self.received, waited);
            let slow = Error::Slow { received: self.received, waited: waited + left };
            if left.is_zero() {
                if std::mem::replace(&mut self.looked_again, true) || self.pace.is_over(waited) {
                    return Err(slow);
                }
                left = LOOK_AGAIN;
            }
            let frame = tokio::time::timeout(left, self.body.frame()).await;
            self.waits = false;
            match frame {
                Err(_) => return Err(slow),
                Ok(None) => {
                    self.ended = true;
                    return Ok(None);
                }
                Ok(Some(Err(error))) => {
                    self.ended = true;
                    return Err(Error::BrokeOff { received: self.received, what: innermost(&error) });
                }
                Ok(Some(Ok(frame))) => {
                    // Trailers say nothing to us.
                    let Ok(bytes) = frame.into_data() else { continue };
                    if !bytes.is_empty() {
                        self.received += bytes.len() as u64;
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    /// As [`Incoming::discard`], but for a sender that was too slow already.
    pub(crate) async fn discard_after(self, error: &Error) {
        if !matches!(error, Error::Slow { .. }) {
            self.discard().await;
        }
    }

    /// Reads and forgets what is on its way, within limits: a peer that is cut
    /// off while it writes may never see why.
    pub(crate) async fn discard(mut self) {
        if self.waits || self.ended {
            return;
        }
        let until = self.received + DISCARD_BYTES_MAX;
        let all = async { while self.received < until && matches!(self.next().await, Ok(Some(_))) {} };
        // What counts is that it ends.
        let _ = tokio::time::timeout(DISCARD_WAIT_MAX, all).await;
    }
}

impl Pace {
    /// Whether the whole has taken as long as it may.
    fn is_over(&self, waited: Duration) -> bool {
        self.total_max.is_some_and(|total| waited >= total)
    }

    /// How long the next byte may take.
    fn left(&self, received: u64, waited: Duration) -> Duration {
        let earned = self.grace + Duration::from_secs(received / self.bytes_per_s);
        let until = self.total_max.map_or(earned, |total| earned.min(total));
        until.saturating_sub(waited).min(self.wait_max)
    }
}

/// What the sender says it will send.
pub(crate) fn declared_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use axum::body::HttpBody;
    use hyper::body::Frame;

    use super::*;

    /// Bytes that lie there, and then none for ever.
    struct Arrived(Vec<&'static [u8]>);

    impl HttpBody for Arrived {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<std::result::Result<Frame<Bytes>, Self::Error>>> {
            self.0.pop().map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(bytes))))))
        }
    }

    #[tokio::test]
    async fn a_server_that_was_busy_does_not_blame_a_sender_whose_bytes_are_there() {
        let clock = Arc::new(host::ManualClock::new(meter::Timestamp(0)));
        let limits = Limits::default();
        let body = Body::new(Arrived(vec![b"c", b"ab"]));
        let mut incoming = Incoming::file(body, &HeaderMap::new(), &limits, clock.clone());
        clock.advance(limits.progress_grace + Duration::from_secs(1));
        assert_eq!(incoming.next().await.expect("lay there"), Some(Bytes::from_static(b"ab")));
        let slow = incoming.next().await;
        assert!(matches!(slow, Err(Error::Slow { received: 2, .. })), "only once: {slow:?}");
    }

    #[test]
    fn a_pause_the_whole_and_the_speed_each_have_their_limit() {
        let seconds = Duration::from_secs;
        let pace = Pace { wait_max: seconds(30), total_max: Some(seconds(120)), grace: seconds(10), bytes_per_s: 1000 };
        assert_eq!(pace.left(0, seconds(0)), seconds(10));
        assert_eq!(pace.left(5_000, seconds(14)), seconds(1));
        assert_eq!(pace.left(5_000, seconds(15)), seconds(0));
        assert_eq!(pace.left(1_000_000, seconds(1)), seconds(30));
        assert_eq!(pace.left(1_000_000, seconds(119)), seconds(1));
    }
}
