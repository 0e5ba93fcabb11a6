//! A drill: backup beside a sender, restore elsewhere, and nothing is missing.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::street::{House, Server, nem12, path, text};

fn backup(house: &House, to: &std::path::Path) -> serde_json::Value {
    serde_json::from_str(&house.says(&["--json", "backup", "--to", path(to)])).expect("JSON")
}

/// The data directory of `backup`, restored beside it.
fn restored(to: &std::path::Path) -> House {
    let house = House::new();
    house.says(&["restore", "--from", path(to)]);
    house
}

fn post(server: &Server, point: u64) -> u16 {
    let body = nem12("1.25", "20040420010203").replace("CCCC123456", &format!("P{point:09}"));
    let more = format!("Content-Length: {}\r\nContent-Type: application/octet-stream\r\n", body.len());
    let head = server.head("POST /v1/files?name=day.csv&format=nem12", &more);
    server.tell(&[head.as_bytes(), body.as_bytes()].concat()).expect("an answer").status
}

fn points(house: &House) -> usize {
    house.says(&["sql", "--format", "csv", "select distinct point from readings"]).lines().count() - 1
}

#[test]
fn what_was_acknowledged_before_a_backup_is_there_after_a_restore() {
    let house = House::new();
    let to = house.dir.path().join("backup");
    let server =
        house.serve_with(&["--config", path(&house.file("fast.toml", "[process]\ncommit_wait_max_ms = 50\n"))]);
    let (sent, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    for point in 0..20 {
        assert_eq!(post(&server, point), 200);
    }
    sent.store(20, Ordering::SeqCst);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for point in 20.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                assert_eq!(post(&server, point), 200);
                sent.store(point + 1, Ordering::SeqCst);
            }
        });
        for _ in 0..4 {
            let before = sent.load(Ordering::SeqCst);
            let said = backup(&house, &to);
            let restored = restored(&to);
            let verified = restored.verified();
            let records = said["next_sequence"].as_u64().expect("a number") - 1;
            assert!(records >= before, "{records} of {before}");
            assert_eq!(verified["sources"], records, "{verified}");
            assert_eq!(verified["readings"], 48 * records, "{verified}");
        }
        stop.store(true, Ordering::SeqCst);
    });
    server.stop();
    let all = house.verified();
    backup(&house, &to);
    let again = restored(&to);
    assert_eq!(again.verified()["state_hash"], all["state_hash"]);
    assert_eq!(points(&again) as u64, sent.load(Ordering::SeqCst));
}

#[test]
fn a_second_backup_copies_only_what_is_new_and_a_restored_house_goes_on() {
    let house = House::new();
    let to = house.dir.path().join("backup");
    house.import(&house.file("a.csv", nem12("1.25", "20040420010203")));
    assert!(backup(&house, &to)["files_new"].as_u64().expect("a number") > 10);
    let second = backup(&house, &to);
    assert!(second["files_new"].as_u64().expect("a number") <= 2, "{second}");
    let restored = restored(&to);
    assert_eq!(restored.import(&house.file("b.csv", nem12("2.5", "20050420010203"))), [0, 0, 48, 0]);
    restored.verified();
    assert_eq!(restored.import(&house.file("c.csv", nem12("1.25", "20040420010203"))), [0; 4], "seen before");
}

fn objects(to: &std::path::Path) -> Vec<PathBuf> {
    let shelves = std::fs::read_dir(to.join("objects")).expect("there").map(|dir| dir.expect("readable").path());
    let mut found: Vec<PathBuf> =
        shelves.flat_map(|dir| std::fs::read_dir(dir).expect("there").map(|f| f.expect("readable").path())).collect();
    found.sort();
    found
}

#[test]
fn a_damaged_backup_restores_nothing_and_says_which_object() {
    let house = House::new();
    let to = house.dir.path().join("backup");
    house.import(&house.file("a.csv", nem12("1.25", "20040420010203")));
    backup(&house, &to);
    // Each takes a process; every third has logs, sums, segments and data files among it.
    for object in objects(&to).into_iter().step_by(3) {
        let bytes = std::fs::read(&object).expect("readable");
        let mut changed = bytes.clone();
        match changed.len() {
            0 => changed.push(0),
            length => changed[length / 2] ^= 1,
        }
        std::fs::write(&object, changed).expect("written");
        let target = House::new();
        let output = target.run(&["restore", "--from", path(&to)]);
        assert_eq!(output.status.code(), Some(5), "{}: {}", object.display(), text(&output.stderr));
        assert_eq!(std::fs::read_dir(target.dir.path()).expect("there").count(), 0);
        std::fs::write(&object, bytes).expect("written");
    }
    restored(&to).verified();
}

#[test]
fn a_restore_touches_nothing_that_is_there() {
    let house = House::new();
    let to = house.dir.path().join("backup");
    house.import(&house.file("a.csv", nem12("1.25", "20040420010203")));
    backup(&house, &to);
    let before = house.verified();
    assert_eq!(house.run(&["restore", "--from", path(&to)]).status.code(), Some(2));
    assert_eq!(house.verified(), before);
    assert_eq!(house.run(&["backup", "--to", path(&house.data().join("inside"))]).status.code(), Some(2));
    let other = House::new();
    other.import(&house.file("a.csv", nem12("1.25", "20040420010203")));
    assert_eq!(other.run(&["backup", "--to", path(&to)]).status.code(), Some(2), "of another data directory");
    restored(&to).verified();
}
