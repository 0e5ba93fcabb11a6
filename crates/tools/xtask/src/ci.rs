//! The whole check before a change is handed on.
//!
//! Promise: stops at the first step that fails, names it, and says how long
//! each step took, so that a slow build is noticed when it becomes slow.

use std::process::Command;
use std::time::Instant;

use anyhow::Context;

struct Step {
    name: &'static str,
    arguments: &'static [&'static str],
}

/// Cheapest first: a missing space should not cost a build.
const STEPS: [Step; 3] = [
    Step { name: "formatting", arguments: &["fmt", "--all", "--check"] },
    Step { name: "lints", arguments: &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"] },
    Step { name: "tests", arguments: &["test", "--workspace"] },
];

/// True if every step passed.
pub fn run() -> anyhow::Result<bool> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut durations = Vec::new();
    let mut failed = None;
    for step in &STEPS {
        println!("ci: {}: cargo {}", step.name, step.arguments.join(" "));
        let started = Instant::now();
        let status = Command::new(&cargo)
            .args(step.arguments)
            .status()
            .with_context(|| format!("cargo {} did not start; is cargo installed", step.arguments[0]))?;
        durations.push((step.name, started.elapsed()));
        if !status.success() {
            failed = Some(step.name);
            break;
        }
    }
    for (name, took) in durations {
        println!("ci: {name:<10} {:>7.1} s", took.as_secs_f64());
    }
    match failed {
        Some(name) => println!("ci: {name} failed"),
        None => println!("ci: all passed"),
    }
    Ok(failed.is_none())
}
