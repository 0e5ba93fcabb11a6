//! The Delta half against time, power loss, damage and other writers.
//!
//! Read: this file (the words of the tests), `watched.rs` (a disk that is
//! interrupted), `day_one.rs` (what a checkpoint keeps), `commits.rs`,
//! `crash.rs`, `race.rs`, `disk_store.rs`, `speed.rs` (measures, on demand).

mod commits;
mod crash;
mod day_one;
mod disk_store;
mod race;
mod speed;
mod watched;

use std::sync::Arc;

use host::{Disk, ManualClock, SimDisk};
use meter::{ChannelId, TenantId, Timestamp};

use super::*;
use crate::{Position, Table};

const NAME: &str = "lake/readings";
const LANE: &str = "meterhouse/e1/lane/0";
const FOLD: &str = "meterhouse/e1/fold";

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_seconds(1_700_000_000).expect("in range")))
}

fn store(disk: &SimDisk) -> DiskStore {
    DiskStore::new(Arc::new(disk.clone()), clock())
}

/// Opens `readings` on a disk.
async fn open(store: &DiskStore) -> crate::Result<DeltaTable> {
    let table = Table::Readings;
    DeltaTable::open_or_create(store, NAME, &table.schema(), table.partitioned()).await
}

/// A file that nobody wrote: the log does not look.
fn entry(number: u32) -> FileEntry {
    let n = i64::from(number);
    let key = |plus: i64| FileKey {
        tenant: TenantId(1 + i32::try_from(plus).expect("small")),
        channel: ChannelId(64 * n + plus),
        start: Timestamp(1_700_000_000_000_001 + n * 1_000_000 + plus),
    };
    FileEntry {
        path: format!("tenant_group=shared/month=202311/part-{number:08}.parquet"),
        size: 1_000 + u64::from(number),
        rows: 10 + u64::from(number),
        group: "shared".into(),
        month: 202_311,
        low: key(0),
        high: key(7),
        blake3: *blake3::hash(&number.to_le_bytes()).as_bytes(),
        through: Position::done(meter::Sequence(1 + u64::from(number))),
    }
}

fn change(adds: impl IntoIterator<Item = u32>, removes: impl IntoIterator<Item = u32>, lane: i64) -> Change {
    Change {
        adds: adds.into_iter().map(entry).collect(),
        removes: removes.into_iter().map(entry).collect(),
        txns: vec![(LANE.into(), lane)],
        operation: "write",
        data_change: true,
    }
}

fn entries(numbers: impl IntoIterator<Item = u32>) -> Vec<FileEntry> {
    numbers.into_iter().map(entry).collect()
}

fn sim() -> SimDisk {
    SimDisk::new(7)
}

/// Removes the log's commits below `version`, as a cleanup would.
fn forget_commits(disk: &dyn Disk, below: i64) {
    for version in 0..below {
        disk.remove(&format!("{NAME}/_delta_log/{version:020}.json")).expect("was committed");
    }
}
