//! What one query, and all together, may cost.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// What queries may cost. One that needs more ends with an error that says so.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Queries at a time; one more is told to come back.
    pub queries_max: NonZeroUsize,
    /// Of each query, for sorting, joining and grouping.
    pub memory_bytes_max: usize,
    /// Rows of one answer.
    pub rows_max: u64,
    /// From the question to the last row.
    pub time_max: Duration,
    /// Threads of one query, and of all together.
    pub threads: NonZeroUsize,
    /// Where sorts may put what does not fit into memory; nowhere, if `None`.
    pub spill: Option<Spill>,
}

/// A directory for what a query cannot keep in memory. Whoever owns it empties
/// it at the start: a crash leaves files behind.
#[derive(Clone, Debug)]
pub struct Spill {
    /// Where its files lie.
    pub directory: PathBuf,
    /// Of each query.
    pub bytes_max: u64,
}

/// Eight queries of 256 MiB are 2 GiB, a quarter of a small server.
const QUERIES_MAX: NonZeroUsize = NonZeroUsize::new(8).expect("not zero");
const MEMORY_BYTES_MAX: usize = 256 << 20;

/// Ten million rows of 100 bytes are a gigabyte on the wire: more is an export.
const ROWS_MAX: u64 = 10_000_000;

const TIME_MAX: Duration = Duration::from_secs(60);

/// Stack of the threads that run plans: [`crate::DEPTH_MAX`] levels of 16 KiB fit twice.
pub const STACK_BYTES: usize = 8 << 20;
const _: () = assert!(STACK_BYTES >= 2 * crate::DEPTH_MAX * (16 << 10));

impl Default for Limits {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Limits {
            queries_max: QUERIES_MAX,
            memory_bytes_max: MEMORY_BYTES_MAX,
            rows_max: ROWS_MAX,
            time_max: TIME_MAX,
            threads,
            spill: None,
        }
    }
}
