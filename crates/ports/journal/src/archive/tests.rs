//! Objects are whole or absent, and every changed byte is found.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use host::{Kind, RealDisk, SimDisk};

use super::*;

fn open(disk: &SimDisk) -> Archive {
    Archive::open(Arc::new(disk.clone())).expect("opens")
}

fn read(archive: &Archive, sha256: &[u8; 32]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    archive.reader(sha256).map_err(io::Error::other)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn keeps_what_it_is_given(disk: Arc<dyn Disk>) {
    let archive = Archive::open(disk).expect("opens");
    for len in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, 2 * PIECE_BYTES + 5] {
        let bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        let stored = archive.put(&bytes[..]).expect("puts");
        assert_eq!(stored.size, len as u64);
        assert_eq!(stored.sha256[..], Sha256::digest(&bytes)[..]);
        assert_eq!(archive.put(&bytes[..]).expect("puts the same again"), stored);
        assert_eq!(archive.reader(&stored.sha256).expect("is there").size(), len as u64);
        assert_eq!(read(&archive, &stored.sha256).expect("reads"), bytes);
    }
    assert_eq!(archive.list().expect("lists").len(), 5);
    assert_eq!(archive.scrub().expect("reads"), []);
    let gone = archive.list().expect("lists")[2].sha256;
    drop(archive.removing());
    assert!(archive.removing().remove(&gone).expect("removes"));
    assert_eq!(archive.list().expect("lists").len(), 4);
    assert_eq!(archive.reader(&gone).err().map(|error| error.kind()), Some(Kind::NotFound));
    assert!(!archive.removing().remove(&gone).expect("looks"), "it is gone already");
}

#[test]
fn every_disk_gives_back_what_was_put() {
    keeps_what_it_is_given(Arc::new(SimDisk::new(1)));
    let dir = tempfile::tempdir().expect("a temporary directory");
    keeps_what_it_is_given(Arc::new(RealDisk::open(dir.path()).expect("opens")));
}

#[test]
fn an_object_that_was_not_finished_leaves_nothing() {
    let disk = SimDisk::new(1);
    let mut incoming = open(&disk).begin().expect("begins");
    incoming.write(b"half").expect("writes");
    assert_eq!(disk.files().len(), 1);
    drop(incoming);
    assert_eq!(disk.files().len(), 0);
}

/// Puts two objects, the second in pieces; returns those that were acknowledged.
fn put_two(disk: &SimDisk) -> Vec<Stored> {
    let mut acked = Vec::new();
    let Ok(archive) = Archive::open(Arc::new(disk.clone())) else { return acked };
    acked.extend(archive.put(&b"first"[..]));
    let in_pieces = || {
        let mut incoming = archive.begin()?;
        incoming.write(&[1; 700])?;
        incoming.write(&[2; 700])?;
        incoming.finish()
    };
    acked.extend(in_pieces());
    acked.extend(archive.put(&b"first"[..]));
    acked
}

/// The first promise broken by a power loss at any operation.
fn every_boundary(plant: impl Fn(&SimDisk)) -> Result<u64, String> {
    let whole = SimDisk::new(1);
    plant(&whole);
    put_two(&whole);
    for number in 0..=whole.operations() {
        let disk = SimDisk::new(1);
        plant(&disk);
        disk.crash_at(number);
        let acked = put_two(&disk);
        for seed in 0..12 {
            let left = disk.power_cycle(seed);
            let archive = open(&left);
            let names: BTreeSet<[u8; 32]> = archive.list().expect("lists").iter().map(|stored| stored.sha256).collect();
            for stored in &acked {
                if !names.contains(&stored.sha256) || read(&archive, &stored.sha256).is_err() {
                    return Err(format!("operation {number}, survival {seed}: an acknowledged object is gone"));
                }
            }
            let damages = archive.scrub().expect("reads");
            if !damages.is_empty() || left.files().keys().any(|path| path.ends_with(host::SWEPT_SUFFIX)) {
                return Err(format!("operation {number}, survival {seed}: {damages:?} {:?}", left.files().keys()));
            }
        }
    }
    Ok(whole.operations())
}

#[test]
fn no_power_loss_leaves_half_an_object() {
    let boundaries = every_boundary(|_| {}).expect("every promise is kept");
    println!("{boundaries} operation boundaries");
}

#[test]
fn the_trial_catches_skipped_syncs() {
    every_boundary(|disk| disk.skip_fsync("archive")).expect_err("an object that was not durable");
    every_boundary(|disk| disk.skip_dir_sync("archive")).expect_err("a name that was not durable");
}

#[test]
fn every_flipped_byte_is_found_and_putting_it_again_mends_it() {
    let disk = SimDisk::new(1);
    let archive = open(&disk);
    let stored = archive.put(&[7; 1_500][..]).expect("puts");
    let path = disk.files().into_keys().next().expect("one object");
    for byte in 0..1_500 {
        disk.flip(&path, byte, 3);
        assert_eq!(archive.scrub().expect("reads")[0].path, path, "byte {byte}");
        disk.flip(&path, byte, 3);
    }
    disk.flip(&path, 9, 3);
    assert_eq!(read(&archive, &stored.sha256).expect_err("no end is reached").kind(), ErrorKind::InvalidData);
    archive.put(&[7; 1_500][..]).expect("puts again");
    assert_eq!(archive.scrub().expect("reads"), []);
}

#[test]
fn a_full_disk_is_busy_and_leaves_nothing() {
    let disk = SimDisk::new(1);
    let archive = open(&disk);
    disk.set_capacity(Some(1_000));
    let error = archive.put(&[7; 1_500][..]).expect_err("does not fit");
    assert_eq!(error.kind(), Kind::Busy);
    assert_eq!(disk.files().len(), 0);
    archive.put(&[7; 900][..]).expect("fits");
}

#[test]
fn foreign_files_are_named() {
    let disk = SimDisk::new(1);
    let archive = open(&disk);
    for path in ["archive/notes", "archive/ab/notes"] {
        disk.create(path, 0).expect("creates");
    }
    let found: Vec<String> = archive.scrub().expect("reads").into_iter().map(|damage| damage.path).collect();
    assert_eq!(found, ["archive/ab/notes", "archive/notes"]);
}

#[test]
fn what_a_sender_still_holds_or_put_lately_is_not_removed() {
    let disk = SimDisk::new(1);
    let archive = open(&disk);
    let stored = archive.put(&b"body"[..]).expect("puts");
    let sha256 = stored.sha256;
    let again = stored.clone();
    drop(stored);
    for _ in 0..3 {
        assert!(!archive.removing().remove(&sha256).expect("looks"), "its record is not appended yet");
    }
    let removing = archive.removing();
    drop(again);
    assert!(!removing.remove(&sha256).expect("looks"), "a record may name it that nobody looked for");
    assert!(!archive.removing().remove(&sha256).expect("looks"), "its record may be on its way to the disk");
    let removing = archive.removing();
    drop(archive.put(&b"body"[..]).expect("puts again"));
    assert!(!removing.remove(&sha256).expect("looks"));
    drop(archive.removing());
    assert!(archive.removing().remove(&sha256).expect("removes"));
    assert!(!archive.has(&sha256).expect("looks"));
}

#[test]
fn what_was_put_is_forgotten_after_two_looks() {
    let archive = open(&SimDisk::new(1));
    for body in 0_u8..100 {
        drop(archive.put(&[body; 9][..]).expect("puts"));
    }
    assert_eq!(archive.held.remembered(), 100);
    drop(archive.removing());
    assert_eq!(archive.held.remembered(), 100, "records may be on their way");
    drop(archive.removing());
    assert_eq!(archive.held.remembered(), 0);
}

#[test]
fn a_power_cut_while_objects_are_removed_leaves_each_whole_or_gone() {
    let begun = SimDisk::new(1);
    let names: Vec<_> = (0_u8..6).map(|body| open(&begun).put(&[body; 40][..]).expect("puts").sha256).collect();
    let (over, kept) = names.split_at(3);
    let remove = |disk: &SimDisk| {
        let archive = Archive::open(Arc::new(disk.clone()))?;
        let removing = archive.removing();
        over.iter().try_for_each(|sha256| removing.remove(sha256).map(drop))
    };
    let whole = begun.restart();
    remove(&whole).expect("nothing fails here");
    assert_eq!(open(&whole).list().expect("lists").len(), kept.len());
    for number in 0..=whole.operations() {
        let disk = begun.restart();
        disk.crash_at(number);
        let removed = remove(&disk);
        for seed in 0..12 {
            let archive = open(&disk.power_cycle(seed));
            assert_eq!(archive.scrub().expect("reads"), [], "operation {number}, survival {seed}");
            assert!(kept.iter().all(|sha256| read(&archive, sha256).is_ok()), "operation {number}, survival {seed}");
            let left = over.iter().filter(|sha256| archive.has(sha256).expect("looks")).count();
            assert!(removed.is_err() || left == 0, "operation {number}, survival {seed}: came back after its end");
        }
    }
}
