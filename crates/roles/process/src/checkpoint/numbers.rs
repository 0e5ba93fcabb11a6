//! Numbers in few bytes: seven bits each, and of records of which each is like
//! the one before only what differs.
//!
//! Promise: what is put is taken, number for number; bytes that nobody put give
//! none or other numbers, never a panic.

pub(super) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

pub(super) fn put_signed(bytes: &mut Vec<u8>, number: i64) {
    put(bytes, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Takes numbers from where the last one ended.
pub(super) struct Numbers<'a> {
    bytes: &'a [u8],
}

impl<'a> Numbers<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Numbers<'a> {
        Numbers { bytes }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for (place, byte) in self.bytes.iter().enumerate().take(10) {
            number |= u64::from(byte & 0x7f) << (7 * place);
            if *byte < 0x80 {
                self.bytes = &self.bytes[place + 1..];
                return Some(number);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(super) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(bytes)
    }
}

/// Records of `N` fields: a bit for each that differs from the one before, and by how much.
pub(super) struct Deltas<const N: usize> {
    last: [i64; N],
}

impl<const N: usize> Default for Deltas<N> {
    fn default() -> Self {
        const { assert!(N < 64) };
        Deltas { last: [0; N] }
    }
}

impl<const N: usize> Deltas<N> {
    pub(super) fn put(&mut self, bytes: &mut Vec<u8>, fields: [i64; N]) {
        let pairs = || fields.iter().zip(&self.last);
        let differs = pairs().enumerate().filter(|(_, (field, last))| field != last);
        put(bytes, differs.fold(0, |bits, (place, _)| bits | 1 << place));
        for (field, last) in pairs().filter(|(field, last)| field != last) {
            put_signed(bytes, field.wrapping_sub(*last));
        }
        self.last = fields;
    }

    pub(super) fn take(&mut self, numbers: &mut Numbers<'_>) -> Option<[i64; N]> {
        let differs = numbers.number()?;
        for (place, field) in self.last.iter_mut().enumerate() {
            if differs >> place & 1 == 1 {
                *field = field.wrapping_add(numbers.signed()?);
            }
        }
        Some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_number() -> impl Strategy<Value = i64> {
        prop_oneof![any::<i64>(), -200_i64..200, Just(i64::MIN), Just(i64::MAX)]
    }

    proptest! {
        #[test]
        fn what_is_put_is_taken(
            records in prop::collection::vec(prop::array::uniform5(any_number()), 0..30),
            numbers in prop::collection::vec(any_number(), 0..30),
        ) {
            let mut bytes = Vec::new();
            let mut deltas = Deltas::<5>::default();
            records.iter().for_each(|record| deltas.put(&mut bytes, *record));
            for number in &numbers {
                put_signed(&mut bytes, *number);
                put(&mut bytes, number.cast_unsigned());
            }
            let mut taken = Numbers::of(&bytes);
            let mut deltas = Deltas::<5>::default();
            for record in records {
                prop_assert_eq!(deltas.take(&mut taken), Some(record));
            }
            for number in numbers {
                prop_assert_eq!(taken.signed(), Some(number));
                prop_assert_eq!(taken.number(), Some(number.cast_unsigned()));
            }
            prop_assert!(taken.is_at_end());
        }

        #[test]
        fn nobodys_bytes_are_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut taken = Numbers::of(&bytes);
            let mut deltas = Deltas::<5>::default();
            while deltas.take(&mut taken).is_some() {}
        }
    }
}
