//! A disk that is full: said clearly, nothing acknowledged lost, and all of it
//! there once when there is room again.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use crate::street::{House, Server, nem12, path, text};
use crate::talking::Reply;

/// Segments of 16 MiB, and commits soon after the rows come.
const SMALL: &str = "[journal]\nsegment_bytes = 16_777_216\n[process]\ncommit_wait_max_ms = 100\n";
/// Holds two segments, a lake and an archived file.
const DISK_MEBIBYTES: u32 = 64;
/// The exit code of what may work later.
const BUSY: Option<i32> = Some(4);

struct Small {
    house: House,
    settings: PathBuf,
}

impl Small {
    fn new() -> Option<Small> {
        let house = House::small(DISK_MEBIBYTES)?;
        let settings = house.file("small.toml", SMALL);
        Some(Small { house, settings })
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut all = vec!["--config", path(&self.settings)];
        all.extend(arguments);
        self.house.run(&all)
    }

    fn import(&self, file: &Path) -> Output {
        self.run(&["import", path(file)])
    }

    fn serve(&self) -> Server {
        self.house.serve_with(&["--config", path(&self.settings)])
    }

    fn fill_but(&self, left_bytes: u64) {
        self.house.disk.as_ref().expect("small").fill_but(left_bytes);
    }

    fn give_back(&self) {
        self.house.disk.as_ref().expect("small").give_back();
    }
}

/// One day of a meter of its own.
fn day_of(meter: u64) -> String {
    nem12("1.5", "20040418203500").replace("CCCC123456", &format!("C{meter:09}"))
}

#[track_caller]
fn expect_full(output: &Output) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), BUSY, "{said}");
    expect_told(&said);
}

/// What is wrong, and what to do, once.
#[track_caller]
fn expect_told(said: &str) {
    assert!(said.contains("No space left on device") || said.contains("is full"), "{said}");
    assert_eq!(said.matches("free space").count(), 1, "{said}");
}

#[test]
fn a_data_directory_on_a_full_disk_is_laid_out_once_there_is_room() {
    let Some(small) = Small::new() else { return };
    let file = small.house.file("a.csv", day_of(1));
    for left_bytes in [0, 1 << 10, 64 << 10, 1 << 20] {
        small.fill_but(left_bytes);
        expect_full(&small.import(&file));
        small.give_back();
    }
    assert!(small.import(&file).status.success());
    assert_eq!(small.house.verified()["readings"], 48);
}

#[test]
fn a_file_imported_into_a_full_disk_is_there_once_when_there_is_room() {
    let Some(small) = Small::new() else { return };
    assert!(small.import(&small.house.file("a.csv", day_of(1))).status.success());
    let large = small.house.file("large.bin", vec![0; 9 << 20]);
    small.fill_but(4 << 20);
    let output = small.import(&large);
    expect_full(&output);
    assert!(text(&output.stderr).contains("large.bin"), "{output:?}");
    small.give_back();
    // The journal's space is reserved, so this one is taken in; the lake then finds no room.
    let mut full = 0;
    for meter in 2..14 {
        small.fill_but((meter - 2) * (6 << 10));
        let output = small.import(&small.house.file(&format!("{meter}.csv"), day_of(meter)));
        small.give_back();
        if !output.status.success() {
            expect_full(&output);
            full += 1;
        }
    }
    assert!(full > 3, "only {full} of the imports found the disk full");
    let again = small.import(&small.house.file("again.csv", day_of(2)));
    assert!(text(&again.stdout).contains("seen before"), "{again:?}");
    assert_eq!(small.house.verified()["readings"], 13 * 48);
    assert_eq!(small.import(&large).status.code(), Some(3), "a file of no known format");
    small.house.verified();
}

#[test]
fn a_server_whose_lake_finds_the_disk_full_stops_and_loses_nothing_it_acknowledged() {
    let Some(small) = Small::new() else { return };
    let server = small.serve();
    let send = |server: &Server, meter: u64| {
        let reply = server.post(&format!("/v1/files?name={meter}.csv"), "", day_of(meter).as_bytes())?;
        reply.sequence()
    };
    assert_eq!(send(&server, 1), Some(1));
    small.fill_but(64 << 10);
    let mut acknowledged = vec![1];
    for meter in 2..2_000 {
        if send(&server, meter).is_none() {
            break;
        }
        acknowledged.push(meter);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(acknowledged.len() > 2, "{acknowledged:?}");
    let (code, log) = server.ended();
    assert_eq!(code, BUSY, "{log}");
    expect_told(log.lines().last().unwrap_or_default());
    // As long as there is no room, a start says the same.
    expect_full(&small.run(&["sql", "select 1"]));
    small.give_back();
    let server = small.serve();
    let next = send(&server, 9_999).expect("goes on");
    let wait = server.get(&format!("/v1/sql?wait={next}&q=select%201")).expect("an answer");
    assert_eq!(wait.status, 200, "{wait:?}");
    let sql = "select point, count(*) as n from readings where point <> 'C000009999' group by point order by point";
    let found = small.house.says(&server.with(&["sql", "--format", "csv", sql]));
    // The one that got no answer may be there or not, but whole.
    let unanswered = acknowledged.last().expect("some") + 1;
    let lines = |meters: &[u64]| meters.iter().map(|meter| format!("C{meter:09},48\n")).collect::<String>();
    let least = format!("point,n\n{}", lines(&acknowledged));
    assert!(found == least || found == least.clone() + &lines(&[unanswered]), "{found}");
    server.stop();
    small.house.verified();
}

/// Until the server has committed so many rounds.
fn wait_for_commits(server: &Server, rounds: u64) {
    let begun = Instant::now();
    let committed = |reply: Reply| {
        let named = |line: &str| line.strip_prefix("meterhouse_process_commits_total ")?.parse::<u64>().ok();
        reply.body.lines().find_map(named)
    };
    while server.get("/metrics").and_then(committed).unwrap_or(0) < rounds {
        assert!(begun.elapsed() < Duration::from_secs(60), "no {rounds} rounds committed");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_server_whose_journal_finds_the_disk_full_refuses_and_goes_on_when_there_is_room() {
    let Some(small) = Small::new() else { return };
    let server = small.serve();
    // In no format we read: two fit into a segment, the third needs a new one.
    let send = |number: u8, bytes: usize| {
        let path = format!("/v1/files?name={number}.bin");
        server.post(&path, "", &vec![number; bytes]).expect("an answer")
    };
    assert_eq!(send(0, 7 << 20).sequence(), Some(1));
    wait_for_commits(&server, 1);
    small.fill_but(6 << 20);
    assert_eq!(send(1, 7 << 20).sequence(), Some(2));
    // The large body below takes all that is left for a moment: a commit then would find the lake full.
    wait_for_commits(&server, 2);
    for (number, bytes) in [(2, 7 << 20), (3, 9 << 20)] {
        let refused = send(number, bytes);
        refused.expect_problem(503, "journal_busy");
        assert!(refused.head.contains("retry-after"), "{refused:?}");
    }
    let large = small.house.file("large.bin", vec![0; 9 << 20]);
    expect_full(&small.run(&server.with(&["import", path(&large)])));
    assert_eq!(server.get("/readyz").map(|reply| reply.status), Some(200), "a full disk may pass");
    small.give_back();
    assert_eq!(send(2, 7 << 20).sequence(), Some(3));
    assert_eq!(send(3, 9 << 20).sequence(), Some(4));
    server.stop();
    assert_eq!(small.house.verified()["sources"], 4);
}
