//! What survives a checkpoint once the commits before it are gone: everything
//! we put into the log. `docs/decisions/0002` rests on this test.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_and_all_positions_of_a_commit_survive_a_checkpoint() {
    let disk = sim();
    let mut table = open(&store(&disk)).await.expect("makes the table");
    let mut both = change([1, 2, 3], [], 10);
    both.txns.push((FOLD.into(), 4));
    assert_eq!(table.commit(both).await.expect("commits"), Outcome::Committed(1));
    assert_eq!(table.commit(change([4], [2], 11)).await.expect("commits"), Outcome::Committed(2));
    table.checkpoint().await.expect("writes a checkpoint");
    forget_commits(&disk, 3);

    let mut again = open(&store(&disk.power_cycle(0))).await.expect("opens from the checkpoint alone");
    assert_eq!(again.version(), 2);
    assert_eq!(again.files().to_vec(), entries([1, 3, 4]), "with their tags: rows, bounds, checksum");
    assert_eq!(again.txn(LANE).await.expect("reads"), Some(11));
    assert_eq!(again.txn(FOLD).await.expect("reads"), Some(4));
    assert_eq!(again.txn("meterhouse/e1/lane/1").await.expect("reads"), None);

    // A second generation: the next checkpoint is made from this one.
    again.commit(change([5], [], 12)).await.expect("commits");
    again.checkpoint().await.expect("writes a checkpoint");
    forget_commits(again.store.disk().as_ref(), 0);
    let sim = again.store.disk().clone();
    sim.remove(&format!("{NAME}/_delta_log/{:020}.json", 3)).expect("was committed");
    let third = open(&DiskStore::new(sim, clock())).await.expect("opens");
    assert_eq!(third.files().to_vec(), entries([1, 3, 4, 5]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outside_engines_find_bounds_that_hold_every_row() {
    let disk = sim();
    let mut table = open(&store(&disk)).await.expect("makes the table");
    table.commit(change([1], [], 10)).await.expect("commits");
    let log = disk.read(&format!("{NAME}/_delta_log/{:020}.json", 1), 0, 1 << 16).expect("is there");
    let log = String::from_utf8(log).expect("is JSON");
    let add = log.lines().find(|line| line.contains("\"add\"")).expect("adds a file");
    let add: serde_json::Value = serde_json::from_str(add).expect("is JSON");
    let stats = add["add"]["stats"].as_str().expect("has statistics");
    let stats: serde_json::Value = serde_json::from_str(stats).expect("is JSON");
    assert_eq!(stats["numRecords"], 11);
    assert_eq!(stats["minValues"]["channel"], 64);
    assert_eq!(stats["maxValues"]["channel"], 71);
    // 1,700,000,001.000001 s to .000008 s, widened to milliseconds.
    assert_eq!(stats["minValues"]["start"], "2023-11-14T22:13:21Z");
    assert_eq!(stats["maxValues"]["start"], "2023-11-14T22:13:21.001Z");
    assert_eq!(add["add"]["partitionValues"]["month"], "202311");
}
