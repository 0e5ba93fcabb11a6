//! Retirement: readings older than their tenant keeps them go.
//!
//! Promise: only whole months go, of a tenant that keeps none so old, and how many
//! went is committed with their going: what came in is what is there and what went.
//! One file is taken on at a time. What a query or a backup holds stays readable
//! until it lets go, and the files themselves until a vacuum, as after any other
//! change. A month that corrections wait for is left until they are folded.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{AsArray, BooleanArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Int32Type;
use meter::{Span, TenantId, Timestamp};

use crate::delta::{Change, FileEntry};
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::lookup::Library;
use crate::read::FileBatches;
use crate::schema::{Table, column};
use crate::write::FileWriter;

/// Rows in memory at a time.
const BATCH_ROWS: usize = 1 << 16;
/// Earlier versions first: a reading without them is less, they without it are nothing.
const TABLES: [Table; 2] = [Table::History, Table::Readings];

/// How long readings are kept; `None` is for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retain {
    /// Of tenants that are not named.
    pub others: Option<Span>,
    /// By tenant.
    pub tenants: BTreeMap<TenantId, Option<Span>>,
}

impl Retain {
    /// The first month that is kept of a tenant, as `yyyymm`.
    fn first_kept(&self, tenant: TenantId, now: Timestamp) -> i32 {
        let age = self.tenants.get(&tenant).copied().unwrap_or(self.others);
        age.map_or(i32::MIN, |age| Timestamp(now.0.saturating_sub(age.0)).max(Timestamp::MIN).month())
    }

    /// Whether some tenant of a file, by the bounds of its rows, keeps no such month.
    fn may_be_over(&self, file: &FileEntry, now: Timestamp) -> bool {
        let is_over = |tenant: TenantId| file.month < self.first_kept(tenant, now);
        let (low, high) = (file.low.tenant, file.high.tenant);
        let mut named = self.tenants.range(low..=high);
        named.any(|(tenant, _)| is_over(*tenant))
            || (self.others.is_some() && (low != high || !self.tenants.contains_key(&low)) && is_over(NOBODY))
    }
}

/// Has what the others have.
const NOBODY: TenantId = TenantId(i32::MIN);

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
    retain: Retain,
    now: Timestamp,
    name: String,
    at_work: Arc<()>,
    give_up: Arc<AtomicBool>,
}

/// What of it stays, to be committed by [`Lake::finish_retirement`].
pub struct RetireWork {
    table: Table,
    file: FileEntry,
    kept: Option<FileEntry>,
    gone: BTreeMap<TenantId, u64>,
    _at_work: Arc<()>,
}

impl RetireWork {
    /// The file that was looked through.
    pub fn path(&self) -> &str {
        &self.file.path
    }
}

impl Lake {
    /// The next file that may hold readings that are over, but for those that were
    /// found to hold none. Appends may go on until it is finished, other maintenance not.
    pub fn retire_job(&self, retain: &Retain, looked_through: &HashSet<String>) -> Option<RetireJob> {
        let now = self.clock.now();
        let is_over = |file: &&FileEntry| {
            retain.may_be_over(file, now) && !looked_through.contains(&file.path) && !self.is_corrected(file.month)
        };
        let (table, file) = TABLES.into_iter().find_map(|table| {
            let files = self.files(table);
            Some((table, files.iter().find(is_over)?.clone()))
        })?;
        Some(RetireJob {
            library: self.library.clone(),
            table,
            file,
            retain: retain.clone(),
            now,
            name: format!("kept-{:010}", self.version(table)),
            at_work: self.at_work.clone(),
            give_up: self.give_up.clone(),
        })
    }

    /// Whether readings that are over wait for a fold of the corrections of their month.
    pub fn retirement_needs_fold(&self, retain: &Retain, looked_through: &HashSet<String>) -> bool {
        let now = self.clock.now();
        let waits = |file: &FileEntry| {
            retain.may_be_over(file, now) && !looked_through.contains(&file.path) && self.is_corrected(file.month)
        };
        self.corrections_waiting() > 0 && TABLES.into_iter().any(|table| self.files(table).iter().any(waits))
    }

    /// Commits what is left of a file; `Conflict` if it is gone. Between two rounds:
    /// nothing that was compared with its rows may wait. `None`, and nothing done,
    /// where corrections of its month came meanwhile: they are folded first.
    pub async fn finish_retirement(&mut self, work: RetireWork) -> Result<Option<RetireReport>> {
        if self.is_corrected(work.file.month) {
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
            let all = before.saturating_add(*rows);
            txns.push((self.retired_app(*tenant), i64::try_from(all).unwrap_or(i64::MAX)));
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

    /// Whether corrections that may be of this month wait for a fold.
    fn is_corrected(&self, month: i32) -> bool {
        self.files(Table::Overlay).iter().any(|file| file.low.start.month() <= month)
    }

    fn retired_app(&self, tenant: TenantId) -> String {
        format!("{}/retired/{}", self.fold_app, tenant.0)
    }
}

impl RetireJob {
    /// Writes what stays of the file. Blocking.
    pub fn run(self) -> Result<RetireWork> {
        let RetireJob { library, table, file, retain, now, name, at_work, give_up } = self;
        let is_over = |tenant: TenantId| file.month < retain.first_kept(tenant, now);
        let mut gone: BTreeMap<TenantId, u64> = BTreeMap::new();
        if file.low.tenant == file.high.tenant && is_over(file.low.tenant) {
            gone.insert(file.low.tenant, file.rows);
            return Ok(RetireWork { table, file, kept: None, gone, _at_work: at_work });
        }
        let mut rest = FileWriter::create(&library.shelf, table, file.month)?;
        for batch in FileBatches::all(&library.shelf, &library.footers, table, &file, BATCH_ROWS)? {
            if give_up.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            let batch = batch?;
            let tenants = batch.column(column::TENANT).as_primitive::<Int32Type>();
            let stays: BooleanArray = tenants.values().iter().map(|tenant| Some(!is_over(TenantId(*tenant)))).collect();
            for tenant in tenants.values().iter().filter(|tenant| is_over(TenantId(**tenant))) {
                *gone.entry(TenantId(*tenant)).or_default() += 1;
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
        Ok(RetireWork { table, file, kept, gone, _at_work: at_work })
    }
}
