//! The descriptors that a [`RealDisk`](super::RealDisk) keeps open.
//!
//! Promise: a file with bytes not yet synced keeps its descriptor, because a
//! write error that the kernel meets later is reported to descriptors that were
//! open then, and closing the last one can lose it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// A query touches dozens of files at a time; the usual limit is 1,024
/// descriptors a process, and sockets need most of them.
pub(super) const FILES_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct OpenFiles {
    by_path: Mutex<HashMap<String, Arc<OpenFile>>>,
    uses: AtomicU64,
}

#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    writable: bool,
    /// Written since the last sync began.
    dirty: AtomicBool,
    last_use: AtomicU64,
}

impl OpenFile {
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.dirty.store(false, Ordering::SeqCst);
        let synced = self.file.sync_data();
        if synced.is_err() {
            self.dirty.store(true, Ordering::SeqCst);
        }
        synced
    }
}

impl OpenFiles {
    pub(super) fn for_reading(&self, path: &str, real: &Path) -> io::Result<Arc<OpenFile>> {
        self.get(path, real, false)
    }

    pub(super) fn for_writing(&self, path: &str, real: &Path) -> io::Result<Arc<OpenFile>> {
        self.get(path, real, true)
    }

    /// Takes in a file just created.
    pub(super) fn keep(&self, path: &str, file: File) {
        self.insert(&mut self.lock(), path, file, true);
    }

    pub(super) fn rename(&self, from: &str, to: &str, rename: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut by_path = self.lock();
        rename()?;
        by_path.remove(to);
        if let Some(open) = by_path.remove(from) {
            by_path.insert(to.to_owned(), open);
        }
        Ok(())
    }

    pub(super) fn remove(&self, path: &str, remove: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut by_path = self.lock();
        remove()?;
        by_path.remove(path);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<OpenFile>>> {
        self.by_path.lock().expect("no holder of this lock panics")
    }

    /// Marks the file dirty under the lock, so that it is not dropped before the write.
    fn get(&self, path: &str, real: &Path, write: bool) -> io::Result<Arc<OpenFile>> {
        let mut by_path = self.lock();
        let kept = by_path.get(path).filter(|open| open.writable || !write);
        let open = match kept {
            Some(open) => open.clone(),
            None => {
                let file = OpenOptions::new().read(true).write(write).open(real)?;
                // Opening a directory for reading works; reading it later says less.
                if !write && file.metadata()?.is_dir() {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
                self.insert(&mut by_path, path, file, write)
            }
        };
        open.last_use.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        if write {
            open.dirty.store(true, Ordering::SeqCst);
        }
        Ok(open)
    }

    fn insert(
        &self,
        by_path: &mut HashMap<String, Arc<OpenFile>>,
        path: &str,
        file: File,
        writable: bool,
    ) -> Arc<OpenFile> {
        if by_path.len() >= FILES_MAX {
            let clean = by_path.iter().filter(|(_, open)| !open.dirty.load(Ordering::SeqCst));
            let oldest = clean.min_by_key(|(_, open)| open.last_use.load(Ordering::Relaxed));
            if let Some(path) = oldest.map(|(path, _)| path.clone()) {
                by_path.remove(&path);
            }
        }
        let last_use = AtomicU64::new(self.uses.fetch_add(1, Ordering::Relaxed));
        let open = Arc::new(OpenFile { file, writable, dirty: AtomicBool::new(false), last_use });
        by_path.insert(path.to_owned(), open.clone());
        open
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }
}
