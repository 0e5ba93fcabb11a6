//! What a row costs: `cargo test --release -p store --lib speed -- --ignored --nocapture`.

use std::time::Instant;

use host::RealDisk;

use super::*;
use crate::read::DiskFile;
use crate::{CompactLimits, ScanStats};

const HOMES: i64 = 1_700;
const CHANNELS_EACH: i64 = 2;
const SLOTS: i64 = 31 * 48;

/// A month of half-hours of one home's channel: a night, a day, some noise.
fn rows_of(channel: i64, slots: std::ops::Range<i64>, words: &mut Words, chance: &mut host::Seeded) -> Vec<Row> {
    let mut rows = Vec::new();
    for slot in slots {
        let hour = slot % 48;
        let base = if (14..46).contains(&hour) { 220 } else { 60 };
        let value = base + i64::try_from(chance.below(180)).expect("small") + if hour == 37 { 900 } else { 0 };
        let row = half_hour(channel, slot, value, words);
        rows.push(row);
    }
    rows
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name in brackets").split_whitespace().collect();
    let ticks: f64 = [11, 12].iter().map(|place| fields[*place].parse::<f64>().expect("a number")).sum();
    ticks / 100.0
}

async fn open(dir: &std::path::Path) -> Lake {
    let disk = Arc::new(RealDisk::open(dir).expect("a directory"));
    let clock = Arc::new(ManualClock::new(Timestamp(BEGIN)));
    Lake::open(disk, clock, "lake", "e1").await.expect("opens")
}

#[tokio::test]
#[ignore = "a measurement, in release"]
async fn five_million_rows_in_out_and_compacted() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut lake = open(dir.path()).await;
    let (mut words, mut chance) = (Words::new(), host::Seeded::new(1));
    // Each commit brings three days of every channel, as a daily delivery would.
    let mut batches = Vec::new();
    for days in 0..10 {
        let of_days = days * SLOTS / 10..(days + 1) * SLOTS / 10;
        let mut rows = Vec::new();
        for channel in 0..HOMES * CHANNELS_EACH {
            rows.extend(rows_of(channel, of_days.clone(), &mut words, &mut chance));
        }
        batches.push(rows);
    }
    let count = batches.iter().map(Vec::len).sum::<usize>();
    let (cpu, wall) = (cpu_seconds(), Instant::now());
    for (sequence, rows) in (1..).zip(batches) {
        let batch = rows_to_batch(&rows, &words);
        lake.append(Table::Readings, vec![batch], Position::done(Sequence(sequence))).await.expect("room enough");
    }
    lake.publish(Tail::default());
    report("written", count, cpu, wall);
    sizes(&lake, count);
    month_of_one(&lake, "in ten files a month");
    let (cpu, wall) = (cpu_seconds(), Instant::now());
    while lake.compact(CompactLimits::default()).await.expect("compacts").table.is_some() {}
    report("compacted", count, cpu, wall);
    sizes(&lake, count);
    month_of_one(&lake, "in one run a month");
    everything(&lake, count);
    looked_up(&lake);
    corrected(&mut lake, &mut words).await;
}

fn report(what: &str, rows: usize, cpu: f64, wall: Instant) {
    let cpu = (cpu_seconds() - cpu) / (rows as f64 / 1e6);
    println!(
        "{rows} rows {what}: {cpu:.2} CPU-s and {:.2} s a million",
        wall.elapsed().as_secs_f64() / (rows as f64 / 1e6)
    );
}

fn sizes(lake: &Lake, rows: usize) {
    let files = lake.files(Table::Readings);
    let bytes: u64 = files.iter().map(|f| f.size).sum();
    println!("  {} files, {:.3} bytes a row", files.len(), bytes as f64 / rows as f64);
    let largest = files.iter().max_by_key(|f| f.rows).expect("there are some");
    let file = DiskFile::new(&lake.library.shelf, Table::Readings, largest);
    let footer = lake.library.footers.of(Table::Readings, &file).expect("readable");
    let mut sizes = [0; crate::column::COUNT];
    for group in footer.metadata().row_groups() {
        sizes.iter_mut().zip(group.columns()).for_each(|(size, column)| *size += column.compressed_size());
    }
    let schema = Table::Readings.schema();
    let told = sizes
        .iter()
        .enumerate()
        .map(|(place, size)| format!("{} {:.3}", schema.field(place).name(), *size as f64 / largest.rows as f64));
    println!("  {}; the rest {:.3}", told.collect::<Vec<_>>().join(", "), {
        (largest.size as i64 - sizes.iter().sum::<i64>()) as f64 / largest.rows as f64
    });
}

fn month_of_one(lake: &Lake, how: &str) {
    let mut times = Vec::new();
    for channel in (0..20).map(|n| n * 161) {
        let mut request = ScanRequest::all(ScanTable::Readings);
        request.tenant = Some(TenantId(1));
        request.channels = Some(vec![ChannelId(channel)]);
        let stats = Arc::new(ScanStats::default());
        let begun = Instant::now();
        let parts = lake.snapshot().scan_counted(&request, &stats).expect("readable");
        let rows: usize = parts.into_iter().flatten().map(|b| b.expect("readable").num_rows()).sum();
        assert_eq!(rows, usize::try_from(SLOTS).expect("small"));
        times.push((begun.elapsed(), stats));
    }
    times.sort_by_key(|(time, _)| *time);
    println!("one channel's month {how}: median {:?}, worst {:?}, {:?}", times[10].0, times[19].0, times[10].1);
}

fn everything(lake: &Lake, count: usize) {
    for columns in [[crate::column::VALUE].to_vec(), (0..crate::column::COUNT).collect()] {
        let request = ScanRequest { columns, ..ScanRequest::all(ScanTable::Readings) };
        let (cpu, wall) = (cpu_seconds(), Instant::now());
        let parts = lake.snapshot().scan(&request).expect("readable");
        let rows: usize = parts.into_iter().flatten().map(|b| b.expect("readable").num_rows()).sum();
        assert_eq!(rows, count);
        report(&format!("read, {} columns", request.columns.len()), rows, cpu, wall);
    }
}

fn looked_up(lake: &Lake) {
    let (mut words, mut chance) = (Words::new(), host::Seeded::new(9));
    let mut rows = Vec::new();
    for channel in 1_000..1_088 {
        rows.extend(rows_of(channel, 0..SLOTS, &mut words, &mut chance));
    }
    let keys: Vec<RowKey> = rows.iter().map(|row| row.key).collect();
    let (cpu, wall) = (cpu_seconds(), Instant::now());
    assert_eq!(lake.versions_of(&keys, &mut words).expect("readable").len(), keys.len());
    report("looked up", keys.len(), cpu, wall);
}

/// One reading in a thousand is corrected: shown, then folded.
async fn corrected(lake: &mut Lake, words: &mut Words) {
    let mut rows = Vec::new();
    for channel in 0..HOMES * CHANNELS_EACH {
        let said = |slot| Said {
            channel,
            slot,
            message: BEGIN + 1,
            issued: BEGIN + 1,
            value: 1,
            trailing_zero: false,
            unit: "kWh",
            quality: "A",
        };
        rows.extend([7, 900].map(|slot| Row { sequence: Sequence(99), ..row_of(&said(slot), 1, words) }));
    }
    for row in &mut rows {
        row.key.tenant = TenantId(1);
    }
    let batch = rows_to_batch(&rows, words);
    lake.append(Table::Overlay, vec![batch], Position::done(Sequence(99))).await.expect("room enough");
    lake.publish(Tail::default());
    let (cpu, wall) = (cpu_seconds(), Instant::now());
    month_of_one(lake, "with corrections, first asked");
    report("corrected and settled", rows.len(), cpu, wall);
    month_of_one(lake, "with corrections");
    let (cpu, wall) = (cpu_seconds(), Instant::now());
    let report_of_fold = lake.fold().await.expect("folds");
    report("corrected and folded", rows.len(), cpu, wall);
    println!("  {report_of_fold:?}");
    month_of_one(lake, "after the fold");
}
