//! Whole files: against an independent parser, and against chance.
//!
//! Read: `kept.rs` (what a file said, kept), `oracle.rs`, `properties.rs`.

mod kept;
mod oracle;
mod properties;
