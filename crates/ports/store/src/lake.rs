//! The lake: all tables, one writer, and snapshots for everyone else.
//!
//! Promise: a commit carries its position, is skipped if it is in already, and
//! is durable when `append` returns. What readers see changes only with
//! `publish`, in all tables at once.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock, Weak};

use arrow::array::RecordBatch;
use host::{Clock, Disk};
use meter::{ChannelId, Months, Row, RowKey, Timestamp, Words};

use crate::delta::{Change, DeltaTable, DiskStore, FileEntry, Outcome};
use crate::error::{Error, Result};
use crate::fold::Faults;
use crate::latest::Latest;
use crate::lookup::Library;
use crate::position::Position;
use crate::prune::Ranges;
use crate::read::{FOOTERS_BYTES_MAX, Footers};
use crate::retain::KnownFirst;
use crate::rows::{Keys, batch_to_rows};
use crate::schema::Table;
use crate::snapshot::{Pin, Snapshot, Tail};
use crate::standing::{Sources, found};
use crate::waiting::Waiting;
use crate::write::Shelf;

/// D6: what comes in one commit touches at most so many months; the rest waits.
pub const PARTITIONS_MAX: usize = 64;
/// Snapshots hold the overlay's rows in memory, about 300 bytes a correction with
/// its base row: a third of a gigabyte. Beyond it `append` asks for a fold.
pub const OVERLAY_ROWS_MAX: u64 = 1 << 20;
/// Where a fold is due: rare enough to rewrite little, well before the limit.
pub const OVERLAY_ROWS_DUE: u64 = 1 << 17;
/// Each overlay file is a layer to look through until a fold.
pub const OVERLAY_FILES_DUE: usize = 64;

const _: () = assert!(OVERLAY_ROWS_DUE * 4 <= OVERLAY_ROWS_MAX);

/// All tables. One per data directory, in one process.
pub struct Lake {
    pub(crate) library: Library,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tables: Vec<DeltaTable>,
    positions: [Position; 8],
    lane: String,
    pub(crate) fold_app: String,
    /// Which records are over, where it was asked.
    pub(crate) known_first: KnownFirst,
    pub(crate) shared: Arc<Shared>,
    /// Held by every job that has written files it has not committed.
    pub(crate) at_work: Arc<()>,
    /// Jobs that see it set end with [`Error::Stopped`].
    pub(crate) give_up: Arc<AtomicBool>,
    /// Something is committed that no snapshot shows yet.
    unpublished: AtomicBool,
    pub(crate) faults: Faults,
}

/// What readers see.
pub(crate) struct Shared {
    current: RwLock<Arc<Snapshot>>,
    latest: RwLock<Option<Arc<Latest>>>,
    /// Of every snapshot that may still be held.
    pins: Mutex<Vec<Weak<Pin>>>,
}

/// Gives out the newest snapshot, on any thread.
#[derive(Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

/// Finds the stored versions of keys, on any thread. Sees the files of its moment.
#[derive(Clone)]
pub struct Lookup {
    library: Library,
    readings: Arc<[FileEntry]>,
    overlay: Arc<[FileEntry]>,
    history: Arc<[FileEntry]>,
}

impl Reader {
    /// The newest snapshot; taking it costs no reading.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.current.read().expect("no holder panics").clone()
    }
}

impl Lake {
    /// Opens the tables below `root` on the disk, or makes them. An unfinished
    /// fold is finished first. `epoch` names the journal whose positions count.
    pub async fn open(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>, root: &str, epoch: &str) -> Result<Lake> {
        Lake::open_with(disk, clock, root, epoch, Faults::default()).await
    }

    /// For trials: the same with planted mistakes.
    #[doc(hidden)]
    pub async fn open_with(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        root: &str,
        epoch: &str,
        faults: Faults,
    ) -> Result<Lake> {
        let store = DiskStore::new(disk.clone(), clock.clone());
        let library =
            Library { shelf: Shelf { disk, root: root.into() }, footers: Arc::new(Footers::new(FOOTERS_BYTES_MAX)) };
        let lane = format!("meterhouse/{epoch}/lane/0");
        let (mut tables, mut positions) = (Vec::new(), [Position::START; 8]);
        for table in Table::ALL {
            let name = library.shelf.dir(table);
            let mut opened = DeltaTable::open_or_create(&store, &name, &table.schema(), table.partitioned()).await?;
            positions[table.index()] = Position::from_version(opened.txn(&lane).await?);
            tables.push(opened);
        }
        let pin = Arc::new(pin_of(&tables));
        let tail = Tail { applied: least(&positions), ..Tail::default() };
        let first = Arc::new(Snapshot::new(library.clone(), pin.clone(), tail, None, None));
        let pins = Mutex::new(vec![Arc::downgrade(&pin)]);
        let mut lake = Lake {
            library,
            clock,
            tables,
            positions,
            lane,
            fold_app: format!("meterhouse/{epoch}/fold"),
            known_first: KnownFirst::default(),
            shared: Arc::new(Shared { current: RwLock::new(first), latest: RwLock::default(), pins }),
            at_work: Arc::new(()),
            give_up: Arc::default(),
            unpublished: AtomicBool::new(false),
            faults,
        };
        lake.sweep().await?;
        lake.finish_interrupted_fold().await?;
        Ok(lake)
    }

    /// How far a table is.
    pub fn position(&self, table: Table) -> Position {
        self.positions[table.index()]
    }

    /// How far every table of the lane is: where to go on after a start.
    pub fn resume(&self) -> Position {
        least(&self.positions)
    }

    /// Version of a table's log.
    pub fn version(&self, table: Table) -> i64 {
        self.table(table).version()
    }

    /// The newest published moment.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.reader().snapshot()
    }

    /// For those who read without holding the lake.
    pub fn reader(&self) -> Reader {
        Reader { shared: self.shared.clone() }
    }

    /// Commits rows of one table together with the position they lead to. Rows
    /// may be none: then only the position moves.
    ///
    /// Rows of `readings` have keys that are not stored, each once; further
    /// versions of a key go to `overlay`, after its first is in `readings`.
    pub async fn append(&mut self, table: Table, rows: Vec<impl Into<Waiting>>, to: Position) -> Result<Outcome> {
        let rows: Vec<Waiting> = rows.into_iter().map(Into::into).collect();
        if self.position(table) >= to {
            return Ok(Outcome::AlreadyIn);
        }
        self.check_limits(table, &rows)?;
        let shelf = self.library.shelf.clone();
        let name = format!("part-{:016x}", to.as_version());
        let adds = blocking(move || shelf.write(table, rows, &name, to)).await?;
        let txns = vec![(self.lane.clone(), to.as_version())];
        let change = Change { adds, removes: Vec::new(), txns, operation: "write", data_change: true };
        self.unpublished.store(true, Ordering::SeqCst);
        let outcome = self.table_mut(table).commit(change).await?;
        self.positions[table.index()] = match outcome {
            Outcome::Committed(_) => to,
            Outcome::AlreadyIn => {
                let lane = self.lane.clone();
                Position::from_version(self.table_mut(table).txn(&lane).await?)
            }
        };
        Ok(outcome)
    }

    fn check_limits(&self, table: Table, rows: &[Waiting]) -> Result<()> {
        if table.partitioned() {
            let partitions = months_of(rows)?;
            if partitions > PARTITIONS_MAX {
                return Err(Error::TooManyPartitions { table: table.name(), partitions, max: PARTITIONS_MAX });
            }
        }
        if table == Table::Overlay {
            let new: u64 = rows.iter().map(|rows| rows.num_rows() as u64).sum();
            let rows = new + self.corrections_waiting();
            if rows > OVERLAY_ROWS_MAX {
                return Err(Error::OverlayFull { rows, max: OVERLAY_ROWS_MAX });
            }
        }
        Ok(())
    }

    /// Makes every fold and merge that is being written end early, with
    /// [`Error::Stopped`], and any begun later too: the lake is about to be closed.
    pub fn give_up_jobs(&self) {
        self.give_up.store(true, Ordering::Relaxed);
    }

    /// Rows of the overlay, committed and not folded.
    pub fn corrections_waiting(&self) -> u64 {
        self.files(Table::Overlay).iter().map(|f| f.rows).sum()
    }

    /// Whether so many corrections wait that [`Lake::fold`] should run.
    pub fn fold_due(&self) -> bool {
        self.corrections_waiting() >= OVERLAY_ROWS_DUE || self.files(Table::Overlay).len() >= OVERLAY_FILES_DUE
    }

    /// From the next `publish` on, snapshots answer [`crate::ScanTable::Latest`] from it.
    pub fn show_latest(&self, latest: Arc<Latest>) {
        *self.shared.latest.write().expect("no holder panics") = Some(latest);
    }

    /// What is committed and this tail become what readers see, in one step.
    pub fn publish(&self, tail: Tail) {
        let pin = Arc::new(pin_of(&self.tables));
        {
            let mut pins = self.shared.pins.lock().expect("no holder panics");
            pins.retain(|pin| pin.strong_count() > 0);
            pins.push(Arc::downgrade(&pin));
        }
        let before = self.snapshot();
        let latest = self.shared.latest.read().expect("no holder panics").clone();
        let next = Arc::new(Snapshot::new(self.library.clone(), pin, tail, latest, Some(&before)));
        *self.shared.current.write().expect("no holder panics") = next;
        self.unpublished.store(false, Ordering::SeqCst);
    }

    /// After maintenance: the same rows, where they lie now. In the middle of a
    /// round the tail repeats what is committed already, so its end is waited for.
    pub(crate) fn publish_again(&self) {
        if !self.unpublished.load(Ordering::SeqCst) {
            self.publish(self.snapshot().tail().clone());
        }
    }

    /// Every stored version of these keys, standing or earlier, sorted by key:
    /// committed rows only, not the tail. `keys` are sorted. Blocking.
    pub fn versions_of(&self, keys: &[RowKey], words: &mut Words) -> Result<Vec<Row>> {
        self.lookup().versions_of(keys, words)
    }

    /// The same for other threads.
    pub fn lookup(&self) -> Lookup {
        Lookup {
            library: self.library.clone(),
            readings: self.files(Table::Readings),
            overlay: self.files(Table::Overlay),
            history: self.files(Table::History),
        }
    }

    pub(crate) fn table(&self, table: Table) -> &DeltaTable {
        &self.tables[table.index()]
    }

    pub(crate) fn table_mut(&mut self, table: Table) -> &mut DeltaTable {
        &mut self.tables[table.index()]
    }

    pub(crate) fn files(&self, table: Table) -> Arc<[FileEntry]> {
        self.table(table).files()
    }

    /// Files of snapshots that someone may still hold.
    pub(crate) fn pins(&self) -> Vec<Arc<Pin>> {
        self.shared.pins.lock().expect("no holder panics").iter().filter_map(Weak::upgrade).collect()
    }
}

impl Lookup {
    /// See [`Lake::versions_of`].
    pub fn versions_of(&self, keys: &[RowKey], words: &mut Words) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for batch in self.find(keys)? {
            rows.extend(batch_to_rows(&batch, words)?);
        }
        rows.sort_by_key(|row| row.key);
        Ok(rows)
    }

    /// The same rows as they lie, in no order: no words are needed while the disk
    /// is waited for.
    pub fn find(&self, keys: &[RowKey]) -> Result<Vec<RecordBatch>> {
        let sources = Sources {
            library: &self.library,
            readings: &self.readings,
            overlay: &self.overlay,
            history: &self.history,
            tail_readings: &[],
            tail_overlay: &[],
        };
        Ok(found(keys, &sources)?.into_iter().map(|found| found.batch).collect())
    }

    /// Every stored key of these channels, sorted, that starts in this time, in
    /// no order. Blocking.
    pub fn keys_within(
        &self,
        channels: &[ChannelId],
        starts: Range<Timestamp>,
        take: &mut dyn FnMut(&RowKey),
    ) -> Result<()> {
        let ranges = Ranges {
            tenant: None,
            channels: Some(channels.to_vec()),
            channel_from: None,
            start_from: Some(starts.start),
            start_before: Some(starts.end),
        };
        // Every key has a row in the base.
        self.library.keys_within(Table::Readings, &self.readings, &ranges, take)
    }
}

/// What every table of the lane has.
fn least(positions: &[Position; 8]) -> Position {
    Table::OF_LANE.iter().map(|table| positions[table.index()]).min().unwrap_or_default()
}

fn pin_of(tables: &[DeltaTable]) -> Pin {
    Pin {
        files: std::array::from_fn(|place| tables[place].files()),
        versions: std::array::from_fn(|place| tables[place].version()),
    }
}

fn months_of(waiting: &[Waiting]) -> Result<usize> {
    let (mut months, mut month_of) = (std::collections::BTreeSet::new(), Months::default());
    let mut last = 0;
    // Ascending ones, of which none in between need be asked where the ends agree.
    let mut take = |starts: &[i64]| {
        let ends = [starts[0], starts[starts.len() - 1]].map(|start| month_of.of(Timestamp(start)));
        let rest = if ends[0] == ends[1] { &starts[..1] } else { starts };
        for start in rest {
            let month = month_of.of(Timestamp(*start));
            if std::mem::replace(&mut last, month) != month {
                months.insert(month);
            }
        }
    };
    for rows in waiting {
        let of_one_month = |bounds: &(i64, i64)| Timestamp(bounds.0).month() == Timestamp(bounds.1).month();
        match (rows.bounds().filter(of_one_month), rows.runs()) {
            (Some((start, _)), _) => take(&[start]),
            (_, Some(runs)) => runs.runs().for_each(|run| take(run.starts())),
            (_, None) => Keys::of(&rows.columns())?.start.chunks(1).for_each(&mut take),
        }
    }
    Ok(months.len())
}

/// Runs what blocks off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Stopped),
        },
    }
}
