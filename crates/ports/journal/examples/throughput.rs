//! What an append costs on this machine: `cargo run --release -p journal --example throughput [directory]`.
//!
//! Each line is a fixed number of appends by so many tasks at once, every one
//! waiting until its body is durable before it sends the next.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use host::{Clock, OsEntropy, RealDisk, SystemClock};
use journal::{Body, Content, Door, Journal, Local, Settings};
use meter::{Sequence, TenantId};

fn body(bytes: usize) -> Body {
    Body {
        tenant: TenantId(1),
        door: Door::Http,
        format: "protobuf".to_owned(),
        object: String::new(),
        message_id: "0123456789abcdef".to_owned(),
        content: Content::Bytes(Bytes::from(vec![b'x'; bytes])),
    }
}

async fn measure(journal: &Arc<Local>, clock: &SystemClock, tasks: usize, each: usize, bytes: usize) {
    let began = clock.monotonic();
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let (journal, body) = (journal.clone(), body(bytes));
            tokio::spawn(async move {
                for _ in 0..each {
                    journal.append(body.clone()).await.expect("appends");
                }
            })
        })
        .collect();
    for task in running {
        task.await.expect("does not panic");
    }
    let took = clock.monotonic() - began;
    let appends = (tasks * each) as f64;
    let a_second = appends / took.as_secs_f64();
    let latency = Duration::from_secs_f64(took.as_secs_f64() * tasks as f64 / appends);
    let megabytes = a_second * bytes as f64 / 1e6;
    println!("{tasks:5} tasks, {bytes:8} bytes: {a_second:9.0} appends/s, {megabytes:7.1} MB/s, {latency:?} each");
    journal.trim(journal.end().await).await.expect("trims");
}

async fn read_back(journal: &Local, clock: &SystemClock) {
    let began = clock.monotonic();
    let (mut from, mut bytes, mut records) = (journal.start().await, 0, 0);
    loop {
        let read = journal.read(from, 8 << 20).await.expect("reads");
        let Some(last) = read.last() else { break };
        from = Sequence(last.sequence.0 + 1);
        bytes += read.iter().map(|record| record.body.content.size()).sum::<u64>();
        records += read.len();
    }
    let took = (clock.monotonic() - began).as_secs_f64();
    println!(
        "read back: {records} records, {:.1} MB/s, {:.0} records/s",
        bytes as f64 / took / 1e6,
        records as f64 / took
    );
}

#[tokio::main]
async fn main() {
    let dir = std::env::args().nth(1).map_or_else(|| std::env::temp_dir().join("journal-throughput"), PathBuf::from);
    let disk = Arc::new(RealDisk::open(&dir).expect("the directory can be made"));
    let clock = SystemClock::new();
    let journal = Local::open(disk, Arc::new(SystemClock::new()), Arc::new(OsEntropy), Settings::default());
    let journal = Arc::new(journal.expect("opens"));
    for (tasks, each) in [(1, 1_000), (2, 1_000), (64, 300), (1_000, 50)] {
        measure(&journal, &clock, tasks, each, 470).await;
    }
    for (tasks, each) in [(1, 60), (8, 30)] {
        measure(&journal, &clock, tasks, each, 1 << 20).await;
    }
    measure(&journal, &clock, 1_000, 30, 470).await;
    read_back(&journal, &clock).await;
    journal.close().await.expect("closes");
    std::fs::remove_dir_all(&dir).expect("removes");
}
