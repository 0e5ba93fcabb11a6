//! `loadgen crowd`: one large file, thousands of slow uploads and an ordinary
//! sender, all at once; the server must stay within its memory and go on.
//!
//! It fails unless the peak of memory is within the limit, every ordinary post is
//! acknowledged (at once or after the time in `Retry-After`), and what was
//! acknowledged is stored: the file by count and sum, posts by count and hash,
//! slow uploads by name; what was refused is not.
//!
//! Read: `crowd/reply.rs` (an answer off the wire), `crowd/file.rs` (the large file),
//! `crowd/slow.rs` (the crowd), `crowd/ordinary.rs` (who must not suffer),
//! `crowd/found.rs` (what is stored), `crowd/told.rs` (the table for people).

mod reply;
mod file;
mod slow;
mod ordinary;
mod found;
mod told;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use meter::Span;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use simulate::Fleet;

use self::file::Plan;
use crate::plugs::Plugs;
use crate::server::{Server, Tested};

/// Descriptors of this tool beside those of the crowd.
const DESCRIPTORS_APART: u64 = 256;
/// What is sent is made before the clock runs: messages of one home a minute.
const HOMES: u32 = 2_000;

#[derive(clap::Args)]
pub struct Crowd {
    #[command(flatten)]
    tested: Tested,
    /// Where its data goes; a directory of its own by default, removed at the end
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Of the large file, about: whole lines; k, m and g are powers of 1024
    #[arg(long, value_parser = bytes, default_value = "2g")]
    file_bytes: u64,
    /// Slow clients at once
    #[arg(long, default_value_t = 5_000)]
    uploads: u32,
    /// The crowd comes again for so long
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// The server's memory at its peak must stay below this
    #[arg(long, value_parser = bytes, default_value = "2g")]
    memory_max: u64,
    /// Messages a second of the ordinary sender
    #[arg(long, default_value_t = 2_000)]
    rate: u32,
    /// Messages a request of the ordinary sender
    #[arg(long, default_value_t = 200)]
    batch: usize,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub async fn crowd(asked: Crowd) -> anyhow::Result<()> {
    let descriptors = raise_descriptors(u64::from(asked.uploads) + DESCRIPTORS_APART)?;
    let own = tempfile::tempdir()?;
    let dir = asked.dir.clone().unwrap_or_else(|| own.path().join("data"));
    let plan = Plan::of(asked.seed, asked.file_bytes);
    let steps = (asked.rate * asked.seconds).div_ceil(HOMES);
    let posts = Plugs { fleet: Fleet::hdm(asked.seed, HOMES), step: Span::from_minutes(1), steps };
    let bodies: Vec<Bytes> = posts.bodies(0..steps, asked.batch).map(|body| body.bytes).collect();
    let sent = posts.sent();
    let server = Server::start(&asked.tested, &dir)?;
    let begun = Instant::now();
    let until = tokio::time::Instant::now() + Duration::from_secs(u64::from(asked.seconds));
    let interval = Duration::from_secs_f64(asked.batch as f64 / f64::from(asked.rate));
    let (file, slow, ordinary) = tokio::try_join!(
        file::send(&server, &plan),
        slow::press(&server, asked.uploads, until),
        ordinary::send(&server, &bodies, interval),
    )?;
    let (acknowledged, pressed_s) = (server.cost()?, begun.elapsed().as_secs_f64());
    eprintln!("acknowledged after {pressed_s:.0} s; waiting until it is in order");
    let last = file.sequence.max(slow.last).max(ordinary.last);
    server.settled(last).await?;
    let settled = server.cost()?;
    let found = found::compare(&server, &plan, file.sequence, &slow, &sent).await?;
    let peak_bytes = server.cost()?.peak_bytes;
    let checks = json!({
        "peak within the limit": peak_bytes <= asked.memory_max,
        "the file counts whole": found.file,
        "every post is acknowledged and stored": found.ordinary && ordinary.refused_without_retry_after == 0,
        "slow uploads acknowledged are stored, others not": found.slow,
        "each refusal for now says when to come again": slow.refused_without_retry_after == 0,
    });
    let report = json!({
        "file": { "bytes": plan.bytes, "readings": plan.total.count, "seconds": file.seconds, "refused": file.refused },
        "uploads": { "clients": asked.uploads, "answers": slow.answers, "acknowledged": slow.kept.len() },
        "posts": ordinary.told(sent.measurements),
        "memory": {
            "peak_bytes": peak_bytes, "peak_bytes_acknowledged": acknowledged.peak_bytes,
            "held_bytes_settled": settled.held_bytes, "limit_bytes": asked.memory_max,
        },
        "seconds_pressed": pressed_s,
        "seconds_settled": begun.elapsed().as_secs_f64(),
        "server_cpu_s": settled.cpu_s,
        "descriptors": descriptors,
        "wrong": found.wrong,
        "checks": checks,
    });
    server.stop()?;
    eprintln!("{}", told::table(&report));
    println!("{}", serde_json::to_string_pretty(&report)?);
    let failed: Vec<&String> =
        checks.as_object().into_iter().flatten().filter(|(_, held)| **held != true).map(|(name, _)| name).collect();
    ensure!(failed.is_empty(), "does not hold: {failed:?}");
    Ok(())
}

/// As many as this process may have; the server inherits them.
fn raise_descriptors(needed: u64) -> anyhow::Result<u64> {
    let held = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: held.maximum, maximum: held.maximum })
        .context("the limit of open files")?;
    let most = held.maximum.unwrap_or(u64::MAX);
    ensure!(most >= needed, "{needed} open files are needed and {most} allowed: raise the hard limit (ulimit -Hn)");
    Ok(most)
}

fn bytes(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.to_ascii_lowercase().chars().last() {
        Some('k') => (&text[..text.len() - 1], 10),
        Some('m') => (&text[..text.len() - 1], 20),
        Some('g') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{text:?} is no number of bytes, such as 20m or 2g"))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("{text} is too much"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_are_told_in_powers_of_1024() {
        assert_eq!(super::bytes("2g"), Ok(2 << 30));
        assert_eq!(super::bytes("20M"), Ok(20 << 20));
        assert_eq!(super::bytes("17"), Ok(17));
        assert!(super::bytes("g").is_err() && super::bytes("2x").is_err());
    }
}
