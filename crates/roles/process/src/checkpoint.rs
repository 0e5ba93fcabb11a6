//! The checkpoint: coverage as of a set of files, so that a restart reads only
//! the files that came after.
//!
//! Promise: it is a cache. A missing, damaged or foreign one is as good as
//! none; coverage read from it says yes for every key in the files it lists.
//!
//! Bytes: magic `MHCV`, format version u32, channels u64, files u64, then per
//! file a 32-byte BLAKE3 of its path, per channel i64, run count u32, runs of
//! two i64, and a BLAKE3 of all before it. Little-endian.

use std::collections::HashSet;

use host::Disk;
use meter::ChannelId;
use store::{Lake, Table};

use crate::Error;
use crate::coverage::{Coverage, RUNS_MAX, Run};

/// Where it lies in the data directory.
pub const PATH: &str = "state/coverage";
const MAGIC: &[u8; 4] = b"MHCV";
const VERSION: u32 = 1;
const HASH_BYTES: usize = 32;
const READ_BYTES: usize = 8 << 20;

pub type PathHash = [u8; HASH_BYTES];

pub fn path_hash(path: &str) -> PathHash {
    *blake3::hash(path.as_bytes()).as_bytes()
}

pub fn write(disk: &dyn Disk, lake: &Lake, coverage: &Coverage) -> Result<(), Error> {
    let snapshot = lake.snapshot();
    let files: Vec<PathHash> = snapshot.files(Table::Readings).iter().map(|file| path_hash(&file.path)).collect();
    let mut bytes = Vec::new();
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(coverage.channel_count() as u64).to_le_bytes());
    bytes.extend_from_slice(&(files.len() as u64).to_le_bytes());
    for file in &files {
        bytes.extend_from_slice(file);
    }
    for (channel, runs) in coverage.channels() {
        bytes.extend_from_slice(&channel.0.to_le_bytes());
        bytes.extend_from_slice(&(runs.len() as u32).to_le_bytes());
        for run in runs {
            bytes.extend_from_slice(&run.from.to_le_bytes());
            bytes.extend_from_slice(&run.to.to_le_bytes());
        }
    }
    let hash = blake3::hash(&bytes);
    bytes.extend_from_slice(hash.as_bytes());
    disk.write_durable(PATH, &bytes, true).map_err(|source| Error::Checkpoint { path: PATH.into(), source })
}

/// The coverage and the files it knows; empty where there is no good checkpoint.
pub fn read(disk: &dyn Disk) -> (Coverage, HashSet<PathHash>) {
    load(disk).and_then(|bytes| decode(&bytes)).unwrap_or_default()
}

/// Whether there is a checkpoint whose bytes are not what was written.
pub fn damaged(disk: &dyn Disk) -> bool {
    disk.size(PATH).is_ok() && load(disk).and_then(|bytes| decode(&bytes)).is_none()
}

fn load(disk: &dyn Disk) -> Option<Vec<u8>> {
    let size = usize::try_from(disk.size(PATH).ok()?).ok()?;
    let mut bytes = Vec::new();
    while bytes.len() < size {
        let more = disk.read(PATH, bytes.len() as u64, READ_BYTES).ok()?;
        if more.is_empty() {
            return None;
        }
        bytes.extend(more);
    }
    Some(bytes)
}

fn decode(bytes: &[u8]) -> Option<(Coverage, HashSet<PathHash>)> {
    let (content, hash) = bytes.split_at_checked(bytes.len().checked_sub(HASH_BYTES)?)?;
    if blake3::hash(content).as_bytes() != hash {
        return None;
    }
    let mut reader = Reader { bytes: content };
    if reader.take::<4>()? != *MAGIC || u32::from_le_bytes(reader.take()?) != VERSION {
        return None;
    }
    let channels = u64::from_le_bytes(reader.take()?);
    let file_count = u64::from_le_bytes(reader.take()?);
    let mut files = HashSet::new();
    for _ in 0..file_count {
        files.insert(reader.take::<HASH_BYTES>()?);
    }
    let mut coverage = Coverage::default();
    for _ in 0..channels {
        let channel = ChannelId(i64::from_le_bytes(reader.take()?));
        let runs = u32::from_le_bytes(reader.take()?);
        if runs as usize > RUNS_MAX {
            return None;
        }
        for _ in 0..runs {
            let (from, to) = (i64::from_le_bytes(reader.take()?), i64::from_le_bytes(reader.take()?));
            coverage.insert_run(channel, Run { from, to });
        }
    }
    reader.bytes.is_empty().then_some((coverage, files))
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(*head)
    }
}
