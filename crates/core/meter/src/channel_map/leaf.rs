//! Neighbouring channels and their numbers, packed.
//!
//! Promise: every number comes out as it was put in, the extremes too. Of each
//! field a base is kept once, and of each channel as many bytes as the leaf's
//! numbers need beyond it: none where all are alike. Reading is a load and an
//! addition a field, whatever its width.

/// Entries of a leaf. One that comes between others moves half of them.
pub(super) const LEAF_MAX: usize = 128;
/// Rows that room is made for at a time.
const ROWS_STEP: usize = 16;
/// Numbers are loaded and stored as eight bytes, so that many lie behind the last row.
const WORD_BYTES: usize = 8;
/// The largest number of so many bytes. None has more than eight; there are sixteen
/// for the compiler to see that four bits are always one of them.
const LARGEST: [u64; 16] = {
    let mut largest = [u64::MAX; 16];
    let mut width = 0;
    while width < WORD_BYTES {
        largest[width] = (1 << (8 * width)) - 1;
        width += 1;
    }
    largest
};

const _: () = assert!(LEAF_MAX.is_multiple_of(ROWS_STEP) && LEAF_MAX <= u8::MAX as usize);

/// See the module.
#[derive(Debug)]
pub(super) struct Leaf<const N: usize> {
    /// From the leaf's first channel, ascending.
    distances: [u16; LEAF_MAX],
    count: u8,
    /// Bytes of a row.
    stride: u8,
    /// Bytes of each field.
    widths: [u8; N],
    bases: [i64; N],
    /// The fields of the first channel, one behind the other; then the next channel's.
    rows: Vec<u8>,
}

impl<const N: usize> Leaf<N> {
    /// Of one channel, the first.
    pub(super) fn new(numbers: [i64; N]) -> Leaf<N> {
        const { assert!(N * WORD_BYTES <= u8::MAX as usize) };
        let mut leaf = Leaf {
            distances: [0; LEAF_MAX],
            count: 0,
            stride: 0,
            widths: [0; N],
            bases: numbers,
            rows: vec![0; WORD_BYTES],
        };
        leaf.insert(0, 0, numbers);
        leaf
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.count)
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() == LEAF_MAX
    }

    /// Where a channel is, or has to go. Who asks in order finds it where he was, behind
    /// that or behind all.
    #[inline]
    pub(super) fn find(&self, distance: u16, before: usize) -> Result<usize, usize> {
        let is = |at: &usize| self.distances().get(*at) == Some(&distance);
        if let Some(at) = [before, before + 1].into_iter().find(is) {
            return Ok(at);
        }
        if self.distances().last().is_none_or(|last| *last < distance) {
            return Err(self.len());
        }
        self.distances().binary_search(&distance)
    }

    pub(super) fn distances(&self) -> &[u16] {
        &self.distances[..self.len()]
    }

    /// The numbers at a place. Within whoever asks, so that what he does not look at is not loaded.
    #[inline(always)]
    pub(super) fn get(&self, at: usize) -> [i64; N] {
        let (mut numbers, mut from) = (self.bases, at * self.stride());
        for (number, width) in numbers.iter_mut().zip(self.widths) {
            *number = number.wrapping_add((word(&self.rows, from) & largest(width)).cast_signed());
            from += usize::from(width);
        }
        numbers
    }

    /// Puts others in their place.
    #[inline]
    pub(super) fn set(&mut self, at: usize, numbers: [i64; N]) {
        self.make_fit(&numbers);
        self.put(at, &numbers);
    }

    /// Takes in one more; there is room.
    pub(super) fn insert(&mut self, at: usize, distance: u16, numbers: [i64; N]) {
        self.make_fit(&numbers);
        let (count, stride) = (self.len(), self.stride());
        if count.is_multiple_of(ROWS_STEP) {
            self.rows.reserve_exact(ROWS_STEP * stride);
        }
        self.rows.resize(self.rows.len() + stride, 0);
        self.rows.copy_within(at * stride..count * stride, (at + 1) * stride);
        self.distances.copy_within(at..count, at + 1);
        self.distances[at] = distance;
        self.count += 1;
        self.put(at, &numbers);
    }

    /// Makes a channel so far before the first the one that distances are counted
    /// from; false if the last is too far from it.
    pub(super) fn begin_earlier(&mut self, by: u16) -> bool {
        let near = self.distances().last().is_none_or(|last| last.checked_add(by).is_some());
        if near {
            let count = self.len();
            self.distances[..count].iter_mut().for_each(|distance| *distance += by);
        }
        near
    }

    /// Gives the later half away, and how far from here it begins.
    pub(super) fn split(&mut self) -> (u16, Leaf<N>) {
        let half = self.len() / 2;
        let begins = self.distances[half];
        let mut later = Leaf::new(self.get(half));
        for at in half + 1..self.len() {
            later.insert(at - half, self.distances[at] - begins, self.get(at));
        }
        self.count = half as u8;
        self.rows.truncate(half * self.stride() + WORD_BYTES);
        self.rows.shrink_to_fit();
        (begins, later)
    }

    fn stride(&self) -> usize {
        usize::from(self.stride)
    }

    /// Chooses bases and widths anew if these numbers are not within those there are.
    fn make_fit(&mut self, numbers: &[i64; N]) {
        let fits = |field: usize| beyond(numbers[field], self.bases[field]) <= largest(self.widths[field]);
        if (0..N).all(fits) {
            return;
        }
        let rows: Vec<[i64; N]> = (0..self.len()).map(|at| self.get(at)).collect();
        for field in 0..N {
            let of = |range: (i64, i64), row: &[i64; N]| (range.0.min(row[field]), range.1.max(row[field]));
            let there = rows.iter().fold((i64::MAX, i64::MIN), of);
            (self.bases[field], self.widths[field]) = base_and_width(of(there, numbers), numbers[field] > there.1);
        }
        self.stride = self.widths.iter().sum();
        let rows_kept = rows.len().next_multiple_of(ROWS_STEP);
        self.rows = Vec::with_capacity(rows_kept * self.stride() + WORD_BYTES);
        self.rows.resize(rows.len() * self.stride() + WORD_BYTES, 0);
        rows.iter().enumerate().for_each(|(at, row)| self.put(at, row));
    }

    /// A word for each field in turn: what it writes beyond the field the next one
    /// puts right, and behind the row what was there is put back.
    fn put(&mut self, at: usize, numbers: &[i64; N]) {
        let mut from = at * self.stride();
        let end = from + self.stride();
        let behind = word(&self.rows, end);
        for (field, number) in numbers.iter().enumerate() {
            self.rows[from..][..WORD_BYTES].copy_from_slice(&beyond(*number, self.bases[field]).to_le_bytes());
            from += usize::from(self.widths[field]);
        }
        self.rows[end..][..WORD_BYTES].copy_from_slice(&behind.to_le_bytes());
    }
}

/// A base and a width for the numbers of this range, and room for three times as
/// many: times and sequence numbers go on by about what they differ by. Most of the
/// room lies where they grow, or else half of it on either side.
fn base_and_width((least, greatest): (i64, i64), grow: bool) -> (i64, u8) {
    let range = beyond(greatest, least);
    let width = (u64::BITS - range.saturating_mul(4).leading_zeros()).div_ceil(8) as u8;
    let room = largest(width) - range;
    let before = if grow { room / 8 } else { room / 2 };
    (least.wrapping_sub(before.cast_signed()), width)
}

/// How far a number is beyond a base; beyond the end of all numbers it goes on from their beginning.
#[inline]
fn beyond(number: i64, base: i64) -> u64 {
    number.wrapping_sub(base).cast_unsigned()
}

#[inline]
fn largest(width: u8) -> u64 {
    LARGEST[usize::from(width & 15)]
}

/// Eight bytes, of which there are as many behind every field. Nothing fails here, so
/// that of numbers nobody looks at nothing is read.
#[inline]
fn word(rows: &[u8], from: usize) -> u64 {
    let word = rows.get(from..).and_then(|rest| rest.first_chunk());
    word.map_or(0, |word| u64::from_le_bytes(*word))
}
