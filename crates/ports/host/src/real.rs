//! A directory of the machine as a [`Disk`].
//!
//! Promise: `sync` is fdatasync, `sync_dir` is fsync of the directory, a
//! rename that must not replace is renameat2(RENAME_NOREPLACE), space is
//! reserved by fallocate, and no descriptor leaks into a child process (the
//! standard library opens with O_CLOEXEC).
//!
//! Read: this file, then `real/open.rs` (the descriptors kept open).

mod open;

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::{CWD, FallocateFlags, FlockOperation, RenameFlags};
use rustix::io::Errno;

use crate::disk::{check_dir, check_file, explain, parent_of};
use crate::{Disk, Entry, Lock};

use open::OpenFiles;

/// Files below one directory.
#[derive(Debug)]
pub struct RealDisk {
    root: PathBuf,
    open: OpenFiles,
    /// Directories whose own names this process has synced: a killed process
    /// may have made one and not got so far.
    settled_dirs: Mutex<HashSet<String>>,
}

#[derive(Debug)]
struct FileLock(#[expect(dead_code, reason = "closing it releases the lock")] File);

impl Lock for FileLock {}

/// Zeros are written in pieces of this size where the file system cannot reserve.
const ZEROS_BYTES: usize = 1 << 20;

impl RealDisk {
    /// The directory is made if it is missing, with what is above it, and is durable.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<RealDisk> {
        let root: PathBuf = root.into();
        let named = |error: io::Error| explain("open", &root.display().to_string(), &error);
        let root = std::path::absolute(&root).map_err(named)?;
        let named = |error: io::Error| explain("open", &root.display().to_string(), &error);
        let made: Vec<&Path> = root.ancestors().take_while(|dir| !dir.exists()).collect();
        fs::create_dir_all(&root).map_err(named)?;
        for above in made.iter().filter_map(|dir| dir.parent()) {
            File::open(above).and_then(|above| above.sync_all()).map_err(named)?;
        }
        let root = root.canonicalize().map_err(named)?;
        Ok(RealDisk { root, open: OpenFiles::default(), settled_dirs: Mutex::default() })
    }

    /// Where the machine knows a path, for engines that open files themselves.
    pub fn path(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }

    /// Makes `dir` and what is above it; each name is synced once a process.
    fn settle_dir(&self, dir: &str) -> io::Result<()> {
        if dir.is_empty() {
            return Ok(());
        }
        // Held throughout: a second caller must not go on before the first has synced.
        let mut settled = self.settled_dirs.lock().expect("no holder of this lock panics");
        let ends = dir.match_indices('/').map(|(at, _)| at).chain([dir.len()]);
        for end in ends {
            let part = &dir[..end];
            if settled.contains(part) {
                continue;
            }
            match fs::create_dir(self.path(part)) {
                Ok(()) => {}
                Err(_) if self.path(part).is_dir() => {}
                Err(error) => return Err(error),
            }
            File::open(self.path(parent_of(part)))?.sync_all()?;
            settled.insert(part.to_owned());
        }
        Ok(())
    }
}

impl Disk for RealDisk {
    fn read(&self, path: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        check_file(path)?;
        let named = |error: io::Error| explain("read", path, &error);
        let file = self.open.for_reading(path, &self.path(path)).map_err(named)?;
        // A caller's wish must not reserve more memory than the file can fill.
        let left = file.size().map_err(named)?.saturating_sub(offset);
        let mut bytes = vec![0; usize::try_from(left).map_or(len, |left| left.min(len))];
        let mut filled = 0;
        while filled < bytes.len() {
            match file.file().read_at(&mut bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(named(error)),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    fn size(&self, path: &str) -> io::Result<u64> {
        check_file(path)?;
        let about = fs::metadata(self.path(path)).map_err(|error| explain("look at", path, &error))?;
        if about.is_dir() {
            return Err(explain("look at", path, &io::ErrorKind::IsADirectory.into()));
        }
        Ok(about.len())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<Entry>> {
        check_dir(dir)?;
        let named = |error: io::Error| explain("list", dir, &error);
        let names = match fs::read_dir(self.path(dir)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            names => names.map_err(named)?,
        };
        let mut entries = Vec::new();
        for found in names {
            let found = found.map_err(named)?;
            let name = found
                .file_name()
                .into_string()
                .map_err(|name| named(io::Error::new(io::ErrorKind::InvalidData, format!("{name:?} is not UTF-8"))))?;
            match found.metadata() {
                // Removed since the directory was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(named(error)),
                Ok(about) if about.is_dir() => entries.push(Entry { name, size: 0, is_dir: true }),
                Ok(about) => entries.push(Entry { name, size: about.len(), is_dir: false }),
            }
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    fn create(&self, path: &str, preallocate: u64) -> io::Result<()> {
        check_file(path)?;
        let named = |error: io::Error| explain("create", path, &error);
        self.settle_dir(parent_of(path)).map_err(named)?;
        let real = self.path(path);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&real).map_err(named)?;
        if preallocate > 0
            && let Err(error) = reserve(&file, preallocate)
        {
            drop(file);
            fs::remove_file(&real).map_err(named)?;
            return Err(named(error));
        }
        self.open.keep(path, file);
        Ok(())
    }

    fn make_dir(&self, dir: &str) -> io::Result<()> {
        check_dir(dir)?;
        self.settle_dir(dir).map_err(|error| explain("make directory", dir, &error))
    }

    fn write_at(&self, path: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        check_file(path)?;
        let named = |error: io::Error| explain("write", path, &error);
        let file = self.open.for_writing(path, &self.path(path)).map_err(named)?;
        file.file().write_all_at(bytes, offset).map_err(named)
    }

    fn sync(&self, path: &str) -> io::Result<()> {
        check_file(path)?;
        let named = |error: io::Error| explain("sync", path, &error);
        self.open.for_writing(path, &self.path(path)).map_err(named)?.sync().map_err(named)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        check_dir(dir)?;
        let synced = File::open(self.path(dir)).and_then(|dir| dir.sync_all());
        synced.map_err(|error| explain("sync", dir, &error))
    }

    fn rename(&self, from: &str, to: &str, replace: bool) -> io::Result<()> {
        check_file(from)?;
        check_file(to)?;
        let (real_from, real_to) = (self.path(from), self.path(to));
        let renamed = self.open.rename(from, to, || match replace {
            true => fs::rename(&real_from, &real_to),
            false => rename_if_free(&real_from, &real_to),
        });
        renamed.map_err(|error| explain("rename", &format!("{from} to {to}"), &error))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        check_file(path)?;
        let real = self.path(path);
        self.open.remove(path, || fs::remove_file(&real)).map_err(|error| explain("remove", path, &error))
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn Lock>> {
        check_file(path)?;
        let named = |error: io::Error| explain("lock", path, &error);
        self.settle_dir(parent_of(path)).map_err(named)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(self.path(path)).map_err(named)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|errno| named(errno.into()))?;
        Ok(Box::new(FileLock(file)))
    }
}

/// Reserves the first `bytes` of a file; they read as zeros.
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    loop {
        match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    let zeros = vec![0; ZEROS_BYTES];
    let mut offset = 0;
    while offset < bytes {
        let piece = usize::try_from(bytes - offset).map_or(ZEROS_BYTES, |left| left.min(ZEROS_BYTES));
        file.write_all_at(&zeros[..piece], offset)?;
        offset += piece as u64;
    }
    Ok(())
}

/// Renames unless `to` exists. A link is the older way to say so, for file
/// systems without the flag; dying between its two steps leaves both names.
pub(crate) fn rename_if_free(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {}
        done => return done.map_err(io::Error::from),
    }
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_directory_keeps_the_contract() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        crate::contract::check(&RealDisk::open(dir.path().join("a/b")).expect("opens"));
    }

    #[test]
    fn more_files_than_descriptors_are_kept_can_be_written_and_read() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let disk = RealDisk::open(dir.path()).expect("opens");
        let names: Vec<String> = (0..open::FILES_MAX + 20).map(|at| format!("f{at}")).collect();
        for name in &names {
            disk.create(name, 0).expect("creates");
            disk.write_at(name, 0, name.as_bytes()).expect("writes");
            disk.sync(name).expect("syncs");
        }
        for name in &names {
            assert_eq!(disk.read(name, 0, 100).expect("reads"), name.as_bytes());
        }
        assert!(disk.open.count() <= open::FILES_MAX);
    }

    #[test]
    fn a_file_with_unsynced_bytes_keeps_its_descriptor() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let disk = RealDisk::open(dir.path()).expect("opens");
        for at in 0..open::FILES_MAX + 20 {
            disk.create(&format!("f{at}"), 0).expect("creates");
            disk.write_at(&format!("f{at}"), 0, b"x").expect("writes");
        }
        assert_eq!(disk.open.count(), open::FILES_MAX + 20);
    }
}
