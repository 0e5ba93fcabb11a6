//! `meterhouse size`: from a fleet to cores, memory, disk and euros a year.
//!
//! Promise: every number is told with the sum it comes from, every figure in it
//! was measured and says where, and what is a rule of thumb is called one.
//!
//! Read: `size/measured.rs` (what a reading costs), `size/prices.rs` and
//! `size/prices.toml`, `size/estimate.rs` (the arithmetic), then here (its words).

mod measured;
mod prices;
mod estimate;

use std::process::ExitCode;

use crate::cli;
use crate::exit::Usage;
use crate::length::DAY_SECONDS;
use crate::output;
use crate::settings::Settings;
use estimate::{Allowed, BUSY_PERCENT, Estimate, FREE_PERCENT, Fleet, PEAK};
use prices::Prices;

pub fn size(settings: &Settings, command: &cli::Size, json: bool) -> anyhow::Result<ExitCode> {
    let cli::Size { homes, registers, every, retain, direct, prices } = command;
    let fleet = Fleet { homes: *homes, registers: *registers, every: *every, retain: *retain, direct: *direct };
    let prices = prices::load(prices.as_deref())?;
    let allowed = allowed(settings);
    let Some(found) = estimate::estimate(&fleet, &allowed, &prices) else {
        return Err(Usage("so many readings do not fit into 64 bits; size a part of the fleet".into()).into());
    };
    let lines = lines(&fleet, &allowed, &prices, &found);
    if json {
        let lines =
            lines.iter().map(|[what, sum, result]| serde_json::json!({ "what": what, "sum": sum, "result": result }));
        let lines: Vec<serde_json::Value> = lines.collect();
        let said = serde_json::json!({
            "estimate": found, "prices": prices, "measured": measured::SOURCE, "lines": lines,
        });
        println!("{}", serde_json::to_string_pretty(&said)?);
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = lines.into_iter().map(Vec::from).collect();
    print!("{}", output::table(&rows));
    println!("measured: {} ({})", measured::SOURCE, estimate::way(&fleet).rows);
    println!("memory:   {}", measured::MEMORY_ROWS);
    println!("prices:   of {}; give your own with --prices", prices.date);
    if found.cores > measured::CORES {
        println!("measured on {} cores: what is beyond them is extrapolated", measured::CORES);
    }
    Ok(ExitCode::SUCCESS)
}

fn allowed(settings: &Settings) -> Allowed {
    // What is kept, the segment that is written to, and the next one.
    let journal_bytes = settings.journal.keep_bytes + 2 * settings.journal.segment_bytes;
    Allowed {
        query_memory_bytes: settings.query.memory_bytes_max as u64,
        queries: settings.query.concurrent_max as u64,
        spill_bytes: settings.query.spill_bytes_max,
        journal_bytes,
    }
}

/// What, the sum, the result.
type Line = [String; 3];

fn line(what: &str, sum: impl Into<String>, result: impl Into<String>) -> Line {
    [what.to_owned(), sum.into(), result.into()]
}

fn lines(fleet: &Fleet, allowed: &Allowed, prices: &Prices, found: &Estimate) -> Vec<Line> {
    let mut lines = readings(fleet, found);
    lines.extend(cores(fleet, found));
    lines.extend(memory(allowed, found));
    lines.extend(disk(fleet, found));
    lines.extend(year(prices, found));
    lines
}

fn readings(fleet: &Fleet, found: &Estimate) -> Vec<Line> {
    let Fleet { homes, registers, every, retain, .. } = fleet;
    let channels = format!("{} homes x {registers} registers", grouped((*homes).into()));
    vec![
        line("channels", channels, grouped(found.channels)),
        line("readings a day", format!("channels, one every {every}"), grouped(found.readings_a_day)),
        line("readings kept", format!("channels, one every {every}, for {retain}"), grouped(found.readings_kept)),
    ]
}

fn cores(fleet: &Fleet, found: &Estimate) -> Vec<Line> {
    let a_second = grouped(found.readings_a_day / DAY_SECONDS);
    let cpu = hundredths(estimate::way(fleet).cpu_micros_a_million / 10_000);
    let average = format!("{a_second} readings a second x {cpu} CPU-s a million");
    let peak = format!("average x {PEAK} at the peak, {BUSY_PERCENT} % busy (rules of thumb)");
    vec![
        line("cores, average", average, micro(found.cores_average_micro)),
        line("cores for readings", peak, grouped(found.cores_readings)),
        line("cores for queries", "half as many (rule of thumb)", grouped(found.cores_queries)),
        line("cores", "both", grouped(found.cores)),
    ]
}

fn memory(allowed: &Allowed, found: &Estimate) -> Vec<Line> {
    let channels = format!("channels x {} B", measured::MEMORY_BYTES_A_CHANNEL);
    let queries = format!("{} at once x {} (settings)", allowed.queries, mib(allowed.query_memory_bytes));
    let all = format!("both and {} of the server's own", mib(measured::MEMORY_BYTES_BASE));
    vec![
        line("memory of channels", channels, mib(found.memory_channels_bytes)),
        line("memory of queries", queries, mib(found.memory_queries_bytes)),
        line("memory", all, format!("{} GiB", grouped(found.memory_gib))),
    ]
}

fn disk(fleet: &Fleet, found: &Estimate) -> Vec<Line> {
    let kept = format!("kept x {} B", hundredths(estimate::way(fleet).bytes_a_hundred));
    let journal = "what is kept and two segments (settings)";
    let sort = "one of them at its limit (settings)";
    let all = format!("these, and {FREE_PERCENT} % of it free for merges (rule of thumb)");
    vec![
        line("disk for readings", kept, mib(found.disk_lake_bytes)),
        line("disk for the journal", journal, mib(found.disk_journal_bytes)),
        line("disk for a query's sort", sort, mib(found.disk_spill_bytes)),
        line("disk", all, format!("{} GiB", grouped(found.disk_gib))),
    ]
}

fn year(prices: &Prices, found: &Estimate) -> Vec<Line> {
    let line = |what: &str, count: u64, cents: u32, year: u64| {
        let sum = format!("{} x {} EUR x 12 months", grouped(count), hundredths(cents.into()));
        line(what, sum, format!("{} EUR", hundredths(year)))
    };
    vec![
        line("cores a year", found.cores, prices.core_month_cents, found.year_cores_cents),
        line("memory a year", found.memory_gib, prices.memory_gib_month_cents, found.year_memory_cents),
        line("disk a year", found.disk_gib, prices.disk_gib_month_cents, found.year_disk_cents),
        line("one backup a year", found.backup_gib, prices.backup_gib_month_cents, found.year_backup_cents),
        self::line(
            "all of it a year",
            "without people, network and VAT",
            format!("{} EUR", hundredths(found.year_cents)),
        ),
    ]
}

/// 1234567 as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn hundredths(number: u64) -> String {
    format!("{}.{:02}", grouped(number / 100), number % 100)
}

fn micro(number: u64) -> String {
    format!("{}.{:06}", number / 1_000_000, number % 1_000_000)
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", grouped(bytes.div_ceil(1 << 20)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_so_that_a_person_can_read_them() {
        assert_eq!([0, 999, 1_000, 12_345_678].map(grouped), ["0", "999", "1,000", "12,345,678"]);
        assert_eq!([0, 5, 123_456].map(hundredths), ["0.00", "0.05", "1,234.56"]);
        assert_eq!(micro(1_000_001), "1.000001");
    }
}
