//! Start-up: what the role holds in memory, read back from the lake.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType};
use host::Disk;
use meter::{
    ChannelId, Commodity, DeviceId, Flow, Kind, Phase, ReadingType, RowKey, Sequence, Span, TenantId, Timestamp, Unit,
};
use store::{Lake, Position, ScanRequest, ScanTable, Snapshot, column};

use crate::Error;
use crate::checkpoint::{self, path_hash};
use crate::chunk::{NewChannel, NewDevice};
use crate::coverage::Coverage;
use crate::names::{Lessor, Names};
use crate::round::committed;
use crate::understand::{FilesSeen, Understander};

pub struct Restored {
    pub understander: Understander,
    pub coverage: Coverage,
    /// What every table has already.
    pub from: Position,
}

pub fn restore(lake: &Lake, disk: &dyn Disk, lessor: Box<dyn Lessor>) -> Result<Restored, Error> {
    let snapshot = lake.snapshot();
    let mut names = Names::new(lessor);
    for_each(&snapshot, ScanTable::Channels, |batch| channels(batch, &mut names))?;
    for_each(&snapshot, ScanTable::Devices, |batch| devices(batch, &mut names))?;
    let mut files = FilesSeen::default();
    for_each(&snapshot, ScanTable::Sources, |batch| sources(batch, &mut files))?;
    let coverage = coverage(&snapshot, disk)?;
    let understander = Understander { names, files, words: Default::default() };
    Ok(Restored { understander, coverage, from: committed(lake) })
}

fn for_each(snapshot: &Snapshot, table: ScanTable, mut take: impl FnMut(&RecordBatch)) -> Result<(), Error> {
    for mut part in snapshot.scan(&ScanRequest::all(table))? {
        while let Some(batch) = part.next() {
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

fn sources(batch: &RecordBatch, files: &mut FilesSeen) {
    let (sequence, tenant) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(3).as_primitive::<Int32Type>());
    let hashes = batch.column(8).as_binary::<i32>();
    for row in 0..batch.num_rows() {
        let Some(hash) = hashes.is_valid(row).then(|| hashes.value(row)).and_then(|h| <&[u8; 32]>::try_from(h).ok())
        else {
            continue;
        };
        files.insert(TenantId(tenant.value(row)), hash, Sequence(sequence.value(row) as u64));
    }
}

/// From the checkpoint and the files it does not know.
fn coverage(snapshot: &Snapshot, disk: &dyn Disk) -> Result<Coverage, Error> {
    let (mut coverage, known) = checkpoint::read(disk);
    const KEY: [usize; 4] = [column::TENANT, column::CHANNEL, column::START, column::SPAN];
    // Every key of the overlay is in `readings` too, so these files are enough.
    for mut part in snapshot.scan_base(&KEY, &|file| !known.contains(&path_hash(&file.path)))? {
        while let Some(batch) = part.next() {
            insert_keys(&batch?, &mut coverage);
        }
    }
    Ok(coverage)
}

fn insert_keys(batch: &RecordBatch, coverage: &mut Coverage) {
    let tenant = batch.column(0).as_primitive::<Int32Type>();
    let channel = batch.column(1).as_primitive::<Int64Type>();
    let start = batch.column(2).as_primitive::<TimestampMicrosecondType>();
    let span = batch.column(3).as_primitive::<Int64Type>();
    for row in 0..batch.num_rows() {
        coverage.insert(&RowKey {
            tenant: TenantId(tenant.value(row)),
            channel: ChannelId(channel.value(row)),
            start: Timestamp(start.value(row)),
            span: Span(span.value(row)),
        });
    }
}
