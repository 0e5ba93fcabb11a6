//! Intervals of one channel that share time and differ in length (D7).
//!
//! Promise: a reading is flagged if and only if a shorter one of its channel
//! shares time with it, in whatever order they came. So totals that leave
//! flagged readings out count no time twice, and take the finer ones.
//!
//! Only what comes into time that is covered already is looked at, and only in
//! channels whose intervals differ in length: two rare things at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use meter::{ChannelId, Flags, Row, RowKey};
use store::SharedWords;

use crate::Error;
use crate::coverage::Coverage;
use crate::judge::{Judged, Stored, read, standing};

/// Flags what overlaps: the rows of `judged`, and rows stored before, which are
/// stored once more with the flag. `suspects` are keys that came in just now,
/// into time that was covered.
pub fn flag(
    judged: &mut Judged,
    suspects: &[RowKey],
    coverage: &Coverage,
    stored: &impl Stored,
    words: &SharedWords,
) -> Result<(), Error> {
    let mixed = |key: &&RowKey| key.span.0 > 0 && coverage.longest_of_many(key.channel).is_some();
    let suspects: Vec<RowKey> = suspects.iter().filter(mixed).copied().collect();
    if suspects.is_empty() {
        return Ok(());
    }
    let longer = longer_ones(judged, &suspects, coverage, stored)?;
    let flagged = |row: &mut Row| {
        if longer.contains(&row.key) {
            row.flags = row.flags.with(Flags::OVERLAPS);
        }
    };
    let told = |mut row: Row| {
        flagged(&mut row);
        row
    };
    judged.new = judged.new.rows().map(told).collect();
    judged.versions.iter_mut().chain(&mut judged.latest).for_each(flagged);
    let is_new = |key: &RowKey| judged.new.find(key).is_some();
    let keys: Vec<RowKey> = longer.into_iter().filter(|key| !is_new(key)).collect();
    let mut versions = stored.versions_of(&keys, words)?;
    versions.extend(judged.versions.iter().filter(|row| keys.binary_search(&row.key).is_ok()));
    versions.sort_by_key(|row| row.key);
    let words = read(words);
    for of_key in versions.chunk_by(|a, b| a.key == b.key) {
        let stands = standing(of_key, &words).expect("a group has a row");
        if !stands.flags.has(Flags::OVERLAPS) {
            let flagged = Row { flags: stands.flags.with(Flags::OVERLAPS), ..*stands };
            judged.versions.push(flagged);
            judged.latest.push(flagged);
        }
    }
    Ok(())
}

/// Every key that shares time with a shorter one, where one of the two is a suspect.
fn longer_ones(
    judged: &Judged,
    suspects: &[RowKey],
    coverage: &Coverage,
    stored: &impl Stored,
) -> Result<BTreeSet<RowKey>, Error> {
    let mut channels: HashMap<ChannelId, Shares> = HashMap::new();
    let (mut from, mut before) = (i64::MAX, i64::MIN);
    for key in suspects {
        channels.entry(key.channel).or_default().suspects.add(key);
        let longest = coverage.longest_of_many(key.channel).unwrap_or(0);
        from = from.min(key.start.0.saturating_sub(longest));
        before = before.max(end(key));
    }
    let mut longer = BTreeSet::new();
    let mut meet = |key: &RowKey| {
        if key.span.0 > 0
            && let Some(shares) = channels.get_mut(&key.channel)
        {
            if shares.suspects.has_shorter(key) {
                longer.insert(*key);
            }
            shares.others.add(key);
        }
    };
    judged.new.rows().for_each(|row| meet(&row.key));
    let mut named: Vec<ChannelId> = suspects.iter().map(|key| key.channel).collect();
    named.sort_unstable();
    named.dedup();
    stored.keys_within(&named, from..before, &mut meet)?;
    longer.extend(suspects.iter().filter(|key| channels[&key.channel].others.has_shorter(key)));
    Ok(longer)
}

fn end(key: &RowKey) -> i64 {
    key.start.0.saturating_add(key.span.0)
}

/// Of one channel.
#[derive(Default)]
struct Shares {
    suspects: BySpan,
    others: BySpan,
}

/// Per length the time that intervals of this length take, as runs that do not
/// touch: a year of half-hours is one.
#[derive(Default)]
struct BySpan(BTreeMap<i64, BTreeMap<i64, i64>>);

impl BySpan {
    fn add(&mut self, key: &RowKey) {
        let runs = self.0.entry(key.span.0).or_default();
        let (mut from, mut to) = (key.start.0, end(key));
        while let Some((start, stop)) = runs.range(..=to).next_back().map(|(start, stop)| (*start, *stop)) {
            if stop < from {
                break;
            }
            runs.remove(&start);
            (from, to) = (from.min(start), to.max(stop));
        }
        runs.insert(from, to);
    }

    fn has_shorter(&self, key: &RowKey) -> bool {
        let meets =
            |runs: &BTreeMap<i64, i64>| runs.range(..end(key)).next_back().is_some_and(|(_, stop)| *stop > key.start.0);
        self.0.range(..key.span.0).any(|(_, runs)| meets(runs))
    }
}
