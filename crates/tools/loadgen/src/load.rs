//! When what is sent, and how long it took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use indicatif::ProgressBar;
use tokio::time::Instant;

use crate::line::{Line, Outcome};
use crate::server::Server;

/// Busy servers are asked again after this.
const AGAIN: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// A request each so often, whatever became of those before: latency counts
    /// from the moment it was due.
    Every(Duration),
    /// Each connection sends as soon as it has its answer.
    AsAcknowledged,
}

#[derive(Debug, Default)]
pub struct Report {
    /// Of each request, in microseconds, sorted.
    micros: Vec<u32>,
    pub retried: u64,
    /// The greatest sequence given out.
    pub last: u64,
}

struct Shared {
    bodies: Vec<Bytes>,
    next: AtomicUsize,
    retried: AtomicU64,
    begun: Instant,
    pace: Pace,
    bar: ProgressBar,
}

pub async fn run(server: &Server, bodies: &[Bytes], connections: usize, pace: Pace) -> anyhow::Result<Report> {
    let mut lines = Vec::new();
    for _ in 0..connections {
        lines.push(Line::open(&server.address, &server.token).await?);
    }
    let shared = Arc::new(Shared {
        bodies: bodies.to_vec(),
        next: AtomicUsize::new(0),
        retried: AtomicU64::new(0),
        begun: Instant::now(),
        pace,
        bar: ProgressBar::new(bodies.len() as u64).with_prefix("sending"),
    });
    let senders: Vec<_> = lines.into_iter().map(|line| tokio::spawn(send(line, shared.clone()))).collect();
    let mut report = Report::default();
    for sender in senders {
        let (micros, last) = sender.await??;
        report.micros.extend(micros);
        report.last = report.last.max(last);
    }
    shared.bar.finish_and_clear();
    report.micros.sort_unstable();
    report.retried = shared.retried.load(Ordering::Relaxed);
    Ok(report)
}

/// Takes the next body until there is none.
async fn send(mut line: Line, shared: Arc<Shared>) -> anyhow::Result<(Vec<u32>, u64)> {
    let (mut micros, mut last) = (Vec::new(), 0);
    loop {
        let at = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(body) = shared.bodies.get(at) else { return Ok((micros, last)) };
        let due = match shared.pace {
            Pace::Every(interval) => shared.begun + interval.mul_f64(at as f64),
            Pace::AsAcknowledged => Instant::now(),
        };
        tokio::time::sleep_until(due).await;
        loop {
            match line.send(body).await? {
                Outcome::Kept(sequence) => {
                    last = last.max(sequence);
                    break;
                }
                Outcome::Busy => {
                    shared.retried.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        micros.push(u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX));
        if at.is_multiple_of(64) {
            shared.bar.set_position(at as u64);
        }
    }
}

impl Report {
    /// How long one more took.
    pub fn note(&mut self, took: Duration) {
        self.micros.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    /// What another saw of the same load.
    pub fn add(&mut self, other: Report) {
        self.micros.extend(other.micros);
        self.micros.sort_unstable();
    }

    pub fn count(&self) -> usize {
        self.micros.len()
    }

    /// In milliseconds, by percentile.
    pub fn latencies(&self) -> serde_json::Value {
        let at = |share: f64| {
            let place = ((self.micros.len() as f64 * share) as usize).min(self.micros.len().saturating_sub(1));
            self.micros.get(place).map(|micros| f64::from(*micros) / 1e3)
        };
        serde_json::json!({ "p50": at(0.5), "p99": at(0.99), "p99.9": at(0.999), "max": at(1.0) })
    }
}
