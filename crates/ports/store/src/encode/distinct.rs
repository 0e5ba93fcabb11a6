//! The distinct values of a column, numbered as they come.
//!
//! Promise: no sequence of values makes a look-up long. Where one would be, the
//! values count as too many, and the column is written without a dictionary.

/// With more, numbers are so wide that little is saved, and the reader of one
/// channel would read all the others' values.
const VALUES_MAX: usize = 1 << 13;
/// Of texts, which have no size of their own.
const BYTES_MAX: usize = 1 << 18;
/// Places looked at: a half-full table of chance values needs fewer.
const PROBES_MAX: usize = 32;
/// Of an empty table, doubled while more than a quarter is taken.
const SLOTS_MIN: usize = 64;
const HASH: u64 = 0x9e37_79b9_7f4a_7c15;

/// Places of values by their hash.
#[derive(Default)]
struct Slots {
    /// Number of the value plus one; zero where there is none.
    numbers: Vec<u32>,
}

impl Slots {
    /// The number of a value, or the empty place where it belongs; neither if that takes too long.
    fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<Result<u32, usize>> {
        let slots = self.numbers.len();
        let first = (hash >> (u64::BITS - slots.ilog2())) as usize;
        for place in (first..first + PROBES_MAX).map(|place| place & (slots - 1)) {
            match self.numbers[place] {
                0 => return Some(Err(place)),
                number if is_it(number - 1) => return Some(Ok(number - 1)),
                _ => {}
            }
        }
        None
    }

    /// Makes room for one more than `count` values; false if they no longer find places.
    fn make_room(&mut self, count: usize, hash_of: impl Fn(u32) -> u64) -> bool {
        if 4 * count < self.numbers.len() {
            return true;
        }
        self.numbers = vec![0; SLOTS_MIN.max(2 * self.numbers.len())];
        (0..count as u32).all(|number| match self.find(hash_of(number), |_| false) {
            Some(Err(place)) => {
                self.numbers[place] = number + 1;
                true
            }
            _ => false,
        })
    }
}

/// Distinct integers.
#[derive(Default)]
pub(crate) struct Integers {
    pub values: Vec<i64>,
    slots: Slots,
    /// Which number came last, and after each number the one that came after it:
    /// times of messages come in the same turn for channel after channel.
    last: u32,
    next: Vec<u32>,
}

impl Integers {
    /// None if there are too many.
    pub(crate) fn number_of(&mut self, value: i64) -> Option<u32> {
        let guess = self.next.get(self.last as usize).copied().unwrap_or(0);
        if self.values.get(guess as usize) == Some(&value) {
            self.last = guess;
            return Some(guess);
        }
        let number = self.look_up(value)?;
        if let Some(next) = self.next.get_mut(self.last as usize) {
            *next = number;
        }
        self.next.resize(self.values.len(), 0);
        self.last = number;
        Some(number)
    }

    fn look_up(&mut self, value: i64) -> Option<u32> {
        let Integers { values, slots, .. } = self;
        if !slots.make_room(values.len(), |number| hash_of_integer(values[number as usize])) {
            return None;
        }
        match slots.find(hash_of_integer(value), |number| values[number as usize] == value)? {
            Ok(number) => Some(number),
            Err(_) if values.len() == VALUES_MAX => None,
            Err(place) => {
                values.push(value);
                slots.numbers[place] = values.len() as u32;
                Some(values.len() as u32 - 1)
            }
        }
    }
}

/// Both halves tell: times differ in the upper one, counters in the lower.
fn hash_of_integer(value: i64) -> u64 {
    (value as u64 ^ value as u64 >> 32).wrapping_mul(HASH)
}

/// Distinct texts.
#[derive(Default)]
pub(crate) struct Texts {
    /// All of them, one behind the other as Parquet writes them: length, then bytes.
    pub bytes: Vec<u8>,
    /// Where each begins, past its length, and ends.
    places: Vec<(u32, u32)>,
    slots: Slots,
}

impl Texts {
    /// None if there are too many.
    pub(crate) fn number_of(&mut self, text: &[u8]) -> Option<u32> {
        let Texts { bytes, places, slots } = self;
        let text_of = |number: u32| {
            let (begin, end) = places[number as usize];
            &bytes[begin as usize..end as usize]
        };
        if !slots.make_room(places.len(), |number| hash_of_text(text_of(number))) {
            return None;
        }
        match slots.find(hash_of_text(text), |number| text_of(number) == text)? {
            Ok(number) => Some(number),
            Err(_) if places.len() == VALUES_MAX || bytes.len() + text.len() > BYTES_MAX => None,
            Err(place) => {
                let begin = bytes.len() as u32 + 4;
                write_text(text, bytes);
                places.push((begin, begin + text.len() as u32));
                slots.numbers[place] = places.len() as u32;
                Some(places.len() as u32 - 1)
            }
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.places.len()
    }
}

fn hash_of_text(text: &[u8]) -> u64 {
    text.chunks(8).fold(text.len() as u64, |hash, piece| {
        let mut bytes = [0; 8];
        bytes[..piece.len()].copy_from_slice(piece);
        (hash.rotate_left(29) ^ u64::from_le_bytes(bytes)).wrapping_mul(HASH)
    })
}

/// As Parquet writes a text plainly.
pub(crate) fn write_text(text: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(text.len()).expect("no text is as long as 4 GiB");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text);
}
