//! A running server: send, wait, ask, export, drain, and start again.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::street::{House, memory_peak_bytes, nem12, path};

#[test]
fn what_a_server_acknowledged_is_answered_and_outlives_it() {
    let house = House::new();
    let server = house.serve();
    let file = house.file("a.csv", nem12("1.5", "20040418203500"));
    let imported = house.says(&server.with(&["import", path(&file)]));
    assert!(imported.contains("48 accepted"), "{imported}");
    let again = house.says(&server.with(&["import", path(&file)]));
    assert!(again.contains("seen before"), "{again}");
    let sum = house.says(&server.with(&["sql", "--format", "csv", "select sum(quantity) as kwh from readings"]));
    assert_eq!(sum, "kwh\n72\n");
    let exported = house.says(&server.with(&["export", "readings"]));
    assert_eq!(exported.lines().count(), 49);
    server.stop();
    assert_eq!(house.says(&["export", "readings"]), exported);
    house.verified();
}

#[test]
fn a_server_that_was_killed_is_ready_again_once_all_it_acknowledged_is_visible() {
    let house = House::new();
    // Nothing is committed before the kill, so all of it is to be applied again.
    let slow = house.file("slow.toml", "[process]\ncommit_wait_max_ms = 600_000\n");
    let server = house.serve_with(&["--config", path(&slow)]);
    let acknowledged = 30;
    for number in 0..acknowledged {
        let file = nem12("1.5", "20040418203500").replace("CCCC123456", &format!("C{number:09}"));
        let reply = server.post(&format!("/v1/files?name={number}.csv"), "", file.as_bytes()).expect("an answer");
        assert_eq!(reply.sequence(), Some(number + 1), "{reply:?}");
    }
    server.kill();
    let server = house.serve();
    let ready = std::iter::repeat_with(|| server.get("/readyz").expect("an answer")).find(|reply| {
        assert!(reply.status == 200 || reply.body.contains("the process role waits for records"), "{reply:?}");
        reply.status == 200
    });
    assert_eq!(ready.map(|reply| reply.body).as_deref(), Some("ready\n"));
    let count = house.says(&server.with(&["sql", "--format", "csv", "select count(*) as n from readings"]));
    assert_eq!(count, format!("n\n{}\n", 48 * acknowledged));
    server.stop();
    house.verified();
}

#[test]
fn an_empty_file_among_others_is_told_and_does_not_stop_them() {
    let house = House::new();
    let server = house.serve();
    let day = nem12("1.5", "20040418203500");
    let (first, last) = (house.file("a.csv", &day), house.file("c.csv", day.replace('\n', "\r\n")));
    let empty = house.file("b.csv", "");
    let all = ["import", path(&first), path(&empty), path(&last)];
    let output = house.run(&server.with(&all));
    let said = crate::street::text(&output.stdout);
    assert!(output.status.code() == Some(3) && said.contains("2 files: 48 accepted, 48 duplicate"), "{said}");
    assert!(said.contains("b.csv: not taken") && said.contains("body_empty"), "{said}");
    let only = house.run(&server.with(&["--json", "import", path(&empty)]));
    let told: serde_json::Value = serde_json::from_slice(&only.stdout).expect("JSON");
    assert!(only.status.code() == Some(3) && told[0]["not_taken"].as_str().is_some(), "{told}");
    server.stop();
}

#[test]
fn a_large_file_is_sent_in_pieces_and_a_refusal_costs_none() {
    let house = House::new();
    let server = house.serve();
    let file = house.file("large.bin", noise(LARGE_BYTES));
    let small = house.file("small.bin", noise(1_000));
    // In no format we read: it is kept as it is, and refused.
    let least = memory_peak_of(house.command(&server.with(&["import", path(&small)])), 3);
    let most = memory_peak_of(house.command(&server.with(&["import", path(&file)])), 3);
    assert!(most < least + (8 << 20), "{most} bytes for a large file, {least} for a small one");
    let sizes = house.says(&server.with(&["sql", "--format", "csv", "select bytes from sources order by seq"]));
    assert_eq!(sizes, format!("bytes\n1000\n{LARGE_BYTES}\n"));
    let stranger = format!("mh_{}", "0".repeat(64));
    let refused = house.run(&["--server", &server.url, "--token", &stranger, "import", path(&file)]);
    let said = crate::street::text(&refused.stderr);
    assert!(said.contains("large.bin") && said.contains("401"), "{said}");
    server.stop();
    house.verified();
}

const LARGE_BYTES: usize = 64 << 20;

fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Of a command that ends with this exit code.
fn memory_peak_of(mut command: Command, code: i32) -> u64 {
    let mut child = command.stdout(Stdio::null()).spawn().expect("the binary starts");
    let mut peak = 0;
    let status = loop {
        peak = memory_peak_bytes(child.id()).unwrap_or(0).max(peak);
        if let Some(status) = child.try_wait().expect("waits") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(status.code(), Some(code));
    peak
}

#[test]
fn a_token_of_another_kind_or_none_is_told_so() {
    let house = House::new();
    let writer = house.says(&["token", "create", "--scopes", "write"]).trim().to_owned();
    let server = house.serve();
    let ask = |token: &str| {
        let output = house.run(&["--server", &server.url, "--token", token, "sql", "select 1"]);
        assert!(!output.status.success());
        crate::street::text(&output.stderr)
    };
    assert!(ask(&writer).contains("403"));
    assert!(ask(&format!("mh_{}", "0".repeat(64))).contains("401"));
    assert!(ask("nonsense").contains("401"));
}

#[test]
fn the_demo_holds_exactly_what_the_simulator_delivered() {
    let house = House::new();
    let said = house.says(&["demo", "--homes", "60", "--months", "1", "--listen", "127.0.0.1:0", "--exit"]);
    for medium in ["electricity", "feed_in", "water", "heat"] {
        assert!(said.contains(&format!("{medium}: the simulator delivered")), "{said}");
    }
}
