//! From bytes to readings, events and refusals, one file per format.
//!
//! Promise: parsing streams into a `meter::Sink` and always ends; no bytes make
//! it panic, and one bad record never costs the file. What is not understood is
//! refused with its place and a reason a person can act on.
//!
//! Read: `nem.rs` (NEM12, NEM13), `protobuf.rs`, `detect.rs` (which of them a
//! body is, and [`read`] for any), `export.rs` (readings as CSV).

pub mod nem;
pub mod protobuf;
mod detect;
pub mod export;

pub use detect::{Error, Format, HEAD_BYTES, PROTOBUF_BYTES_MAX, Unrecognised, read};
pub use protobuf::Limits;
