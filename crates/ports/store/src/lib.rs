//! The lake: what was understood, in open Delta tables, each reading once.
//!
//! Promise: what a commit brought in is on stable storage and in exactly once,
//! however often it is tried; a [`Snapshot`] is one moment of all tables
//! together, and for any set of versions of one key it shows the same standing
//! one in whatever order they came.
//!
//! Read: `error.rs`, `position.rs` (how far a table is), `schema.rs` (the
//! tables), `rows.rs` (rows and columns), `delta/` (files and commits on a
//! disk), `read.rs` (one file), `prune.rs` (what need not be read), `lookup.rs`
//! (rows of keys), `latest.rs` (in memory), `waiting.rs` (rows to be written),
//! `sink.rs`, `encode.rs` and `write.rs` (one file), `months.rs` (a round's
//! files), `scan.rs` and `part.rs`,
//! `versions.rs` (which version stands), `standing.rs` (corrections applied),
//! `snapshot.rs`, `lake.rs` (all of it), `fold.rs`, `compact.rs`, `retain.rs`
//! and `retire.rs` (what is kept no longer), `vacuum.rs`, `scrub.rs`, `stored.rs` (what to copy), `outside.rs` (other engines).

mod error;
mod position;
mod schema;
mod rows;
pub mod delta;
mod sink;
mod read;
mod prune;
mod lookup;
mod latest;
mod waiting;
mod encode;
mod write;
mod months;
mod scan;
mod part;
mod versions;
mod standing;
mod snapshot;
mod lake;
mod fold;
mod compact;
mod retain;
mod retire;
mod vacuum;
mod scrub;
mod stored;
mod outside;
#[cfg(test)]
mod tests;

pub use compact::{CompactJob, CompactLimits, CompactReport, CompactWork};
pub use delta::Outcome;
pub use error::{Error, Result};
pub use fold::{Faults, FoldJob, FoldReport, FoldWork};
pub use lake::{Lake, Lookup, OVERLAY_FILES_DUE, OVERLAY_ROWS_DUE, OVERLAY_ROWS_MAX, PARTITIONS_MAX, Reader};
pub use latest::{Latest, SharedWords};
pub use outside::{outside_view_over, outside_view_sql};
pub use part::Part;
pub use position::Position;
pub use retain::{Retain, Retention};
pub use retire::{HasBody, LookedThrough, RetireJob, RetireReport, RetireWork, RetiredSources};
pub use rows::{batch_to_rows, rows_to_batch};
pub use scan::{ScanRequest, ScanStats, ScanTable};
pub use schema::{FORMAT_VERSION, Table, column};
pub use scrub::{Damage, ScrubReport};
pub use snapshot::{Snapshot, Tail};
pub use stored::StoredFile;
pub use vacuum::VacuumReport;
pub use waiting::Waiting;
