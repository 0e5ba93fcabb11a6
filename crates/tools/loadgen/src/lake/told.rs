//! The figures that have a goal, as a table for people.

use std::fmt::Write;

use serde_json::Value;

pub fn table(measured: &Value) -> String {
    let mut out = String::new();
    let mut line = |name: &str, figure: String| {
        // Writing into a String cannot fail.
        let _ = writeln!(out, "{name:<44} {figure}");
    };
    let number = |path: &str| measured.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
    line("readings, channels", format!("{}, {}", number("/rows"), number("/channels")));
    for way in ["rest", "sql"] {
        let of = |name: &str| number(&format!("/month/{way}/{name}"));
        let figure = format!(
            "{:.1} ms ({} rows; {} files, {} row groups, {} pages, {} bytes)",
            of("median_ms"),
            of("read/rows"),
            of("read/files"),
            of("read/row_groups"),
            of("read/pages"),
            of("read/bytes")
        );
        line(&format!("a channel's month, {way}"), figure);
    }
    for (name, of) in measured["sums"].as_object().into_iter().flatten() {
        let of = |name: &str| of[name].as_f64().unwrap_or(f64::NAN);
        let figure = format!(
            "{:.1} M rows/s ({:.2} s, {:.2} CPU-s)",
            of("rows_per_s") / 1e6,
            of("median_ms") / 1e3,
            of("cpu_ms") / 1e3
        );
        line(&format!("daily sums, {name}"), figure);
    }
    for (name, of) in measured["latest"].as_object().into_iter().flatten() {
        let figure = format!(
            "{:.2} us a channel ({:.1} ms, {} files)",
            of["us_per_channel"].as_f64().unwrap_or(f64::NAN),
            of["median_ms"].as_f64().unwrap_or(f64::NAN),
            of["read"]["files"]
        );
        line(&format!("latest, {name}"), figure);
    }
    let restart = |name: &str| number(&format!("/restart/{name}"));
    line(
        "restart to ready",
        format!("{:.2} s, {:.2} s after kill -9", restart("ready_s"), restart("ready_after_kill_s")),
    );
    let memory = |name: &str| number(&format!("/memory/{name}"));
    let peaks = [number("/made/fill/peak_bytes"), restart("peak_bytes"), memory("peak_bytes_since_start")];
    let [filling, starting, asking] = peaks.map(|bytes| bytes / 1e6);
    line("peak memory", format!("{filling:.0} MB filling, {starting:.0} MB starting, {asking:.0} MB asking"));
    let channel = (memory("bytes_a_channel_ready"), memory("bytes_a_channel_with_names"));
    line("memory a channel", format!("{:.0} bytes ready, {:.0} bytes after questions by name", channel.0, channel.1));
    let bytes = ["data_bytes", "log_bytes", "state_bytes"].map(|name| number(&format!("/made/standing/{name}")));
    let each = bytes.map(|bytes| bytes / number("/rows"));
    line("bytes a measurement", format!("{:.2} data, {:.3} log, {:.2} checkpoint", each[0], each[1], each[2]));
    out
}
