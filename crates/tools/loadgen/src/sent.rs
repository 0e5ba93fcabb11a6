//! What was sent, as a comparison needs to know it: how much, and one number over all of it.

use std::hash::{DefaultHasher, Hasher};
use std::io::Write;

/// Everything of one or several senders; no order changes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    pub measurements: u64,
    /// The sum of the hashes of all readings.
    pub hash: u128,
}

/// A reading as the comparison sees it, in a line without its end.
pub fn hash(line: &[u8]) -> u128 {
    let mut hasher = DefaultHasher::new();
    hasher.write(line);
    u128::from(hasher.finish())
}

impl Sent {
    /// A reading that starts at `at` microseconds; `line` is room to write in.
    pub fn note(&mut self, line: &mut Vec<u8>, point: &str, register: &str, at: i64, digits: i64, scale: u32) {
        line.clear();
        write!(line, "{point},{register},{at},{digits},{scale}").expect("memory takes what is written");
        self.hash = self.hash.wrapping_add(hash(line));
        self.measurements += 1;
    }

    pub fn add(&mut self, other: Sent) {
        self.measurements += other.measurements;
        self.hash = self.hash.wrapping_add(other.hash);
    }

    /// What is sent by all of `0..count`, counted in parts side by side.
    pub fn of_parts(count: u32, part: impl Fn(std::ops::Range<u32>) -> Sent + Sync) -> Sent {
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u32);
        let size = count.div_ceil(threads).max(1);
        let mut all = Sent::default();
        std::thread::scope(|scope| {
            let starts = (0..count).step_by(size as usize);
            let part = &part;
            let parts: Vec<_> = starts.map(|start| scope.spawn(move || part(start..count.min(start + size)))).collect();
            parts.into_iter().for_each(|counted| all.add(counted.join().expect("counting does not fail")));
        });
        all
    }
}
