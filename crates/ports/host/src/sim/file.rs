//! The bytes of one simulated file: what reads see, and what is really stored.
//!
//! Promise: a synced sector survives; a sector written since survives in the
//! state after any one of its writes or as it was, each sector by itself.

use std::collections::BTreeMap;

use super::Survival;
use crate::Seeded;

/// What a disk writes whole or not at all.
pub const SECTOR_BYTES: u64 = 512;

#[derive(Clone, Debug, Default)]
pub(super) struct SimFile {
    /// What a read sees.
    bytes: Vec<u8>,
    /// What is stored.
    durable: Vec<u8>,
    /// Contents of each sector after each write since the last sync, with the
    /// time of the write.
    unsynced: BTreeMap<u64, Vec<(u64, Vec<u8>)>>,
    /// Sizes since the last sync, with their times.
    sizes: Vec<(u64, u64)>,
}

impl SimFile {
    pub(super) fn new(preallocated: u64) -> SimFile {
        let bytes = vec![0; len_of(preallocated)];
        SimFile { bytes, durable: Vec::new(), unsynced: BTreeMap::new(), sizes: vec![(0, preallocated)] }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(super) fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let start = len_of(offset.min(self.size()));
        let end = start.saturating_add(len).min(self.bytes.len());
        self.bytes[start..end].to_vec()
    }

    pub(super) fn write_at(&mut self, offset: u64, bytes: &[u8], time: u64) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len() as u64;
        if end > self.size() {
            self.bytes.resize(len_of(end), 0);
            self.sizes.push((time, end));
        }
        self.bytes[len_of(offset)..len_of(end)].copy_from_slice(bytes);
        for sector in offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES) {
            let content = self.sector(sector).to_vec();
            self.unsynced.entry(sector).or_default().push((time, content));
        }
    }

    fn sector(&self, sector: u64) -> &[u8] {
        let start = len_of(sector * SECTOR_BYTES);
        &self.bytes[start..self.bytes.len().min(start + len_of(SECTOR_BYTES))]
    }

    pub(super) fn sync(&mut self) {
        self.durable.resize(self.bytes.len(), 0);
        for (sector, contents) in std::mem::take(&mut self.unsynced) {
            let (_, last) = contents.last().expect("a sector stands here because it was written");
            store(&mut self.durable, sector, last);
        }
        self.sizes.clear();
    }

    /// Some sectors reach the disk, the others never will: the kernel has marked
    /// them clean, so that not even a later sync writes them.
    pub(super) fn fail_to_sync(&mut self, seed: &mut Seeded) {
        self.durable.resize(self.bytes.len(), 0);
        for (sector, contents) in std::mem::take(&mut self.unsynced) {
            if seed.one_in(2) {
                let (_, last) = contents.last().expect("a sector stands here because it was written");
                store(&mut self.durable, sector, last);
            }
        }
        self.sizes.clear();
    }

    pub(super) fn flip(&mut self, byte: u64, bit: u8) {
        let at = len_of(byte);
        self.bytes[at] ^= 1 << bit;
        if let Some(stored) = self.durable.get_mut(at) {
            *stored ^= 1 << bit;
        }
    }

    /// The file as the next start finds it.
    pub(super) fn after_power_loss(&self, survival: &mut Survival) -> SimFile {
        let seed = match survival {
            Survival::Nothing => return SimFile::stored(self.durable.clone()),
            Survival::Everything => return SimFile::stored(self.everything()),
            Survival::Seeded(seed) => seed,
        };
        match seed.below(4) {
            0 => SimFile::stored(self.durable.clone()),
            1 => SimFile::stored(self.everything()),
            2 => SimFile::stored(self.prefix(seed)),
            _ => SimFile::stored(self.scattered(seed)),
        }
    }

    fn stored(bytes: Vec<u8>) -> SimFile {
        SimFile { durable: bytes.clone(), bytes, unsynced: BTreeMap::new(), sizes: Vec::new() }
    }

    /// Not simply `bytes`: what a failed sync dropped stays dropped.
    fn everything(&self) -> Vec<u8> {
        let mut all = self.clone();
        all.sync();
        all.durable
    }

    /// The writes up to one of them, that one torn.
    fn prefix(&self, seed: &mut Seeded) -> Vec<u8> {
        let mut times: Vec<u64> = self.unsynced.values().flatten().map(|(time, _)| *time).collect();
        times.extend(self.sizes.iter().map(|(time, _)| *time));
        times.sort_unstable();
        times.dedup();
        if times.is_empty() {
            return self.durable.clone();
        }
        let torn = times[pick(seed, times.len())];
        let sizes = self.sizes.iter().filter(|(time, _)| *time <= torn);
        let size = sizes.map(|(_, size)| *size).next_back().unwrap_or(self.durable.len() as u64);
        let mut kept = self.durable.clone();
        kept.resize(len_of(size), 0);
        let touched = self.unsynced.iter().filter(|(_, contents)| contents.iter().any(|(time, _)| *time == torn));
        let touched: Vec<u64> = touched.map(|(sector, _)| *sector).collect();
        let first_lost = if touched.is_empty() { 0 } else { touched[pick(seed, touched.len())] };
        for (sector, contents) in &self.unsynced {
            let reached = |time: u64| time < torn || (time == torn && *sector < first_lost);
            if let Some((_, content)) = contents.iter().rev().find(|(time, _)| reached(*time)) {
                store(&mut kept, *sector, content);
            }
        }
        kept
    }

    /// Each sector, and the size, as of a moment of its own.
    fn scattered(&self, seed: &mut Seeded) -> Vec<u8> {
        let mut sizes = vec![self.durable.len() as u64];
        sizes.extend(self.sizes.iter().map(|(_, size)| *size));
        // The size follows the data in steps that need not be those of the writes.
        let (least, most) = (sizes[0], self.size());
        if most > least {
            let between = least + seed.below(most - least);
            sizes.push(between.next_multiple_of(SECTOR_BYTES).clamp(least, most));
        }
        let mut kept = self.durable.clone();
        kept.resize(len_of(sizes[pick(seed, sizes.len())]), 0);
        for (sector, contents) in &self.unsynced {
            let moment = pick(seed, contents.len() + 1);
            if moment > 0 {
                store(&mut kept, *sector, &contents[moment - 1].1);
            }
        }
        kept
    }
}

/// Writes a sector's content as far as the file reaches.
fn store(into: &mut [u8], sector: u64, content: &[u8]) {
    let start = len_of(sector * SECTOR_BYTES).min(into.len());
    let end = (start + content.len()).min(into.len());
    into[start..end].copy_from_slice(&content[..end - start]);
}

fn pick(seed: &mut Seeded, count: usize) -> usize {
    usize::try_from(seed.below(count as u64)).expect("below the length of a list")
}

fn len_of(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a simulated file fits in memory")
}
