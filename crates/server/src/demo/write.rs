//! `meterhouse demo --write DIR`: the town as files, and the truth beside them.
//!
//! `DIR/readings` holds what meters sent, `DIR/truth` what they should have, and what
//! befell them.

use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use host::{Clock, Disk, RealDisk, SystemClock};
use meter::{Span, Timestamp};
use simulate::{BEFALLEN_HEADER, Befallen, Delivery, FileFormat, Parcel, Town, USED_HEADER, befallen_rows, used_rows};

use super::past::{HOMES_A_PIECE, Past};
use crate::cli::{Demo, DemoFormat};
use crate::exit::Usage;
use crate::output;

const DAY: Span = Span::from_minutes(24 * 60);
const READINGS: &str = "readings";
const USED: &str = "truth/used.csv";
const BEFALLEN: &str = "truth/mishaps.csv";

pub fn write(command: &Demo, dir: &Path) -> anyhow::Result<ExitCode> {
    let format = FileFormat::from(command.format);
    let town = Town::new(command.seed, command.homes);
    let now = SystemClock::new().now();
    let past = Past::of_whole_days(town, now, command.months, format.days_begin_before())?;
    let disk = RealDisk::open(dir)?;
    if !disk.list(READINGS)?.is_empty() {
        let place = dir.join(READINGS);
        return Err(Usage(format!("{} holds files already: name another directory", place.display())).into());
    }
    let mut written = Written { disk: &disk, format, now, files: 0, bytes: 0, readings: 0 };
    let mut befallen = town.befell(past.from, past.to);
    if command.faults {
        befallen.extend(faulted(&past, &mut written)?);
    } else {
        clean(&past, &mut written)?;
    }
    befallen.sort_by_key(|befallen| befallen.from);
    written.text(BEFALLEN, &(BEFALLEN_HEADER.to_owned() + &befallen_rows(&befallen)))?;
    written.text(USED, &used(&past))?;
    let Written { files, bytes, readings, .. } = written;
    println!("{readings} readings in {files} files, {bytes} bytes, from {} to {}", past.from, past.to);
    println!(
        "What was really used: {}, {} mishaps: {}",
        dir.join(USED).display(),
        befallen.len(),
        dir.join(BEFALLEN).display()
    );
    println!("Take them in:\n  meterhouse import --format '{}' {}", format.import_name(), dir.join(READINGS).display());
    Ok(ExitCode::SUCCESS)
}

impl From<DemoFormat> for FileFormat {
    fn from(format: DemoFormat) -> FileFormat {
        match format {
            DemoFormat::Nem12 => FileFormat::Nem12,
            DemoFormat::Csv => FileFormat::Csv,
            DemoFormat::Json => FileFormat::Json,
            DemoFormat::Protobuf => FileFormat::Protobuf,
            DemoFormat::Line => FileFormat::Line,
        }
    }
}

/// A file for each month of some homes.
fn clean(past: &Past, written: &mut Written<'_>) -> anyhow::Result<()> {
    let pieces = past.pieces();
    let bar = output::progress(pieces.len() as u64, "writing");
    for piece in pieces {
        written.readings(past.month(piece.from), &piece.homes, &past.parcels(&piece))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// A file for what came in each month of some homes; what goes wrong on the way.
fn faulted(past: &Past, written: &mut Written<'_>) -> anyhow::Result<Vec<Befallen>> {
    let (mut befallen, homes) = (Vec::new(), past.town.homes());
    let bar = output::progress(u64::from(homes.div_ceil(HOMES_A_PIECE)), "writing");
    for first in (0..homes).step_by(HOMES_A_PIECE as usize) {
        let group = first..homes.min(first + HOMES_A_PIECE);
        let deliveries = past.town.deliveries(group.clone(), past.from, past.to);
        befallen.extend(deliveries.befallen);
        // What is still on its way at the end comes with the last month.
        let month = |delivery: &Delivery| past.month(delivery.arrives_at.min(past.to));
        for arrived in deliveries.all.chunk_by(|one, next| month(one) == month(next)) {
            let parcels: Vec<Parcel> = arrived.iter().map(|delivery| delivery.parcel.clone()).collect();
            written.readings(month(&arrived[0]), &group, &parcels)?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(befallen)
}

/// Day by day.
fn used(past: &Past) -> String {
    let days = (past.to.0 - past.from.0) / DAY.0;
    let bounds: Vec<Timestamp> = (0..=days).map(|day| Timestamp(past.from.0 + day * DAY.0)).collect();
    let homes = (0..past.town.homes()).map(|home| used_rows(&past.town.home(home), &bounds));
    homes.fold(USED_HEADER.to_owned(), |text, rows| text + &rows)
}

struct Written<'a> {
    disk: &'a dyn Disk,
    format: FileFormat,
    now: Timestamp,
    files: u64,
    bytes: u64,
    readings: u64,
}

impl Written<'_> {
    fn readings(&mut self, month: i32, homes: &Range<u32>, parcels: &[Parcel]) -> anyhow::Result<()> {
        let name = format!("{READINGS}/{month}-home-{:06}.{}", homes.start, self.format.ending());
        let file = self.format.file(parcels, self.now);
        self.disk.write_durable(&name, &file, true).with_context(|| name.clone())?;
        self.files += 1;
        self.bytes += file.len() as u64;
        let values = parcels.iter().flat_map(|parcel| &parcel.values);
        self.readings += values.filter(|measured| self.format.holds(measured.stream)).count() as u64;
        Ok(())
    }

    fn text(&self, name: &str, text: &str) -> anyhow::Result<()> {
        self.disk.write_durable(name, text.as_bytes(), true).with_context(|| name.to_owned())
    }
}
