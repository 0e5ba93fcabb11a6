//! Crash trials: the power goes at every operation of a script, and each time
//! what the next start finds is compared with what was acknowledged.

use host::{Seeded, SimDisk};

use super::tests::{SMALL, append_group, body, open, read_all};
use super::*;

/// Nothing unsynced survives (0), all of it (1), and five mixtures.
const SURVIVALS: std::ops::Range<u64> = 0..7;
/// For the second loss, during the start after the first.
const SECOND_SURVIVALS: [u64; 4] = [0, 1, 31, 32];

#[derive(Clone, Debug)]
enum Step {
    /// A group of bodies of these lengths.
    Append(Vec<usize>),
    /// All but this many of the latest records may go.
    TrimTo(u64),
    Reopen,
}

/// What a sender and a reader know when the power goes.
#[derive(Debug, Default)]
struct Known {
    acked: Vec<Record>,
    /// Handed in, not acknowledged.
    pending: Vec<Body>,
    trimmed_before: u64,
    /// Segments there were before each trim.
    trims: Vec<usize>,
    bodies: usize,
}

/// Segments of 6 KiB, of which this fills more than five; groups that end in the
/// middle of a segment and groups that do not fit the rest of one.
fn script() -> Vec<Step> {
    let mut steps = Vec::new();
    for round in 0..7_usize {
        steps.push(Step::Append(vec![round * 40]));
        steps.push(Step::Append(vec![600, 0, 300, 17]));
        steps.push(Step::Append(vec![600; 5]));
        steps.push(Step::Append((0..12).map(|number| number * 11 + round).collect()));
        match round {
            1 | 4 => steps.push(Step::Reopen),
            // Each takes more than one segment: a hole between two would be seen.
            3 => steps.push(Step::TrimTo(25)),
            6 => steps.push(Step::TrimTo(3)),
            _ => {}
        }
    }
    steps.push(Step::Append(vec![9, 8]));
    steps
}

/// Runs until the end or until the power is gone.
async fn run(disk: &SimDisk, script: &[Step]) -> Known {
    let mut known = Known::default();
    let Ok(mut journal) = open(disk) else { return known };
    for step in script {
        match step {
            Step::Append(lengths) => {
                if !append(&journal, lengths, &mut known).await {
                    return known;
                }
            }
            Step::TrimTo(latest) => {
                known.trimmed_before = journal.end().await.0 - latest;
                known.trims.push(journal.shared.index().segments.len());
                if journal.trim(Sequence(known.trimmed_before)).await.is_err() {
                    return known;
                }
            }
            Step::Reopen => {
                drop(journal);
                let Ok(opened) = open(disk) else { return known };
                journal = opened;
            }
        }
    }
    known
}

/// False once the journal has stopped.
async fn append(journal: &Local, lengths: &[usize], known: &mut Known) -> bool {
    let bodies: Vec<Body> = lengths.iter().map(|len| (known.bodies += 1, body(known.bodies, *len)).1).collect();
    let results = append_group(journal, bodies.clone()).await;
    for (body, result) in bodies.into_iter().zip(results) {
        match result {
            Ok(Receipt { sequence, received_at }) => known.acked.push(Record { sequence, received_at, body }),
            Err(_) => known.pending.push(body),
        }
    }
    known.pending.is_empty()
}

/// Whether a start on what is left keeps every promise; the error says which not.
async fn check(left: &SimDisk, known: &Known) -> Result<(), String> {
    let journal = open(left).map_err(|error| format!("the start is refused: {error}"))?;
    let found = read_all(&journal).await.map_err(|error| error.to_string())?;
    compare(&found, journal.start().await.0, known)?;

    // Life goes on: the next numbers follow, and all of it can be read again.
    let end = journal.end().await.0;
    let mut all = found;
    for (more, len) in [(0, 100), (1, 600), (2, 0)] {
        let body = body(9_000 + more as usize, len);
        let receipt = journal.append(body.clone()).await.map_err(|error| error.to_string())?;
        if receipt.sequence.0 != end + more {
            return Err(format!("the next record got {} instead of {}", receipt.sequence, end + more));
        }
        all.push(Record { sequence: receipt.sequence, received_at: receipt.received_at, body });
    }
    if read_all(&journal).await.map_err(|error| error.to_string())? != all {
        return Err("what was appended afterwards is not read back".to_owned());
    }
    journal.close().await.map_err(|error| error.to_string())?;
    let damages = scrub(left).map_err(|error| error.to_string())?;
    if !damages.is_empty() {
        return Err(format!("a closed journal is damaged: {damages:?}"));
    }
    // Whatever a reader has seen is durable: it survives another loss.
    let again = open(&left.power_cycle(0)).map_err(|error| format!("the second start is refused: {error}"))?;
    if read_all(&again).await.map_err(|error| error.to_string())? != all {
        return Err("a record that was read is gone after the next power loss".to_owned());
    }
    Ok(())
}

/// Acknowledged records are there once, in order, byte by byte; of the rest only
/// whole ones, from the first on.
fn compare(found: &[Record], start: u64, known: &Known) -> Result<(), String> {
    if start > known.trimmed_before.max(1) {
        return Err(format!("records before {start} are gone, only those before {} may be", known.trimmed_before));
    }
    let kept: Vec<&Record> = known.acked.iter().filter(|record| record.sequence.0 >= start).collect();
    for (number, acked) in kept.iter().enumerate() {
        match found.get(number) {
            Some(record) if record == *acked => {}
            other => return Err(format!("record {} was acknowledged; found {other:?}", acked.sequence)),
        }
    }
    let unacked = &found[kept.len()..];
    for (number, record) in unacked.iter().enumerate() {
        if known.pending.get(number) != Some(&record.body) {
            return Err(format!("record {} was never handed in like this", record.sequence));
        }
    }
    let numbered = found.iter().zip(start..).all(|(record, sequence)| record.sequence.0 == sequence);
    let timed = found.is_sorted_by(|one, other| one.received_at < other.received_at);
    if numbered && timed { Ok(()) } else { Err("sequences or times are out of order".to_owned()) }
}

#[derive(Debug, Default)]
struct Count {
    boundaries: u64,
    losses: u64,
    second_losses: u64,
    torn: u64,
}

/// Crashes at every operation; returns at the first promise that is broken.
async fn every_boundary(plant: impl Fn(&SimDisk)) -> Result<Count, String> {
    let script = script();
    let whole = SimDisk::new(1);
    plant(&whole);
    let known = run(&whole, &script).await;
    assert!(known.pending.is_empty() && known.acked.len() > 100);
    assert!(known.trims.len() == 2 && known.trims.iter().all(|segments| *segments >= 4), "{:?}", known.trims);
    let mut count = Count { boundaries: whole.operations(), ..Count::default() };
    for number in 0..=whole.operations() {
        let disk = SimDisk::new(1);
        plant(&disk);
        disk.crash_at(number);
        let known = run(&disk, &script).await;
        let at = || whole.log().get(number as usize).cloned().unwrap_or_else(|| "the end".to_owned());
        let failed = |survival: String, why: String| format!("operation {number} ({}), {survival}: {why}", at());
        for seed in SURVIVALS {
            let broken = |why| failed(format!("survival {seed}"), why);
            check(&disk.power_cycle(seed), &known).await.map_err(broken)?;
            count.losses += 1;
        }
        // A killed process instead, and the power only after the next start.
        check(&disk.restart(), &known).await.map_err(|why| failed("killed".to_owned(), why))?;
        second_loss(&disk, &known, &mut count).await.map_err(|why| failed("second loss".to_owned(), why))?;
    }
    Ok(count)
}

/// The power goes again at every operation of the start after the first loss.
async fn second_loss(disk: &SimDisk, known: &Known, count: &mut Count) -> Result<(), String> {
    for first in SECOND_SURVIVALS.into_iter().chain([u64::MAX]) {
        let left = || if first == u64::MAX { disk.restart() } else { disk.power_cycle(first) };
        let probe = left();
        let journal = open(&probe).map_err(|error| format!("the start is refused: {error}"))?;
        count.torn += u64::from(journal.torn().is_some());
        let operations = probe.operations();
        drop(journal);
        for number in 0..operations {
            // One of the survivals each time; over all boundaries each has its turn.
            let turn = (count.second_losses % SECOND_SURVIVALS.len() as u64) as usize;
            let second = SECOND_SURVIVALS[turn];
            let again = left();
            again.crash_at(number);
            assert!(open(&again).is_err());
            let broken = |why| format!("{first}, then at {number} with {second}: {why}");
            check(&again.power_cycle(second), known).await.map_err(broken)?;
            count.second_losses += 1;
        }
    }
    Ok(())
}

#[tokio::test]
async fn no_power_loss_at_any_operation_breaks_a_promise() {
    let count = every_boundary(|_| {}).await.expect("every promise is kept");
    println!(
        "{} operation boundaries, {} power losses, {} more during the start after, {} torn tails",
        count.boundaries, count.losses, count.second_losses, count.torn
    );
    assert!(count.boundaries > 100 && count.torn > 50, "{count:?}");
}

#[tokio::test]
async fn the_trial_catches_an_fsync_that_is_skipped() {
    let broken = every_boundary(|disk| disk.skip_fsync("journal/0")).await.expect_err("acknowledged too early");
    println!("caught: {broken}");
    let broken = every_boundary(|disk| disk.skip_fsync(".seg.tmp")).await.expect_err("a header that was not durable");
    println!("caught: {broken}");
}

#[tokio::test]
async fn the_trial_catches_a_directory_that_is_not_synced() {
    let broken = every_boundary(|disk| disk.skip_dir_sync("journal")).await.expect_err("a segment without a name");
    println!("caught: {broken}");
}

/// Many appenders at once: which bodies share a group is up to the scheduler,
/// what must hold afterwards is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_power_loss_breaks_a_promise_among_many_appenders() {
    let mut seed = Seeded::new(2026);
    for trial in 0..150 {
        let disk = SimDisk::new(trial);
        let journal = Arc::new(open(&disk).expect("opens"));
        disk.crash_at(disk.operations() + seed.below(40));
        let appenders: Vec<_> = (0..8_usize)
            .map(|task| {
                let journal = journal.clone();
                tokio::spawn(async move {
                    let mut acked = Vec::new();
                    for number in 0..10 {
                        let body = body(task * 10 + number, (task * 37 + number * 61) % 600);
                        match journal.append(body.clone()).await {
                            Ok(Receipt { sequence, received_at }) => acked.push(Record { sequence, received_at, body }),
                            Err(_) => break,
                        }
                    }
                    acked
                })
            })
            .collect();
        let mut acked = Vec::new();
        for appender in appenders {
            acked.extend(appender.await.expect("does not panic"));
        }
        drop(journal);
        for survival in SURVIVALS {
            let found = read_all(&open(&disk.power_cycle(survival)).expect("opens")).await.expect("reads");
            for record in &acked {
                assert_eq!(found.get(record.sequence.0 as usize - 1), Some(record), "trial {trial}");
            }
            let mut ids: Vec<&str> = found.iter().map(|record| record.body.message_id.as_str()).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), found.len(), "trial {trial}: nothing is there twice");
        }
    }
}

/// A trim of many segments, crashed at each of its operations with many
/// survivals: only one that left a hole between two segments would be refused.
#[tokio::test]
async fn no_power_loss_while_trimming_leaves_a_hole() {
    let script: Vec<Step> = (0..18).map(|_| Step::Append(vec![600; 3])).chain([Step::TrimTo(2)]).collect();
    let whole = SimDisk::new(1);
    let known = run(&whole, &script).await;
    assert!(known.trims[0] >= 5, "{:?}", known.trims);
    let from = whole.log().iter().position(|line| line.starts_with("remove")).expect("trims") as u64;
    let (mut boundaries, mut losses) = (0, 0);
    for number in from..=whole.operations() {
        let disk = SimDisk::new(1);
        disk.crash_at(number);
        let known = run(&disk, &script).await;
        boundaries += 1;
        for seed in 0..40 {
            check(&disk.power_cycle(seed), &known)
                .await
                .unwrap_or_else(|why| panic!("operation {number}, {seed}: {why}"));
            losses += 1;
        }
    }
    println!("{boundaries} operation boundaries of a trim, {losses} power losses");
}

#[test]
fn the_script_is_worth_its_name() {
    let bytes: usize =
        script().iter().map(|step| if let Step::Append(lengths) = step { lengths.iter().sum() } else { 0 }).sum();
    assert!(bytes as u64 > 5 * SMALL);
}
