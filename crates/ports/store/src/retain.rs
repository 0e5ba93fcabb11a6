//! How long what is kept, of each tenant.
//!
//! Whole calendar months (UTC) go. Readings belong to the month in which they start;
//! what tells of a record (what was refused of it, its events, its source) to the month
//! in which it came. Records come in order, so of each tenant one number parts what is
//! kept from what is over.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use arrow::array::{Array, AsArray, BinaryArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use meter::{Sequence, Span, TenantId, Timestamp};

use crate::error::Result;
use crate::scan::{ScanRequest, ScanTable};
use crate::schema::{Table, source_column};
use crate::snapshot::Snapshot;

/// How long rows of one kind are kept; `None` is for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retain {
    /// Of tenants that are not named.
    pub others: Option<Span>,
    /// By tenant.
    pub tenants: BTreeMap<TenantId, Option<Span>>,
}

/// How long all of it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Readings and their earlier versions.
    pub readings: Retain,
    /// What was refused of records.
    pub refused: Retain,
    /// What meters reported beside readings.
    pub events: Retain,
    /// What is known of each record. Those of bodies in the archive stay as long as these.
    pub sources: Retain,
    /// Bodies in the archive.
    pub archive: Retain,
}

impl Retention {
    /// Of the rows of a table; none of tables that nothing goes from.
    pub(crate) fn of(&self, table: Table) -> Option<&Retain> {
        match table {
            Table::Readings | Table::History => Some(&self.readings),
            Table::Refused => Some(&self.refused),
            Table::Events => Some(&self.events),
            Table::Sources => Some(&self.sources),
            Table::Channels | Table::Devices | Table::Overlay => None,
        }
    }
}

/// Has what the others have.
const NOBODY: TenantId = TenantId(i32::MIN);

impl Retain {
    /// The first month that is kept of a tenant, as `yyyymm`.
    pub(crate) fn first_kept(&self, tenant: TenantId, now: Timestamp) -> i32 {
        let age = self.tenants.get(&tenant).copied().unwrap_or(self.others);
        age.map_or(i32::MIN, |age| Timestamp(now.0.saturating_sub(age.0)).max(Timestamp::MIN).month())
    }

    /// The first months kept of those tenants of a range that do not keep all, unnamed
    /// ones together as one.
    pub(crate) fn months(&self, tenants: RangeInclusive<TenantId>, now: Timestamp) -> Vec<(TenantId, i32)> {
        let (low, high) = (*tenants.start(), *tenants.end());
        let has_others = low != high || !self.tenants.contains_key(&low);
        let named = self.tenants.range(tenants).map(|(tenant, _)| *tenant);
        let all = named.chain(has_others.then_some(NOBODY));
        all.map(|tenant| (tenant, self.first_kept(tenant, now))).filter(|(_, month)| *month > i32::MIN).collect()
    }
}

/// The same for the same.
pub(crate) fn mark(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Of each tenant the first record that is kept; none of it where all are.
pub(crate) type FirstRecords = BTreeMap<TenantId, u64>;

/// First records by what was asked, until another month begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownFirst(Arc<Mutex<HashMap<u64, Arc<FirstRecords>>>>);

impl KnownFirst {
    /// Kinds times the months that two looks may see.
    const KEPT_MAX: usize = 8;

    /// A record is over only if a source of its tenant says so, its own or a later one:
    /// where sources went before it, what tells of it waits for the next.
    pub(crate) fn of(
        &self,
        retain: &Retain,
        now: Timestamp,
        snapshot: &Snapshot,
        below: Sequence,
    ) -> Result<Arc<FirstRecords>> {
        // Who is named counts too: of those that keep all no month is said.
        let named: Vec<TenantId> = retain.tenants.keys().copied().collect();
        let asked = mark((named, retain.months(TenantId(i32::MIN)..=TenantId(i32::MAX), now)));
        let mut known = self.0.lock().expect("no holder panics");
        if let Some(first) = known.get(&asked) {
            return Ok(first.clone());
        }
        let mut first = FirstRecords::new();
        each_source(snapshot, |source| {
            if source.is_over(retain, now, below) {
                let first = first.entry(source.tenant).or_default();
                *first = (*first).max(source.sequence.0 + 1);
            }
        })?;
        if known.len() >= Self::KEPT_MAX {
            known.clear();
        }
        Ok(known.entry(asked).or_insert(Arc::new(first)).clone())
    }
}

impl Snapshot {
    /// Bodies, by their sha-256, of which every record is over: below `below`, and in a
    /// month that its tenant does not keep. Blocking.
    pub fn bodies_over(&self, retain: &Retain, now: Timestamp, below: Sequence) -> Result<HashSet<[u8; 32]>> {
        let (mut over, mut kept) = (HashSet::new(), HashSet::new());
        each_source(self, |source| {
            if let Some(sha256) = source.sha256 {
                let of = if source.is_over(retain, now, below) { &mut over } else { &mut kept };
                of.insert(sha256);
            }
        })?;
        over.retain(|sha256| !kept.contains(sha256));
        Ok(over)
    }
}

/// What of a source's row counts here.
struct Source {
    sequence: Sequence,
    tenant: TenantId,
    sha256: Option<[u8; 32]>,
    received_at: Timestamp,
}

impl Source {
    fn is_over(&self, retain: &Retain, now: Timestamp, below: Sequence) -> bool {
        self.sequence < below && self.received_at.month() < retain.first_kept(self.tenant, now)
    }
}

fn each_source(snapshot: &Snapshot, mut take: impl FnMut(Source)) -> Result<()> {
    use source_column::{RECEIVED_AT, SEQ, SHA256, TENANT};
    let request =
        ScanRequest { columns: vec![SEQ, TENANT, SHA256, RECEIVED_AT], ..ScanRequest::all(ScanTable::Sources) };
    for part in snapshot.scan(&request)? {
        for batch in part {
            sources_of(&batch?).for_each(&mut take);
        }
    }
    Ok(())
}

fn sources_of(batch: &RecordBatch) -> impl Iterator<Item = Source> + '_ {
    let sequence = batch.column(0).as_primitive::<Int64Type>();
    let tenant = batch.column(1).as_primitive::<Int32Type>();
    let sha256 = batch.column(2).as_binary::<i32>();
    let received_at = batch.column(3).as_primitive::<TimestampMicrosecondType>();
    (0..batch.num_rows()).map(move |row| Source {
        sequence: Sequence(sequence.value(row).cast_unsigned()),
        tenant: TenantId(tenant.value(row)),
        sha256: sha256_at(sha256, row),
        received_at: Timestamp(received_at.value(row)),
    })
}

/// The hash in a source's row, where it has one.
pub(crate) fn sha256_at(column: &BinaryArray, row: usize) -> Option<[u8; 32]> {
    column.is_valid(row).then(|| column.value(row).try_into().ok()).flatten()
}
