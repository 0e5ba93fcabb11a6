//! Many rows in key order.
//!
//! Promise: every row of the sources once, in key order, in runs as long as can
//! be: only rows of one key stay apart. Rows of equal keys come in the
//! order of their sources, and within one in the order they have there.
//!
//! Runs are ordered by their channels digit by digit, some thousands of rows at a
//! time, so that it costs the same however many sources they come from. A row that
//! is a run of its own, as live ones are, takes all it needs along.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::runs::Runs;
use crate::{ChannelId, RowKey};

/// Rows ordered at a time where the sources allow it: 192 KiB of [`Place`], and as much
/// again beside them, stay near the processor.
const WINDOW_ROWS: usize = 4 << 10;
/// Of one source at least, so that many sources make few windows.
const SHARE_MIN: usize = 16;
/// Fewer than these are compared rather than counted by their digits.
const COUNTED_MIN: usize = 64;

/// See the module.
pub struct InKeyOrder<'a> {
    sources: &'a [&'a Runs],
    left: Vec<Left<'a>>,
    /// Whether each source is in order by itself: then not all must be looked at at once.
    sorted: bool,
    /// Of the sources' likes the places in `rows`, one source behind the other.
    likes: Vec<u32>,
    /// Of each source where its deliveries begin in `rows`.
    deliveries: Vec<u32>,
    places: Vec<Place>,
    rows: Runs,
}

/// A run while it is ordered.
#[derive(Clone, Copy)]
struct Place {
    channel: i64,
    start: i64,
    /// Of its first row, as is `delivery`.
    value: i64,
    delivery: u32,
    like: u32,
    source: u32,
    run: u32,
    len: u32,
}

const _: () = assert!(size_of::<Place>() == 48);

/// What is left of a run among those that meet in time; the one with the least key goes first,
/// and of equal keys that of the first source.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Met {
    /// Start and span of its next row.
    next: (i64, i64),
    source: u32,
    run: u32,
    at: u32,
    like: u32,
}

impl<'a> InKeyOrder<'a> {
    /// Nothing is ordered yet.
    pub fn of(sources: &'a [&'a Runs]) -> InKeyOrder<'a> {
        let (mut rows, mut likes, mut left) = (Runs::default(), Vec::new(), Vec::new());
        for (number, source) in (0..).zip(sources).filter(|(_, source)| !source.is_empty()) {
            left.push(Left { number, source, likes: likes.len(), next: 0 });
            likes.extend(source.likes().iter().map(|like| rows.like(like)));
        }
        let deliveries = sources.iter().map(|source| rows.take_deliveries(source)).collect();
        let sorted = sources.iter().all(|source| source.is_sorted());
        InKeyOrder { sources, left, sorted, likes, deliveries, places: Vec::new(), rows }
    }

    /// The next rows, each channel whole; none at the end.
    pub fn next_rows(&mut self) -> Option<&Runs> {
        self.rows.clear_rows();
        self.advance();
        (!self.rows.is_empty()).then_some(&self.rows)
    }

    /// All rows at once. Their deliveries are those of the sources, one source behind the other.
    pub fn into_rows(mut self) -> Runs {
        let (rows, runs) = self.sources.iter().fold((0, 0), |(r, n), runs| (r + runs.len(), n + runs.run_count()));
        self.rows.reserve(rows, runs);
        while !self.left.is_empty() {
            self.advance();
        }
        self.rows
    }

    /// Adds rows behind those there.
    fn advance(&mut self) {
        let until = if self.sorted { self.next_channel() } else { None };
        let (mut places, mut left) = (std::mem::take(&mut self.places), std::mem::take(&mut self.left));
        places.clear();
        left.retain_mut(|source| {
            let from = self.deliveries[source.number as usize];
            source.take(until, &self.likes, from, &self.rows, &mut places)
        });
        self.push_all(&mut places);
        (self.places, self.left) = (places, left);
    }

    /// The channel that a window ends with; none if all that is left is in it.
    fn next_channel(&self) -> Option<(i32, i64)> {
        let share = (WINDOW_ROWS / self.left.len().max(1)).max(SHARE_MIN);
        self.left.iter().filter_map(|source| source.channel_after(share)).min()
    }

    /// All runs of some channels; of runs of one channel those of the first source first.
    fn push_all(&mut self, places: &mut [Place]) {
        let channel = |place: &Place| (self.tenant(place), place.channel);
        if !places.is_sorted_by(|a, b| (channel(a), a.start) < (channel(b), b.start)) {
            by_channel(places, |place| self.tenant(place));
        }
        let mut of_one = places;
        while let Some(first) = of_one.first() {
            let whose = (self.tenant(first), first.channel);
            let count = of_one.iter().take_while(|place| (self.tenant(place), place.channel) == whose).count();
            let (places, more) = of_one.split_at_mut(count);
            if !places.is_sorted_by(|a, b| a.start < b.start) {
                let span = |place: &Place| self.rows.like_at(place.like).span;
                places.sort_by(|a, b| a.start.cmp(&b.start).then_with(|| span(a).cmp(&span(b))));
            }
            self.push_channel(places);
            of_one = more;
        }
    }

    fn tenant(&self, place: &Place) -> i32 {
        self.rows.like_at(place.like).tenant.0
    }

    /// Runs of one channel by their first keys. A run is looked up only where it is long:
    /// most are of one reading, which starts where the run does.
    fn push_channel(&mut self, places: &[Place]) {
        let (mut from, mut last, mut may_go_on) = (0, i64::MIN, true);
        for (at, place) in places.iter().enumerate() {
            if at > from && place.start > last {
                may_go_on = self.push_apart(&places[from..at], may_go_on);
                from = at;
            }
            last = last.max(if place.len == 1 { place.start } else { self.last_start(place) });
        }
        self.push_apart(&places[from..], may_go_on);
    }

    /// Runs that reach into each other, piece by piece; one alone goes on with the last if
    /// that may be. Whether what follows may go on.
    fn push_apart(&mut self, places: &[Place], may_go_on: bool) -> bool {
        if let [only] = places {
            self.rows.begin_unless(may_go_on, ChannelId(only.channel), only.like, only.start);
            if only.len == 1 {
                self.rows.push_row(only.start, only.value, only.delivery);
            } else {
                let run = self.sources[only.source as usize].run_at(only.run as usize);
                self.rows.push_rows(&run, self.deliveries[only.source as usize]);
            }
            return true;
        }
        self.push_met(places, may_go_on)
    }

    /// As [`InKeyOrder::push_apart`], of several. A row whose key another has is a run of its own.
    fn push_met(&mut self, places: &[Place], mut may_go_on: bool) -> bool {
        let (mut met, mut last) = (BinaryHeap::new(), None);
        let mut coming = places.iter().map(|place| self.met(place)).collect::<Vec<_>>().into_iter().peekable();
        loop {
            while let Some(new) = coming.next_if(|new| met.peek().is_none_or(|Reverse(first)| new <= first)) {
                met.push(Reverse(new));
            }
            let Some(Reverse(mut first)) = met.pop() else { return may_go_on };
            let others = [met.peek().map(|Reverse(other)| other.next), coming.peek().map(|other| other.next)];
            let until = others.into_iter().flatten().min();
            let run = self.sources[first.source as usize].run_at(first.run as usize);
            let (at, span) = (first.at as usize, first.next.1);
            let shares_key = last == Some(first.next) || until == Some(first.next);
            let count = match until {
                _ if shares_key => 1,
                Some(until) => run.starts()[at..].partition_point(|start| (*start, span) < until),
                None => run.len() - at,
            };
            let piece = run.part(at, count);
            self.rows.begin_unless(may_go_on && !shares_key, run.channel(), first.like, first.next.0);
            self.rows.push_rows(&piece, self.deliveries[first.source as usize]);
            (may_go_on, last) = (!shares_key, Some((piece.last_key().start.0, span)));
            if let Some(start) = run.starts().get(at + count) {
                (first.next, first.at) = ((*start, span), first.at + count as u32);
                met.push(Reverse(first));
            }
        }
    }

    fn met(&self, place: &Place) -> Met {
        let Place { start, source, run, like, .. } = *place;
        Met { next: (start, self.rows.like_at(like).span.0), source, run, at: 0, like }
    }

    fn last_start(&self, place: &Place) -> i64 {
        self.sources[place.source as usize].run_at(place.run as usize).last_key().start.0
    }
}

/// What is left of a source: at least one run.
struct Left<'a> {
    number: u32,
    source: &'a Runs,
    /// Where its likes begin.
    likes: usize,
    next: usize,
}

impl Left<'_> {
    /// The channel that so many more rows end in, if there are runs behind it.
    fn channel_after(&self, rows: usize) -> Option<(i32, i64)> {
        let last = self.source.run_after(self.next, rows);
        (last + 1 < self.source.run_count()).then(|| whose(&self.source.run_at(last).first_key()))
    }

    /// Takes what goes up to a channel, or all; whether something is left. Likes and
    /// deliveries are those of `rows`.
    fn take(
        &mut self,
        until: Option<(i32, i64)>,
        likes: &[u32],
        deliveries: u32,
        rows: &Runs,
        places: &mut Vec<Place>,
    ) -> bool {
        let count = |count: usize| u32::try_from(count).expect("fewer than 2^32 rows");
        while self.next < self.source.run_count() {
            let run = self.source.run_at(self.next);
            let like = likes[self.likes + self.source.like_of(self.next)];
            let channel = run.channel().0;
            if until.is_some_and(|until| (rows.like_at(like).tenant.0, channel) > until) {
                return true;
            }
            places.push(Place {
                channel,
                start: run.starts()[0],
                value: run.values()[0],
                delivery: deliveries + run.delivered()[0],
                like,
                source: self.number,
                run: count(self.next),
                len: count(run.len()),
            });
            self.next += 1;
        }
        false
    }
}

fn whose(key: &RowKey) -> (i32, i64) {
    (key.tenant.0, key.channel.0)
}

/// Those of one channel keep their order.
fn by_channel(places: &mut [Place], tenant: impl Fn(&Place) -> i32) {
    if places.len() < COUNTED_MIN {
        places.sort_by_key(|place| (tenant(place), place.channel));
        return;
    }
    radsort::sort_by_key(places, |place| place.channel);
    let first = tenant(&places[0]);
    if places.iter().any(|place| tenant(place) != first) {
        radsort::sort_by_key(places, tenant);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Row;
    use crate::runs::tests::{rows, told};
    use proptest::prelude::*;

    fn check(sources: &[Vec<Row>]) -> Result<(), TestCaseError> {
        let runs: Vec<Runs> = sources.iter().map(|rows| rows.iter().collect()).collect();
        let refs: Vec<&Runs> = runs.iter().collect();
        let mut plain: Vec<Row> = sources.concat();
        plain.sort_by_key(|row| row.key);
        let whole = InKeyOrder::of(&refs).into_rows();
        let (mut parts, mut order) = (Vec::new(), InKeyOrder::of(&refs));
        while let Some(rows) = order.next_rows() {
            parts.extend(rows.rows());
        }
        prop_assert_eq!(told(parts), told(plain.iter().copied()));
        prop_assert_eq!(told(whole.rows()), told(plain.iter().copied()));
        for run in whole.runs().filter(|run| run.len() > 1) {
            let inside = |key: &RowKey| (run.first_key()..=run.last_key()).contains(key);
            prop_assert_eq!(plain.iter().filter(|row| inside(&row.key)).count(), run.len());
        }
        let counts = sources.iter().map(|rows| rows.iter().collect::<Runs>().delivery_count());
        prop_assert_eq!(whole.delivery_count(), counts.sum::<usize>());
        Ok(())
    }

    proptest! {
        #[test]
        fn rows_come_in_key_order_and_equal_keys_in_theirs(sources in proptest::collection::vec(rows(), 0..4)) {
            check(&sources)?;
        }

        #[test]
        fn sorted_sources_are_merged_to_the_same(sources in proptest::collection::vec(rows(), 0..5)) {
            let sorted = |mut rows: Vec<Row>| {
                rows.sort_by_key(|row| row.key);
                rows.dedup_by_key(|row| row.key);
                rows
            };
            check(&sources.into_iter().map(sorted).collect::<Vec<_>>())?;
        }
    }

    #[test]
    fn minutes_that_overtake_each_other_become_one_run() {
        let minutes = |some: &[i64]| {
            let rows = some.iter().map(|minute| crate::runs::tests::row(7, minute * 60, 0, *minute, 0));
            rows.collect::<Runs>()
        };
        let of = [minutes(&[0, 1, 2, 6, 7]), minutes(&[3, 4, 5, 9]), minutes(&[8, 10])];
        let whole = InKeyOrder::of(&of.iter().collect::<Vec<_>>()).into_rows();
        assert_eq!((whole.run_count(), whole.run_at(0).values().to_vec()), (1, (0..11).collect()));
        let twice = [minutes(&[0, 1, 2, 3]), minutes(&[2])];
        let whole = InKeyOrder::of(&twice.iter().collect::<Vec<_>>()).into_rows();
        assert_eq!(whole.runs().map(|run| run.len()).collect::<Vec<_>>(), [2, 1, 1, 1]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// More runs than a window has, of several tenants.
        #[test]
        fn many_channels_are_ordered_as_few_are(
            told in proptest::collection::vec(
                (any::<bool>(), proptest::collection::vec((0_i32..3, -9_i64..4_000, 0_i64..5), 0..3_000)), 0..9,
            ),
        ) {
            let sources = told.into_iter().map(|(sorted, keys)| {
                let of = |(tenant, channel, start): (i32, i64, i64)| {
                    let mut row = crate::runs::tests::row(channel, start * 7, 7, start, 0);
                    row.key.tenant = crate::TenantId(tenant);
                    row
                };
                let mut rows: Vec<Row> = keys.into_iter().map(of).collect();
                if sorted {
                    rows.sort_by_key(|row| row.key);
                    rows.dedup_by_key(|row| row.key);
                }
                rows
            });
            check(&sources.collect::<Vec<_>>())?;
        }
    }
}
