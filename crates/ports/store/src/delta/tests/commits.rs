//! One writer on a good disk.

use std::time::Duration;

use host::{Clock as _, Kind};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_tried_again_changes_nothing() {
    let disk = sim();
    let mut table = open(&store(&disk)).await.expect("makes the table");
    table.commit(change([1], [], 10)).await.expect("commits");
    let before = disk.files();
    assert_eq!(table.commit(change([2], [], 10)).await.expect("looks"), Outcome::AlreadyIn);
    assert_eq!(table.commit(change([2], [], 9)).await.expect("looks"), Outcome::AlreadyIn);
    assert!(disk.files() == before, "not one byte changed");
    assert_eq!(table.files().to_vec(), entries([1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_without_rows_is_a_commit_too() {
    let mut table = open(&store(&sim())).await.expect("makes the table");
    assert_eq!(table.commit(change([], [], 10)).await.expect("commits"), Outcome::Committed(1));
    assert_eq!(table.txn(LANE).await.expect("reads"), Some(10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_right_is_refused_and_nothing_changes() {
    let mut table = open(&store(&sim())).await.expect("makes the table");
    table.commit(change([1, 2], [], 10)).await.expect("commits");
    let kind = |result: crate::Result<Outcome>| result.expect_err("is refused").kind();

    assert_eq!(kind(table.commit(change([3], [9], 11)).await), Kind::Conflict, "removes what is not there");
    assert_eq!(kind(table.commit(change([1], [], 11)).await), Kind::Conflict, "adds what is there");
    assert_eq!(kind(table.commit(change([3, 3], [], 11)).await), Kind::Bug, "twice in one commit");
    let mut half = change([3], [], 10);
    half.txns.push((FOLD.into(), 1));
    assert_eq!(kind(table.commit(half).await), Kind::Conflict, "one position in, the other not");
    let mut outside = change([3], [], 11);
    outside.adds[0].path = "../part.parquet".into();
    assert_eq!(kind(table.commit(outside).await), Kind::Bug, "outside of the table");
    let mut empty = change([3], [], 11);
    empty.adds[0].rows = 0;
    assert_eq!(kind(table.commit(empty).await), Kind::Bug, "without rows");

    assert_eq!((table.version(), table.files().to_vec()), (1, entries([1, 2])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_of_other_columns_is_not_opened() {
    let store = store(&sim());
    open(&store).await.expect("makes the table");
    let other = DeltaTable::open_or_create(&store, NAME, &Table::Sources.schema(), false).await;
    assert_eq!(other.err().expect("is refused").kind(), Kind::Corrupt);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_of_the_lake_can_be_made_and_opened() {
    let store = store(&sim());
    for table in Table::ALL {
        let name = format!("lake/{}", table.name());
        for _ in 0..2 {
            let opened = DeltaTable::open_or_create(&store, &name, &table.schema(), table.partitioned()).await;
            let mut opened = opened.unwrap_or_else(|error| panic!("{error}"));
            let mut one = entry(1);
            if !table.partitioned() {
                (one.group, one.month, one.path) = (String::new(), 0, "part-1.parquet".into());
            }
            let change = Change { adds: vec![one.clone()], txns: vec![(LANE.into(), 1)], ..Change::default() };
            opened.commit(change).await.expect("commits");
            assert_eq!(opened.files().to_vec(), [one]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn earlier_versions_can_be_read_until_the_log_is_trimmed() {
    let disk = sim();
    let mut table = open(&store(&disk)).await.expect("makes the table");
    for number in 1..=6 {
        let removes = if number == 4 { vec![1, 2] } else { vec![] };
        table.commit(change([number], removes, i64::from(number))).await.expect("commits");
        if number == 3 {
            table.checkpoint().await.expect("writes a checkpoint");
        }
    }
    assert_eq!(table.files_at(2).await.expect("goes back"), entries([1, 2]));
    assert_eq!(table.files_at(0).await.expect("goes back"), []);
    assert_eq!(table.trim_log(2).await.expect("trims"), 0, "no checkpoint that old");
    assert_eq!(table.trim_log(5).await.expect("trims"), 3);
    assert!(table.files_at(2).await.is_err());
    assert_eq!(table.files_at(3).await.expect("goes back"), entries([1, 2, 3]));
    assert_eq!(table.files_at(5).await.expect("goes back"), entries([3, 4, 5]));
    assert_eq!(table.verify_log().await.expect("reads"), []);
    let again = open(&store(&disk.power_cycle(0))).await.expect("opens");
    assert_eq!(again.files().to_vec(), entries([3, 4, 5, 6]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_unreferenced_once_no_retained_version_needs_it() {
    let (disk, clock) = (sim(), clock());
    let store = DiskStore::new(Arc::new(disk.clone()), clock.clone());
    let mut table = open(&store).await.expect("makes the table");
    for number in [1, 2, 3, 4, 99] {
        disk.write_durable(&format!("{NAME}/{}", entry(number).path), b"rows", false).expect("writes");
    }
    let start = clock.now();
    let hour = Duration::from_secs(3_600);
    for (adds, removes, lane) in [(vec![1, 2], vec![], 1), (vec![3], vec![1], 2), (vec![4], vec![2, 3], 3)] {
        clock.advance(hour);
        table.commit(change(adds, removes, lane)).await.expect("commits");
    }
    // Someone sets the clock back: dates of commits do not follow.
    clock.set(start);
    table.commit(change([], [], 4)).await.expect("commits");

    let at = |hours: i64| meter::Timestamp(start.0 + hours * 3_600_000_000 + 60_000_000);
    for (hours, version) in [(0, 0), (1, 1), (2, 2), (3, 4)] {
        assert_eq!(table.version_at(at(hours)).await.expect("finds"), version, "{hours} h in");
    }
    let mut free = async |retained: i64| -> Vec<String> {
        let files = table.unreferenced(retained).await.expect("lists");
        files.into_iter().map(|file| file.path).collect()
    };
    let paths = |numbers: &[u32]| numbers.iter().map(|number| entry(*number).path).collect::<Vec<_>>();
    assert_eq!(free(0).await, paths(&[99]), "a leftover of a crash");
    assert_eq!(free(1).await, paths(&[99]));
    assert_eq!(free(2).await, paths(&[1, 99]));
    assert_eq!(free(4).await, paths(&[1, 2, 3, 99]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_come_by_themselves_and_the_files_stay_the_same() {
    let disk = sim();
    let mut table = open(&store(&disk)).await.expect("makes the table");
    let last = u32::try_from(CHECKPOINT_EVERY + 3).expect("small");
    for number in 1..=last {
        let removes = if number % 3 == 0 { vec![number - 1] } else { vec![] };
        table.commit(change([number], removes, i64::from(number))).await.expect("commits");
    }
    assert!(disk.size(&format!("{NAME}/_delta_log/{CHECKPOINT_EVERY:020}.checkpoint.parquet")).is_ok());
    let mut again = open(&store(&disk)).await.expect("opens");
    assert_eq!(again.files(), table.files(), "kept by hand and read from the log");
    assert_eq!(again.txn(LANE).await.expect("reads"), Some(i64::from(last)));
}
