//! SQL over one atomic snapshot of files, corrections and memory tail.
//!
//! Promise: a query sees one tenant at one moment; its sums are exact or an
//! error; it costs no more than its [`Limits`] and cannot write.
//!
//! Read: `error.rs`, `limits.rs`, `spill.rs`, `engine.rs` (a session and its query),
//! `guard.rs` (which texts become plans), `running.rs` (which queries run, and
//! how they end), `answer.rs` (rows on their way);
//! then the tables: `tables.rs`, `provider.rs`, `filters.rs` (what the lake
//! narrows), `parts.rs` (reading), `names.rs`, `quantity.rs`, `fill.rs`; then
//! `total.rs`, `sum.rs`, `runs.rs` (groups side by side); `calendar.rs` and `functions.rs` (SQL that knows local
//! time); then what becomes of an answer: `results.rs`, `pages.rs`,
//! `export.rs`; and `metrics.rs`.

mod error;
mod limits;
mod spill;
mod engine;
mod guard;
mod running;
mod answer;
mod tables;
mod provider;
mod filters;
mod parts;
mod names;
mod quantity;
mod fill;
mod total;
mod sum;
mod runs;
mod calendar;
mod functions;
mod results;
mod pages;
mod export;
mod metrics;

pub use answer::Answer;
pub use engine::{Engine, Principal, Session};
pub use error::{Error, Result, SqlPlace};
pub use export::{Selection, write_lines};
pub use functions::BUCKETS_MAX;
pub use guard::{DEPTH_MAX, NESTING_MAX, NODES_MAX, SQL_BYTES_MAX, WORDS_MAX};
pub use limits::{Limits, Spill};
pub use pages::{Cursor, Page};
pub use results::{Encoder, Format, TABLE_ROWS_MAX, encode};
pub use running::{ENDED_KEPT_MAX, Progress, Running};
