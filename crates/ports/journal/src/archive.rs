//! The archive: bodies too large for a record, each under its own sha-256.
//!
//! Promise: an object is durable, whole and under its name when `finish`
//! returns; putting it twice keeps one. A reader that reaches the end has read
//! what was put, or gets an error instead of the end. Whoever puts an object holds
//! it until a record names it, and what is held, or was lately, is not removed.
//!
//! Read: this file, `archive/held.rs` (what may go).

use std::io::{self, Read};
use std::sync::Arc;

use host::Disk;
use sha2::{Digest, Sha256};

use crate::{Content, Damage, Error};

mod held;

pub use held::Removing;
use held::{Held, Hold};

/// Where the objects lie, below the data directory.
pub const ARCHIVE_DIR: &str = "archive";
/// Of the archive: objects by the sha-256 of what was sent, as it was sent. They
/// carry no version of their own, for their bytes are the senders'.
pub const ARCHIVE_VERSION: u32 = 1;
/// A year of half-hours of 100,000 meters as NEM12 is about 10 GB.
pub const OBJECT_BYTES_MAX: u64 = 16 << 30;
/// What is read or written at once.
const PIECE_BYTES: usize = 1 << 20;

/// The archive of one data directory; clones share it.
#[derive(Clone)]
pub struct Archive {
    disk: Arc<dyn Disk>,
    held: Arc<Held>,
}

/// An object's name and size. What was put is held by this: it is let go of when the
/// record that names the object is appended, not earlier.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Of its bytes: its name.
    pub sha256: [u8; 32],
    /// In bytes.
    pub size: u64,
    _hold: Option<Arc<Hold>>,
}

impl PartialEq for Stored {
    fn eq(&self, other: &Stored) -> bool {
        (self.sha256, self.size) == (other.sha256, other.size)
    }
}

impl Stored {
    /// As a record refers to it.
    pub fn content(&self) -> Content {
        Content::Archived { sha256: self.sha256, size: self.size }
    }
}

fn hex(sha256: &[u8; 32]) -> String {
    sha256.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn dir_of(name: &str) -> String {
    format!("{ARCHIVE_DIR}/{}", &name[..2])
}

fn path_of(name: &str) -> String {
    format!("{}/{name}", dir_of(name))
}

impl Archive {
    /// The caller holds the lock of the data directory: what an earlier run left
    /// half written is removed.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Archive, Error> {
        disk.make_dir(ARCHIVE_DIR)?;
        host::sweep_temporaries(&*disk, ARCHIVE_DIR)?;
        Ok(Archive { disk, held: Arc::default() })
    }

    /// Begins an object that comes in pieces.
    pub fn begin(&self) -> Result<Incoming, Error> {
        let temporary = self.disk.create_temporary(&format!("{ARCHIVE_DIR}/incoming")).map_err(Error::of_disk)?;
        let (disk, held) = (self.disk.clone(), self.held.clone());
        Ok(Incoming { disk, held, temporary: Some(temporary), hasher: Sha256::new(), size: 0 })
    }

    /// Puts all that a reader gives.
    pub fn put(&self, mut from: impl Read) -> Result<Stored, Error> {
        let mut incoming = self.begin()?;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match from.read(&mut piece) {
                Ok(0) => return incoming.finish(),
                Ok(count) => incoming.write(&piece[..count])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Disk(error)),
            }
        }
    }

    /// Reads an object; the last read fails with `InvalidData` if it is not what was put.
    pub fn reader(&self, sha256: &[u8; 32]) -> Result<ArchiveReader, Error> {
        let path = path_of(&hex(sha256));
        let size = self.disk.size(&path).map_err(|error| missing(sha256, error))?;
        let (piece, hasher) = (Vec::new(), Sha256::new());
        Ok(ArchiveReader { disk: self.disk.clone(), path, sha256: *sha256, size, at: 0, piece, taken: 0, hasher })
    }

    /// Whether an object is there.
    pub fn has(&self, sha256: &[u8; 32]) -> Result<bool, Error> {
        match self.disk.size(&path_of(&hex(sha256))) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::Disk(error)),
        }
    }

    /// Begins to remove objects. The caller looks for the records that name them *after*
    /// this, and has nobody beside it who removes.
    pub fn removing(&self) -> Removing {
        Removing::begin(self.disk.clone(), self.held.clone())
    }

    /// Every object there is, by name.
    pub fn list(&self) -> Result<Vec<Stored>, Error> {
        let mut all = Vec::new();
        for dir in self.disk.list(ARCHIVE_DIR)?.iter().filter(|entry| entry.is_dir) {
            for entry in self.disk.list(&format!("{ARCHIVE_DIR}/{}", dir.name))? {
                all.extend(sha256_of(&entry.name).map(|sha256| Stored { sha256, size: entry.size, _hold: None }));
            }
        }
        Ok(all)
    }

    /// Hashes every object again and names those that are not what was put.
    pub fn scrub(&self) -> Result<Vec<Damage>, Error> {
        scrub(&*self.disk)
    }
}

fn missing(sha256: &[u8; 32], error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => Error::NoObject { sha256: hex(sha256) },
        _ => Error::Disk(error),
    }
}

fn sha256_of(name: &str) -> Option<[u8; 32]> {
    let mut sha256 = [0; 32];
    for (at, byte) in sha256.iter_mut().enumerate() {
        *byte = u8::from_str_radix(name.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    (hex(&sha256) == name).then_some(sha256)
}

fn scrub(disk: &dyn Disk) -> Result<Vec<Damage>, Error> {
    let mut found = Vec::new();
    for top in disk.list(ARCHIVE_DIR)? {
        let dir = format!("{ARCHIVE_DIR}/{}", top.name);
        if !top.is_dir {
            if !host::is_temporary(&top.name) {
                found.push(Damage { path: dir, byte: 0, what: "not a file of the archive".to_owned() });
            }
            continue;
        }
        for entry in disk.list(&dir)? {
            let path = format!("{dir}/{}", entry.name);
            let what = match sha256_of(&entry.name) {
                Some(sha256) if path == path_of(&entry.name) => scrub_object(disk, &path, &sha256)?,
                _ => Some("not a file of the archive"),
            };
            found.extend(what.map(|what| Damage { path, byte: 0, what: what.to_owned() }));
        }
    }
    Ok(found)
}

fn scrub_object(disk: &dyn Disk, path: &str, sha256: &[u8; 32]) -> Result<Option<&'static str>, Error> {
    let mut hasher = Sha256::new();
    let mut at = 0;
    loop {
        let piece = match disk.read(path, at, PIECE_BYTES) {
            // Removed since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            piece => piece?,
        };
        if piece.is_empty() {
            break;
        }
        at += piece.len() as u64;
        hasher.update(&piece);
    }
    let whole = hasher.finalize()[..] == *sha256;
    Ok((!whole).then_some("the object does not have the sha-256 it is named after"))
}

/// An object on its way in; dropped unfinished, it leaves nothing.
pub struct Incoming {
    disk: Arc<dyn Disk>,
    held: Arc<Held>,
    temporary: Option<String>,
    hasher: Sha256,
    size: u64,
}

impl Incoming {
    /// The next piece.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        if self.size + piece.len() as u64 > OBJECT_BYTES_MAX {
            return Err(Error::ObjectTooLarge { most: OBJECT_BYTES_MAX });
        }
        let temporary = self.temporary.as_deref().expect("taken only by finish");
        self.disk.write_at(temporary, self.size, piece).map_err(Error::of_disk)?;
        self.hasher.update(piece);
        self.size += piece.len() as u64;
        Ok(())
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Durable when this returns. An object that is there already is replaced by
    /// itself, which also mends one that has been damaged.
    pub fn finish(mut self) -> Result<Stored, Error> {
        let sha256: [u8; 32] = std::mem::take(&mut self.hasher).finalize().into();
        let name = hex(&sha256);
        // Before it is there: from its first moment on nobody removes it.
        let _hold = Some(Arc::new(Hold::of(&self.held, sha256)));
        self.disk.make_dir(&dir_of(&name)).map_err(Error::of_disk)?;
        let temporary = self.temporary.take().expect("taken only here");
        self.disk.publish(&temporary, &path_of(&name), true).map_err(Error::of_disk)?;
        Ok(Stored { sha256, size: self.size, _hold })
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // If this fails the next start sweeps it.
            let _ = self.disk.remove(temporary);
        }
    }
}

/// An object on its way out.
pub struct ArchiveReader {
    disk: Arc<dyn Disk>,
    path: String,
    sha256: [u8; 32],
    size: u64,
    at: u64,
    piece: Vec<u8>,
    taken: usize,
    hasher: Sha256,
}

impl ArchiveReader {
    /// Bytes of the whole object.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Read for ArchiveReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        if self.taken == self.piece.len() {
            self.piece = self.disk.read(&self.path, self.at, PIECE_BYTES)?;
            self.taken = 0;
            self.at += self.piece.len() as u64;
            self.hasher.update(&self.piece);
        }
        if self.piece.is_empty() && self.hasher.clone().finalize()[..] != self.sha256 {
            let what = format!("{}: the object does not have the sha-256 it is named after", self.path);
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let count = into.len().min(self.piece.len() - self.taken);
        into[..count].copy_from_slice(&self.piece[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
