//! A disk in memory whose power fails when told to.
//!
//! Promise: it keeps what [`Disk`] says is kept and, after a power loss, as
//! little of the rest as its seed decides: sectors written but not synced are
//! lost, torn or reordered for each file by itself, and names not synced are
//! undone for each change by itself. The same calls with the same seeds give
//! the same bytes.
//!
//! Every call that changes something is one *operation*, numbered from 0; reads
//! are not counted. A trial runs once to learn [`SimDisk::operations`], then
//! again for each number with [`SimDisk::crash_at`], and each time looks at what
//! [`SimDisk::power_cycle`] left.
//!
//! Read: this file (faults, and the operations), `sim/names.rs` (directories),
//! `sim/file.rs` (sectors).

mod file;
mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{check_dir, check_file, explain, parent_of};
use crate::{Disk, Entry, Lock, Seeded};

use file::SimFile;
use names::{FileId, Names};

pub use file::SECTOR_BYTES;

/// A handle; clones share one disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    names: Names,
    files: BTreeMap<FileId, SimFile>,
    locked: BTreeSet<String>,
    seed: Seeded,
    power: bool,
    operations: u64,
    log: Vec<String>,
    faults: Faults,
}

/// What a trial asked to go wrong.
#[derive(Clone, Debug, Default)]
struct Faults {
    crash_at: Option<u64>,
    fail_at: BTreeMap<u64, io::ErrorKind>,
    fail_reads: Vec<(String, io::ErrorKind)>,
    skip_fsync: Vec<String>,
    skip_dir_sync: Vec<String>,
    capacity_bytes: Option<u64>,
}

/// How one operation goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    /// It may have happened, but nobody hears of it.
    PowerGone,
    Fails(io::ErrorKind),
}

/// What is left of the things that were not synced.
enum Survival {
    Nothing,
    Everything,
    Seeded(Seeded),
}

impl SimDisk {
    /// An empty disk. The seed decides what a failing operation leaves half done.
    pub fn new(seed: u64) -> SimDisk {
        SimDisk::of(Names::default(), BTreeMap::new(), seed)
    }

    fn of(names: Names, files: BTreeMap<FileId, SimFile>, seed: u64) -> SimDisk {
        let state = State {
            names,
            files,
            locked: BTreeSet::new(),
            seed: Seeded::new(seed),
            power: true,
            operations: 0,
            log: Vec::new(),
            faults: Faults::default(),
        };
        SimDisk { state: Arc::new(Mutex::new(state)) }
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// The power goes in the middle of operation `number`: that one and all
    /// later calls fail, and what was not synced is at the mercy of the seed
    /// given to [`SimDisk::power_cycle`].
    pub fn crash_at(&self, number: u64) {
        self.lock_state().faults.crash_at = Some(number);
    }

    /// Operation `number` fails once: a write may be half done, a failed sync
    /// drops some of the file's unsynced sectors for good while reads still show
    /// them, as Linux does; everything else changes nothing.
    pub fn fail_at(&self, number: u64, kind: io::ErrorKind) {
        self.lock_state().faults.fail_at.insert(number, kind);
    }

    /// From now on reading a file whose path contains `pattern` fails.
    pub fn fail_reads(&self, pattern: &str, kind: io::ErrorKind) {
        self.lock_state().faults.fail_reads.push((pattern.to_owned(), kind));
    }

    /// Files may hold this many bytes together; growing past it is `StorageFull`.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock_state().faults.capacity_bytes = bytes;
    }

    /// A planted bug: `sync` of files whose path contains `pattern` does nothing.
    pub fn skip_fsync(&self, pattern: &str) {
        self.lock_state().faults.skip_fsync.push(pattern.to_owned());
    }

    /// A planted bug: `sync_dir` of directories whose path contains `pattern` does nothing.
    pub fn skip_dir_sync(&self, pattern: &str) {
        self.lock_state().faults.skip_dir_sync.push(pattern.to_owned());
    }

    /// Flips a bit that is already stored, as rust does. Not an operation.
    pub fn flip(&self, path: &str, byte: u64, bit: u8) {
        let mut state = self.lock_state();
        let id = state.names.find(path).expect("a trial flips bits of files that exist");
        state.files.get_mut(&id).expect("every name has its file").flip(byte, bit);
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.lock_state().operations
    }

    /// The operations so far, one line each.
    pub fn log(&self) -> Vec<String> {
        self.lock_state().log.clone()
    }

    /// Whether the power has gone.
    pub fn crashed(&self) -> bool {
        !self.lock_state().power
    }

    /// Every file with its bytes as reads see them, by path.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.lock_state();
        state.names.all().map(|(path, id)| (path.clone(), state.files[&id].bytes().to_vec())).collect()
    }

    /// Cuts the power (if it is not gone already) and gives the disk as the next
    /// start finds it: no locks, no faults, operations from 0. Seed 0 keeps
    /// nothing that was not synced, seed 1 keeps everything, any other decides
    /// file by file and sector by sector.
    pub fn power_cycle(&self, seed: u64) -> SimDisk {
        let mut state = self.lock_state();
        state.power = false;
        let mut survival = match seed {
            0 => Survival::Nothing,
            1 => Survival::Everything,
            seed => Survival::Seeded(Seeded::new(seed)),
        };
        let names = state.names.after_power_loss(&mut survival);
        let kept = names.all().map(|(_, id)| (id, state.files[&id].after_power_loss(&mut survival))).collect();
        SimDisk::of(names, kept, seed)
    }

    /// Kills the process but not the machine: the next start finds every byte
    /// written so far, and what was not synced is still not.
    pub fn restart(&self) -> SimDisk {
        let mut state = self.lock_state();
        state.power = false;
        let seed = state.seed.draw();
        SimDisk::of(state.names.clone(), state.files.clone(), seed)
    }
}

impl State {
    fn powered(&self) -> io::Result<()> {
        if self.power { Ok(()) } else { Err(power_gone()) }
    }

    /// Counts an operation and says how it goes.
    fn begin(&mut self, line: String) -> io::Result<Fate> {
        self.powered()?;
        let number = self.operations;
        self.operations += 1;
        self.log.push(line);
        if self.faults.crash_at == Some(number) {
            self.power = false;
            return Ok(Fate::PowerGone);
        }
        Ok(self.faults.fail_at.remove(&number).map_or(Fate::Done, Fate::Fails))
    }

    fn file(&mut self, path: &str) -> io::Result<&mut SimFile> {
        check_file(path)?;
        if self.names.is_dir(path) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let id = self.names.find(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.files.get_mut(&id).expect("every name has its file"))
    }

    fn has_room(&self, more: u64) -> bool {
        let Some(capacity) = self.faults.capacity_bytes else { return true };
        let used: u64 = self.names.all().map(|(_, id)| self.files[&id].size()).sum();
        used + more <= capacity
    }

    /// Makes the missing directories down to `dir`, each durable: one operation each.
    fn make_dirs(&mut self, dir: &str) -> io::Result<()> {
        let ends: Vec<usize> = dir.match_indices('/').map(|(at, _)| at).chain([dir.len()]).collect();
        for part in ends.into_iter().map(|end| &dir[..end]) {
            if part.is_empty() || self.names.is_dir(part) {
                continue;
            }
            if self.names.find(part).is_some() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            let fate = self.begin(format!("make_dir {part}"))?;
            if !matches!(fate, Fate::Fails(_)) {
                self.names.make_dir(part);
            }
            fate.result()?;
        }
        Ok(())
    }

    fn make_dir(&mut self, dir: &str) -> io::Result<()> {
        self.powered()?;
        check_dir(dir)?;
        self.make_dirs(dir)
    }

    fn create(&mut self, path: &str, preallocate: u64) -> io::Result<()> {
        self.powered()?;
        check_file(path)?;
        self.make_dirs(parent_of(path))?;
        if self.names.find(path).is_some() || self.names.is_dir(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let fate = self.begin(format!("create {path} {preallocate}"))?;
        if matches!(fate, Fate::Fails(_)) {
            return fate.result();
        }
        if !self.has_room(preallocate) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let id = self.names.create(path);
        self.files.insert(id, SimFile::new(preallocate));
        fate.result()
    }

    fn write_at(&mut self, path: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.powered()?;
        let end = offset + bytes.len() as u64;
        let growth = end.saturating_sub(self.file(path)?.size());
        let mut fate = self.begin(format!("write_at {path} {offset} +{}", bytes.len()))?;
        if fate == Fate::Done && growth > 0 && !self.has_room(growth) {
            fate = Fate::Fails(io::ErrorKind::StorageFull);
        }
        let written = match fate {
            Fate::Fails(_) => self.seed.below(bytes.len() as u64 + 1),
            _ => bytes.len() as u64,
        };
        let time = self.operations;
        let written = usize::try_from(written).expect("at most the length of a slice");
        self.file(path)?.write_at(offset, &bytes[..written], time);
        fate.result()
    }

    fn sync(&mut self, path: &str) -> io::Result<()> {
        self.powered()?;
        self.file(path)?;
        let fate = self.begin(format!("sync {path}"))?;
        let skipped = self.faults.skip_fsync.iter().any(|pattern| path.contains(pattern.as_str()));
        match fate {
            Fate::Done if !skipped => self.file(path)?.sync(),
            Fate::Fails(_) => {
                let mut seed = Seeded::new(self.seed.draw());
                self.file(path)?.fail_to_sync(&mut seed);
            }
            _ => {}
        }
        fate.result()
    }

    fn sync_dir(&mut self, dir: &str) -> io::Result<()> {
        self.powered()?;
        check_dir(dir)?;
        if !self.names.is_dir(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let fate = self.begin(format!("sync_dir {dir}"))?;
        let skipped = self.faults.skip_dir_sync.iter().any(|pattern| dir.contains(pattern.as_str()));
        if fate == Fate::Done && !skipped {
            self.names.sync_dir(dir);
            self.drop_unnamed();
        }
        fate.result()
    }

    fn rename(&mut self, from: &str, to: &str, replace: bool) -> io::Result<()> {
        self.powered()?;
        check_file(to)?;
        self.file(from)?;
        if !self.names.is_dir(parent_of(to)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if self.names.is_dir(to) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !replace && self.names.find(to).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let fate = self.begin(format!("rename {from} {to}"))?;
        if !matches!(fate, Fate::Fails(_)) && from != to {
            self.names.rename(from, to);
        }
        fate.result()
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        self.powered()?;
        self.file(path)?;
        let fate = self.begin(format!("remove {path}"))?;
        if !matches!(fate, Fate::Fails(_)) {
            self.names.remove(path);
        }
        fate.result()
    }

    fn drop_unnamed(&mut self) {
        let named = self.names.reachable();
        self.files.retain(|id, _| named.contains(id));
    }
}

impl Fate {
    fn result(self) -> io::Result<()> {
        match self {
            Fate::Done => Ok(()),
            Fate::PowerGone => Err(power_gone()),
            Fate::Fails(kind) => Err(kind.into()),
        }
    }
}

fn power_gone() -> io::Error {
    io::Error::other("the simulated power is gone")
}

struct SimLock {
    disk: SimDisk,
    path: String,
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.lock_state().locked.remove(&self.path);
    }
}

impl Disk for SimDisk {
    fn read(&self, path: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut state = self.lock_state();
        state.powered()?;
        let failing = state.faults.fail_reads.iter().find(|(pattern, _)| path.contains(pattern.as_str()));
        if let Some((_, kind)) = failing {
            return Err(explain("read", path, &(*kind).into()));
        }
        let file = state.file(path).map_err(|error| explain("read", path, &error))?;
        Ok(file.read(offset, len))
    }

    fn size(&self, path: &str) -> io::Result<u64> {
        let mut state = self.lock_state();
        state.powered()?;
        Ok(state.file(path).map_err(|error| explain("look at", path, &error))?.size())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<Entry>> {
        let state = self.lock_state();
        state.powered()?;
        check_dir(dir)?;
        let mut entries = state.names.list(dir, |id| state.files[&id].size());
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    fn create(&self, path: &str, preallocate: u64) -> io::Result<()> {
        let created = self.lock_state().create(path, preallocate);
        created.map_err(|error| explain("create", path, &error))
    }

    fn make_dir(&self, dir: &str) -> io::Result<()> {
        self.lock_state().make_dir(dir).map_err(|error| explain("make directory", dir, &error))
    }

    fn write_at(&self, path: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let written = self.lock_state().write_at(path, offset, bytes);
        written.map_err(|error| explain("write", path, &error))
    }

    fn sync(&self, path: &str) -> io::Result<()> {
        self.lock_state().sync(path).map_err(|error| explain("sync", path, &error))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.lock_state().sync_dir(dir).map_err(|error| explain("sync", dir, &error))
    }

    fn rename(&self, from: &str, to: &str, replace: bool) -> io::Result<()> {
        let renamed = self.lock_state().rename(from, to, replace);
        renamed.map_err(|error| explain("rename", &format!("{from} to {to}"), &error))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.lock_state().remove(path).map_err(|error| explain("remove", path, &error))
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn Lock>> {
        let mut state = self.lock_state();
        state.powered()?;
        check_file(path)?;
        if state.names.find(path).is_none() {
            state.create(path, 0).map_err(|error| explain("lock", path, &error))?;
        }
        if !state.locked.insert(path.to_owned()) {
            return Err(explain("lock", path, &io::ErrorKind::WouldBlock.into()));
        }
        Ok(Box::new(SimLock { disk: self.clone(), path: path.to_owned() }))
    }
}

#[cfg(test)]
mod tests;
