//! A large file, many slow uploads and an ordinary sender, all at once. In full,
//! with 2 GB and thousands of them: `loadgen crowd`.

use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::street::{House, Server, memory_peak_bytes, text};
use crate::talking::Reply;

const SLOW: usize = 60;
/// Of the large file: about 20 MB.
const ROWS: usize = 320_000;
/// An empty server has about 50 MB; 20 MB of text become 320,000 rows of 64 bytes or so.
const MEMORY_BYTES_MAX: u64 = 512 << 20;

fn table(rows: usize) -> String {
    let mut table = String::from("point,start,end,value,unit\n");
    for row in 0..rows {
        let (point, day, hour) = (row / (24 * 28), row / 24 % 28 + 1, row % 24);
        let start = format!("2026-05-{day:02}T{hour:02}:00:00Z,2026-05-{day:02}T{hour:02}:30:00Z");
        table.push_str(&format!("large-{point:04},{start},0.{:03},kWh\n", row % 1_000));
    }
    table
}

fn row(point: &str) -> String {
    format!("point,start,end,value,unit\n{point},2026-05-01T00:00:00Z,2026-05-01T00:15:00Z,1.5,kWh\n")
}

/// One upload, a few bytes at a time; the answer, if there was one.
fn slowly(server: &Server, number: usize) -> Option<Reply> {
    let body = row(&format!("slow-{number}"));
    let mut stream = server.connect()?;
    let head = server.head(
        &format!("POST /v1/files?name={number}.csv&format=csv/generic-long"),
        &format!("Content-Length: {}\r\n", body.len()),
    );
    stream.write_all(head.as_bytes()).ok()?;
    for piece in body.as_bytes().chunks(1 + number % 30) {
        std::thread::sleep(Duration::from_millis(400));
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    Reply::read(&mut stream)
}

/// Until it is acknowledged; a server that is busy says when to come again.
fn surely(server: &Server, name: &str, body: &str) -> u64 {
    for _ in 0..20 {
        let path = format!("/v1/files?name={name}&format=csv/generic-long");
        let reply = server.post(&path, "", body.as_bytes()).expect("an answer");
        if let Some(sequence) = reply.sequence() {
            return sequence;
        }
        assert!(matches!(reply.status, 429 | 503) && reply.head.contains("retry-after:"), "{reply:?}");
        std::thread::sleep(Duration::from_secs(1));
    }
    panic!("{name} is never taken");
}

/// How many posts were acknowledged, the longest time one took, and the greatest sequence.
fn ordinarily(server: &Server, over: &AtomicBool) -> (usize, Duration, u64) {
    let (mut count, mut longest, mut last) = (0, Duration::ZERO, 0);
    while !over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        last = last.max(surely(server, "post.csv", &row(&format!("post-{count}"))));
        longest = longest.max(asked.elapsed());
        count += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    (count, longest, last)
}

#[test]
fn a_crowd_of_slow_uploads_and_a_large_file_starve_nobody_and_lose_nothing() {
    let house = House::new();
    let server = house.serve();
    let (large, over) = (table(ROWS), AtomicBool::new(false));
    let (slow, file, (posts, longest, last)) = std::thread::scope(|scope| {
        let posts = scope.spawn(|| ordinarily(&server, &over));
        let server = &server;
        let slow: Vec<_> = (0..SLOW).map(|number| scope.spawn(move || slowly(server, number))).collect();
        let file = surely(server, "large.csv", &large);
        let slow: Vec<_> = slow.into_iter().map(|one| one.join().expect("ends")).collect();
        over.store(true, Ordering::Relaxed);
        (slow, file, posts.join().expect("ends"))
    });
    assert!(posts >= 10 && longest < Duration::from_secs(30), "{posts} posts, the slowest {longest:?}");
    let mut kept = 0;
    let mut newest = last.max(file);
    for reply in slow {
        let reply = reply.expect("nobody is left without an answer");
        match reply.sequence() {
            Some(sequence) => (kept, newest) = (kept + 1, newest.max(sequence)),
            None => reply.expect_problem(408, "body_too_slow"),
        }
    }
    assert!(kept > 0 && kept < SLOW, "{kept} of {SLOW} were fast enough");
    let peak = memory_peak_bytes(server.child.id()).expect("it runs");
    assert!(peak < MEMORY_BYTES_MAX, "{peak} bytes");
    let sql = "select%20split_part(point,'-',1)%20as%20sent,count(*)%20as%20n%20from%20readings%20group%20by%201%20order%20by%201";
    let said = server.get(&format!("/v1/sql?wait={newest}&format=csv&q={sql}")).expect("an answer").without_chunks();
    assert_eq!(said.body, format!("sent,n\nlarge,{ROWS}\npost,{posts}\nslow,{kept}\n"));
    server.stop();
    house.verified();
}

#[test]
fn a_server_that_may_open_too_few_files_says_so_and_does_not_start() {
    let house = House::new();
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 300 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_meterhouse")])
        .arg("--data-dir")
        .arg(house.data())
        .args(["serve", "--listen", "127.0.0.1:0"])
        .output()
        .expect("the shell starts");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("may open 300 files"), "{output:?}");
    assert!(!house.data().exists(), "nothing is left behind");
}
