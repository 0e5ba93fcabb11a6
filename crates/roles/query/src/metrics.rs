//! What the engine counts, for Prometheus.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use store::ScanStats;

use crate::error::Error;

/// Counters since the start.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    started: AtomicU64,
    failed: AtomicU64,
    busy: AtomicU64,
    rows: AtomicU64,
    files: AtomicU64,
    files_pruned: AtomicU64,
    scanned_row_groups: AtomicU64,
    scanned_pages: AtomicU64,
    scanned_bytes: AtomicU64,
    scanned_rows: AtomicU64,
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Metrics {
    pub(crate) fn started(&self) {
        add(&self.started, 1);
    }

    pub(crate) fn failed(&self, error: &Error) {
        match error {
            Error::Busy { .. } => add(&self.busy, 1),
            _ => add(&self.failed, 1),
        }
    }

    pub(crate) fn answered(&self, rows: u64) {
        add(&self.rows, rows);
    }

    pub(crate) fn scanned(&self, stats: &ScanStats) {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        add(&self.files, of(&stats.files));
        add(&self.files_pruned, of(&stats.files_pruned));
        add(&self.scanned_row_groups, of(&stats.row_groups));
        add(&self.scanned_pages, of(&stats.pages));
        add(&self.scanned_bytes, of(&stats.bytes));
        add(&self.scanned_rows, of(&stats.rows));
    }

    pub(crate) fn render(&self, running: usize, out: &mut String) {
        let counters = [
            ("queries_total", "Queries begun", &self.started),
            ("failures_total", "Queries that ended with an error", &self.failed),
            ("busy_total", "Queries sent away because too many ran", &self.busy),
            ("rows_total", "Rows answered", &self.rows),
            ("scanned_files_total", "Files read", &self.files),
            ("pruned_files_total", "Files known not to matter", &self.files_pruned),
            ("scanned_row_groups_total", "Row groups read, in part or whole", &self.scanned_row_groups),
            ("scanned_pages_total", "Pages of one column read", &self.scanned_pages),
            ("scanned_bytes_total", "Bytes read from files", &self.scanned_bytes),
            ("scanned_rows_total", "Rows read from files and memory", &self.scanned_rows),
        ];
        for (name, help, counter) in counters {
            let value = counter.load(Ordering::Relaxed);
            let name = format!("meterhouse_query_{name}");
            // Writing into a String cannot fail.
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}");
        }
        let name = "meterhouse_query_running";
        let _ = writeln!(out, "# HELP {name} Queries running now\n# TYPE {name} gauge\n{name} {running}");
    }
}
