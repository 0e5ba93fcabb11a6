//! A folder whose files are taken in.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use host::{Folder, SimDisk};
use ingest::inbox::{DONE, Inbox, Outcome, Outcomes, REFUSED, watch};
use journal::{Content, Door};
use meter::{Sequence, TenantId};

use crate::house::{House, limits, small};

const QUIET: Duration = Duration::from_millis(200);

/// Says of every other file that nothing in it could be read, once it is let.
struct EveryOther {
    applied: AtomicBool,
}

#[async_trait]
impl Outcomes for EveryOther {
    async fn of(&self, _: TenantId, sequence: Sequence) -> Result<Outcome, String> {
        if !self.applied.load(Ordering::SeqCst) {
            return Err("not applied".to_owned());
        }
        match sequence.0 % 2 {
            1 => Ok(Outcome { read: 48, refused: 1, first_refused: Vec::new() }),
            _ => Ok(Outcome { read: 0, refused: 3, first_refused: vec!["line 1: csv.header: no column".to_owned()] }),
        }
    }
}

struct Street {
    house: House,
    outcomes: Arc<EveryOther>,
    dir: tempfile::TempDir,
}

impl Street {
    fn new() -> Street {
        let house = House::on(Arc::new(SimDisk::new(1)), small(), limits());
        let dir = tempfile::tempdir().expect("a temporary directory");
        let folder = Folder::open(dir.path(), &[DONE, REFUSED]).expect("opens");
        let outcomes = Arc::new(EveryOther { applied: AtomicBool::new(true) });
        let inbox =
            Inbox { folder, tenant: TenantId(1), format: String::new(), quiet: QUIET, outcomes: outcomes.clone() };
        house.runtime.spawn(watch(inbox, house.intake.clone()));
        Street { house, outcomes, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn lay(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).expect("writes");
    }

    fn wait_for(&self, name: &str) {
        self.house.wait_until(name, |_| self.path(name).exists());
    }
}

#[test]
fn a_file_is_taken_and_moved_to_where_it_belongs() {
    let street = Street::new();
    street.lay("may.csv", "good");
    street.wait_for("done/may.csv");
    street.lay("may.csv", "bad");
    street.wait_for("refused/may.csv.why.txt");
    let why = fs::read_to_string(street.path("refused/may.csv.why.txt")).expect("reads");
    assert!(why.contains("source 2") && why.contains("csv.header") && why.contains("2 more"), "{why}");
    street.lay("may.csv", "good again");
    street.wait_for("done/may.2.csv");
    assert_eq!(fs::read_to_string(street.path("done/may.csv")).expect("reads"), "good");
    assert!(!street.path("may.csv").exists());
    let records = street.house.records();
    let body = &records[0].body;
    assert_eq!((body.door, body.object.as_str(), body.tenant), (Door::File, "may.csv", TenantId(1)));
    assert_eq!(body.content, Content::Bytes("good".into()));
    assert_eq!((records.len(), street.house.metric("files_total")), (3, 3));
}

#[test]
fn half_a_file_is_left_alone() {
    let street = Street::new();
    let unfinished = [".hidden", "a.part", "b.TMP", "c.filepart"];
    unfinished.iter().for_each(|name| street.lay(name, "not yet"));
    fs::create_dir(street.path("folder")).expect("made");
    street.lay("slow.csv", "");
    let mut slow = OpenOptions::new().append(true).open(street.path("slow.csv")).expect("opens");
    for _ in 0..20 {
        std::thread::sleep(QUIET / 5);
        slow.write_all(b"line\n").expect("writes");
        assert_eq!(street.house.records(), []);
    }
    street.wait_for("done/slow.csv");
    assert_eq!(street.house.records()[0].body.content, Content::Bytes("line\n".repeat(20).into()));
    fs::rename(street.path("a.part"), street.path("a.csv")).expect("renames");
    street.wait_for("refused/a.csv");
    let left: BTreeSet<String> = fs::read_dir(street.dir.path())
        .expect("listed")
        .map(|entry| entry.expect("listed").file_name().into_string().expect("text"))
        .collect();
    let expected = [".hidden", "b.TMP", "c.filepart", "done", "folder", "refused"];
    assert_eq!(left, expected.map(str::to_owned).into());
    assert_eq!(street.house.records().len(), 2);
}

#[test]
fn a_file_is_moved_only_once_it_is_applied_and_taken_once() {
    let street = Street::new();
    street.outcomes.applied.store(false, Ordering::SeqCst);
    street.lay("may.csv", "good");
    street.house.wait_until("it is taken", |house| house.records().len() == 1);
    std::thread::sleep(QUIET * 3);
    assert!(street.path("may.csv").exists());
    // Another file under its name is not moved in its stead, but taken in its turn.
    street.lay("may.csv", "the next");
    street.outcomes.applied.store(true, Ordering::SeqCst);
    street.wait_for("refused/may.csv");
    assert_eq!(fs::read_to_string(street.path("refused/may.csv")).expect("reads"), "the next");
    assert_eq!(street.house.records().len(), 2);
    assert!(!street.path("done/may.csv").exists());
}

#[test]
fn a_name_that_cannot_be_kept_and_a_link_stay_where_they_are() {
    let street = Street::new();
    let names: [&[u8]; 2] = [b"latin\xe9.csv", b"two\nlines.csv"];
    let paths = names.map(|name| street.dir.path().join(std::ffi::OsStr::from_bytes(name)));
    paths.iter().for_each(|path| fs::write(path, "x").expect("writes"));
    std::os::unix::fs::symlink("/etc/hostname", street.path("link.csv")).expect("links");
    street.lay("good.csv", "good");
    street.wait_for("done/good.csv");
    std::thread::sleep(QUIET * 2);
    assert!(paths.iter().all(|path| path.exists()) && street.path("link.csv").is_symlink());
    assert_eq!(street.house.records().len(), 1);
}
