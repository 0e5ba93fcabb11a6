//! What is known of one upload, as it stands on disk beside its bytes.
//!
//! Promise: the facts on disk never claim a byte that is not synced, nor deny an
//! append that may have happened.

use std::io;
use std::time::Duration;

use host::Disk;
use meter::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};

/// Where uploads lie, below the data directory.
pub(super) const DIR: &str = "uploads";
/// Of this file's form; a newer one is left alone.
pub const VERSION: u32 = 1;
/// Names and metadata are bounded where they come in.
const FACTS_BYTES_MAX: usize = 64 << 10;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    version: u32,
    tenant: i32,
    /// Bytes of the whole file.
    pub(super) length: u64,
    pub(super) name: String,
    /// Empty: found from the content.
    pub(super) format: String,
    /// `Upload-Metadata` as it was sent; it is sent back so.
    pub(super) metadata: String,
    /// So many bytes are there, and synced.
    pub(super) offset: u64,
    touched_us: i64,
    /// The journal's end before the file was appended: if it was, it stands from there on.
    pub(super) appending_from: Option<u64>,
    /// Where the file stands in the journal, once it does.
    pub(super) sequence: Option<u64>,
}

pub(super) fn facts_path(id: &str) -> String {
    format!("{DIR}/{id}.json")
}

pub(super) fn bytes_path(id: &str) -> String {
    format!("{DIR}/{id}.part")
}

impl Facts {
    /// Of an upload of which nothing has come yet.
    pub(super) fn new(tenant: TenantId, length: u64, name: String, format: String, metadata: String) -> Facts {
        Facts {
            version: VERSION,
            tenant: tenant.0,
            length,
            name,
            format,
            metadata,
            offset: 0,
            touched_us: 0,
            appending_from: None,
            sequence: None,
        }
    }

    pub(super) fn tenant(&self) -> TenantId {
        TenantId(self.tenant)
    }

    /// All bytes are there.
    pub(super) fn is_whole(&self) -> bool {
        self.offset == self.length
    }

    /// How long nobody was at work on it; no time at all where the clock was set back since.
    pub(super) fn left_alone(&self, now: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(now.0.saturating_sub(self.touched_us)).unwrap_or(0))
    }

    pub(super) fn touched(&self) -> Timestamp {
        Timestamp(self.touched_us)
    }

    pub(super) fn touch(&mut self, now: Timestamp) {
        self.touched_us = now.0;
    }

    /// Durable when this returns.
    pub(super) fn write(&self, disk: &dyn Disk, id: &str) -> io::Result<()> {
        let text = serde_json::to_vec(self).expect("texts and numbers become JSON");
        disk.write_durable(&facts_path(id), &text, true)
    }

    /// `InvalidData` if it is not what this version writes.
    pub(super) fn read(disk: &dyn Disk, id: &str) -> io::Result<Facts> {
        let text = disk.read(&facts_path(id), 0, FACTS_BYTES_MAX)?;
        let strange = |what: String| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", facts_path(id)));
        let facts: Facts = serde_json::from_slice(&text).map_err(|error| strange(error.to_string()))?;
        if facts.version > VERSION {
            return Err(strange(format!("version {} is of a newer meterhouse", facts.version)));
        }
        Ok(facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_gives_up_no_upload() {
        let mut facts = Facts::new(TenantId(1), 1_000, "may.csv".into(), String::new(), String::new());
        facts.touch(Timestamp(2_000_000));
        let alone = [1_000_000, i64::MIN, 2_000_000, 5_000_000].map(|now| facts.left_alone(Timestamp(now)));
        assert_eq!(alone, [0, 0, 0, 3].map(Duration::from_secs));
    }
}
