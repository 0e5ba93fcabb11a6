//! The inputs that others are made from.

use std::collections::HashSet;

use host::Seeded;

use crate::Met;
use crate::mutate::{LENGTH_MAX, mutated};

/// Kept at most, seeds not counted: 1,024 of 32 KiB are 32 MiB.
const KEPT_MAX: usize = 1_024;

pub(crate) struct Corpus {
    inputs: Vec<Vec<u8>>,
    seeds: usize,
    met: HashSet<Met>,
}

impl Corpus {
    /// At least one seed, if an empty one.
    pub(crate) fn new(seeds: Vec<Vec<u8>>) -> Corpus {
        let mut inputs = seeds;
        inputs.iter_mut().for_each(|seed| seed.truncate(LENGTH_MAX));
        if inputs.is_empty() {
            inputs.push(Vec::new());
        }
        Corpus { seeds: inputs.len(), inputs, met: HashSet::new() }
    }

    /// Whether the input of this number is a seed as it is.
    pub(crate) fn is_seed(&self, number: u64) -> bool {
        number < self.seeds as u64
    }

    /// Each seed as it is first, then what chance makes of them.
    pub(crate) fn next(&self, number: u64, chance: &mut Seeded, words: &[&str]) -> Vec<u8> {
        match usize::try_from(number).ok().filter(|number| *number < self.seeds) {
            Some(seed) => self.inputs[seed].clone(),
            None => {
                let (input, other) = (self.drawn(chance), self.drawn(chance));
                mutated(chance, input, other, words)
            }
        }
    }

    /// Keeps an input that met something new, in the place of another once there are many.
    pub(crate) fn learn(&mut self, input: Vec<u8>, met: Met, chance: &mut Seeded) {
        if !self.met.insert(met) {
            return;
        }
        if self.inputs.len() < self.seeds + KEPT_MAX {
            self.inputs.push(input);
        } else {
            let place = self.seeds + usize::try_from(chance.below(KEPT_MAX as u64)).expect("below a length");
            self.inputs[place] = input;
        }
    }

    fn drawn(&self, chance: &mut Seeded) -> &[u8] {
        let at = chance.below(self.inputs.len() as u64);
        &self.inputs[usize::try_from(at).expect("below a length")]
    }
}
