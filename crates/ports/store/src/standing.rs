//! Corrections applied: what stands and what is earlier, for the keys that have
//! versions in the overlay or in the tail.
//!
//! Promise: for these keys, `winners` and `losers` together are every version
//! stored anywhere, each once; for every other key the base row stands and the
//! history is as it lies. So a table is: its files without these keys, plus the
//! rows held here.
//!
//! The overlay is kept small by folds, so its keys are held in memory. They lie
//! in layers, newest on top: a commit to the overlay adds a layer for its own
//! keys and leaves the others as they are.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::BooleanBuffer;
use arrow::compute::{concat_batches, filter_record_batch};
use meter::RowKey;

use crate::delta::FileEntry;
use crate::error::{Error, Result};
use crate::lookup::{Library, among};
use crate::read::FileBatches;
use crate::rows::Keys;
use crate::schema::Table;
use crate::versions::{Found, Origin, gather, settle};
use crate::waiting::Waiting;
use crate::write::sorted_by_key;

/// More layers are made one: a scan asks each of them about every batch.
const LAYERS_MAX: usize = 8;
const BATCH_ROWS: usize = 1 << 16;

/// The settled versions of some keys.
pub(crate) struct Layer {
    /// Sorted, each once.
    pub keys: Arc<[RowKey]>,
    /// One row per key, sorted by key.
    pub winners: RecordBatch,
    pub losers: RecordBatch,
}

/// Rows of readings wherever they are: in files and in the tail.
pub(crate) struct Sources<'a> {
    pub library: &'a Library,
    pub readings: &'a [FileEntry],
    pub overlay: &'a [FileEntry],
    pub history: &'a [FileEntry],
    pub tail_readings: &'a [Waiting],
    pub tail_overlay: &'a [RecordBatch],
}

/// The layers over the files of a snapshot, and the one over its tail.
#[derive(Clone, Default)]
pub(crate) struct Standing {
    over_files: Vec<Arc<Layer>>,
    over_tail: Option<Arc<Layer>>,
    /// Overlay files that the layers know.
    known: Arc<HashSet<String>>,
    history_version: i64,
}

impl Standing {
    /// Top layer last.
    pub(crate) fn layers(&self) -> impl DoubleEndedIterator<Item = &Arc<Layer>> + Clone {
        self.over_files.iter().chain(&self.over_tail)
    }

    /// What stands over these sources; `earlier` is that of an earlier snapshot.
    pub(crate) fn over(sources: &Sources<'_>, history_version: i64, earlier: Option<&Standing>) -> Result<Standing> {
        let goes_on = |e: &&Standing| {
            let still_there = sources.overlay.iter().filter(|f| e.known.contains(&f.path)).count();
            e.history_version == history_version && still_there == e.known.len()
        };
        let (mut over_files, known) = match earlier.filter(goes_on) {
            Some(earlier) => (earlier.over_files.clone(), earlier.known.clone()),
            None => Default::default(),
        };
        let new: Vec<&FileEntry> = sources.overlay.iter().filter(|f| !known.contains(&f.path)).collect();
        let mut standing = Standing { over_files: Vec::new(), over_tail: None, known, history_version };
        if !new.is_empty() {
            let mut rows = Vec::new();
            for entry in new {
                let file = &sources.library;
                for batch in FileBatches::all(&file.shelf, &file.footers, Table::Overlay, entry, BATCH_ROWS)? {
                    rows.push(batch?);
                }
            }
            // A base row may still be in the tail while its correction is in a file already: both are asked.
            let committed = Sources { tail_overlay: &[], ..*sources };
            over_files.push(Arc::new(Layer::of(keys_of(&rows)?, &committed)?));
            standing.known = Arc::new(sources.overlay.iter().map(|f| f.path.clone()).collect());
        }
        if over_files.len() > LAYERS_MAX {
            over_files = vec![Arc::new(flattened(&over_files)?)];
        }
        standing.over_files = over_files;
        if sources.tail_overlay.iter().any(|b| b.num_rows() > 0) {
            standing.over_tail = Some(Arc::new(Layer::of(keys_of(sources.tail_overlay)?, sources)?));
        }
        Ok(standing)
    }
}

impl Layer {
    /// Every version of these keys, settled.
    fn of(keys: Vec<RowKey>, sources: &Sources<'_>) -> Result<Layer> {
        let found = found(&keys, sources)?;
        let settled = settle(&found)?;
        let winners: Vec<_> = settled.iter().map(|s| s.winner).collect();
        let losers: Vec<_> = settled.iter().flat_map(|s| s.losers.iter().copied()).collect();
        Ok(Layer { keys: keys.into(), winners: gather(&found, &winners)?, losers: gather(&found, &losers)? })
    }
}

/// Every stored row of these keys.
pub(crate) fn found(keys: &[RowKey], sources: &Sources<'_>) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let tables = [
        (Table::Readings, Origin::Base, sources.readings),
        (Table::Overlay, Origin::Overlay, sources.overlay),
        (Table::History, Origin::History, sources.history),
    ];
    for (table, origin, files) in tables {
        let rows = sources.library.rows_of(table, files, keys)?;
        found.extend(rows.into_iter().map(|of_file| Found { origin, batch: of_file.batch }));
    }
    for waiting in sources.tail_readings {
        found.push(Found { origin: Origin::Base, batch: waiting.of_keys(keys)? });
    }
    for batch in sources.tail_overlay {
        let batch = filter_record_batch(batch, &among(&Keys::of(batch)?, keys)).map_err(broken)?;
        found.push(Found { origin: Origin::Overlay, batch });
    }
    found.retain(|found| found.batch.num_rows() > 0);
    Ok(found)
}

/// The keys of some rows, sorted, each once.
pub(crate) fn keys_of(batches: &[RecordBatch]) -> Result<Vec<RowKey>> {
    let mut all = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for batch in batches {
        let keys = Keys::of(batch)?;
        all.extend((0..keys.len()).map(|row| keys.at(row)));
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// Which rows have none of the keys of these layers.
pub(crate) fn outside<'a>(rows: &Keys<'_>, layers: impl Iterator<Item = &'a Arc<[RowKey]>>) -> BooleanBuffer {
    let mut kept = BooleanBuffer::new_set(rows.len());
    for keys in layers {
        kept = &kept & &!among(rows, keys).values();
    }
    kept
}

fn flattened(layers: &[Arc<Layer>]) -> Result<Layer> {
    let (mut winners, mut losers, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for (place, layer) in layers.iter().enumerate() {
        let above: Vec<Arc<[RowKey]>> = layers[place + 1..].iter().map(|l| l.keys.clone()).collect();
        let left = |batch: &RecordBatch| {
            let mask = outside(&Keys::of(batch)?, above.iter()).into();
            filter_record_batch(batch, &mask).map_err(broken)
        };
        winners.push(left(&layer.winners)?);
        losers.push(left(&layer.losers)?);
        all.extend_from_slice(&layer.keys);
    }
    all.sort_unstable();
    all.dedup();
    Ok(Layer {
        keys: all.into(),
        winners: sorted_by_key(Table::Readings, &winners)?,
        losers: concat_batches(&Table::History.schema(), &losers).map_err(broken)?,
    })
}

fn broken(cause: arrow::error::ArrowError) -> Error {
    Error::Rows { table: "overlay", cause }
}
