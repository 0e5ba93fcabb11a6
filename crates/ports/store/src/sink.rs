//! What the Parquet writer writes into: a temporary file on the disk, in large
//! pieces, hashed as they pass.

use std::io::Write;
use std::sync::Arc;

use host::Disk;

/// What gathers before it goes to the disk in one write.
const WRITE_BYTES: usize = 1 << 20;

/// Bytes on their way to a temporary file, hashed as they pass.
pub(crate) struct DiskSink {
    disk: Arc<dyn Disk>,
    path: String,
    gathered: Vec<u8>,
    offset: u64,
    hasher: blake3::Hasher,
}

pub(crate) struct Written {
    pub bytes: u64,
    pub hash: blake3::Hash,
}

impl DiskSink {
    pub(crate) fn new(disk: Arc<dyn Disk>, path: &str) -> DiskSink {
        DiskSink { disk, path: path.into(), gathered: Vec::new(), offset: 0, hasher: blake3::Hasher::new() }
    }

    fn drain(&mut self) -> std::io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        self.hasher.update(&self.gathered);
        self.disk.write_at(&self.path, self.offset, &self.gathered)?;
        self.offset += self.gathered.len() as u64;
        self.gathered.clear();
        Ok(())
    }

    pub(crate) fn end(&mut self) -> std::io::Result<Written> {
        self.drain()?;
        Ok(Written { bytes: self.offset, hash: self.hasher.finalize() })
    }
}

impl Write for DiskSink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= WRITE_BYTES {
            self.drain()?;
        }
        Ok(bytes.len())
    }

    /// Draining waits for `end`: a flush a row group would cut the writes small.
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
