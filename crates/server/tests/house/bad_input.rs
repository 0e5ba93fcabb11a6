//! What cannot work is said clearly, with an exit code that means it.

use std::net::TcpListener;
use std::process::Output;

use crate::street::{House, nem12, path, text};

fn check(output: &Output, code: i32, parts: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for part in parts {
        assert!(said.contains(part), "{said:?} should say {part:?}");
    }
}

#[test]
fn a_typo_in_the_settings_stops_the_start() {
    let house = House::new();
    let file = house.file("bad.toml", "[process]\ncomit_wait_max_ms = 5\n");
    let output = house.run(&["--config", path(&file), "sql", "select 1"]);
    check(&output, 2, &["process.comit_wait_max_ms", "commit_wait_max_ms"]);
}

#[test]
fn a_taken_port_is_named() {
    let house = House::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    check(&house.run(&["serve", "--listen", &address]), 4, &[&address, "--listen"]);
}

#[test]
fn a_second_process_on_the_same_directory_is_turned_away() {
    let house = House::new();
    let server = house.serve();
    check(&house.run(&["sql", "select 1"]), 4, &["another meterhouse process", "--server"]);
    server.stop();
    house.says(&["sql", "select 1"]);
}

#[test]
fn a_directory_of_a_newer_format_is_left_alone() {
    let house = House::new();
    std::fs::create_dir_all(house.data()).expect("made");
    std::fs::write(house.data().join("format.json"), br#"{"format":{"version":9}}"#).expect("written");
    check(&house.run(&["sql", "select 1"]), 1, &["version 9", "newer meterhouse"]);
    assert!(!house.data().join("registry.sqlite").exists(), "nothing was laid out in it");
}

#[test]
fn a_file_of_no_known_format_is_kept_as_refused() {
    let house = House::new();
    for (name, content) in [("empty.csv", &b""[..]), ("noise.bin", &b"\x00\x01\x02nonsense"[..])] {
        assert_eq!(house.import(&house.file(name, content)), [0, 0, 0, 1], "{name}");
    }
    let shown = house.says(&["refused", "show", "1"]);
    assert!(shown.contains("the body is empty"), "{shown}");
}

#[test]
fn a_path_that_is_not_there_is_named() {
    let house = House::new();
    check(&house.run(&["import", "/nowhere/file.csv"]), 1, &["/nowhere/file.csv"]);
    check(&house.run(&["parse", "/nowhere/file.csv"]), 1, &["/nowhere/file.csv"]);
}

#[test]
fn a_query_that_writes_or_cannot_be_read_is_refused() {
    let house = House::new();
    house.import(&house.file("a.csv", nem12("1", "20040418203500")));
    check(&house.run(&["sql", "drop table readings"]), 1, &["only read"]);
    check(&house.run(&["sql", "selec 1"]), 2, &[]);
    check(&house.run(&["sql", "select nothing from readings"]), 2, &["nothing"]);
}

#[test]
fn every_flipped_byte_is_found_and_its_file_named() {
    let house = House::new();
    house.import(&house.file("a.csv", nem12("1.5", "20040418203500")));
    house.import(&house.file("b.csv", nem12("2.5", "20040419203500")));
    house.verified();
    let mut kinds = std::collections::BTreeSet::new();
    let mut waiting = vec![house.data()];
    let mut files = Vec::new();
    while let Some(dir) = waiting.pop() {
        for entry in std::fs::read_dir(dir).expect("listed") {
            let entry = entry.expect("listed");
            if entry.file_type().expect("known").is_dir() {
                waiting.push(entry.path());
            } else if entry.metadata().expect("known").len() > 0 {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    for file in files {
        let name = file.strip_prefix(house.data()).expect("inside").to_string_lossy().into_owned();
        let kind: String = name.chars().filter(|c| !c.is_ascii_digit()).take(24).collect();
        if !kinds.insert(kind) {
            continue;
        }
        let good = std::fs::read(&file).expect("read");
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 0x10;
        std::fs::write(&file, &bad).expect("written");
        let output = house.run(&["verify"]);
        let said = text(&output.stdout);
        let stem = name.rsplit('/').next().expect("a name").split('.').next().expect("a stem");
        assert_eq!(output.status.code(), Some(5), "{name}: {said}");
        assert!(said.contains(stem), "{name} is not named: {said}");
        std::fs::write(&file, &good).expect("written");
    }
    assert!(kinds.len() >= 10, "{kinds:?}");
    house.verified();
}
