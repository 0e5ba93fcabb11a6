//! `manifest.json`: what a backup holds.
//!
//! Promise: a changed byte is noticed, a newer version refused, and no name in
//! it leads out of the data directory that is restored, whoever wrote it.

use std::collections::HashSet;

use anyhow::{Context, bail};
use host::Disk;
use serde::{Deserialize, Serialize};

use crate::exit::{Damaged, Usage};
use crate::format;
use crate::wire::LAKE_DIR;

pub const MANIFEST: &str = "manifest.json";
pub const OBJECTS_DIR: &str = "objects";
/// Raised whenever an older binary could misread what a newer one wrote.
pub const VERSION: u32 = 1;
/// Of 250 bytes a file, it names four million.
const MANIFEST_BYTES_MAX: u64 = 1 << 30;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u32,
    /// The data directory's.
    pub epoch: String,
    /// When, as RFC 3339.
    pub taken: String,
    /// Records below it are in the backup.
    pub next_sequence: u64,
    pub files: Vec<Kept>,
}

/// A file of the data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Below the data directory.
    pub path: String,
    pub bytes: u64,
    /// Zeros that follow, space that a journal segment has reserved.
    pub reserved_bytes: u64,
    /// In hex; also the name of the object.
    pub blake3: String,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    backup: Manifest,
    /// BLAKE3 of the compact JSON of `backup`.
    checksum: String,
}

/// Where an object of this hash lies.
pub fn object_path(blake3: &str) -> String {
    format!("{OBJECTS_DIR}/{}/{}", &blake3[..2], &blake3[2..])
}

impl Kept {
    /// As [`Manifest::find`] has checked.
    pub fn hash(&self) -> blake3::Hash {
        blake3::Hash::from_hex(&self.blake3).expect("checked when the manifest was read")
    }
}

impl Manifest {
    /// That of a backup; `None` where there is none yet.
    pub fn find(from: &dyn Disk) -> anyhow::Result<Option<Manifest>> {
        let size = match from.size(MANIFEST) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.context(MANIFEST)?,
        };
        if size > MANIFEST_BYTES_MAX {
            bail!(Damaged(format!("{MANIFEST} has {size} bytes, at most {MANIFEST_BYTES_MAX} are read")));
        }
        let bytes = from.read(MANIFEST, 0, usize::try_from(size)?).context(MANIFEST)?;
        Manifest::parse(&bytes).map(Some)
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Manifest> {
        let damaged = |what: &str| Damaged(format!("{MANIFEST} is damaged: {what}"));
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|e| damaged(&e.to_string()))?;
        // The version first: a newer file may hold what this binary cannot read.
        let version = value.pointer("/backup/version").and_then(serde_json::Value::as_u64);
        let version = version.ok_or_else(|| damaged("no version"))?;
        if version > u64::from(VERSION) {
            bail!(Usage(format!(
                "the backup is of version {version}, this binary reads up to {VERSION}; use a newer meterhouse for it"
            )));
        }
        let sealed: Sealed = serde_json::from_value(value).map_err(|e| damaged(&e.to_string()))?;
        if sealed.checksum != sealed.backup.checksum() {
            bail!(damaged("its checksum does not match"));
        }
        sealed.backup.check()?;
        Ok(sealed.backup)
    }

    /// Replaces the one before, durably and in one step.
    pub fn write(&self, to: &dyn Disk) -> anyhow::Result<()> {
        to.write_durable(MANIFEST, &self.to_bytes()?, true).context(MANIFEST)
    }

    fn to_bytes(&self) -> anyhow::Result<Vec<u8>> {
        Ok(serde_json::to_vec(&Sealed { checksum: self.checksum(), backup: self.clone() })?)
    }

    fn checksum(&self) -> String {
        let compact = serde_json::to_vec(self).expect("plain fields serialise");
        blake3::hash(&compact).to_hex().to_string()
    }

    /// A checksum keeps out accidents, this also people.
    fn check(&self) -> anyhow::Result<()> {
        let mut seen = HashSet::new();
        for file in &self.files {
            if !is_ours(&file.path) || !seen.insert(&file.path) {
                bail!(Damaged(format!("{MANIFEST} names {:?}, which no backup does", file.path)));
            }
            let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            if file.blake3.len() != 2 * blake3::OUT_LEN || !file.blake3.bytes().all(hex) {
                bail!(Damaged(format!("{MANIFEST} says no checksum of {}", file.path)));
            }
        }
        Ok(())
    }
}

/// Whether a path is one that a backup keeps.
fn is_ours(path: &str) -> bool {
    let plain = |part: &str| {
        !matches!(part, "" | "." | "..") && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._=-%+".contains(&b))
    };
    let mut parts = path.split('/');
    let (first, deeper) = (parts.next().unwrap_or_default(), path.contains('/'));
    let known = match first {
        format::PATH | "registry.sqlite" | "registry.sum" => !deeper,
        journal::JOURNAL_DIR | journal::ARCHIVE_DIR | LAKE_DIR => deeper,
        _ => false,
    };
    known && parts.all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn manifest(path: &str) -> Manifest {
        let blake3 = blake3::hash(b"").to_hex().to_string();
        let file = Kept { path: path.into(), bytes: 0, reserved_bytes: 0, blake3 };
        Manifest { version: VERSION, epoch: "e".into(), taken: "t".into(), next_sequence: 1, files: vec![file] }
    }

    #[test]
    fn every_changed_byte_of_a_manifest_is_noticed() {
        let ours = manifest("lake/readings/tenant_group=shared/month=202604/a-1.parquet");
        let bytes = ours.to_bytes().expect("written");
        assert_eq!(Manifest::parse(&bytes).expect("read"), ours);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(Manifest::parse(&changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_newer_backup_is_refused_with_a_clear_word() {
        let error = Manifest::parse(br#"{"backup":{"version":2,"new":true}}"#).expect_err("newer");
        assert!(error.to_string().contains("use a newer meterhouse"), "{error}");
    }

    #[test]
    fn a_manifest_that_leads_elsewhere_is_refused_though_its_checksum_is_right() {
        let hostile = [
            "/etc/passwd",
            "../x",
            "lake/../../x",
            "lake//x",
            "lake/./x",
            "lake",
            "lake/",
            "state/channels",
            "",
            "registry.sqlite/x",
            "format.json/..",
            "lake/a\\b",
            "lake/a\0b",
            "lock",
            "control.sock",
            "journal/..",
        ];
        for path in hostile {
            assert!(Manifest::parse(&manifest(path).to_bytes().expect("written")).is_err(), "{path:?}");
        }
        let mut twice = manifest("lake/a");
        twice.files.push(twice.files[0].clone());
        assert!(Manifest::parse(&twice.to_bytes().expect("written")).is_err());
        let mut short = manifest("lake/a");
        short.files[0].blake3 = "é".into();
        assert!(Manifest::parse(&short.to_bytes().expect("written")).is_err());
    }

    proptest! {
        #[test]
        fn no_path_that_is_taken_climbs_or_is_absolute(path in "[a-z./\\\\%]{0,6}(lake|journal|archive)?(/[a-z./]{0,4}){0,4}") {
            if is_ours(&path) {
                prop_assert!(!path.starts_with('/') && path.split('/').all(|part| !matches!(part, "" | "." | "..")));
            }
        }
    }
}
