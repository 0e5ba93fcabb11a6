//! What a person sees while and after a command runs.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::EnvFilter;

/// Logs go to standard error; commands other than servers log warnings only.
pub fn start_logging(quiet: bool, json: bool) {
    let default = if quiet { "error" } else { "info,deltalake_core=warn,delta_kernel=warn,buoyant_kernel=warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A second subscriber in one process is refused; tests start several commands.
    let _ = if json { builder.json().try_init() } else { builder.with_target(false).try_init() };
}

/// A bar on standard error, where that is a terminal.
pub fn progress(length: u64, what: &str) -> ProgressBar {
    bar(length, what, "{msg:>12} [{bar:40}] {pos}/{len} {elapsed} left {eta}")
}

/// The same, of bytes.
pub fn progress_bytes(length: u64, what: &str) -> ProgressBar {
    bar(length, what, "{msg:>12} [{bar:40}] {bytes}/{total_bytes} {elapsed} left {eta}")
}

/// A line on standard error that changes in place, where that is a terminal.
pub fn status() -> ProgressBar {
    let status = ProgressBar::with_draw_target(None, target());
    status.set_style(ProgressStyle::with_template("{msg}").expect("the template is fixed"));
    status
}

fn target() -> ProgressDrawTarget {
    if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}

fn bar(length: u64, what: &str, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), target());
    let style = ProgressStyle::with_template(template).expect("the templates are fixed and tested by use");
    bar.set_style(style.progress_chars("=> "));
    bar.set_message(what.to_owned());
    bar
}

/// Rows in aligned columns; the first row is the heading.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["file", "accepted"], ["a.csv", "5"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(table(&rows), "file   accepted\na.csv  5\n");
    }
}
