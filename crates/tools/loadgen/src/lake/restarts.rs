//! How long the lake takes to be ready again.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

use super::Lake;
use crate::server::Server;

/// Stops it well and starts it again so often, then the same with kill -9; gives
/// the last one back.
pub async fn restarts(mut server: Server, asked: &Lake, data: &Path, runs: usize) -> anyhow::Result<(Server, Value)> {
    let (mut stops, mut starts, mut after_kill) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..2 * runs {
        let token = server.token.clone();
        let begun = Instant::now();
        if turn < runs {
            server.stop()?;
            stops.push(begun.elapsed());
        } else {
            server.kill()?;
        }
        let begun = Instant::now();
        server = Server::start_with(&asked.tested, data, token)?;
        server.ready().await?;
        if turn < runs { &mut starts } else { &mut after_kill }.push(begun.elapsed());
    }
    let cost = server.cost()?;
    let told = json!({
        "stop_s": median_s(&mut stops)?,
        "ready_s": median_s(&mut starts)?,
        "ready_after_kill_s": median_s(&mut after_kill)?,
        "cpu_s": cost.cpu_s,
        "held_bytes": cost.held_bytes,
        "peak_bytes": cost.peak_bytes,
    });
    Ok((server, told))
}

fn median_s(times: &mut [Duration]) -> anyhow::Result<f64> {
    times.sort_unstable();
    Ok(times.get(times.len() / 2).context("a run")?.as_secs_f64())
}
