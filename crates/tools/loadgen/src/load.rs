//! When what is sent, and how long it took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::Instant;

use crate::line::{Line, Outcome};
use crate::server::Server;
use crate::source::Body;

/// Busy servers are asked again after this.
const AGAIN: Duration = Duration::from_millis(50);
/// Bodies are made ahead of those who send them, up to so many bytes; before the first is sent too.
const AHEAD_BYTES: usize = 512 << 20;

#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// So many messages a second, whatever became of those before: latency counts from
    /// the moment a request was due.
    Rate(f64),
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
    /// Of all bodies.
    pub bytes: u64,
    pub messages: u64,
    /// From the first request until the last answer.
    pub took: Duration,
}

/// A body, and the messages of all before it.
struct Turn {
    body: Body,
    before: u64,
}

struct Shared {
    turns: Mutex<mpsc::Receiver<Turn>>,
    begun: Instant,
    pace: Pace,
    /// The longest that a request took since it was told last, in microseconds.
    longest: AtomicU64,
    bar: ProgressBar,
}

/// Sends all of `bodies`, some `messages` together, over so many connections.
pub async fn run(
    server: &Server,
    bodies: impl Iterator<Item = Body> + Send + 'static,
    messages: u64,
    connections: u32,
    pace: Pace,
) -> anyhow::Result<Report> {
    let turns = made_ahead(bodies).await?;
    let mut lines = Vec::new();
    for _ in 0..connections {
        lines.push(Line::open(&server.address, &server.token).await?);
    }
    let shared = Arc::new(Shared {
        turns: Mutex::new(turns),
        begun: Instant::now(),
        pace,
        longest: AtomicU64::new(0),
        bar: bar(messages)?,
    });
    let telling = tokio::spawn(tell(shared.clone()));
    let senders: Vec<_> = lines.into_iter().map(|line| tokio::spawn(send(line, shared.clone()))).collect();
    let mut report = Report::default();
    for sender in senders {
        report.join(sender.await??);
    }
    report.took = shared.begun.elapsed();
    telling.abort();
    shared.bar.finish_and_clear();
    report.micros.sort_unstable();
    Ok(report)
}

/// Makes bodies on a thread of its own; returns when as many as may wait are made, or all.
async fn made_ahead(bodies: impl Iterator<Item = Body> + Send + 'static) -> anyhow::Result<mpsc::Receiver<Turn>> {
    let mut bodies = bodies.peekable();
    let size = bodies.peek().map_or(1, |body| body.bytes.len().max(1));
    let (give, turns) = mpsc::channel((AHEAD_BYTES / size).max(1));
    let (say, mut ready) = watch::channel(false);
    std::thread::spawn(move || {
        let mut before = 0;
        for body in bodies {
            let messages = u64::from(body.messages);
            // Nobody listens any more: a sender failed and tells why.
            if give.blocking_send(Turn { body, before }).is_err() {
                break;
            }
            before += messages;
            if give.capacity() == 0 {
                let _ = say.send(true);
            }
        }
        let _ = say.send(true);
    });
    ready.wait_for(|ready| *ready).await.context("the maker of bodies ends well")?;
    Ok(turns)
}

/// Takes the next body until there is none.
async fn send(mut line: Line, shared: Arc<Shared>) -> anyhow::Result<Report> {
    let mut report = Report::default();
    loop {
        let next = shared.turns.lock().await.recv().await;
        let Some(Turn { body, before }) = next else { return Ok(report) };
        let due = match shared.pace {
            Pace::Rate(messages) => shared.begun + Duration::from_secs_f64(before as f64 / messages),
            Pace::AsAcknowledged => Instant::now(),
        };
        tokio::time::sleep_until(due).await;
        loop {
            match line.send(&body.bytes).await? {
                Outcome::Kept(sequence) => {
                    report.last = report.last.max(sequence);
                    break;
                }
                Outcome::Busy => {
                    report.retried += 1;
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        let took = due.elapsed();
        report.note(took);
        report.bytes += body.bytes.len() as u64;
        report.messages += u64::from(body.messages);
        shared.longest.fetch_max(took.as_micros() as u64, Ordering::Relaxed);
        shared.bar.inc(u64::from(body.messages));
    }
}

fn bar(messages: u64) -> anyhow::Result<ProgressBar> {
    let template = "sending {wide_bar} {human_pos}/{human_len} messages, {per_sec}, {msg}, {eta} left";
    let style = ProgressStyle::with_template(template).context("a template of ours")?;
    Ok(ProgressBar::new(messages).with_style(style))
}

async fn tell(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let longest = shared.longest.swap(0, Ordering::Relaxed);
        shared.bar.set_message(format!("longest {} ms", longest / 1_000));
    }
}

impl Report {
    /// How long one more took.
    pub fn note(&mut self, took: Duration) {
        self.micros.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    /// What another saw of the same load.
    pub fn add(&mut self, other: Report) {
        self.join(other);
        self.micros.sort_unstable();
    }

    fn join(&mut self, other: Report) {
        self.micros.extend(other.micros);
        self.retried += other.retried;
        self.last = self.last.max(other.last);
        self.bytes += other.bytes;
        self.messages += other.messages;
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
