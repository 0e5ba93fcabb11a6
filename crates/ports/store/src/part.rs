//! One part of a scan: a file or some batches, filtered row by row.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int32Type, Schema, SchemaRef};
use meter::{ChannelId, RowKey};

use crate::delta::FileEntry;
use crate::error::{Error, Result};
use crate::latest::Latest;
use crate::lookup::Library;
use crate::prune::{Left, Ranges, Wanted, left_of};
use crate::read::{DiskFile, FileBatches, Want};
use crate::rows::Keys;
use crate::scan::ScanStats;
use crate::schema::{Table, column};
use crate::snapshot::Pin;
use crate::standing::outside;
use crate::waiting::Waiting;

/// What every part of a scan shares.
pub(crate) struct Plan {
    pub table: Table,
    pub ranges: Ranges,
    /// Columns to give out, by place.
    pub columns: Vec<usize>,
    pub schema: SchemaRef,
    pub batch_rows: usize,
    pub library: Library,
    pub stats: Arc<ScanStats>,
    /// Keeps the files from being vacuumed.
    pub _pin: Arc<Pin>,
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
    Open {
        batches: FileBatches,
        file: DiskFile,
        columns: Vec<usize>,
        filtered: bool,
    },
    /// Rows to come, columns of those at hand, and the row to go on with in these.
    Memory(VecDeque<Waiting>, Option<RecordBatch>, usize),
    /// And the channel to go on with.
    Latest(Arc<Latest>, ChannelId),
    Done,
}

impl Part {
    /// The wanted rows of a file but those of the keys in `without`.
    pub(crate) fn of_file(plan: &Arc<Plan>, entry: &FileEntry, without: Vec<Arc<[RowKey]>>) -> Part {
        let source = Source::Unopened(entry.clone());
        Part { plan: plan.clone(), source, without, rows_estimate: entry.rows }
    }

    /// The same of rows with all columns.
    pub(crate) fn of_memory(plan: &Arc<Plan>, rows: Vec<Waiting>, without: Vec<Arc<[RowKey]>>) -> Part {
        let rows_estimate = rows.iter().map(|rows| rows.num_rows() as u64).sum();
        Part { plan: plan.clone(), source: Source::Memory(rows.into(), None, 0), without, rows_estimate }
    }

    /// The latest rows of channels.
    pub(crate) fn of_latest(plan: &Arc<Plan>, latest: Arc<Latest>) -> Part {
        let rows_estimate = latest.channel_count() as u64;
        let source = Source::Latest(latest, ChannelId(i64::MIN));
        Part { plan: plan.clone(), source, without: Vec::new(), rows_estimate }
    }

    /// Rows in it before any filter.
    pub fn rows_estimate(&self) -> u64 {
        self.rows_estimate
    }

    /// The columns of its batches, as the request asked for them.
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
                Source::Memory(rows, at_hand, from) => {
                    let Some(whole) = at_hand.as_ref().filter(|whole| *from < whole.num_rows()) else {
                        let Some(next) = rows.pop_front() else {
                            self.source = Source::Done;
                            return Ok(None);
                        };
                        (*at_hand, *from) = (Some(next.columns_within(&self.plan.ranges)), 0);
                        continue;
                    };
                    let batch = whole.slice(*from, self.plan.batch_rows.min(whole.num_rows() - *from));
                    *from += batch.num_rows();
                    if let Some(batch) = self.plan.of_whole(&batch, &self.without)? {
                        return Ok(Some(batch));
                    }
                }
                Source::Latest(latest, from) => {
                    let (batch, next) = latest.batch(&self.plan.ranges, *from, self.plan.batch_rows);
                    match next {
                        Some(next) => *from = next,
                        None => self.source = Source::Done,
                    }
                    if let Some(batch) = self.plan.of_whole(&batch, &self.without)? {
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
            false => Left { groups: (0..groups_in_all).collect(), rows: None, pages: 0 },
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

    /// What is wanted of a batch that has all columns.
    fn of_whole(&self, batch: &RecordBatch, without: &[Arc<[RowKey]>]) -> Result<Option<RecordBatch>> {
        let columns: Vec<usize> = (0..batch.num_columns()).collect();
        let mask = self.mask(batch, &columns, without)?;
        self.given_out(batch, &columns, mask)
    }

    /// The wanted columns of the wanted rows; none where no row is left.
    fn given_out(
        &self,
        batch: &RecordBatch,
        columns: &[usize],
        mask: Option<BooleanArray>,
    ) -> Result<Option<RecordBatch>> {
        let broken = |cause| Error::Rows { table: self.table.name(), cause };
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
