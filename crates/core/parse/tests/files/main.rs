//! Whole files: against an independent parser, and against chance.
//!
//! Read: `kept.rs` (what a file said, kept), `oracle.rs` and `properties.rs`
//! (NEM), `tables.rs` and `table_properties.rs` (CSV).

mod kept;
mod oracle;
mod properties;
mod tables;
mod table_properties;
