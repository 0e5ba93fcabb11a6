//! The stored rows of given keys: one merge-join per file that may hold them.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use meter::RowKey;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, RowSelection};

use crate::delta::FileEntry;
use crate::error::Result;
use crate::prune::{Ranges, Wanted, left_of};
use crate::read::{DiskFile, FileBatches, Footers, Want};
use crate::rows::Keys;
use crate::schema::{Table, column};
use crate::write::{PAGE_ROWS_MAX, Shelf};

/// The columns of a key.
const KEY: [usize; 4] = [column::TENANT, column::CHANNEL, column::START, column::SPAN];

/// What reading needs: where the files are, and what is remembered of them.
#[derive(Clone)]
pub(crate) struct Library {
    pub shelf: Shelf,
    pub footers: Arc<Footers>,
}

/// The rows of one file that have one of the keys.
pub(crate) struct OfFile {
    /// Place of the file in the list searched.
    pub file: usize,
    pub batch: RecordBatch,
}

impl Library {
    /// Every row of these files that has one of the keys; `keys` are sorted. Most are asked for
    /// to be sure that they are not there: of a row without one of them only the key is read.
    pub(crate) fn rows_of(&self, table: Table, files: &[FileEntry], keys: &[RowKey]) -> Result<Vec<OfFile>> {
        let mut found = Vec::new();
        if keys.is_empty() {
            return Ok(found);
        }
        let wanted = Wanted::Keys(keys);
        let columns: [usize; column::COUNT] = std::array::from_fn(|place| place);
        for (place, entry) in files.iter().enumerate() {
            if !wanted.may_hold(&entry.low, &entry.high) {
                continue;
            }
            let file = DiskFile::new(&self.shelf, table, entry);
            let footer = self.footers.of(table, &file)?;
            let left = left_of(&footer, &wanted);
            if left.groups.is_empty() {
                continue;
            }
            let near = Want { groups: left.groups, rows: left.rows, columns: &KEY, batch_rows: 2 * PAGE_ROWS_MAX };
            let Some(there) = with_keys(&file, &footer, near.clone(), keys)? else { continue };
            let rows = near.rows.map_or(there.clone(), |rows| rows.and_then(&there));
            let want = Want { rows: Some(rows), columns: &columns, ..near };
            for batch in FileBatches::open(file, footer, want)? {
                found.push(OfFile { file: place, batch: batch? });
            }
        }
        Ok(found)
    }

    /// The key of every row of these files within the ranges.
    pub(crate) fn keys_within(
        &self,
        table: Table,
        files: &[FileEntry],
        ranges: &Ranges,
        take: &mut dyn FnMut(&RowKey),
    ) -> Result<()> {
        let wanted = Wanted::Ranges(ranges);
        for entry in files.iter().filter(|entry| wanted.may_hold(&entry.low, &entry.high)) {
            let file = DiskFile::new(&self.shelf, table, entry);
            let footer = self.footers.of(table, &file)?;
            let left = left_of(&footer, &wanted);
            if left.groups.is_empty() {
                continue;
            }
            let want = Want { groups: left.groups, rows: left.rows, columns: &KEY, batch_rows: 2 * PAGE_ROWS_MAX };
            for batch in FileBatches::open(file, footer, want)? {
                let batch = batch?;
                let keys = Keys::of_places(&batch, [0, 1, 2, 3])?;
                ranges.rows(&keys).set_indices().for_each(|row| take(&keys.at(row)));
            }
        }
        Ok(())
    }
}

/// Which of the rows near the keys have one of them; none if no row has.
fn with_keys(
    file: &DiskFile,
    footer: &ArrowReaderMetadata,
    near: Want<'_>,
    keys: &[RowKey],
) -> Result<Option<RowSelection>> {
    let batches = FileBatches::open(file.clone(), footer.clone(), near)?;
    let there = batches.map(|batch| Ok(among(&Keys::of_places(&batch?, [0, 1, 2, 3])?, keys)));
    let there: Vec<BooleanArray> = there.collect::<Result<_>>()?;
    Ok(there.iter().any(|there| there.true_count() > 0).then(|| RowSelection::from_filters(&there)))
}

/// Which rows have one of the keys. Both are sorted, so both are walked once;
/// a row out of order, which a file of ours has not, is looked up by itself.
pub(crate) fn among(rows: &Keys<'_>, keys: &[RowKey]) -> BooleanArray {
    let mut next = match rows.len() {
        0 => 0,
        _ => keys.partition_point(|k| *k < rows.at(0)),
    };
    let mut last = None;
    let walk = |row| {
        let key = rows.at(row);
        if last.is_some_and(|last| key < last) {
            return keys.binary_search(&key).is_ok();
        }
        last = Some(key);
        while next < keys.len() && keys[next] < key {
            next += 1;
        }
        keys.get(next) == Some(&key)
    };
    BooleanArray::new(BooleanBuffer::collect_bool(rows.len(), walk), None)
}
