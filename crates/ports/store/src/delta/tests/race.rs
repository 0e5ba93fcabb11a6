//! Two writers of one table: at every call to the disk that one commit makes,
//! another writer's whole commit comes in between.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use host::{Entry, Kind, Lock};

use super::*;

type Intrusion = Box<dyn FnOnce() + Send>;

/// A disk on which something happens just before call number `at`.
struct Interrupted {
    disk: SimDisk,
    calls: AtomicUsize,
    at: AtomicUsize,
    intrusion: Mutex<Option<Intrusion>>,
}

impl Interrupted {
    fn new(disk: &SimDisk) -> Arc<Interrupted> {
        let (calls, at) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
        Arc::new(Interrupted { disk: disk.clone(), calls, at, intrusion: Mutex::default() })
    }

    /// Counts from here; `intrusion` comes before call number `at`.
    fn interrupt(&self, at: usize, intrusion: Intrusion) {
        self.calls.store(0, Ordering::SeqCst);
        *self.intrusion.lock().expect("no holder panics") = Some(intrusion);
        self.at.store(at, Ordering::SeqCst);
    }

    fn call(&self) -> &SimDisk {
        if self.calls.fetch_add(1, Ordering::SeqCst) == self.at.load(Ordering::SeqCst) {
            let intrusion = self.intrusion.lock().expect("no holder panics").take();
            if let Some(intrusion) = intrusion {
                intrusion();
            }
        }
        &self.disk
    }
}

impl Disk for Interrupted {
    fn read(&self, path: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.call().read(path, offset, len)
    }
    fn size(&self, path: &str) -> io::Result<u64> {
        self.call().size(path)
    }
    fn list(&self, dir: &str) -> io::Result<Vec<Entry>> {
        self.call().list(dir)
    }
    fn create(&self, path: &str, preallocate: u64) -> io::Result<()> {
        self.call().create(path, preallocate)
    }
    fn make_dir(&self, dir: &str) -> io::Result<()> {
        self.call().make_dir(dir)
    }
    fn write_at(&self, path: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.call().write_at(path, offset, bytes)
    }
    fn sync(&self, path: &str) -> io::Result<()> {
        self.call().sync(path)
    }
    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.call().sync_dir(dir)
    }
    fn rename(&self, from: &str, to: &str, replace: bool) -> io::Result<()> {
        self.call().rename(from, to, replace)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.call().remove(path)
    }
    fn lock(&self, path: &str) -> io::Result<Box<dyn Lock>> {
        self.call().lock(path)
    }
}

/// What both writers' commits came to, and the table after them.
struct Ended {
    ours: crate::Result<Outcome>,
    theirs: Outcome,
    files: Vec<FileEntry>,
    interrupted: bool,
}

/// Commits `ours` while `theirs` comes in before call number `at`.
async fn race(at: usize, faults: Faults, base: Change, ours: Change, theirs: Change) -> Ended {
    let sim = sim();
    let disk = Interrupted::new(&sim);
    let table = Table::Readings;
    let shared = DiskStore::new(disk.clone(), clock());
    let opened = DeltaTable::open_with(&shared, NAME, &table.schema(), table.partitioned(), faults).await;
    let mut first = opened.expect("makes the table");
    first.commit(base).await.expect("commits");
    let mut second = open(&store(&sim)).await.expect("opens");
    // Both know the same version, and the first has looked at the positions.
    first.txn(LANE).await.expect("reads");

    let (answer, answered) = std::sync::mpsc::channel();
    let intrusion = move || {
        let run = move || {
            let runtime = tokio::runtime::Runtime::new().expect("starts");
            let outcome = runtime.block_on(second.commit(theirs)).expect("the other writer is not disturbed");
            answer.send(outcome).expect("is waited for");
        };
        std::thread::spawn(run).join().expect("does not panic");
    };
    disk.interrupt(at, Box::new(intrusion));
    let ours = first.commit(ours).await;
    let interrupted = disk.intrusion.lock().expect("no holder panics").is_none();
    let theirs = if interrupted { answered.recv().expect("was sent") } else { Outcome::AlreadyIn };
    let again = open(&store(&sim)).await.expect("opens");
    assert_eq!(again.verify_log().await.expect("reads"), [], "call {at}");
    Ended { ours, theirs, files: again.files().to_vec(), interrupted }
}

/// Runs a race at every call until the first commit makes no more of them.
async fn races(faults: Faults, ours: Change, theirs: Change, mut judge: impl FnMut(usize, Ended)) -> usize {
    for at in 0.. {
        let ended = race(at, faults, change([1, 2], [], 1), ours.clone(), theirs.clone()).await;
        if !ended.interrupted {
            assert!(at > 10, "only {at} calls to the disk were seen");
            return at;
        }
        judge(at, ended);
    }
    unreachable!("a commit makes a bounded number of calls")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_with_the_same_rows_only_one_gets_them_in() {
    let (ours, theirs) = (change([20], [], 2), change([30], [], 2));
    let mut won = [0, 0];
    let calls = races(Faults::default(), ours, theirs, |at, ended| {
        let ours = ended.ours.unwrap_or_else(|error| panic!("call {at}: {error}"));
        let expected = match (ours, ended.theirs) {
            (Outcome::Committed(2), Outcome::AlreadyIn) => entries([1, 2, 20]),
            (Outcome::AlreadyIn, Outcome::Committed(2)) => entries([1, 2, 30]),
            both => panic!("call {at}: {both:?}"),
        };
        won[usize::from(ours == Outcome::AlreadyIn)] += 1;
        assert_eq!(ended.files, expected, "call {at}");
    })
    .await;
    println!("{calls} calls: first writer won {}, second {}", won[0], won[1]);
    assert!(won[0] > 0 && won[1] > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_of_different_rows_both_get_in() {
    let mut theirs = change([30], [], 5);
    theirs.txns[0].0 = "meterhouse/e1/lane/1".into();
    races(Faults::default(), change([20], [], 2), theirs, |at, ended| {
        let ours = ended.ours.unwrap_or_else(|error| panic!("call {at}: {error}"));
        assert!(matches!((ours, ended.theirs), (Outcome::Committed(2 | 3), Outcome::Committed(2 | 3))), "call {at}");
        assert_eq!(ended.files, entries([1, 2, 20, 30]), "call {at}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_rewritten_by_one_writer_only() {
    let mut ours = change([20], [1, 2], 0);
    ours.txns.clear();
    let mut theirs = change([30], [2], 0);
    theirs.txns.clear();
    for at in 0.. {
        let sim_base = change([1, 2], [], 1);
        let ended = race_or_conflict(at, sim_base, ours.clone(), theirs.clone()).await;
        let Some(ended) = ended else { break };
        match ended.ours {
            Ok(_) => panic!("call {at}: the other writer cannot have committed before"),
            Err(error) => assert_eq!(error.kind(), Kind::Conflict, "call {at}"),
        }
        assert_eq!(ended.files, entries([1, 30]), "call {at}");
    }
}

/// As [`race`]; none once the other writer comes too late to be first.
async fn race_or_conflict(at: usize, base: Change, ours: Change, theirs: Change) -> Option<Ended> {
    let probe = race_lenient(at, base, ours, theirs).await;
    probe.filter(|ended| matches!(ended.theirs, Outcome::Committed(_)))
}

/// The other writer's refusal counts as not having come.
async fn race_lenient(at: usize, base: Change, ours: Change, theirs: Change) -> Option<Ended> {
    let sim = sim();
    let disk = Interrupted::new(&sim);
    let mut first = open(&DiskStore::new(disk.clone(), clock())).await.expect("makes the table");
    first.commit(base).await.expect("commits");
    let mut second = open(&store(&sim)).await.expect("opens");
    let (answer, answered) = std::sync::mpsc::channel();
    let intrusion = move || {
        let run = move || {
            let runtime = tokio::runtime::Runtime::new().expect("starts");
            answer.send(runtime.block_on(second.commit(theirs))).expect("is waited for");
        };
        std::thread::spawn(run).join().expect("does not panic");
    };
    disk.interrupt(at, Box::new(intrusion));
    let ours = first.commit(ours).await;
    let theirs = answered.try_recv().ok()?.ok()?;
    let again = open(&store(&sim)).await.expect("opens");
    Some(Ended { ours, theirs, files: again.files().to_vec(), interrupted: true })
}

/// The planted mistake lets rows in twice: the trials must be able to see it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_reading_positions_again_rows_get_in_twice() {
    let faults = Faults { txn_not_read_again: true };
    let mut doubled = 0;
    races(faults, change([20], [], 2), change([30], [], 2), |_, ended| {
        doubled += usize::from(ended.files == entries([1, 2, 20, 30]));
    })
    .await;
    assert!(doubled > 0);
}
