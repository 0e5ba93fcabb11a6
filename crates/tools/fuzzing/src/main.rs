//! The hunt from the command line: `cargo xtask fuzz --seconds 60`.
//!
//! Promise: one closing table; every failing input is a file whose name is printed, and
//! the exit code is 1 if there is one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use fuzzing::hunt::{self, Plan, Report};
use fuzzing::memory::Counting;
use fuzzing::targets::{TARGETS, Target};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Hostile input for everything that reads bytes from outside.
#[derive(Parser, Debug)]
#[command(name = "fuzzing")]
struct Cli {
    /// Of each target, after its seeds.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// Only this target; may be said several times.
    #[arg(long)]
    target: Vec<String>,
    /// The same seed makes the same inputs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Meter data whose files are seeds too, where it is there.
    #[arg(long, default_value = "../shared/data")]
    data: PathBuf,
    /// Where failing inputs are kept.
    #[arg(long, default_value = "fuzz/artifacts")]
    keep: PathBuf,
    /// Runs the one target on this file instead.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Writes the seeds of each target into a folder of its name in this one instead.
    #[arg(long, value_name = "FOLDER")]
    seeds: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("fuzzing: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// True if nothing failed.
fn run(cli: &Cli) -> anyhow::Result<bool> {
    let mut targets = Vec::new();
    for name in &cli.target {
        let known = || TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
        targets.push(Target::named(name).with_context(|| format!("no target is called {name}; {} are", known()))?);
    }
    if targets.is_empty() {
        targets.extend(TARGETS);
    }
    if let Some(folder) = &cli.seeds {
        targets.iter().try_for_each(|target| put_seeds(target, cli, folder))?;
        return Ok(true);
    }
    let plan = Plan { time: Duration::try_from_secs_f64(cli.seconds)?, seed: cli.seed, data: Some(cli.data.clone()) };
    let replayed = cli.replay.as_ref().map(|file| std::fs::read(file).with_context(|| file.display().to_string()));
    let replayed = replayed.transpose()?;
    anyhow::ensure!(replayed.is_none() || targets.len() == 1, "a file is replayed by one target: add --target");
    let mut reports = Vec::new();
    for target in targets {
        eprintln!("{}", target.name);
        let report = replayed.clone().map_or_else(|| hunt::run(target, &plan), |input| hunt::replay(target, input));
        told(&report, cli)?;
        reports.push(report);
    }
    println!("{}", table(&reports, cli.seed));
    Ok(reports.iter().all(|report| report.failures.is_empty()))
}

/// A corpus to begin with, as libFuzzer takes it: a file each.
fn put_seeds(target: &Target, cli: &Cli, folder: &Path) -> anyhow::Result<()> {
    let folder = folder.join(target.name);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for (number, seed) in (1..).zip(target.seeds(Some(&cli.data))) {
        let file = folder.join(format!("seed-{number}"));
        std::fs::write(&file, seed).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// Each failure with the file that shows it again.
fn told(report: &Report, cli: &Cli) -> anyhow::Result<()> {
    let folder = cli.keep.join(report.target);
    for (number, failure) in (1..).zip(&report.failures) {
        let file = folder.join(format!("seed-{}-{number}", cli.seed));
        std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, &failure.input))?;
        println!("FAILED {}: {}; {} bytes in {}", report.target, failure.what, failure.input.len(), file.display());
    }
    Ok(())
}

fn table(reports: &[Report], seed: u64) -> String {
    let mut lines = vec![format!(
        "{:<10} {:>10} {:>8} {:>9} {:>12} {:>8}",
        "target", "inputs", "seconds", "inputs/s", "memory KiB", "failures"
    )];
    for Report { target, inputs, took, bytes, failures } in reports {
        let seconds = took.as_secs_f64();
        let (rate, failed) = (*inputs as f64 / seconds, failures.len());
        lines.push(format!("{target:<10} {inputs:>10} {seconds:>8.1} {rate:>9.0} {:>12} {failed:>8}", bytes >> 10));
    }
    lines.push(format!("seed {seed}"));
    lines.join("\n")
}
