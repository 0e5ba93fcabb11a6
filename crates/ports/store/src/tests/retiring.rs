//! Retirement: what goes, what stays, and that both are counted, whatever crashes.

use std::time::Duration;

use super::*;
use crate::{LookedThrough, Retain, Retention, RetireReport};

const JANUARY: i32 = 202_401;
/// 2024-03-05: twenty days before, it is February.
const NOW: i64 = BEGIN + 34 * 86_400_000_000;
const MINE: TenantId = TenantId(2);

fn say(channel: i64, slot: i64, message: i64, value: i64) -> Said {
    Said { channel, slot, message, issued: message, value, trailing_zero: false, unit: "kWh", quality: "A" }
}

/// Tenant 2 keeps nothing that is older than twenty days; tenant 1 everything.
fn retention() -> Retention {
    let readings = Retain { others: None, tenants: [(MINE, Some(Span(20 * 86_400_000_000)))].into() };
    Retention { readings, ..Retention::default() }
}

/// Both tenants in January and February, in files of both and of one; some corrected.
async fn filled() -> SimDisk {
    let disk = SimDisk::new(3);
    let mut world = World::open(disk.clone()).await.expect("an empty disk");
    let both = (0..4).flat_map(|channel| (0..8).map(move |slot| say(channel, slot, 5, slot))).collect();
    let mine: Vec<Said> = (0..4).map(|slot| say(5, slot, 5, slot)).collect();
    let corrected = (0..4).flat_map(|channel| [2, 6].map(|slot| say(channel, slot, 9, 70))).collect();
    for (sequence, said) in (1..).zip([both, mine, corrected]) {
        world.record(sequence, &said).await.expect("room enough");
    }
    disk
}

async fn later(disk: &SimDisk) -> Result<Lake> {
    Lake::open(Arc::new(disk.clone()), Arc::new(ManualClock::new(Timestamp(NOW))), "lake", "e1").await
}

/// As the process role does, to the end.
async fn retire(lake: &mut Lake) -> Result<Vec<RetireReport>> {
    let (mut looked_through, mut reports) = (LookedThrough::new(), Vec::new());
    while let Some(job) = lake.retire_job(&retention(), &looked_through) {
        let work = job.run(&|_| false)?;
        let looked = work.looked_through();
        let report = lake.finish_retirement(work).await?.expect("no corrections wait");
        if report.gone.is_empty() {
            looked_through.extend([looked]);
        } else {
            reports.push(report);
        }
    }
    lake.publish(Tail::default());
    Ok(reports)
}

fn both_tables(lake: &Lake) -> [Vec<Seen>; 2] {
    [ScanTable::Readings, ScanTable::ReadingsHistory].map(|table| seen(&lake.snapshot(), &ScanRequest::all(table)))
}

/// What of it must go.
fn is_over(row: &Seen) -> bool {
    row.0.tenant == MINE && row.0.start.month() <= JANUARY
}

async fn counted(lake: &mut Lake) -> [usize; 2] {
    let mut counts = [0; 2];
    for (count, table) in counts.iter_mut().zip([Table::Readings, Table::History]) {
        let of_tenant = lake.retired(table, MINE).await.expect("readable");
        assert_eq!(lake.retired(table, TenantId(1)).await.expect("readable"), 0);
        *count = usize::try_from(of_tenant).expect("few");
    }
    counts
}

/// Folded; what all of it is, and what is to stay.
async fn folded(disk: &SimDisk) -> (Lake, [Vec<Seen>; 2]) {
    let mut lake = later(disk).await.expect("opens");
    lake.fold().await.expect("folds");
    lake.publish(Tail::default());
    let all = both_tables(&lake);
    (lake, all)
}

fn stay(all: &[Vec<Seen>; 2]) -> [Vec<Seen>; 2] {
    all.clone().map(|rows| rows.into_iter().filter(|row| !is_over(row)).collect())
}

fn gone(all: &[Vec<Seen>; 2]) -> [usize; 2] {
    all.clone().map(|rows| rows.iter().filter(|row| is_over(row)).count())
}

#[tokio::test]
async fn only_old_months_of_the_tenant_go_and_are_counted() {
    let disk = filled().await;
    let (mut lake, all) = folded(&disk).await;
    assert!(gone(&all).iter().all(|count| *count > 0), "{all:?}");
    let reports = retire(&mut lake).await.expect("room enough");
    assert!(reports.iter().any(|report| report.kept > 0) && reports.iter().any(|report| report.kept == 0));
    assert!(reports.iter().all(|report| report.month == JANUARY), "{reports:?}");
    assert_eq!(both_tables(&lake), stay(&all));
    assert_eq!(counted(&mut lake).await, gone(&all));
    assert_eq!(retire(&mut lake).await.expect("nothing to do"), []);
    drop(lake);
    let mut again = later(&disk).await.expect("opens");
    again.publish(Tail::default());
    assert_eq!((both_tables(&again), counted(&mut again).await), (stay(&all), gone(&all)));
    let scrubbed = again.scrub(&mut |_| ()).await.expect("readable");
    assert_eq!(scrubbed.damage, []);
}

#[tokio::test]
async fn a_power_cut_anywhere_counts_what_went_once() {
    let disk = filled().await;
    let (lake, all) = folded(&disk).await;
    drop(lake);
    let before = disk.restart();
    let whole = before.restart();
    let mut lake = later(&whole).await.expect("opens");
    let opened = whole.operations();
    retire(&mut lake).await.expect("room enough");
    let operations = whole.operations() - opened;
    assert!(operations > 20, "{operations}");
    for at in 0..operations {
        for survival in [0, 11] {
            let disk = before.restart();
            let mut lake = later(&disk).await.expect("opens");
            disk.crash_at(opened + at);
            let _ = retire(&mut lake).await;
            drop(lake);
            let mut lake = later(&disk.power_cycle(survival)).await.expect("opens again");
            lake.publish(Tail::default());
            let [readings, earlier] = both_tables(&lake);
            let [all_readings, all_earlier] = &all;
            let count = counted(&mut lake).await;
            let sums = [readings.len() + count[0], earlier.len() + count[1]];
            assert_eq!(
                sums,
                [all_readings.len(), all_earlier.len()],
                "after {at} of {operations}, survival {survival}"
            );
            retire(&mut lake).await.expect("goes on");
            assert_eq!((both_tables(&lake), counted(&mut lake).await), (stay(&all), gone(&all)), "after {at}");
        }
    }
    println!("retirement: {operations} operations, {} trials", 2 * operations);
}

#[tokio::test]
async fn a_month_that_corrections_wait_for_is_left_until_they_are_folded() {
    let disk = filled().await;
    let mut lake = later(&disk).await.expect("opens");
    assert!(lake.corrections_waiting() > 0);
    assert!(lake.retire_job(&retention(), &LookedThrough::new()).is_none());
    assert!(lake.retirement_needs_fold(&retention(), &LookedThrough::new()));
    assert!(!lake.retirement_needs_fold(&Retention::default(), &LookedThrough::new()), "nobody asked for one");
    lake.fold().await.expect("folds");
    assert!(!lake.retirement_needs_fold(&retention(), &LookedThrough::new()));
    assert!(lake.retire_job(&retention(), &LookedThrough::new()).is_some());
}

#[tokio::test]
async fn corrections_that_come_while_a_file_is_looked_through_put_it_off() {
    let disk = filled().await;
    let (lake, all) = folded(&disk).await;
    let mut world = World { disk: disk.clone(), lake, words: Words::new() };
    let work = world
        .lake
        .retire_job(&retention(), &LookedThrough::new())
        .expect("is over")
        .run(&|_| false)
        .expect("room enough");
    world.record(4, &[say(1, 1, 11, 99)]).await.expect("room enough");
    assert_eq!(world.lake.finish_retirement(work).await.expect("looked at"), None);
    assert_eq!(both_tables(&world.lake)[0].len(), all[0].len());
    world.lake.fold().await.expect("folds");
    retire(&mut world.lake).await.expect("room enough");
    assert!(both_tables(&world.lake).iter().flatten().all(|row| !is_over(row)));
}

#[tokio::test]
async fn a_query_that_runs_reads_to_its_end_and_then_the_files_go() {
    let disk = filled().await;
    let (mut lake, all) = folded(&disk).await;
    let parts = lake.snapshot().scan(&ScanRequest::all(ScanTable::Readings)).expect("readable");
    retire(&mut lake).await.expect("room enough");
    lake.vacuum(Duration::ZERO).await.expect("vacuums");
    let rows: usize = parts.into_iter().flatten().map(|batch| batch.expect("still there").num_rows()).sum();
    assert_eq!(rows, all[0].len());
    assert!(lake.vacuum(Duration::ZERO).await.expect("vacuums").files > 0);
}

#[tokio::test]
async fn what_is_sent_again_after_it_went_comes_in_and_goes_again() {
    let disk = filled().await;
    let (mut lake, all) = folded(&disk).await;
    retire(&mut lake).await.expect("room enough");
    let mut world = World { disk, lake, words: Words::new() };
    world.record(4, &[say(1, 1, 5, 1), say(2, 1, 5, 1)]).await.expect("room enough");
    let [readings, _] = both_tables(&world.lake);
    assert_eq!(readings.iter().filter(|row| is_over(row)).count(), 1, "the other tenant's is a duplicate");
    retire(&mut world.lake).await.expect("room enough");
    assert_eq!(counted(&mut world.lake).await, [gone(&all)[0] + 1, gone(&all)[1]]);
    assert_eq!(both_tables(&world.lake), stay(&all));
}
