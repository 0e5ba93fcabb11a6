//! Order, repetition and chunking do not change what is stored.

use std::cell::RefCell;
use std::collections::BTreeMap;

use meter::{ChannelId, Decimal, DeviceId, Quality, Sequence, Span, TenantId, Timestamp, Word};
use proptest::prelude::*;

use super::*;
use crate::chunk::Source;

/// Holds versions the plain way: every version of every key, in a map.
#[derive(Default)]
struct Memory {
    versions: RefCell<BTreeMap<RowKey, Vec<Row>>>,
}

impl Memory {
    fn store(&self, judged: &Judged) {
        for row in judged.new.rows().chain(judged.versions.iter().copied()) {
            self.versions.borrow_mut().entry(row.key).or_default().push(row);
        }
    }

    fn standing(&self, words: &Words) -> Vec<(RowKey, i64, i64)> {
        let versions = self.versions.borrow();
        versions
            .iter()
            .map(|(key, rows)| {
                let row = rows.iter().max_by(|a, b| a.standing_order(b, words)).expect("stored");
                (*key, row.value.value, row.message_time.0)
            })
            .collect()
    }

    /// Distinct (message time, content) of every key.
    fn contents(&self) -> Vec<(RowKey, i64, i64)> {
        let mut all: Vec<_> = self
            .versions
            .borrow()
            .iter()
            .flat_map(|(key, rows)| rows.iter().map(|row| (*key, row.message_time.0, row.value.value)))
            .collect();
        all.sort();
        all.dedup();
        all
    }
}

impl Stored for Memory {
    fn versions_of(&self, keys: &[RowKey], _words: &SharedWords) -> Result<Vec<Row>, Error> {
        assert!(keys.is_sorted());
        let versions = self.versions.borrow();
        Ok(keys.iter().filter_map(|key| versions.get(key)).flatten().copied().collect())
    }

    fn keys_within(
        &self,
        channels: &[ChannelId],
        starts: std::ops::Range<i64>,
        take: &mut dyn FnMut(&RowKey),
    ) -> Result<(), Error> {
        let versions = self.versions.borrow();
        let within = |key: &&RowKey| channels.contains(&key.channel) && starts.contains(&key.start.0);
        versions.keys().filter(within).for_each(take);
        Ok(())
    }
}

fn row(start: i64, value: i64, message_time: i64, issued_at: i64) -> Row {
    Row {
        key: RowKey { tenant: TenantId(1), channel: ChannelId(64), start: Timestamp(start * 30), span: Span(30) },
        value: Decimal::new(value, 0),
        unit: Word(0),
        quality: Word(0),
        canonical: Quality::Measured,
        reason: Word(0),
        flags: Flags::default(),
        device: DeviceId::NONE,
        message_time: Timestamp(message_time),
        issued_at: Timestamp(issued_at),
        sequence: Sequence(1),
    }
}

fn chunk_of(rows: &[Row]) -> Chunk {
    let source = Source {
        sequence: Sequence(1),
        tenant: TenantId(1),
        door: 1,
        format: String::new(),
        object: String::new(),
        message_id: String::new(),
        sha256: None,
        bytes: 0,
        received_at: Timestamp(0),
    };
    Chunk { rows: rows.iter().collect(), ..Chunk::new(source, 0, 0) }
}

/// Judges the chunks in turn, so many at once; returns the memory and the counts of each.
fn run_by(at_once: usize, chunks: &[Vec<Row>]) -> (Memory, Vec<Counts>) {
    let (memory, mut coverage, words) = (Memory::default(), Coverage::default(), SharedWords::default());
    let mut counts = Vec::new();
    for batch in chunks.chunks(at_once) {
        let mut batch: Vec<Chunk> = batch.iter().map(|rows| chunk_of(rows)).collect();
        let sizes: Vec<i64> = batch.iter().map(|chunk| chunk.rows.len() as i64).collect();
        let judged = judge(&mut batch, Wanted::default(), &mut coverage, &memory, &words).expect("memory never fails");
        for (counts, size) in judged.counts.iter().zip(sizes) {
            assert_eq!(counts.accepted + counts.duplicate + counts.corrected, size, "every row is counted once");
        }
        memory.store(&judged);
        for row in &judged.latest {
            let standing = memory.standing(&read(&words)).into_iter().find(|(key, ..)| *key == row.key);
            assert_eq!(standing, Some((row.key, row.value.value, row.message_time.0)), "the latest is what stands");
        }
        counts.extend(judged.counts);
    }
    (memory, counts)
}

fn run(chunks: &[Vec<Row>]) -> (Memory, Vec<Counts>) {
    run_by(1, chunks)
}

#[test]
fn what_a_table_has_already_is_counted_and_not_stored_again() {
    let mut chunks = [chunk_of(&[row(0, 5, 10, 10)]), chunk_of(&[row(0, 6, 20, 20), row(1, 1, 1, 1)])];
    let (memory, mut coverage, words) = (Memory::default(), Coverage::default(), SharedWords::default());
    let wanted = Wanted { readings: 1, overlay: 2 };
    let judged = judge(&mut chunks, wanted, &mut coverage, &memory, &words).expect("memory never fails");
    assert_eq!(judged.new.rows().map(|row| row.value.value).collect::<Vec<_>>(), [1]);
    assert!(judged.versions.is_empty());
    assert_eq!(
        judged.counts,
        [Counts { accepted: 1, ..Counts::default() }, Counts { accepted: 1, corrected: 1, ..Counts::default() }]
    );
}

#[test]
fn a_then_b_then_a_again_leaves_b_standing_and_both_readable() {
    let (a, b) = (vec![row(0, 5, 10, 10)], vec![row(0, 6, 20, 20)]);
    let (memory, counts) = run(&[a.clone(), b, a]);
    assert_eq!(memory.standing(&Words::new())[0].1, 6);
    assert_eq!(memory.contents().len(), 2);
    assert_eq!(counts[1], Counts { corrected: 1, ..Counts::default() });
    assert_eq!(counts[2], Counts { duplicate: 1, ..Counts::default() });
}

#[test]
fn one_key_twice_in_one_chunk_is_two_versions_or_a_duplicate() {
    let (memory, counts) = run(&[vec![row(0, 5, 10, 10), row(0, 5, 10, 10), row(0, 7, 10, 10)]]);
    assert_eq!(counts[0], Counts { accepted: 1, duplicate: 1, corrected: 1 });
    assert_eq!(memory.standing(&Words::new())[0].1, 7);
}

#[test]
fn a_version_said_again_by_a_newer_file_stands_and_is_no_new_version() {
    let of = |value, issued| vec![row(0, value, 10, issued)];
    let (memory, counts) = run(&[of(5, 1), of(6, 2), of(5, 3)]);
    assert_eq!(memory.standing(&Words::new())[0].1, 5);
    assert_eq!(memory.contents().len(), 2);
    assert_eq!(counts[2], Counts { duplicate: 1, ..Counts::default() });
}

#[test]
fn a_source_without_message_times_reasserts_itself() {
    let arrival = |value, at| {
        let mut row = row(0, value, at, at);
        row.flags = Flags::ARRIVAL_TIME;
        vec![row]
    };
    let (memory, counts) = run(&[arrival(5, 1), arrival(6, 2), arrival(6, 3), arrival(5, 4)]);
    assert_eq!(memory.standing(&Words::new())[0].1, 5);
    assert_eq!(counts[2].duplicate, 1);
    assert_eq!(counts[3].corrected, 1);
}

proptest! {
    #[test]
    fn any_order_and_any_repetition_end_in_the_same_state(
        versions in proptest::collection::vec((0_i64..9, 0_i64..3, 0_i64..3, 0_i64..3, 1_i64..6), 1..24),
        cuts in proptest::collection::vec(1_usize..9, 1..24),
        order in any::<u64>(),
        at_once in 1_usize..5,
    ) {
        let run = |(s, v, m, i, len): &(i64, i64, i64, i64, i64)| {
            let (s, v, m, i) = (*s, *v, *m, *i);
            (s..s + len).map(move |s| row(s, v, m, i))
        };
        let rows: Vec<Row> = versions.iter().flat_map(run).collect();
        let chunked = |rows: &[Row]| {
            let (mut chunks, mut rest) = (Vec::new(), rows);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (head, tail) = rest.split_at((*cut).min(rest.len()));
                chunks.push(head.to_vec());
                rest = tail;
            }
            chunks
        };
        let mut shuffled = rows.clone();
        let mut state = order | 1;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            shuffled.swap(at, (state >> 33) as usize % (at + 1));
        }
        shuffled.extend(rows.iter().take(order as usize % rows.len()).copied().collect::<Vec<_>>());
        let (ours, counts) = run_by(1, &chunked(&rows));
        let (together, counts_together) = run_by(at_once, &chunked(&rows));
        prop_assert_eq!(counts, counts_together);
        prop_assert_eq!(ours.contents(), together.contents());
        let (theirs, _) = run_by(at_once, &chunked(&shuffled));
        prop_assert_eq!(ours.standing(&Words::new()), theirs.standing(&Words::new()));
        prop_assert_eq!(ours.contents(), theirs.contents());
    }
}

/// Keys whose standing version is flagged, by the rule itself: a shorter one shares time with it.
fn overlapping(memory: &Memory) -> Vec<RowKey> {
    let versions = memory.versions.borrow();
    let end = |key: &RowKey| key.start.0 + key.span.0;
    let shares = |a: &RowKey, b: &RowKey| a.channel == b.channel && a.start.0 < end(b) && b.start.0 < end(a);
    let longer = |key: &&RowKey| versions.keys().any(|other| other.span < key.span && shares(key, other));
    versions.keys().filter(longer).copied().collect()
}

fn flagged(memory: &Memory, words: &Words) -> Vec<RowKey> {
    let versions = memory.versions.borrow();
    let told = |versions: &Vec<Row>| standing(versions, words).is_some_and(|row| row.flags.has(Flags::OVERLAPS));
    versions.iter().filter(|(_, versions)| told(versions)).map(|(key, _)| *key).collect()
}

proptest! {
    #[test]
    fn a_reading_is_flagged_if_and_only_if_a_shorter_one_shares_its_time(
        told in proptest::collection::vec((0_i64..40, 1_i64..5, 0_i64..2, 0_i64..3), 1..40),
        cut in 1_usize..6,
        at_once in 1_usize..4,
    ) {
        let rows: Vec<Row> = told
            .iter()
            .map(|(start, span, channel, message)| {
                let mut row = row(0, *message, *message, *message);
                row.key.start = Timestamp(*start);
                row.key.span = Span(*span * 3);
                row.key.channel = ChannelId(64 + channel);
                row
            })
            .collect();
        let chunks: Vec<Vec<Row>> = rows.chunks(cut).map(<[Row]>::to_vec).collect();
        let (memory, _) = run_by(at_once, &chunks);
        prop_assert_eq!(flagged(&memory, &Words::new()), overlapping(&memory));
        let again: Vec<Vec<Row>> = rows.iter().rev().map(|row| vec![*row]).collect();
        let (backwards, _) = run_by(at_once, &again);
        prop_assert_eq!(flagged(&backwards, &Words::new()), overlapping(&memory));
        prop_assert_eq!(memory.contents(), backwards.contents());
    }
}
