//! Random bytes, and their repeatable twin.
//!
//! Promise: `OsEntropy` is fit for secrets; everything seeded gives the same
//! bytes for the same seed on every machine, and is fit for tests only.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Mutex;

/// Randomness as an argument.
pub trait Entropy: Send + Sync {
    /// Fills `into` whole, or fails and leaves it unusable.
    fn random_bytes(&self, into: &mut [u8]) -> io::Result<()>;
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn random_bytes(&self, into: &mut [u8]) -> io::Result<()> {
        File::open("/dev/urandom")?.read_exact(into)
    }
}

/// A small repeatable generator: splitmix64 (Steele, Lea, Flood 2014), which
/// passes the usual test batteries and has no state that can get stuck.
#[derive(Clone, Debug)]
pub struct Seeded {
    state: u64,
}

impl Seeded {
    /// The same seed draws the same numbers.
    pub fn new(seed: u64) -> Seeded {
        Seeded { state: seed }
    }

    /// 64 even bits.
    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..limit`; the bias of 2^-64 × limit does not matter to a test.
    pub fn below(&mut self, limit: u64) -> u64 {
        assert!(limit > 0);
        let product = u128::from(self.draw()) * u128::from(limit);
        u64::try_from(product >> 64).expect("the high half of 128 bits")
    }

    /// True once in `times` draws on average.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// An order for `0..count`, each equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).expect("an index of a slice");
            items.swap(last, other);
        }
    }
}

/// [`Entropy`] from a seed.
#[derive(Debug)]
pub struct SeededEntropy {
    generator: Mutex<Seeded>,
}

impl SeededEntropy {
    /// The same seed gives the same bytes.
    pub fn new(seed: u64) -> SeededEntropy {
        SeededEntropy { generator: Mutex::new(Seeded::new(seed)) }
    }
}

impl Entropy for SeededEntropy {
    fn random_bytes(&self, into: &mut [u8]) -> io::Result<()> {
        let mut generator = self.generator.lock().expect("no holder of this lock panics");
        for chunk in into.chunks_mut(8) {
            chunk.copy_from_slice(&generator.draw().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_gives_the_published_numbers() {
        let mut generator = Seeded::new(1_234_567);
        assert_eq!(generator.draw(), 6_457_827_717_110_365_317);
        assert_eq!(generator.draw(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn two_draws_from_the_machine_differ() {
        let (mut one, mut other) = ([0; 16], [0; 16]);
        OsEntropy.random_bytes(&mut one).expect("urandom is there");
        OsEntropy.random_bytes(&mut other).expect("urandom is there");
        assert_ne!(one, other);
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let draw = |seed| {
            let mut bytes = [0; 13];
            SeededEntropy::new(seed).random_bytes(&mut bytes).expect("seeded bytes never fail");
            bytes
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
