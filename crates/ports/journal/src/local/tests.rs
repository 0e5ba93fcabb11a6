//! The journal's promises on sound disks, full disks and failing ones.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::time::Duration;

use host::{Kind, ManualClock, RealDisk, SeededEntropy, SimDisk, SystemClock};
use meter::{TenantId, Timestamp};

use super::*;
use crate::Door;

/// Six kilobytes: the smallest that holds a record of 600 bytes with the longest names.
pub(super) const SMALL: u64 = 6 << 10;

pub(super) fn small() -> Settings {
    Settings { segment_bytes: SMALL, record_bytes_max: 600, group_bytes: 2_000, ..Settings::default() }
}

pub(super) fn open(disk: &SimDisk) -> Result<Local, Error> {
    open_with(disk, small())
}

fn open_with(disk: &SimDisk, settings: Settings) -> Result<Local, Error> {
    let clock = Arc::new(ManualClock::new(Timestamp(1_000_000)));
    Local::open(Arc::new(disk.clone()), clock, Arc::new(SeededEntropy::new(5)), settings)
}

/// Body number `number`, of its own length and content.
pub(super) fn body(number: usize, len: usize) -> Body {
    let content: Vec<u8> = (0..len).map(|at| (number * 31 + at) as u8).collect();
    Body {
        tenant: TenantId(1),
        door: Door::Http,
        format: String::new(),
        object: String::new(),
        message_id: format!("m{number}"),
        content: Content::Bytes(content.into()),
    }
}

pub(super) async fn append_group(journal: &Local, bodies: Vec<Body>) -> Vec<Result<Receipt, Error>> {
    let replies = match journal.submit(bodies) {
        Err(error) => return vec![Err(error)],
        Ok(replies) => replies,
    };
    let mut results = Vec::new();
    for reply in replies {
        results.push(reply.await.expect("the writer answers everyone"));
    }
    results
}

pub(super) async fn read_all(journal: &Local) -> Result<Vec<Record>, Error> {
    let mut records: Vec<Record> = Vec::new();
    let mut from = journal.start().await;
    loop {
        let more = journal.read(from, 3_000).await?;
        let Some(last) = more.last() else { return Ok(records) };
        from = Sequence(last.sequence.0 + 1);
        records.extend(more);
    }
}

async fn append_many(journal: &Local, numbers: std::ops::Range<usize>) {
    for number in numbers {
        journal.append(body(number, number * 13 % 500)).await.expect("appends");
    }
}

#[tokio::test]
async fn a_simulated_disk_carries_the_contract() {
    let settings = Settings { segment_bytes: 12 << 20, ..Settings::default() };
    let (clock, entropy) = (Arc::new(SystemClock::new()), Arc::new(SeededEntropy::new(1)));
    let journal = Local::open(Arc::new(SimDisk::new(1)), clock, entropy, settings).expect("opens");
    crate::contract::check(Arc::new(journal)).await;
    crate::contract::check(Arc::new(open_with_large_records(&SimDisk::new(1)))).await;
}

/// Segments of a few records, but records of any size the contract tries.
fn open_with_large_records(disk: &SimDisk) -> Local {
    let settings = Settings { segment_bytes: 9 << 20, group_bytes: 500, ..Settings::default() };
    let (clock, entropy) = (Arc::new(SystemClock::new()), Arc::new(SeededEntropy::new(1)));
    Local::open(Arc::new(disk.clone()), clock, entropy, settings).expect("opens")
}

#[tokio::test]
async fn a_real_directory_carries_the_contract() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let disk = Arc::new(RealDisk::open(dir.path()).expect("opens"));
    let (clock, entropy) = (Arc::new(SystemClock::new()), Arc::new(SeededEntropy::new(1)));
    let journal = Local::open(disk.clone(), clock, entropy, Settings::default()).expect("opens");
    let journal = Arc::new(journal);
    crate::contract::check(journal.clone()).await;
    assert_eq!(journal.scrub().await.expect("reads"), []);
    journal.close().await.expect("closes");
    assert_eq!(scrub(&*disk).expect("reads"), []);
}

#[tokio::test]
async fn records_survive_closing_and_opening_again() {
    let disk = SimDisk::new(1);
    let journal = open(&disk).expect("opens");
    append_many(&journal, 0..60).await;
    let before = read_all(&journal).await.expect("reads");
    journal.close().await.expect("closes");
    assert_eq!(read_all(&journal).await.expect("reads on after closing"), before);
    assert!(matches!(journal.append(body(0, 0)).await, Err(Error::Closed)));
    assert!(matches!(journal.check_open().await, Err(Error::Closed)));
    drop(journal);

    let operations = disk.operations();
    let journal = open(&disk).expect("opens");
    assert_eq!(read_all(&journal).await.expect("reads"), before);
    assert_eq!(journal.append(body(60, 5)).await.expect("appends").sequence, Sequence(61));
    assert_eq!(journal.torn(), None);
    assert_eq!(disk.operations() - operations, 4, "opening syncs file and directory, appending writes and syncs once");
}

#[tokio::test]
async fn a_group_costs_one_write_and_one_sync() {
    let disk = SimDisk::new(1);
    let journal = open(&disk).expect("opens");
    let before = disk.operations();
    let results = append_group(&journal, (0..10).map(|number| body(number, 20)).collect()).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(disk.log()[before as usize..].len(), 2, "{:?}", disk.log());
}

#[tokio::test]
async fn times_grow_although_the_clock_jumps_back() {
    let (disk, entropy) = (SimDisk::new(1), Arc::new(SeededEntropy::new(5)));
    let clock = Arc::new(ManualClock::new(Timestamp(5_000_000)));
    let journal = Local::open(Arc::new(disk.clone()), clock.clone(), entropy, small()).expect("opens");
    append_many(&journal, 0..30).await;
    clock.set(Timestamp(1));
    append_many(&journal, 30..60).await;
    journal.trim(Sequence(61)).await.expect("trims");
    journal.close().await.expect("closes");
    let journal = open(&disk).expect("opens with a clock that is behind");
    append_many(&journal, 60..62).await;
    let records = read_all(&journal).await.expect("reads");
    assert!(records.is_sorted_by(|one, other| one.received_at < other.received_at));
    assert!(records.iter().all(|record| record.received_at >= Timestamp(5_000_000)));
}

#[tokio::test]
async fn a_failed_sync_stops_the_journal_for_good() {
    for offset in [0, 1] {
        let disk = SimDisk::new(1);
        let journal = open(&disk).expect("opens");
        append_many(&journal, 0..3).await;
        disk.fail_at(disk.operations() + offset, ErrorKind::Other);
        let error = journal.append(body(3, 10)).await.expect_err("the injected failure");
        assert!(matches!(error, Error::Poisoned { .. }), "{error}");
        assert_eq!(error.kind(), Kind::Bug);
        assert!(matches!(journal.append(body(4, 10)).await, Err(Error::Poisoned { .. })));
        assert!(matches!(journal.check_open().await, Err(Error::Poisoned { .. })));
        assert!(matches!(journal.read(Sequence(1), 10).await, Err(Error::Poisoned { .. })));
        assert!(matches!(journal.wait(Sequence(99)).await, Err(Error::Poisoned { .. })));
        assert!(matches!(journal.trim(Sequence(1)).await, Err(Error::Poisoned { .. })));
        let operations = disk.operations();
        assert!(matches!(journal.close().await, Err(Error::Poisoned { .. })));
        drop(journal);
        assert_eq!(disk.operations(), operations, "nothing is written after a failure");

        let journal = open(&disk.power_cycle(9)).expect("opens again");
        let records = read_all(&journal).await.expect("reads");
        assert!(records.len() == 3 || records.len() == 4);
    }
}

#[tokio::test]
async fn a_full_disk_is_busy_and_recovers() {
    let disk = SimDisk::new(1);
    let journal = open(&disk).expect("opens");
    disk.set_capacity(Some(SMALL));
    let mut count = 0;
    let error = loop {
        match journal.append(body(count, 400)).await {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind(), count > 5), (Kind::Busy, true), "{error}");
    assert!(matches!(error, Error::DiskFull { .. }));
    assert_eq!(journal.append(body(count, 400)).await.expect_err("still full").kind(), Kind::Busy);
    journal.append(body(count, 0)).await.expect("a small one still fits");
    disk.set_capacity(None);
    journal.append(body(count + 1, 400)).await.expect("there is room again");
    assert_eq!(read_all(&journal).await.expect("reads").len(), count + 2);
    journal.close().await.expect("closes");
    assert_eq!(scrub(&disk).expect("reads"), []);
}

#[tokio::test]
async fn a_failure_at_any_step_of_a_new_segment_loses_nothing() {
    for offset in 0..5 {
        let disk = SimDisk::new(1);
        let journal = open(&disk).expect("opens");
        append_many(&journal, 0..11).await;
        let before = read_all(&journal).await.expect("reads");
        disk.fail_at(disk.operations() + offset, ErrorKind::StorageFull);
        let large = vec![body(90, 600), body(91, 600), body(92, 600), body(93, 600), body(94, 600), body(95, 600)];
        let mut refused = None;
        for large in large {
            refused = journal.append(large).await.err().or(refused);
        }
        let refused = refused.expect("the injected failure");
        assert!(matches!(refused.kind(), Kind::Busy | Kind::Bug), "{refused}");
        drop(journal);
        let records = read_all(&open(&disk.power_cycle(0)).expect("opens")).await.expect("reads");
        assert_eq!(records[..before.len()], before);
    }
}

#[tokio::test]
async fn a_full_queue_is_busy_and_takes_nothing() {
    let disk = SimDisk::new(1);
    let settings = Settings { queue_records: 5, ..small() };
    let (clock, entropy) = (Arc::new(SystemClock::new()), Arc::new(SeededEntropy::new(5)));
    let journal = Local::open(Arc::new(disk), clock, entropy, settings).expect("opens");
    let results = append_group(&journal, (0..6).map(|number| body(number, 10)).collect()).await;
    assert!(matches!(results[..], [Err(Error::Full { .. })]));
    assert_eq!(journal.end().await, Sequence(1));
    let results = append_group(&journal, (0..5).map(|number| body(number, 10)).collect()).await;
    assert!(results.iter().all(Result::is_ok));
}

#[tokio::test]
async fn bytes_that_look_like_a_frame_stop_no_start() {
    let disk = SimDisk::new(1);
    let journal = open(&disk).expect("opens");
    journal.append(body(0, 10)).await.expect("appends");
    // The best that a sender could guess: a frame that claims all before was durable.
    let forged = frame::Frame {
        kind: frame::FrameKind::Mark,
        payload_bytes: 0,
        payload_crc: 0,
        sequence: 9,
        received_at: 9,
        group_offset: 4_000,
    };
    let mut evil = body(1, 0);
    evil.content = Content::Bytes((0..11).flat_map(|_| forged.encode(7)).collect());
    disk.fail_at(disk.operations() + 1, ErrorKind::Other);
    journal.append(evil).await.expect_err("the injected failure");
    drop(journal);
    for seed in 0..50 {
        let left = disk.power_cycle(seed);
        read_all(&open(&left).expect("opens")).await.expect("reads");
    }
}

/// What a power loss leaves of a journal in the middle of a group.
async fn torn_journal() -> SimDisk {
    let disk = SimDisk::new(1);
    let journal = open(&disk).expect("opens");
    append_many(&journal, 0..27).await;
    disk.crash_at(disk.operations() + 1);
    append_group(&journal, (0..3).map(|number| body(number, 400)).collect()).await;
    drop(journal);
    assert!(disk.log().last().is_some_and(|line| line.starts_with("sync")), "{:?}", disk.log().last());
    let torn = |seed: &u64| open(&disk.power_cycle(*seed)).expect("opens").torn().is_some();
    disk.power_cycle((2..100).find(torn).expect("one of the seeds tears"))
}

/// A journal of some segments, with a torn piece, closed; and its records.
async fn closed_journal() -> (SimDisk, Vec<Record>) {
    let disk = torn_journal().await;
    let journal = open(&disk).expect("opens");
    assert!(journal.torn().is_some());
    append_many(&journal, 30..75).await;
    let records = read_all(&journal).await.expect("reads");
    journal.close().await.expect("closes");
    (disk, records)
}

#[tokio::test]
async fn every_flipped_byte_is_found() {
    let (disk, _) = closed_journal().await;
    assert_eq!(scrub(&disk).expect("reads"), []);
    let files = disk.files();
    let kinds = |ending| files.keys().filter(|path: &&String| path.ends_with(ending)).count();
    assert!(kinds(".seg") >= 3 && kinds(".torn") == 1, "{:?}", files.keys());
    let mut flips = 0;
    for (path, bytes) in &files {
        for byte in 0..bytes.len() as u64 {
            disk.flip(path, byte, (byte % 8) as u8);
            let found = scrub(&disk).expect("reads");
            assert!(found.iter().any(|damage| damage.path == *path), "byte {byte} of {path}");
            disk.flip(path, byte, (byte % 8) as u8);
            flips += 1;
        }
    }
    println!("{flips} flipped bytes in {} files, each found", files.len());
}

#[tokio::test]
async fn every_flipped_byte_is_found_beside_the_writer() {
    let (disk, _) = closed_journal().await;
    let journal = open(&disk).expect("opens");
    append_many(&journal, 50..53).await;
    assert_eq!(journal.scrub().await.expect("reads"), []);
    for (path, bytes) in disk.files() {
        for byte in (0..bytes.len() as u64).step_by(5) {
            disk.flip(&path, byte, (byte % 8) as u8);
            let found = journal.shared.scrub().expect("reads");
            assert!(found.iter().any(|damage| damage.path == path), "byte {byte} of {path}");
            disk.flip(&path, byte, (byte % 8) as u8);
        }
    }
    let first = disk.files().into_keys().next().expect("a segment");
    disk.remove(&first).expect("removes");
    assert_eq!(journal.scrub().await.expect("reads")[0].path, first);
}

/// What a start makes of a flipped byte: it refuses, or nothing was lost.
#[tokio::test]
async fn no_flipped_byte_costs_a_record_silently() {
    let (disk, records) = closed_journal().await;
    let mut refused: BTreeMap<bool, usize> = BTreeMap::new();
    for (path, bytes) in disk.files() {
        for byte in 0..bytes.len() as u64 {
            let flipped = disk.restart();
            flipped.flip(&path, byte, (byte % 8) as u8);
            match open(&flipped) {
                Err(error) => assert_eq!(error.kind(), Kind::Corrupt, "byte {byte} of {path}: {error}"),
                Ok(journal) if byte % 50 == 0 || journal.torn().is_some() => {
                    assert_eq!(read_all(&journal).await.expect("reads"), records, "byte {byte} of {path}");
                    *refused.entry(false).or_default() += 1;
                    continue;
                }
                Ok(_) => assert!(path.ends_with(".torn"), "byte {byte} of {path}"),
            }
            *refused.entry(true).or_default() += 1;
        }
    }
    println!("flipped bytes by whether they stopped the start: {refused:?}");
}

/// Without the mark of a clean close only the later groups say that the earlier
/// ones were durable: a start must not take damage there for a torn write.
#[tokio::test]
async fn damage_before_the_last_group_stops_the_start_after_a_kill() {
    let disk = SimDisk::new(1);
    let journal = open(&disk).expect("opens");
    append_group(&journal, (0..3).map(|number| body(number, 50)).collect()).await;
    append_group(&journal, (3..6).map(|number| body(number, 50)).collect()).await;
    let last_group = journal.shared.index().active().end;
    append_group(&journal, (6..9).map(|number| body(number, 50)).collect()).await;
    let (path, killed) = (disk.files().into_keys().next().expect("a segment"), disk.restart());
    for byte in 0..last_group {
        let flipped = killed.restart();
        flipped.flip(&path, byte, (byte % 8) as u8);
        assert_eq!(open(&flipped).err().map(|error| error.kind()), Some(Kind::Corrupt), "byte {byte}");
    }
}

#[tokio::test]
async fn missing_and_foreign_files_are_named() {
    let (disk, _) = closed_journal().await;
    let segments: Vec<String> = disk.files().into_keys().filter(|path| path.ends_with(".seg")).collect();
    let left = disk.restart();
    left.remove(&segments[1]).expect("removes");
    assert!(matches!(open(&left), Err(Error::Missing { .. })));
    assert_eq!(scrub(&left).expect("reads").len(), 1);
    let left = disk.restart();
    left.rename(&segments[1], "journal/00000000000000000002.seg", false).expect("renames");
    assert_eq!(open(&left).err().map(|error| error.kind()), Some(Kind::Corrupt));
    let left = disk.restart();
    left.create("journal/notes.txt", 0).expect("creates");
    assert_eq!(scrub(&left).expect("reads")[0].path, "journal/notes.txt");
    let left = disk.restart();
    left.write_at(&segments[0], SMALL, b"more").expect("writes");
    assert_eq!(open(&left).err().map(|error| error.kind()), Some(Kind::Corrupt));
}

#[tokio::test]
async fn a_newer_format_is_refused_with_a_clear_word() {
    let (disk, _) = closed_journal().await;
    let path = disk.files().into_keys().next().expect("a segment");
    let mut header: [u8; 64] = disk.read(&path, 0, 64).expect("reads").try_into().expect("64 bytes");
    header[8] = 2;
    let crc = crc32c::crc32c(&header[..60]);
    header[60..].copy_from_slice(&crc.to_le_bytes());
    disk.write_at(&path, 0, &header).expect("writes");
    let error = open(&disk).err().expect("refused");
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.to_string().contains("format version 2"), "{error}");
}

#[tokio::test]
async fn trimming_drops_whole_segments_and_their_torn_pieces() {
    let (disk, records) = closed_journal().await;
    let journal = open(&disk).expect("opens");
    let before = Sequence(records.len() as u64);
    journal.trim(before).await.expect("trims");
    let start = journal.start().await;
    assert!(start > Sequence(1) && start <= before);
    assert_eq!(disk.files().len(), 1, "{:?}", disk.files().keys());
    assert!(matches!(journal.read(Sequence(1), 10).await, Err(Error::Trimmed { .. })));
    drop(journal);
    let journal = open(&disk).expect("opens");
    assert_eq!(journal.start().await, start);
    assert_eq!(read_all(&journal).await.expect("reads"), records[start.0 as usize - 1..]);
}

#[tokio::test]
async fn what_is_to_be_kept_is_not_trimmed() {
    let (disk, records) = closed_journal().await;
    let firsts = |journal: &Local| -> Vec<(u64, u64)> {
        journal.shared.index().segments.iter().map(|segment| (segment.first, segment.end)).collect()
    };
    let all = firsts(&open(&disk).expect("opens"));
    for keep_bytes in [0, 1, SMALL, 2 * SMALL, u64::MAX] {
        let left = disk.restart();
        let settings = Settings { keep_bytes, ..small() };
        let journal = open_with(&left, settings).expect("opens");
        journal.trim(Sequence(records.len() as u64)).await.expect("trims");
        let kept = firsts(&journal);
        assert!(all.ends_with(&kept));
        let bytes: u64 = kept.iter().map(|(_, end)| end).sum();
        assert!(bytes >= keep_bytes || kept.len() == all.len(), "{keep_bytes}: {kept:?}");
        let without_first = bytes - kept[0].1;
        assert!(without_first < keep_bytes.max(1), "{keep_bytes}: more than was asked for: {kept:?}");
    }
}

#[tokio::test]
async fn what_someone_copies_is_not_trimmed_and_its_durable_bytes_are_the_whole_journal() {
    let (disk, records) = closed_journal().await;
    let journal = open(&disk).expect("opens");
    let hold = journal.hold();
    let (next, segments) = hold.segments().expect("listed");
    assert_eq!(next, Sequence(records.len() as u64 + 1));
    let copy = SimDisk::new(2);
    for segment in &segments {
        let durable = usize::try_from(segment.durable_bytes).expect("small");
        let bytes = disk.read(&segment.path, 0, durable).expect("reads");
        copy.create(&segment.path, segment.file_bytes).expect("makes");
        copy.write_at(&segment.path, 0, &bytes).expect("writes");
    }
    journal.trim(next).await.expect("nothing to do");
    assert_eq!(journal.start().await, Sequence(1));
    append_many(&journal, 0..5).await;
    let copied = open(&copy).expect("opens");
    assert!(copied.torn().is_none());
    assert_eq!(read_all(&copied).await.expect("reads"), records);
    drop(hold);
    journal.trim(next).await.expect("trims");
    assert!(journal.start().await > Sequence(1));
}

/// Every number there is, so also those at the edges of segments.
#[tokio::test]
async fn a_trim_takes_every_segment_it_may_and_no_record_it_may_not() {
    let disk = SimDisk::new(1);
    let journal = open(&disk).expect("opens");
    append_many(&journal, 0..110).await;
    let all = read_all(&journal).await.expect("reads");
    let firsts: Vec<u64> = journal.shared.index().segments.iter().map(|segment| segment.first).collect();
    journal.close().await.expect("closes");
    assert!(firsts.len() >= 4);
    for before in 0..=all.len() as u64 + 5 {
        let left = disk.restart();
        let journal = open(&left).expect("opens");
        journal.trim(Sequence(before)).await.expect("trims");
        let expected = firsts.iter().copied().filter(|first| *first <= before.max(1)).max().expect("the first one");
        assert_eq!(journal.start().await, Sequence(expected), "before {before}");
        assert_eq!(read_all(&journal).await.expect("reads"), all[expected as usize - 1..], "before {before}");
        assert_eq!(journal.end().await, Sequence(all.len() as u64 + 1));
        drop(journal);
        assert_eq!(open(&left).expect("opens").start().await, Sequence(expected), "before {before}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_keeps_up_with_many_appenders_and_a_trimmer() {
    let disk = SimDisk::new(1);
    let settings = Settings { group_wait: Duration::from_millis(1), ..small() };
    let (clock, entropy) = (Arc::new(SystemClock::new()), Arc::new(SeededEntropy::new(5)));
    let journal = Arc::new(Local::open(Arc::new(disk), clock, entropy, settings).expect("opens"));
    let appenders: Vec<_> = (0..20)
        .map(|task| {
            let journal = journal.clone();
            tokio::spawn(async move {
                for number in 0..50 {
                    journal.append(body(task * 50 + number, number * 7)).await.expect("appends");
                }
            })
        })
        .collect();
    let mut seen = Vec::new();
    while seen.len() < 1_000 {
        journal.wait(Sequence(seen.len() as u64)).await.expect("alive");
        let more = journal.read(Sequence(seen.len() as u64 + 1), 3_000).await.expect("reads");
        seen.extend(more.into_iter().map(|record| record.body.message_id));
        journal.trim(Sequence(seen.len() as u64)).await.expect("trims");
    }
    for appender in appenders {
        appender.await.expect("does not panic");
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 1_000);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let refused = |settings: Settings| matches!(settings.check(), Err(Error::Settings { .. }));
    assert!(!refused(Settings::default()) && !refused(small()));
    assert!(refused(Settings { segment_bytes: 1_000, ..small() }));
    assert!(refused(Settings { segment_bytes: SMALL + 4, ..small() }));
    assert!(refused(Settings { segment_bytes: 2 * SEGMENT_BYTES, ..small() }));
    assert!(refused(Settings { record_bytes_max: usize::MAX, ..Settings::default() }));
    assert!(refused(Settings { queue_records: 0, ..small() }));
}
