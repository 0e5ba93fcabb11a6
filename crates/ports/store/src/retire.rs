//! Retirement: what is older than its tenant keeps it goes.
//!
//! Promise: only whole months go (`retain.rs`), and how much went is committed with
//! its going: what came in is what is there and what went. One file is taken on at a
//! time. What a query or a backup holds stays readable until it lets go, and the files
//! themselves until a vacuum, as after any other change. A month that corrections wait
//! for is left until they are folded; a source whose body the archive still has, until
//! it has not.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int32Type, Int64Type};
use meter::{Sequence, TenantId, Timestamp};

use crate::delta::{Change, FileEntry};
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::lookup::Library;
use crate::read::FileBatches;
use crate::retain::{FirstRecords, KnownFirst, Retain, Retention, mark, sha256_at};
use crate::schema::{Table, source_column};
use crate::snapshot::Snapshot;
use crate::write::FileWriter;

/// Rows in memory at a time.
const BATCH_ROWS: usize = 1 << 16;
/// Earlier versions first: a reading without them is less, they without it are nothing.
/// Sources last: they tell how old the others are.
const TABLES: [Table; 5] = [Table::History, Table::Readings, Table::Refused, Table::Events, Table::Sources];

/// Files in which nothing was found that is over, and what was looked for in them.
pub type LookedThrough = HashMap<String, u64>;

/// What records said that went from `sources`, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetiredSources {
    /// Records themselves.
    pub records: u64,
    /// Their readings that were new.
    pub accepted: u64,
    /// Their further versions of readings.
    pub corrected: u64,
    /// What was refused of them.
    pub refused: u64,
    /// Their events.
    pub events: u64,
}

impl RetiredSources {
    /// What each sum is called in a log, and the sum.
    fn named(&mut self) -> [(&'static str, &mut u64); 5] {
        [
            ("records", &mut self.records),
            ("accepted", &mut self.accepted),
            ("corrected", &mut self.corrected),
            ("refused", &mut self.refused),
            ("events", &mut self.events),
        ]
    }
}

/// What went with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetireReport {
    /// Where from; `gone` is empty if the file held nothing that is over.
    pub table: Table,
    /// The month, as `yyyymm`.
    pub month: i32,
    /// Rows that went, by tenant.
    pub gone: BTreeMap<TenantId, u64>,
    /// Rows of the same file that stay.
    pub kept: u64,
    /// Size of the file before and after.
    pub bytes_before: u64,
    /// 0 where nothing of it stays.
    pub bytes_after: u64,
}

/// A file to be looked through, on any thread.
pub struct RetireJob {
    library: Library,
    table: Table,
    file: FileEntry,
    asked: u64,
    retain: Retain,
    now: Timestamp,
    /// Where records tell how old their rows are.
    snapshot: Arc<Snapshot>,
    known: KnownFirst,
    /// All of the records before it is in all tables.
    below: Sequence,
    name: String,
    at_work: Arc<()>,
    give_up: Arc<AtomicBool>,
}

/// What of it stays, to be committed by [`Lake::finish_retirement`].
pub struct RetireWork {
    table: Table,
    file: FileEntry,
    asked: u64,
    kept: Option<FileEntry>,
    gone: BTreeMap<TenantId, u64>,
    sources: BTreeMap<TenantId, RetiredSources>,
    _at_work: Arc<()>,
}

impl RetireWork {
    /// The file that was looked through, and for what: to be remembered where nothing of
    /// it is gone.
    pub fn looked_through(&self) -> (String, u64) {
        (self.file.path.clone(), self.asked)
    }
}

impl Lake {
    /// The next file that may hold what is over, but for those that were found to hold
    /// nothing. Appends may go on until it is finished, other maintenance not.
    pub fn retire_job(&self, retention: &Retention, looked_through: &LookedThrough) -> Option<RetireJob> {
        let now = self.clock.now();
        let (table, file, asked) = TABLES.into_iter().find_map(|table| {
            let retain = retention.of(table)?;
            let files = self.files(table);
            let asked = |file: &FileEntry| {
                let asked = what_may_be_over(table, file, retain, now)?;
                let is_new = looked_through.get(&file.path) != Some(&asked);
                (is_new && !(table.partitioned() && self.is_corrected(file.month))).then_some(asked)
            };
            // The oldest first: of a record in two files the last row goes last.
            let over = files.iter().filter_map(|file| Some((table, file, asked(file)?)));
            over.min_by_key(|(_, file, _)| file.through).map(|(table, file, asked)| (table, file.clone(), asked))
        })?;
        Some(RetireJob {
            library: self.library.clone(),
            table,
            file,
            asked,
            retain: retention.of(table)?.clone(),
            now,
            snapshot: self.snapshot(),
            known: self.known_first.clone(),
            below: self.resume().sequence(),
            name: format!("kept-{:010}", self.version(table)),
            at_work: self.at_work.clone(),
            give_up: self.give_up.clone(),
        })
    }

    /// Whether readings that are over wait for a fold of the corrections of their month.
    pub fn retirement_needs_fold(&self, retention: &Retention, looked_through: &LookedThrough) -> bool {
        let now = self.clock.now();
        let waits = |table: Table, file: &FileEntry| {
            let asked = what_may_be_over(table, file, &retention.readings, now);
            asked.is_some_and(|asked| looked_through.get(&file.path) != Some(&asked)) && self.is_corrected(file.month)
        };
        self.corrections_waiting() > 0
            && [Table::History, Table::Readings].iter().any(|table| self.files(*table).iter().any(|f| waits(*table, f)))
    }

    /// Commits what is left of a file; `Conflict` if it is gone. Between two rounds:
    /// nothing that was compared with its rows may wait. `None`, and nothing done,
    /// where corrections of its month came meanwhile: they are folded first.
    pub async fn finish_retirement(&mut self, work: RetireWork) -> Result<Option<RetireReport>> {
        if work.table.partitioned() && self.is_corrected(work.file.month) {
            return Ok(None);
        }
        if work.gone.is_empty() {
            return Ok(Some(RetireReport {
                table: work.table,
                month: work.file.month,
                gone: BTreeMap::new(),
                kept: work.file.rows,
                bytes_before: work.file.size,
                bytes_after: work.file.size,
            }));
        }
        let mut txns = Vec::new();
        for (tenant, rows) in &work.gone {
            let before = self.retired(work.table, *tenant).await?;
            txns.push((self.retired_app(*tenant), as_version(before.saturating_add(*rows))));
        }
        for (tenant, mut more) in work.sources {
            for (name, sum) in more.named() {
                let app = format!("{}/{name}", self.retired_app(tenant));
                let before = self.table_mut(work.table).txn(&app).await?.map_or(0, i64::unsigned_abs);
                // What does not grow would look like a commit that is in already.
                if *sum > 0 {
                    txns.push((app, as_version(before.saturating_add(*sum))));
                }
            }
        }
        let report = RetireReport {
            table: work.table,
            month: work.file.month,
            gone: work.gone,
            kept: work.kept.as_ref().map_or(0, |kept| kept.rows),
            bytes_before: work.file.size,
            bytes_after: work.kept.as_ref().map_or(0, |kept| kept.size),
        };
        let (adds, removes) = (work.kept.into_iter().collect(), vec![work.file]);
        let change = Change { adds, removes, txns, operation: "retire", data_change: true };
        self.table_mut(work.table).commit(change).await?;
        self.publish_again();
        Ok(Some(report))
    }

    /// Rows of a tenant that went from a table, since it was made.
    pub async fn retired(&mut self, table: Table, tenant: TenantId) -> Result<u64> {
        let app = self.retired_app(tenant);
        Ok(self.table_mut(table).txn(&app).await?.map_or(0, i64::unsigned_abs))
    }

    /// What the sources of a tenant said that went, since the table was made.
    pub async fn retired_sources(&mut self, tenant: TenantId) -> Result<RetiredSources> {
        let mut all = RetiredSources::default();
        for (name, sum) in all.named() {
            let app = format!("{}/{name}", self.retired_app(tenant));
            *sum = self.table_mut(Table::Sources).txn(&app).await?.map_or(0, i64::unsigned_abs);
        }
        Ok(all)
    }

    /// Whether corrections that may be of this month wait for a fold.
    fn is_corrected(&self, month: i32) -> bool {
        self.files(Table::Overlay).iter().any(|file| file.low.start.month() <= month)
    }

    fn retired_app(&self, tenant: TenantId) -> String {
        format!("{}/retired/{}", self.fold_app, tenant.0)
    }
}

/// What there is to look for in a file, by the bounds of its rows; none if nothing of it
/// can be over. The same as long as the answer would be the same.
fn what_may_be_over(table: Table, file: &FileEntry, retain: &Retain, now: Timestamp) -> Option<u64> {
    let mut months = retain.months(file.low.tenant..=file.high.tenant, now);
    if !table.partitioned() {
        return (!months.is_empty()).then(|| mark(&months));
    }
    months.retain(|(_, first_kept)| file.month < *first_kept);
    let tenants: Vec<TenantId> = months.into_iter().map(|(tenant, _)| tenant).collect();
    (!tenants.is_empty()).then(|| mark(&tenants))
}

fn as_version(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl RetireJob {
    /// Writes what stays of the file. `has_body` says whether the archive has a body, by
    /// its sha-256: sources of those stay. Blocking.
    pub fn run(self, has_body: HasBody<'_>) -> Result<RetireWork> {
        let over = self.over(has_body)?;
        let RetireJob { library, table, file, asked, name, at_work, give_up, .. } = self;
        let (mut gone, mut sources): (BTreeMap<TenantId, u64>, BTreeMap<_, RetiredSources>) = Default::default();
        if let Over::Months { retain, now, month } = &over
            && file.low.tenant == file.high.tenant
            && *month < retain.first_kept(file.low.tenant, *now)
        {
            gone.insert(file.low.tenant, file.rows);
            return Ok(RetireWork { table, file, asked, kept: None, gone, sources, _at_work: at_work });
        }
        let mut rest = FileWriter::create(&library.shelf, table, file.month)?;
        for batch in FileBatches::all(&library.shelf, &library.footers, table, &file, BATCH_ROWS)? {
            if give_up.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            let batch = batch?;
            let tenants = batch.column(table.tenant_column()).as_primitive::<Int32Type>();
            let stays: BooleanArray =
                (0..batch.num_rows()).map(|row| Some(!over.is_over(&batch, tenants, row))).collect();
            for row in (0..batch.num_rows()).filter(|row| !stays.value(*row)) {
                let tenant = TenantId(tenants.value(row));
                *gone.entry(tenant).or_default() += 1;
                if table == Table::Sources {
                    sources.entry(tenant).or_default().add(&batch, row);
                }
            }
            let stays = filter_record_batch(&batch, &stays)
                .map_err(|error| Error::damaged(&library.shelf.path(table, &file.path), error.to_string()))?;
            if stays.num_rows() > 0 {
                rest.write(&stays)?;
            }
        }
        let through = file.through;
        let kept = match gone.is_empty() || rest.rows() == 0 {
            // Dropped, what was written goes.
            true => None,
            false => Some(rest.finish(&name, through)?),
        };
        Ok(RetireWork { table, file, asked, kept, gone, sources, _at_work: at_work })
    }

    fn over<'a>(&self, has_body: HasBody<'a>) -> Result<Over<'a>> {
        let RetireJob { table, file, retain, now, snapshot, known, below, .. } = self;
        if table.partitioned() {
            return Ok(Over::Months { retain: retain.clone(), now: *now, month: file.month });
        }
        let first = known.of(retain, *now, snapshot, *below)?;
        Ok(Over::Records { first, has_body: (*table == Table::Sources).then_some(has_body) })
    }
}

/// Says of a hash whether the archive has its body.
pub type HasBody<'a> = &'a dyn Fn(&[u8; 32]) -> bool;

/// Which rows of a file go.
enum Over<'a> {
    Months { retain: Retain, now: Timestamp, month: i32 },
    Records { first: Arc<FirstRecords>, has_body: Option<HasBody<'a>> },
}

impl Over<'_> {
    fn is_over(&self, batch: &RecordBatch, tenants: &arrow::array::Int32Array, row: usize) -> bool {
        let tenant = TenantId(tenants.value(row));
        match self {
            Over::Months { retain, now, month } => *month < retain.first_kept(tenant, *now),
            Over::Records { first, has_body } => {
                let sequence = batch.column(source_column::SEQ).as_primitive::<Int64Type>().value(row);
                let is_over = first.get(&tenant).is_some_and(|first| sequence.cast_unsigned() < *first);
                let body = || sha256_at(batch.column(source_column::SHA256).as_binary::<i32>(), row);
                is_over && !has_body.is_some_and(|has_body| body().is_some_and(|sha256| has_body(&sha256)))
            }
        }
    }
}

impl RetiredSources {
    /// A row of `sources` tells of a part of a record; the last of them counts it.
    fn add(&mut self, batch: &RecordBatch, row: usize) {
        use source_column::{ACCEPTED, CORRECTED, EVENTS, LAST, REFUSED};
        let number = |column: usize| batch.column(column).as_primitive::<Int64Type>().value(row).unsigned_abs();
        self.records += u64::from(batch.column(LAST).as_boolean().value(row));
        self.accepted += number(ACCEPTED);
        self.corrected += number(CORRECTED);
        self.refused += number(REFUSED);
        self.events += number(EVENTS);
    }
}
