//! Rows in runs: readings that follow each other in one channel and differ only
//! in their start and their value, as a day of half-hours does.
//!
//! Promise: the same rows as if each were held by itself, in the same order; a
//! run is only a shorter way to hold them. What asks about a run as a whole
//! (is its time free? is it one month?) need not ask about every row.

use crate::{Decimal, Row, RowKey, Timestamp};

/// Rows, each run of them held once: about 100 bytes a run and 16 a row.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    heads: Vec<Head>,
    starts: Vec<i64>,
    values: Vec<i64>,
    /// A run begins at or before the end of the one before it.
    unsorted: bool,
}

/// What the rows of a run have in common, and where the rest of them is.
#[derive(Clone, Copy, Debug)]
struct Head {
    first: Row,
    from: u32,
    len: u32,
}

/// Some rows of one run, at least one.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The run's first row; of those here all but key and value are the same.
    first: &'a Row,
    starts: &'a [i64],
    values: &'a [i64],
}

/// A place among [`Runs`]: some rows of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which of the [`Runs`].
    pub source: u32,
    pub(crate) run: u32,
    pub(crate) from: u32,
    pub(crate) len: u32,
}

/// Spot values further apart than a day are no run: nobody says that the time
/// between them is spoken for.
pub const SPOT_SLACK_MICROS: i64 = 86_400_000_000;

impl Runs {
    /// Rows held at most: places among them are 32 bits.
    pub const ROWS_MAX: usize = u32::MAX as usize;

    /// With room for so many rows, in so many runs.
    pub fn with_capacity(rows: usize, runs: usize) -> Runs {
        let (starts, values) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        Runs { heads: Vec::with_capacity(runs), starts, values, unsorted: false }
    }

    /// Takes a row in after the others.
    ///
    /// # Panics
    ///
    /// Beyond [`Runs::ROWS_MAX`] rows.
    pub fn push(&mut self, row: &Row) {
        self.push_rows(row, &[row.key.start.0], &[row.value.value]);
    }

    /// Takes in rows of one run after the others.
    pub fn push_run(&mut self, run: &Run<'_>) {
        self.push_rows(run.first, run.starts, run.values);
    }

    /// As [`Runs::push_run`], but the run stays one of its own even where it goes on
    /// from the one before.
    pub fn push_apart(&mut self, run: &Run<'_>) {
        self.push_head(run.first, run.starts, run.values);
    }

    fn push_rows(&mut self, like: &Row, starts: &[i64], values: &[i64]) {
        if let (Some(head), Some(last_start)) = (self.heads.last_mut(), self.starts.last())
            && alike(&head.first, like)
            && follows(*last_start, starts[0], like.key.span.0)
        {
            head.len += u32::try_from(starts.len()).expect("fewer than 2^32 rows");
            assert!(self.starts.len() + starts.len() <= Runs::ROWS_MAX, "fewer than 2^32 rows");
            self.starts.extend_from_slice(starts);
            self.values.extend_from_slice(values);
            return;
        }
        self.push_head(like, starts, values);
    }

    fn push_head(&mut self, like: &Row, starts: &[i64], values: &[i64]) {
        let from = u32::try_from(self.starts.len()).expect("fewer than 2^32 rows");
        let len = u32::try_from(starts.len()).expect("fewer than 2^32 rows");
        assert!(from.checked_add(len).is_some(), "fewer than 2^32 rows");
        let last_start = self.starts.last().copied();
        self.starts.extend_from_slice(starts);
        self.values.extend_from_slice(values);
        let mut first = *like;
        (first.key.start, first.value.value) = (Timestamp(starts[0]), values[0]);
        if let (Some(head), Some(start)) = (self.heads.last(), last_start) {
            let last = RowKey { start: Timestamp(start), ..head.first.key };
            self.unsorted |= first.key <= last;
        }
        self.heads.push(Head { first, from, len });
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// In how many runs.
    pub fn run_count(&self) -> usize {
        self.heads.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Memory they take, about.
    pub fn bytes(&self) -> usize {
        self.heads.len() * size_of::<Head>() + self.starts.len() * 2 * size_of::<i64>()
    }

    /// The runs in their order.
    pub fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        self.heads.iter().map(|head| self.run(head))
    }

    /// The run at a place.
    pub fn run_at(&self, place: usize) -> Run<'_> {
        self.run(&self.heads[place])
    }

    /// Every row, in their order.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.runs().flat_map(|run| run.rows())
    }

    /// The row of a key, where the rows lie in key order and each key is there once.
    pub fn find(&self, key: &RowKey) -> Option<Row> {
        let after = self.heads.partition_point(|head| head.first.key <= *key);
        let run = self.run(self.heads.get(after.checked_sub(1)?)?);
        let at = run.starts.binary_search(&key.start.0).ok()?;
        Some(run.row(at)).filter(|row| row.key == *key)
    }

    /// The rows of a piece that is among these.
    pub fn piece(&self, piece: Piece) -> Run<'_> {
        self.run(&self.heads[piece.run as usize]).part(piece.from as usize, piece.len as usize)
    }

    /// The first row of the run at a place, and how many rows it has.
    pub(crate) fn head_at(&self, place: usize) -> (&Row, u32) {
        let head = &self.heads[place];
        (&head.first, head.len)
    }

    /// Whether every row comes after the one before it.
    pub(crate) fn is_sorted(&self) -> bool {
        !self.unsorted
    }

    fn run<'a>(&'a self, head: &'a Head) -> Run<'a> {
        let rows = head.from as usize..(head.from + head.len) as usize;
        Run { first: &head.first, starts: &self.starts[rows.clone()], values: &self.values[rows] }
    }
}

impl<'a> FromIterator<&'a Row> for Runs {
    fn from_iter<T: IntoIterator<Item = &'a Row>>(rows: T) -> Runs {
        let mut runs = Runs::default();
        rows.into_iter().for_each(|row| runs.push(row));
        runs
    }
}

impl FromIterator<Row> for Runs {
    fn from_iter<T: IntoIterator<Item = Row>>(rows: T) -> Runs {
        let mut runs = Runs::default();
        rows.into_iter().for_each(|row| runs.push(&row));
        runs
    }
}

/// Whether two rows of one run may look like these.
fn alike(a: &Row, b: &Row) -> bool {
    (a.key.channel, a.key.tenant, a.key.span) == (b.key.channel, b.key.tenant, b.key.span)
        && (a.message_time, a.issued_at, a.sequence) == (b.message_time, b.issued_at, b.sequence)
        && (a.unit, a.quality, a.reason) == (b.unit, b.quality, b.reason)
        && (a.canonical, a.flags, a.value.scale) == (b.canonical, b.flags, b.value.scale)
        && a.device == b.device
}

/// Whether what starts at `start` goes on where the last one ended.
fn follows(last: i64, start: i64, span: i64) -> bool {
    match span {
        0 => start > last && start.wrapping_sub(last) <= SPOT_SLACK_MICROS && start.wrapping_sub(last) > 0,
        span => last.checked_add(span) == Some(start),
    }
}

impl<'a> Run<'a> {
    /// What all its rows have in common; its key and value are of some row of the same run.
    pub fn like(&self) -> &'a Row {
        self.first
    }

    /// How many rows.
    #[expect(clippy::len_without_is_empty, reason = "a run has at least one row")]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Starts in microseconds of UTC, ascending.
    pub fn starts(&self) -> &'a [i64] {
        self.starts
    }

    /// The digits of the values, in the same order.
    pub fn values(&self) -> &'a [i64] {
        self.values
    }

    /// The row at a place.
    pub fn row(&self, at: usize) -> Row {
        let mut row = *self.first;
        row.key.start = Timestamp(self.starts[at]);
        row.value = Decimal::new(self.values[at], row.value.scale);
        row
    }

    /// Every row, in their order.
    pub fn rows(self) -> impl Iterator<Item = Row> + 'a {
        (0..self.len()).map(move |at| self.row(at))
    }

    /// Key of the first row.
    pub fn first_key(&self) -> RowKey {
        RowKey { start: Timestamp(self.starts[0]), ..self.first.key }
    }

    /// Key of the last row.
    pub fn last_key(&self) -> RowKey {
        RowKey { start: Timestamp(self.starts[self.len() - 1]), ..self.first.key }
    }

    /// `len` of its rows, from a place on.
    pub fn part(&self, from: usize, len: usize) -> Run<'a> {
        Run { first: self.first, starts: &self.starts[from..from + len], values: &self.values[from..from + len] }
    }
}

impl Piece {
    /// How many rows.
    #[expect(clippy::len_without_is_empty, reason = "a piece has at least one row")]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// `len` of its rows, from a place on.
    #[must_use]
    pub fn part(&self, from: usize, len: usize) -> Piece {
        assert!(from + len <= self.len() && len > 0, "a part of {} rows", self.len);
        let place = |at: usize| u32::try_from(at).expect("within the piece");
        Piece { from: self.from + place(from), len: place(len), ..*self }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{ChannelId, DeviceId, Flags, Quality, Sequence, Span, TenantId, Word};
    use proptest::prelude::*;

    pub(crate) fn row(channel: i64, start: i64, span: i64, value: i64, unit: u32) -> Row {
        Row {
            key: RowKey { tenant: TenantId(1), channel: ChannelId(channel), start: Timestamp(start), span: Span(span) },
            value: Decimal::new(value, 3),
            unit: Word(unit),
            quality: Word(0),
            canonical: Quality::Measured,
            reason: Word(0),
            flags: Flags::default(),
            device: DeviceId::NONE,
            message_time: Timestamp(0),
            issued_at: Timestamp(0),
            sequence: Sequence(1),
        }
    }

    pub(crate) fn rows() -> impl Strategy<Value = Vec<Row>> {
        let one = (0_i64..3, 0_i64..12, prop_oneof![Just(0_i64), Just(1), Just(2)], any::<i64>(), 0_u32..2);
        proptest::collection::vec((one, 1_i64..9), 0..30).prop_map(|runs| {
            let mut rows = Vec::new();
            for ((channel, start, span, value, unit), len) in runs {
                rows.extend(
                    (0..len).map(|at| row(channel, start + at * span.max(1), span, value.wrapping_add(at), unit)),
                );
            }
            rows
        })
    }

    pub(crate) fn told(rows: impl IntoIterator<Item = Row>) -> Vec<String> {
        rows.into_iter().map(|row| format!("{row:?}")).collect()
    }

    #[test]
    fn a_day_of_half_hours_is_one_run_and_a_gap_begins_another() {
        let day: Vec<Row> = (0..48).map(|at| row(7, at * 30, 30, at, 0)).collect();
        let runs: Runs = day.iter().filter(|row| row.key.start.0 != 300).collect();
        assert_eq!(runs.runs().map(|run| run.len()).collect::<Vec<_>>(), [10, 37]);
        assert_eq!(runs.find(&day[11].key).map(|row| row.value.value), Some(11));
        assert!(runs.find(&day[10].key).is_none());
    }

    proptest! {
        #[test]
        fn rows_come_out_as_they_went_in(rows in rows()) {
            let runs: Runs = rows.iter().collect();
            prop_assert_eq!(runs.len(), rows.len());
            prop_assert_eq!(told(runs.rows()), told(rows));
        }

        #[test]
        fn every_row_is_found_by_its_key(rows in rows()) {
            let mut sorted = rows;
            sorted.sort_by_key(|row| row.key);
            sorted.dedup_by_key(|row| row.key);
            let runs: Runs = sorted.iter().collect();
            for row in &sorted {
                prop_assert_eq!(runs.find(&row.key).map(|found| found.value.value), Some(row.value.value));
            }
            prop_assert!(runs.find(&row(9, 0, 0, 0, 0).key).is_none());
        }
    }
}
