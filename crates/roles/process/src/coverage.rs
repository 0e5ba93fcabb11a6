//! Coverage: which stretches of time each channel already has rows in (D7).
//!
//! Promise: `may_hold` never says no to a key that is stored. It may say yes to
//! one that is not; the caller then looks. So the tail and a backfill cost one
//! comparison a run, and only what overlaps is read from disk.

use meter::{ChannelId, ChannelMap, RowKey, SPOT_SLACK_MICROS, Timestamp};
use smallvec::SmallVec;

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
    by_channel: ChannelMap<Covered>,
}

/// What is covered of one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Covered {
    /// Sorted; they neither overlap nor touch. One, as a rule.
    pub runs: SmallVec<[Run; 1]>,
    /// The shortest and the longest span of its intervals, in microseconds; 0
    /// while it has none.
    pub spans: (i64, i64),
}

const _: () = assert!(size_of::<Covered>() <= 48);

impl Coverage {
    pub fn may_hold(&self, key: &RowKey) -> bool {
        let Some(Covered { runs, .. }) = self.by_channel.get(key.channel) else { return false };
        let after = runs.partition_point(|run| run.from <= key.start.0);
        after > 0 && key.start.0 < runs[after - 1].to
    }

    /// Whether none of the rows of a run can be stored.
    pub fn is_free(&self, rows: &meter::Run<'_>) -> bool {
        let (first, last) = (rows.first_key(), rows.last_key());
        let Some(Covered { runs, .. }) = self.by_channel.get(first.channel) else { return true };
        let after = runs.partition_point(|run| run.from <= last.start.0);
        after == 0 || runs[after - 1].to <= first.start.0
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
        let slack = if key.span.0 == 0 { SPOT_SLACK_MICROS } else { 0 };
        let run = Run { from: key.start.0, to: end_of(last).0 };
        let Covered { runs, spans } = self.by_channel.get_or_insert_with(key.channel, Covered::default).0;
        if key.span.0 > 0 {
            let least = if spans.0 == 0 { key.span.0 } else { spans.0.min(key.span.0) };
            *spans = (least, spans.1.max(key.span.0));
        }
        merge(runs, run, slack)
    }

    /// Takes in a channel read back from a checkpoint.
    pub fn insert_channel(&mut self, channel: ChannelId, covered: Covered) {
        *self.by_channel.get_or_insert_with(channel, Covered::default).0 = covered;
    }

    /// The longest span of a channel whose intervals differ in length.
    pub fn longest_of_many(&self, channel: ChannelId) -> Option<i64> {
        let spans = self.by_channel.get(channel)?.spans;
        (spans.0 != spans.1).then_some(spans.1)
    }

    pub fn channels(&self) -> impl Iterator<Item = (ChannelId, &Covered)> {
        self.by_channel.iter()
    }

    pub fn channel_count(&self) -> usize {
        self.by_channel.len()
    }
}

/// A spot value covers its own microsecond.
fn end_of(key: &RowKey) -> Timestamp {
    Timestamp(key.start.0.saturating_add(key.span.0.max(1)))
}

/// Whether the run shares time with what was there.
fn merge(runs: &mut SmallVec<[Run; 1]>, run: Run, slack: i64) -> bool {
    // The common case: the channel's newest reading, right after the last run.
    if let Some(last) = runs.last_mut()
        && run.from >= last.from
        && run.from <= last.to.saturating_add(slack)
    {
        let shared = run.from < last.to;
        last.to = last.to.max(run.to);
        return shared;
    }
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

fn join_closest(runs: &mut SmallVec<[Run; 1]>) {
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
                let shared = coverage.insert(&key(*channel, start * spread, span * spread));
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
