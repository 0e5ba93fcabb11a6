//! Trials of the whole house: power losses, kills and flipped bits.
//!
//! Promise: what they ask for is what the house promises: every acknowledged
//! reading is there, once, after any crash, and a changed byte is found. Each
//! run is named by its seed, and each failure says how to see it again.
//!
//! Read: `script.rs` (what is sent), `oracle.rs` (what must come of it),
//! `seen.rs` (what did), `house.rs` (the house on a simulated disk), `phases.rs`,
//! `simulated.rs` (power losses), `stale.rs` (a planted mistake), `server.rs`
//! (the real binary), `bodies.rs`, `doors.rs` and `ingest.rs` (its senders),
//! `compared.rs`, `lives.rs` (what the next three share), `killing.rs`, `hardships.rs`
//! (power, clock, memory, standstill), `backups.rs`, `flips.rs`.

mod script;
mod oracle;
mod seen;
mod house;
pub mod phases;
pub mod simulated;
pub mod stale;
pub mod server;
mod client;
mod bodies;
mod doors;
mod ingest;
mod compared;
mod lives;
pub mod killing;
pub mod hardships;
pub mod backups;
pub mod flips;
