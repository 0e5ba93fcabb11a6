//! Requests of `schemas/meterhouse/v1/readings.proto`.
//!
//! Promise: a body is either readable as a whole, which [`check`] says before
//! anyone takes it in, or nothing of it is ([`read_admitted`] relies on it having been
//! asked); of a readable body every measurement becomes one reading or one refusal with
//! its byte. Texts are borrowed, nothing is allocated per measurement, and no bytes make
//! it panic. A container's `message_id` is checked and left to who looks for it.
//!
//! Read: `schema.rs` (numbers), `wire.rs` (bytes), `check.rs` (the envelope),
//! `limits.rs`, `fault.rs` (what is refused), `streams.rs`, `container.rs`,
//! `measurement.rs` (fields and their meaning), `twins.rs` (contradictions),
//! `read.rs` (the visitor), `write.rs` (the other way), `json.rs` (a request as
//! JSON).

mod schema;
mod wire;
mod check;
mod limits;
mod fault;
mod streams;
mod container;
mod measurement;
mod twins;
mod read;
mod write;
pub mod json;
#[cfg(test)]
mod tests;

pub use check::{Checked, Summary, check, looks_like};
pub use limits::{AHEAD_MAX, COUNT_MAX, EARLIEST, Limits, STREAMS_MAX, TEXT_BYTES_MAX};
pub use read::{Tally, read, read_admitted};
pub(crate) use streams::canonical as quality_rank;
pub use wire::{EnvelopeError, EnvelopeFault};
pub use write::{Container, Measurement, Stream, Value, Writer};
