//! The files of one moment, for whoever copies them.
//!
//! Promise: copied alone, byte for byte, they are the lake as a crash at this
//! moment would have left it; none of them is ever written again.

use crate::delta::log_until;
use crate::error::{Error, Result};
use crate::schema::Table;
use crate::snapshot::Snapshot;

/// A file that never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Below the data directory.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Of the whole file.
    pub blake3: blake3::Hash,
}

impl Snapshot {
    /// Every file of every table and its log, without what waits in memory: that
    /// is in the journal. Logs come first: a data file stays as long as this
    /// snapshot is held, an entry of the log only as long as a vacuum retains.
    /// Reads the logs, and names one that is not as written. Blocks.
    pub fn stored(&self) -> Result<Vec<StoredFile>> {
        let shelf = &self.library.shelf;
        let mut found = Vec::new();
        for table in Table::ALL {
            let dir = shelf.dir(table);
            let log = log_until(shelf.disk.as_ref(), &dir, self.version(table)).map_err(Error::disk(&dir))?;
            for object in log {
                let blake3 = blake3::Hash::from_hex(&object.blake3).expect("it was made by blake3");
                found.push(StoredFile { path: object.path, size: object.bytes, blake3 });
                found.push(StoredFile { path: object.sum, size: 0, blake3: blake3::hash(b"") });
            }
        }
        for table in Table::ALL {
            found.extend(self.files(table).iter().map(|entry| StoredFile {
                path: shelf.path(table, &entry.path),
                size: entry.size,
                blake3: entry.blake3.into(),
            }));
        }
        Ok(found)
    }
}
