//! The doors: accept, make durable, then acknowledge.
//!
//! Promise: a sender is told 200 only after the journal has what it sent, with
//! the sequence number; any other answer says what is wrong and what to do, and
//! nothing of that body is journalled. Memory, time and connections are bounded
//! before a byte of a body is read.
//!
//! Read: `limits.rs`, `error.rs` (what can go wrong), `problem.rs` (how it is
//! told), `identify.rs` (who asks), `admission.rs` (how much at once), `gather.rs`
//! (a body in memory), `body.rs` (bytes off the wire), `expand.rs`, `receipt.rs`
//! (what is refused in a body taken in), `form.rs` (what it is written in),
//! `metrics.rs`, `seldom.rs` (lines in the log), `intake.rs` (into the journal),
//! `whole.rs` (all of this in order, for a body that is held whole), `readings.rs`,
//! `influx.rs` (as clients of InfluxDB send), `base64.rs`, `files.rs` and
//! `uploads.rs` (the requests), `inbox.rs` (files of a folder), `refusals.rs` and
//! `api.rs` (as they are described), `http.rs` (routes and connections),
//! `http/tls.rs`, `http/stall.rs`, `http/turned_away.rs` (connections beyond the limit).

mod limits;
mod error;
mod problem;
mod identify;
mod admission;
mod gather;
mod body;
mod expand;
mod receipt;
mod form;
mod metrics;
mod seldom;
mod intake;
mod whole;
mod readings;
mod base64;
mod influx;
mod files;
mod uploads;
pub mod inbox;
mod refusals;
mod api;
pub mod http;

pub use api::Doors;
pub use error::{Error, Result};
pub use identify::identify;
pub use intake::{Intake, Parts};
pub use limits::{
    EXPANDED_BYTES_MAX, EXPANDED_RATIO_FREE_BYTES, EXPANDED_RATIO_MAX, FILE_BYTES_MAX, Limits, REFUSED_LISTED_MAX,
    WIRE_BYTES_MAX,
};
pub use metrics::Metrics;
pub use problem::{Problem, status_of};
pub use refusals::refusals;
pub use uploads::{UPLOAD_VERSION, UploadSettings, Uploads, tend};
