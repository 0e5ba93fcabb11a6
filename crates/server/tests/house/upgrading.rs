//! A directory of an older meterhouse is raised and loses nothing; one of a newer
//! meterhouse is refused by name and left as it is; and a backup leads back.
//!
//! `older/format-1.tar.zst` is a backup that the last meterhouse of format 1 took
//! (cf56bc7): 48 half-hours, as many corrections of them, a refused file, a token.
//! Made so: import three files of [`nem12`]'s kind, the third with a value that is
//! no number; `token create`; `verify`; `backup --to old`; `tar -C old -c .`; zstd.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::street::{House, nem12, path, text};

const OLDER: &[u8] = include_bytes!("older/format-1.tar.zst");
/// What `verify` of that meterhouse said of it.
const STATE: &str = "639c6a93acaf9a9c57f56aeacdd279f05a4f10b961790caa760d256060a1df27";

/// The older backup beside a house, and the house restored from it.
fn older() -> (House, std::path::PathBuf) {
    let house = House::new();
    let backup = house.dir.path().join("older");
    std::fs::create_dir(&backup).expect("made");
    let unpacked = zstd::decode_all(OLDER).expect("zstd");
    let mut tar = Command::new("tar").arg("-xC").arg(&backup).stdin(Stdio::piped()).spawn().expect("tar is there");
    tar.stdin.take().expect("piped").write_all(&unpacked).expect("taken");
    assert!(tar.wait().expect("waits").success());
    house.says(&["restore", "--from", path(&backup)]);
    (house, backup)
}

fn format_version(house: &House) -> u64 {
    let text = std::fs::read(house.data().join("format.json")).expect("there");
    let format: Value = serde_json::from_slice(&text).expect("JSON");
    format["format"]["version"].as_u64().expect("a number")
}

/// Every file by name, but for those that say nothing.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).expect("there") {
        let entry = entry.expect("readable").path();
        if entry.is_dir() {
            found.extend(files(&entry));
        } else if entry.file_name().is_some_and(|name| name != "lock") {
            found.insert(path(&entry).to_owned(), std::fs::read(&entry).expect("readable"));
        }
    }
    found
}

#[test]
fn an_older_directory_is_raised_and_keeps_its_state() {
    let (house, _) = older();
    assert_eq!(format_version(&house), 1);
    let said = house.run(&["doctor", "--listen", "127.0.0.1:0"]);
    assert!(text(&said.stdout).contains("the next start brings the data directory up to 2"), "{}", text(&said.stdout));
    assert_eq!(format_version(&house), 1, "a look raises nothing");
    let verified = house.verified();
    assert_eq!((verified["state_hash"].as_str(), format_version(&house)), (Some(STATE), 2));
    assert_eq!(verified["sources"], 3);
    assert_eq!(house.says(&["token", "list"]).matches("old").count(), 1);
    assert_eq!(house.import(&house.file("more.csv", nem12("3.5", "20050420010203"))), [0, 0, 48, 0]);
    assert_eq!(house.verified()["earlier_versions"], 96);
}

#[test]
fn a_backup_from_before_an_upgrade_leads_back_to_what_the_older_one_wrote() {
    let (house, backup) = older();
    let written = files(&house.data());
    let refused = house.run(&["backup", "--to", path(&house.dir.path().join("too-late"))]);
    let said = text(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("the meterhouse that wrote it"), "{said}");
    assert_eq!(files(&house.data()), written, "a backup that is refused raises nothing");
    house.verified();
    house.import(&house.file("more.csv", nem12("3.5", "20050420010203")));
    let back = House::new();
    back.says(&["restore", "--from", path(&backup)]);
    assert_eq!(format_version(&back), 1);
    let inside = |house: &House| -> BTreeMap<String, Vec<u8>> {
        let root = path(&house.data()).to_owned();
        files(&house.data()).into_iter().map(|(name, bytes)| (name.replace(&root, ""), bytes)).collect()
    };
    let root = path(&house.data()).to_owned();
    let written: BTreeMap<String, Vec<u8>> =
        written.into_iter().map(|(name, bytes)| (name.replace(&root, ""), bytes)).collect();
    assert_eq!(inside(&back), written, "byte for byte");
    assert_eq!(back.verified()["state_hash"], STATE);
}

/// Changes one file of a house, and expects that it is refused with this and not touched.
fn refused(house: &House, file: &str, change: impl FnOnce(&mut Vec<u8>), says: &str) {
    let place = house.data().join(file);
    let before = std::fs::read(&place).expect("readable");
    let mut bytes = before.clone();
    change(&mut bytes);
    std::fs::write(&place, &bytes).expect("written");
    let held = files(&house.data());
    for arguments in [&["sql", "select 1"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let output = house.run(arguments);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(says), "{file}, {arguments:?}: {said}");
    }
    assert_eq!(files(&house.data()), held, "{file}: nothing is touched");
    std::fs::write(&place, before).expect("written");
}

#[test]
fn what_a_newer_meterhouse_wrote_is_refused_by_name_and_left_alone() {
    let house = House::new();
    house.import(&house.file("a.csv", nem12("1.25", "20040420010203")));
    let state = house.verified()["state_hash"].clone();
    let newer = br#"{"format":{"version":3}}"#;
    refused(&house, "format.json", |bytes| *bytes = newer.to_vec(), "format.json says version 3");
    let segment = "journal/00000000000000000001.seg";
    refused(&house, segment, |bytes| newer_segment(bytes), "a segment of format version 2");
    assert_eq!(house.verified()["state_hash"], state);
    // SQLite's user_version; the sum beside it is of the file as it then is.
    let sum = std::fs::read(house.data().join("registry.sum")).expect("readable");
    let registry = std::fs::read(house.data().join("registry.sqlite")).expect("readable");
    let mut raised = registry.clone();
    raised[60..64].copy_from_slice(&9_u32.to_be_bytes());
    std::fs::write(house.data().join("registry.sum"), sum_of(&raised)).expect("written");
    refused(&house, "registry.sqlite", |bytes| *bytes = raised, "format 9");
    std::fs::write(house.data().join("registry.sum"), sum).expect("written");
    assert_eq!(house.verified()["state_hash"], state);
}

fn newer_segment(bytes: &mut [u8]) {
    bytes[8] = 2;
    let crc = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
}

fn sum_of(registry: &[u8]) -> String {
    let lines = format!("meterhouse registry.sum 1\nclean {} {}\n", registry.len(), blake3::hash(registry).to_hex());
    format!("{lines}sum {}\n", blake3::hash(lines.as_bytes()).to_hex())
}

#[test]
fn a_checkpoint_of_another_version_is_made_anew() {
    let house = House::new();
    house.import(&house.file("a.csv", nem12("1.25", "20040420010203")));
    let state = house.verified()["state_hash"].clone();
    let place = house.data().join("state/channels");
    let mut bytes = std::fs::read(&place).expect("there");
    let end = bytes.len() - 32;
    bytes[4..8].copy_from_slice(&99_u32.to_le_bytes());
    let sum = blake3::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(sum.as_bytes());
    std::fs::write(&place, &bytes).expect("written");
    let again = nem12("1.25", "20040420010203").replace("Ret1", "Ret2");
    assert_eq!(house.import(&house.file("b.csv", again)), [0, 48, 0, 0]);
    assert_eq!(house.verified()["state_hash"], state);
    assert_ne!(std::fs::read(&place).expect("there")[4..8], 99_u32.to_le_bytes());
}
