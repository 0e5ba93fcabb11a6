//! Rows in runs: readings that follow each other in one channel and differ only
//! in their start and their value, as a day of half-hours does.
//!
//! Promise: the same rows as if each were held by itself, in the same order; a
//! run is only a shorter way to hold them. What asks about a run as a whole
//! (is its time free? is it one month?) need not ask about every row.
//!
//! Live readings are runs of one row. What those of a message share, and what one
//! of a register is like each time, is held apart, so that such a run takes 44
//! bytes instead of the 112 of a row.

use crate::{ChannelId, Decimal, DeviceId, Flags, Quality, Row, RowKey, Sequence, Span, TenantId, Timestamp, Word};

/// Rows, each run of them held once: 24 bytes a run and 16 a row, and what runs share.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    heads: Vec<Head>,
    messages: Vec<Message>,
    likes: Vec<Like>,
    /// The one of `likes` found last.
    likely: usize,
    starts: Vec<i64>,
    values: Vec<i64>,
    /// A run begins at or before the end of the one before it.
    unsorted: bool,
}

/// A run: whose it is, and where the rest of it is.
#[derive(Clone, Copy, Debug)]
struct Head {
    channel: ChannelId,
    message: u32,
    like: u32,
    from: u32,
    len: u32,
}

/// What the rows of a message have in common, as a rule.
#[derive(Clone, Copy, Debug)]
struct Message {
    tenant: TenantId,
    device: DeviceId,
    message_time: Timestamp,
    issued_at: Timestamp,
    sequence: Sequence,
}

/// What the rows of a register have in common, as a rule, whatever message they are of.
#[derive(Clone, Copy, Debug)]
struct Like {
    span: Span,
    unit: Word,
    quality: Word,
    reason: Word,
    flags: Flags,
    canonical: Quality,
    scale: u8,
}

const _: () = assert!(size_of::<Head>() == 24 && size_of::<Message>() == 40 && size_of::<Like>() == 24);

/// Registers come round and round: what is not next is looked for among so many, or held again.
const LIKES_SEARCHED: usize = 64;

/// Some rows of one run, at least one.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    channel: ChannelId,
    message: &'a Message,
    like: &'a Like,
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

// Asked of every reading, and nearly always true: all at once, without a branch a field.

impl PartialEq for Message {
    #[inline]
    fn eq(&self, other: &Message) -> bool {
        (self.tenant == other.tenant)
            & (self.device == other.device)
            & (self.message_time == other.message_time)
            & (self.issued_at == other.issued_at)
            & (self.sequence == other.sequence)
    }
}

impl PartialEq for Like {
    #[inline]
    fn eq(&self, other: &Like) -> bool {
        (self.span == other.span)
            & (self.unit == other.unit)
            & (self.quality == other.quality)
            & (self.reason == other.reason)
            & (self.flags == other.flags)
            & (self.canonical as u8 == other.canonical as u8)
            & (self.scale == other.scale)
    }
}

impl Message {
    #[inline]
    fn of(row: &Row) -> Message {
        let Row { key: RowKey { tenant, .. }, device, message_time, issued_at, sequence, .. } = *row;
        Message { tenant, device, message_time, issued_at, sequence }
    }
}

impl Like {
    #[inline]
    fn of(row: &Row) -> Like {
        let Row { key: RowKey { span, .. }, value, unit, quality, canonical, reason, flags, .. } = *row;
        Like { span, unit, quality, reason, flags, canonical, scale: value.scale }
    }
}

impl Runs {
    /// Rows held at most: places among them are 32 bits.
    pub const ROWS_MAX: usize = u32::MAX as usize;

    /// With room for so many rows, in so many runs.
    pub fn with_capacity(rows: usize, runs: usize) -> Runs {
        let (starts, values) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        Runs { heads: Vec::with_capacity(runs), starts, values, ..Runs::default() }
    }

    /// Takes a row in after the others.
    ///
    /// # Panics
    ///
    /// Beyond [`Runs::ROWS_MAX`] rows.
    pub fn push(&mut self, row: &Row) {
        if self.goes_on(row) {
            let head = self.heads.last_mut().expect("what goes on has begun");
            head.len = head.len.checked_add(1).expect("fewer than 2^32 rows");
            self.starts.push(row.key.start.0);
            self.values.push(row.value.value);
            return;
        }
        let (starts, values) = ([row.key.start.0], [row.value.value]);
        let (message, like) = (&Message::of(row), &Like::of(row));
        self.push_apart(&Run { channel: row.key.channel, message, like, starts: &starts, values: &values });
    }

    /// Whether a row belongs to the last run.
    #[inline]
    fn goes_on(&self, row: &Row) -> bool {
        let (Some(head), Some(last)) = (self.heads.last(), self.starts.last()) else { return false };
        head.channel == row.key.channel
            && follows(*last, row.key.start.0, row.key.span.0)
            && self.messages[head.message as usize] == Message::of(row)
            && self.likes[head.like as usize] == Like::of(row)
    }

    /// Takes in rows of one run after the others.
    pub fn push_run(&mut self, run: &Run<'_>) {
        match self.heads.last_mut() {
            Some(head)
                if head.channel == run.channel
                    && self.messages[head.message as usize] == *run.message
                    && self.likes[head.like as usize] == *run.like
                    && follows(self.starts[self.starts.len() - 1], run.starts[0], run.like.span.0) =>
            {
                head.len = head.len.checked_add(narrow(run.len())).expect("fewer than 2^32 rows");
                self.push_rows(run);
            }
            _ => self.push_apart(run),
        }
    }

    /// As [`Runs::push_run`], but the run stays one of its own even where it goes on
    /// from the one before.
    pub fn push_apart(&mut self, run: &Run<'_>) {
        let (from, len) = (narrow(self.starts.len()), narrow(run.len()));
        if let Some(last) = self.heads.last() {
            self.unsorted |= run.first_key() <= self.run(last).last_key();
        }
        let head = Head { channel: run.channel, message: self.message(run), like: self.like(run), from, len };
        self.heads.push(head);
        self.push_rows(run);
    }

    fn push_rows(&mut self, run: &Run<'_>) {
        assert!(self.starts.len() + run.len() <= Runs::ROWS_MAX, "fewer than 2^32 rows");
        match (run.starts, run.values) {
            // A call to copy eight bytes costs more than the bytes.
            ([start], [value]) => {
                self.starts.push(*start);
                self.values.push(*value);
            }
            (starts, values) => {
                self.starts.extend_from_slice(starts);
                self.values.extend_from_slice(values);
            }
        }
    }

    /// The place of the run's message: the last one, or a new one.
    fn message(&mut self, run: &Run<'_>) -> u32 {
        if self.messages.last() != Some(run.message) {
            self.messages.push(*run.message);
        }
        narrow(self.messages.len() - 1)
    }

    /// The place of what the run's rows are like.
    fn like(&mut self, run: &Run<'_>) -> u32 {
        let next = if self.likely + 1 < self.likes.len() { self.likely + 1 } else { 0 };
        let is = |place: &usize| self.likes.get(*place) == Some(run.like);
        let found = [next, self.likely].into_iter().find(is);
        self.likely = found.or_else(|| (0..self.likes.len().min(LIKES_SEARCHED)).find(is)).unwrap_or_else(|| {
            self.likes.push(*run.like);
            self.likes.len() - 1
        });
        narrow(self.likely)
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
        self.heads.len() * size_of::<Head>()
            + self.messages.len() * size_of::<Message>()
            + self.likes.len() * size_of::<Like>()
            + self.starts.len() * 2 * size_of::<i64>()
    }

    /// The runs in their order.
    pub fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        self.heads.iter().map(|head| self.run(head))
    }

    /// The run at a place.
    pub fn run_at(&self, place: usize) -> Run<'_> {
        self.run(&self.heads[place])
    }

    /// The runs of a channel, where the rows lie in key order.
    pub fn of_channel(&self, tenant: TenantId, channel: ChannelId) -> impl Iterator<Item = Run<'_>> {
        let whose = |head: &Head| (self.messages[head.message as usize].tenant, head.channel);
        let from = self.heads.partition_point(|head| whose(head) < (tenant, channel));
        self.heads[from..].iter().take_while(move |head| whose(head) == (tenant, channel)).map(|head| self.run(head))
    }

    /// Every row, in their order.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.runs().flat_map(|run| run.rows())
    }

    /// The row of a key, where the rows lie in key order and each key is there once.
    pub fn find(&self, key: &RowKey) -> Option<Row> {
        let after = self.heads.partition_point(|head| self.run(head).first_key() <= *key);
        let run = self.run(self.heads.get(after.checked_sub(1)?)?);
        let at = run.starts.binary_search(&key.start.0).ok()?;
        Some(run.row(at)).filter(|row| row.key == *key)
    }

    /// The rows of a piece that is among these.
    pub fn piece(&self, piece: Piece) -> Run<'_> {
        self.run(&self.heads[piece.run as usize]).part(piece.from as usize, piece.len as usize)
    }

    /// Whether every row comes after the one before it.
    pub(crate) fn is_sorted(&self) -> bool {
        !self.unsorted
    }

    fn run(&self, head: &Head) -> Run<'_> {
        let rows = head.from as usize..(head.from + head.len) as usize;
        let (message, like) = (&self.messages[head.message as usize], &self.likes[head.like as usize]);
        Run { channel: head.channel, message, like, starts: &self.starts[rows.clone()], values: &self.values[rows] }
    }
}

fn narrow(count: usize) -> u32 {
    u32::try_from(count).expect("fewer than 2^32 rows")
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

/// Whether what starts at `start` goes on where the last one ended.
fn follows(last: i64, start: i64, span: i64) -> bool {
    match span {
        0 => start > last && start.wrapping_sub(last) <= SPOT_SLACK_MICROS && start.wrapping_sub(last) > 0,
        span => last.checked_add(span) == Some(start),
    }
}

impl<'a> Run<'a> {
    /// The channel of all its rows.
    pub fn channel(&self) -> ChannelId {
        self.channel
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

    /// The row at a place; the others differ from it in start and value only.
    #[inline]
    pub fn row(&self, at: usize) -> Row {
        let Message { device, message_time, issued_at, sequence, .. } = *self.message;
        let Like { unit, quality, reason, flags, canonical, scale, .. } = *self.like;
        let value = Decimal::new(self.values[at], scale);
        let key = self.key(at);
        Row { key, value, unit, quality, canonical, reason, flags, device, message_time, issued_at, sequence }
    }

    /// Every row, in their order.
    pub fn rows(self) -> impl Iterator<Item = Row> + 'a {
        (0..self.len()).map(move |at| self.row(at))
    }

    /// Key of the first row.
    pub fn first_key(&self) -> RowKey {
        self.key(0)
    }

    /// Key of the last row.
    pub fn last_key(&self) -> RowKey {
        self.key(self.len() - 1)
    }

    #[inline]
    fn key(&self, at: usize) -> RowKey {
        let start = Timestamp(self.starts[at]);
        RowKey { tenant: self.message.tenant, channel: self.channel, start, span: self.like.span }
    }

    /// `len` of its rows, from a place on.
    pub fn part(&self, from: usize, len: usize) -> Run<'a> {
        Run { starts: &self.starts[from..from + len], values: &self.values[from..from + len], ..*self }
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

    #[test]
    fn messages_of_a_meter_share_what_their_registers_are_like() {
        let of =
            |minute: i64, register: i64| row(register, minute * 60, 0, minute, u32::try_from(register).expect("few"));
        let rows: Vec<Row> = (0..500).flat_map(|minute| (0..11).map(move |register| of(minute, register))).collect();
        let runs: Runs = rows.iter().collect();
        assert_eq!((runs.likes.len(), runs.messages.len(), runs.run_count()), (11, 1, 5_500));
        assert_eq!(told(runs.rows()), told(rows));
    }

    #[test]
    fn more_kinds_of_rows_than_are_searched_come_out_as_they_went_in() {
        let kind = |at: i64| u32::try_from(at * 7_919 % 1_009).expect("small");
        let rows: Vec<Row> = (0..5_000).map(|at| row(at % 3, at, 1, at, kind(at))).collect();
        let runs: Runs = rows.iter().collect();
        assert!(runs.likes.len() <= runs.run_count());
        assert_eq!(told(runs.rows()), told(rows));
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
