//! A writer that was left behind: it opened a table, slept while another one
//! committed, and now commits the same rows for the same position.

use std::sync::Arc;

use anyhow::Context;
use host::{Disk, ManualClock, SimDisk};
use store::delta::{Change, DeltaTable, DiskStore, FileEntry, Outcome};
use store::{Faults, Table};

use crate::house::{EPOCH, House, Known, LAKE_DIR};
use crate::script;
use crate::simulated::block_on;

/// What the check of the house says afterwards. With `believing` the writer does
/// not read the positions of the log again, which is the planted mistake.
pub fn run(believing: bool) -> anyhow::Result<Result<(), String>> {
    block_on(race(store::delta::Faults { txn_not_read_again: believing }))
}

async fn race(faults: store::delta::Faults) -> anyhow::Result<Result<(), String>> {
    let disk = SimDisk::new(1);
    let steps = script::steps();
    let bodies = script::bodies(&steps);
    let (first, second) = (steps[0].bodies.len(), steps[1].bodies.len());
    let mut known = Known::default();
    let house = House::open(&disk, Faults::default()).await?;
    house.send(&bodies[..first], 0..first, &mut known).await?;
    house.apply().await?.close().await?;

    let name = format!("{LAKE_DIR}/{}", Table::Readings.name());
    let shared = DiskStore::new(Arc::new(disk.clone()), Arc::new(ManualClock::new(script::ARRIVAL)));
    let (schema, partitioned) = (Table::Readings.schema(), Table::Readings.partitioned());
    let mut stale = DeltaTable::open_with(&shared, &name, &schema, partitioned, faults).await?;

    let house = House::open(&disk, Faults::default()).await?;
    house.send(&bodies[first..first + second], first..first + second, &mut known).await?;
    let house = house.apply().await?;
    let theirs = house.lake.snapshot().files(Table::Readings).last().context("rows came in")?.clone();
    let position = house.lake.position(Table::Readings);
    house.close().await?;

    let ours = copied(&disk, &name, &theirs)?;
    let txns = vec![(format!("meterhouse/{EPOCH}/lane/0"), position.as_version())];
    let change = Change { adds: vec![ours], removes: Vec::new(), txns, operation: "write", data_change: true };
    let outcome = stale.commit(change).await?;
    anyhow::ensure!((outcome == Outcome::AlreadyIn) != faults.txn_not_read_again, "the stale commit: {outcome:?}");

    let house = House::open(&disk, Faults::default()).await?.apply().await?;
    let checked = house.check(&bodies, &known).await;
    house.close().await?;
    Ok(checked)
}

/// The same rows in a file of the stale writer's own.
fn copied(disk: &SimDisk, table: &str, theirs: &FileEntry) -> anyhow::Result<FileEntry> {
    let (dir, file) = theirs.path.rsplit_once('/').context("readings are partitioned")?;
    let ours = FileEntry { path: format!("{dir}/stale-{file}"), ..theirs.clone() };
    let size = usize::try_from(theirs.size)?;
    let bytes = disk.read(&format!("{table}/{}", theirs.path), 0, size)?;
    disk.write_durable(&format!("{table}/{}", ours.path), &bytes, false)?;
    Ok(ours)
}
