//! Numbers in as many bits or bytes as they need, least significant first.

/// Seven bits a byte, the highest bit set while more follow.
pub(crate) fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Small numbers of either sign become small numbers.
pub(crate) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// Bits that numbers up to this one need.
pub(crate) fn width_of(largest: u64) -> u32 {
    u64::BITS - largest.leading_zeros()
}

/// Writes each number in `width` bits, one behind the other, up to a full byte.
/// No number may need more.
pub(crate) fn pack(numbers: impl IntoIterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    let (mut gathered, mut used) = (0_u64, 0_u32);
    for number in numbers {
        gathered |= number << used;
        used += width;
        if used >= u64::BITS {
            out.extend_from_slice(&gathered.to_le_bytes());
            used -= u64::BITS;
            // Shifted by the whole width, nothing of the number would be left over.
            gathered = if used == 0 { 0 } else { number >> (width - used) };
        }
    }
    out.extend_from_slice(&gathered.to_le_bytes()[..used.div_ceil(8) as usize]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_width_lie_bit_behind_bit() {
        for width in 1..=64_u32 {
            let mask = u64::MAX >> (64 - width);
            let numbers: Vec<u64> = (0..67_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) & mask).collect();
            let mut packed = Vec::new();
            pack(numbers.iter().copied(), width, &mut packed);
            assert_eq!(packed.len(), (67 * width as usize).div_ceil(8));
            for (place, number) in numbers.iter().enumerate() {
                let bit = |at: usize| u64::from(packed[at / 8] >> (at % 8) & 1);
                let begin = place * width as usize;
                let found = (0..width as usize).fold(0, |sum, at| sum | bit(begin + at) << at);
                assert_eq!(found, *number, "width {width}, place {place}");
            }
        }
    }
}
