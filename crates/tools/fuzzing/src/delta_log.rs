//! A table's Delta log, on bytes that nobody wrote.
//!
//! Checksums are made right, so that what stands behind them is reached. Whatever stands
//! in a log, opening the table names what is wrong or gives one state: of files below the
//! table, the same when it is opened again, after a commit and from a checkpoint.

use std::sync::{Arc, LazyLock};

use host::{Disk, Kind, ManualClock, SimDisk};
use meter::{ChannelId, Sequence, TenantId, Timestamp};
use store::delta::{Change, DeltaTable, DiskStore, FileEntry, FileKey};
use store::{Error, Position, Table};
use tokio::runtime::Runtime;

use crate::parsers::ARRIVAL;
use crate::{Met, met};

const TABLE: &str = "readings";
const LOG: &str = "readings/_delta_log";
const SUMS: &str = "readings/_delta_sums";
const LANE: &str = "meterhouse/fuzzing/lane/0";
/// Stands before each object of a log; its name follows, to the end of the line.
const OBJECT: &[u8] = b"\n--- ";

/// The engine below asks the disk from threads of its own.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime")
});

/// The objects of a log, as a table that is opened, written to and opened again.
pub fn delta_log(data: &[u8]) -> Met {
    let disk = SimDisk::new(1);
    for (name, bytes) in objects(data) {
        put(&disk, name, bytes);
    }
    RUNTIME.block_on(async {
        match used(&disk).await {
            Ok(state) => met((state.version, state.files.len(), state.reached)),
            Err(error) => {
                assert_ne!(error.kind(), Kind::Bug, "{error}");
                let said = error.to_string();
                met(said.chars().filter(|c| c.is_ascii_alphabetic()).take(64).collect::<String>())
            }
        }
    })
}

/// What a log comes to.
#[derive(Debug, PartialEq)]
struct State {
    version: i64,
    files: Vec<FileEntry>,
    reached: Option<i64>,
}

/// The state a log is opened with; it must stand through all that is done with it.
async fn used(disk: &SimDisk) -> Result<State, Error> {
    let mut table = open(disk).await?;
    let found = state(&mut table).await?;
    let outside = found.files.iter().find(|file| file.path.split('/').any(|part| ["", ".", ".."].contains(&part)));
    assert_eq!(outside, None, "a file that is not below the table");
    assert_eq!(table.files_at(found.version).await?, found.files, "the same version, asked for by its number");
    assert_eq!(table.verify_log().await?, [], "read without a word, and damaged");
    assert_eq!(reopened(disk).await?, found, "opened again");

    let reached = found.reached.unwrap_or(0).saturating_add(1);
    let committed = change([new_file(&found)], [], reached);
    if table.commit(committed).await.is_ok() {
        let after = state(&mut table).await?;
        assert_eq!(after.files.len(), found.files.len() + 1, "a file more");
        assert_eq!(reopened(disk).await?, after, "opened after a commit");
        if table.checkpoint().await.is_ok() {
            table.trim_log(after.version).await?;
            assert_eq!(reopened(disk).await?, after, "opened from a checkpoint");
        }
    }
    Ok(found)
}

async fn reopened(disk: &SimDisk) -> Result<State, Error> {
    state(&mut open(&disk.power_cycle(0)).await?).await
}

async fn open(disk: &SimDisk) -> Result<DeltaTable, Error> {
    let store = DiskStore::new(Arc::new(disk.clone()), Arc::new(ManualClock::new(ARRIVAL)));
    DeltaTable::open_or_create(&store, TABLE, &Table::Readings.schema(), Table::Readings.partitioned()).await
}

async fn state(table: &mut DeltaTable) -> Result<State, Error> {
    let reached = table.txn(LANE).await?;
    Ok(State { version: table.version(), files: table.files().to_vec(), reached })
}

/// One that no log names.
fn new_file(found: &State) -> FileEntry {
    let free = (0..).map(file).find(|file| found.files.iter().all(|other| other.path != file.path));
    free.expect("numbers do not end")
}

fn file(number: u32) -> FileEntry {
    let key = |more: i64| FileKey {
        tenant: TenantId(1),
        channel: ChannelId(64 + more),
        start: Timestamp(ARRIVAL.0 + more * 1_000),
    };
    FileEntry {
        path: format!("tenant_group=shared/month=202501/part-{number:08}.parquet"),
        size: 1_000,
        rows: 48,
        group: "shared".to_owned(),
        month: 202_501,
        low: key(0),
        high: key(i64::from(number)),
        blake3: *blake3::hash(&number.to_le_bytes()).as_bytes(),
        through: Position::done(Sequence(u64::from(number) + 1)),
    }
}

fn change<const A: usize, const R: usize>(adds: [FileEntry; A], removes: [FileEntry; R], reached: i64) -> Change {
    let txns = vec![(LANE.to_owned(), reached)];
    Change { adds: adds.into(), removes: removes.into(), txns, operation: "write", data_change: true }
}

/// Logs that the store wrote itself: entries alone, and a checkpoint with entries behind it.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let disk = SimDisk::new(1);
    let mut seeds = Vec::new();
    let written: Result<(), Error> = RUNTIME.block_on(async {
        let mut table = open(&disk).await?;
        seeds.push(log(&disk));
        table.commit(change([file(1), file(2)], [], 10)).await?;
        table.commit(change([file(3)], [file(1)], 11)).await?;
        seeds.push(log(&disk));
        table.checkpoint().await?;
        seeds.push(log(&disk));
        table.commit(change([file(4)], [file(2)], 12)).await?;
        table.trim_log(table.version()).await?;
        seeds.push(log(&disk));
        Ok(())
    });
    written.expect("a simulated disk takes it");
    let entries = String::from_utf8(seeds[1].clone()).expect("entries are text");
    seeds.extend(HOSTILE.map(|(part, other)| entries.replace(part, other).into_bytes()));
    seeds.push([entries.as_bytes(), b"\n--- _last_checkpoint\n{\"version\":9223372036854775800,\"size\":1}"].concat());
    for depth in [100, 10_000] {
        seeds.push([entries.as_bytes(), "{\"add\":".repeat(depth).as_bytes()].concat());
        seeds.push([entries.as_bytes(), "[".repeat(depth).as_bytes()].concat());
    }
    seeds
}

/// Parts of entries, and what another program might have written there.
const HOSTILE: [(&str, &str); 9] = [
    ("tenant_group=shared/month=202501/", "../../"),
    ("tenant_group=shared/month=202501/", "%2e%2e/"),
    ("\n--- 0000000000000000000", "\n--- 0922337203685477580"),
    ("\n--- 00000000000000000002", "\n--- 00000000000900000002"),
    ("\"size\":1000", "\"size\":9223372036854775807"),
    ("\"rows\":\"48\"", "\"rows\":\"18446744073709551615\""),
    ("\"version\":1", "\"version\":922337203685477580"),
    ("\"timestamp\":1", "\"timestamp\":922337203685477580"),
    ("\\\"type\\\":\\\"struct\\\"", "\\\"type\\\":{\\\"type\\\":\\\"array\\\",\\\"elementType\\\":1}"),
];

/// The other way round than [`objects`].
fn log(disk: &SimDisk) -> Vec<u8> {
    let in_log = |(path, bytes): (String, Vec<u8>)| {
        let name = path.strip_prefix(LOG)?.strip_prefix('/')?.to_owned();
        Some([OBJECT, name.as_bytes(), b"\n", &bytes].concat())
    };
    disk.files().into_iter().filter_map(in_log).flatten().collect()
}

/// Name and bytes of each object that an input tells of.
fn objects(data: &[u8]) -> Vec<(&[u8], &[u8])> {
    let begins = |at: &usize| data[*at..].starts_with(OBJECT);
    let mut starts: Vec<usize> = (0..data.len()).filter(begins).collect();
    starts.push(data.len());
    let object = |between: &[usize]| {
        let object = &data[between[0] + OBJECT.len()..between[1]];
        let end = object.iter().position(|byte| *byte == b'\n').unwrap_or(object.len());
        (&object[..end], &object[(end + 1).min(object.len())..])
    };
    starts.windows(2).map(object).collect()
}

/// With its checksum. A name that no disk takes is left out.
fn put(disk: &SimDisk, name: &[u8], bytes: &[u8]) {
    let Ok(name) = std::str::from_utf8(name) else { return };
    if name.contains('/') || disk.write_durable(&format!("{LOG}/{name}"), bytes, true).is_err() {
        return;
    }
    let sum = disk.create(&format!("{SUMS}/{name}.{}", blake3::hash(bytes).to_hex()), 0);
    // Where an input names an object twice with the same bytes, it is there already.
    let _ = sum.and_then(|()| disk.sync_dir(SUMS));
}
