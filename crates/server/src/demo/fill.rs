//! The past gets into the lake: through the public door, as fast as it acknowledges.

use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use indicatif::ProgressBar;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::past::Past;
use super::post;
use crate::output;
use crate::remote::Remote;

/// Enough that one makes its way to disk while another is on the wire.
const SENDERS: usize = 3;
/// Requests made before anyone sends them.
const AHEAD: usize = 4;

/// A request and how many values it has.
type Made = (Bytes, u64);

/// Sends everything; gives the sequence of the last request.
pub async fn fill(past: &Past, remote: &Arc<Remote>) -> anyhow::Result<u64> {
    let pieces = past.pieces();
    let bar = output::progress(pieces.len() as u64, "sending");
    let (give, made) = mpsc::channel::<Made>(AHEAD);
    let of = *past;
    let making = tokio::task::spawn_blocking(move || {
        for piece in pieces {
            let parcels = of.parcels(&piece);
            let values = parcels.iter().map(|parcel| parcel.values.len() as u64).sum();
            // Nobody listens any more: a sender failed and tells why.
            if give.blocking_send((simulate::request(&parcels).into(), values)).is_err() {
                return;
            }
        }
    });
    let made = Arc::new(Mutex::new(made));
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        senders.spawn(send(remote.clone(), made.clone(), bar.clone()));
    }
    drop(made);
    let (mut last, mut sent) = (0, 0);
    while let Some(sender) = senders.join_next().await {
        let (own, values) = sender.context("sender")??;
        (last, sent) = (last.max(own), sent + values);
    }
    making.await.context("maker of messages")?;
    bar.finish_and_clear();
    let homes = past.town.homes();
    println!("{homes} homes sent {sent} readings from {} on, each acknowledged after it was on disk", past.from);
    Ok(last)
}

async fn send(
    remote: Arc<Remote>,
    made: Arc<Mutex<mpsc::Receiver<Made>>>,
    bar: ProgressBar,
) -> anyhow::Result<(u64, u64)> {
    let (mut last, mut sent) = (0, 0);
    loop {
        let Some((body, values)) = made.lock().await.recv().await else { return Ok((last, sent)) };
        last = last.max(post(&remote, body).await?);
        sent += values;
        bar.inc(1);
    }
}
