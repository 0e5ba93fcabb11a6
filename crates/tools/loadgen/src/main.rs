//! Load for a server of its own, and what it cost.
//!
//! `loadgen run SCENARIO` starts the binary on a directory of its own, sends it what a
//! file of `benches/scenarios` describes as a gateway or as single meters do, waits until
//! the lake is in order, compares what is stored with what was sent, by count and hash,
//! and prints what it cost as a table and as JSON.
//!
//! `loadgen lake` fills a lake with 100 M readings through the same door and
//! measures what is asked of it: a channel's month, daily sums, the latest of all
//! channels, a restart, memory and bytes.
//!
//! `loadgen crowd` presses a server with one large file and thousands of slow uploads
//! while an ordinary sender goes on, and fails if memory, that sender or a reading suffers.
//!
//! `loadgen peers-data` writes what `benches/peers` feeds to us and to others, and what
//! each must answer; `loadgen standing` counts the bytes of a lake at rest.
//!
//! Read: `sent.rs`, `shape.rs` and `plugs.rs` (what is sent), `source.rs` and `plan.rs`
//! (by which scenario), `server.rs` (to whom), `line.rs` (over which connections),
//! `load.rs` (when), `check.rs` (whether it is all there), `disk.rs` (in how many bytes),
//! `run.rs` and `told.rs`; then `ask.rs` (questions), `lake.rs` and `crowd.rs`; and
//! `peers_data.rs`.

mod sent;
mod shape;
mod plugs;
mod source;
mod plan;
mod server;
mod line;
mod load;
mod check;
mod disk;
mod told;
mod run;
mod ask;
mod lake;
mod crowd;
mod peers_data;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A scenario
    Run(run::Run),
    /// A lake of 100 M readings, and what is asked of it
    Lake(lake::Lake),
    /// A large file and a crowd of slow uploads at once
    Crowd(crowd::Crowd),
    /// The data of the race against others, in every format, and the truth about it
    PeersData(peers_data::PeersData),
    /// What the files of a data directory come to once nothing is kept for earlier readers
    Standing { dir: PathBuf },
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match Arguments::parse().command {
        Command::Run(asked) => runtime.block_on(run::run(asked)),
        Command::Lake(asked) => runtime.block_on(lake::lake(asked)),
        Command::Crowd(asked) => runtime.block_on(crowd::crowd(asked)),
        Command::PeersData(asked) => peers_data::peers_data(&asked),
        Command::Standing { dir } => {
            println!("{}", disk::standing(&dir)?);
            Ok(())
        }
    }
}
