//! Who must not suffer: a gateway that posts at a steady rate, whatever the crowd does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::reply::Reply;
use crate::load::Report;
use crate::server::Server;

/// Posts under way at once.
const SENDERS: usize = 16;
/// Its connection broke before an answer: sent again, which changes nothing if it is there.
const AGAIN: Duration = Duration::from_secs(1);
const TRIES_MAX: u32 = 100;

#[derive(Debug, Default)]
pub struct Posted {
    latencies: Report,
    pub last: u64,
    /// Answered 429 or 503, and acknowledged later.
    retried: u64,
    /// Left without an answer, and acknowledged later.
    broken: u64,
    pub refused_without_retry_after: u64,
}

struct Shared {
    address: String,
    token: String,
    bodies: Vec<Bytes>,
    next: AtomicUsize,
    begun: Instant,
    interval: Duration,
}

/// One after the other, each on a connection of its own: who comes anew is who a
/// crowd can shut out. Latency counts from the moment a post was due.
pub async fn send(server: &Server, bodies: &[Bytes], interval: Duration) -> anyhow::Result<Posted> {
    let shared = Arc::new(Shared {
        address: server.address.clone(),
        token: server.token.clone(),
        bodies: bodies.to_vec(),
        next: AtomicUsize::new(0),
        begun: Instant::now(),
        interval,
    });
    let senders: Vec<_> = (0..SENDERS).map(|_| tokio::spawn(take_turns(shared.clone()))).collect();
    let mut posted = Posted::default();
    for sender in senders {
        let one = sender.await??;
        posted.latencies.add(one.latencies);
        posted.last = posted.last.max(one.last);
        posted.retried += one.retried;
        posted.broken += one.broken;
        posted.refused_without_retry_after += one.refused_without_retry_after;
    }
    Ok(posted)
}

async fn take_turns(shared: Arc<Shared>) -> anyhow::Result<Posted> {
    let mut posted = Posted::default();
    loop {
        let at = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(body) = shared.bodies.get(at) else { return Ok(posted) };
        let due = shared.begun + shared.interval.mul_f64(at as f64);
        tokio::time::sleep_until(due).await;
        let sequence = posted.acknowledged(&shared, body).await.with_context(|| format!("post {at}"))?;
        posted.last = posted.last.max(sequence);
        posted.latencies.note(due.elapsed());
    }
}

impl Posted {
    async fn acknowledged(&mut self, shared: &Shared, body: &[u8]) -> anyhow::Result<u64> {
        for _ in 0..TRIES_MAX {
            let wait = match post(shared, body).await {
                Some(reply) if reply.status == 200 => return reply.sequence(),
                Some(reply) if reply.is_busy() => {
                    self.retried += 1;
                    self.refused_without_retry_after += u64::from(reply.retry_after_s().is_none());
                    reply.retry_after_s().map_or(AGAIN, Duration::from_secs)
                }
                Some(reply) => bail!("answered {} {}", reply.status, reply.code()),
                None => {
                    self.broken += 1;
                    AGAIN
                }
            };
            tokio::time::sleep(wait).await;
        }
        bail!("not acknowledged in {TRIES_MAX} tries")
    }

    pub fn told(&self, measurements: u64) -> Value {
        json!({
            "acknowledged": self.latencies.count(),
            "measurements": measurements,
            "latency_ms": self.latencies.latencies(),
            "refused_for_now": self.retried,
            "broken": self.broken,
        })
    }
}

async fn post(shared: &Shared, body: &[u8]) -> Option<Reply> {
    let mut stream = TcpStream::connect(&shared.address).await.ok()?;
    let head = format!(
        "POST /v1/readings HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
         Content-Type: application/x-protobuf\r\nContent-Length: {}\r\n\r\n",
        shared.address,
        shared.token,
        body.len()
    );
    let request = [head.as_bytes(), body].concat();
    // The answer may come before all of it is written.
    let _ = stream.write_all(&request).await;
    Reply::read(&mut stream).await
}
