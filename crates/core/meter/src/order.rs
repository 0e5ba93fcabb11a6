//! Many rows in key order, without moving them.
//!
//! Promise: every row of the sources once, in key order, in pieces as long as can
//! be: runs that meet at one start come row by row. Rows of equal keys come in the
//! order of their sources, and within one in the order they have there.
//!
//! Runs are ordered by their channels digit by digit, some thousands at a time, so
//! that it costs the same however many sources they come from.

use crate::runs::{Piece, Runs};
use crate::{RowKey, Run};

/// Runs ordered at a time where the sources allow it: 128 KiB, and as much again
/// beside them, stay near the processor.
const WINDOW_RUNS: usize = 4 << 10;
/// Of one source at least, so that many sources make few windows.
const SHARE_MIN: usize = 16;
/// Fewer than these are compared rather than counted by their digits.
const COUNTED_MIN: usize = 64;

/// See the module. The pieces are handed out some thousands at a time, while what
/// they name is still near.
pub struct InKeyOrder<'a> {
    sources: &'a [&'a Runs],
    left: Vec<Left<'a>>,
    places: Vec<Place>,
    pieces: Vec<Piece>,
}

/// A run while it is ordered.
#[derive(Clone, Copy)]
struct Place {
    channel: i64,
    start: i64,
    tenant: i32,
    source: u32,
    run: u32,
    len: u32,
}

const _: () = assert!(size_of::<Place>() == 32);

impl Place {
    fn of(number: u32, source: &Runs, run: usize) -> Place {
        let (at, count) = (source.run_at(run), |count: usize| u32::try_from(count).expect("fewer than 2^32 rows"));
        let key = at.first_key();
        let (run, len) = (count(run), count(at.len()));
        Place { channel: key.channel.0, start: key.start.0, tenant: key.tenant.0, source: number, run, len }
    }

    fn channel(&self) -> (i32, i64) {
        (self.tenant, self.channel)
    }

    fn piece(&self) -> Piece {
        Piece { source: self.source, run: self.run, from: 0, len: self.len }
    }
}

impl<'a> InKeyOrder<'a> {
    /// Nothing is ordered yet.
    pub fn of(sources: &'a [&'a Runs]) -> InKeyOrder<'a> {
        let left = (0..).zip(sources).filter_map(|(number, source)| Left::of(number, source)).collect();
        InKeyOrder { sources, left, places: Vec::new(), pieces: Vec::new() }
    }

    /// The next pieces, each channel whole; none at the end.
    pub fn next_pieces(&mut self) -> &[Piece] {
        let until = match self.sources.iter().all(|source| source.is_sorted()) {
            true => self.next_channel(),
            false => None,
        };
        let (mut places, mut left) = (std::mem::take(&mut self.places), std::mem::take(&mut self.left));
        places.clear();
        self.pieces.clear();
        left.retain_mut(|source| source.take(until, &mut places));
        self.push_all(&mut places);
        (self.places, self.left) = (places, left);
        &self.pieces
    }

    /// The channel that a window ends with; none if all that is left is in it.
    fn next_channel(&self) -> Option<(i32, i64)> {
        let share = (WINDOW_RUNS / self.left.len().max(1)).max(SHARE_MIN);
        self.left.iter().filter_map(|source| source.channel_after(share)).min()
    }

    /// All runs of some channels; of runs of one channel those of the first source first.
    fn push_all(&mut self, places: &mut [Place]) {
        if !places.is_sorted_by(|a, b| (a.channel(), a.start) < (b.channel(), b.start)) {
            by_channel(places);
        }
        for channel in places.chunk_by_mut(|a, b| a.channel() == b.channel()) {
            if !channel.is_sorted_by(|a, b| a.start < b.start) {
                let span = |place: &Place| self.run(place.piece()).first_key().span;
                channel.sort_by(|a, b| a.start.cmp(&b.start).then_with(|| span(a).cmp(&span(b))));
            }
            self.push_channel(channel);
        }
    }

    /// Runs of one channel by their first keys. A run is looked up only where it is long:
    /// most are of one reading, which starts where the run does.
    fn push_channel(&mut self, places: &[Place]) {
        let (mut from, mut last) = (0, i64::MIN);
        for (at, place) in places.iter().enumerate() {
            if at > from && place.start > last {
                self.push_apart(&places[from..at]);
                from = at;
            }
            last = last.max(if place.len == 1 { place.start } else { self.run(place.piece()).last_key().start.0 });
        }
        self.push_apart(&places[from..]);
    }

    /// Runs that reach into each other, row by row; one alone stays as it is.
    fn push_apart(&mut self, places: &[Place]) {
        if let [only] = places {
            self.pieces.push(only.piece());
            return;
        }
        let mut rows: Vec<(RowKey, Piece)> = Vec::new();
        for piece in places.iter().map(Place::piece) {
            let run = self.run(piece);
            rows.extend((0..run.len()).map(|at| (run.part(at, 1).first_key(), piece.part(at, 1))));
        }
        rows.sort_by_key(|(key, piece)| (*key, piece.source, piece.run, piece.from));
        self.pieces.extend(rows.into_iter().map(|(_, piece)| piece));
    }

    fn run(&self, piece: Piece) -> Run<'_> {
        self.sources[piece.source as usize].piece(piece)
    }
}

/// What is left of a sorted source: at least one run.
struct Left<'a> {
    number: u32,
    source: &'a Runs,
    next: usize,
}

impl<'a> Left<'a> {
    fn of(number: u32, source: &'a Runs) -> Option<Left<'a>> {
        (!source.is_empty()).then_some(Left { number, source, next: 0 })
    }

    /// The channel that so many more runs end in, if there are more than these.
    fn channel_after(&self, runs: usize) -> Option<(i32, i64)> {
        let last = self.next + runs - 1;
        (last + 1 < self.source.run_count()).then(|| Place::of(self.number, self.source, last).channel())
    }

    /// Takes what goes up to a channel, or all; whether something is left.
    fn take(&mut self, until: Option<(i32, i64)>, places: &mut Vec<Place>) -> bool {
        while self.next < self.source.run_count() {
            let place = Place::of(self.number, self.source, self.next);
            if until.is_some_and(|until| place.channel() > until) {
                return true;
            }
            places.push(place);
            self.next += 1;
        }
        false
    }
}

/// Those of one channel keep their order.
fn by_channel(places: &mut [Place]) {
    if places.len() < COUNTED_MIN {
        places.sort_by_key(Place::channel);
        return;
    }
    radsort::sort_by_key(places, |place| place.channel);
    if places.iter().any(|place| place.tenant != places[0].tenant) {
        radsort::sort_by_key(places, |place| place.tenant);
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
        let (mut pieces, mut order) = (Vec::new(), InKeyOrder::of(&refs));
        loop {
            match order.next_pieces() {
                [] => break,
                next => pieces.extend_from_slice(next),
            }
        }
        let mut plain: Vec<Row> = sources.concat();
        plain.sort_by_key(|row| row.key);
        let of = |piece: &Piece| refs[piece.source as usize].piece(*piece);
        let ordered = pieces.iter().flat_map(|piece| of(piece).rows());
        prop_assert_eq!(told(ordered), told(plain));
        for piece in pieces.iter().filter(|piece| piece.len() > 1) {
            let run = of(piece);
            let inside = |key: &RowKey| (run.first_key()..=run.last_key()).contains(key);
            prop_assert_eq!(sources.iter().flatten().filter(|row| inside(&row.key)).count(), piece.len());
        }
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
