//! What a backup is, and how one is taken.
//!
//! Promise: restored, it is the data directory as a crash at one moment would
//! have left it, and every reading acknowledged before the backup was asked for
//! is there. Until the last step the backup that was there before stands.
//!
//! The moment is the end of the journal when its segments are listed. All parts
//! are of that moment because the journal holds what the others lack:
//!
//! 1. The journal is held: from here on nothing of it is trimmed.
//! 2. The lake's snapshot is taken, which is one moment of all its tables. It is
//!    never ahead of the journal, and what it lacks has not been trimmed.
//! 3. The segments are listed, as far as they are durable: the moment.
//! 4. Archive and registry are copied after it, the journal held until the archive is, so
//!    that nothing goes from there that a record here names: an archived file is durable
//!    before the record that names it, a lease of ids before the rows that use
//!    them. What came into these two since is more than is needed and harms nothing.
//!
//! Left out: `state/`, which is made anew; `spill/`; and files of which only a
//! part has been uploaded: nothing was acknowledged of them but bytes, and their
//! senders are told to begin again.
//!
//! Files lie in `objects/` by their BLAKE3, so a second backup into the same
//! place copies only what is new; `manifest.json`, written last, names them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::{Context, bail};
use blake3::{Hash, Hasher};
use host::{Clock, Disk};
use journal::{ARCHIVE_DIR, Local};
use registry::Sqlite;
use serde::{Deserialize, Serialize};

use crate::exit::{Damaged, Taken, Usage};
use crate::format;
use crate::manifest::{Kept, Manifest, OBJECTS_DIR, VERSION, object_path};

const LOCK: &str = "lock";
/// Files are copied in pieces of this size.
pub const PIECE_BYTES: usize = 1 << 20;

/// A house, alive or just opened.
pub struct Alive {
    pub disk: Arc<dyn Disk>,
    pub clock: Arc<dyn Clock>,
    pub registry: Arc<Sqlite>,
    pub journal: Arc<Local>,
    pub lake: store::Reader,
}

/// What a backup did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taking {
    /// Records below this sequence number are in it.
    pub next_sequence: u64,
    pub files: u64,
    pub bytes: u64,
    /// Those that were not there yet.
    pub files_new: u64,
    pub bytes_new: u64,
    /// Objects that only the backup before referred to.
    pub removed: u64,
}

/// Takes a backup of `house` into `to`. Blocks.
pub fn take(house: &Alive, to: &dyn Disk) -> anyhow::Result<Taking> {
    let _lock = to.lock(LOCK).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => anyhow::Error::new(Taken("another backup is being taken there".into())),
        _ => error.into(),
    })?;
    let format = format::read(house.disk.as_ref())?;
    let before = Manifest::find(to)?;
    if let Some(other) = before.iter().find(|before| before.epoch != format.epoch) {
        bail!(Usage(format!("there lies the backup of another data directory, of epoch {}", other.epoch)));
    }
    to.make_dir(OBJECTS_DIR)?;
    let mut copy = Copy { from: house.disk.as_ref(), to, kept: Vec::new(), files_new: 0, bytes_new: 0 };
    let hold = house.journal.hold();
    let snapshot = house.lake.snapshot();
    let (next, segments) = hold.segments()?;
    for file in snapshot.stored()? {
        copy.known(&file.path, file.size, file.blake3)?;
    }
    for segment in segments {
        copy.unknown(&segment.path, segment.durable_bytes, segment.file_bytes)?;
    }
    let archived = before.iter().flat_map(|before| &before.files).filter(|file| file.path.starts_with(ARCHIVE_DIR));
    let archived: HashMap<&str, &Kept> = archived.map(|file| (file.path.as_str(), file)).collect();
    for (path, bytes) in archive(house.disk.as_ref())? {
        let copied = match archived.get(path.as_str()) {
            Some(file) if file.bytes == bytes => copy.known(&path, bytes, file.hash()),
            _ => copy.unknown(&path, bytes, bytes),
        };
        match copied {
            // It was over and went meanwhile: no record of this moment's journal names it.
            Err(_) if !is_there(house.disk.as_ref(), &path)? => {}
            copied => copied?,
        }
    }
    drop(hold);
    for (name, bytes) in house.registry.image()? {
        copy.held(name, &bytes)?;
    }
    let size = house.disk.size(format::PATH)?;
    copy.unknown(format::PATH, size, size)?;
    let Copy { mut kept, files_new, bytes_new, .. } = copy;
    kept.sort_by(|a, b| a.path.cmp(&b.path));
    let bytes = kept.iter().map(|file| file.bytes).sum();
    let taken = house.clock.now().to_string();
    let manifest = Manifest { version: VERSION, epoch: format.epoch, taken, next_sequence: next.0, files: kept };
    manifest.write(to)?;
    let removed = sweep(to, &manifest)?;
    Ok(Taking { next_sequence: next.0, files: manifest.files.len() as u64, bytes, files_new, bytes_new, removed })
}

/// Archived files: their name is their content, so they never change.
fn archive(disk: &dyn Disk) -> anyhow::Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    for shelf in disk.list(ARCHIVE_DIR)?.into_iter().filter(|entry| entry.is_dir) {
        let dir = format!("{ARCHIVE_DIR}/{}", shelf.name);
        let whole = disk.list(&dir)?.into_iter().filter(|entry| !entry.is_dir && !host::is_temporary(&entry.name));
        found.extend(whole.map(|entry| (format!("{dir}/{}", entry.name), entry.size)));
    }
    Ok(found)
}

fn is_there(disk: &dyn Disk, path: &str) -> anyhow::Result<bool> {
    match disk.size(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        size => Ok(size.map(|_| true)?),
    }
}

/// Removes what the manifest does not name.
fn sweep(to: &dyn Disk, manifest: &Manifest) -> anyhow::Result<u64> {
    let named: HashSet<String> = manifest.files.iter().map(|file| object_path(&file.blake3)).collect();
    let mut removed = 0;
    host::sweep_temporaries(to, OBJECTS_DIR)?;
    for shelf in to.list(OBJECTS_DIR)?.into_iter().filter(|entry| entry.is_dir) {
        let dir = format!("{OBJECTS_DIR}/{}", shelf.name);
        for entry in to.list(&dir)? {
            let path = format!("{dir}/{}", entry.name);
            if !named.contains(&path) {
                to.remove(&path)?;
                removed += u64::from(!host::is_temporary(&entry.name));
            }
        }
    }
    Ok(removed)
}

struct Copy<'a> {
    from: &'a dyn Disk,
    to: &'a dyn Disk,
    kept: Vec<Kept>,
    files_new: u64,
    bytes_new: u64,
}

impl Copy<'_> {
    /// A file that must hash to this; not read again if it is there.
    fn known(&mut self, path: &str, bytes: u64, hash: Hash) -> anyhow::Result<()> {
        if !self.is_there(bytes, hash)? {
            let (incoming, found) = self.bring(path, bytes).with_context(|| format!("copy of {path}"))?;
            if found != hash {
                self.to.remove(&incoming)?;
                bail!(Damaged(format!("{path} does not match its checksum; the backup before stands")));
            }
            self.publish(&incoming, bytes, hash)?;
        }
        self.keep(path, bytes, 0, hash);
        Ok(())
    }

    /// The first `bytes` of a file of `room` bytes, the rest of which is zeros.
    fn unknown(&mut self, path: &str, bytes: u64, room: u64) -> anyhow::Result<()> {
        let (incoming, hash) = self.bring(path, bytes).with_context(|| format!("copy of {path}"))?;
        if self.is_there(bytes, hash)? {
            self.to.remove(&incoming)?;
        } else {
            self.publish(&incoming, bytes, hash)?;
        }
        self.keep(path, bytes, room - bytes, hash);
        Ok(())
    }

    /// A file that is in memory.
    fn held(&mut self, path: &str, content: &[u8]) -> anyhow::Result<()> {
        let (hash, bytes) = (blake3::hash(content), content.len() as u64);
        if !self.is_there(bytes, hash)? {
            let incoming = self.to.create_temporary(&format!("{OBJECTS_DIR}/incoming"))?;
            self.to.write_at(&incoming, 0, content)?;
            self.publish(&incoming, bytes, hash)?;
        }
        self.keep(path, bytes, 0, hash);
        Ok(())
    }

    /// A flipped byte in an object that is there is found by `restore`, a cut one here.
    fn is_there(&self, bytes: u64, hash: Hash) -> anyhow::Result<bool> {
        match self.to.size(&object_path(hash.to_hex().as_str())) {
            Ok(size) => Ok(size == bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Copies to a temporary name; gives that and the hash of what was read.
    fn bring(&self, path: &str, bytes: u64) -> anyhow::Result<(String, Hash)> {
        let incoming = self.to.create_temporary(&format!("{OBJECTS_DIR}/incoming"))?;
        let mut hasher = Hasher::new();
        let mut at = 0;
        while at < bytes {
            let most = usize::try_from(bytes - at).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
            let piece = self.from.read(path, at, most)?;
            if piece.is_empty() {
                bail!(Damaged(format!("{path} ends after {at} of {bytes} bytes")));
            }
            hasher.update(&piece);
            self.to.write_at(&incoming, at, &piece)?;
            at += piece.len() as u64;
        }
        Ok((incoming, hasher.finalize()))
    }

    fn publish(&mut self, incoming: &str, bytes: u64, hash: Hash) -> anyhow::Result<()> {
        let path = object_path(hash.to_hex().as_str());
        self.to.make_dir(host::parent_of(&path))?;
        self.to.publish(incoming, &path, true)?;
        self.files_new += 1;
        self.bytes_new += bytes;
        Ok(())
    }

    fn keep(&mut self, path: &str, bytes: u64, reserved_bytes: u64, hash: Hash) {
        let blake3 = hash.to_hex().to_string();
        self.kept.push(Kept { path: path.to_owned(), bytes, reserved_bytes, blake3 });
    }
}
