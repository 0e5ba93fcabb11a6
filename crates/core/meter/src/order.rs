//! Many rows in key order, without moving them.
//!
//! Promise: every row of the sources once, in key order, in pieces as long as can
//! be. Rows of equal keys come in the order of their sources, and within one in
//! the order they have there; each is a piece of its own. Where the sources are
//! sorted they are merged, at the price of a comparison or two a run; else sorted.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::runs::{Piece, Runs};
use crate::{Row, RowKey};

/// See the module.
pub fn in_key_order(sources: &[&Runs]) -> Vec<Piece> {
    if sources.iter().all(|source| source.is_sorted()) { merged(sources) } else { sorted(sources) }
}

/// A source on its way through a merge, by what comes next of it.
struct Next {
    key: RowKey,
    piece: Piece,
}

fn merged(sources: &[&Runs]) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(sources.iter().map(|source| source.run_count()).sum());
    let firsts = (0..).zip(sources).filter_map(|(number, source)| source.piece_at(number, 0));
    let of = |piece: Piece| Reverse(Next { key: run_of(sources, piece).first_key(), piece });
    let mut waiting: BinaryHeap<Reverse<Next>> = firsts.map(of).collect();
    let mut last = None;
    while let Some(Reverse(Next { mut key, mut piece })) = waiting.pop() {
        let limit = waiting.peek().map(|Reverse(next)| (next.key, next.piece.source));
        // One source as long as it goes before the others.
        loop {
            let taken = taken(sources, piece, key, limit, last);
            pieces.push(piece.part(0, taken));
            last = Some(run_of(sources, piece.part(taken - 1, 1)).first_key());
            let left = if taken < piece.len() {
                Some(piece.part(taken, piece.len() - taken))
            } else {
                sources[piece.source as usize].piece_at(piece.source, piece.run as usize + 1)
            };
            let Some(next) = left else { break };
            (piece, key) = (next, run_of(sources, next).first_key());
            if limit.is_some_and(|limit| (key, piece.source) > limit) {
                waiting.push(Reverse(Next { key, piece }));
                break;
            }
        }
    }
    pieces
}

/// How many rows of a piece go before what others have: at least one.
fn taken(sources: &[&Runs], piece: Piece, key: RowKey, limit: Option<(RowKey, u32)>, last: Option<RowKey>) -> usize {
    let limit = limit.map(|(key, _)| key);
    if piece.len() == 1 || limit == Some(key) || last == Some(key) {
        return 1;
    }
    let run = run_of(sources, piece);
    match limit {
        Some(limit) if run.last_key() >= limit => {
            let before = |start: &i64| RowKey { start: crate::Timestamp(*start), ..key } < limit;
            run.starts().partition_point(before)
        }
        _ => piece.len(),
    }
}

impl Ord for Next {
    fn cmp(&self, other: &Next) -> Ordering {
        (self.key, self.piece.source).cmp(&(other.key, other.piece.source))
    }
}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Next) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Next {}

impl PartialEq for Next {
    fn eq(&self, other: &Next) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

/// A run while it is sorted: 32 bytes, half of what its key and its piece take.
#[derive(Clone, Copy)]
struct Place {
    channel: i64,
    start: i64,
    tenant: i32,
    source: u32,
    run: u32,
}

const _: () = assert!(size_of::<Place>() == 32);

fn sorted(sources: &[&Runs]) -> Vec<Piece> {
    let mut places = Vec::with_capacity(sources.iter().map(|source| source.run_count()).sum());
    for (source, runs) in (0_u32..).zip(sources) {
        let place = |(run, row): (u32, &Row)| {
            let key = &row.key;
            Place { channel: key.channel.0, start: key.start.0, tenant: key.tenant.0, source, run }
        };
        places.extend((0_u32..).zip(runs.firsts()).map(place));
    }
    let piece = |place: &Place| {
        let piece = sources[place.source as usize].piece_at(place.source, place.run as usize);
        piece.expect("was there a moment ago")
    };
    let span = |place: &Place| run_of(sources, piece(place)).like().key.span;
    places.sort_unstable_by(|a, b| {
        let known = (a.tenant, a.channel, a.start).cmp(&(b.tenant, b.channel, b.start));
        known.then_with(|| span(a).cmp(&span(b))).then_with(|| (a.source, a.run).cmp(&(b.source, b.run)))
    });
    let mut pieces = Vec::with_capacity(places.len());
    let (mut from, mut last) = (0, RowKey::default());
    for (at, place) in places.iter().enumerate() {
        let run = run_of(sources, piece(place));
        if at > from && run.first_key() > last {
            row_by_row(&places[from..at], piece, sources, &mut pieces);
            from = at;
        }
        last = if at == from { run.last_key() } else { last.max(run.last_key()) };
    }
    row_by_row(&places[from..], piece, sources, &mut pieces);
    pieces
}

/// Runs that reach into each other; one alone stays as it is.
fn row_by_row(places: &[Place], piece: impl Fn(&Place) -> Piece, sources: &[&Runs], pieces: &mut Vec<Piece>) {
    if let [only] = places {
        pieces.push(piece(only));
        return;
    }
    let mut rows = Vec::new();
    for piece in places.iter().map(piece) {
        let run = run_of(sources, piece);
        rows.extend((0..run.len()).map(|at| (run.part(at, 1).first_key(), piece.part(at, 1))));
    }
    rows.sort_by_key(|(key, piece)| (*key, piece.source, piece.run, piece.from));
    pieces.extend(rows.into_iter().map(|(_, piece)| piece));
}

fn run_of<'a>(sources: &[&'a Runs], piece: Piece) -> crate::Run<'a> {
    sources[piece.source as usize].piece(piece)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::tests::{rows, told};
    use proptest::prelude::*;

    fn check(sources: &[Vec<Row>]) -> Result<(), TestCaseError> {
        let runs: Vec<Runs> = sources.iter().map(|rows| rows.iter().collect()).collect();
        let refs: Vec<&Runs> = runs.iter().collect();
        let pieces = in_key_order(&refs);
        let mut plain: Vec<Row> = sources.concat();
        plain.sort_by_key(|row| row.key);
        let ordered = pieces.iter().flat_map(|piece| run_of(&refs, *piece).rows());
        prop_assert_eq!(told(ordered), told(plain));
        for piece in pieces.iter().filter(|piece| piece.len() > 1) {
            let run = run_of(&refs, *piece);
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
}
