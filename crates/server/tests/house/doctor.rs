//! The doctor beside a server, without one, and on machines that are not well.

use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use crate::street::{House, nem12, path, text};

const EXPIRED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/house/expired");

/// Exit code and findings.
fn asked(house: &House, arguments: &[&str]) -> (i32, Vec<Value>) {
    let mut all = vec!["--json", "doctor", "--listen", "127.0.0.1:0"];
    all.extend(arguments);
    let output = house.run(&all);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    for finding in said["findings"].as_array().expect("a list") {
        for part in ["check", "seen", "means"] {
            assert!(finding[part].as_str().is_some_and(|part| !part.is_empty()), "{finding}");
        }
        let advice = finding["do"].as_str().expect("text");
        assert_eq!(advice.is_empty(), finding["verdict"] == "good", "{finding}");
    }
    (output.status.code().expect("it ends"), said["findings"].as_array().expect("a list").clone())
}

/// Whether one of the findings is of this check and verdict and says this.
fn says(findings: &[Value], check: &str, verdict: &str, what: &str) -> bool {
    findings
        .iter()
        .any(|finding| finding["check"] == check && finding["verdict"] == verdict && finding.to_string().contains(what))
}

/// Whether nothing of this check is bad; the disk of the machine that tests may be anything.
fn is_well(findings: &[Value], check: &str) -> bool {
    findings.iter().all(|finding| finding["check"] != check || finding["verdict"] != "bad")
}

#[test]
fn a_directory_is_examined_before_it_is_made_and_nothing_is_left_behind() {
    let house = House::new();
    let (_, found) = asked(&house, &[]);
    assert!(says(&found, "data directory", "good", "does not exist"), "{found:#?}");
    assert!(!house.data().exists());
    assert_eq!(std::fs::read_dir(house.dir.path()).expect("there").count(), 0);
    for check in ["clock", "versions", "access", "ports"] {
        assert!(is_well(&found, check), "{check}: {found:#?}");
    }
}

#[test]
fn what_we_make_is_open_to_nobody_else() {
    let house = House::new();
    house.import(&house.file("a.csv", nem12("1.25", "20040420010203")));
    let (_, found) = asked(&house, &[]);
    assert!(!says(&found, "access", "watch", "has mode"), "{found:#?}");
}

#[test]
fn a_server_at_work_is_seen_and_not_disturbed() {
    let house = House::new();
    house.import(&house.file("a.csv", nem12("1.25", "20040420010203")));
    let server = house.serve();
    let address = server.url.strip_prefix("http://").expect("plain").to_owned();
    let output = house.run(&["--json", "doctor", "--listen", &address]);
    let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let found = said["findings"].as_array().expect("a list").clone();
    assert!(says(&found, "data directory", "good", "is locked"), "{found:#?}");
    assert!(says(&found, "ports", "good", "someone listens"), "{found:#?}");
    assert!(says(&found, "clock", "good", "the newest record"), "{found:#?}");
    assert!(says(&found, "versions", "good", "registry.sqlite is of version 2"), "{found:#?}");
    assert!(says(&found, "access", "good", "1 tokens in use"), "{found:#?}");
    assert_eq!(server.get("/healthz").expect("it lives").status, 200);
    server.stop();
    house.verified();
}

#[test]
fn a_port_that_another_program_has_is_told_before_the_start_fails() {
    let house = House::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("known").to_string();
    let output = house.run(&["doctor", "--listen", &address]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("another program listens on {address}")) && said.contains("do: "), "{said}");
}

#[test]
fn a_certificate_that_has_ended_is_told_and_so_is_a_key_that_everyone_reads() {
    let house = House::new();
    for name in ["server.crt", "server.key"] {
        house.file(name, std::fs::read(Path::new(EXPIRED).join(name)).expect("readable"));
    }
    let at = |name: &str| house.dir.path().join(name);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(at("server.key"), mode).expect("set");
    let settings = format!("[server]\ntls_cert = {:?}\ntls_key = {:?}\n", at("server.crt"), at("server.key"));
    let settings = house.file("tls.toml", settings);
    let (code, found) = asked(&house, &["--config", path(&settings)]);
    assert_eq!(code, 1);
    assert!(says(&found, "certificate", "bad", "ended at 2025-01-01T00:00:00Z"), "{found:#?}");
    assert!(says(&found, "certificate", "good", "fits its key"), "{found:#?}");
    assert!(says(&found, "access", "bad", "pretend to be this server"), "{found:#?}");
    std::fs::write(at("server.crt"), "no certificate").expect("written");
    let (code, found) = asked(&house, &["--config", path(&settings)]);
    assert!(code == 1 && says(&found, "certificate", "bad", "does not start"), "{found:#?}");
}

#[test]
fn memory_is_not_taken_for_a_disk() {
    let Ok(shm) = tempfile::TempDir::new_in("/dev/shm") else {
        eprintln!("skipped: there is no /dev/shm");
        return;
    };
    let house = House { dir: shm, disk: None };
    let (code, found) = asked(&house, &[]);
    assert_eq!(code, 1);
    assert!(says(&found, "disk", "bad", "that is memory"), "{found:#?}");
    assert!(says(&found, "sync", "bad", "not carried out"), "{found:#?}");
}

#[test]
fn a_version_of_the_future_is_named_with_what_to_do() {
    let house = House::new();
    house.import(&house.file("a.csv", nem12("1.25", "20040420010203")));
    let (_, found) = asked(&house, &[]);
    assert!(is_well(&found, "versions"), "{found:#?}");
    let file = house.data().join("format.json");
    std::fs::write(&file, r#"{"format":{"version":99}}"#).expect("written");
    let (code, found) = asked(&house, &[]);
    assert_eq!(code, 1);
    assert!(says(&found, "versions", "bad", "use the newer meterhouse"), "{found:#?}");
    assert!(says(&found, "versions", "bad", "format.json is of version 99"), "{found:#?}");
}

#[test]
fn records_of_the_future_show_that_the_clock_is_wrong() {
    let house = House::new();
    house.import(&house.file("a.csv", nem12("1.25", "20040420010203")));
    let journal = std::fs::read_dir(house.data().join("journal")).expect("there");
    let segment = journal.map(|entry| entry.expect("readable").path()).next().expect("one");
    let tomorrow = std::time::SystemTime::now() + std::time::Duration::from_secs(86_400);
    std::fs::File::open(&segment).and_then(|file| file.set_modified(tomorrow)).expect("set");
    let (code, found) = asked(&house, &[]);
    assert!(code == 1 && says(&found, "clock", "bad", "after now"), "{found:#?}");
}

#[test]
fn limits_that_are_too_tight_are_told() {
    let house = House::new();
    let binary = env!("CARGO_BIN_EXE_meterhouse");
    let script = "ulimit -n 200; ulimit -f 20000; exec \"$0\" --data-dir \"$1\" --json doctor --listen 127.0.0.1:0";
    let output = std::process::Command::new("sh").args(["-c", script, binary]).arg(house.data()).output();
    let output = output.expect("sh is there");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let found = said["findings"].as_array().expect("a list").clone();
    assert_eq!(output.status.code(), Some(1));
    assert!(says(&found, "limits", "bad", "200 open files"), "{found:#?}");
    assert!(says(&found, "limits", "bad", "a segment of the journal"), "{found:#?}");
}
