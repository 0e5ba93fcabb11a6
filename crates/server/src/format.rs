//! The data directory's own version: `format.json`.
//!
//! Promise: an older binary refuses a newer directory with a clear word, and a
//! changed byte in the file is noticed. An older directory is brought up to date
//! when it is opened, and this file first: whatever a crash leaves half done, no
//! older binary takes for its own.

use host::{Disk, Entropy, Kind};
use serde::{Deserialize, Serialize};
use tracing::info;

pub const PATH: &str = "format.json";
/// Raised whenever an older binary could misread what a newer one wrote.
pub const VERSION: u32 = 2;
/// The oldest that is read. Before 2 the parts had no versions of their own: all
/// were what is now 1.
pub const OLDEST: u32 = 1;

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
    /// Since version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
}

/// Versions of what has no room for one in its own files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    pub lake: u32,
    pub archive: u32,
}

impl Parts {
    /// Of a directory that does not say.
    pub const BEFORE: Parts = Parts { lake: 1, archive: 1 };
    /// What this binary writes.
    const OURS: Parts = Parts { lake: store::FORMAT_VERSION, archive: journal::ARCHIVE_VERSION };
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
    #[error(
        "format.json says that the {part} is of version {found}, this binary reads up to {ours}; use a newer meterhouse for this directory"
    )]
    NewerPart { part: &'static str, found: u32, ours: u32 },
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
            Error::Newer { .. } | Error::NewerPart { .. } | Error::Differs { .. } => Kind::Conflict,
            Error::Damaged { .. } => Kind::Corrupt,
            Error::Disk(error) => Kind::of_io(error),
        }
    }
}

/// The directory's format; a new directory gets one, an older one is raised to ours.
pub fn open(disk: &dyn Disk, entropy: &dyn Entropy) -> Result<Format, Error> {
    match read(disk) {
        Err(Error::Disk(error)) if error.kind() == std::io::ErrorKind::NotFound => create(disk, entropy),
        Ok(older) if older.version < VERSION => {
            info!(from = older.version, to = VERSION, "format.json is raised; an older meterhouse refuses it now");
            write(disk, Format { version: VERSION, parts: Some(Parts::OURS), ..older }, true)
        }
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
        parts: Some(Parts::OURS),
    };
    write(disk, format, false)
}

fn write(disk: &dyn Disk, format: Format, replace: bool) -> Result<Format, Error> {
    let sealed = Sealed { checksum: checksum(&format), format };
    disk.write_durable(PATH, &to_bytes(&sealed), replace)?;
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
        let Some(parts) = self.parts else { return Ok(()) };
        let ours = Parts::OURS;
        for (part, found, ours) in [("lake", parts.lake, ours.lake), ("archive", parts.archive, ours.archive)] {
            if found > ours {
                return Err(Error::NewerPart { part, found, ours });
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
    use host::{RealDisk, SeededEntropy, SimDisk};

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
        std::fs::write(dir.path().join(PATH), br#"{"format":{"version":3,"new":true}}"#).expect("writes");
        let error = open(&disk, &SeededEntropy::new(1)).expect_err("newer");
        assert!(error.to_string().contains("use a newer meterhouse"), "{error}");
    }

    fn directory() -> (tempfile::TempDir, RealDisk) {
        let dir = tempfile::tempdir().expect("a temp directory");
        let disk = RealDisk::open(dir.path()).expect("opens");
        (dir, disk)
    }

    #[test]
    fn a_directory_of_the_version_before_is_raised_once_and_keeps_its_epoch() {
        let (_dir, disk) = directory();
        let made = open(&disk, &SeededEntropy::new(1)).expect("made");
        let older = Format { version: 1, parts: None, ..made.clone() };
        write(&disk, older.clone(), true).expect("written");
        assert_eq!(read(&disk).expect("reading raises nothing"), older);
        assert_eq!(open(&disk, &SeededEntropy::new(2)).expect("raised"), made);
        assert_eq!(read(&disk).expect("raised for good"), made);
    }

    #[test]
    fn a_part_of_the_future_is_refused_by_name() {
        let (_dir, disk) = directory();
        let made = open(&disk, &SeededEntropy::new(1)).expect("made");
        for (part, parts) in
            [("lake", Parts { lake: 9, ..Parts::OURS }), ("archive", Parts { archive: 9, ..Parts::OURS })]
        {
            write(&disk, Format { parts: Some(parts), ..made.clone() }, true).expect("written");
            let error = open(&disk, &SeededEntropy::new(1)).expect_err("newer").to_string();
            assert!(
                error.contains(&format!("the {part} is of version 9")) && error.contains("newer meterhouse"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_power_cut_while_it_is_raised_leaves_one_of_the_two() {
        let (dir, disk) = directory();
        let made = open(&disk, &SeededEntropy::new(1)).expect("made");
        let older = Format { version: 1, parts: None, ..made.clone() };
        write(&disk, older.clone(), true).expect("written");
        let bytes = std::fs::read(dir.path().join(PATH)).expect("readable");
        for operation in 0..20 {
            for seed in 0..4 {
                let machine = SimDisk::new(seed);
                machine.write_durable(PATH, &bytes, false).expect("written");
                machine.crash_at(machine.operations() + operation);
                let raised = open(&machine, &SeededEntropy::new(1));
                let found = read(&machine.power_cycle(seed)).expect("one of the two");
                assert!(found == made || (found == older && raised.is_err()), "after {operation}: {found:?}");
            }
        }
    }
}
