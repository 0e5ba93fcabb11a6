//! The disk: files by path below one root, and what a return value is worth.
//!
//! Promise: written bytes are safe from a power loss only after `sync` of the
//! file, and a name only after `sync_dir` of its directory; nothing between is
//! taken for granted. Adapters may survive more, callers may rely on no more.

use std::io;

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Without the directory's path.
    pub name: String,
    /// Bytes of a file; 0 for a directory.
    pub size: u64,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// Held until dropped.
pub trait Lock: Send + Sync {}

/// A directory tree of files. Every call blocks.
///
/// A path is relative to the root, its parts joined by `/`; empty parts, `.`
/// and `..` are `InvalidInput`. The empty path is the root directory itself.
///
/// Until `sync(file)` returns, a power loss may keep any of the bytes written
/// since the last one, sector by sector, in any order. Until `sync_dir(dir)`
/// returns, it may undo any create, rename or remove in `dir`, each for itself;
/// a rename shows the old name or the new one, never both and never neither.
///
/// After `sync` fails, the bytes since the last good one are in doubt for ever,
/// even if a later `sync` succeeds: do not retry.
pub trait Disk: Send + Sync {
    /// At most `len` bytes from `offset`: fewer only at the end of the file.
    fn read(&self, path: &str, offset: u64, len: usize) -> io::Result<Vec<u8>>;

    /// Bytes in a file.
    fn size(&self, path: &str) -> io::Result<u64>;

    /// What stands in a directory, by name; a missing directory is empty.
    fn list(&self, dir: &str) -> io::Result<Vec<Entry>>;

    /// A new file of `preallocate` zero bytes whose space is reserved: writing
    /// inside it cannot find the disk full. `AlreadyExists` if the name is
    /// taken, `StorageFull` with nothing left behind if there is no room.
    /// Missing parents are made and are durable; the file's own name is not yet.
    fn create(&self, path: &str, preallocate: u64) -> io::Result<()>;

    /// A directory and what is above it, durable; fine if it is there.
    fn make_dir(&self, dir: &str) -> io::Result<()>;

    /// Writes into an existing file, growing it if needed; a hole reads as zeros.
    fn write_at(&self, path: &str, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes a file's bytes and size durable.
    fn sync(&self, path: &str) -> io::Result<()>;

    /// Makes the names in a directory durable. A rename between two directories
    /// needs this for both.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;

    /// Renames a file. With `replace` an existing `to` is replaced in one step,
    /// without it that is `AlreadyExists` and nothing changes. Missing parents
    /// of `to` are not made.
    fn rename(&self, from: &str, to: &str, replace: bool) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Takes an exclusive lock on a file, made if missing, against every other
    /// holder on the machine; `WouldBlock` if someone has it.
    fn lock(&self, path: &str) -> io::Result<Box<dyn Lock>>;

    /// A new empty file beside `path` under a name that [`is_temporary`] knows.
    fn create_temporary(&self, path: &str) -> io::Result<String> {
        let (dir, name) = split(path);
        for attempt in 0..TEMPORARY_ATTEMPTS {
            let temporary = join(dir, &format!(".{name}.{attempt}{SWEPT_SUFFIX}"));
            match self.create(&temporary, 0) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(temporary),
            }
        }
        let why = format!("{path}: {TEMPORARY_ATTEMPTS} temporary files stand beside it; sweep them");
        Err(io::Error::new(io::ErrorKind::AlreadyExists, why))
    }

    /// Gives a temporary file its name for good: durable when this returns. If
    /// it fails the temporary file is gone, or will be with the next sweep.
    fn publish(&self, temporary: &str, path: &str, replace: bool) -> io::Result<()> {
        let named = self.sync(temporary).and_then(|()| self.rename(temporary, path, replace));
        if let Err(error) = named {
            // The first error tells more than one of the removal could.
            let _ = self.remove(temporary);
            return Err(error);
        }
        self.sync_dir(parent_of(path))?;
        if parent_of(temporary) == parent_of(path) { Ok(()) } else { self.sync_dir(parent_of(temporary)) }
    }

    /// A whole file at once: `path` holds either what it held before or all of
    /// `bytes`, whatever happens, and the latter once this returns.
    fn write_durable(&self, path: &str, bytes: &[u8], replace: bool) -> io::Result<()> {
        let temporary = self.create_temporary(path)?;
        if let Err(error) = self.write_at(&temporary, 0, bytes) {
            let _ = self.remove(&temporary);
            return Err(error);
        }
        self.publish(&temporary, path, replace)
    }
}

/// How temporary names end. They start with a dot, so that Delta readers pass over them.
pub const SWEPT_SUFFIX: &str = ".tmp";

/// Writers of one path at a time plus what crashes left; more means that nobody sweeps.
const TEMPORARY_ATTEMPTS: u32 = 1_000;

/// Whether a file name (not a path) is one that [`Disk::create_temporary`] makes.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(SWEPT_SUFFIX)
}

/// Removes the temporary files in `dir`, which a crash may have left. Only for
/// whoever knows that no writer is at work there.
pub fn sweep_temporaries(disk: &dyn Disk, dir: &str) -> io::Result<usize> {
    let mut swept = 0;
    for entry in disk.list(dir)? {
        if !entry.is_dir && is_temporary(&entry.name) {
            disk.remove(&join(dir, &entry.name))?;
            swept += 1;
        }
    }
    Ok(swept)
}

/// The directory a path lies in; the empty path for the root.
pub fn parent_of(path: &str) -> &str {
    split(path).0
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

/// Refuses what could leave the root or name one file in two ways.
pub(crate) fn check_file(path: &str) -> io::Result<()> {
    let sound = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    if path.split('/').all(sound) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{path:?} is not a path below the root")))
}

/// As [`check_file`], where the root itself is meant too.
pub(crate) fn check_dir(path: &str) -> io::Result<()> {
    if path.is_empty() { Ok(()) } else { check_file(path) }
}

/// Whether there was no room: nothing is wrong with the disk but that.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Names the operation and the path, and what to do where that is known,
/// keeping the error's kind.
pub(crate) fn explain(operation: &str, path: &str, error: &io::Error) -> io::Error {
    let advice = if is_full(error) { "; free space and try again" } else { "" };
    io::Error::new(error.kind(), format!("cannot {operation} {path:?}: {error}{advice}"))
}
