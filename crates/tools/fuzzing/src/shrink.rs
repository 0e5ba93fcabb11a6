//! A failing input made smaller, for whoever has to understand it.

use std::time::{Duration, Instant};

/// A second attempt of a person takes longer.
const TIME_MAX: Duration = Duration::from_secs(10);

/// The smallest input found for which `fails` still holds: pieces are left out, halves
/// first and single bytes at last.
pub(crate) fn smaller(input: &[u8], mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let begun = Instant::now();
    let mut best = input.to_vec();
    let mut piece = best.len().next_power_of_two();
    while piece > 0 {
        let mut at = 0;
        while at < best.len() {
            if begun.elapsed() > TIME_MAX {
                return best;
            }
            let mut tried = best.clone();
            tried.drain(at..(at + piece).min(best.len()));
            if fails(&tried) {
                best = tried;
            } else {
                at += piece;
            }
        }
        piece /= 2;
    }
    best
}
