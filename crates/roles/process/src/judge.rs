//! Judging: which rows are new, which are further versions of a stored key, and
//! which were there already (promises 2 and 3 of the design).
//!
//! Promise: the set of versions that ends up stored depends on what arrived,
//! not on when, how often or how it was cut; and each row is counted once, as
//! accepted, duplicate or corrected.

use std::ops::Range;
use std::sync::RwLockReadGuard;

use meter::{ChannelId, Flags, InKeyOrder, Row, RowKey, Run, Runs, Words};
use store::SharedWords;

use crate::chunk::Chunk;
use crate::coverage::Coverage;
use crate::{Error, overlaps};

/// What became of the readings of a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub accepted: i64,
    pub duplicate: i64,
    pub corrected: i64,
}

impl Counts {
    /// One of those that counted as new was stored already.
    fn was_there(&mut self) {
        self.accepted -= 1;
        self.duplicate += 1;
    }

    /// One of those that counted as new is a further version.
    fn corrects(&mut self) {
        self.accepted -= 1;
        self.corrected += 1;
    }
}

/// The rows of some chunks, sorted into where they go.
#[derive(Debug, Default)]
pub struct Judged {
    /// First of their key, sorted: for `readings`.
    pub new: Runs,
    /// Further versions of a stored key: for `overlay`.
    pub versions: Vec<Row>,
    /// One a chunk.
    pub counts: Vec<Counts>,
    /// Of each channel that has news the row that stands under its greatest key here.
    pub latest: Vec<Row>,
}

/// The first chunk that the two tables do not have yet; what is before it is
/// judged for its counts alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    pub readings: usize,
    pub overlay: usize,
}

/// Where stored versions are looked up.
pub trait Stored {
    /// Every version of these sorted keys, standing or earlier, committed or not.
    /// May wait for the disk, and does not hold the words meanwhile.
    fn versions_of(&self, keys: &[RowKey], words: &SharedWords) -> Result<Vec<Row>, Error>;

    /// The keys of these channels, sorted, that start within these microseconds.
    fn keys_within(
        &self,
        channels: &[ChannelId],
        starts: Range<i64>,
        take: &mut dyn FnMut(&RowKey),
    ) -> Result<(), Error>;
}

/// Judges the rows of `chunks`, with one look-up for all, and takes their keys
/// into `coverage`. The chunks are left without rows.
pub fn judge(
    chunks: &mut [Chunk],
    wanted: Wanted,
    coverage: &mut Coverage,
    stored: &impl Stored,
    words: &SharedWords,
) -> Result<Judged, Error> {
    // Every row counts as new until it is looked at by itself.
    let count =
        |chunk: &Chunk| Counts { accepted: chunk.rows.len() as i64, duplicate: chunk.repeated, ..Counts::default() };
    let counts: Vec<Counts> = chunks.iter().map(count).collect();
    let rows: Vec<Runs> = chunks.iter_mut().map(|chunk| std::mem::take(&mut chunk.rows)).collect();
    let mut sorted = Sorted::of(&rows);
    drop(rows);
    let known = Known::read(&sorted.doubtful(coverage), stored, words)?;
    let (mut judged, suspects) = placed(sorted, counts, wanted, coverage, &known, &read(words));
    overlaps::flag(&mut judged, &suspects, coverage, stored, words)?;
    Ok(judged)
}

/// The rows of some chunks in key order. Versions of one key stay in the order in
/// which they came. They are moved here once, for whatever is asked about them
/// then goes from one to the next.
struct Sorted {
    rows: Runs,
    /// Of each delivery the place of its chunk.
    chunk_of: Vec<u32>,
    /// Of each run how many of its first rows may be stored by their time: behind them nothing is.
    /// None where the run goes on where its channel ended, and is covered as such.
    doubted: Vec<Option<usize>>,
}

impl Sorted {
    fn of(chunks: &[Runs]) -> Sorted {
        let chunks: Vec<&Runs> = chunks.iter().collect();
        let each = (0..).zip(&chunks);
        let chunk_of = each.flat_map(|(chunk, runs)| std::iter::repeat_n(chunk, runs.delivery_count())).collect();
        Sorted { rows: InKeyOrder::of(&chunks).into_rows(), chunk_of, doubted: Vec::new() }
    }

    /// Of each row of a run the chunk that it came in.
    fn chunks<'a>(&'a self, run: &Run<'a>) -> impl Iterator<Item = usize> + use<'a> {
        run.delivered().iter().map(|delivery| self.chunk_of[*delivery as usize] as usize)
    }

    fn run(&self, place: usize) -> Option<Run<'_>> {
        (place < self.rows.run_count()).then(|| self.rows.run_at(place))
    }

    /// Where the runs of the key at a place end; a run of several rows shares no key with another.
    fn end_of_key(&self, from: usize, key: RowKey) -> usize {
        let same = |place: &usize| self.run(*place).is_some_and(|run| run.first_key() == key);
        from + 1 + (from + 1..).take_while(same).count()
    }

    /// The keys, each once, that may be stored already. What nobody doubts is covered with it.
    fn doubtful(&mut self, coverage: &mut Coverage) -> Vec<RowKey> {
        let mut keys = Vec::new();
        let mut doubted = |run| (!coverage.append(&run)).then(|| coverage.may_hold_of(&run, &mut keys));
        self.doubted = self.rows.runs().map(&mut doubted).collect();
        keys.dedup();
        keys
    }
}

/// The rows where they belong, and the keys that came into time that was covered.
fn placed(
    rows: Sorted,
    counts: Vec<Counts>,
    wanted: Wanted,
    coverage: &mut Coverage,
    known: &Known,
    words: &Words,
) -> (Judged, Vec<RowKey>) {
    // What is not needed is never touched.
    let judged = Judged { counts, latest: Vec::with_capacity(rows.rows.run_count()), ..Judged::default() };
    let (suspects, versions) = Default::default();
    let mut placing = Placing { judged, all_new: true, suspects, versions, wanted, known, words };
    let (mut at, mut next) = (0, rows.run(0));
    while let Some(run) = next {
        next = rows.run(at + 1);
        let alone = next.is_none_or(|next| next.first_key() != run.first_key());
        let stands = if alone {
            at += 1;
            placing.run(&rows, at - 1, coverage)
        } else {
            placing.not_all_new(&rows, at);
            let group = at..rows.end_of_key(at, run.first_key());
            (at, next) = (group.end, rows.run(group.end));
            let of = |place| rows.rows.run_at(place);
            let row = |place| of(place).rows().zip(rows.chunks(&of(place)));
            placing.key(&group.flat_map(row).collect::<Vec<_>>(), coverage)
        };
        if next.is_none_or(|next| next.channel() != run.channel()) {
            placing.judged.latest.extend(stands);
        }
    }
    if placing.all_new {
        placing.judged.new = rows.rows;
    }
    (placing.judged, placing.suspects)
}

/// For as long as nothing is waited for: others need them too.
pub fn read(words: &SharedWords) -> RwLockReadGuard<'_, Words> {
    words.read().expect("no holder of the words panics")
}

/// Which of the versions of one key stands; of equal ones that which tells of an overlap.
pub fn standing<'a>(versions: &'a [Row], words: &Words) -> Option<&'a Row> {
    let told = |row: &Row| row.flags.has(Flags::OVERLAPS);
    versions.iter().max_by(|a, b| a.standing_order(b, words).then_with(|| told(a).cmp(&told(b))))
}

struct Placing<'a> {
    judged: Judged,
    /// So far every row is new and wanted: they need not be moved.
    all_new: bool,
    /// Keys that came into time that was covered.
    suspects: Vec<RowKey>,
    /// Of the key at hand; kept for its room.
    versions: Vec<Row>,
    wanted: Wanted,
    known: &'a Known,
    words: &'a Words,
}

impl Placing<'_> {
    /// From here on what is new is picked out; what came before the run at `before` is.
    fn not_all_new(&mut self, rows: &Sorted, before: usize) {
        if std::mem::take(&mut self.all_new) {
            self.judged.new = rows.rows.emptied();
            (0..before).for_each(|place| self.judged.new.push_run(&rows.rows.run_at(place)));
        }
    }

    /// Takes in the run at a place, which shares no key with another: its last row, if
    /// that stands.
    fn run(&mut self, rows: &Sorted, at: usize, coverage: &mut Coverage) -> Option<Row> {
        let run = rows.rows.run_at(at);
        let wanted = self.wanted.readings == 0 || rows.chunks(&run).all(|chunk| chunk >= self.wanted.readings);
        let doubted = match rows.doubted[at] {
            _ if !wanted => run.len(),
            None => 0,
            Some(first) => self.known.among(&run, first),
        };
        let mut stands = None;
        if doubted > 0 {
            self.not_all_new(rows, at);
            let each = run.part(0, doubted).rows().zip(rows.chunks(&run));
            stands = each.map(|row| self.key(&[row], coverage)).last().flatten();
        }
        if doubted < run.len() {
            let new = run.part(doubted, run.len() - doubted);
            if rows.doubted[at].is_some() && coverage.insert_run(&new) && new.first_key().span.0 > 0 {
                self.suspects.extend(new.rows().map(|row| row.key));
            }
            stands = Some(self.new_run(&new));
        }
        stands
    }

    /// Takes in a wanted run of which nothing is stored; its last row stands.
    fn new_run(&mut self, run: &Run<'_>) -> Row {
        if !self.all_new {
            self.judged.new.push_run(run);
        }
        run.row(run.len() - 1)
    }

    /// Takes in rows of one key, in the order in which they came, with their
    /// chunks; that which stands, if any of them says something new.
    fn key(&mut self, rows: &[(Row, usize)], coverage: &mut Coverage) -> Option<Row> {
        let key = rows[0].0.key;
        let mut versions = std::mem::take(&mut self.versions);
        self.known.versions(&key, &mut versions);
        // Stored by the same record: a replay, whose overlaps may not be stored yet.
        let replayed = versions.iter().any(|version| rows.iter().any(|(row, _)| row.sequence == version.sequence));
        if replayed || (versions.is_empty() && coverage.insert(&key)) {
            self.suspects.push(key);
        }
        let before = versions.len();
        for (row, chunk) in rows {
            self.place(*row, *chunk, &mut versions);
        }
        let stands = if versions.len() > before { standing(&versions, self.words).copied() } else { None };
        self.versions = versions;
        stands
    }

    /// Decides about one row, given every stored version of its key.
    fn place(&mut self, mut row: Row, chunk: usize, versions: &mut Vec<Row>) {
        if versions.iter().any(|version| version.flags.has(Flags::OVERLAPS)) {
            row.flags = row.flags.with(Flags::OVERLAPS);
        }
        let Some(standing) = standing(versions, self.words).copied() else {
            versions.push(row);
            if chunk >= self.wanted.readings {
                self.judged.new.push(&row);
            }
            return;
        };
        let equal = versions.iter().filter(|version| row.same_version(version, self.words));
        if let Some(issued_at) = equal.map(|version| version.issued_at).max() {
            self.judged.counts[chunk].was_there();
            // A newer file says it again: that decides between equal message times.
            if row.issued_at > issued_at {
                row.flags = row.flags.with(Flags::REISSUED);
                self.version(row, chunk, versions);
            }
            return;
        }
        // Without a message time of its own, what says nothing new is no version.
        if row.flags.has(Flags::ARRIVAL_TIME) && row.same_content(&standing, self.words) {
            self.judged.counts[chunk].was_there();
            return;
        }
        self.version(row, chunk, versions);
        self.judged.counts[chunk].corrects();
    }

    fn version(&mut self, row: Row, chunk: usize, versions: &mut Vec<Row>) {
        versions.push(row);
        if chunk >= self.wanted.overlay {
            self.judged.versions.push(row);
        }
    }
}

/// Stored versions, sorted by key.
struct Known {
    rows: Vec<Row>,
}

impl Known {
    fn read(keys: &[RowKey], stored: &impl Stored, words: &SharedWords) -> Result<Known, Error> {
        let mut rows = if keys.is_empty() { Vec::new() } else { stored.versions_of(keys, words)? };
        rows.sort_by_key(|row| row.key);
        Ok(Known { rows })
    }

    /// Of the first rows of a run, which may be stored, how many may be indeed: none, if no
    /// version of one is known.
    fn among(&self, run: &Run<'_>, first: usize) -> usize {
        if first == 0 || self.rows.is_empty() {
            return 0;
        }
        let last = run.part(0, first).last_key();
        let at = self.rows.partition_point(|row| row.key < run.first_key());
        if self.rows.get(at).is_some_and(|row| row.key <= last) { first } else { 0 }
    }

    /// Puts the versions of a key in place of what is in `into`.
    fn versions(&self, key: &RowKey, into: &mut Vec<Row>) {
        into.clear();
        let from = self.rows.partition_point(|row| row.key < *key);
        let to = from + self.rows[from..].partition_point(|row| row.key == *key);
        into.extend_from_slice(&self.rows[from..to]);
    }
}

#[cfg(test)]
mod tests;
