//! Every format on disk, with the version this binary writes and those it reads.
//!
//! Promise: what is not in this list is not kept for good. The page
//! docs/reference/versions.md says the same; a test compares.

use std::path::Path;

use host::RealDisk;

use crate::format::Parts;
use crate::{format, manifest};

/// One format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnDisk {
    pub name: &'static str,
    /// Below the data directory, or of a backup.
    pub place: &'static str,
    /// The version that is written.
    pub writes: u64,
    /// The oldest that is read; what lies between is brought up to date.
    pub reads_from: u64,
    /// It can be made anew: another version is as good as none.
    pub derived: bool,
}

pub const DIRECTORY: OnDisk =
    OnDisk { reads_from: format::OLDEST as u64, ..kept("data directory", format::PATH, format::VERSION as u64) };
pub const LAKE: OnDisk = kept("lake", "lake/*", store::FORMAT_VERSION as u64);
pub const ARCHIVE: OnDisk = kept("archive", "archive/*", journal::ARCHIVE_VERSION as u64);
pub const UPLOAD: OnDisk = kept("upload", "uploads/*.json", ingest::UPLOAD_VERSION as u64);
pub const JOURNAL: OnDisk = kept("journal", "journal/*.seg", journal::FORMAT_VERSION as u64);
pub const REGISTRY: OnDisk =
    OnDisk { reads_from: 1, ..kept("registry", "registry.sqlite", registry::FORMAT_VERSION as u64) };
pub const REGISTRY_SUM: OnDisk = kept("sum of the registry", "registry.sum", registry::SUM_VERSION as u64);
pub const CHECKPOINT: OnDisk = OnDisk {
    derived: true,
    ..kept("checkpoint of channels", process::CHECKPOINT_PATH, process::CHECKPOINT_VERSION as u64)
};
pub const BACKUP: OnDisk = kept("backup", manifest::MANIFEST, manifest::VERSION as u64);

pub const ALL: [OnDisk; 9] = [DIRECTORY, LAKE, ARCHIVE, JOURNAL, REGISTRY, REGISTRY_SUM, UPLOAD, CHECKPOINT, BACKUP];

const fn kept(name: &'static str, place: &'static str, version: u64) -> OnDisk {
    OnDisk { name, place, writes: version, reads_from: version, derived: false }
}

/// What stands in a data directory; nothing is opened or locked.
pub struct Found {
    pub of: OnDisk,
    /// The version, or why it cannot be told.
    pub version: Result<u64, String>,
}

/// Versions of what is there, in the order of [`ALL`].
pub fn found(dir: &Path) -> std::io::Result<Vec<Found>> {
    let disk = RealDisk::open(dir)?;
    let mut all = Vec::new();
    let mut add = |of, version| all.push(Found { of, version });
    match format::read(&disk) {
        Ok(format) => {
            add(DIRECTORY, Ok(u64::from(format.version)));
            let Parts { lake, archive } = format.parts.unwrap_or(Parts::BEFORE);
            add(LAKE, Ok(u64::from(lake)));
            add(ARCHIVE, Ok(u64::from(archive)));
        }
        Err(format::Error::Newer { found }) => add(DIRECTORY, Ok(found)),
        Err(format::Error::Disk(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => add(DIRECTORY, Err(error.to_string())),
    }
    match journal::glance(&disk) {
        Ok(glance) => glance.version.into_iter().for_each(|version| add(JOURNAL, Ok(u64::from(version)))),
        Err(error) => add(JOURNAL, Err(error.to_string())),
    }
    match registry::glance(dir) {
        Ok(glance) => glance.into_iter().for_each(|glance| add(REGISTRY, Ok(glance.version.unsigned_abs()))),
        Err(error) => add(REGISTRY, Err(error.to_string())),
    }
    if let Some(version) = process::checkpoint_version_found(&disk) {
        add(CHECKPOINT, Ok(u64::from(version)));
    }
    Ok(all)
}

/// What the next start would raise, and an older binary then refuse.
pub fn older(dir: &Path) -> std::io::Result<Vec<OnDisk>> {
    let is_older = |found: &Found| found.version.as_ref().is_ok_and(|version| *version < found.of.writes);
    Ok(found(dir)?.iter().filter(|found| !found.of.derived && is_older(found)).map(|found| found.of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/versions.md"));

    #[test]
    fn the_page_on_versions_says_what_the_binary_does() {
        let rows: Vec<&str> = PAGE.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
        assert_eq!(rows.len(), ALL.len(), "{rows:#?}");
        for (of, row) in ALL.iter().zip(rows) {
            let OnDisk { name, place, writes, reads_from, derived } = of;
            let reads_from = if *derived { "any".to_owned() } else { reads_from.to_string() };
            let expected = format!("| {name} | `{place}` | {writes} | {reads_from} | ");
            assert!(row.starts_with(&expected), "{row:?} should begin {expected:?}");
        }
    }
}
