//! Load for a server of its own, and what it cost.
//!
//! `loadgen hdm` starts the binary on a directory of its own, sends it the data
//! set `hdm` (20,000 homes, 11 registers, 100 minutes) as a gateway or as single
//! meters do, waits until the lake is in order, compares what is stored with what
//! was sent, by count and hash, and prints what it cost as JSON.
//!
//! `loadgen lake` fills a lake with 100 M readings through the same door and
//! measures what is asked of it: a channel's month, daily sums, the latest of all
//! channels, a restart, memory and bytes.
//!
//! `loadgen crowd` presses a server with one large file and thousands of slow uploads
//! while an ordinary sender goes on, and fails if memory, that sender or a reading suffers.
//!
//! Read: `fleet.rs` (what is sent), `server.rs` (to whom), `line.rs` (over which
//! connections), `load.rs` (when), `check.rs` (whether it is all there),
//! `disk.rs` (in how many bytes); then `ask.rs` (questions), `lake.rs` and
//! `crowd.rs`.

mod fleet;
mod server;
mod line;
mod load;
mod check;
mod disk;
mod ask;
mod lake;
mod crowd;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand, ValueEnum};
use serde_json::json;

use crate::fleet::Sent;
use crate::load::Pace;
use crate::server::{Cost, Server, Tested};

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The benchmark's data set
    Hdm(Hdm),
    /// A lake of 100 M readings, and what is asked of it
    Lake(lake::Lake),
    /// A large file and a crowd of slow uploads at once
    Crowd(crowd::Crowd),
}

/// How messages come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Many messages a request, at a steady rate
    Gateway,
    /// One message a request, as fast as it is acknowledged
    Direct,
}

#[derive(clap::Args)]
struct Hdm {
    #[command(flatten)]
    tested: Tested,
    /// Where its data goes; a directory of its own by default, removed at the end
    #[arg(long)]
    dir: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Mode::Gateway)]
    mode: Mode,
    #[arg(long, default_value_t = 20_000)]
    homes: u32,
    /// Messages of each home, one a minute
    #[arg(long, default_value_t = 100)]
    minutes: u32,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Messages a request of a gateway
    #[arg(long, default_value_t = 500)]
    batch: usize,
    /// Messages a second of all gateways
    #[arg(long, default_value_t = 33_334.0)]
    rate: f64,
    /// Kept alive: 16 of gateways, 1,000 of single meters if nothing is said
    #[arg(long)]
    connections: Option<usize>,
    /// Leaves the comparison of what is stored with what was sent out: no figure counts then
    #[arg(long)]
    unchecked: bool,
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match Arguments::parse().command {
        Command::Hdm(asked) => runtime.block_on(hdm(asked)),
        Command::Lake(asked) => runtime.block_on(lake::lake(asked)),
        Command::Crowd(asked) => runtime.block_on(crowd::crowd(asked)),
    }
}

async fn hdm(asked: Hdm) -> anyhow::Result<()> {
    let own = tempfile::tempdir()?;
    let dir = asked.dir.clone().unwrap_or_else(|| own.path().join("data"));
    let batch = if asked.mode == Mode::Gateway { asked.batch } else { 1 };
    let fleet = fleet::encode(asked.seed, asked.homes, asked.minutes, batch);
    let server = Server::start(&asked.tested, &dir)?;
    let before = server.cost()?;
    let begun = Instant::now();
    let pace = match asked.mode {
        Mode::Gateway => Pace::Every(Duration::from_secs_f64(batch as f64 / asked.rate)),
        Mode::Direct => Pace::AsAcknowledged,
    };
    let connections = asked.connections.unwrap_or(if asked.mode == Mode::Gateway { 16 } else { 1_000 });
    let sent = load::run(&server, &fleet.bodies, connections, pace).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let acknowledged = server.cost()?;
    server.settled(sent.last).await?;
    let settled = server.cost()?;
    let on_disk =
        json!({ "standing": disk::standing(&dir)?, "now": server.sizes()?.into_iter().collect::<BTreeMap<_, _>>() });
    let told = report(&asked, &fleet.sent, seconds, [before, acknowledged, settled], &sent, &on_disk);
    if !asked.unchecked {
        check::stored(&server, &fleet.sent).await?;
    }
    println!("{}", serde_json::to_string_pretty(&told)?);
    server.stop()
}

fn report(
    asked: &Hdm,
    sent: &Sent,
    seconds: f64,
    [before, acknowledged, settled]: [Cost; 3],
    load: &load::Report,
    on_disk: &serde_json::Value,
) -> serde_json::Value {
    let standing = &on_disk["standing"];
    let millions = sent.measurements as f64 / 1e6;
    let bytes =
        ["data_bytes", "log_bytes", "state_bytes"].iter().filter_map(|part| standing[part].as_u64()).sum::<u64>();
    json!({
        "mode": format!("{:?}", asked.mode).to_lowercase(),
        "messages": sent.messages,
        "measurements": sent.measurements,
        "seconds": seconds,
        "messages_per_s": sent.messages as f64 / seconds,
        "server_cpu_s_acknowledged": acknowledged.cpu_s - before.cpu_s,
        "server_cpu_s_settled": settled.cpu_s - before.cpu_s,
        "server_cpu_s_per_million": (settled.cpu_s - before.cpu_s) / millions,
        "server_peak_bytes": settled.peak_bytes,
        "wire_bytes_per_measurement": sent.bytes as f64 / sent.measurements as f64,
        "bytes_per_measurement": bytes as f64 / sent.measurements as f64,
        "bytes": on_disk,
        "latency_ms": load.latencies(),
        "retried": load.retried,
        "compared": !asked.unchecked,
    })
}
