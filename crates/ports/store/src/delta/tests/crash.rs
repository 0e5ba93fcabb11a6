//! Power loss at every operation of a table's life.
//!
//! The oracle is a list: what each version must hold. After a crash the table
//! is at a version that was acknowledged, or at the one that was being tried;
//! files and positions agree with the list; and what was read once stays.

use host::RealDisk;

use super::watched::Watched;
use super::*;

/// One step of a life.
#[derive(Clone, Copy, Debug)]
enum Step {
    Commit(u32),
    Checkpoint,
    Trim,
}

const LIFE: [Step; 8] = [
    Step::Commit(1),
    Step::Checkpoint,
    Step::Commit(2),
    Step::Commit(3),
    Step::Checkpoint,
    Step::Trim,
    Step::Commit(4),
    Step::Commit(5),
];

fn step_change(number: u32) -> Change {
    let removes = if number == 3 { vec![10, 21] } else { vec![] };
    let mut change = change([number * 10, number * 10 + 1], removes, i64::from(number));
    change.txns.push((FOLD.into(), i64::from(number) * 100));
    change
}

/// What version `version` holds: commits come in one by one.
fn files_of(version: i64) -> Vec<FileEntry> {
    let mut numbers = Vec::new();
    for number in 1..=u32::try_from(version).expect("small") {
        numbers.extend([number * 10, number * 10 + 1]);
        if number == 3 {
            numbers.retain(|n| *n != 10 && *n != 21);
        }
    }
    entries(numbers)
}

/// Lives until the end or the crash; the newest version acknowledged, -1 if not even opened.
async fn live(store: &DiskStore, life: &[Step]) -> i64 {
    let Ok(mut table) = open(store).await else { return -1 };
    let mut acknowledged = 0;
    for step in life {
        let done = match step {
            Step::Commit(number) => table.commit(step_change(*number)).await.map(|_| acknowledged = i64::from(*number)),
            Step::Checkpoint => table.checkpoint().await,
            Step::Trim => table.trim_log(table.version()).await.map(|_| ()),
        };
        if done.is_err() {
            break;
        }
    }
    acknowledged
}

/// Opens, compares with the oracle, and gives the version found.
async fn inspect(store: &DiskStore, what: &str) -> i64 {
    let mut table = open(store).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    let version = table.version();
    assert_eq!(table.files().to_vec(), files_of(version), "{what}: files of version {version}");
    let position = (version > 0).then_some(version);
    assert_eq!(table.txn(LANE).await.expect("reads"), position, "{what}");
    assert_eq!(table.txn(FOLD).await.expect("reads"), position.map(|at| at * 100), "{what}");
    assert_eq!(table.verify_log().await.expect("reads"), [], "{what}");
    version
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_operation_leaves_a_version_and_loses_nothing_acknowledged() {
    let whole = sim();
    assert_eq!(live(&store(&whole), &LIFE).await, 5);
    let operations = whole.log();
    for (number, line) in operations.iter().enumerate() {
        println!("boundary {number:3} {line}");
    }
    for (number, line) in operations.iter().enumerate() {
        let disk = sim();
        disk.crash_at(number as u64);
        let acknowledged = live(&store(&disk), &LIFE).await;
        assert!(disk.crashed());
        let survivors = [
            ("nothing unsynced", disk.power_cycle(0)),
            ("everything", disk.power_cycle(1)),
            ("some of it", disk.power_cycle(2 + number as u64)),
            ("killed only", disk.restart()),
        ];
        for (kept, after) in survivors {
            let what = format!("boundary {number} ({line}), kept: {kept}");
            let version = inspect(&store(&after), &what).await;
            let expected = acknowledged.max(0)..=acknowledged + 1;
            assert!(expected.contains(&version), "{what}: version {version}, acknowledged {acknowledged}");
            // What a start has seen and built upon does not go away with the next power loss.
            let later = after.power_cycle(0);
            assert_eq!(inspect(&store(&later), &format!("{what}, then power loss")).await, version);
            // The interrupted commit is tried again and everything after it.
            let mut table = open(&store(&later)).await.expect("opens");
            for number in 1..=5 {
                table.commit(step_change(number)).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            }
            assert_eq!(inspect(&store(&later), &format!("{what}, tried again")).await, 5);
        }
    }
}

/// The trial itself: a sync left out must not pass it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_left_out_loses_what_was_acknowledged() {
    let forgetful: [fn(&SimDisk); 3] = [
        |disk| disk.skip_fsync("/_delta_log/"),
        |disk| disk.skip_dir_sync("/_delta_log"),
        |disk| disk.skip_dir_sync("/_delta_sums"),
    ];
    for (number, forget) in forgetful.iter().enumerate() {
        let disk = sim();
        forget(&disk);
        assert_eq!(live(&store(&disk), &LIFE).await, 5);
        let kept = match open(&store(&disk.power_cycle(0))).await {
            Ok(table) => table.version(),
            Err(error) => {
                assert_eq!(error.kind(), host::Kind::Corrupt, "{error}");
                -1
            }
        };
        assert!(kept < 5, "number {number} made no difference");
    }
}

/// The same on the machine's own disk, for a killed process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_any_call_to_a_real_disk_leaves_a_version() {
    let life = [Step::Commit(1), Step::Checkpoint, Step::Commit(2)];
    let real = |dir: &tempfile::TempDir| Arc::new(RealDisk::open(dir.path()).expect("opens"));
    let whole = tempfile::tempdir().expect("makes a directory");
    let watched = Watched::new(real(&whole));
    assert_eq!(live(&DiskStore::new(watched.clone(), clock()), &life).await, 2);
    let calls = watched.calls();
    println!("{calls} calls");
    for at in 0..calls {
        let dir = tempfile::tempdir().expect("makes a directory");
        let disk = Watched::new(real(&dir));
        disk.kill_at(at);
        let acknowledged = live(&DiskStore::new(disk, clock()), &life).await;
        let after = DiskStore::new(real(&dir), clock());
        let version = inspect(&after, &format!("killed at call {at}")).await;
        assert!((acknowledged.max(0)..=acknowledged + 1).contains(&version), "call {at}: {version}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_is_busy_and_then_goes_on() {
    let disk = sim();
    let mut table = open(&store(&disk)).await.expect("makes the table");
    table.commit(change([1], [], 1)).await.expect("commits");
    disk.set_capacity(Some(disk.files().values().map(|bytes| bytes.len() as u64).sum()));
    let full = table.commit(change([2], [], 2)).await.expect_err("has no room");
    assert_eq!(full.kind(), host::Kind::Busy, "{full}");
    disk.set_capacity(None);
    assert_eq!(table.commit(change([2], [], 2)).await.expect("has room"), Outcome::Committed(2));
}

/// A log that is visible but in doubt must not be believed: the journal would be
/// trimmed behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failed_sync_nothing_is_answered_any_more() {
    let whole = sim();
    let mut table = open(&store(&whole)).await.expect("makes the table");
    let before = whole.operations();
    table.commit(change([1], [], 1)).await.expect("commits");
    let log = whole.log();
    let syncs = (before..whole.operations()).filter(|at| log[*at as usize].starts_with("sync"));
    for at in syncs {
        let disk = sim();
        let mut table = open(&store(&disk)).await.expect("makes the table");
        disk.fail_at(at, std::io::ErrorKind::Other);
        let what = format!("operation {at} ({})", log[at as usize]);
        assert_eq!(table.commit(change([1], [], 1)).await.expect_err(&what).kind(), host::Kind::Bug, "{what}");
        assert!(table.commit(change([1], [], 1)).await.is_err(), "{what}: not even already in");
        assert!(table.txn(LANE).await.is_err(), "{what}");
        let mut again = open(&store(&disk.restart())).await.expect("a new start opens it");
        again.commit(change([1], [], 1)).await.expect("and commits");
        assert_eq!(again.files().to_vec(), entries([1]));
    }
}
