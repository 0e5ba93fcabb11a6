//! `loadgen run SCENARIO`: the load, the wait until all is in order, and the comparison.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use serde_json::{Value, json};

use crate::load::{Pace, Report};
use crate::plan::Plan;
use crate::server::{Cost, Server, Tested};
use crate::source::{Order, Source};
use crate::{check, disk, load, source, told};

#[derive(clap::Args)]
pub struct Run {
    /// One of those in the folder of scenarios, or a TOML file
    scenario: String,
    /// Takes the place of what the scenario says, such as meters=1000
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    tested: Tested,
    /// Where scenarios are
    #[arg(long, default_value = "benches/scenarios")]
    scenarios: PathBuf,
    /// Where its data goes; a directory of its own by default, removed at the end
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Starts the server again at the end and measures it once more
    #[arg(long)]
    restart: bool,
    /// Leaves the comparison of what is stored with what was sent out: no figure counts then
    #[arg(long)]
    unchecked: bool,
}

pub async fn run(asked: Run) -> anyhow::Result<()> {
    let plan = Plan::read(&asked.scenario, &asked.scenarios, &asked.set)?;
    eprintln!("{}", plan.about);
    let own = tempfile::tempdir()?;
    let dir = asked.dir.clone().unwrap_or_else(|| own.path().join("data"));
    let source = plan.source()?;
    let mut server = Server::start(&asked.tested, &dir)?;
    let mut told = measured(&asked, &plan, &source, &server, &dir).await?;
    if asked.restart {
        server = restarted(server, &asked.tested, &dir, &mut told).await?;
    }
    let same = if asked.unchecked { Ok(()) } else { compared(&server, source).await };
    told["compared"] = (same.is_ok() && !asked.unchecked).into();
    server.stop()?;
    eprintln!("{}", told::table(&told));
    println!("{}", serde_json::to_string_pretty(&told)?);
    same
}

/// Sends all of it, waits until it is in order, and says what that took.
async fn measured(asked: &Run, plan: &Plan, source: &Source, server: &Server, dir: &Path) -> anyhow::Result<Value> {
    let empty = server.cost()?;
    if plan.stored_before > 0 {
        store_before(server, plan, source).await?;
    }
    let before = Costs::now(server)?;
    let sent = send(server, plan, source).await?;
    let acknowledged = Costs::now(server)?;
    eprintln!("acknowledged after {:.0} s; waiting until it is in order", sent.took.as_secs_f64());
    let waited = Instant::now();
    server.settled(sent.last).await?;
    let settled = Costs::now(server)?;
    let measurements = measurements(plan);
    let standing = disk::standing(dir)?;
    Ok(json!({
        "scenario": asked.scenario,
        "set": asked.set,
        "mode": plan.mode,
        "channels": u64::from(plan.meters) * u64::from(plan.registers),
        "messages": sent.messages,
        "measurements": measurements,
        "seconds": sent.took.as_secs_f64(),
        "seconds_to_settle": waited.elapsed().as_secs_f64(),
        "messages_per_s": sent.messages as f64 / sent.took.as_secs_f64(),
        "measurements_per_s": measurements as f64 / sent.took.as_secs_f64(),
        "latency_ms": sent.latencies(),
        "retried": sent.retried,
        "server_cpu_s_acknowledged": acknowledged.server.cpu_s - before.server.cpu_s,
        "server_cpu_s_settled": settled.server.cpu_s - before.server.cpu_s,
        "server_cpu_s_per_million": (settled.server.cpu_s - before.server.cpu_s) / (measurements as f64 / 1e6),
        "generator_cpu_s": acknowledged.generator.cpu_s - before.generator.cpu_s,
        "server_peak_bytes": settled.server.peak_bytes,
        "server_held_bytes": settled.server.held_bytes,
        "server_held_bytes_empty": empty.held_bytes,
        "wire_bytes_per_measurement": sent.bytes as f64 / measurements as f64,
        "bytes_per_measurement": per_reading(&standing, source),
        "bytes": {
            "standing": standing,
            "now": server.sizes()?.into_iter().collect::<BTreeMap<_, _>>(),
        },
        "bytes_written": settled.server.written_bytes - empty.written_bytes,
    }))
}

async fn store_before(server: &Server, plan: &Plan, source: &Source) -> anyhow::Result<()> {
    eprintln!("storing what was there before");
    let bodies = source.bodies(0..plan.stored_before, plan.messages as usize, Order::OldestFirst);
    let messages = u64::from(plan.meters) * u64::from(plan.stored_before.div_ceil(plan.steps_a_message));
    let stored = load::run(server, bodies, messages, plan.connections, Pace::AsAcknowledged).await?;
    server.settled(stored.last).await
}

async fn compared(server: &Server, source: Source) -> anyhow::Result<()> {
    eprintln!("comparing what is stored with what was sent");
    let expected = tokio::task::spawn_blocking(move || source.sent()).await?;
    check::stored(server, &expected).await
}

async fn send(server: &Server, plan: &Plan, source: &Source) -> anyhow::Result<Report> {
    let bodies = source.bodies(0..plan.steps, plan.messages as usize, plan.order);
    let bodies = source::again(bodies, plan.again_percent);
    let messages = plan.messages() * u64::from(100 + plan.again_percent) / 100;
    let pace = plan.rate.map_or(Pace::AsAcknowledged, Pace::Rate);
    load::run(server, bodies, messages, plan.connections, pace).await
}

/// Sent by the run, those that come again counted each time.
fn measurements(plan: &Plan) -> u64 {
    let once = u64::from(plan.meters) * u64::from(plan.registers) * u64::from(plan.steps);
    once * u64::from(100 + plan.again_percent) / 100
}

/// Of all that stands, a reading that is stored.
fn per_reading(standing: &Value, source: &Source) -> f64 {
    let parts = ["data_bytes", "log_bytes", "state_bytes"];
    parts.iter().filter_map(|part| standing[part].as_u64()).sum::<u64>() as f64 / source.readings() as f64
}

async fn restarted(server: Server, tested: &Tested, dir: &Path, told: &mut Value) -> anyhow::Result<Server> {
    let token = server.token.clone();
    server.stop()?;
    let begun = Instant::now();
    let server = Server::start_with(tested, dir, token).context("the server starts again")?;
    server.ready().await?;
    told["restart_s"] = begun.elapsed().as_secs_f64().into();
    told["restart_held_bytes"] = server.cost()?.held_bytes.into();
    told["restart_peak_bytes"] = server.cost()?.peak_bytes.into();
    Ok(server)
}

/// What both used up so far.
struct Costs {
    server: Cost,
    generator: Cost,
}

impl Costs {
    fn now(server: &Server) -> anyhow::Result<Costs> {
        Ok(Costs { server: server.cost()?, generator: Cost::of(std::process::id())? })
    }
}
