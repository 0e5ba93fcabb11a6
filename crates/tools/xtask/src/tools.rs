//! The tools beside the server, built for release and run with one command.
//!
//! Promise: a tool runs with the server it was built with; what it prints is its own, and
//! a last line says how it ended and how long it took.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::Context;

/// A command of xtask, and the tool behind it.
pub struct Tool {
    /// As typed.
    pub name: &'static str,
    binary: &'static str,
    /// What the arguments of a person become.
    arguments: fn(&[String]) -> anyhow::Result<Vec<Vec<String>>>,
}

pub const TOOLS: [Tool; 3] = [
    Tool { name: "fuzz", binary: "fuzzing", arguments: |given| Ok(vec![given.to_vec()]) },
    Tool { name: "trials", binary: "trials", arguments: trials },
    Tool { name: "bench", binary: "loadgen", arguments: bench },
];

/// Runs the tool as often as its arguments ask; true if it ended well each time.
pub fn run(tool: &Tool, given: &[String]) -> anyhow::Result<bool> {
    let asked = (tool.arguments)(given)?;
    let root = crate::tidy::root()?;
    let binary = built(tool.binary)?.join(tool.binary);
    let mut ended = Vec::new();
    for arguments in asked {
        let begun = Instant::now();
        let status = Command::new(&binary).args(&arguments).current_dir(&root).status();
        let status = status.with_context(|| format!("{} does not start", binary.display()))?;
        ended.push((arguments, begun.elapsed().as_secs_f64(), status.success()));
    }
    println!("\n{:<60} {:>9}  ended", tool.name, "seconds");
    for (arguments, seconds, well) in &ended {
        println!("{:<60} {seconds:>9.1}  {}", arguments.join(" "), if *well { "well" } else { "with failures" });
    }
    Ok(ended.iter().all(|(_, _, well)| *well))
}

/// Builds a tool and the server for release; the folder in which both lie.
///
/// Cargo as a person would start it. What `cargo run` tells of this package is taken away:
/// build scripts of libraries take some of it for a change of theirs, and half of the
/// libraries would be compiled anew, and once more by the next plain build.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_this_package) {
            command.env_remove(name);
        }
    }
    command
}

fn is_of_this_package(name: &str) -> bool {
    const STARTS: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
    STARTS.iter().any(|start| name.starts_with(start)) || name == "CARGO_PRIMARY_PACKAGE"
}

/// Within the workspace's one set of features: another set would build the base again.
pub fn built(binary: &str) -> anyhow::Result<PathBuf> {
    let arguments = ["build", "--release", "--workspace", "--bin", "meterhouse", "--bin", binary];
    let status = cargo().args(arguments).status().context("cargo did not start")?;
    anyhow::ensure!(status.success(), "{binary} cannot be built");
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    Ok(target.map_or_else(|| crate::tidy::root().map(|root| root.join("target")), Ok)?.join("release"))
}

/// What the machine does to the real binary, by the names the trials know.
const HARDSHIPS: [&str; 4] = ["power", "standstill", "clock", "memory"];

/// `--minutes N` is processor time under random kills, and so many backups and strikes of each hardship;
/// power losses and flipped bytes are tried once each before, in their short form where it
/// is a few minutes.
fn trials(given: &[String]) -> anyhow::Result<Vec<Vec<String>>> {
    let (mut minutes, mut seed) = (10.0, 1);
    let mut rest = given.iter();
    while let Some(name) = rest.next() {
        let value = rest.next().with_context(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--minutes" => minutes = value.parse::<f64>().with_context(|| format!("--minutes {value}"))?,
            "--seed" => seed = value.parse::<u64>().with_context(|| format!("--seed {value}"))?,
            other => anyhow::bail!("{other} is none of --minutes and --seed"),
        }
    }
    let short = if minutes < 60.0 { " --short" } else { "" };
    let times = (minutes * 2.0).max(4.0);
    let mut lines = vec![
        format!("--seed {seed}{short} simulated"),
        format!("--seed {seed}{short} flips"),
        format!("--seed {seed}{short} killing --cpu-minutes {minutes}"),
    ];
    lines.push(format!("--seed {seed} backups --times {times:.0}"));
    lines.extend(HARDSHIPS.map(|name| format!("--seed {seed} hardship {name} --times {times:.0}")));
    Ok(lines.iter().map(|line| line.split(' ').map(str::to_owned).collect()).collect())
}

fn bench(given: &[String]) -> anyhow::Result<Vec<Vec<String>>> {
    let scenario = given.first().context("which scenario: one of benches/scenarios, lake or crowd")?;
    let own = ["lake", "crowd"].contains(&scenario.as_str());
    let run = (!own).then(|| "run".to_owned());
    Ok(vec![run.into_iter().chain(given.iter().cloned()).collect()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(given: &str) -> Vec<String> {
        let given: Vec<String> = given.split_whitespace().map(str::to_owned).collect();
        trials(&given).expect("good arguments").iter().map(|line| line.join(" ")).collect()
    }

    #[test]
    fn minutes_and_seed_reach_every_trial() {
        let short =
            ["--seed 7 --short simulated", "--seed 7 --short flips", "--seed 7 --short killing --cpu-minutes 2"];
        assert_eq!(lines("--minutes 2 --seed 7")[..3], short);
        assert_eq!(
            lines("--minutes 2 --seed 7")[3..6],
            ["backups", "hardship power", "hardship standstill"].map(|name| format!("--seed 7 {name} --times 4"))
        );
        let long = ["--seed 1 simulated", "--seed 1 flips", "--seed 1 killing --cpu-minutes 120"];
        assert_eq!(lines("--minutes 120")[..3], long);
    }

    #[test]
    fn what_a_person_sets_for_cargo_stays() {
        assert!(
            ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_CRATE_NAME"].iter().all(|name| is_of_this_package(name))
        );
        assert!(
            !["CARGO_TARGET_DIR", "CARGO_HOME", "CARGO_BUILD_JOBS", "CARGO"]
                .iter()
                .any(|name| is_of_this_package(name))
        );
    }

    #[test]
    fn a_word_nobody_knows_stops_before_a_build() {
        assert!(trials(&["--hours".to_owned(), "2".to_owned()]).is_err());
        assert!(trials(&["--minutes".to_owned()]).is_err());
        assert!(bench(&[]).is_err());
    }

    #[test]
    fn a_scenario_is_run_and_the_two_others_are_commands_of_their_own() {
        let asked = |given: &[&str]| {
            let given: Vec<String> = given.iter().map(|&word| word.to_owned()).collect();
            bench(&given).expect("good arguments")[0].join(" ")
        };
        assert_eq!(asked(&["hdm-30", "--set", "steps=1"]), "run hdm-30 --set steps=1");
        assert_eq!(asked(&["crowd"]), "crowd");
    }
}
