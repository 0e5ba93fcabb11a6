//! A cut of one column: at most a page of values, none of them null.

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType};

use super::bits::pack;
use super::distinct::write_text;

/// Neighbours compared at a time before anyone asks which of them differ.
const COMPARED: usize = 32;

/// Values of one of the types that our tables have.
pub(crate) enum Values<'a> {
    /// Of any width: as 64 bits.
    Integers(&'a [i64]),
    Texts {
        offsets: &'a OffsetBuffer<i32>,
        bytes: &'a [u8],
    },
    Truths(&'a BooleanArray),
}

impl<'a> Values<'a> {
    /// Narrow integers are widened into `spare`.
    pub(crate) fn of(array: &'a dyn Array, spare: &'a mut Vec<i64>) -> Values<'a> {
        spare.clear();
        match array.data_type() {
            DataType::Int64 => return Values::Integers(array.as_primitive::<Int64Type>().values()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                return Values::Integers(array.as_primitive::<TimestampMicrosecondType>().values());
            }
            DataType::Int8 => spare.extend(array.as_primitive::<Int8Type>().values().iter().map(|v| i64::from(*v))),
            DataType::Int16 => spare.extend(array.as_primitive::<Int16Type>().values().iter().map(|v| i64::from(*v))),
            DataType::Int32 => spare.extend(array.as_primitive::<Int32Type>().values().iter().map(|v| i64::from(*v))),
            DataType::Utf8 => {
                let texts = array.as_string::<i32>();
                return Values::Texts { offsets: texts.offsets(), bytes: texts.values() };
            }
            DataType::Binary => {
                let texts = array.as_binary::<i32>();
                return Values::Texts { offsets: texts.offsets(), bytes: texts.values() };
            }
            DataType::Boolean => return Values::Truths(array.as_boolean()),
            other => unreachable!("no column of ours is {other}"),
        }
        Values::Integers(spare)
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Values::Integers(values) => values.len(),
            Values::Texts { offsets, .. } => offsets.len() - 1,
            Values::Truths(values) => values.len(),
        }
    }

    /// The text of a row.
    pub(crate) fn text(&self, row: usize) -> &'a [u8] {
        match self {
            Values::Texts { offsets, bytes } => &bytes[offsets[row] as usize..offsets[row + 1] as usize],
            _ => unreachable!("asked of texts"),
        }
    }

    /// The rows that differ from the one before, and the first.
    pub(crate) fn begins(&self, begins: &mut Vec<u32>) {
        begins.clear();
        if self.len() == 0 {
            return;
        }
        begins.push(0);
        match self {
            Values::Integers(values) => begins_of_integers(values, begins),
            Values::Texts { offsets, bytes } => {
                let mut at = 1;
                while at < self.len() {
                    let end = self.len().min(at + COMPARED);
                    if !all_alike(&offsets[at - 1..=end], bytes) {
                        let differs = |row: &usize| self.text(*row) != self.text(*row - 1);
                        begins.extend((at..end).filter(differs).map(|row| row as u32));
                    }
                    at = end;
                }
            }
            Values::Truths(_) => unreachable!("truths are as short as their numbers would be"),
        }
    }

    /// Writes them plainly; integers in `bytes` bytes each.
    pub(crate) fn write_plain(&self, width_bytes: usize, out: &mut Vec<u8>) {
        match self {
            Values::Integers(values) => {
                out.reserve(values.len() * width_bytes);
                values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()[..width_bytes]));
            }
            Values::Texts { .. } => (0..self.len()).for_each(|row| write_text(self.text(row), out)),
            Values::Truths(values) => pack((0..values.len()).map(|row| u64::from(values.value(row))), 1, out),
        }
    }
}

fn begins_of_integers(values: &[i64], begins: &mut Vec<u32>) {
    let mut at = 1;
    while at < values.len() {
        let end = values.len().min(at + COMPARED);
        let (before, after) = (&values[at - 1..end - 1], &values[at..end]);
        let differing = before.iter().zip(after).fold(0, |bits, (before, after)| bits | (before ^ after));
        if differing != 0 {
            // Each row is noted and counted only if it differs: no branch to guess at.
            let mut noted = [0; COMPARED];
            let mut count = 0;
            for (row, (before, after)) in (at as u32..).zip(before.iter().zip(after)) {
                noted[count] = row;
                count += usize::from(before != after);
            }
            begins.extend_from_slice(&noted[..count]);
        }
        at = end;
    }
}

/// Whether texts are all the same: they have one length, and moved by that length
/// their bytes are the same bytes.
fn all_alike(offsets: &[i32], bytes: &[u8]) -> bool {
    let length = offsets[1] - offsets[0];
    let bytes = &bytes[offsets[0] as usize..offsets[offsets.len() - 1] as usize];
    offsets.windows(2).all(|pair| pair[1] - pair[0] == length)
        && bytes.get(length as usize..).is_some_and(|moved| moved == &bytes[..moved.len()])
}
