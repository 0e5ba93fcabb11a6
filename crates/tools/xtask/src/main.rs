//! What keeps the house in order: `cargo xtask tidy`, `cargo xtask ci` and the tools.
//!
//! Promise: what the style and the law of the listing ask, and a machine can
//! see, is checked here by plain reading of text; the same check is a test, so
//! `cargo test --workspace` fails when the house is untidy.
//!
//! Read: `tidy.rs` (the rules and how they are run), `ci.rs`, `tools.rs`, `peers.rs`.

mod tidy;
mod ci;
mod tools;
mod peers;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <command>

  tidy   check the rules of the house that a machine can see; exit 1 if one is broken
  ci     formatting, lints, tests, in this order, with their durations

  fuzz   --seconds N [--target T] [--seed S]: hostile input for every reader of bytes
  trials --minutes N --seed S: power losses, flipped bytes, kills, and what a machine does to the binary
  bench  SCENARIO: load for a server of its own: one of benches/scenarios, lake or crowd
  peers  [--small]: ours and others on the same data (benches/peers/README.md)
  peers  crash [--rounds N] [--seed S]: the same, killed and cut off from power while they are fed";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.first().map(String::as_str);
    if let Some(tool) = tools::TOOLS.iter().find(|tool| Some(tool.name) == name) {
        return ended(tools::run(tool, &arguments[1..]));
    }
    ended(match name {
        Some("tidy") => tidy::print(),
        Some("ci") => ci::run(),
        Some("peers") => peers::run(&arguments[1..]),
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    })
}

fn ended(outcome: anyhow::Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
