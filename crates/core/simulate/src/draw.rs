//! Chance without a state: a draw is a function of the seed and what it is for.

/// A source of draws. Different `of` numbers make independent ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Dice {
        Dice(mix(seed))
    }

    /// Dice of their own for one home, supply or register.
    pub(crate) const fn of(self, number: u64) -> Dice {
        Dice(mix(self.0 ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Sixty-four even bits for one instant.
    #[inline]
    pub(crate) const fn draw(self, instant: i64) -> u64 {
        mix(self.0.wrapping_add(instant.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// An even draw from `low..=high`.
    #[inline]
    pub(crate) const fn between(self, instant: i64, low: i64, high: i64) -> i64 {
        low + (((self.draw(instant) >> 32) * (high - low + 1).cast_unsigned()) >> 32).cast_signed()
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
const fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// A gamma-distributed draw of shape 2, mean about 2^17: the sum of two
/// exponential ones, each the negative logarithm of half the bits.
#[inline]
pub(crate) const fn gamma(bits: u64) -> u64 {
    exponential((bits >> 32) as u32) + exponential(bits as u32)
}

/// -log2 of `bits` / 2^32 in 1/65536, straight between powers of two: off by at
/// most 0.09, which nobody sees in a load curve, and free of floats.
#[inline]
const fn exponential(bits: u32) -> u64 {
    let bits = bits | 1;
    let zeros = bits.leading_zeros();
    let mantissa = ((bits << zeros) >> 15) & 0xffff;
    ((zeros as u64) << 16) | (0xffff - mantissa) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_gives_its_published_numbers() {
        // The reference generator's first outputs for seed 1234567.
        let state = |turn: u64| 1_234_567_u64.wrapping_add(turn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        assert_eq!([mix(state(0)), mix(state(1))], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn gamma_draws_have_the_shape_of_the_name() {
        let dice = Dice::new(7);
        let draws: Vec<u64> = (0..100_000).map(|turn| gamma(dice.draw(turn)) >> 8).collect();
        let count = draws.len() as u64;
        let mean = draws.iter().sum::<u64>() / count;
        let variance = draws.iter().map(|draw| draw.abs_diff(mean).pow(2)).sum::<u64>() / count;
        // For shape 2 the square of the mean is twice the variance.
        let shape_hundredths = 100 * mean * mean / variance;
        assert!((185..215).contains(&shape_hundredths), "{shape_hundredths}");
    }

    #[test]
    fn an_even_draw_reaches_both_ends() {
        let dice = Dice::new(1).of(2);
        let draws: Vec<i64> = (0..1_000).map(|turn| dice.between(turn, -2, 2)).collect();
        assert_eq!((draws.iter().min(), draws.iter().max()), (Some(&-2), Some(&2)));
    }
}
