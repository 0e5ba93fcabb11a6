//! Parquet's RLE/bit-packing hybrid: runs as a length and a number, anything
//! else as bits, eight numbers at a time.

use super::bits::{pack, varint};

/// So many rows in a row have this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub number: u32,
    pub rows: u32,
}

/// Bit-packed numbers come in groups of so many.
const GROUP: usize = 8;

/// Writes runs of numbers of at most `width` bits, which is not zero. `spare` is
/// emptied; it is kept from call to call for its room.
pub(crate) fn write_runs(runs: &[Run], width: u32, spare: &mut Vec<u32>, out: &mut Vec<u8>) {
    spare.clear();
    for run in runs {
        if run.rows == 1 {
            spare.push(run.number);
            continue;
        }
        let mut rows = run.rows as usize;
        // A group that has begun takes from the run what it lacks.
        let lacking = (GROUP - spare.len() % GROUP) % GROUP;
        let given = lacking.min(rows);
        spare.resize(spare.len() + given, run.number);
        rows -= given;
        if rows < GROUP {
            spare.resize(spare.len() + rows, run.number);
            continue;
        }
        write_packed(spare, width, out);
        varint((rows as u64) << 1, out);
        out.extend_from_slice(&run.number.to_le_bytes()[..width.div_ceil(8) as usize]);
    }
    // What is past the last row is not read.
    spare.resize(spare.len().next_multiple_of(GROUP), 0);
    write_packed(spare, width, out);
}

/// Writes what has gathered, and empties it.
fn write_packed(numbers: &mut Vec<u32>, width: u32, out: &mut Vec<u8>) {
    if !numbers.is_empty() {
        varint(((numbers.len() / GROUP) as u64) << 1 | 1, out);
        pack(numbers.iter().map(|number| u64::from(*number)), width, out);
        numbers.clear();
    }
}
