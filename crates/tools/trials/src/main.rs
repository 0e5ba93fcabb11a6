//! The trials from the command line: `cargo run -p trials -- simulated`.
//!
//! Promise: prints what was tried and under which seed; exit code 1 if anything
//! failed. The real binary is the one beside this program unless one is named.

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use trials::hardships::Hardship;
use trials::{backups, flips, hardships, killing, server, simulated};

/// Trials of the whole house: power losses, kills and flipped bytes.
#[derive(Parser, Debug)]
#[command(name = "trials")]
struct Cli {
    /// Names the run; the same seed tries the same things.
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
    /// The form for every day: seconds instead of hours.
    #[arg(long, global = true)]
    short: bool,
    /// The meterhouse binary; otherwise the one beside this program.
    #[arg(long, global = true, value_name = "FILE")]
    binary: Option<PathBuf>,
    #[command(subcommand)]
    trial: Trial,
}

#[derive(Subcommand, Debug)]
enum Trial {
    /// The power fails at every disk operation of a simulated house.
    Simulated {
        /// Every how manyth boundary; the default is 1, or 110 with --short.
        #[arg(long)]
        stride: Option<u64>,
        /// Only this step of the script.
        #[arg(long)]
        step: Option<String>,
    },
    /// The real binary is killed inside each phase, and at random.
    Killing {
        /// Kills inside each phase; the default is 200, or 2 with --short.
        #[arg(long)]
        kills_per_phase: Option<u64>,
        /// The server's processor time under random kills; the default is 20, or 0 with --short.
        #[arg(long)]
        cpu_minutes: Option<f64>,
    },
    /// The real binary while the machine fails it.
    Hardship {
        /// power, standstill, clock or memory.
        what: String,
        /// How often; the default is 100, or 4 with --short.
        #[arg(long)]
        times: Option<u64>,
    },
    /// Server and command are killed while a backup is taken.
    Backups {
        /// How often; the default is 100, or 4 with --short.
        #[arg(long)]
        times: Option<u64>,
    },
    /// One byte at a time is flipped in every file.
    Flips,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("trials: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// True if nothing failed.
fn run(cli: &Cli) -> anyhow::Result<bool> {
    let binary = || cli.binary.clone().map_or_else(server::beside_us, Ok);
    match &cli.trial {
        Trial::Simulated { stride, step } => {
            let mut plan = simulated::Plan::new(cli.seed, cli.short);
            plan.stride = stride.unwrap_or(plan.stride);
            plan.only.clone_from(step);
            let report = simulated::run(&plan, &mut |report| {
                let trials: u64 = report.trials.values().sum();
                progress(trials, report.failures.len());
            });
            Ok(told(&report, &report.failures))
        }
        Trial::Killing { kills_per_phase, cpu_minutes } => {
            let plan = killing::Plan {
                binary: binary()?,
                seed: cli.seed,
                kills_per_phase: kills_per_phase.unwrap_or(if cli.short { 2 } else { 200 }),
                cpu_minutes: cpu_minutes.unwrap_or(if cli.short { 0.0 } else { 20.0 }),
            };
            let report = killing::run(&plan, &mut |report| progress(report.kills, report.failures.len()))?;
            Ok(told(&report, &report.failures))
        }
        Trial::Hardship { what, times } => {
            let hardship = Hardship::named(what)
                .with_context(|| format!("{what} is none of {}", Hardship::ALL.map(Hardship::name).join(", ")))?;
            let times = times.unwrap_or(if cli.short { 4 } else { 100 });
            let plan = hardships::Plan { binary: binary()?, seed: cli.seed, hardship, times };
            let report = hardships::run(&plan, &mut |report| progress(report.times, report.failures.len()))?;
            Ok(told(&report, &report.failures))
        }
        Trial::Backups { times } => {
            let times = times.unwrap_or(if cli.short { 4 } else { 100 });
            let plan = backups::Plan { binary: binary()?, seed: cli.seed, times };
            let report = backups::run(&plan, &mut |report| progress(report.times, report.failures.len()))?;
            Ok(told(&report, &report.failures))
        }
        Trial::Flips => {
            let random = if cli.short { 0 } else { 3 };
            let plan = flips::Plan { binary: binary()?, seed: cli.seed, random, short: cli.short };
            let report = flips::run(&plan, &mut |report| {
                progress(report.kinds.values().map(|(_, flips)| flips).sum(), report.failures.len());
            })?;
            Ok(told(&report, &report.failures))
        }
    }
}

/// A line on standard error now and then.
fn progress(done: u64, failures: usize) {
    if done.is_multiple_of(50) {
        eprintln!("{done} tried, {failures} failed");
    }
}

fn told(report: &impl Display, failures: &[impl Display]) -> bool {
    for failure in failures {
        println!("FAILED {failure}");
    }
    print!("{report}");
    failures.is_empty()
}
