//! The lake is made through the public door: as fast as the server acknowledges.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::sync::{Mutex, mpsc};

use super::shape::Shape;
use crate::line::{Line, Outcome};
use crate::server::Server;

const CONNECTIONS: usize = 4;
/// Bodies made before anyone sends them.
const BODIES_AHEAD: usize = 16;
/// A busy server is asked again after this.
const AGAIN: Duration = Duration::from_millis(100);

/// What it took, for the report.
pub async fn fill(server: &Server, shape: Shape) -> anyhow::Result<serde_json::Value> {
    let before = server.cost()?;
    let begun = Instant::now();
    let bar = ProgressBar::new(shape.bodies()).with_style(
        ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} bodies, {eta} left")
            .context("a template of ours")?,
    );
    bar.set_prefix("filling");
    let (give, bodies) = mpsc::channel(BODIES_AHEAD);
    let maker = std::thread::spawn(move || {
        for body in shape.encoded() {
            // Nobody listens any more: a sender failed and tells why.
            if give.blocking_send(body).is_err() {
                return;
            }
        }
    });
    let bodies = Arc::new(Mutex::new(bodies));
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        let line = Line::open(&server.address, &server.token).await?;
        senders.push(tokio::spawn(send(line, bodies.clone(), bar.clone())));
    }
    drop(bodies);
    let mut sent = Sent::default();
    for sender in senders {
        let one = sender.await??;
        sent =
            Sent { last: sent.last.max(one.last), retried: sent.retried + one.retried, bytes: sent.bytes + one.bytes };
    }
    maker.join().ok().context("the maker of bodies ends well")?;
    bar.finish_and_clear();
    let (acknowledged, seconds) = (server.cost()?, begun.elapsed().as_secs_f64());
    eprintln!("filled in {seconds:.0} s; waiting until it is in order");
    server.settled(sent.last).await?;
    let settled = server.cost()?;
    let millions = shape.rows() as f64 / 1e6;
    Ok(json!({
        "seconds_acknowledged": seconds,
        "seconds_settled": begun.elapsed().as_secs_f64(),
        "server_cpu_s_per_million_acknowledged": (acknowledged.cpu_s - before.cpu_s) / millions,
        "server_cpu_s_per_million_settled": (settled.cpu_s - before.cpu_s) / millions,
        "wire_bytes_per_measurement": sent.bytes as f64 / shape.rows() as f64,
        "retried": sent.retried,
        "peak_bytes": settled.peak_bytes,
    }))
}

#[derive(Default)]
struct Sent {
    /// The greatest sequence given out.
    last: u64,
    retried: u64,
    bytes: u64,
}

async fn send(mut line: Line, bodies: Arc<Mutex<mpsc::Receiver<Bytes>>>, bar: ProgressBar) -> anyhow::Result<Sent> {
    let mut sent = Sent::default();
    loop {
        let Some(body) = bodies.lock().await.recv().await else { return Ok(sent) };
        loop {
            match line.send(&body).await? {
                Outcome::Kept(sequence) => {
                    sent.last = sent.last.max(sequence);
                    break;
                }
                Outcome::Busy => {
                    sent.retried += 1;
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        sent.bytes += body.len() as u64;
        bar.inc(1);
    }
}
