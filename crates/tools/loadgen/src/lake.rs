//! `loadgen lake`: a lake of 100 M readings, made through the public door, and
//! what it costs to ask it and to start on it.
//!
//! Read: `lake/fill.rs` (how it comes there), `lake/measure.rs` (questions),
//! `lake/restarts.rs`, `lake/told.rs` (the table for people).

mod fill;
mod measure;
mod restarts;
mod told;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::server::{Server, Tested};
use crate::shape::Shape;

/// The two rectangles of 100 M readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A thousand meters, quarter-hours of almost three years
    #[value(name = "1000x100000")]
    Long,
    /// A million meters, half-hours of two days
    #[value(name = "1000000x100")]
    Wide,
}

#[derive(clap::Args)]
pub struct Lake {
    /// Channels × readings of each
    #[arg(long, value_enum)]
    shape: Form,
    #[command(flatten)]
    tested: Tested,
    /// Fewer of them: shorter channels, or fewer
    #[arg(long, default_value_t = 100_000_000)]
    rows: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often each question is asked
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// A directory for the data, left behind; its own by default, removed at the end
    #[arg(long, conflicts_with = "reuse")]
    keep: Option<PathBuf>,
    /// A directory that an earlier run kept: nothing is sent
    #[arg(long)]
    reuse: Option<PathBuf>,
}

/// What the run that made a lake says about it, beside the data.
const MADE: &str = "made.json";

pub async fn lake(asked: Lake) -> anyhow::Result<()> {
    let shape = match asked.shape {
        Form::Long => Shape::long(asked.seed, asked.rows),
        Form::Wide => Shape::wide(asked.seed, asked.rows),
    };
    let own = tempfile::tempdir()?;
    let dir = asked.reuse.clone().or(asked.keep.clone()).unwrap_or_else(|| own.path().to_owned());
    std::fs::create_dir_all(&dir)?;
    let (server, made) = match &asked.reuse {
        Some(_) => found(&asked, &dir, shape)?,
        None => made(&asked, &dir, shape).await?,
    };
    let measured = measured(&asked, &dir, shape, server, made).await?;
    eprintln!("{}", told::table(&measured));
    println!("{}", serde_json::to_string_pretty(&measured)?);
    Ok(())
}

fn data(dir: &Path) -> PathBuf {
    dir.join("data")
}

/// Fills a new lake; the server that did it goes on.
async fn made(asked: &Lake, dir: &Path, shape: Shape) -> anyhow::Result<(Server, Value)> {
    ensure!(!data(dir).exists(), "{}: holds a lake already, ask it with --reuse", dir.display());
    let server = Server::start(&asked.tested, &data(dir))?;
    let empty = server.cost()?;
    let fill = fill::fill(&server, shape).await?;
    measure::check(&server, &shape).await.context("what is stored is not what was sent")?;
    let made = json!({
        "shape": shape.name,
        "rows": shape.rows(),
        "seed": asked.seed,
        "empty_held_bytes": empty.held_bytes,
        "filled_held_bytes": server.cost()?.held_bytes,
        "fill": fill,
        "standing": crate::disk::standing(&data(dir))?,
    });
    std::fs::write(dir.join(MADE), serde_json::to_vec_pretty(&made)?)?;
    Ok((server, made))
}

/// Starts on a lake that is there.
fn found(asked: &Lake, dir: &Path, shape: Shape) -> anyhow::Result<(Server, Value)> {
    let path = dir.join(MADE);
    let made: Value = serde_json::from_slice(&std::fs::read(&path).with_context(|| path.display().to_string())?)?;
    let same = made["shape"] == shape.name && made["rows"] == shape.rows() && made["seed"] == asked.seed;
    ensure!(same, "{}: another lake was made here: {made}", path.display());
    Ok((Server::start(&asked.tested, &data(dir))?, made))
}

async fn measured(asked: &Lake, dir: &Path, shape: Shape, server: Server, made: Value) -> anyhow::Result<Value> {
    let mut told = json!({ "made": made, "rows": shape.rows(), "channels": shape.channels });
    let (server, restarts) = restarts::restarts(server, asked, &data(dir), asked.runs).await?;
    told["restart"] = restarts;
    let ready = server.cost()?;
    eprintln!("a channel's month");
    told["month"] = measure::months(&server, &shape, asked.runs.max(11)).await?;
    let after_month = server.cost()?;
    told["sums"] = measure::sums(&server, &shape, asked.runs).await?;
    let after_sums = server.cost()?;
    eprintln!("latest");
    told["latest"] = measure::latest(&server, &shape, asked.runs).await?;
    let after_latest = server.cost()?;
    measure::check(&server, &shape).await.context("what is stored is not what was sent")?;
    let empty = told["made"]["empty_held_bytes"].as_u64().unwrap_or(0);
    told["memory"] = json!({
        "held_bytes_ready": ready.held_bytes,
        "held_bytes_after_months": after_month.held_bytes,
        "held_bytes_after_sums": after_sums.held_bytes,
        "held_bytes_after_latest": after_latest.held_bytes,
        "peak_bytes_since_start": after_latest.peak_bytes,
        "bytes_a_channel_ready": ready.held_bytes.saturating_sub(empty) as f64 / f64::from(shape.channels),
        "bytes_a_channel_with_names": after_month.held_bytes.saturating_sub(empty) as f64 / f64::from(shape.channels),
    });
    server.stop()?;
    Ok(told)
}
