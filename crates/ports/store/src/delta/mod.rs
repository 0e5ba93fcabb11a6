//! Delta tables on a disk: which files make up a table, and how far it is.
//!
//! Promise: a commit brings in its files and its positions (`txn`) together or
//! not at all; once it returns it survives power loss; tried again it changes
//! nothing; and a writer that has not read the newest log cannot commit over it.
//! A flipped bit in the log is found before it is believed.
//!
//! `deltalake-core` writes and reads the log; what it asks of a store goes
//! through ours, because `object_store`'s local one never syncs (D5). Where a
//! file's checksum and key bounds stand, and why: `docs/decisions/0002`.
//!
//! Read: `disk_store.rs` (objects on a disk), `sums.rs` (checksums of the log),
//! `entry.rs` (a file as the log tells of it), `actions.rs` (a change as the
//! log tells of it), `table.rs` (open and commit), `history.rs` (time travel, checkpoints, what nothing refers to any more).

mod disk_store;
mod sums;
mod entry;
mod actions;
mod table;
mod history;
#[cfg(test)]
mod tests;

pub use actions::Change;
pub use disk_store::DiskStore;
pub use entry::{FileEntry, FileKey};
pub use history::DataFile;
pub use sums::LogDamage;
pub(crate) use sums::log_until;
pub use table::{CHECKPOINT_EVERY, COMMIT_TRIES_MAX, DeltaTable, Faults, Outcome};
