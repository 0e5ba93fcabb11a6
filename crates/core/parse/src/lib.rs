//! From bytes to readings, events and refusals, one file per format.
//!
//! Promise: parsing streams into a `meter::Sink` and always ends; no bytes make
//! it panic, and one bad record never costs the file. What is not understood is
//! refused with its place and a reason a person can act on.
//!
//! Read: `lines.rs`, `nem.rs` (NEM12, NEM13), `csv.rs` (by mapping profile),
//! `protobuf.rs` (and the same as JSON), `line.rs` (InfluxDB's lines), `detect.rs`
//! (which of them a body is, and [`read`] for any), `export.rs` (readings as CSV).

mod lines;
pub mod nem;
pub mod csv;
pub mod protobuf;
pub mod line;
mod detect;
pub mod export;

pub use detect::{
    Error, Format, HEAD_BYTES, REQUEST_BYTES_MAX, UnknownFormat, Unrecognised, read, read_file, read_held,
};
pub use protobuf::Limits;
pub use protobuf::json;
