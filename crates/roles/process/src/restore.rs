//! Start-up: what the role holds in memory, read back from the lake.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType};
use host::Disk;
use meter::{
    ChannelId, Commodity, DeviceId, Flow, Kind, Phase, ReadingType, RowKey, Sequence, Span, TenantId, Timestamp, Unit,
};
use store::{Lake, Latest, Position, ScanRequest, ScanTable, SharedWords, Snapshot, Table, column};

use crate::Error;
use crate::checkpoint::{self, Channels, Checkpoint};
use crate::chunk::{NewChannel, NewDevice, Source};
use crate::coverage::Coverage;
use crate::files::{File, FilesSeen};
use crate::judge::standing;
use crate::messages::MessagesSeen;
use crate::names::{Lessor, Names};
use crate::secret::Secret;
use crate::understand::{Formats, Understander};

pub struct Restored {
    pub understander: Understander,
    pub channels: Channels,
    /// What every table has already.
    pub from: Position,
}

pub fn restore(
    lake: &Lake,
    disk: &dyn Disk,
    lessor: Box<dyn Lessor>,
    formats: Formats,
    secret: Secret,
) -> Result<Restored, Error> {
    let snapshot = lake.snapshot();
    let mut names = Names::new(lessor, secret.clone());
    for_each(&snapshot, ScanTable::Channels, |batch| channels(batch, &mut names))?;
    for_each(&snapshot, ScanTable::Devices, |batch| devices(batch, &mut names))?;
    let mut files = FilesSeen::default();
    for_each(&snapshot, ScanTable::Sources, |batch| sources(batch, &formats, &mut files))?;
    let words = SharedWords::default();
    let channels = what_channels_have(lake, &snapshot, disk, &words)?;
    let messages = MessagesSeen::new(secret);
    let (spelled, expected) = Default::default();
    let understander = Understander { formats, names, files, messages, words, spelled, expected };
    Ok(Restored { understander, channels, from: lake.resume() })
}

fn for_each(snapshot: &Snapshot, table: ScanTable, mut take: impl FnMut(&RecordBatch)) -> Result<(), Error> {
    for part in snapshot.scan(&ScanRequest::all(table))? {
        for batch in part {
            take(&batch?);
        }
    }
    Ok(())
}

fn channels(batch: &RecordBatch, names: &mut Names) {
    let long = |at: usize| batch.column(at).as_primitive::<Int64Type>();
    let byte = |at: usize| batch.column(at).as_primitive::<Int8Type>();
    let text = |at: usize| batch.column(at).as_string::<i32>();
    let code = |at: usize, row: usize| byte(at).value(row) as u8;
    for row in 0..batch.num_rows() {
        names.know_channel(&NewChannel {
            channel: ChannelId(long(0).value(row)),
            tenant: TenantId(batch.column(1).as_primitive::<Int32Type>().value(row)),
            point: text(2).value(row).into(),
            device: text(3).value(row).into(),
            register: text(4).value(row).into(),
            reading_type: ReadingType {
                kind: Kind::from_code(code(5, row)).unwrap_or_default(),
                commodity: Commodity::from_code(code(6, row)).unwrap_or_default(),
                flow: Flow::from_code(code(7, row)).unwrap_or_default(),
                unit: Unit::from_code(batch.column(8).as_primitive::<Int16Type>().value(row) as u8),
                phase: Phase::from_code(code(9, row)).unwrap_or_default(),
            },
        });
    }
}

fn devices(batch: &RecordBatch, names: &mut Names) {
    for row in 0..batch.num_rows() {
        names.know_device(&NewDevice {
            device: DeviceId(batch.column(0).as_primitive::<Int64Type>().value(row)),
            tenant: TenantId(batch.column(1).as_primitive::<Int32Type>().value(row)),
            name: batch.column(2).as_string::<i32>().value(row).into(),
        });
    }
}

fn sources(batch: &RecordBatch, formats: &Formats, files: &mut FilesSeen) {
    let (sequence, tenant) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(3).as_primitive::<Int32Type>());
    let (doors, objects) = (batch.column(4).as_primitive::<Int8Type>(), batch.column(6).as_string::<i32>());
    let (names, hashes) = (batch.column(5).as_string::<i32>(), batch.column(8).as_binary::<i32>());
    for row in 0..batch.num_rows() {
        let is_file = hashes.is_valid(row) && Source::is_of_file(doors.value(row), objects.value(row));
        let Some(hash) = is_file.then(|| hashes.value(row)).and_then(|h| <&[u8; 32]>::try_from(h).ok()) else {
            continue;
        };
        let (tenant, format) = (TenantId(tenant.value(row)), names.value(row));
        let reads_name = matches!(formats(tenant, format), Ok(Some(format)) if format.reads_file_name());
        let name = if reads_name { objects.value(row) } else { "" };
        files.insert(&File { tenant, sha256: hash, format, name }, Sequence(sequence.value(row) as u64));
    }
}

/// From the checkpoint and the files with rows that came after it.
fn what_channels_have(
    lake: &Lake,
    snapshot: &Snapshot,
    disk: &dyn Disk,
    words: &SharedWords,
) -> Result<Channels, Error> {
    let (known, mut channels) = match checkpoint::read(disk, words) {
        Some(Checkpoint { position, channels }) if position <= lake.resume() => (position, channels),
        other => {
            if other.is_some() {
                // An older lake was put in its place: the checkpoint must not fit again later.
                checkpoint::forget(disk)?;
            }
            let latest = Arc::new(Latest::new(words.clone()));
            (Position::START, Channels { coverage: Coverage::default(), latest })
        }
    };
    // Every key of the overlay is in `readings` too.
    for part in snapshot.scan_after(Table::Readings, known)? {
        for batch in part {
            let batch = batch?;
            insert_keys(&batch, &mut channels.coverage);
            let mut words = words.write().expect("no holder of the words panics");
            let rows = store::batch_to_rows(&last_of_channels(&batch)?, &mut words)?;
            channels.latest.tell(&rows);
        }
    }
    correct(lake, snapshot, &channels.latest, words)?;
    Ok(channels)
}

/// Rows lie by channel and time: those before a channel's change, and the last.
fn last_of_channels(batch: &RecordBatch) -> Result<RecordBatch, Error> {
    let channel = batch.column(column::CHANNEL).as_primitive::<Int64Type>().values();
    let last = (0..channel.len()).filter(|row| channel.get(row + 1) != Some(&channel[*row]));
    let last = UInt32Array::from_iter_values(last.map(|row| row as u32));
    take_record_batch(batch, &last).map_err(|cause| Error::Columns { table: Table::Readings.name(), cause })
}

/// Of the latest keys the version that stands, where the overlay has others than
/// the base. All of the overlay is asked: a merge brings base rows along again
/// whose corrections came long before.
fn correct(lake: &Lake, snapshot: &Snapshot, latest: &Latest, words: &SharedWords) -> Result<(), Error> {
    let mut keys: Vec<RowKey> = Vec::new();
    for part in snapshot.scan_after(Table::Overlay, Position::START)? {
        for batch in part {
            keys.extend(keys_of(&batch?).filter(|key| latest.is_latest(key)));
        }
    }
    keys.sort_unstable();
    keys.dedup();
    let mut words = words.write().expect("no holder of the words panics");
    let versions = lake.versions_of(&keys, &mut words)?;
    let stands = versions.chunk_by(|a, b| a.key == b.key).filter_map(|versions| standing(versions, &words).copied());
    latest.tell(&stands.collect::<Vec<_>>());
    Ok(())
}

fn insert_keys(batch: &RecordBatch, coverage: &mut Coverage) {
    for key in keys_of(batch) {
        coverage.insert(&key);
    }
}

fn keys_of(batch: &RecordBatch) -> impl Iterator<Item = RowKey> + '_ {
    let tenant = batch.column(column::TENANT).as_primitive::<Int32Type>();
    let channel = batch.column(column::CHANNEL).as_primitive::<Int64Type>();
    let start = batch.column(column::START).as_primitive::<TimestampMicrosecondType>();
    let span = batch.column(column::SPAN).as_primitive::<Int64Type>();
    (0..batch.num_rows()).map(|row| RowKey {
        tenant: TenantId(tenant.value(row)),
        channel: ChannelId(channel.value(row)),
        start: Timestamp(start.value(row)),
        span: Span(span.value(row)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use host::{ManualClock, SimDisk};
    use meter::{Decimal, Flags, Quality, Row, Word};
    use store::{CompactLimits, Tail};

    fn row(channel: i64, value: i64, said: i64) -> Row {
        Row {
            key: RowKey { tenant: TenantId(1), channel: ChannelId(channel), start: Timestamp(5), span: Span(30) },
            value: Decimal::new(value, 0),
            unit: Word(0),
            quality: Word(0),
            canonical: Quality::Measured,
            reason: Word(0),
            flags: Flags::default(),
            device: DeviceId::NONE,
            message_time: Timestamp(said),
            issued_at: Timestamp(said),
            sequence: Sequence(1),
        }
    }

    /// One row, and every other table as far.
    async fn append(lake: &mut Lake, table: Table, row: Row, sequence: u64) {
        let rows = store::rows_to_batch(&[row], &meter::Words::new());
        for each in Table::OF_LANE {
            let batches = if each == table { vec![rows.clone()] } else { Vec::new() };
            lake.append(each, batches, Position::done(Sequence(sequence))).await.expect("room enough");
        }
        lake.publish(Tail::default());
    }

    #[tokio::test]
    async fn a_merge_after_the_checkpoint_does_not_bring_back_what_was_corrected() {
        let disk = SimDisk::new(1);
        let clock = Arc::new(ManualClock::new(Timestamp(0)));
        let mut lake = Lake::open(Arc::new(disk.clone()), clock, "lake", "epoch").await.expect("opens");
        append(&mut lake, Table::Readings, row(64, 1, 1), 1).await;
        append(&mut lake, Table::Overlay, row(64, 2, 2), 2).await;

        let words = SharedWords::default();
        let channels = what_channels_have(&lake, &lake.snapshot(), &disk, &words).expect("readable");
        checkpoint::write(&disk, lake.resume(), &channels, &words).expect("room enough");
        append(&mut lake, Table::Readings, row(65, 7, 3), 3).await;
        let limits = CompactLimits { files_min: 2, ..CompactLimits::default() };
        while lake.compact(limits).await.expect("merges").files_before > 0 {}
        lake.publish(Tail::default());
        assert_eq!(lake.snapshot().files(Table::Readings).len(), 1, "the base row came along");

        let channels = what_channels_have(&lake, &lake.snapshot(), &disk, &words).expect("readable");
        let (rows, _) = channels.latest.rows(ChannelId(0), 9);
        assert_eq!(rows.iter().map(|row| row.value.value).collect::<Vec<_>>(), [2, 7]);
    }
}
