//! One Parquet file, read from the disk in the ranges that are needed.
//!
//! Footers and page indexes are kept: a file's bytes never change, so neither
//! do they.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Result as IoResult};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use bytes::Bytes;
use host::Disk;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::reader::{ChunkReader, Length};

use crate::delta::FileEntry;
use crate::error::{Error, Result};
use crate::schema::Table;
use crate::write::Shelf;

/// A file of 4 M rows has about 100 KiB of footer and page index in memory: 64 MiB
/// keep those of 2.5 billion rows.
pub const FOOTERS_BYTES_MAX: usize = 64 << 20;
/// How much one sequential read takes at a time.
const READ_BYTES: usize = 64 << 10;

/// A file as the Parquet reader wants it.
#[derive(Clone)]
pub(crate) struct DiskFile {
    disk: Arc<dyn Disk>,
    path: Arc<str>,
    size: u64,
    bytes_read: Arc<AtomicU64>,
}

impl DiskFile {
    pub(crate) fn new(shelf: &Shelf, table: Table, entry: &FileEntry) -> DiskFile {
        let path = shelf.path(table, &entry.path).into();
        DiskFile { disk: shelf.disk.clone(), path, size: entry.size, bytes_read: Arc::default() }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Bytes asked of the disk through this file and its clones.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    fn read(&self, offset: u64, length: usize) -> IoResult<Vec<u8>> {
        let bytes = self.disk.read(&self.path, offset, length)?;
        self.bytes_read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

impl Length for DiskFile {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for DiskFile {
    type T = DiskReader;

    fn get_read(&self, start: u64) -> ParquetResult<DiskReader> {
        Ok(DiskReader { file: self.clone(), next: start, buffer: Vec::new(), used: 0 })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let bytes = self.read(start, length)?;
        if bytes.len() < length {
            let found = bytes.len();
            return Err(ParquetError::EOF(format!("{length} bytes at {start} asked for, the file has {found}")));
        }
        Ok(bytes.into())
    }
}

/// Reads on from one place.
pub(crate) struct DiskReader {
    file: DiskFile,
    next: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl Read for DiskReader {
    fn read(&mut self, into: &mut [u8]) -> IoResult<usize> {
        if self.used == self.buffer.len() {
            self.buffer = self.file.read(self.next, READ_BYTES)?;
            self.next += self.buffer.len() as u64;
            self.used = 0;
        }
        let count = into.len().min(self.buffer.len() - self.used);
        into[..count].copy_from_slice(&self.buffer[self.used..self.used + count]);
        self.used += count;
        Ok(count)
    }
}

/// Footers and page indexes lately used, by path, up to so many bytes.
pub(crate) struct Footers {
    kept: Mutex<Kept>,
}

struct Kept {
    bytes_max: usize,
    by_path: HashMap<Arc<str>, Footer>,
    /// Moment of last use to path: the first is the one to drop.
    by_use: BTreeMap<u64, Arc<str>>,
    used_bytes: usize,
    moment: u64,
}

struct Footer {
    metadata: ArrowReaderMetadata,
    size_bytes: usize,
    last_use: u64,
}

impl Footers {
    pub(crate) fn new(bytes_max: usize) -> Footers {
        let (by_path, by_use) = (HashMap::new(), BTreeMap::new());
        Footers { kept: Mutex::new(Kept { bytes_max, by_path, by_use, used_bytes: 0, moment: 0 }) }
    }

    /// The footer of a file, from memory or from its end.
    pub(crate) fn of(&self, table: Table, file: &DiskFile) -> Result<ArrowReaderMetadata> {
        if let Some(metadata) = self.kept.lock().expect("no holder panics").used(&file.path) {
            return Ok(metadata);
        }
        let options =
            ArrowReaderOptions::new().with_schema(table.schema()).with_page_index_policy(PageIndexPolicy::Required);
        let metadata = ArrowReaderMetadata::load(file, options).map_err(Error::parquet(&file.path))?;
        self.kept.lock().expect("no holder panics").keep(&file.path, &metadata);
        Ok(metadata)
    }

    #[cfg(test)]
    pub(crate) fn used_bytes(&self) -> usize {
        self.kept.lock().expect("no holder panics").used_bytes
    }
}

impl Kept {
    fn used(&mut self, path: &Arc<str>) -> Option<ArrowReaderMetadata> {
        let footer = self.by_path.get_mut(path)?;
        self.moment += 1;
        self.by_use.remove(&footer.last_use);
        footer.last_use = self.moment;
        self.by_use.insert(self.moment, path.clone());
        Some(footer.metadata.clone())
    }

    fn keep(&mut self, path: &Arc<str>, metadata: &ArrowReaderMetadata) {
        let size_bytes = metadata.metadata().memory_size();
        if size_bytes > self.bytes_max || self.by_path.contains_key(path) {
            return;
        }
        self.moment += 1;
        self.used_bytes += size_bytes;
        self.by_use.insert(self.moment, path.clone());
        let footer = Footer { metadata: metadata.clone(), size_bytes, last_use: self.moment };
        self.by_path.insert(path.clone(), footer);
        while self.used_bytes > self.bytes_max {
            let Some((_, oldest)) = self.by_use.pop_first() else { return };
            if let Some(dropped) = self.by_path.remove(&oldest) {
                self.used_bytes -= dropped.size_bytes;
            }
        }
    }
}

/// What of a file to read.
#[derive(Clone)]
pub(crate) struct Want<'a> {
    /// Row groups by number.
    pub groups: Vec<usize>,
    /// Rows of these groups; none is all.
    pub rows: Option<RowSelection>,
    /// Columns by place, ascending.
    pub columns: &'a [usize],
    pub batch_rows: usize,
}

/// The batches of a part of a file.
pub(crate) struct FileBatches {
    file: DiskFile,
    reader: ParquetRecordBatchReader,
}

impl FileBatches {
    pub(crate) fn open(file: DiskFile, footer: ArrowReaderMetadata, want: Want<'_>) -> Result<FileBatches> {
        let columns = ProjectionMask::roots(footer.parquet_schema(), want.columns.iter().copied());
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), footer)
            .with_row_groups(want.groups)
            .with_projection(columns)
            .with_batch_size(want.batch_rows);
        if let Some(rows) = want.rows {
            builder = builder.with_row_selection(rows);
        }
        let reader = builder.build().map_err(Error::parquet(&file.path))?;
        Ok(FileBatches { file, reader })
    }

    /// The whole file, all columns.
    pub(crate) fn all(
        shelf: &Shelf,
        footers: &Footers,
        table: Table,
        entry: &FileEntry,
        batch_rows: usize,
    ) -> Result<FileBatches> {
        let file = DiskFile::new(shelf, table, entry);
        let footer = footers.of(table, &file)?;
        let columns: Vec<usize> = (0..table.schema().fields().len()).collect();
        let groups = (0..footer.metadata().num_row_groups()).collect();
        FileBatches::open(file, footer, Want { groups, rows: None, columns: &columns, batch_rows })
    }
}

impl Iterator for FileBatches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Result<RecordBatch>> {
        let batch = self.reader.next()?;
        Some(batch.map_err(|error| Error::damaged(self.file.path(), error.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Position;
    use crate::rows::rows_to_batch;
    use host::SimDisk;
    use meter::Words;

    #[test]
    fn footers_are_forgotten_before_they_are_too_many() {
        let disk = SimDisk::new(1);
        let shelf = Shelf { disk: Arc::new(disk.clone()), root: "lake".into() };
        let footers = Footers::new(20_000);
        let mut reads = Vec::new();
        for round in 0..2 {
            for number in 0..40 {
                let mut row = crate::tests::any_row();
                row.key.channel.0 = number;
                let rows = vec![rows_to_batch(&[row], &Words::new()).into()];
                let entries =
                    shelf.write(Table::Overlay, rows, &format!("part-{number}"), Position::START).expect("room enough");
                let file = DiskFile::new(&shelf, Table::Overlay, &entries[0]);
                footers.of(Table::Overlay, &file).expect("readable");
                let (after_first, _) = (file.bytes_read(), footers.of(Table::Overlay, &file).expect("readable"));
                assert_eq!(file.bytes_read(), after_first, "the second time costs no read");
                assert!(footers.used_bytes() <= 20_000);
                reads.push((round, after_first > 0));
            }
        }
        assert!(reads.contains(&(1, true)), "the first of the first round are gone");
        assert!(footers.used_bytes() > 0);
    }
}
