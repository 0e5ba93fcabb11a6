//! Rows in runs: readings that follow each other in one channel and differ only
//! in their start, their value and the message they came in, as a day of half-hours does.
//!
//! Promise: the same rows as if each were held by itself, in the same order; a
//! run is only a shorter way to hold them. What asks about a run as a whole
//! (is its time free? is it one month?) need not ask about every row.
//!
//! What the rows of a message share, and what those of a register are like each
//! time, is held apart: a row takes 20 bytes and a run 16 more, instead of the 112
//! of a row by itself.

#[cfg(test)]
pub(crate) mod tests;

use crate::{ChannelId, Decimal, DeviceId, Flags, Quality, Row, RowKey, Sequence, Span, TenantId, Timestamp, Word};

/// Rows, each run of them held once: 16 bytes a run and 20 a row, and what they share.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    heads: Vec<Head>,
    likes: Vec<Like>,
    /// The one of `likes` found last.
    likely: usize,
    deliveries: Vec<Delivery>,
    starts: Vec<i64>,
    values: Vec<i64>,
    /// Of each row the place among `deliveries`.
    delivered: Vec<u32>,
    /// A run begins at or before the end of the one before it.
    unsorted: bool,
}

/// A run: whose it is, and where it begins. It ends where the next one begins.
#[derive(Clone, Copy, Debug)]
struct Head {
    channel: ChannelId,
    like: u32,
    from: u32,
}

/// What the rows of a message have in common, as a rule.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// The device that measured.
    pub device: DeviceId,
    /// See [`Row::message_time`].
    pub message_time: Timestamp,
    /// See [`Row::issued_at`].
    pub issued_at: Timestamp,
    /// The journal record.
    pub sequence: Sequence,
}

/// What the rows of a register have in common, as a rule, whatever message they are of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Like {
    pub(crate) tenant: TenantId,
    unit: Word,
    pub(crate) span: Span,
    quality: Word,
    reason: Word,
    flags: Flags,
    canonical: Quality,
    scale: u8,
}

const _: () = assert!(size_of::<Head>() == 16 && size_of::<Delivery>() == 32 && size_of::<Like>() == 32);

/// Registers come round and round: what is not next is looked for among so many, or held again.
const LIKES_SEARCHED: usize = 64;

/// Some rows of one run, at least one.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    channel: ChannelId,
    like: &'a Like,
    deliveries: &'a [Delivery],
    starts: &'a [i64],
    values: &'a [i64],
    delivered: &'a [u32],
}

/// Spot values further apart than a day are no run: nobody says that the time
/// between them is spoken for.
pub const SPOT_SLACK_MICROS: i64 = 86_400_000_000;

// Asked of every reading, and nearly always true: all at once, without a branch a field.

impl PartialEq for Delivery {
    #[inline]
    fn eq(&self, other: &Delivery) -> bool {
        (self.device == other.device)
            & (self.message_time == other.message_time)
            & (self.issued_at == other.issued_at)
            & (self.sequence == other.sequence)
    }
}

impl PartialEq for Like {
    #[inline]
    fn eq(&self, other: &Like) -> bool {
        (self.tenant == other.tenant)
            & (self.span == other.span)
            & (self.unit == other.unit)
            & (self.quality == other.quality)
            & (self.reason == other.reason)
            & (self.flags == other.flags)
            & (self.canonical as u8 == other.canonical as u8)
            & (self.scale == other.scale)
    }
}

impl Delivery {
    #[inline]
    fn of(row: &Row) -> Delivery {
        let Row { device, message_time, issued_at, sequence, .. } = *row;
        Delivery { device, message_time, issued_at, sequence }
    }
}

impl Like {
    #[inline]
    fn of(row: &Row) -> Like {
        let Row { key: RowKey { tenant, span, .. }, value, unit, quality, canonical, reason, flags, .. } = *row;
        Like { tenant, span, unit, quality, reason, flags, canonical, scale: value.scale }
    }
}

impl Runs {
    /// Rows held at most: places among them are 32 bits.
    pub const ROWS_MAX: usize = u32::MAX as usize;

    /// With room for so many rows, in so many runs.
    pub fn with_capacity(rows: usize, runs: usize) -> Runs {
        let (starts, values, delivered) =
            (Vec::with_capacity(rows), Vec::with_capacity(rows), Vec::with_capacity(rows));
        Runs { heads: Vec::with_capacity(runs), starts, values, delivered, ..Runs::default() }
    }

    /// Takes a row in after the others.
    ///
    /// # Panics
    ///
    /// Beyond [`Runs::ROWS_MAX`] rows.
    pub fn push(&mut self, row: &Row) {
        let (key, value) = (&row.key, row.value.value);
        let like = &Like::of(row);
        let goes_on = self.heads.last().is_some_and(|head| {
            head.channel == key.channel
                && follows(self.starts[self.starts.len() - 1], key.start.0, key.span.0)
                && self.likes[head.like as usize] == *like
        });
        if !goes_on {
            let like = self.like(like);
            self.begin(key.channel, like, key.start.0);
        }
        let delivery = self.delivery(&Delivery::of(row));
        self.push_row(key.start.0, value, delivery);
    }

    /// Others without rows, that can take in runs of these.
    #[must_use]
    pub fn emptied(&self) -> Runs {
        Runs { likes: self.likes.clone(), deliveries: self.deliveries.clone(), ..Runs::default() }
    }

    /// Takes in rows of one run after the others; it is of the [`Runs`] that these are [`Runs::emptied`] of.
    pub fn push_run(&mut self, run: &Run<'_>) {
        let like = self.like(run.like);
        self.begin_unless(true, run.channel, like, run.starts[0]);
        self.push_rows(run, 0);
    }

    /// Begins a run, unless what starts there may go on with the last one and does.
    #[inline]
    pub(crate) fn begin_unless(&mut self, may_go_on: bool, channel: ChannelId, like: u32, start: i64) {
        let goes_on = may_go_on
            && self.heads.last().is_some_and(|head| {
                let span = self.likes[like as usize].span.0;
                head.channel == channel && head.like == like && follows(self.starts[self.starts.len() - 1], start, span)
            });
        if !goes_on {
            self.begin(channel, like, start);
        }
    }

    fn begin(&mut self, channel: ChannelId, like: u32, start: i64) {
        if let Some(last) = self.heads.len().checked_sub(1)
            && !self.unsorted
        {
            let Like { tenant, span, .. } = self.likes[like as usize];
            let key = RowKey { tenant, channel, start: Timestamp(start), span };
            self.unsorted = key <= self.run_at(last).last_key();
        }
        self.heads.push(Head { channel, like, from: narrow(self.starts.len()) });
    }

    /// Behind the last row of the last run.
    #[inline]
    pub(crate) fn push_row(&mut self, start: i64, value: i64, delivery: u32) {
        assert!(self.starts.len() < Runs::ROWS_MAX, "fewer than 2^32 rows");
        self.starts.push(start);
        self.values.push(value);
        self.delivered.push(delivery);
    }

    /// As [`Runs::push_row`], for rows whose deliveries begin here at `from`.
    pub(crate) fn push_rows(&mut self, run: &Run<'_>, from: u32) {
        assert!(self.starts.len() + run.len() <= Runs::ROWS_MAX, "fewer than 2^32 rows");
        self.starts.extend_from_slice(run.starts);
        self.values.extend_from_slice(run.values);
        self.delivered.extend(run.delivered.iter().map(|delivery| from + delivery));
    }

    /// The place of a delivery: the last one, or a new one.
    #[inline]
    fn delivery(&mut self, delivery: &Delivery) -> u32 {
        if self.deliveries.last() != Some(delivery) {
            self.deliveries.push(*delivery);
        }
        narrow(self.deliveries.len() - 1)
    }

    /// The place of what rows are like.
    #[inline]
    pub(crate) fn like(&mut self, like: &Like) -> u32 {
        let next = if self.likely + 1 < self.likes.len() { self.likely + 1 } else { 0 };
        let is = |place: &usize| self.likes.get(*place) == Some(like);
        let found = [next, self.likely].into_iter().find(is);
        self.likely = found.or_else(|| (0..self.likes.len().min(LIKES_SEARCHED)).find(is)).unwrap_or_else(|| {
            self.likes.push(*like);
            self.likes.len() - 1
        });
        narrow(self.likely)
    }

    /// Takes in the deliveries of others, and where they begin here.
    pub(crate) fn take_deliveries(&mut self, others: &Runs) -> u32 {
        let from = narrow(self.deliveries.len());
        self.deliveries.extend_from_slice(&others.deliveries);
        from
    }

    /// Without rows, but with what rows may share.
    pub(crate) fn clear_rows(&mut self) {
        self.heads.clear();
        self.starts.clear();
        self.values.clear();
        self.delivered.clear();
        self.unsorted = false;
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// In how many runs.
    pub fn run_count(&self) -> usize {
        self.heads.len()
    }

    /// Of how many deliveries.
    pub fn delivery_count(&self) -> usize {
        self.deliveries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Memory they take, about.
    pub fn bytes(&self) -> usize {
        self.heads.len() * size_of::<Head>()
            + self.deliveries.len() * size_of::<Delivery>()
            + self.likes.len() * size_of::<Like>()
            + self.starts.len() * (2 * size_of::<i64>() + size_of::<u32>())
    }

    /// The runs in their order.
    pub fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        (0..self.heads.len()).map(|place| self.run_at(place))
    }

    /// The run at a place.
    #[inline]
    pub fn run_at(&self, place: usize) -> Run<'_> {
        let Head { channel, like, from } = self.heads[place];
        let to = self.heads.get(place + 1).map_or(self.starts.len(), |next| next.from as usize);
        let rows = from as usize..to;
        Run {
            channel,
            like: &self.likes[like as usize],
            deliveries: &self.deliveries,
            starts: &self.starts[rows.clone()],
            values: &self.values[rows.clone()],
            delivered: &self.delivered[rows],
        }
    }

    /// The least and the greatest start of a row, in microseconds of UTC; none where there are no rows.
    pub fn bounds(&self) -> Option<(i64, i64)> {
        let first = |place: usize| self.starts[self.heads[place].from as usize];
        let end = |place: usize| self.heads.get(place + 1).map_or(self.starts.len(), |next| next.from as usize);
        let ends = (0..self.heads.len()).map(|place| (first(place), self.starts[end(place) - 1]));
        ends.reduce(|(least, most), (first, last)| (least.min(first), most.max(last)))
    }

    /// The runs of a channel, where the rows lie in key order.
    pub fn of_channel(&self, tenant: TenantId, channel: ChannelId) -> impl Iterator<Item = Run<'_>> {
        let whose = |head: &Head| (self.likes[head.like as usize].tenant, head.channel);
        let from = self.heads.partition_point(|head| whose(head) < (tenant, channel));
        let more = self.heads[from..].iter().take_while(move |head| whose(head) == (tenant, channel)).count();
        (from..from + more).map(|place| self.run_at(place))
    }

    /// Every row, in their order.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.runs().flat_map(|run| run.rows())
    }

    /// The row of a key, where the rows lie in key order and each key is there once.
    pub fn find(&self, key: &RowKey) -> Option<Row> {
        self.find_all(std::slice::from_ref(key)).pop()
    }

    /// The rows of those of some keys, in key order, that are there, where the rows lie in
    /// key order and each key is there once. What is not near is stepped over in leaps.
    pub fn find_all(&self, mut keys: &[RowKey]) -> Vec<Row> {
        let first_key = |head: &Head| {
            let Like { tenant, span, .. } = self.likes[head.like as usize];
            RowKey { tenant, channel: head.channel, start: Timestamp(self.starts[head.from as usize]), span }
        };
        let (mut found, mut begun) = (Vec::new(), 0);
        while let Some(key) = keys.first() {
            begun += leading(&self.heads[begun..], |head| first_key(head) <= *key);
            let before = begun.checked_sub(1).map(|last| self.run_at(last)).filter(|run| *key <= run.last_key());
            let passed = if let Some(run) = before {
                let within = leading(keys, |key| *key <= run.last_key());
                let at = |key: &RowKey| run.starts.binary_search(&key.start.0).ok();
                let rows =
                    keys[..within].iter().filter_map(|key| Some(run.row(at(key)?)).filter(|row| row.key == *key));
                found.extend(rows);
                within
            } else {
                let Some(next) = self.heads.get(begun).map(first_key) else { break };
                leading(keys, |key| *key < next)
            };
            keys = &keys[passed..];
        }
        found
    }

    /// Whether every row comes after the one before it.
    pub(crate) fn is_sorted(&self) -> bool {
        !self.unsorted
    }

    /// Makes room for so many more rows, in so many runs.
    pub(crate) fn reserve(&mut self, rows: usize, runs: usize) {
        self.heads.reserve(runs);
        self.starts.reserve(rows);
        self.values.reserve(rows);
        self.delivered.reserve(rows);
    }

    /// What the rows of the run at a place are like, by its place among `likes`.
    #[inline]
    pub(crate) fn like_of(&self, place: usize) -> usize {
        self.heads[place].like as usize
    }

    #[inline]
    pub(crate) fn like_at(&self, place: u32) -> &Like {
        &self.likes[place as usize]
    }

    /// What rows are like, each once or nearly.
    pub(crate) fn likes(&self) -> &[Like] {
        &self.likes
    }

    /// The run that so many more rows, at least one, end in, behind the beginning of one.
    pub(crate) fn run_after(&self, place: usize, rows: usize) -> usize {
        let to = self.heads[place].from as usize + rows;
        // None is without rows: it is not far.
        let near = &self.heads[place..self.heads.len().min(place + rows)];
        place + near.partition_point(|head| (head.from as usize) < to) - 1
    }
}

/// How many of the first ones are so, where none behind them is: in leaps, for it is few as a rule.
fn leading<T>(all: &[T], is: impl Fn(&T) -> bool) -> usize {
    let mut end = 1;
    while all.get(end - 1).is_some_and(&is) {
        end *= 2;
    }
    let from = end / 2;
    from + all[from..all.len().min(end)].partition_point(is)
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
#[inline]
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

    /// Of each row the place of its delivery among those of the [`Runs`].
    pub fn delivered(&self) -> &'a [u32] {
        self.delivered
    }

    /// What the row at a place shares with others of its message.
    #[inline]
    pub fn delivery(&self, at: usize) -> &'a Delivery {
        &self.deliveries[self.delivered[at] as usize]
    }

    /// The row at a place; the others differ from it in start, value and delivery only.
    #[inline]
    pub fn row(&self, at: usize) -> Row {
        let Delivery { device, message_time, issued_at, sequence } = *self.delivery(at);
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
        let Like { tenant, span, .. } = *self.like;
        RowKey { tenant, channel: self.channel, start: Timestamp(self.starts[at]), span }
    }

    /// `len` of its rows, from a place on.
    #[must_use]
    pub fn part(&self, from: usize, len: usize) -> Run<'a> {
        let rows = from..from + len;
        Run {
            starts: &self.starts[rows.clone()],
            values: &self.values[rows.clone()],
            delivered: &self.delivered[rows],
            ..*self
        }
    }
}
