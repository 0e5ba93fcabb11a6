//! The data directory's own version: `format.json`.
//!
//! Promise: an older binary refuses a newer directory with a clear word, and a
//! changed byte in the file is noticed.

use host::{Disk, Entropy, Kind};
use serde::{Deserialize, Serialize};

pub const PATH: &str = "format.json";
/// Raised whenever an older binary could misread what a newer one wrote.
pub const VERSION: u32 = 1;

/// What every reader of the directory must agree on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    pub version: u32,
    /// Names this journal's life; part of every commit's app id.
    pub epoch: String,
    pub lanes: u32,
    /// Chunk rule: see the `process` crate.
    pub chunk_items: u64,
    pub chunk_months: u64,
    /// A position is the sequence shifted by this many bits, plus the chunk.
    pub chunk_bits: u32,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    format: Format,
    /// BLAKE3 of the compact JSON of `format`.
    checksum: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "format.json says version {found}, this binary reads up to {VERSION}; use a newer meterhouse for this directory"
    )]
    Newer { found: u64 },
    #[error("format.json is damaged ({what}); restore it from a backup")]
    Damaged { what: String },
    #[error(
        "format.json says {field} is {found}, this binary works with {ours}; use the meterhouse that made the directory"
    )]
    Differs { field: &'static str, found: u64, ours: u64 },
    #[error(transparent)]
    Disk(#[from] std::io::Error),
}

impl Error {
    pub fn kind(&self) -> Kind {
        match self {
            Error::Newer { .. } | Error::Differs { .. } => Kind::Conflict,
            Error::Damaged { .. } => Kind::Corrupt,
            Error::Disk(error) => Kind::of_io(error),
        }
    }
}

/// The directory's format; a new directory gets one.
pub fn open(disk: &dyn Disk, entropy: &dyn Entropy) -> Result<Format, Error> {
    match read(disk) {
        Err(Error::Disk(error)) if error.kind() == std::io::ErrorKind::NotFound => create(disk, entropy),
        other => other,
    }
}

pub fn read(disk: &dyn Disk) -> Result<Format, Error> {
    let size = disk.size(PATH)?;
    let bytes = disk.read(PATH, 0, usize::try_from(size.min(1 << 16)).expect("at most 64 KiB"))?;
    let damaged = |what: String| Error::Damaged { what };
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
    // The version first: a newer file may hold what this binary cannot read.
    let version = value.pointer("/format/version").and_then(serde_json::Value::as_u64);
    let version = version.ok_or_else(|| damaged("no version".into()))?;
    if version > u64::from(VERSION) {
        return Err(Error::Newer { found: version });
    }
    let sealed: Sealed = serde_json::from_value(value).map_err(|e| damaged(e.to_string()))?;
    if sealed.checksum != checksum(&sealed.format) || bytes != to_bytes(&sealed) {
        return Err(damaged("its checksum does not match".into()));
    }
    sealed.format.check()?;
    Ok(sealed.format)
}

fn create(disk: &dyn Disk, entropy: &dyn Entropy) -> Result<Format, Error> {
    let mut random = [0; 8];
    entropy.random_bytes(&mut random)?;
    let format = Format {
        version: VERSION,
        epoch: format!("{:016x}", u64::from_le_bytes(random)),
        lanes: 1,
        chunk_items: process::CHUNK_ITEMS as u64,
        chunk_months: process::CHUNK_MONTHS_MAX as u64,
        chunk_bits: store::Position::CHUNK_BITS,
    };
    let sealed = Sealed { checksum: checksum(&format), format };
    disk.write_durable(PATH, &to_bytes(&sealed), false)?;
    Ok(sealed.format)
}

impl Format {
    /// Cutting records differently would make a replay miscount.
    fn check(&self) -> Result<(), Error> {
        let rules = [
            ("lanes", u64::from(self.lanes), 1),
            ("chunk_items", self.chunk_items, process::CHUNK_ITEMS as u64),
            ("chunk_months", self.chunk_months, process::CHUNK_MONTHS_MAX as u64),
            ("chunk_bits", u64::from(self.chunk_bits), u64::from(store::Position::CHUNK_BITS)),
        ];
        for (field, found, ours) in rules {
            if found != ours {
                return Err(Error::Differs { field, found, ours });
            }
        }
        Ok(())
    }
}

fn checksum(format: &Format) -> String {
    let compact = serde_json::to_vec(format).expect("plain fields serialise");
    blake3::hash(&compact).to_hex().to_string()
}

fn to_bytes(sealed: &Sealed) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(sealed).expect("plain fields serialise");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use host::{RealDisk, SeededEntropy};

    #[test]
    fn every_changed_byte_of_the_format_file_is_noticed() {
        let dir = tempfile::tempdir().expect("a temp directory");
        let disk = RealDisk::open(dir.path()).expect("opens");
        open(&disk, &SeededEntropy::new(1)).expect("made");
        let path = dir.path().join(PATH);
        let bytes = std::fs::read(&path).expect("written");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            std::fs::write(&path, &changed).expect("writes");
            assert!(read(&disk).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_newer_directory_is_refused_with_a_clear_word() {
        let dir = tempfile::tempdir().expect("a temp directory");
        let disk = RealDisk::open(dir.path()).expect("opens");
        std::fs::write(dir.path().join(PATH), br#"{"format":{"version":2,"new":true}}"#).expect("writes");
        let error = open(&disk, &SeededEntropy::new(1)).expect_err("newer");
        assert!(error.to_string().contains("use a newer meterhouse"), "{error}");
    }
}
