//! Measures on this machine's disk; run by name with `--ignored --nocapture`.

use std::time::Instant;

use host::{RealDisk, SystemClock};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures, judges nothing"]
async fn time_of_a_thousand_commits_and_of_an_open_after_them() {
    let dir = tempfile::tempdir().expect("makes a directory");
    let files_per_commit = 10;
    let disk = Arc::new(RealDisk::open(dir.path()).expect("opens"));
    let store = DiskStore::new(disk.clone(), Arc::new(SystemClock::new()));
    let mut table = open(&store).await.expect("makes the table");
    let mut times = Vec::new();
    for number in 1..=1_000_u32 {
        let adds = (0..files_per_commit).map(|n| number * files_per_commit + n);
        let begun = Instant::now();
        table.commit(change(adds, [], i64::from(number))).await.expect("commits");
        times.push((begun.elapsed().as_micros(), i64::from(number) % CHECKPOINT_EVERY == 0));
    }
    let report = |name: &str, from: usize, to: usize, checkpoints: bool| {
        let of = times[from..to].iter().filter(|(_, checkpoint)| *checkpoint == checkpoints);
        let mut some: Vec<u128> = of.map(|(micros, _)| *micros).collect();
        some.sort_unstable();
        let ms = |micros: u128| micros as f64 / 1_000.0;
        println!("{name}: median {:.1} ms, worst {:.1} ms", ms(some[some.len() / 2]), ms(some[some.len() - 1]));
    };
    report("commits 1-100", 0, 100, false);
    report("commits 901-1000 (9,000 files live)", 900, 1_000, false);
    report("commits with a checkpoint, last 500", 500, 1_000, true);

    let begun = Instant::now();
    let again = open(&store).await.expect("opens");
    println!("open, {} files: {:?}", again.files().len(), begun.elapsed());
    let begun = Instant::now();
    assert_eq!(again.verify_log().await.expect("reads"), []);
    println!("verify the log: {:?}", begun.elapsed());
    let begun = Instant::now();
    let trimmed = table.trim_log(table.version()).await.expect("trims");
    println!("trim {trimmed} log objects: {:?}", begun.elapsed());
    let begun = Instant::now();
    open(&store).await.expect("opens");
    println!("open after the trim: {:?}", begun.elapsed());
}
