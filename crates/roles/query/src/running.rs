//! Which queries run, how far they are, and how they are told to stop.
//!
//! Promise: a query stands in the list from the question until its place is
//! free again, and only for its own tenant; an id is never given twice, not
//! even by a later process. What the last [`ENDED_KEPT_MAX`] read can be asked
//! for after their end.
//!
//! Read: `running/stop.rs` (the word that ends a query), `running/stoppable.rs`
//! (a plan that listens to it), `running/listening.rs` (a condition that does).

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use host::{Clock, SystemClock};
use meter::TenantId;
use store::ScanStats;
use tokio::sync::OwnedSemaphorePermit;

mod stop;
mod stoppable;
mod listening;

pub(crate) use stop::{Asker, Stop};
pub(crate) use stoppable::stoppable;

/// Queries whose figures are kept once they ended, over all tenants: 4,096 of 100 bytes.
pub const ENDED_KEPT_MAX: usize = 4_096;

/// A query that runs or did, as its tenant sees it.
#[derive(Clone, Debug)]
pub struct Running {
    /// What it is cancelled by.
    pub id: u64,
    /// The text that was asked; none once it ended.
    pub sql: Option<Arc<str>>,
    /// Since the question, or from there to the end.
    pub elapsed: Duration,
    /// How far it is.
    pub progress: Progress,
}

/// What a query has read and answered so far. Parts are files, and what memory
/// holds of a table besides; how many there are to read is known once the query
/// is planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Parts that may hold rows of the answer.
    pub parts_to_read: u64,
    /// Of these, read to their end.
    pub parts_read: u64,
    /// Files that were opened.
    pub files_opened: u64,
    /// Pages of one column that were read.
    pub pages_read: u64,
    /// Read from files.
    pub bytes_read: u64,
    /// Given out by the lake: those the query asked for.
    pub rows_scanned: u64,
    /// Given to the asker.
    pub rows_answered: u64,
}

/// Counters of one query.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub scan: Arc<ScanStats>,
    pub parts_to_read: AtomicU64,
    pub parts_read: AtomicU64,
    pub rows_answered: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    fn progress(&self) -> Progress {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Progress {
            parts_to_read: of(&self.parts_to_read),
            parts_read: of(&self.parts_read),
            files_opened: of(&self.scan.files),
            pages_read: of(&self.scan.pages),
            bytes_read: of(&self.scan.bytes),
            rows_scanned: of(&self.scan.rows),
            rows_answered: of(&self.rows_answered),
        }
    }
}

/// All queries that run.
pub(crate) struct Register {
    clock: Arc<SystemClock>,
    next: AtomicU64,
    queries: Mutex<Queries>,
}

#[derive(Default)]
struct Queries {
    running: BTreeMap<u64, Entry>,
    /// In the order of their ends.
    ended: VecDeque<(TenantId, Running)>,
}

struct Entry {
    tenant: TenantId,
    sql: Arc<str>,
    begun: Duration,
    counters: Arc<Counters>,
    stop: Arc<Stop>,
}

impl Register {
    /// Ids begin at the microsecond of the start: what an earlier
    /// process gave is behind, and scripts of 53 bits still hold them.
    pub(crate) fn new() -> Register {
        let clock = SystemClock::new();
        let since = u64::try_from(clock.now().0).unwrap_or(0);
        Register { clock: Arc::new(clock), next: AtomicU64::new(since.max(1)), queries: Mutex::default() }
    }

    /// Enters a query that holds a place. `time_max` counts from now.
    pub(crate) fn enter(
        self: &Arc<Self>,
        tenant: TenantId,
        sql: &str,
        time_max: Duration,
        permit: OwnedSemaphorePermit,
    ) -> Place {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let begun = self.clock.monotonic();
        let counters = Arc::<Counters>::default();
        let stop = Arc::new(Stop::new(self.clock.clone(), begun, time_max));
        let entry = Entry { tenant, sql: sql.into(), begun, counters: counters.clone(), stop: stop.clone() };
        self.queries().running.insert(id, entry);
        Place { id, counters, stop, register: self.clone(), permit: Some(permit) }
    }

    pub(crate) fn of(&self, tenant: TenantId) -> Vec<Running> {
        let now = self.clock.monotonic();
        let queries = self.queries();
        let own = queries.running.iter().filter(|(_, entry)| entry.tenant == tenant);
        own.map(|(id, entry)| entry.shown(*id, now)).collect()
    }

    /// A query of this tenant that runs, or ended not long ago.
    pub(crate) fn find(&self, tenant: TenantId, id: u64) -> Option<Running> {
        let (now, queries) = (self.clock.monotonic(), self.queries());
        if let Some(entry) = queries.running.get(&id) {
            return (entry.tenant == tenant).then(|| entry.shown(id, now));
        }
        let ended = queries.ended.iter().rev().find(|(whose, ended)| (*whose, ended.id) == (tenant, id));
        ended.map(|(_, ended)| ended.clone())
    }

    fn leave(&self, id: u64) {
        let now = self.clock.monotonic();
        let mut queries = self.queries();
        let Some(entry) = queries.running.remove(&id) else { return };
        if queries.ended.len() == ENDED_KEPT_MAX {
            queries.ended.pop_front();
        }
        queries.ended.push_back((entry.tenant, Running { sql: None, ..entry.shown(id, now) }));
    }

    /// Whether there is such a query of this tenant.
    pub(crate) fn cancel(&self, tenant: TenantId, id: u64) -> bool {
        let queries = self.queries();
        let Some(entry) = queries.running.get(&id).filter(|entry| entry.tenant == tenant) else { return false };
        entry.stop.tell();
        true
    }

    fn queries(&self) -> std::sync::MutexGuard<'_, Queries> {
        self.queries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn shown(&self, id: u64, now: Duration) -> Running {
        let elapsed = now.saturating_sub(self.begun);
        Running { id, sql: Some(self.sql.clone()), elapsed, progress: self.counters.progress() }
    }
}

/// A query's place among those that may run; free again when it is dropped.
pub(crate) struct Place {
    pub id: u64,
    pub counters: Arc<Counters>,
    pub stop: Arc<Stop>,
    register: Arc<Register>,
    /// None only once it is dropped.
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Place {
    /// What is no longer listed has given its place back.
    fn drop(&mut self) {
        drop(self.permit.take());
        self.register.leave(self.id);
    }
}
