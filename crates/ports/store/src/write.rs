//! One Parquet file: sorted rows in, a durable file and its entry out.
//!
//! Promise: when `finish` returns, the file is on stable storage under its name
//! and its entry tells its hash. Until a commit names it, nobody reads it; if
//! the commit never comes, `vacuum` takes it away.
//!
//! Integers are delta-packed: keys are sorted, spans and times of a run are
//! constant, and values of one meter lie close together. Texts go through a
//! dictionary. Pages are cut by rows, so that the pages of all columns agree
//! and a reader skips them together.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, max, min, take_record_batch};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimestampMicrosecondType};
use host::Disk;
use meter::{ChannelId, Months, TenantId, Timestamp};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::delta::{FileEntry, FileKey};
use crate::error::{Error, Result};
use crate::position::Position;
use crate::rows::Keys;
use crate::schema::{GROUP_SHARED, Table, column};
use crate::sink::DiskSink;

/// D6: long enough that a channel's month lies in one group.
pub const GROUP_ROWS_MAX: usize = 1 << 20;
/// A channel's month of half-hours is 1,488 rows: one or two pages a column.
pub const PAGE_ROWS_MAX: usize = 4_096;
/// Of the hash in a file's name: 64 bits find any accident.
const HASH_LETTERS: usize = 16;
/// Columns whose smallest and largest value every page tells.
const KEY_COLUMNS: [usize; 3] = [column::TENANT, column::CHANNEL, column::START];

const _: () = assert!(GROUP_ROWS_MAX.is_multiple_of(PAGE_ROWS_MAX));

/// Where the files of the tables stand.
#[derive(Clone)]
pub(crate) struct Shelf {
    pub disk: Arc<dyn Disk>,
    pub root: Arc<str>,
}

impl Shelf {
    /// Path of a table on the disk.
    pub(crate) fn dir(&self, table: Table) -> String {
        format!("{}/{}", self.root, table.name())
    }

    /// Path of a file on the disk, from its path in the table.
    pub(crate) fn path(&self, table: Table, file: &str) -> String {
        format!("{}/{}/{file}", self.root, table.name())
    }

    /// Writes batches of one table as files, one a month where the table is
    /// partitioned. Rows of readings are sorted by key first. `name` makes the
    /// file names unique, together with their hash; no row came in after `through`.
    pub(crate) fn write(
        &self,
        table: Table,
        batches: &[RecordBatch],
        name: &str,
        through: Position,
    ) -> Result<Vec<FileEntry>> {
        if batches.iter().all(|b| b.num_rows() == 0) {
            return Ok(Vec::new());
        }
        if !table.holds_readings() {
            let mut file = FileWriter::create(self, table, 0)?;
            batches.iter().try_for_each(|batch| file.write(batch))?;
            return Ok(vec![file.finish(name, through)?]);
        }
        let sorted = sorted_by_key(table, batches)?;
        if table == Table::Readings {
            each_key_once(&Keys::of(&sorted)?)?;
        }
        let mut entries = Vec::new();
        for (month, rows) in by_month(table, &sorted)? {
            let mut file = FileWriter::create(self, table, month)?;
            file.write(&rows)?;
            entries.push(file.finish(name, through)?);
        }
        Ok(entries)
    }
}

/// One file of one partition while it is being written.
pub(crate) struct FileWriter {
    shelf: Shelf,
    table: Table,
    month: i32,
    temporary: String,
    writer: ArrowWriter<DiskSink>,
    bounds: Option<(FileKey, FileKey)>,
    rows: u64,
    finished: bool,
}

impl Drop for FileWriter {
    /// Given up: the temporary file goes, or waits for the next sweep.
    fn drop(&mut self) {
        if !self.finished {
            let _ = self.shelf.disk.remove(&self.temporary);
        }
    }
}

impl FileWriter {
    /// `month` is 0 in a table without partitions.
    pub(crate) fn create(shelf: &Shelf, table: Table, month: i32) -> Result<FileWriter> {
        let wished = shelf.path(table, &format!("{}part", partition_dir(table, month)));
        let temporary = shelf.disk.create_temporary(&wished).map_err(Error::disk(&wished))?;
        let sink = DiskSink::new(shelf.disk.clone(), &temporary);
        // Every type of ours has a Parquet type of its own: the Arrow schema beside it would only cost bytes.
        let options = ArrowWriterOptions::new().with_properties(properties(table)).with_skip_arrow_metadata(true);
        let writer =
            ArrowWriter::try_new_with_options(sink, table.schema(), options).map_err(Error::unwritten(&temporary))?;
        Ok(FileWriter { shelf: shelf.clone(), table, month, temporary, writer, bounds: None, rows: 0, finished: false })
    }

    /// Rows after those already written; readings must come in key order.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let (low, high) = bounds_of(batch);
        self.bounds = Some(match self.bounds {
            None => (low, high),
            Some((lowest, highest)) => (least(lowest, low), most(highest, high)),
        });
        self.rows += batch.num_rows() as u64;
        self.writer.write(batch).map_err(Error::unwritten(&self.temporary))
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Durable under its name when this returns; no row came in after `through`.
    pub(crate) fn finish(mut self, name: &str, through: Position) -> Result<FileEntry> {
        let path_of_error = self.temporary.clone();
        self.writer.finish().map_err(Error::unwritten(&path_of_error))?;
        let written = self.writer.inner_mut().end().map_err(Error::disk(&path_of_error))?;
        let hash = written.hash.to_hex();
        let path = format!("{}{name}-{}.parquet", partition_dir(self.table, self.month), &hash[..HASH_LETTERS]);
        self.finished = true;
        // The same rows under the same name: what a crash left behind may be replaced by itself.
        let full = self.shelf.path(self.table, &path);
        self.shelf.disk.publish(&self.temporary, &full, true).map_err(Error::disk(&full))?;
        let (low, high) = self.bounds.unwrap_or_default();
        Ok(FileEntry {
            path,
            size: written.bytes,
            rows: self.rows,
            group: if self.table.partitioned() { GROUP_SHARED.into() } else { String::new() },
            month: self.month,
            low,
            high,
            blake3: *written.hash.as_bytes(),
            through,
        })
    }
}

/// The part of the hash that stands in a file's name.
pub(crate) fn hash_in_name(path: &str) -> Option<&str> {
    let (_, hash) = path.strip_suffix(".parquet")?.rsplit_once('-')?;
    (hash.len() == HASH_LETTERS && hash.bytes().all(|b| b.is_ascii_hexdigit())).then_some(hash)
}

fn partition_dir(table: Table, month: i32) -> String {
    if table.partitioned() { format!("tenant_group={GROUP_SHARED}/month={month}/") } else { String::new() }
}

/// Encodings and limits of a table's files.
fn properties(table: Table) -> WriterProperties {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1).expect("zstd has a level 1"));
    let mut properties = WriterProperties::builder()
        .set_created_by("meterhouse".into())
        .set_compression(zstd)
        .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
        .set_data_page_row_count_limit(PAGE_ROWS_MAX)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_dictionary_enabled(true);
    for (place, field) in table.schema().fields().iter().enumerate() {
        let path = ColumnPath::from(field.name().as_str());
        if is_integer(field.data_type()) {
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED);
        } else {
            // Nobody skips by units and words, and comparing them all is a fifth of an import.
            properties = properties.set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
            // The words of readings come in long runs: zstd makes nothing of them, and looking each up
            // in a dictionary is the dearest part of writing a row.
            if table.holds_readings() {
                properties = properties.set_column_dictionary_enabled(path.clone(), false);
            }
        }
        if table.holds_readings() && KEY_COLUMNS.contains(&place) {
            properties = properties.set_column_statistics_enabled(path, EnabledStatistics::Page);
        }
    }
    if table.holds_readings() {
        let sorted = [column::TENANT, column::CHANNEL, column::START, column::SPAN];
        let sorted = sorted.map(|place| SortingColumn {
            column_idx: i32::try_from(place).expect("16 columns"),
            descending: false,
            nulls_first: false,
        });
        properties = properties.set_sorting_columns(Some(sorted.to_vec()));
    }
    properties.build()
}

fn is_integer(kind: &DataType) -> bool {
    kind.is_integer() || matches!(kind, DataType::Timestamp(..))
}

/// All rows of the batches in key order; equal keys stay in their order.
pub(crate) fn sorted_by_key(table: Table, batches: &[RecordBatch]) -> Result<RecordBatch> {
    let rows = |cause| Error::Rows { table: table.name(), cause };
    let all = concat_batches(&table.schema(), batches).map_err(rows)?;
    let keys = Keys::of(&all)?;
    if (1..keys.len()).all(|row| keys.at(row - 1) <= keys.at(row)) {
        return Ok(all);
    }
    let count = u32::try_from(keys.len()).expect("a commit is far below 2^32 rows");
    let mut order: Vec<u32> = (0..count).collect();
    order.sort_by_key(|row| keys.at(*row as usize));
    take_record_batch(&all, &UInt32Array::from(order)).map_err(rows)
}

/// The base has one row per key: two in one commit are a mistake of ours.
fn each_key_once(sorted: &Keys<'_>) -> Result<()> {
    match (1..sorted.len()).find(|row| sorted.at(row - 1) == sorted.at(*row)) {
        None => Ok(()),
        Some(row) => Err(Error::KeyTwice { key: sorted.at(row) }),
    }
}

/// The rows of each month, in their order; all of them where there are no partitions.
fn by_month(table: Table, sorted: &RecordBatch) -> Result<Vec<(i32, RecordBatch)>> {
    if !table.partitioned() {
        return Ok(vec![(0, sorted.clone())]);
    }
    let mut runs: Vec<(i32, Range<u32>)> = Vec::new();
    let mut month_of = Months::default();
    for (row, start) in (0_u32..).zip(Keys::of(sorted)?.start) {
        let month = month_of.of(Timestamp(*start));
        match runs.last_mut() {
            Some((last, rows)) if *last == month => rows.end = row + 1,
            _ => runs.push((month, row..row + 1)),
        }
    }
    let mut months: BTreeMap<i32, Vec<u32>> = BTreeMap::new();
    for (month, rows) in runs {
        months.entry(month).or_default().extend(rows);
    }
    if let (1, Some(month)) = (months.len(), months.keys().next()) {
        return Ok(vec![(*month, sorted.clone())]);
    }
    let rows = |cause| Error::Rows { table: table.name(), cause };
    let part = |(month, of_month)| Ok((month, take_record_batch(sorted, &UInt32Array::from(of_month)).map_err(rows)?));
    months.into_iter().map(part).collect()
}

/// Bounds of the columns that files are skipped by, where a table has them.
fn bounds_of(batch: &RecordBatch) -> (FileKey, FileKey) {
    let (mut low, mut high) = (FileKey::default(), FileKey::default());
    if let Some(tenants) = batch.column_by_name("tenant").and_then(|c| c.as_primitive_opt::<Int32Type>()) {
        (low.tenant, high.tenant) = (TenantId(min(tenants).unwrap_or(0)), TenantId(max(tenants).unwrap_or(0)));
    }
    if let Some(channels) = batch.column_by_name("channel").and_then(|c| c.as_primitive_opt::<Int64Type>()) {
        (low.channel, high.channel) = (ChannelId(min(channels).unwrap_or(0)), ChannelId(max(channels).unwrap_or(0)));
    }
    let starts = batch.column_by_name("start").and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
    if let Some(starts) = starts {
        (low.start, high.start) = (Timestamp(min(starts).unwrap_or(0)), Timestamp(max(starts).unwrap_or(0)));
    }
    (low, high)
}

fn least(a: FileKey, b: FileKey) -> FileKey {
    FileKey { tenant: a.tenant.min(b.tenant), channel: a.channel.min(b.channel), start: a.start.min(b.start) }
}

fn most(a: FileKey, b: FileKey) -> FileKey {
    FileKey { tenant: a.tenant.max(b.tenant), channel: a.channel.max(b.channel), start: a.start.max(b.start) }
}
