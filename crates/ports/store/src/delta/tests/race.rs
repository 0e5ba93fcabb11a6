//! Two writers of one table: at every call to the disk that one commit makes,
//! another writer's whole commit comes in between.

use host::Kind;

use super::watched::Watched;
use super::*;

/// What both writers' commits came to, and the table after them.
struct Ended {
    ours: crate::Result<Outcome>,
    /// None if our commit made fewer calls.
    theirs: Option<crate::Result<Outcome>>,
    files: Vec<FileEntry>,
}

/// Commits `ours` while `theirs` comes in before call number `at`.
async fn race(at: usize, faults: Faults, ours: Change, theirs: Change) -> Ended {
    let sim = sim();
    let disk = Watched::new(Arc::new(sim.clone()));
    let table = Table::Readings;
    let shared = DiskStore::new(disk.clone(), clock());
    let opened = DeltaTable::open_with(&shared, NAME, &table.schema(), table.partitioned(), faults).await;
    let mut first = opened.expect("makes the table");
    first.commit(change([1, 2], [], 1)).await.expect("commits");
    let mut second = open(&store(&sim)).await.expect("opens");
    // Both know the same version, and the first has looked at the positions.
    first.txn(LANE).await.expect("reads");

    let (answer, answered) = std::sync::mpsc::channel();
    let intrusion = move || {
        let run = move || {
            let runtime = tokio::runtime::Runtime::new().expect("starts");
            answer.send(runtime.block_on(second.commit(theirs))).expect("is waited for");
        };
        std::thread::spawn(run).join().expect("does not panic");
        Ok(())
    };
    disk.once_at(at, Box::new(intrusion));
    let ours = first.commit(ours).await;
    let theirs = disk.happened().then(|| answered.recv().expect("was sent"));
    let again = open(&store(&sim)).await.expect("opens");
    assert_eq!(again.verify_log().await.expect("reads"), [], "call {at}");
    Ended { ours, theirs, files: again.files().to_vec() }
}

/// Runs a race at every call until the first commit makes no more of them.
async fn races(
    faults: Faults,
    ours: Change,
    theirs: Change,
    mut judge: impl FnMut(&str, Option<Outcome>, Option<Outcome>, Vec<FileEntry>),
) -> usize {
    for at in 0.. {
        let ended = race(at, faults, ours.clone(), theirs.clone()).await;
        let Some(their_result) = ended.theirs else {
            assert!(at >= 8, "only {at} calls to the disk were seen");
            return at;
        };
        let outcome = |result: crate::Result<Outcome>| match result {
            Ok(outcome) => Some(outcome),
            Err(error) => {
                assert_eq!(error.kind(), Kind::Conflict, "call {at}: {error}");
                None
            }
        };
        judge(&format!("call {at}"), outcome(ended.ours), outcome(their_result), ended.files);
    }
    unreachable!("a commit makes a bounded number of calls")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_with_the_same_rows_only_one_gets_them_in() {
    let (ours, theirs) = (change([20], [], 2), change([30], [], 2));
    let mut won = [0, 0];
    let calls = races(Faults::default(), ours, theirs, |at, ours, theirs, files| {
        let (winner, expected) = match (ours, theirs) {
            (Some(Outcome::Committed(2)), Some(Outcome::AlreadyIn)) => (0, entries([1, 2, 20])),
            (Some(Outcome::AlreadyIn), Some(Outcome::Committed(2))) => (1, entries([1, 2, 30])),
            both => panic!("{at}: {both:?}"),
        };
        won[winner] += 1;
        assert_eq!(files, expected, "{at}");
    })
    .await;
    println!("{calls} calls: first writer won {}, second {}", won[0], won[1]);
    assert!(won[0] > 0 && won[1] > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_of_different_rows_both_get_in() {
    let mut theirs = change([30], [], 5);
    theirs.txns[0].0 = "meterhouse/e1/lane/1".into();
    races(Faults::default(), change([20], [], 2), theirs, |at, ours, theirs, files| {
        let both = (ours.expect("no conflict"), theirs.expect("no conflict"));
        let committed = |outcome| matches!(outcome, Outcome::Committed(2 | 3));
        assert!(committed(both.0) && committed(both.1) && both.0 != both.1, "{at}: {both:?}");
        assert_eq!(files, entries([1, 2, 20, 30]), "{at}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_rewritten_by_one_writer_only() {
    let (mut ours, mut theirs) = (change([20], [1, 2], 0), change([30], [2], 0));
    ours.txns.clear();
    theirs.txns.clear();
    let mut won = [0, 0];
    races(Faults::default(), ours, theirs, |at, ours, theirs, files| {
        let (winner, expected) = match (ours, theirs) {
            (Some(Outcome::Committed(2)), None) => (0, entries([20])),
            (None, Some(Outcome::Committed(2))) => (1, entries([1, 30])),
            both => panic!("{at}: {both:?}"),
        };
        won[winner] += 1;
        assert_eq!(files, expected, "{at}");
    })
    .await;
    assert!(won[0] > 0 && won[1] > 0);
}

/// The planted mistake lets rows in twice: the trials must be able to see it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_reading_positions_again_rows_get_in_twice() {
    let faults = Faults { txn_not_read_again: true };
    let mut doubled = 0;
    races(faults, change([20], [], 2), change([30], [], 2), |_, _, _, files| {
        doubled += usize::from(files == entries([1, 2, 20, 30]));
    })
    .await;
    assert!(doubled > 0);
}
