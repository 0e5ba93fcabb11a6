//! Compaction: many small files of a partition become one long sorted run.
//!
//! Promise: the same rows lie in fewer files; one commit exchanges them, marked
//! as no change of data, and only while every old file is still in the table.
//! Memory is bounded by a batch of each file, however long they are.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use meter::RowKey;

use crate::delta::{Change, FileEntry};
use crate::error::{Error, Result};
use crate::lake::{Lake, blocking};
use crate::lookup::Library;
use crate::read::FileBatches;
use crate::rows::Keys;
use crate::schema::Table;
use crate::write::FileWriter;

/// When a compaction is worth it, and how much it takes on.
#[derive(Clone, Copy, Debug)]
pub struct CompactLimits {
    /// Files of like size in a partition before they are merged: each row is
    /// rewritten once for every such factor of growth.
    pub files_min: usize,
    /// Open at a time: each holds two batches and a footer.
    pub files_max: usize,
    /// A run this long stays as it is.
    pub rows_max: u64,
}

impl Default for CompactLimits {
    fn default() -> CompactLimits {
        CompactLimits { files_min: 8, files_max: 64, rows_max: 1 << 23 }
    }
}

/// Files below this many rows count as equally small.
const SMALL_ROWS: u64 = 1 << 14;
/// Rows of each file in memory at a time.
const BATCH_ROWS: usize = 8_192;
/// Rows gathered before they are written on.
const OUTPUT_ROWS: usize = 1 << 16;

/// What a compaction did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactReport {
    /// None if nothing was worth it.
    pub table: Option<Table>,
    /// Small files that were merged.
    pub files_before: u64,
    /// In them, and in what they became.
    pub rows: u64,
    /// Size of those files together.
    pub bytes_before: u64,
    /// Size of what they became.
    pub bytes_after: u64,
}

/// A merge to be written, on any thread.
pub struct CompactJob {
    library: Library,
    table: Table,
    files: Vec<FileEntry>,
    name: String,
    at_work: Arc<()>,
    give_up: Arc<AtomicBool>,
}

/// A written merge, to be committed by [`Lake::finish_compaction`].
pub struct CompactWork {
    table: Table,
    files: Vec<FileEntry>,
    run: FileEntry,
    _at_work: Arc<()>,
}

impl Lake {
    /// Does the most useful merge there is; call again until the report is empty.
    pub async fn compact(&mut self, limits: CompactLimits) -> Result<CompactReport> {
        let Some(job) = self.compact_job(limits) else { return Ok(CompactReport::default()) };
        let work = blocking(move || job.run()).await?;
        self.finish_compaction(work).await
    }

    /// The most useful merge there is. Appends may go on until it is finished,
    /// other maintenance may not.
    pub fn compact_job(&self, limits: CompactLimits) -> Option<CompactJob> {
        // The overlay is emptied by folds.
        let tables = Table::ALL.into_iter().filter(|table| *table != Table::Overlay);
        let choices = tables.filter_map(|table| Some((table, chosen(&self.files(table), limits)?)));
        let (table, files) = choices.max_by_key(|(_, files)| files.len())?;
        Some(CompactJob {
            library: self.library.clone(),
            table,
            files,
            name: format!("run-{:010}", self.version(table)),
            at_work: self.at_work.clone(),
            give_up: self.give_up.clone(),
        })
    }

    /// Commits a merge; `Conflict` if one of its files is gone.
    pub async fn finish_compaction(&mut self, work: CompactWork) -> Result<CompactReport> {
        let report = CompactReport {
            table: Some(work.table),
            files_before: work.files.len() as u64,
            rows: work.run.rows,
            bytes_before: work.files.iter().map(|f| f.size).sum(),
            bytes_after: work.run.size,
        };
        let (adds, removes) = (vec![work.run], work.files);
        let change = Change { adds, removes, txns: Vec::new(), operation: "optimize", data_change: false };
        self.table_mut(work.table).commit(change).await?;
        self.publish_again();
        Ok(report)
    }
}

/// The largest heap of files of like size in one partition.
fn chosen(files: &[FileEntry], limits: CompactLimits) -> Option<Vec<FileEntry>> {
    let mut heaps: BTreeMap<(&str, i32, u32), Vec<&FileEntry>> = BTreeMap::new();
    for file in files.iter().filter(|f| f.rows < limits.rows_max) {
        // Powers of 8: what a merge of eight makes is the next size.
        let size = file.rows.max(SMALL_ROWS).ilog2() / 3;
        heaps.entry((&file.group, file.month, size)).or_default().push(file);
    }
    let heap = heaps.into_values().filter(|heap| heap.len() >= limits.files_min.max(2)).max_by_key(Vec::len)?;
    let mut rows = 0;
    let fits = |file: &&&FileEntry| {
        rows += file.rows;
        rows <= limits.rows_max
    };
    let taken: Vec<FileEntry> = heap.iter().take(limits.files_max).take_while(fits).map(|f| (*f).clone()).collect();
    (taken.len() >= 2).then_some(taken)
}

impl CompactJob {
    /// Writes the run. Blocking.
    pub fn run(self) -> Result<CompactWork> {
        let month = self.files[0].month;
        let mut run = FileWriter::create(&self.library.shelf, self.table, month)?;
        let mut readers = Vec::with_capacity(self.files.len());
        for entry in &self.files {
            let library = &self.library;
            readers.push(FileBatches::all(&library.shelf, &library.footers, self.table, entry, BATCH_ROWS)?);
        }
        if self.table.holds_readings() {
            merge(readers, &mut run, &self.give_up)?;
        } else {
            for batch in readers.into_iter().flatten() {
                not_given_up(&self.give_up)?;
                run.write(&batch?)?;
            }
        }
        let expected: u64 = self.files.iter().map(|f| f.rows).sum();
        if run.rows() != expected {
            let what = format!("{} files hold {} rows, their entries say {expected}", self.files.len(), run.rows());
            return Err(Error::damaged(&self.library.shelf.dir(self.table), what));
        }
        let through = self.files.iter().map(|f| f.through).max().unwrap_or_default();
        let run = run.finish(&self.name, through)?;
        Ok(CompactWork { table: self.table, files: self.files, run, _at_work: self.at_work })
    }
}

fn not_given_up(give_up: &AtomicBool) -> Result<()> {
    if give_up.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
}

/// One sorted file on its way through a merge.
struct Cursor {
    reader: FileBatches,
    /// Place of its batch among those that the output refers to.
    batch: usize,
    row: usize,
}

/// Merges sorted files: the least key first, of equal keys the earlier file's.
fn merge(readers: Vec<FileBatches>, run: &mut FileWriter, give_up: &AtomicBool) -> Result<()> {
    let mut output = Output { batches: Vec::new(), places: Vec::new() };
    let mut cursors: Vec<Cursor> = Vec::with_capacity(readers.len());
    let mut heap: BinaryHeap<Reverse<(RowKey, usize)>> = BinaryHeap::new();
    for (number, reader) in readers.into_iter().enumerate() {
        cursors.push(Cursor { reader, batch: 0, row: 0 });
        if output.next_batch(&mut cursors[number])? {
            heap.push(Reverse((output.key(&cursors[number])?, number)));
        }
    }
    while let Some(Reverse((_, number))) = heap.pop() {
        let limit = heap.peek().map(|Reverse(next)| *next);
        let cursor = &mut cursors[number];
        let left = output.take_while(cursor, |key| limit.is_none_or(|limit| (key, number) < limit))?;
        if left || output.next_batch(cursor)? {
            heap.push(Reverse((output.key(cursor)?, number)));
        }
        if output.places.len() >= OUTPUT_ROWS {
            not_given_up(give_up)?;
            output.flush(&mut cursors, run)?;
        }
    }
    output.flush(&mut cursors, run)
}

/// Rows that are merged but not written, as places in the batches they are in.
struct Output {
    batches: Vec<RecordBatch>,
    places: Vec<(usize, usize)>,
}

impl Output {
    /// Loads the cursor's next batch; false at its end.
    fn next_batch(&mut self, cursor: &mut Cursor) -> Result<bool> {
        loop {
            let Some(batch) = cursor.reader.next().transpose()? else { return Ok(false) };
            if batch.num_rows() > 0 {
                (cursor.batch, cursor.row) = (self.batches.len(), 0);
                self.batches.push(batch);
                return Ok(true);
            }
        }
    }

    fn key(&self, cursor: &Cursor) -> Result<RowKey> {
        Ok(Keys::of(&self.batches[cursor.batch])?.at(cursor.row))
    }

    /// Takes rows from the cursor while they go before the others, at least one;
    /// true if its batch has more.
    fn take_while(&mut self, cursor: &mut Cursor, goes_before: impl Fn(RowKey) -> bool) -> Result<bool> {
        let keys = Keys::of(&self.batches[cursor.batch])?;
        let mut end = cursor.row + 1;
        while end < keys.len() && goes_before(keys.at(end)) {
            end += 1;
        }
        let more = end < keys.len();
        self.places.extend((cursor.row..end).map(|row| (cursor.batch, row)));
        cursor.row = end;
        Ok(more)
    }

    /// Writes what is merged and keeps only the batches still being read.
    fn flush(&mut self, cursors: &mut [Cursor], run: &mut FileWriter) -> Result<()> {
        if !self.places.is_empty() {
            let batches: Vec<&RecordBatch> = self.batches.iter().collect();
            let rows = interleave_record_batch(&batches, &self.places);
            run.write(&rows.map_err(|cause| Error::Rows { table: "readings", cause })?)?;
            self.places.clear();
        }
        let mut kept = Vec::with_capacity(cursors.len());
        for cursor in cursors {
            if let Some(batch) = self.batches.get(cursor.batch).filter(|batch| cursor.row < batch.num_rows()) {
                kept.push(batch.clone());
                cursor.batch = kept.len() - 1;
            } else {
                // At its end: whatever it points at is past its last row.
                (cursor.batch, cursor.row) = (usize::MAX, 0);
            }
        }
        self.batches = kept;
        Ok(())
    }
}
