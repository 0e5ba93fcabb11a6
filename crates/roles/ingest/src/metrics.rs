//! What the doors count, for Prometheus: once a body, never once a reading.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;

/// Answers are counted by these; any other counts as 500.
const STATUSES: [u16; 16] = [200, 201, 204, 400, 401, 403, 404, 408, 409, 412, 413, 415, 423, 429, 500, 503];

/// Bounds of the append histogram in milliseconds; a disk's fsync lies between.
const APPEND_BOUNDS_MS: [u64; 9] = [1, 2, 5, 10, 20, 50, 100, 500, 2_000];

/// Counters and gauges of the HTTP door.
#[derive(Debug, Default)]
pub struct Metrics {
    answers: [AtomicU64; STATUSES.len()],
    received_bytes: AtomicU64,
    journalled_bytes: AtomicU64,
    records: AtomicU64,
    files: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    appends: [AtomicU64; APPEND_BOUNDS_MS.len() + 1],
    append_us: AtomicU64,
    connections: AtomicU64,
    connections_cut: AtomicU64,
}

impl Metrics {
    pub(crate) fn answered(&self, status: StatusCode) {
        let known = |status: u16| STATUSES.iter().position(|one| *one == status);
        let at = known(status.as_u16()).or_else(|| known(500)).expect("500 is among them");
        add(&self.answers[at], 1);
    }

    pub(crate) fn received(&self, bytes: u64) {
        add(&self.received_bytes, bytes);
    }

    pub(crate) fn appended(&self, bytes: u64, took: Duration) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let slot = APPEND_BOUNDS_MS.iter().position(|bound| ms < *bound).unwrap_or(APPEND_BOUNDS_MS.len());
        add(&self.appends[slot], 1);
        add(&self.append_us, u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        add(&self.records, 1);
        add(&self.journalled_bytes, bytes);
    }

    pub(crate) fn understood(&self, accepted: u64, refused: u64) {
        add(&self.accepted, accepted);
        add(&self.refused, refused);
    }

    pub(crate) fn file(&self) {
        add(&self.files, 1);
    }

    pub(crate) fn connected(&self) {
        add(&self.connections, 1);
    }

    pub(crate) fn disconnected(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn cut(&self, connections: u64) {
        add(&self.connections_cut, connections);
    }

    /// Prometheus' text format 0.0.4.
    pub fn render(&self, in_flight_bytes: u64, open_uploads: u64) -> String {
        let mut text = String::new();
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        head(&mut text, "requests_total", "counter", "Answers of the HTTP door by status.");
        for (status, counter) in STATUSES.iter().zip(&self.answers) {
            line(&mut text, "requests_total", &format!("{{status=\"{status}\"}}"), value(counter));
        }
        head(
            &mut text,
            "measurements_total",
            "counter",
            "Measurements in bodies taken in, before duplicates are dropped.",
        );
        line(&mut text, "measurements_total", "{outcome=\"accepted\"}", value(&self.accepted));
        line(&mut text, "measurements_total", "{outcome=\"refused\"}", value(&self.refused));
        let singles = [
            ("received_bytes_total", "counter", "Bytes of bodies as sent.", value(&self.received_bytes)),
            ("journalled_bytes_total", "counter", "Bytes of bodies acknowledged.", value(&self.journalled_bytes)),
            ("records_total", "counter", "Bodies acknowledged.", value(&self.records)),
            ("files_total", "counter", "Files among them.", value(&self.files)),
            ("in_flight_bytes", "gauge", "Bytes of bodies being taken in.", in_flight_bytes),
            ("open_uploads", "gauge", "Files of which pieces are to come.", open_uploads),
            ("connections", "gauge", "Open connections.", value(&self.connections)),
            (
                "cut_connections_total",
                "counter",
                "Connections cut when draining took too long.",
                value(&self.connections_cut),
            ),
        ];
        for (name, kind, help, value) in singles {
            head(&mut text, name, kind, help);
            line(&mut text, name, "", value);
        }
        self.render_appends(&mut text);
        text
    }

    fn render_appends(&self, text: &mut String) {
        head(text, "append_seconds", "histogram", "From a body at hand to the journal's word that it is durable.");
        let mut sum = 0;
        for (slot, counter) in self.appends.iter().enumerate() {
            sum += counter.load(Ordering::Relaxed);
            let bound = APPEND_BOUNDS_MS.get(slot).map_or("+Inf".to_owned(), |ms| seconds(ms * 1_000));
            line(text, "append_seconds_bucket", &format!("{{le=\"{bound}\"}}"), sum);
        }
        let spent = seconds(self.append_us.load(Ordering::Relaxed));
        writeln!(text, "meterhouse_ingest_append_seconds_sum {spent}").expect("memory takes text");
        line(text, "append_seconds_count", "", sum);
    }
}

/// Microseconds as seconds, without a float.
fn seconds(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let written = writeln!(text, "# HELP meterhouse_ingest_{name} {help}\n# TYPE meterhouse_ingest_{name} {kind}");
    written.expect("memory takes text");
}

fn line(text: &mut String, name: &str, labels: &str, value: u64) {
    writeln!(text, "meterhouse_ingest_{name}{labels} {value}").expect("memory takes text");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_histogram_adds_up() {
        let metrics = Metrics::default();
        for ms in [0, 3, 3, 40, 9_000] {
            metrics.appended(10, Duration::from_millis(ms));
        }
        let text = metrics.render(7, 1);
        for line in [
            "meterhouse_ingest_append_seconds_bucket{le=\"0.001000\"} 1",
            "meterhouse_ingest_append_seconds_bucket{le=\"0.005000\"} 3",
            "meterhouse_ingest_append_seconds_bucket{le=\"2.000000\"} 4",
            "meterhouse_ingest_append_seconds_bucket{le=\"+Inf\"} 5",
            "meterhouse_ingest_append_seconds_sum 9.046000",
            "meterhouse_ingest_append_seconds_count 5",
            "meterhouse_ingest_journalled_bytes_total 50",
            "meterhouse_ingest_in_flight_bytes 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_status_nobody_thought_of_counts_as_ours() {
        let metrics = Metrics::default();
        metrics.answered(StatusCode::IM_A_TEAPOT);
        assert!(metrics.render(0, 0).contains("requests_total{status=\"500\"} 1"));
    }
}
