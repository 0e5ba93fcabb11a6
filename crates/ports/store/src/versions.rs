//! Which version of a key stands, and which are earlier ones.
//!
//! Promise: the answer depends on the versions alone, not on where they lie or
//! when they came. Rows that say the same (`same_version`) count as one, with
//! the newest `issued_at` any of them has; the greatest by `standing_order`
//! stands; every other is an earlier version, once.

use std::cmp::Ordering;

use arrow::array::{Array, AsArray, Int32Array, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::Int32Type;
use meter::{Flags, Row, RowKey, Words};

use crate::error::{Error, Result};
use crate::rows::{Columns, RowReader};
use crate::schema::{Table, column};

/// Words are interned for so many rows, then forgotten: three words a row stay
/// far below [`Words::COUNT_MAX`], whatever a lake full of odd words holds.
const ROWS_PER_VOCABULARY: usize = 1 << 14;
const _: () = assert!(ROWS_PER_VOCABULARY * 3 < Words::COUNT_MAX);

/// Where a row was found. What says the same as a row that lies right already
/// is represented by that row, so that nothing is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Origin {
    Base,
    History,
    Overlay,
}

/// One batch and where it comes from.
pub(crate) struct Found {
    pub origin: Origin,
    pub batch: RecordBatch,
}

/// A row of a list of [`Found`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct At {
    pub batch: u32,
    pub row: u32,
}

/// The versions of one key.
#[derive(Debug)]
pub(crate) struct Settled {
    pub key: RowKey,
    pub winner: At,
    pub losers: Vec<At>,
}

/// Settles every key of the rows found; keys come out sorted.
pub(crate) fn settle(found: &[Found]) -> Result<Vec<Settled>> {
    settle_with(found, ROWS_PER_VOCABULARY)
}

fn settle_with(found: &[Found], rows_per_vocabulary: usize) -> Result<Vec<Settled>> {
    let columns: Vec<Columns<'_>> = found.iter().map(|f| Columns::of(&f.batch)).collect::<Result<_>>()?;
    let mut places = Vec::with_capacity(found.iter().map(|f| f.batch.num_rows()).sum());
    for (batch, of_batch) in (0_u32..).zip(&columns) {
        let rows = u32::try_from(of_batch.keys.len()).expect("batches are far below 2^32 rows");
        places.extend((0..rows).map(|row| (of_batch.keys.at(row as usize), At { batch, row })));
    }
    places.sort_unstable();
    let mut settled = Vec::new();
    let mut judge = Judge { columns: &columns, words: Some(Words::new()), rows: 0, rows_max: rows_per_vocabulary };
    for group in places.chunk_by(|a, b| a.0 == b.0) {
        settled.push(judge.settle(group, found)?);
    }
    Ok(settled)
}

struct Candidate {
    row: Row,
    at: At,
    origin: Origin,
}

/// Compares rows; its words are forgotten in time.
struct Judge<'a> {
    columns: &'a [Columns<'a>],
    /// None while a key has more versions than a vocabulary has room for: then
    /// the words of two rows at a time are looked up, slowly.
    words: Option<Words>,
    rows: usize,
    rows_max: usize,
}

impl Judge<'_> {
    fn settle(&mut self, group: &[(RowKey, At)], found: &[Found]) -> Result<Settled> {
        let key = group[0].0;
        if let [(_, winner)] = group {
            return Ok(Settled { key, winner: *winner, losers: Vec::new() });
        }
        self.make_room(group.len());
        let mut candidates = Vec::with_capacity(group.len());
        for (_, at) in group {
            let mut passing = Words::new();
            let words = self.words.as_mut().unwrap_or(&mut passing);
            let row = read(self.columns, *at, words)?;
            candidates.push(Candidate { row, at: *at, origin: found[at.batch as usize].origin });
        }
        let by_version = |a: &Candidate, b: &Candidate| self.compare(a, b, version_order);
        candidates.sort_by(by_version);
        let versions: Vec<&[Candidate]> = candidates.chunk_by(|a, b| by_version(a, b).is_eq()).collect();
        let by_standing = |a: &&[Candidate], b: &&[Candidate]| self.compare(newest(a), newest(b), Row::standing_order);
        let winner = versions.iter().copied().max_by(by_standing).expect("a key has a version");
        let losers = versions.iter().filter(|version| version[0].at != winner[0].at);
        Ok(Settled {
            key,
            winner: speaker(winner, Origin::Base),
            losers: losers.map(|version| speaker(version, Origin::History)).collect(),
        })
    }

    fn make_room(&mut self, rows: usize) {
        self.rows += rows;
        if self.rows > self.rows_max {
            self.rows = rows;
            self.words = (rows <= self.rows_max).then(Words::new);
        }
    }

    fn compare(&self, a: &Candidate, b: &Candidate, how: fn(&Row, &Row, &Words) -> Ordering) -> Ordering {
        if let Some(words) = &self.words {
            return how(&a.row, &b.row, words);
        }
        let mut words = Words::new();
        let again =
            |at: At, words: &mut Words| read(self.columns, at, words).expect("was read before, among more words");
        let (a, b) = (again(a.at, &mut words), again(b.at, &mut words));
        how(&a, &b, &words)
    }
}

fn read(columns: &[Columns<'_>], at: At, words: &mut Words) -> Result<Row> {
    RowReader::default().read(&columns[at.batch as usize], at.row as usize, words)
}

/// Rows that say the same lie together in it.
fn version_order(a: &Row, b: &Row, words: &Words) -> Ordering {
    a.message_time.cmp(&b.message_time).then_with(|| a.content_order(b, words))
}

/// The row of a version that was issued last.
fn newest(version: &[Candidate]) -> &Candidate {
    version.iter().max_by_key(|c| c.row.issued_at).expect("a version has a row")
}

/// The row that represents a version: issued last, and of those one that tells
/// of an overlap if any does, and that lies where the version belongs.
fn speaker(version: &[Candidate], belongs: Origin) -> At {
    let issued_at = newest(version).row.issued_at;
    let of_newest = version.iter().filter(|c| c.row.issued_at == issued_at);
    of_newest
        .min_by_key(|c| (!c.row.flags.has(Flags::OVERLAPS), c.origin != belongs, c.origin, c.row.sequence, c.at))
        .expect("the newest is one")
        .at
}

/// The rows at these places, in this order, as they lie in the base: a row there
/// or in the history is no longer "issued again".
pub(crate) fn gather(found: &[Found], places: &[At]) -> Result<RecordBatch> {
    let schema = Table::Readings.schema();
    if places.is_empty() {
        return Ok(RecordBatch::new_empty(schema));
    }
    let batches: Vec<&RecordBatch> = found.iter().map(|f| &f.batch).collect();
    let indices: Vec<(usize, usize)> = places.iter().map(|at| (at.batch as usize, at.row as usize)).collect();
    let rows = |cause| Error::Rows { table: "readings", cause };
    let gathered = interleave_record_batch(&batches, &indices).map_err(rows)?;
    without_reissued(&gathered).map_err(rows)
}

fn without_reissued(batch: &RecordBatch) -> Result<RecordBatch, arrow::error::ArrowError> {
    let reissued = i32::from(Flags::REISSUED.0);
    let flags = batch.column(column::FLAGS).as_primitive::<Int32Type>();
    if flags.values().iter().all(|f| f & reissued == 0) {
        return Ok(batch.clone());
    }
    let cleared: Int32Array = flags.unary(|f| f & !reissued);
    debug_assert_eq!(cleared.null_count(), 0);
    let mut columns = batch.columns().to_vec();
    columns[column::FLAGS] = std::sync::Arc::new(cleared);
    RecordBatch::try_new(batch.schema(), columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Keys, batch_to_rows, rows_to_batch};
    use meter::{Decimal, Timestamp};
    use proptest::prelude::*;

    const ORIGINS: [Origin; 3] = [Origin::Base, Origin::History, Origin::Overlay];

    /// Start, message time, issued at, value, reason, origin.
    type Told = (i64, i64, i64, i64, usize, usize);

    fn found_of(told: &[Told]) -> Vec<Found> {
        let mut words = Words::new();
        let mut found = Vec::new();
        for (start, message, issued, value, reason, origin) in told {
            let mut row = crate::tests::any_row();
            row.key.start = Timestamp(*start);
            row.message_time = Timestamp(*message);
            row.issued_at = Timestamp(*issued);
            row.value = Decimal::new(*value, 0);
            row.reason = words.intern(&format!("reason {reason}")).expect("short");
            found.push(Found { origin: ORIGINS[*origin], batch: rows_to_batch(&[row], &words) });
        }
        found
    }

    fn told_of(found: &[Found], at: At) -> (i64, i64, i64, String) {
        let mut words = Words::new();
        let row = batch_to_rows(&found[at.batch as usize].batch, &mut words).expect("ours")[at.row as usize];
        (row.message_time.0, row.issued_at.0, row.value.value, words.text(row.reason).to_owned())
    }

    fn any_told() -> impl Strategy<Value = Vec<Told>> {
        prop::collection::vec((0_i64..2, 0_i64..3, 0_i64..3, 0_i64..3, 0_usize..2, 0_usize..3), 1..40)
    }

    proptest! {
        #[test]
        fn every_version_comes_out_once_and_the_greatest_stands(told in any_told(), words_for in 1_usize..60) {
            let found = found_of(&told);
            for one in settle_with(&found, words_for).expect("ours") {
                let mut expected: std::collections::BTreeMap<_, i64> = Default::default();
                for (start, message, issued, value, reason, _) in &told {
                    if *start == one.key.start.0 {
                        let newest = expected.entry((*message, *value, format!("reason {reason}"))).or_insert(*issued);
                        *newest = *issued.max(newest);
                    }
                }
                let mut expected: Vec<_> = expected.into_iter().map(|((m, v, r), i)| (m, i, v, r)).collect();
                expected.sort();
                let mut losers: Vec<_> = one.losers.iter().map(|at| told_of(&found, *at)).collect();
                losers.sort();
                prop_assert_eq!(Some(told_of(&found, one.winner)), expected.pop());
                prop_assert_eq!(losers, expected);
            }
        }

        #[test]
        fn what_lies_right_is_not_written_again(told in any_told()) {
            let found = found_of(&told);
            let at_of = |origin: Origin| found.iter().filter(move |f| f.origin == origin);
            for one in settle(&found).expect("ours") {
                let same_in = |at: &At, origin: Origin| {
                    let said = told_of(&found, *at);
                    let key = Keys::of(&found[at.batch as usize].batch).expect("ours").at(0);
                    at_of(origin).any(|f| {
                        let there = std::slice::from_ref(f);
                        Keys::of(&f.batch).expect("ours").at(0) == key && told_of(there, At { batch: 0, row: 0 }) == said
                    })
                };
                let origin = |at: &At| found[at.batch as usize].origin;
                prop_assert_eq!(origin(&one.winner) == Origin::Base, same_in(&one.winner, Origin::Base));
                for loser in &one.losers {
                    prop_assert_eq!(origin(loser) == Origin::History, same_in(loser, Origin::History));
                }
            }
        }
    }
}
