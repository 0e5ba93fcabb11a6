//! The contract of [`Disk`] as a test that every adapter passes.
//!
//! Promise: what can be seen of the contract without cutting the power is
//! asserted here; the rest is what the simulated disk is for.

use std::io::ErrorKind;

use crate::{Disk, Entry, is_temporary, sweep_temporaries};

/// Panics where `disk`, which must be empty, does not keep the contract.
pub fn check(disk: &dyn Disk) {
    files_are_made_once_and_hold_zeros(disk);
    reads_stop_at_the_end(disk);
    directories_are_made_with_those_above(disk);
    listings_are_sorted(disk);
    renames_replace_only_when_told(disk);
    removed_is_gone(disk);
    locks_exclude(disk);
    whole_files_are_written_at_once(disk);
    paths_stay_below_the_root(disk);
}

fn kind<T>(result: std::io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

fn read_all(disk: &dyn Disk, path: &str) -> Vec<u8> {
    disk.read(path, 0, 1 << 20).expect("reads")
}

fn files_are_made_once_and_hold_zeros(disk: &dyn Disk) {
    disk.create("zeros/deep/file", 1_000).expect("creates with its parents");
    assert_eq!(disk.size("zeros/deep/file").expect("has a size"), 1_000);
    assert_eq!(read_all(disk, "zeros/deep/file"), vec![0; 1_000]);
    assert_eq!(kind(disk.create("zeros/deep/file", 0)), Some(ErrorKind::AlreadyExists));
    assert_eq!(kind(disk.create("zeros/deep", 0)), Some(ErrorKind::AlreadyExists));
    assert!(disk.create("zeros/deep/file/below", 0).is_err());
    assert_eq!(kind(disk.write_at("zeros/none", 0, b"x")), Some(ErrorKind::NotFound));
    assert_eq!(kind(disk.sync("zeros/none")), Some(ErrorKind::NotFound));
    assert_eq!(kind(disk.sync_dir("none")), Some(ErrorKind::NotFound));
    disk.sync_dir("").expect("the root can be synced");
}

fn reads_stop_at_the_end(disk: &dyn Disk) {
    disk.create("reads/file", 0).expect("creates");
    assert_eq!(read_all(disk, "reads/file"), b"");
    disk.write_at("reads/file", 4, b"efgh").expect("writes past the end");
    disk.write_at("reads/file", 0, b"ab").expect("writes inside");
    disk.write_at("reads/file", 8, b"").expect("writes nothing");
    disk.sync("reads/file").expect("syncs");
    disk.sync_dir("reads").expect("syncs");
    assert_eq!(read_all(disk, "reads/file"), b"ab\0\0efgh");
    assert_eq!(disk.read("reads/file", 5, 2).expect("reads"), b"fg");
    assert_eq!(disk.read("reads/file", 6, usize::MAX).expect("reads"), b"gh");
    assert_eq!(disk.read("reads/file", 8, 10).expect("reads"), b"");
    assert_eq!(disk.read("reads/file", u64::MAX, 10).expect("reads"), b"");
    assert_eq!(kind(disk.read("reads/none", 0, 1)), Some(ErrorKind::NotFound));
    assert_eq!(kind(disk.size("reads/none")), Some(ErrorKind::NotFound));
    assert_eq!(kind(disk.read("reads", 0, 1)), Some(ErrorKind::IsADirectory));
    assert_eq!(kind(disk.size("reads")), Some(ErrorKind::IsADirectory));
}

fn directories_are_made_with_those_above(disk: &dyn Disk) {
    disk.make_dir("dirs/a/b").expect("makes");
    disk.make_dir("dirs/a/b").expect("makes nothing");
    disk.make_dir("").expect("the root is there");
    disk.create("dirs/file", 0).expect("creates");
    assert!(disk.make_dir("dirs/file").is_err());
    assert!(disk.make_dir("dirs/file/below").is_err());
    let dirs: Vec<bool> = disk.list("dirs").expect("lists").into_iter().map(|entry| entry.is_dir).collect();
    assert_eq!(dirs, [true, false]);
    assert_eq!(disk.list("dirs/a/b").expect("lists"), []);
}

fn listings_are_sorted(disk: &dyn Disk) {
    for (path, size) in [("lists/b", 2), ("lists/a", 1), ("lists/ab/c", 3), ("lists/B", 0)] {
        disk.create(path, size).expect("creates");
    }
    let entry = |name: &str, size, is_dir| Entry { name: name.to_owned(), size, is_dir };
    let expected = [entry("B", 0, false), entry("a", 1, false), entry("ab", 0, true), entry("b", 2, false)];
    assert_eq!(disk.list("lists").expect("lists"), expected);
    assert_eq!(disk.list("lists/none").expect("lists"), []);
    assert!(disk.list("").expect("lists the root").contains(&entry("lists", 0, true)));
}

fn renames_replace_only_when_told(disk: &dyn Disk) {
    for name in ["one", "two"] {
        disk.create(&format!("renames/{name}"), 0).expect("creates");
        disk.write_at(&format!("renames/{name}"), 0, name.as_bytes()).expect("writes");
    }
    assert_eq!(kind(disk.rename("renames/one", "renames/two", false)), Some(ErrorKind::AlreadyExists));
    assert_eq!(read_all(disk, "renames/one"), b"one");
    assert_eq!(read_all(disk, "renames/two"), b"two");
    disk.rename("renames/one", "renames/two", true).expect("replaces");
    assert_eq!(read_all(disk, "renames/two"), b"one");
    assert_eq!(kind(disk.size("renames/one")), Some(ErrorKind::NotFound));
    disk.rename("renames/two", "renames/three", false).expect("renames");
    disk.write_at("renames/three", 3, b"!").expect("writes under the new name");
    assert_eq!(read_all(disk, "renames/three"), b"one!");
    disk.create("renames/below/there", 0).expect("creates");
    disk.rename("renames/three", "renames/below/here", false).expect("renames between directories");
    assert_eq!(read_all(disk, "renames/below/here"), b"one!");
    assert_eq!(kind(disk.rename("renames/none", "renames/four", true)), Some(ErrorKind::NotFound));
    assert_eq!(kind(disk.rename("renames/below/here", "renames/no/where", true)), Some(ErrorKind::NotFound));
}

fn removed_is_gone(disk: &dyn Disk) {
    disk.create("removes/file", 10).expect("creates");
    disk.write_at("removes/file", 0, b"old").expect("writes");
    disk.remove("removes/file").expect("removes");
    assert_eq!(kind(disk.remove("removes/file")), Some(ErrorKind::NotFound));
    assert_eq!(kind(disk.read("removes/file", 0, 1)), Some(ErrorKind::NotFound));
    disk.create("removes/file", 0).expect("the name is free again");
    assert_eq!(read_all(disk, "removes/file"), b"");
}

fn locks_exclude(disk: &dyn Disk) {
    let held = disk.lock("locks/lock").expect("locks");
    assert_eq!(kind(disk.lock("locks/lock")), Some(ErrorKind::WouldBlock));
    drop(held);
    let _held = disk.lock("locks/lock").expect("locks again");
}

fn whole_files_are_written_at_once(disk: &dyn Disk) {
    disk.write_durable("whole/file", b"first", false).expect("writes");
    assert_eq!(kind(disk.write_durable("whole/file", b"second", false)), Some(ErrorKind::AlreadyExists));
    assert_eq!(read_all(disk, "whole/file"), b"first");
    disk.write_durable("whole/file", b"2nd", true).expect("replaces");
    assert_eq!(read_all(disk, "whole/file"), b"2nd");
    assert_eq!(disk.list("whole").expect("lists").len(), 1);

    let one = disk.create_temporary("whole/file").expect("creates");
    let other = disk.create_temporary("whole/file").expect("creates beside the first");
    assert_ne!(one, other);
    assert_eq!(disk.list("whole").expect("lists").iter().filter(|entry| is_temporary(&entry.name)).count(), 2);
    disk.write_at(&other, 0, b"3rd").expect("writes");
    disk.publish(&other, "whole/file", true).expect("publishes");
    assert_eq!(read_all(disk, "whole/file"), b"3rd");
    assert_eq!(sweep_temporaries(disk, "whole").expect("sweeps"), 1);
    assert_eq!(disk.list("whole").expect("lists").len(), 1);
}

fn paths_stay_below_the_root(disk: &dyn Disk) {
    for path in ["", "/etc/passwd", "../up", "a/../b", "a//b", "./a", "a/", "a\0b"] {
        assert_eq!(kind(disk.create(path, 0)), Some(ErrorKind::InvalidInput), "{path:?}");
        assert_eq!(kind(disk.read(path, 0, 1)), Some(ErrorKind::InvalidInput), "{path:?}");
        assert_eq!(kind(disk.write_at(path, 0, b"")), Some(ErrorKind::InvalidInput), "{path:?}");
        assert_eq!(kind(disk.rename("whole/file", path, true)), Some(ErrorKind::InvalidInput), "{path:?}");
        assert_eq!(kind(disk.remove(path)), Some(ErrorKind::InvalidInput), "{path:?}");
        assert!(disk.lock(path).is_err(), "{path:?}");
    }
    assert_eq!(kind(disk.list("../up")), Some(ErrorKind::InvalidInput));
}
