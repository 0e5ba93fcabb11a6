//! Parquet's DELTA_BINARY_PACKED: the first number, then how far each is from
//! the one before, in as many bits as the 32 around it need.
//!
//! Distances wrap, so that any two 64-bit numbers have one.

use super::bits::{pack, varint, width_of, zigzag};

/// Distances in one piece of one width: the fewest that Parquet allows, so that
/// a jump from one channel to the next makes few others wide.
const PIECE: usize = 32;
/// Pieces over one least distance.
const PIECES: usize = 4;
const BLOCK: usize = PIECE * PIECES;

/// Writes any count of numbers.
pub(crate) fn write_distances(numbers: &[i64], out: &mut Vec<u8>) {
    varint(BLOCK as u64, out);
    varint(PIECES as u64, out);
    varint(numbers.len() as u64, out);
    varint(zigzag(numbers.first().copied().unwrap_or(0)), out);
    let mut above = [0_u64; BLOCK];
    let mut at = 1;
    while at < numbers.len() {
        let count = BLOCK.min(numbers.len() - at);
        let (before, after) = (&numbers[at - 1..at - 1 + count], &numbers[at..at + count]);
        let least = above_least(before, after, &mut above);
        write_block(least, &above, count, out);
        at += count;
    }
}

/// How far each distance is above the least of them, which is returned; past
/// the last one zero.
fn above_least(before: &[i64], after: &[i64], above: &mut [u64; BLOCK]) -> i64 {
    let mut least = i64::MAX;
    for ((before, after), above) in before.iter().zip(after).zip(above.iter_mut()) {
        let distance = after.wrapping_sub(*before);
        least = least.min(distance);
        *above = distance as u64;
    }
    for above in &mut above[..before.len()] {
        *above = above.wrapping_sub(least as u64);
    }
    above[before.len()..].fill(0);
    least
}

fn write_block(least: i64, above: &[u64; BLOCK], count: usize, out: &mut Vec<u8>) {
    varint(zigzag(least), out);
    let widths = out.len();
    out.extend_from_slice(&[0; PIECES]);
    for (place, piece) in above.chunks_exact(PIECE).enumerate().take(count.div_ceil(PIECE)) {
        let width = width_of(piece.iter().fold(0, |bits, number| bits | number));
        out[widths + place] = width as u8;
        pack(piece.iter().copied(), width, out);
    }
}
