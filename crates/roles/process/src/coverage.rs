//! Coverage: which stretches of time each channel already has rows in (D7).
//!
//! Promise: `may_hold` never says no to a key that is stored. It may say yes to
//! one that is not; the caller then looks. So the tail and a backfill cost one
//! comparison a run, and only what overlaps is read from disk.

use std::collections::HashMap;

use meter::{ChannelId, ChannelMap, RowKey, SPOT_SLACK_MICROS, Timestamp};
use smallvec::{SmallVec, smallvec};

/// A half-open stretch of time, in microseconds of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub from: i64,
    pub to: i64,
}

/// Runs kept a channel; past that the two closest become one, which costs
/// look-ups, never correctness. 32 × 16 bytes bounds a channel at 512 bytes.
pub const RUNS_MAX: usize = 32;

/// What is covered of each channel.
#[derive(Debug, Default)]
pub struct Coverage {
    /// The last run and the spans of each.
    newest: ChannelMap<{ Newest::NUMBERS }>,
    /// The runs before it, where there are some.
    earlier: HashMap<ChannelId, Vec<Run>>,
}

/// What is covered of one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Sorted; they neither overlap nor touch. One, as a rule, and never none.
    pub runs: SmallVec<[Run; 1]>,
    /// The shortest and the longest span of its intervals, in microseconds; 0
    /// while it has none.
    pub spans: (i64, i64),
}

/// What is asked first, and as a rule is all there is.
#[derive(Clone, Copy)]
struct Newest {
    run: Run,
    /// As in [`Covered`].
    spans: (i64, i64),
    has_earlier: bool,
}

impl Newest {
    const NUMBERS: usize = 5;

    /// Those are alike that are alike from channel to channel: not ends, but lengths.
    fn numbers(self) -> [i64; Newest::NUMBERS] {
        let Run { from, to } = self.run;
        [from, to.wrapping_sub(from), self.has_earlier.into(), self.spans.0, self.spans.1]
    }

    fn take_span(&mut self, span: i64) {
        let (shortest, longest) = self.spans;
        let least = if shortest == 0 { span } else { shortest.min(span) };
        if span > 0 {
            self.spans = (least, longest.max(span));
        }
    }

    fn of([from, length, has_earlier, shortest, longest]: [i64; Newest::NUMBERS]) -> Newest {
        let run = Run { from, to: from.wrapping_add(length) };
        Newest { run, spans: (shortest, longest), has_earlier: has_earlier != 0 }
    }
}

impl Coverage {
    pub fn may_hold(&self, key: &RowKey) -> bool {
        self.last_begun(key.channel, key.start).is_some_and(|run| key.start.0 < run.to)
    }

    /// How many of the first rows of a run may be stored; of those behind them none is.
    /// With the keys of those that may be.
    pub fn may_hold_of(&self, rows: &meter::Run<'_>, keys: &mut Vec<RowKey>) -> usize {
        let starts = rows.starts();
        let Some(begun) = self.last_begun(rows.channel(), Timestamp(starts[starts.len() - 1])) else { return 0 };
        let count = starts.partition_point(|start| *start < begun.to);
        let first = (0..count).map(|at| rows.row(at).key);
        keys.extend(first.filter(|key| key.start.0 >= begun.from || self.may_hold(key)));
        count
    }

    /// The last run of a channel that begins at that time or before.
    fn last_begun(&self, channel: ChannelId, at: Timestamp) -> Option<Run> {
        let newest = Newest::of(self.newest.get(channel)?);
        if newest.run.from <= at.0 {
            return Some(newest.run);
        }
        let earlier = newest.has_earlier.then(|| &self.earlier[&channel])?;
        earlier[..earlier.partition_point(|run| run.from <= at.0)].last().copied()
    }

    /// Takes in a run that goes on where its channel ends, if it does: as a rule it does,
    /// and then nothing of it is stored and no time of it was covered.
    pub fn append(&mut self, rows: &meter::Run<'_>) -> bool {
        self.append_all(&rows.first_key(), &rows.last_key())
    }

    /// As [`Coverage::append`], from one key to another of its channel and span.
    fn append_all(&mut self, first: &RowKey, last: &RowKey) -> bool {
        let mut goes_on = false;
        self.newest.update(first.channel, |there| {
            let mut newest = Newest::of(there?);
            let end = newest.run.to;
            goes_on = (end..=end.saturating_add(slack_of(first))).contains(&first.start.0);
            newest.take_span(first.span.0);
            newest.run.to = end_of(last).0;
            goes_on.then(|| newest.numbers())
        });
        goes_on
    }

    /// Takes in a stored key. Whether some of its time was, or may have been,
    /// covered already.
    pub fn insert(&mut self, key: &RowKey) -> bool {
        self.insert_all(key, key)
    }

    /// As [`Coverage::insert`], for every row of a run.
    pub fn insert_run(&mut self, rows: &meter::Run<'_>) -> bool {
        self.insert_all(&rows.first_key(), &rows.last_key())
    }

    /// From one key to another of its channel and span; those between leave no gap that counts.
    fn insert_all(&mut self, key: &RowKey, last: &RowKey) -> bool {
        let slack = slack_of(key);
        let run = Run { from: key.start.0, to: end_of(last).0 };
        let mut shared = false;
        self.newest.update(key.channel, |there| {
            let mut newest = there.map_or(Newest { run, spans: (0, 0), has_earlier: false }, Newest::of);
            newest.take_span(key.span.0);
            let joins = run.from >= newest.run.from && run.from <= newest.run.to.saturating_add(slack);
            if joins {
                // The common case: the channel's newest reading, right after the last run.
                shared = there.is_some() && run.from < newest.run.to;
                newest.run.to = newest.run.to.max(run.to);
            } else {
                shared = insert_apart(&mut self.earlier, key.channel, &mut newest, run, slack);
            }
            Some(newest.numbers())
        });
        shared
    }

    /// Takes in a channel read back from a checkpoint.
    pub fn insert_channel(&mut self, channel: ChannelId, Covered { mut runs, spans }: Covered) {
        let Some(run) = runs.pop() else { return };
        let newest = Newest { run, spans, has_earlier: !runs.is_empty() };
        self.newest.update(channel, |_| Some(newest.numbers()));
        if !runs.is_empty() {
            self.earlier.insert(channel, runs.into_vec());
        }
    }

    /// The longest span of a channel whose intervals differ in length.
    pub fn longest_of_many(&self, channel: ChannelId) -> Option<i64> {
        let spans = Newest::of(self.newest.get(channel)?).spans;
        (spans.0 != spans.1).then_some(spans.1)
    }

    pub fn channels(&self) -> impl Iterator<Item = (ChannelId, Covered)> {
        self.newest.iter().map(|(channel, numbers)| {
            let newest = Newest::of(numbers);
            let mut runs: SmallVec<[Run; 1]> = smallvec![];
            if newest.has_earlier {
                runs.extend_from_slice(&self.earlier[&channel]);
            }
            runs.push(newest.run);
            (channel, Covered { runs, spans: newest.spans })
        })
    }

    pub fn channel_count(&self) -> usize {
        self.newest.len()
    }
}

/// As [`merge`], among all runs of a channel, of which `earlier` holds all but the newest.
#[cold]
fn insert_apart(
    earlier: &mut HashMap<ChannelId, Vec<Run>>,
    channel: ChannelId,
    newest: &mut Newest,
    run: Run,
    slack: i64,
) -> bool {
    let runs = earlier.entry(channel).or_default();
    runs.push(newest.run);
    let shared = merge(runs, run, slack);
    newest.run = runs.pop().expect("at least what was merged");
    newest.has_earlier = !runs.is_empty();
    if !newest.has_earlier {
        earlier.remove(&channel);
    }
    shared
}

/// Time between spot values is covered with them, if it is no more than this.
fn slack_of(key: &RowKey) -> i64 {
    if key.span.0 == 0 { SPOT_SLACK_MICROS } else { 0 }
}

/// A spot value covers its own microsecond.
fn end_of(key: &RowKey) -> Timestamp {
    Timestamp(key.start.0.saturating_add(key.span.0.max(1)))
}

/// Whether the run shares time with what was there.
fn merge(runs: &mut Vec<Run>, run: Run, slack: i64) -> bool {
    let first = runs.partition_point(|r| r.to.saturating_add(slack) < run.from);
    let beyond = runs.partition_point(|r| r.from <= run.to.saturating_add(slack));
    let shared = runs[first..beyond].iter().any(|there| there.from < run.to && run.from < there.to);
    if first < beyond {
        let joined = Run { from: run.from.min(runs[first].from), to: run.to.max(runs[beyond - 1].to) };
        runs.drain(first + 1..beyond);
        runs[first] = joined;
    } else {
        runs.insert(first, run);
    }
    if runs.len() > RUNS_MAX {
        join_closest(runs);
    }
    shared
}

fn join_closest(runs: &mut Vec<Run>) {
    let closest = (1..runs.len())
        .min_by_key(|at| runs[*at].from.saturating_sub(runs[at - 1].to))
        .expect("more runs than RUNS_MAX");
    runs[closest - 1].to = runs[closest].to;
    runs.remove(closest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use meter::{Span, TenantId};
    use proptest::prelude::*;

    fn key(channel: i64, start: i64, span: i64) -> RowKey {
        RowKey { tenant: TenantId(1), channel: ChannelId(channel), start: Timestamp(start), span: Span(span) }
    }

    #[test]
    fn half_hours_in_any_order_become_one_run() {
        let mut coverage = Coverage::default();
        for start in [3, 1, 0, 2, 4] {
            coverage.insert(&key(7, start * 30, 30));
        }
        let runs: Vec<_> = coverage.channels().flat_map(|(_, covered)| covered.runs.to_vec()).collect();
        assert_eq!(runs, [Run { from: 0, to: 150 }]);
        assert!(!coverage.may_hold(&key(7, 150, 30)));
        assert!(!coverage.may_hold(&key(8, 0, 30)));
    }

    proptest! {
        #[test]
        fn a_stored_key_is_never_denied_and_runs_stay_bounded(
            keys in proptest::collection::vec((0_i64..3, -5_000_i64..5_000, prop_oneof![Just(0_i64), 1_i64..40]), 1..400),
            spread in prop_oneof![Just(1_i64), Just(3_600_000_000_i64)],
        ) {
            let mut coverage = Coverage::default();
            for (place, (channel, start, span)) in keys.iter().enumerate() {
                let new = key(*channel, start * spread, span * spread);
                let shared = !coverage.append_all(&new, &new) && coverage.insert(&new);
                let before = keys[..place].iter().filter(|(of, ..)| of == channel);
                let shares = |(_, from, length): &(i64, i64, i64)| *from < start + span && start < &(from + length);
                prop_assert!(shared || !before.clone().any(shares), "what shares time is never denied");
            }
            for (channel, start, span) in &keys {
                prop_assert!(coverage.may_hold(&key(*channel, start * spread, span * spread)));
            }
            for (_, Covered { runs, .. }) in coverage.channels() {
                prop_assert!(runs.len() <= RUNS_MAX);
                prop_assert!(runs.windows(2).all(|pair| pair[0].to < pair[1].from), "{runs:?}");
            }
        }
    }
}
