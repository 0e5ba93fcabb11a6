//! The whole check before a change is handed on.
//!
//! Promise: stops at the first step that fails, names it, and says how long
//! each step took, so that a slow build is noticed when it becomes slow. A
//! warning fails. A step whose tool is not installed is left out and said so.

use std::process::Stdio;
use std::time::Instant;

use anyhow::Context;

use crate::tools::cargo;

struct Step {
    name: &'static str,
    arguments: &'static [&'static str],
    /// What rustup calls the tool, where it may be absent.
    component: Option<&'static str>,
}

/// Cheapest first: a missing space should not cost a build.
const STEPS: [Step; 3] = [
    Step { name: "formatting", arguments: &["fmt", "--all", "--check"], component: Some("rustfmt") },
    Step {
        name: "lints",
        arguments: &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        component: Some("clippy"),
    },
    Step { name: "tests", arguments: &["test", "--workspace"], component: None },
];

/// True if every step passed.
pub fn run() -> anyhow::Result<bool> {
    let mut durations = Vec::new();
    let mut left_out = Vec::new();
    let mut failed = None;
    for step in &STEPS {
        if let Some(component) = step.component.filter(|_| !answers(step.arguments[0])) {
            println!("ci: {} left out: no cargo {}; `rustup component add {component}`", step.name, step.arguments[0]);
            left_out.push(step.name);
            continue;
        }
        println!("ci: {}: cargo {}", step.name, step.arguments.join(" "));
        let started = Instant::now();
        let status = cargo()
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
        None if left_out.is_empty() => println!("ci: all passed"),
        None => println!("ci: passed; left out: {}", left_out.join(", ")),
    }
    Ok(failed.is_none())
}

/// Whether cargo has this subcommand.
fn answers(subcommand: &str) -> bool {
    let asked = cargo().args([subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}
