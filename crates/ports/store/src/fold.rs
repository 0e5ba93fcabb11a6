//! Folding: what corrections won goes into `readings`, what lost into
//! `readings_history`, and the overlay is empty again (D8).
//!
//! Promise: a fold changes where rows lie, never what any snapshot says. It is
//! named by the overlay's version F and done in three commits: history, readings,
//! overlay. A crash between them leaves rows twice, never too few, and every
//! reader settles them (`versions.rs`); the next open does the rest, computed
//! again from the overlay as of F, skipping the commits whose `txn` has F.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::compute::{filter_record_batch, interleave_record_batch, not};
use meter::RowKey;

use crate::delta::{Change, FileEntry};
use crate::error::{Error, Result};
use crate::lake::{Lake, blocking};
use crate::lookup::{Library, among};
use crate::position::Position;
use crate::read::FileBatches;
use crate::rows::Keys;
use crate::schema::Table;
use crate::standing::keys_of;
use crate::versions::{At, Found, Origin, Settled, gather, settle};
use crate::write::FileWriter;

/// Rows of a rewritten file in memory at a time.
const BATCH_ROWS: usize = 1 << 16;

/// Planted mistakes that the trials must notice. None outside of them.
#[derive(Clone, Copy, Debug, Default)]
#[doc(hidden)]
pub struct Faults {
    /// A fold empties the overlay before what it held is in history and readings.
    pub overlay_cleared_first: bool,
}

/// What a fold did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoldReport {
    /// Version of the overlay that was folded; none if there was nothing to do.
    pub overlay_version: Option<i64>,
    /// Rows of the overlay.
    pub corrections: u64,
    /// Keys whose standing version changed in the base.
    pub changed: u64,
    /// Versions new in the history.
    pub earlier: u64,
    /// Files of the base and the history that were written anew.
    pub files_rewritten: u64,
}

/// A fold to be computed, on any thread; nothing is committed by it.
pub struct FoldJob {
    library: Library,
    overlay_version: i64,
    overlay: Vec<FileEntry>,
    readings: Arc<[FileEntry]>,
    history: Arc<[FileEntry]>,
    at_work: Arc<()>,
    give_up: Arc<AtomicBool>,
}

/// A fold whose files are written, to be committed by [`Lake::finish_fold`].
pub struct FoldWork {
    overlay: Vec<FileEntry>,
    readings: Exchange,
    history: Exchange,
    report: FoldReport,
    overlay_version: i64,
    _at_work: Arc<()>,
}

#[derive(Default)]
struct Exchange {
    adds: Vec<FileEntry>,
    removes: Vec<FileEntry>,
}

impl Lake {
    /// Folds all corrections that are committed now.
    pub async fn fold(&mut self) -> Result<FoldReport> {
        self.finish_interrupted_fold().await?;
        let Some(job) = self.fold_job() else { return Ok(FoldReport::default()) };
        let work = blocking(move || job.run()).await?;
        self.finish_fold(work).await
    }

    /// The fold of what is committed now; none if the overlay is empty. Appends
    /// may go on until it is finished, other maintenance may not.
    pub fn fold_job(&self) -> Option<FoldJob> {
        let overlay = self.files(Table::Overlay).to_vec();
        (!overlay.is_empty()).then(|| self.job_of(self.version(Table::Overlay), overlay))
    }

    fn job_of(&self, overlay_version: i64, overlay: Vec<FileEntry>) -> FoldJob {
        FoldJob {
            library: self.library.clone(),
            overlay_version,
            overlay,
            readings: self.files(Table::Readings),
            history: self.files(Table::History),
            at_work: self.at_work.clone(),
            give_up: self.give_up.clone(),
        }
    }

    /// Commits a fold. Tried again after an error it goes on where it was.
    pub async fn finish_fold(&mut self, work: FoldWork) -> Result<FoldReport> {
        let version = work.overlay_version;
        let emptied = Exchange { adds: Vec::new(), removes: work.overlay };
        let mut steps =
            vec![(Table::History, work.history), (Table::Readings, work.readings), (Table::Overlay, emptied)];
        if self.faults.overlay_cleared_first {
            steps.rotate_right(1);
        }
        for (table, exchange) in steps {
            let txns = vec![(self.fold_app.clone(), version)];
            let Exchange { adds, removes } = exchange;
            let change = Change { adds, removes, txns, operation: "fold", data_change: true };
            self.table_mut(table).commit(change).await?;
        }
        self.publish_again();
        Ok(work.report)
    }

    /// A fold that stopped between its commits goes on to its end.
    pub(crate) async fn finish_interrupted_fold(&mut self) -> Result<()> {
        let app = self.fold_app.clone();
        let begun = self.table_mut(Table::History).txn(&app).await?;
        let ended = self.table_mut(Table::Overlay).txn(&app).await?;
        let Some(version) = begun.filter(|begun| ended.is_none_or(|ended| ended < *begun)) else { return Ok(()) };
        let overlay = self.table(Table::Overlay).files_at(version).await?;
        let job = self.job_of(version, overlay);
        let work = blocking(move || job.run()).await?;
        self.finish_fold(work).await?;
        Ok(())
    }
}

/// The rows of all keys of the overlay, and in which file each batch lies.
struct Gathered {
    found: Vec<Found>,
    files: Vec<usize>,
}

impl FoldJob {
    /// Writes the files. Blocking.
    pub fn run(self) -> Result<FoldWork> {
        let corrections = self.overlay.iter().map(|f| f.rows).sum();
        let gathered = self.gather_all()?;
        let settled = settle(&gathered.found)?;
        let name = format!("fold-{:010}", self.overlay_version);
        let mut report =
            FoldReport { overlay_version: Some(self.overlay_version), corrections, ..FoldReport::default() };
        let history = self.history(&gathered, &settled, &name, &mut report)?;
        let readings = self.readings(&gathered, &settled, &name, &mut report)?;
        Ok(FoldWork {
            overlay: self.overlay,
            readings,
            history,
            report,
            overlay_version: self.overlay_version,
            _at_work: self.at_work,
        })
    }

    fn gather_all(&self) -> Result<Gathered> {
        let mut corrections = Vec::new();
        for entry in &self.overlay {
            let file = &self.library;
            for batch in FileBatches::all(&file.shelf, &file.footers, Table::Overlay, entry, BATCH_ROWS)? {
                corrections.push(batch?);
            }
        }
        let keys = keys_of(&corrections)?;
        let mut gathered = Gathered { found: Vec::new(), files: Vec::new() };
        for batch in corrections {
            gathered.found.push(Found { origin: Origin::Overlay, batch });
            gathered.files.push(usize::MAX);
        }
        let stored =
            [(Table::Readings, Origin::Base, &self.readings), (Table::History, Origin::History, &self.history)];
        for (table, origin, files) in stored {
            for of_file in self.library.rows_of(table, files, &keys)? {
                gathered.found.push(Found { origin, batch: of_file.batch });
                gathered.files.push(of_file.file);
            }
        }
        Ok(gathered)
    }

    /// Every loser into the history, once. Where the history holds a row that is
    /// no earlier version any more (the same was issued again and stands now, or
    /// was issued again later), all rows of its key are written anew.
    fn history(
        &self,
        gathered: &Gathered,
        settled: &[Settled],
        name: &str,
        report: &mut FoldReport,
    ) -> Result<Exchange> {
        let origin = |at: &At| gathered.found[at.batch as usize].origin;
        let mut kept: HashSet<At> = HashSet::new();
        settled.iter().for_each(|s| kept.extend(s.losers.iter().filter(|at| origin(at) == Origin::History)));
        let mut stale: BTreeMap<usize, Vec<RowKey>> = BTreeMap::new();
        let mut anew: Vec<RowKey> = Vec::new();
        for (batch, (part, file)) in (0_u32..).zip(gathered.found.iter().zip(&gathered.files)) {
            if part.origin != Origin::History {
                continue;
            }
            let keys = Keys::of(&part.batch)?;
            let gone = (0_u32..).zip(0..keys.len()).filter(|(row, _)| !kept.contains(&At { batch, row: *row }));
            let gone: Vec<RowKey> = gone.map(|(_, row)| keys.at(row)).collect();
            anew.extend(&gone);
            if !gone.is_empty() {
                stale.entry(*file).or_default();
            }
        }
        anew.sort_unstable();
        anew.dedup();
        // A key written anew leaves every file it is in.
        for (part, file) in gathered.found.iter().zip(&gathered.files) {
            if part.origin == Origin::History && among(&Keys::of(&part.batch)?, &anew).true_count() > 0 {
                stale.entry(*file).or_default();
            }
        }
        let mut losers: Vec<At> = Vec::new();
        for one in settled {
            let all = anew.binary_search(&one.key).is_ok();
            losers.extend(one.losers.iter().filter(|at| all || origin(at) != Origin::History));
        }
        report.earlier = losers.iter().filter(|at| origin(at) != Origin::History).count() as u64;
        let rows = gather(&gathered.found, &losers)?;
        let mut exchange = Exchange {
            adds: self.library.shelf.write(Table::History, vec![rows.into()], name, self.through())?,
            removes: Vec::new(),
        };
        for file in stale.into_keys() {
            let old = &self.history[file];
            let rewrite = |batch: RecordBatch| {
                let rest = not(&among(&Keys::of(&batch)?, &anew)).map_err(broken)?;
                filter_record_batch(&batch, &rest).map_err(broken)
            };
            exchange.adds.extend(self.rewritten(Table::History, old, name, rewrite)?);
            exchange.removes.push(old.clone());
            report.files_rewritten += 1;
        }
        Ok(exchange)
    }

    /// Winners into the places of the base rows they replace.
    fn readings(
        &self,
        gathered: &Gathered,
        settled: &[Settled],
        name: &str,
        report: &mut FoldReport,
    ) -> Result<Exchange> {
        let origin = |at: &At| gathered.found[at.batch as usize].origin;
        let changed: Vec<&Settled> = settled.iter().filter(|s| origin(&s.winner) != Origin::Base).collect();
        report.changed = changed.len() as u64;
        let keys: Vec<RowKey> = changed.iter().map(|s| s.key).collect();
        let winners = gather(&gathered.found, &changed.iter().map(|s| s.winner).collect::<Vec<_>>())?;
        let (mut files, mut based) = (Vec::new(), Vec::new());
        for (part, file) in gathered.found.iter().zip(&gathered.files) {
            if part.origin == Origin::Base {
                let of_part = Keys::of(&part.batch)?;
                let here = (0..of_part.len()).map(|row| of_part.at(row)).filter(|key| keys.binary_search(key).is_ok());
                let before = based.len();
                based.extend(here);
                files.extend((based.len() > before).then_some(*file));
            }
        }
        files.sort_unstable();
        files.dedup();
        based.sort_unstable();
        // The base has a row of every key, so this is empty; were it not, no row may get lost.
        let missing = not(&among(&Keys::of(&winners)?, &based)).map_err(broken)?;
        let missing = filter_record_batch(&winners, &missing).map_err(broken)?;
        let mut exchange = Exchange {
            adds: self.library.shelf.write(Table::Readings, vec![missing.into()], name, self.through())?,
            removes: Vec::new(),
        };
        for file in files {
            let old = &self.readings[file];
            let rewrite = |batch: RecordBatch| replaced(&batch, &keys, &winners);
            exchange.adds.extend(self.rewritten(Table::Readings, old, name, rewrite)?);
            exchange.removes.push(old.clone());
            report.files_rewritten += 1;
        }
        Ok(exchange)
    }

    /// No correction came in later.
    fn through(&self) -> Position {
        self.overlay.iter().map(|file| file.through).max().unwrap_or_default()
    }

    fn rewritten(
        &self,
        table: Table,
        old: &FileEntry,
        name: &str,
        rewrite: impl Fn(RecordBatch) -> Result<RecordBatch>,
    ) -> Result<Option<FileEntry>> {
        let library = &self.library;
        let mut file = FileWriter::create(&library.shelf, table, old.month)?;
        for batch in FileBatches::all(&library.shelf, &library.footers, table, old, BATCH_ROWS)? {
            if self.give_up.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            file.write(&rewrite(batch?)?)?;
        }
        if file.rows() == 0 {
            return Ok(None);
        }
        // Two files of one partition must not get one name, were their rows ever the same.
        let place = blake3::hash(old.path.as_bytes()).to_hex();
        file.finish(&format!("{name}-{}", &place[..8]), old.through.max(self.through())).map(Some)
    }
}

/// The batch with the rows of these keys exchanged; `rows` has one for each of `keys`.
fn replaced(batch: &RecordBatch, keys: &[RowKey], rows: &RecordBatch) -> Result<RecordBatch> {
    let of_batch = Keys::of(batch)?;
    let mask = among(&of_batch, keys);
    if mask.true_count() == 0 {
        return Ok(batch.clone());
    }
    let place = |row: usize| match mask.value(row) {
        false => (0, row),
        true => (1, keys.binary_search(&of_batch.at(row)).expect("the mask says it is there")),
    };
    let places: Vec<(usize, usize)> = (0..batch.num_rows()).map(place).collect();
    interleave_record_batch(&[batch, rows], &places).map_err(broken)
}

fn broken(cause: arrow::error::ArrowError) -> Error {
    Error::Rows { table: "overlay", cause }
}
