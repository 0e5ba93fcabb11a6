//! Files that came before.
//!
//! Promise: a file is the same only if its bytes are, and if they are read the same
//! way: what was mended in how it is read brings it in again.

use std::collections::HashMap;

use meter::{Sequence, TenantId};
use sha2::{Digest, Sha256};

/// A file: its bytes, and how they are read. Bytes that were read by another profile
/// are another file, for they say something else now.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    pub tenant: TenantId,
    pub sha256: &'a [u8; 32],
    /// With its version and options.
    pub format: &'a str,
    /// Empty where the name says nothing that stands in the readings.
    pub name: &'a str,
}

/// Files seen before, with the sequence they came in with.
#[derive(Debug, Default)]
pub struct FilesSeen {
    files: HashMap<(TenantId, [u8; 16]), Sequence>,
}

impl FilesSeen {
    /// The first sequence of the same file, if it came before `sequence`.
    pub fn earlier(&self, file: &File<'_>, sequence: Sequence) -> Option<Sequence> {
        self.files.get(&file.key()).copied().filter(|first| *first < sequence)
    }

    pub fn insert(&mut self, file: &File<'_>, sequence: Sequence) {
        let first = self.files.entry(file.key()).or_insert(sequence);
        *first = sequence.min(*first);
    }
}

impl File<'_> {
    /// Half a hash tells files apart: 2^64 files before two are expected to meet.
    fn key(&self) -> (TenantId, [u8; 16]) {
        let mut hash = Sha256::new_with_prefix(self.sha256);
        hash.update((self.format.len() as u64).to_le_bytes());
        hash.update(self.format);
        hash.update(self.name);
        let mut half = [0; 16];
        half.copy_from_slice(&hash.finalize()[..16]);
        (self.tenant, half)
    }
}
