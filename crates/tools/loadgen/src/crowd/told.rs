//! The report for people.

use std::fmt::Write;

use serde_json::Value;

pub fn table(report: &Value) -> String {
    let number = |path: &str| report.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let mut out = String::new();
    let mut line = |name: &str, figure: String| {
        // Writing to a text does not fail.
        let _ = writeln!(out, "{name:<52}{figure}");
    };
    line(
        "file: bytes, readings, seconds, refused first",
        format!(
            "{}, {}, {:.1}, {}",
            number("/file/bytes"),
            number("/file/readings"),
            number("/file/seconds"),
            number("/file/refused")
        ),
    );
    line(
        "slow clients, uploads acknowledged",
        format!("{}, {}", number("/uploads/clients"), number("/uploads/acknowledged")),
    );
    for (answer, count) in report["uploads"]["answers"].as_object().into_iter().flatten() {
        line(&format!("  answered {answer}"), count.to_string());
    }
    let latency = |name: &str| number(&format!("/posts/latency_ms/{name}"));
    line(
        "posts: acknowledged, refused for now, broken",
        format!("{}, {}, {}", number("/posts/acknowledged"), number("/posts/refused_for_now"), number("/posts/broken")),
    );
    line(
        "posts: p50, p99, p99.9, max",
        format!("{:.1}, {:.1}, {:.1}, {:.1} ms", latency("p50"), latency("p99"), latency("p99.9"), latency("max")),
    );
    line(
        "memory: peak under pressure, peak, limit",
        format!(
            "{:.0}, {:.0}, {:.0} MB",
            number("/memory/peak_bytes_acknowledged") / 1e6,
            number("/memory/peak_bytes") / 1e6,
            number("/memory/limit_bytes") / 1e6
        ),
    );
    line(
        "seconds under pressure, until settled; server CPU-s",
        format!("{:.0}, {:.0}; {:.0}", number("/seconds_pressed"), number("/seconds_settled"), number("/server_cpu_s")),
    );
    for (name, held) in report["checks"].as_object().into_iter().flatten() {
        line(name, if *held == true { "yes".to_owned() } else { "NO".to_owned() });
    }
    for wrong in report["wrong"].as_array().into_iter().flatten() {
        line("wrong", wrong.to_string());
    }
    out
}
