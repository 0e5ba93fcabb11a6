//! Parquet's BYTE_STREAM_SPLIT: the lowest bytes of all numbers, then the next
//! ones, up to the highest.
//!
//! Numbers of like size have their upper bytes in common, which compression then
//! finds in one stretch; the lower ones are noise, as short as noise can be.

/// Writes integers of 64 bits.
pub(crate) fn write_split(numbers: &[i64], out: &mut Vec<u8>) {
    let Some(first) = numbers.first() else { return };
    let differing = numbers.iter().fold(0, |bits, number| bits | (number ^ first));
    for byte in 0..8 {
        let bits = byte * 8;
        if differing >> bits & 0xff == 0 {
            out.resize(out.len() + numbers.len(), (first >> bits) as u8);
        } else {
            out.extend(numbers.iter().map(|number| (number >> bits) as u8));
        }
    }
}
