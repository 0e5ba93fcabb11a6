//! What writing one file costs, and merging several:
//! `cargo test --release --workspace -- writer_speed --ignored --nocapture`.

use std::time::Instant;

use arrow::array::RecordBatch;
use host::{RealDisk, Seeded};
use simulate::Fleet;

use super::*;
use crate::position::Position;
use crate::read::{DiskFile, Footers};
use crate::write::{FileWriter, Shelf, sorted_by_key};
use crate::{CompactLimits, column};

const MINUTE: i64 = 60_000_000;
const ROUNDS: usize = 7;

/// A month of half-hours of so many channels, as one import brings them.
fn half_hours(channels: i64, slots: i64, words: &mut Words) -> RecordBatch {
    let mut chance = Seeded::new(1);
    let mut rows = Vec::new();
    for channel in 0..channels {
        for slot in 0..slots {
            // The sum of two even draws, thinned: skewed as use is.
            let drawn = [chance.below(600), chance.below(1_000)].map(|v| i64::try_from(v).expect("small"));
            let value = drawn[0] * drawn[1] / 1_000 + drawn[0] / 4;
            let mut row = half_hour(channel, slot, value, words);
            row.device = DeviceId(channel / 2);
            rows.push(row);
        }
    }
    rows_to_batch(&rows, words)
}

/// Some minutes of homes with 11 registers each, 500 messages a record.
fn minutes(homes: u32, minutes: std::ops::Range<i64>, words: &mut Words) -> RecordBatch {
    let fleet = Fleet::hdm(1, homes);
    let from = Fleet::HDM_FROM.0;
    let (from, to) = (Timestamp(from + minutes.start * MINUTE), Timestamp(from + minutes.end * MINUTE));
    let mut rows = Vec::new();
    let first = u64::try_from(minutes.start).expect("small") * u64::from(homes) / 500;
    for (number, message) in (0_u64..).zip(fleet.messages(from, to, Fleet::HDM_STEP)) {
        for sample in message.samples() {
            let stream = &message.streams()[sample.stream as usize];
            let home = i64::from(message.home());
            let key = RowKey {
                tenant: TenantId(1),
                channel: ChannelId(1_000 + home * 11 + i64::from(sample.stream)),
                start: message.at(),
                span: Span(0),
            };
            rows.push(Row {
                key,
                value: Decimal::new(sample.digits, u8::try_from(stream.scale).expect("small")),
                unit: words.intern(stream.unit).expect("short"),
                quality: words.intern("").expect("short"),
                canonical: Quality::Measured,
                reason: words.intern("").expect("short"),
                flags: Flags::default(),
                device: DeviceId(500 + home),
                message_time: message.at(),
                issued_at: message.at(),
                sequence: Sequence(1 + first + number / 500),
            });
        }
    }
    let batch = rows_to_batch(&rows, words);
    sorted_by_key(Table::Readings, &[batch]).expect("rows of ours")
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("linux");
    stat.split_whitespace().next().and_then(|ns| ns.parse::<f64>().ok()).expect("a number") / 1e9
}

fn measured(what: &str, batch: &RecordBatch) {
    let dir = tempfile::tempdir().expect("a directory");
    let shelf = Shelf { disk: Arc::new(RealDisk::open(dir.path()).expect("a directory")), root: "lake".into() };
    let rows = batch.num_rows();
    let mut costs = Vec::new();
    let mut entry = None;
    for round in 0..ROUNDS {
        let cpu = cpu_seconds();
        let mut file = FileWriter::create(&shelf, Table::Readings, 0).expect("room");
        file.write(batch).expect("room");
        let written = file.finish(&format!("part-{round}"), Position::START).expect("room");
        costs.push((cpu_seconds() - cpu) * 1e9 / rows as f64);
        entry = Some(written);
    }
    costs.sort_by(f64::total_cmp);
    let entry = entry.expect("some rounds");
    let all = entry.size as f64 / rows as f64;
    println!(
        "{what}: {rows} rows, median {:.1} (from {:.1}) CPU-ns and {all:.3} bytes a row",
        costs[ROUNDS / 2],
        costs[0]
    );
    let file = DiskFile::new(&shelf, Table::Readings, &entry);
    told_by_column(&file, rows);
}

fn told_by_column(file: &DiskFile, rows: usize) {
    let footer = Footers::new(1 << 30).of(Table::Readings, file).expect("readable");
    let mut told = vec![(0, String::new()); column::COUNT];
    for group in footer.metadata().row_groups() {
        for (told, chunk) in told.iter_mut().zip(group.columns()) {
            told.0 += chunk.compressed_size();
            told.1 = format!("{:?} {:?}", chunk.compression(), chunk.encodings().collect::<Vec<_>>());
        }
    }
    for (place, (bytes, how)) in told.iter().enumerate() {
        println!("    {:13} {:.4} {how}", Table::Readings.schema().field(place).name(), *bytes as f64 / rows as f64);
    }
}

#[test]
#[ignore = "a measurement, in release"]
fn one_file() {
    let mut words = Words::new();
    measured("half-hours, a month", &half_hours(1_000, 31 * 48 - 40, &mut words));
    measured("half-hours, three days", &half_hours(3_400, 144, &mut words));
    measured("minutes, 5 a channel", &minutes(20_000, 0..5, &mut words));
    measured("minutes, 1 a channel", &minutes(20_000, 0..1, &mut words));
    measured("minutes, 100 a channel", &minutes(1_000, 0..100, &mut words));
    measured("minutes, 1000 a channel", &minutes(100, 0..1_000, &mut words));
    measured("a few", &minutes(50, 0..5, &mut words));
}

#[tokio::test]
#[ignore = "a measurement, in release"]
async fn a_merge() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = Arc::new(RealDisk::open(dir.path()).expect("a directory"));
    let clock = Arc::new(ManualClock::new(Timestamp(BEGIN)));
    let mut lake = Lake::open(disk, clock, "lake", "e1").await.expect("opens");
    let mut words = Words::new();
    for round in 0..7 {
        let batch = minutes(20_000, round * 5..round * 5 + 5, &mut words);
        let position = Position::done(Sequence(1 + u64::try_from(round).expect("small")));
        lake.append(Table::Readings, vec![batch], position).await.expect("room");
    }
    let limits = CompactLimits { files_min: 7, ..CompactLimits::default() };
    let job = lake.compact_job(limits).expect("seven files");
    let (cpu, wall) = (cpu_seconds(), Instant::now());
    let work = job.run().expect("merges");
    let (cpu, wall) = (cpu_seconds() - cpu, wall.elapsed());
    let report = lake.finish_compaction(work).await.expect("nobody else");
    let rows = report.rows as f64;
    println!(
        "merged {rows} rows of {} files: {:.1} CPU-ns and {:.3} bytes a row, {wall:?}",
        report.files_before,
        cpu * 1e9 / rows,
        report.bytes_after as f64 / rows
    );
}
