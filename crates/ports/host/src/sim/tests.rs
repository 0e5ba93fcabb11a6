//! What the simulated disk keeps, loses and tears, and that it is repeatable.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use proptest::prelude::*;

use super::*;

const SEEDS: std::ops::Range<u64> = 0..200;

fn read_all(disk: &SimDisk, path: &str) -> Option<Vec<u8>> {
    disk.read(path, 0, 1 << 20).ok()
}

/// A file of `bytes`, durable with its name.
fn durable(disk: &SimDisk, path: &str, bytes: &[u8]) {
    disk.create(path, 0).expect("creates");
    disk.write_at(path, 0, bytes).expect("writes");
    disk.sync(path).expect("syncs");
    disk.sync_dir(parent_of(path)).expect("syncs");
}

/// Everything that the seeds make of a path.
fn outcomes(disk: &SimDisk, path: &str) -> BTreeSet<Option<Vec<u8>>> {
    SEEDS.map(|seed| read_all(&disk.power_cycle(seed), path)).collect()
}

#[test]
fn a_simulated_disk_keeps_the_contract() {
    crate::contract::check(&SimDisk::new(1));
}

#[test]
fn what_was_synced_survives_every_power_loss() {
    let disk = SimDisk::new(1);
    durable(&disk, "d/f", b"kept");
    assert_eq!(outcomes(&disk, "d/f"), BTreeSet::from([Some(b"kept".to_vec())]));
}

#[test]
fn a_synced_file_whose_name_was_not_may_vanish() {
    let disk = SimDisk::new(1);
    disk.create("d/f", 0).expect("creates");
    disk.write_at("d/f", 0, b"kept").expect("writes");
    disk.sync("d/f").expect("syncs");
    assert_eq!(outcomes(&disk, "d/f"), BTreeSet::from([None, Some(b"kept".to_vec())]));
}

#[test]
fn unsynced_sectors_are_lost_kept_torn_and_reordered() {
    let disk = SimDisk::new(1);
    durable(&disk, "f", &[b'0'; 1024]);
    disk.write_at("f", 0, &[b'1'; 1024]).expect("writes");
    disk.write_at("f", 0, &[b'2'; 1024]).expect("writes");
    let sectors = |bytes: Vec<u8>| (bytes[0], bytes[512]);
    let seen: BTreeSet<(u8, u8)> = outcomes(&disk, "f").into_iter().flatten().map(sectors).collect();
    let every = b"012".iter().flat_map(|one| b"012".iter().map(|other| (*one, *other)));
    assert_eq!(seen, every.collect());
    for bytes in outcomes(&disk, "f").into_iter().flatten() {
        assert!(bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])), "a sector is whole");
    }
}

#[test]
fn an_unsynced_size_may_be_old_new_or_between() {
    let disk = SimDisk::new(1);
    durable(&disk, "f", b"");
    disk.write_at("f", 0, &[7; 2_000]).expect("writes");
    let sizes: BTreeSet<usize> = outcomes(&disk, "f").into_iter().flatten().map(|bytes| bytes.len()).collect();
    assert!(sizes.is_superset(&BTreeSet::from([0, 512, 1024, 1536, 2_000])), "{sizes:?}");
}

#[test]
fn an_unsynced_rename_shows_the_old_name_or_the_new() {
    let disk = SimDisk::new(1);
    durable(&disk, "d/old", b"x");
    disk.rename("d/old", "d/new", false).expect("renames");
    let names = |seed| disk.power_cycle(seed).files().into_keys().collect::<Vec<String>>();
    let seen: BTreeSet<Vec<String>> = SEEDS.map(names).collect();
    assert_eq!(seen, BTreeSet::from([vec!["d/new".to_owned()], vec!["d/old".to_owned()]]));
}

#[test]
fn unsynced_changes_are_undone_each_for_itself() {
    let disk = SimDisk::new(1);
    durable(&disk, "removed", b"x");
    disk.remove("removed").expect("removes");
    disk.create("created", 0).expect("creates");
    let present = |seed| {
        let files = disk.power_cycle(seed).files();
        (files.contains_key("removed"), files.contains_key("created"))
    };
    let seen: BTreeSet<(bool, bool)> = SEEDS.map(present).collect();
    assert_eq!(seen, BTreeSet::from([(false, false), (false, true), (true, false), (true, true)]));
}

#[test]
fn a_removed_file_comes_back_with_its_durable_bytes() {
    let disk = SimDisk::new(1);
    durable(&disk, "f", b"first");
    disk.remove("f").expect("removes");
    disk.create("f", 0).expect("creates");
    disk.write_at("f", 0, b"other").expect("writes");
    disk.sync("f").expect("syncs");
    let expected = [None, Some(b"first".to_vec()), Some(b"other".to_vec())];
    assert_eq!(outcomes(&disk, "f"), BTreeSet::from(expected));
}

#[test]
fn a_rename_between_directories_needs_both_synced() {
    let renamed = |synced: &[&str]| {
        let disk = SimDisk::new(1);
        durable(&disk, "a/f", b"x");
        durable(&disk, "b/other", b"y");
        disk.rename("a/f", "b/f", false).expect("renames");
        synced.iter().for_each(|dir| disk.sync_dir(dir).expect("syncs"));
        (outcomes(&disk, "a/f").len(), outcomes(&disk, "b/f").len())
    };
    assert_eq!(renamed(&["b"]), (2, 2));
    assert_eq!(renamed(&["a"]), (2, 2));
    assert_eq!(renamed(&["a", "b"]), (1, 1));
}

#[test]
fn nothing_works_after_the_power_is_gone() {
    let disk = SimDisk::new(1);
    durable(&disk, "f", b"x");
    disk.crash_at(disk.operations());
    assert!(disk.write_at("f", 0, b"y").is_err());
    assert!(disk.crashed());
    assert!(disk.read("f", 0, 1).is_err() && disk.list("").is_err() && disk.sync("f").is_err());
    assert_eq!(outcomes(&disk, "f"), BTreeSet::from([Some(b"x".to_vec()), Some(b"y".to_vec())]));
}

#[test]
fn a_killed_process_leaves_its_bytes_but_not_their_safety() {
    let disk = SimDisk::new(1);
    durable(&disk, "f", b"x");
    let _held = disk.lock("lock").expect("locks");
    disk.write_at("f", 0, b"y").expect("writes");
    let next = disk.restart();
    assert_eq!(read_all(&next, "f"), Some(b"y".to_vec()));
    let _held = next.lock("lock").expect("the lock died with its holder");
    assert_eq!(outcomes(&next, "f").len(), 2);
}

#[test]
fn a_sync_after_a_failed_one_does_not_bring_the_bytes_back() {
    let lost = SEEDS.filter(|seed| {
        let disk = SimDisk::new(*seed);
        durable(&disk, "f", b"x");
        disk.write_at("f", 0, b"y").expect("writes");
        disk.fail_at(disk.operations(), ErrorKind::Other);
        disk.sync("f").expect_err("the injected failure");
        assert_eq!(read_all(&disk, "f"), Some(b"y".to_vec()), "the page cache still shows it");
        disk.sync("f").expect("lies");
        read_all(&disk.power_cycle(1), "f") == Some(b"x".to_vec())
    });
    assert!((50..150).contains(&lost.count()));
}

#[test]
fn a_full_disk_refuses_growth_and_recovers() {
    let disk = SimDisk::new(1);
    disk.set_capacity(Some(1_000));
    disk.create("a", 900).expect("fits");
    assert_eq!(disk.create("b", 200).expect_err("does not fit").kind(), ErrorKind::StorageFull);
    assert_eq!(read_all(&disk, "b"), None);
    disk.write_at("a", 0, &[1; 900]).expect("reserved space can be written");
    assert_eq!(disk.write_at("a", 900, &[1; 200]).expect_err("grows").kind(), ErrorKind::StorageFull);
    disk.remove("a").expect("removes");
    disk.create("b", 200).expect("fits now");
}

#[test]
fn reads_fail_where_they_are_told_to() {
    let disk = SimDisk::new(1);
    durable(&disk, "a/f", b"x");
    durable(&disk, "b/f", b"y");
    disk.fail_reads("a/", ErrorKind::InvalidData);
    assert_eq!(disk.read("a/f", 0, 1).expect_err("the injected failure").kind(), ErrorKind::InvalidData);
    assert_eq!(disk.read("b/f", 0, 1).expect("reads"), b"y");
}

#[test]
fn a_skipped_fsync_keeps_nothing() {
    let disk = SimDisk::new(1);
    disk.skip_fsync("f");
    durable(&disk, "f", b"x");
    assert!(outcomes(&disk, "f").len() > 1);
    let disk = SimDisk::new(1);
    disk.skip_dir_sync("d");
    durable(&disk, "d/f", b"x");
    assert_eq!(outcomes(&disk, "d/f").len(), 2);
}

/// Replaces a file through every power loss; true if what `write_durable`
/// promises was kept each time.
fn replacing_keeps_its_promise(plant: impl Fn(&SimDisk)) -> bool {
    let trial = |crash_at: Option<u64>| {
        let disk = SimDisk::new(3);
        plant(&disk);
        disk.write_durable("d/f", &[1; 700], false).expect("writes");
        if let Some(number) = crash_at {
            disk.crash_at(number);
        }
        let returned = disk.write_durable("d/f", &[2; 1_400], true).is_ok();
        (disk, returned)
    };
    let total = trial(None).0.operations();
    (5..=total).all(|number| {
        let (disk, returned) = trial(Some(number));
        SEEDS.into_iter().all(|seed| {
            let left = read_all(&disk.power_cycle(seed), "d/f");
            left == Some(vec![2; 1_400]) || (!returned && left == Some(vec![1; 700]))
        })
    })
}

#[test]
fn a_file_written_at_once_is_whole_after_every_crash() {
    assert!(replacing_keeps_its_promise(|_| {}));
}

#[test]
fn the_trial_of_whole_files_catches_skipped_syncs() {
    assert!(!replacing_keeps_its_promise(|disk| disk.skip_fsync("d/")));
    assert!(!replacing_keeps_its_promise(|disk| disk.skip_dir_sync("d")));
}

/// One call of a script, on four files in two directories.
fn call(disk: &SimDisk, (what, file, at, len): (u8, u8, u16, u16)) {
    let path = |file: u8| format!("d{}/f{}", file % 2, file / 2 % 2);
    // Errors are part of the script: the same ones must come again.
    let _ = match what {
        0 => disk.create(&path(file), u64::from(len)),
        1 | 2 => disk.write_at(&path(file), u64::from(at), &vec![file; usize::from(len)]),
        3 => disk.sync(&path(file)),
        4 => disk.sync_dir(parent_of(&path(file))),
        5 => disk.rename(&path(file), &path(file + 1), at % 2 == 0),
        _ => disk.remove(&path(file)),
    };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_same_seeds_leave_the_same_bytes(
        script in prop::collection::vec((0_u8..7, 0_u8..4, 0_u16..2_000, 0_u16..2_000), 1..40),
        crash_at in 0_u64..40,
        seed in 0_u64..1_000,
    ) {
        let run = || {
            let disk = SimDisk::new(seed);
            disk.crash_at(crash_at);
            script.iter().for_each(|step| call(&disk, *step));
            (disk.log(), disk.power_cycle(seed).files())
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn after_syncing_everything_every_power_loss_leaves_everything(
        script in prop::collection::vec((0_u8..7, 0_u8..4, 0_u16..2_000, 0_u16..2_000), 1..40),
        seed in 0_u64..1_000,
    ) {
        let disk = SimDisk::new(seed);
        script.iter().for_each(|step| call(&disk, *step));
        let files = disk.files();
        for path in files.keys() {
            disk.sync(path).expect("syncs");
            disk.sync_dir(parent_of(path)).expect("syncs");
        }
        // Names that are gone need their directories synced too.
        for dir in ["d0", "d1"] {
            let _ = disk.sync_dir(dir);
        }
        prop_assert_eq!(disk.power_cycle(seed).files(), files);
    }
}
