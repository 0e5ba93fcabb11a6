//! The power fails at every operation of a round, a fold, a compaction and a
//! vacuum; the next start must find every reading, once.

use std::time::Duration;

use super::*;
use crate::{CompactLimits, Error};

/// What a disk makes of unsynced bytes: nothing kept, or some of them.
const SURVIVALS: [u64; 2] = [0, 11];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Machine {
    Round,
    Fold,
    Compaction,
    Vacuum,
}

const LIMITS: CompactLimits = CompactLimits { files_min: 2, files_max: 8, rows_max: 1 << 20 };

fn say(channel: i64, slot: i64, message: i64, value: i64) -> Said {
    Said { channel, slot, message, issued: message, value, trailing_zero: false, unit: "kWh", quality: "A" }
}

/// Records as they arrive: new readings in two months, corrections newer and
/// older than what stands, one issued again.
fn records() -> Vec<Vec<Said>> {
    let first = (0..3).flat_map(|channel| (0..8).map(move |slot| say(channel, slot, 5, slot))).collect();
    let second = (0..3).flat_map(|channel| (6..12).map(move |slot| say(channel, slot, 5, slot))).collect();
    let mut third: Vec<Said> = (0..3).map(|channel| say(channel, 3, 9, 77)).collect();
    third.extend((0..3).map(|channel| say(channel, 5, 2, 66)));
    third.push(Said { issued: 8, ..say(0, 0, 5, 0) });
    let mut fourth: Vec<Said> = (0..2).map(|channel| say(channel, 3, 11, 88)).collect();
    fourth.push(say(0, 14, 5, 1));
    vec![first, second, third, fourth]
}

fn oracle_of(records: &[Vec<Said>]) -> Oracle {
    let (mut oracle, mut words) = (Oracle::default(), Words::new());
    for said in records.iter().flatten() {
        let row = row_of(said, 0, &mut words);
        oracle.hears(&row, &words);
    }
    oracle
}

/// A disk with the first three records on it, all of them folded once if asked.
async fn begun(folded: bool) -> SimDisk {
    let disk = SimDisk::new(5);
    let mut world = World::open(disk.clone()).await.expect("an empty disk");
    for (sequence, said) in (1..).zip(&records()[..3]) {
        world.record(sequence, said).await.expect("room enough");
        if folded {
            world.lake.fold().await.expect("folds");
        }
    }
    disk
}

/// Runs a machine to its end, or to the end of the power.
async fn run(world: &mut World, machine: Machine) -> Result<(), Error> {
    match machine {
        Machine::Round => world.record(4, &records()[3]).await,
        Machine::Fold => world.lake.fold().await.map(drop),
        Machine::Compaction => world.lake.compact(LIMITS).await.map(drop),
        Machine::Vacuum => world.lake.vacuum(Duration::ZERO).await.map(drop),
    }
}

/// Operations of an open, and of the machine after it.
async fn operations(before: &SimDisk, machine: Machine) -> (u64, Vec<String>) {
    let disk = before.restart();
    let mut world = World::open(disk.clone()).await.expect("opens");
    let opened = disk.operations();
    run(&mut world, machine).await.expect("nothing fails here");
    let log = disk.log().split_off(usize::try_from(opened).expect("few"));
    (opened, log)
}

/// Crashes at operation `at`, starts again, and looks; the first complaint.
async fn trial(before: &SimDisk, machine: Machine, at: u64, survival: u64, faults: Faults) -> Result<(), String> {
    let disk = before.restart();
    let mut world = World::open_with(disk.clone(), faults).await.map_err(|e| format!("opening: {e}"))?;
    disk.crash_at(at);
    let acknowledged = run(&mut world, machine).await.is_ok();
    drop(world);
    let after = disk.power_cycle(survival);
    let mut world = World::open(after).await.map_err(|e| format!("opening again: {e}"))?;
    world.show(Tail::default());
    let all = oracle_of(&records());
    let first_three = oracle_of(&records()[..3]);
    let resumed = world.lake.position(Table::Overlay) == Position::done(Sequence(4));
    if machine == Machine::Round && acknowledged && !resumed {
        return Err("an acknowledged round is gone".into());
    }
    if machine != Machine::Round || !resumed {
        // A half round may show its new readings, never its corrections alone.
        if machine != Machine::Round {
            agrees(&mut world, &first_three)?;
        }
        world.record(4, &records()[3]).await.map_err(|e| format!("going on: {e}"))?;
    }
    agrees(&mut world, &all)?;
    run_again(&mut world, machine).await?;
    agrees(&mut world, &all)
}

/// Maintenance done again to its end changes nothing, and nothing is damaged.
async fn run_again(world: &mut World, machine: Machine) -> Result<(), String> {
    if machine != Machine::Round {
        run(world, machine).await.map_err(|e| format!("again: {e}"))?;
    }
    let scrubbed = world.lake.scrub(&mut |_| ()).await.map_err(|e| format!("scrub: {e}"))?;
    if scrubbed.damage.is_empty() { Ok(()) } else { Err(format!("damage: {:?}", scrubbed.damage)) }
}

fn agrees(world: &mut World, oracle: &Oracle) -> Result<(), String> {
    let snapshot = world.lake.snapshot();
    let (standing, earlier) = oracle.tables();
    let pairs = [(ScanTable::Readings, standing), (ScanTable::ReadingsHistory, earlier)];
    for (table, expected) in pairs {
        let found = seen(&snapshot, &ScanRequest::all(table));
        if found != expected {
            let lost = expected.iter().filter(|row| !found.contains(row)).count();
            let new = found.iter().filter(|row| !expected.contains(row)).count();
            return Err(format!("{table:?}: of {} rows {lost} are lost, {new} should not be there", expected.len()));
        }
    }
    Ok(())
}

/// Every boundary of a machine; prints how many there are.
async fn every_boundary(machine: Machine, folded: bool) {
    let before = begun(folded).await;
    let (opened, log) = operations(&before, machine).await;
    println!("{machine:?}: {} operations, {} trials", log.len(), log.len() * SURVIVALS.len());
    for (step, operation) in (0..).zip(&log) {
        println!("  {step:3} {operation}");
        for survival in SURVIVALS {
            let ended = trial(&before, machine, opened + step, survival, Faults::default()).await;
            assert_eq!(ended, Ok(()), "crash at {step} ({operation}), survival {survival}");
        }
    }
}

#[tokio::test]
async fn a_crash_anywhere_in_a_round_loses_and_doubles_nothing() {
    every_boundary(Machine::Round, false).await;
}

#[tokio::test]
async fn a_crash_anywhere_in_a_fold_loses_and_doubles_nothing() {
    every_boundary(Machine::Fold, false).await;
}

#[tokio::test]
async fn a_crash_anywhere_in_a_compaction_loses_and_doubles_nothing() {
    every_boundary(Machine::Compaction, false).await;
}

#[tokio::test]
async fn a_crash_anywhere_in_a_vacuum_loses_and_doubles_nothing() {
    every_boundary(Machine::Vacuum, true).await;
}

#[tokio::test]
async fn an_overlay_cleared_before_its_history_is_written_is_caught() {
    let before = begun(false).await;
    let (opened, log) = operations(&before, Machine::Fold).await;
    let faults = Faults { overlay_cleared_first: true };
    for step in 0..log.len() as u64 {
        if let Err(complaint) = trial(&before, Machine::Fold, opened + step, 0, faults).await {
            println!("caught by a crash at {step} of {} operations: {complaint}", log.len());
            return;
        }
    }
    panic!("{} trials noticed nothing", log.len());
}

#[tokio::test]
async fn files_that_are_never_synced_are_caught() {
    let before = begun(false).await;
    let disk = before.restart();
    // A file is synced under its temporary name.
    disk.skip_fsync("/.part.");
    let mut world = World::open(disk.clone()).await.expect("opens");
    run(&mut world, Machine::Round).await.expect("nothing fails here");
    drop(world);
    let mut world = World::open(disk.power_cycle(0)).await.expect("the log is whole");
    let scrubbed = world.lake.scrub(&mut |_| ()).await.expect("readable");
    assert!(!scrubbed.damage.is_empty(), "a file without its bytes is damage");
    let mut name_of = |_, _| Ok(String::new());
    let refused = world.lake.snapshot().state_hash(&mut name_of).map(drop);
    assert!(refused.is_err_and(|error| error.kind() == host::Kind::Corrupt));
    assert!(run(&mut world, Machine::Fold).await.is_err());
}

#[tokio::test]
async fn a_full_disk_is_busy_and_goes_on_when_there_is_room() {
    let before = begun(false).await;
    for machine in [Machine::Round, Machine::Fold, Machine::Compaction] {
        let (opened, log) = operations(&before, machine).await;
        for step in (0..log.len() as u64).step_by(4) {
            let disk = before.restart();
            let mut world = World::open(disk.clone()).await.expect("opens");
            disk.fail_at(opened + step, std::io::ErrorKind::StorageFull);
            let first = run(&mut world, machine).await;
            if first.is_err() {
                // A failed sync stops a disk for good; anything else is tried again in place.
                if run(&mut world, machine).await.is_err() {
                    world = World::open(disk.restart()).await.expect("opens again");
                    run(&mut world, machine).await.expect("there is room now");
                }
            }
            let records = records();
            let heard = if machine == Machine::Round { &records[..] } else { &records[..3] };
            world.show(Tail::default());
            assert_eq!(agrees(&mut world, &oracle_of(heard)), Ok(()), "{machine:?} at {step} ({})", log[step as usize]);
        }
    }
}

#[tokio::test]
async fn a_crash_while_a_fold_is_being_finished_is_no_worse() {
    let before = begun(false).await;
    let (opened, log) = operations(&before, Machine::Fold).await;
    let mut trials = 0;
    // Right after the history's commit, and right after the readings'.
    for table in ["lake/history/_delta_log", "lake/readings/_delta_log"] {
        let committed = log.iter().rposition(|line| *line == format!("sync_dir {table}")).expect("was committed");
        let disk = before.restart();
        let mut world = World::open(disk.clone()).await.expect("opens");
        disk.crash_at(opened + committed as u64 + 1);
        run(&mut world, Machine::Fold).await.expect_err("the power is gone");
        drop(world);
        let half = disk.power_cycle(0);
        let whole = half.restart();
        drop(World::open(whole.clone()).await.expect("finishes the fold"));
        for step in 0..whole.operations() {
            let again = half.restart();
            again.crash_at(step);
            let _ = World::open(again.clone()).await.map(drop);
            let mut world = World::open(again.power_cycle(11)).await.expect("finishes the fold");
            world.show(Tail::default());
            assert_eq!(agrees(&mut world, &oracle_of(&records()[..3])), Ok(()), "{table}, then {step}");
            assert!(world.lake.fold_job().is_none(), "the overlay is empty");
            trials += 1;
        }
    }
    println!("Fold, finished by an open that crashes: {trials} trials");
}
