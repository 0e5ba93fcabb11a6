//! Maintenance beside readers and writers, limits, and damage.

use std::time::Duration;

use super::*;
use crate::{CompactLimits, Error, Outcome, Waiting};

fn say(channel: i64, slot: i64, message: i64, value: i64) -> Said {
    Said { channel, slot, message, issued: message, value, trailing_zero: false, unit: "kWh", quality: "A" }
}

/// Some readings, half of them corrected, in several files.
async fn corrected() -> World {
    let mut world = World::open(SimDisk::new(2)).await.expect("an empty disk");
    for (sequence, message) in (1..=4).zip(1..) {
        let mut said: Vec<Said> = (0..6).map(|slot| say(slot % 3, slot, message, message)).collect();
        said.extend((0..3).map(|channel| say(channel, 20 + message, 1, 1)));
        world.record(sequence, &said).await.expect("room enough");
    }
    world
}

const LIMITS: CompactLimits = CompactLimits { files_min: 2, files_max: 64, rows_max: 1 << 20 };

#[tokio::test]
async fn files_of_a_snapshot_stay_while_someone_reads_it() {
    let mut world = corrected().await;
    let all = ScanRequest::all(ScanTable::Readings);
    let before = seen(&world.lake.snapshot(), &all);
    let old = world.lake.snapshot();
    let parts = old.scan(&all).expect("readable");
    drop(old);
    world.lake.fold().await.expect("folds");
    while world.lake.compact(LIMITS).await.expect("compacts").table.is_some() {}
    let kept = world.lake.vacuum(Duration::ZERO).await.expect("vacuums");
    let rows: usize = parts.into_iter().flatten().map(|batch| batch.expect("still there").num_rows()).sum();
    assert_eq!(rows, before.len());
    let taken = world.lake.vacuum(Duration::ZERO).await.expect("vacuums");
    assert!(taken.files > 0, "once nobody reads: {kept:?}, then {taken:?}");
    assert_eq!(seen(&world.lake.snapshot(), &all), before);
    let scrubbed = world.lake.scrub(&mut |_| ()).await.expect("readable");
    assert_eq!((scrubbed.damage, scrubbed.unreferenced), (vec![], vec![]));
}

#[tokio::test]
async fn a_vacuum_waits_for_jobs_and_for_the_time_to_retain() {
    let mut world = corrected().await;
    let job = world.lake.fold_job().expect("there are corrections");
    let refused = world.lake.vacuum(Duration::ZERO).await;
    assert!(matches!(refused, Err(Error::AtWork { jobs: 1 })));
    let work = job.run().expect("room enough");
    world.lake.finish_fold(work).await.expect("nothing is in the way");
    let kept = world.lake.vacuum(Duration::from_secs(3_600)).await.expect("vacuums");
    assert_eq!(kept.files, 0, "all commits are younger than an hour");
}

#[tokio::test]
async fn appends_go_on_while_a_fold_is_computed() {
    let mut world = corrected().await;
    let job = world.lake.fold_job().expect("there are corrections");
    let work = tokio::task::spawn_blocking(|| job.run()).await.expect("no panic").expect("room enough");
    world.record(30, &[say(0, 0, 99, 5), say(2, 90, 1, 1)]).await.expect("room enough");
    let all = ScanRequest::all(ScanTable::Readings);
    let (standing, earlier) = (all.clone(), ScanRequest { table: ScanTable::ReadingsHistory, ..all });
    let before = (seen(&world.lake.snapshot(), &standing), seen(&world.lake.snapshot(), &earlier));
    let report = world.lake.finish_fold(work).await.expect("appends are not in the way");
    assert!(report.changed > 0 && report.earlier > 0, "{report:?}");
    let after = (seen(&world.lake.snapshot(), &standing), seen(&world.lake.snapshot(), &earlier));
    assert_eq!(before, after);
    assert!(world.lake.fold_job().is_some(), "the correction that came meanwhile waits for the next");
}

#[tokio::test]
async fn a_compaction_whose_files_a_fold_rewrote_is_given_up() {
    let mut world = corrected().await;
    let job = world.lake.compact_job(LIMITS).expect("there are small files");
    let all = ScanRequest::all(ScanTable::Readings);
    let before = seen(&world.lake.snapshot(), &all);
    world.lake.fold().await.expect("folds");
    let work = job.run().expect("the files are still there");
    let refused = world.lake.finish_compaction(work).await;
    assert_eq!(refused.map(drop).map_err(|error| error.kind()), Err(host::Kind::Conflict));
    assert_eq!(seen(&world.lake.snapshot(), &all), before);
}

#[tokio::test]
async fn a_fold_whose_files_a_compaction_merged_is_finished_from_the_new_ones() {
    let mut world = corrected().await;
    let all = ScanRequest::all(ScanTable::Readings);
    let before = seen(&world.lake.snapshot(), &all);
    let work = world.lake.fold_job().expect("there are corrections").run().expect("room enough");
    while world.lake.compact(LIMITS).await.expect("compacts").table.is_some() {}
    let refused = world.lake.finish_fold(work).await;
    assert_eq!(refused.map(drop).map_err(|error| error.kind()), Err(host::Kind::Conflict));
    // Its history is written, its readings are not: a fold begun is finished first.
    world.show(Tail::default());
    assert_eq!(seen(&world.lake.snapshot(), &all), before);
    world.lake.fold().await.expect("finishes it");
    assert_eq!(seen(&world.lake.snapshot(), &all), before);
    assert!(world.lake.fold_job().is_none());
}

#[tokio::test]
async fn small_files_become_one_sorted_run_with_the_same_rows() {
    let mut world = corrected().await;
    world.lake.fold().await.expect("folds");
    let before = seen(&world.lake.snapshot(), &ScanRequest::all(ScanTable::Readings));
    let mut merged = 0;
    loop {
        let report = world.lake.compact(LIMITS).await.expect("compacts");
        if report.table.is_none() {
            break;
        }
        merged += report.files_before;
    }
    assert!(merged > 2);
    assert_eq!(world.lake.snapshot().files(Table::Readings).len(), 2, "one a month");
    for part in world.lake.snapshot().scan(&ScanRequest::all(ScanTable::Readings)).expect("readable") {
        let mut keys = Vec::new();
        for batch in part {
            let rows = batch_to_rows(&batch.expect("readable"), &mut Words::new()).expect("ours");
            keys.extend(rows.into_iter().map(|row| row.key));
        }
        assert!(keys.is_sorted());
    }
    assert_eq!(seen(&world.lake.snapshot(), &ScanRequest::all(ScanTable::Readings)), before);
}

#[tokio::test]
async fn the_same_position_again_is_already_in() {
    let mut world = World::open(SimDisk::new(2)).await.expect("an empty disk");
    let rows = vec![rows_to_batch(&[row_of(&say(1, 1, 1, 1), 1, &mut world.words)], &world.words)];
    let to = Position::done(Sequence(1));
    assert_eq!(world.lake.resume(), Position::START);
    let first = world.lake.append(Table::Readings, rows.clone(), to).await.expect("commits");
    assert!(matches!(first, Outcome::Committed(_)));
    assert_eq!(world.lake.append(Table::Readings, rows.clone(), to).await.expect("skips"), Outcome::AlreadyIn);
    let mut world = World::open(world.disk.restart()).await.expect("opens again");
    assert_eq!(world.lake.position(Table::Readings), to);
    assert_eq!(world.lake.append(Table::Readings, rows, to).await.expect("skips"), Outcome::AlreadyIn);
    assert_eq!(seen(&world.lake.snapshot(), &ScanRequest::all(ScanTable::Readings)).len(), 1);
    assert_eq!(world.lake.resume(), Position::START, "the other tables are behind");
}

#[tokio::test]
async fn a_lake_opened_again_shows_what_was_committed_and_goes_on_there() {
    // With a history, so that one table has files and no position.
    let mut world = corrected().await;
    world.lake.fold().await.expect("folds");
    let to = Position::chunk(Sequence(5), 2);
    for table in Table::OF_LANE {
        assert!(world.lake.resume() < to, "{table:?} is still behind");
        world.lake.append(table, Vec::<Waiting>::new(), to).await.expect("moves the position");
    }
    assert_eq!(world.lake.resume(), to);
    let mut world = World::open(world.disk.restart()).await.expect("opens again");
    assert_eq!((world.lake.resume(), world.lake.snapshot().applied()), (to, to));
    // A crash between the tables of a round: what all of them have counts.
    world
        .lake
        .append(Table::Sources, Vec::<Waiting>::new(), Position::done(Sequence(5)))
        .await
        .expect("moves the position");
    let world = World::open(world.disk.restart()).await.expect("opens again");
    assert_eq!((world.lake.resume(), world.lake.snapshot().applied()), (to, to));
}

#[tokio::test]
async fn what_does_not_fit_in_a_commit_is_refused_before_it_is_written() {
    let mut world = World::open(SimDisk::new(2)).await.expect("an empty disk");
    let month = 48 * 31;
    let rows: Vec<Row> = (0..=64).map(|n| row_of(&say(1, n * month, 1, 1), 1, &mut world.words)).collect();
    let to = Position::done(Sequence(1));
    let batch = rows_to_batch(&rows, &world.words);
    let refused = world.lake.append(Table::Readings, vec![batch], to).await;
    assert!(matches!(refused, Err(Error::TooManyPartitions { .. })), "{refused:?}");
    let twice = rows_to_batch(&[rows[0], rows[0]], &world.words);
    let refused = world.lake.append(Table::Readings, vec![twice.clone()], to).await;
    assert!(matches!(refused, Err(Error::KeyTwice { .. })), "{refused:?}");
    // Further versions of one key may come together.
    world.lake.append(Table::Overlay, vec![twice], to).await.expect("commits");
    assert_eq!(world.disk.files().keys().filter(|path| path.ends_with(".parquet")).count(), 1);
}

#[tokio::test]
async fn units_keep_their_meaning_where_batches_of_a_commit_met_them_in_another_order() {
    let mut world = World::open(SimDisk::new(2)).await.expect("an empty disk");
    let batch = |units: [&'static str; 2], channels: [i64; 2]| {
        let mut words = Words::new();
        let said = [0, 1].map(|at| Said { unit: units[at], ..say(channels[at], 0, 1, 1) });
        rows_to_batch(&said.map(|said| row_of(&said, 1, &mut words)), &words)
    };
    let batches = vec![batch(["kWh", "V"], [2, 6]), batch(["V", "kWh"], [4, 8])];
    world.lake.append(Table::Readings, batches, Position::done(Sequence(1))).await.expect("commits");
    assert_eq!(seen(&world.show(Tail::default()), &ScanRequest::all(ScanTable::Readings)).len(), 4);
}

#[tokio::test]
async fn a_flipped_bit_in_any_file_is_found() {
    let mut world = corrected().await;
    world.lake.fold().await.expect("folds");
    let files: Vec<String> = world.disk.files().into_keys().filter(|path| path.ends_with(".parquet")).collect();
    let clean = world.lake.scrub(&mut |_| ()).await.expect("readable");
    assert_eq!(clean.damage, []);
    assert!(!clean.unreferenced.is_empty(), "a fold leaves files of earlier versions");
    for (number, path) in (0_u64..).zip(files) {
        let size = world.disk.files()[&path].len() as u64;
        let byte = number * 7_919 % size;
        world.disk.flip(&path, byte, 3);
        let found = world.lake.scrub(&mut |_| ()).await.expect("readable");
        assert_eq!(found.damage.iter().map(|d| d.path.as_str()).collect::<Vec<_>>(), [path.as_str()]);
        world.disk.flip(&path, byte, 3);
    }
}
