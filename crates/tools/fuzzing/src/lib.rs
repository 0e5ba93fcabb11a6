//! Hostile input for everything that reads bytes from outside.
//!
//! Promise: a target is a plain function of bytes that panics where what it reads
//! breaks a promise of its own. The hunt runs targets on stable Rust, with inputs made
//! from seeds by chance that a number repeats; `fuzz/` runs the same functions under
//! cargo-fuzz. An input fails that panics, takes [`hunt::SECONDS_MAX`] seconds or
//! [`hunt::BYTES_MAX`] bytes of memory; it is made smaller and kept.
//!
//! Read: `heard.rs` (what a parser said), `parsers.rs`, `tables.rs`, `segment.rs`,
//! `delta_log.rs`, `door.rs`,
//! `lake.rs`, `sql.rs` (the targets), `seeds.rs`, `targets.rs` (all of them),
//! `memory.rs`, `mutate.rs`, `corpus.rs`, `panics.rs`, `hunt.rs`, `shrink.rs`.

mod heard;
pub mod parsers;
pub mod tables;
pub mod segment;
pub mod delta_log;
pub mod door;
mod lake;
pub mod sql;
mod seeds;
pub mod targets;
pub mod memory;
mod mutate;
mod corpus;
mod panics;
pub mod hunt;
mod shrink;
#[cfg(test)]
mod tests;

/// What an input met on its way. An input that met what none met before is kept, and
/// others are made from it: this stands in for the coverage that stable Rust does not give.
pub type Met = u64;

/// The same for the same, in every run.
fn met(of: impl std::hash::Hash) -> Met {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}
