//! Reading a table of a snapshot, part by part.
//!
//! Promise: the parts together hold exactly the rows asked for, each once.
//! Files, row groups and pages that cannot hold one are not read; what is read
//! is filtered row by row.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int32Type, Schema, SchemaRef};
use meter::{ChannelId, RowKey, TenantId, Timestamp};

use crate::delta::FileEntry;
use crate::error::{Error, Result};
use crate::lookup::Library;
use crate::prune::{Ranges, Wanted, left_of};
use crate::read::{DiskFile, FileBatches, Want};
use crate::rows::Keys;
use crate::schema::{Table, column};
use crate::snapshot::Pin;
use crate::standing::outside;

/// What can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScanTable {
    Sources,
    Channels,
    Devices,
    Refused,
    Events,
    /// The standing version of every reading.
    Readings,
    /// Every earlier version.
    ReadingsHistory,
}

impl ScanTable {
    pub const ALL: [ScanTable; 7] = [
        ScanTable::Sources,
        ScanTable::Channels,
        ScanTable::Devices,
        ScanTable::Refused,
        ScanTable::Events,
        ScanTable::Readings,
        ScanTable::ReadingsHistory,
    ];

    /// The table its files belong to.
    pub fn stored(self) -> Table {
        match self {
            ScanTable::Sources => Table::Sources,
            ScanTable::Channels => Table::Channels,
            ScanTable::Devices => Table::Devices,
            ScanTable::Refused => Table::Refused,
            ScanTable::Events => Table::Events,
            ScanTable::Readings => Table::Readings,
            ScanTable::ReadingsHistory => Table::History,
        }
    }

    pub fn schema(self) -> SchemaRef {
        self.stored().schema()
    }
}

/// Which rows and columns. Nothing asked for is everything.
#[derive(Clone, Debug)]
pub struct ScanRequest {
    pub table: ScanTable,
    pub tenant: Option<TenantId>,
    /// Sorted. Of readings only, as are the times: other tables ignore them.
    pub channels: Option<Vec<ChannelId>>,
    pub start_from: Option<Timestamp>,
    pub start_before: Option<Timestamp>,
    /// Places in the table's schema, in the order wanted; may be none, to count.
    pub columns: Vec<usize>,
    /// At most so many rows a batch.
    pub batch_rows: usize,
}

impl ScanRequest {
    /// Everything in a table.
    pub fn all(table: ScanTable) -> ScanRequest {
        ScanRequest {
            table,
            tenant: None,
            channels: None,
            start_from: None,
            start_before: None,
            columns: (0..table.schema().fields().len()).collect(),
            batch_rows: 8_192,
        }
    }
}

/// What a scan looked at, and what it could leave out. Grows while parts are read.
#[derive(Debug, Default)]
pub struct ScanStats {
    pub files: AtomicU64,
    pub files_pruned: AtomicU64,
    pub row_groups: AtomicU64,
    /// Pages of one column that were read.
    pub pages: AtomicU64,
    /// Asked of the disk.
    pub bytes: AtomicU64,
    /// Given out.
    pub rows: AtomicU64,
}

impl ScanStats {
    fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

/// What every part of a scan shares.
struct Plan {
    table: Table,
    ranges: Ranges,
    /// Columns to give out, by place.
    columns: Vec<usize>,
    schema: SchemaRef,
    batch_rows: usize,
    library: Library,
    stats: Arc<ScanStats>,
    /// Keeps the files from being vacuumed.
    _pin: Arc<Pin>,
}

/// Some of the rows of a scan: a file, or rows held in memory. Blocking.
pub struct Part {
    plan: Arc<Plan>,
    source: Source,
    /// Rows of these keys are elsewhere.
    without: Vec<Arc<[RowKey]>>,
    rows_estimate: u64,
}

enum Source {
    Unopened(FileEntry),
    Open { batches: FileBatches, file: DiskFile, columns: Vec<usize>, filtered: bool },
    /// Batches and the row to go on with in the first.
    Memory(std::collections::VecDeque<RecordBatch>, usize),
    Done,
}

/// Where the rows of a table are.
pub(crate) struct Rows {
    pub library: Library,
    pub pin: Arc<Pin>,
    pub files: Arc<[FileEntry]>,
    /// Files hold no row of these keys that counts.
    pub without: Vec<Arc<[RowKey]>>,
    /// Batches, and the keys whose rows in them do not count.
    pub memory: Vec<(Vec<RecordBatch>, Vec<Arc<[RowKey]>>)>,
}

/// The parts of a scan.
pub(crate) fn parts(request: &ScanRequest, rows: Rows, stats: &Arc<ScanStats>) -> Result<Vec<Part>> {
    let table = request.table.stored();
    let readings = table.holds_readings();
    let ranges = Ranges {
        tenant: request.tenant,
        channels: request.channels.clone().filter(|_| readings),
        start_from: request.start_from.filter(|_| readings),
        start_before: request.start_before.filter(|_| readings),
    };
    let all = table.schema();
    let schema = all.project(&request.columns).map_err(|source| Error::Rows { table: table.name(), source })?;
    let plan = Arc::new(Plan {
        table,
        ranges,
        columns: request.columns.clone(),
        schema: Arc::new(schema),
        batch_rows: request.batch_rows.max(1),
        library: rows.library,
        stats: stats.clone(),
        _pin: rows.pin,
    });
    let mut parts = Vec::new();
    for entry in rows.files.iter() {
        if !Wanted::Ranges(&plan.ranges).may_hold(&entry.low, &entry.high) {
            ScanStats::add(&stats.files_pruned, 1);
            continue;
        }
        let touched = |keys: &&Arc<[RowKey]>| Wanted::Keys(keys).may_hold(&entry.low, &entry.high);
        let without = rows.without.iter().filter(touched).cloned().collect();
        let source = Source::Unopened(entry.clone());
        parts.push(Part { plan: plan.clone(), source, without, rows_estimate: entry.rows });
    }
    for (batches, without) in rows.memory {
        let rows_estimate = batches.iter().map(|b| b.num_rows() as u64).sum();
        if rows_estimate > 0 {
            let source = Source::Memory(batches.into(), 0);
            parts.push(Part { plan: plan.clone(), source, without, rows_estimate });
        }
    }
    Ok(parts)
}

impl Part {
    /// Rows in it before any filter.
    pub fn rows_estimate(&self) -> u64 {
        self.rows_estimate
    }

    pub fn schema(&self) -> SchemaRef {
        self.plan.schema.clone()
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            match &mut self.source {
                Source::Done => return Ok(None),
                Source::Unopened(entry) => {
                    let entry = entry.clone();
                    self.source = self.open(&entry)?;
                }
                Source::Open { batches, file, columns, filtered } => {
                    let before = file.bytes_read();
                    let next = batches.next().transpose()?;
                    ScanStats::add(&self.plan.stats.bytes, file.bytes_read() - before);
                    let Some(batch) = next else {
                        self.source = Source::Done;
                        return Ok(None);
                    };
                    let mask = if *filtered { self.plan.mask(&batch, columns, &self.without)? } else { None };
                    if let Some(batch) = self.plan.given_out(&batch, columns, mask)? {
                        return Ok(Some(batch));
                    }
                }
                Source::Memory(batches, from) => {
                    let Some(whole) = batches.front() else {
                        self.source = Source::Done;
                        return Ok(None);
                    };
                    let batch = whole.slice(*from, self.plan.batch_rows.min(whole.num_rows() - *from));
                    *from += batch.num_rows();
                    if *from == whole.num_rows() {
                        batches.pop_front();
                        *from = 0;
                    }
                    let columns: Vec<usize> = (0..batch.num_columns()).collect();
                    let mask = self.plan.mask(&batch, &columns, &self.without)?;
                    if let Some(batch) = self.plan.given_out(&batch, &columns, mask)? {
                        return Ok(Some(batch));
                    }
                }
            }
        }
    }

    fn open(&self, entry: &FileEntry) -> Result<Source> {
        let plan = &self.plan;
        let file = DiskFile::new(&plan.library.shelf, plan.table, entry);
        let footer = plan.library.footers.of(plan.table, &file)?;
        let groups_in_all = footer.metadata().num_row_groups();
        let left = match plan.table.holds_readings() {
            true => left_of(&footer, &Wanted::Ranges(&plan.ranges)),
            false => crate::prune::Left { groups: (0..groups_in_all).collect(), rows: None, pages: 0 },
        };
        ScanStats::add(&plan.stats.files, 1);
        ScanStats::add(&plan.stats.row_groups, left.groups.len() as u64);
        ScanStats::add(&plan.stats.pages, left.pages);
        ScanStats::add(&plan.stats.bytes, file.bytes_read());
        if left.groups.is_empty() {
            return Ok(Source::Done);
        }
        let filtered = !self.without.is_empty() || !plan.ranges.hold_all(&entry.low, &entry.high);
        let mut columns = plan.columns.clone();
        if filtered && plan.table.holds_readings() {
            columns.extend([column::TENANT, column::CHANNEL, column::START, column::SPAN]);
        } else if filtered {
            columns.push(plan.table.tenant_column());
        }
        columns.sort_unstable();
        columns.dedup();
        let want = Want { groups: left.groups, rows: left.rows, columns: &columns, batch_rows: plan.batch_rows };
        let batches = FileBatches::open(file.clone(), footer, want)?;
        Ok(Source::Open { batches, file, columns, filtered })
    }
}

impl Iterator for Part {
    type Item = Result<RecordBatch>;

    /// After an error there is nothing more.
    fn next(&mut self) -> Option<Result<RecordBatch>> {
        let next = self.advance();
        if next.is_err() {
            self.source = Source::Done;
        }
        next.transpose()
    }
}

impl Plan {
    /// Which rows to give out; none is all. `columns` tells what the batch holds.
    fn mask(&self, batch: &RecordBatch, columns: &[usize], without: &[Arc<[RowKey]>]) -> Result<Option<BooleanArray>> {
        let place = |wanted: usize| columns.binary_search(&wanted).expect("was added to the columns read");
        if !self.table.holds_readings() {
            let Some(tenant) = self.ranges.tenant else { return Ok(None) };
            let tenants = batch.column(place(self.table.tenant_column())).as_primitive::<Int32Type>().values();
            return Ok(Some(BooleanBuffer::collect_bool(tenants.len(), |row| tenants[row] == tenant.0).into()));
        }
        let key_columns = [column::TENANT, column::CHANNEL, column::START, column::SPAN].map(place);
        let keys = Keys::of_places(batch, key_columns)?;
        let mut kept = self.ranges.rows(&keys);
        if !without.is_empty() {
            kept = &kept & &outside(&keys, without.iter());
        }
        Ok(Some(BooleanArray::new(kept, None)))
    }

    /// The wanted columns of the wanted rows; none where no row is left.
    fn given_out(&self, batch: &RecordBatch, columns: &[usize], mask: Option<BooleanArray>) -> Result<Option<RecordBatch>> {
        let broken = |source| Error::Rows { table: self.table.name(), source };
        let kept = mask.as_ref().map_or(batch.num_rows(), BooleanArray::true_count);
        if kept == 0 {
            return Ok(None);
        }
        ScanStats::add(&self.stats.rows, kept as u64);
        let place = |wanted: &usize| columns.binary_search(wanted).expect("was among the columns read");
        let chosen = self.columns.iter().map(|wanted| batch.column(place(wanted)).clone()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let projected = RecordBatch::try_new_with_options(self.schema.clone(), chosen, &options).map_err(broken)?;
        match mask {
            Some(mask) if kept < batch.num_rows() && self.columns.is_empty() => {
                let options = RecordBatchOptions::new().with_row_count(Some(mask.true_count()));
                let empty = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options);
                empty.map(Some).map_err(broken)
            }
            Some(mask) if kept < batch.num_rows() => filter_record_batch(&projected, &mask).map(Some).map_err(broken),
            _ => Ok(Some(projected)),
        }
    }
}

impl Ranges {
    /// Which rows lie inside.
    fn rows(&self, keys: &Keys<'_>) -> BooleanBuffer {
        let mut kept = BooleanBuffer::new_set(keys.len());
        if let Some(tenant) = self.tenant {
            kept = &kept & &BooleanBuffer::collect_bool(keys.len(), |row| keys.tenant[row] == tenant.0);
        }
        if self.start_from.is_some() || self.start_before.is_some() {
            let from = self.start_from.map_or(i64::MIN, |at| at.0);
            let before = self.start_before.map_or(i64::MAX, |at| at.0);
            kept = &kept & &BooleanBuffer::collect_bool(keys.len(), |row| (from..before).contains(&keys.start[row]));
        }
        if let Some(channels) = &self.channels {
            // Rows of one channel follow each other: one search a run.
            let mut last = None;
            let of_channel = |row: usize| {
                let channel = keys.channel[row];
                match last {
                    Some((seen, wanted)) if seen == channel => wanted,
                    _ => {
                        let wanted = channels.binary_search(&ChannelId(channel)).is_ok();
                        last = Some((channel, wanted));
                        wanted
                    }
                }
            };
            kept = &kept & &BooleanBuffer::collect_bool(keys.len(), of_channel);
        }
        kept
    }
}
