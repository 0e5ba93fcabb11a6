//! What keeps the house in order: `cargo xtask tidy` and `cargo xtask ci`.
//!
//! Promise: what the style and the law of the listing ask, and a machine can
//! see, is checked here by plain reading of text; the same check is a test, so
//! `cargo test --workspace` fails when the house is untidy.
//!
//! Read: `tidy.rs` (the rules and how they are run), `ci.rs`.

mod tidy;
mod ci;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <command>

  tidy   check the rules of the house that a machine can see; exit 1 if one is broken
  ci     formatting, lints, tests, in this order, with their durations";

fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    let outcome = match argument.as_deref() {
        Some("tidy") => tidy::print(),
        Some("ci") => ci::run(),
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
