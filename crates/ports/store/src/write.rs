//! One Parquet file: sorted rows in, a durable file and its entry out.
//!
//! Promise: when `finish` returns, the file is on stable storage under its name
//! and its entry tells its hash. Until a commit names it, nobody reads it; if
//! the commit never comes, `vacuum` takes it away.
//!
//! How columns are encoded stands in `encode.rs`. Rows go there a page at a time:
//! the pages of the key columns agree, and a reader skips them together.

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use host::Disk;
use meter::{ChannelId, TenantId, Timestamp};
use parquet::arrow::ArrowSchemaConverter;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use crate::delta::{FileEntry, FileKey};
use crate::encode::Group;
use crate::error::{Error, Result};
use crate::months;
use crate::position::Position;
use crate::rows::Keys;
use crate::schema::{GROUP_SHARED, Table, column};
use crate::sink::DiskSink;
use crate::waiting::Waiting;

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

    /// Writes rows of one table as files, one a month where the table is
    /// partitioned. Rows of readings are sorted by key first. `name` makes the
    /// file names unique, together with their hash; no row came in after `through`.
    pub(crate) fn write(
        &self,
        table: Table,
        rows: Vec<Waiting>,
        name: &str,
        through: Position,
    ) -> Result<Vec<FileEntry>> {
        if rows.iter().all(|rows| rows.num_rows() == 0) {
            return Ok(Vec::new());
        }
        if table.partitioned() {
            return months::write(self, table, rows, name, through);
        }
        let mut file = FileWriter::create(self, table, 0)?;
        let batches = Waiting::all_columns(&rows);
        match table.holds_readings() {
            true => file.write(&sorted_by_key(table, &batches)?)?,
            false => batches.iter().try_for_each(|batch| file.write(batch))?,
        }
        Ok(vec![file.finish(name, through)?])
    }
}

/// One file of one partition while it is being written.
pub(crate) struct FileWriter {
    shelf: Shelf,
    table: Table,
    month: i32,
    temporary: String,
    file: SerializedFileWriter<DiskSink>,
    group: Group,
    /// Fewer rows than a page.
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
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
        let unwritten = Error::unwritten(&temporary);
        let schema = ArrowSchemaConverter::new().convert(&table.schema()).map_err(unwritten)?;
        let file = SerializedFileWriter::new(sink, schema.root_schema_ptr(), properties(table).into());
        let file = file.map_err(Error::unwritten(&temporary))?;
        let group = Group::new(&schema, if table.holds_readings() { &KEY_COLUMNS } else { &[] });
        let (shelf, waiting) = (shelf.clone(), Vec::new());
        let (waiting_rows, bounds, rows, finished) = (0, None, 0, false);
        Ok(FileWriter { shelf, table, month, temporary, file, group, waiting, waiting_rows, bounds, rows, finished })
    }

    /// Rows after those already written; readings must come in key order.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        let mut at = 0;
        while at < batch.num_rows() {
            let count = (PAGE_ROWS_MAX - self.waiting_rows).min(batch.num_rows() - at);
            self.waiting.push(batch.slice(at, count));
            self.waiting_rows += count;
            at += count;
            if self.waiting_rows == PAGE_ROWS_MAX {
                self.cut()?;
            }
        }
        Ok(())
    }

    /// What waits becomes a page, and what has become a row group is written.
    fn cut(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_rows = 0;
        let rows = |cause| Error::Rows { table: self.table.name(), cause };
        match waiting.as_slice() {
            [] => {}
            [one] => self.group.take(one),
            several => self.group.take(&concat_batches(&self.table.schema(), several).map_err(rows)?),
        }
        if self.group.rows() == GROUP_ROWS_MAX { self.end_group() } else { Ok(()) }
    }

    fn end_group(&mut self) -> Result<()> {
        if self.group.rows() == 0 {
            return Ok(());
        }
        let (low, high) = self.bounds_of_group();
        self.bounds = Some(match self.bounds {
            None => (low, high),
            Some((lowest, highest)) => (least(lowest, low), most(highest, high)),
        });
        self.group.end(&mut self.file).map_err(Error::unwritten(&self.temporary))
    }

    /// Bounds of the columns that files are skipped by, where a table has them.
    fn bounds_of_group(&self) -> (FileKey, FileKey) {
        let schema = self.table.schema();
        let bounds = |name| schema.index_of(name).ok().and_then(|place| self.group.bounds(place)).unwrap_or((0, 0));
        let (tenant, channel, start) = (bounds("tenant"), bounds("channel"), bounds("start"));
        let narrow = |tenant| i32::try_from(tenant).expect("tenants are 32 bits wide");
        (file_key(narrow(tenant.0), channel.0, start.0), file_key(narrow(tenant.1), channel.1, start.1))
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Durable under its name when this returns; no row came in after `through`.
    pub(crate) fn finish(mut self, name: &str, through: Position) -> Result<FileEntry> {
        let path_of_error = self.temporary.clone();
        self.cut()?;
        self.end_group()?;
        self.file.finish().map_err(Error::unwritten(&path_of_error))?;
        let written = self.file.inner_mut().end().map_err(Error::disk(&path_of_error))?;
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

/// What a file says of itself.
fn properties(table: Table) -> WriterProperties {
    let properties = WriterProperties::builder().set_created_by("meterhouse".into());
    if !table.holds_readings() {
        return properties.build();
    }
    let sorted = [column::TENANT, column::CHANNEL, column::START, column::SPAN];
    let sorted = sorted.map(|place| SortingColumn {
        column_idx: i32::try_from(place).expect("16 columns"),
        descending: false,
        nulls_first: false,
    });
    properties.set_sorting_columns(Some(sorted.to_vec())).build()
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

fn file_key(tenant: i32, channel: i64, start: i64) -> FileKey {
    FileKey { tenant: TenantId(tenant), channel: ChannelId(channel), start: Timestamp(start) }
}

fn least(a: FileKey, b: FileKey) -> FileKey {
    FileKey { tenant: a.tenant.min(b.tenant), channel: a.channel.min(b.channel), start: a.start.min(b.start) }
}

fn most(a: FileKey, b: FileKey) -> FileKey {
    FileKey { tenant: a.tenant.max(b.tenant), channel: a.channel.max(b.channel), start: a.start.max(b.start) }
}
