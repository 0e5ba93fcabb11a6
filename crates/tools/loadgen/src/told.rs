//! The figures of a scenario that have a goal, as a table for people.

use std::fmt::Write;

use serde_json::Value;

pub fn table(told: &Value) -> String {
    let mut out = String::new();
    let mut line = |name: &str, figure: String| {
        // Writing into a String cannot fail.
        let _ = writeln!(out, "{name:<44} {figure}");
    };
    let number = |path: &str| told.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
    line("scenario", told["scenario"].as_str().unwrap_or_default().to_owned());
    line(
        "measurements, channels",
        format!("{:.1} M, {:.2} M", number("/measurements") / 1e6, number("/channels") / 1e6),
    );
    line("stored as sent", if told["compared"] == true { "yes, by count and hash" } else { "NOT SHOWN" }.to_owned());
    line(
        "durable a second",
        format!(
            "{:.0} measurements in {:.0} messages, for {:.0} s",
            number("/measurements_per_s"),
            number("/messages_per_s"),
            number("/seconds")
        ),
    );
    let late = |name: &str| number(&format!("/latency_ms/{name}"));
    line(
        "from due to acknowledged",
        format!(
            "p50 {:.1}, p99 {:.1}, p99.9 {:.1}, most {:.1} ms",
            late("p50"),
            late("p99"),
            late("p99.9"),
            late("max")
        ),
    );
    line(
        "server CPU-seconds a million, all settled",
        format!("{:.3} (generator {:.3})", number("/server_cpu_s_per_million"), generator(&number)),
    );
    line("asked to come again", format!("{:.0} requests", number("/retried")));
    line(
        "bytes a measurement",
        format!("{:.2} on disk, {:.2} sent", number("/bytes_per_measurement"), number("/wire_bytes_per_measurement")),
    );
    let tables = number("/bytes/standing/data_bytes_written") / number("/bytes/standing/data_bytes");
    let all = number("/bytes_written") / number("/bytes/standing/data_bytes");
    line("written, of the tables' final bytes", format!("{tables:.2} to tables, {all:.1} with journal and the rest"));
    let memory = |name: &str| number(name) / 1e6;
    line(
        "memory",
        format!("{:.0} MB at most, {:.0} MB held", memory("/server_peak_bytes"), memory("/server_held_bytes")),
    );
    if told.get("restart_s").is_some() {
        line(
            "restart",
            format!("{:.2} s to ready, {:.0} MB held", number("/restart_s"), memory("/restart_held_bytes")),
        );
    }
    out
}

fn generator(number: &impl Fn(&str) -> f64) -> f64 {
    number("/generator_cpu_s") / (number("/measurements") / 1e6)
}
