//! SQL against a small lake, as a tenant's tools meet it.
//!
//! Read: `lake.rs` (what is in it), `tables.rs`, `exact.rs`, `narrowed.rs`,
//! `functions.rs`, `hostile.rs`, `stopped.rs`, `export.rs`.

mod lake;
mod tables;
mod exact;
mod narrowed;
mod functions;
mod hostile;
mod stopped;
mod export;
