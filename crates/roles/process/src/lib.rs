//! The role between journal and lake: parse, resolve names, judge, commit.
//!
//! Promise: output and position commit together, so a crash anywhere repeats
//! work but never its effect; what arrives twice is counted, not stored twice;
//! what is not understood is kept with its place and reason.
//!
//! Read: `role.rs` (the loop), `stages.rs` (journal → chunks), `at_hand.rs`,
//! `intake.rs`, `input.rs`, `understand.rs`, `chunk.rs`, `secret.rs`, `names.rs`, `spelled.rs`,
//! `files.rs` and `messages.rs` (what came before), `judge.rs`, `live.rs`,
//! `overlaps.rs`, `coverage.rs`, `round.rs`, `batches.rs`, `restore.rs`,
//! `checkpoint.rs`, `bodies.rs`, `maintain.rs`, `until.rs`.

mod error;
mod until;
mod at_hand;
mod chunk;
mod secret;
mod names;
mod spelled;
mod files;
mod messages;
mod coverage;
mod overlaps;
mod judge;
mod live;
mod input;
mod understand;
mod batches;
mod round;
mod checkpoint;
mod restore;
mod bodies;
mod maintain;
mod stages;
mod followed;
mod intake;
mod role;

pub use at_hand::{AtHand, Place};
pub use checkpoint::{
    PATH as CHECKPOINT_PATH, VERSION as CHECKPOINT_VERSION, damaged as checkpoint_damaged,
    version_found as checkpoint_version_found,
};
pub use chunk::{CHUNK_ITEMS, CHUNK_MONTHS_MAX};
pub use error::Error;
pub use live::{Fresh, Live};
pub use maintain::MaintainSettings;
pub use names::Lessor;
pub use role::{Parts, Progress, Settings, run};
pub use understand::{Formats, built_in_formats};
pub use until::Until;
