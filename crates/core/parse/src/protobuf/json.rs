//! The same requests as JSON: what a person or a script without protobuf sends.
//!
//! Promise: what stands here gives the readings that the same request gives in
//! protobuf, digit for digit: a number is read from its text, never through a
//! float. One bad measurement costs itself and one bad container itself, each
//! named by its path, such as `containers[3].measurements[7].number`; only a body
//! that is no JSON, or no request, is refused as a whole, before anything of it
//! is taken in. No bytes make it panic, and memory is bounded by the body.
//!
//! It follows proto3's JSON: names in lowerCamelCase or as in the schema, whole
//! numbers as numbers or text, enums by name or number, `null` for what is not
//! there. Beyond it, instants may be RFC 3339 texts. Several requests may follow
//! one another, as in newline-delimited JSON.
//!
//! Read: `scan.rs` (bytes), `check.rs` (the whole body), `fault.rs`, `scalar.rs`
//! (one value), `fields.rs` (one object, in protobuf's bytes), `read.rs`.

mod scan;
mod check;
mod fault;
mod scalar;
pub(super) mod fields;
mod read;

pub use check::{DEPTH_MAX, EnvelopeError, EnvelopeFault, check, looks_like};
pub use read::read;
