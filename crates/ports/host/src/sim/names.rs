//! The directories of a simulated disk: which names are there, and which stay.
//!
//! Promise: after a power loss each change since the last `sync_dir` is either
//! whole or undone, by itself; only a change to a name that another undone
//! change touched falls with it. A rename is one change of two names.

use std::collections::{BTreeMap, BTreeSet};

use super::Survival;
use crate::Entry;
use crate::disk::parent_of;

/// A file, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(u64);

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    now: BTreeMap<String, FileId>,
    durable: BTreeMap<String, FileId>,
    /// Made durable as they are made, as `Disk::create` promises.
    dirs: BTreeSet<String>,
    unsynced: Vec<Change>,
    files: u64,
}

#[derive(Clone, Debug)]
struct Change {
    /// What each name stands for afterwards.
    after: Vec<(String, Option<FileId>)>,
    /// Directories that must still be synced.
    dirs: BTreeSet<String>,
}

impl Names {
    pub(super) fn find(&self, path: &str) -> Option<FileId> {
        self.now.get(path).copied()
    }

    pub(super) fn is_dir(&self, path: &str) -> bool {
        path.is_empty() || self.dirs.contains(path)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&String, FileId)> {
        self.now.iter().map(|(path, id)| (path, *id))
    }

    pub(super) fn list(&self, dir: &str, size_of: impl Fn(FileId) -> u64) -> Vec<Entry> {
        let name_of = |path: &str| path.rsplit('/').next().expect("splitting gives at least one part").to_owned();
        let here = |path: &&String| parent_of(path) == dir;
        let dirs = self.dirs.iter().filter(here).map(|path| Entry { name: name_of(path), size: 0, is_dir: true });
        let files = self.now.iter().filter(|(path, _)| parent_of(path) == dir);
        let files = files.map(|(path, id)| Entry { name: name_of(path), size: size_of(*id), is_dir: false });
        dirs.chain(files).collect()
    }

    pub(super) fn make_dir(&mut self, dir: &str) {
        self.dirs.insert(dir.to_owned());
    }

    pub(super) fn create(&mut self, path: &str) -> FileId {
        let id = FileId(self.files);
        self.files += 1;
        self.change(vec![(path.to_owned(), Some(id))]);
        id
    }

    pub(super) fn remove(&mut self, path: &str) {
        self.change(vec![(path.to_owned(), None)]);
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        let id = self.find(from);
        self.change(vec![(from.to_owned(), None), (to.to_owned(), id)]);
    }

    fn change(&mut self, after: Vec<(String, Option<FileId>)>) {
        apply(&mut self.now, &after);
        let dirs = after.iter().map(|(path, _)| parent_of(path).to_owned()).collect();
        self.unsynced.push(Change { after, dirs });
    }

    pub(super) fn sync_dir(&mut self, dir: &str) {
        for change in &mut self.unsynced {
            change.dirs.remove(dir);
        }
        // A durable change takes with it the earlier ones to the same names.
        let mut settled: BTreeSet<String> = BTreeSet::new();
        let mut later: Vec<Change> = Vec::new();
        let mut durable: Vec<Change> = Vec::new();
        for change in std::mem::take(&mut self.unsynced).into_iter().rev() {
            if change.dirs.is_empty() || change.touches(&settled) {
                settled.extend(change.paths());
                durable.push(change);
            } else {
                later.push(change);
            }
        }
        for change in durable.iter().rev() {
            apply(&mut self.durable, &change.after);
        }
        later.reverse();
        self.unsynced = later;
    }

    /// Files that a name may still stand for, now or after a power loss.
    pub(super) fn reachable(&self) -> BTreeSet<FileId> {
        let unsynced = self.unsynced.iter().flat_map(|change| change.after.iter().filter_map(|(_, id)| *id));
        self.now.values().chain(self.durable.values()).copied().chain(unsynced).collect()
    }

    pub(super) fn after_power_loss(&self, survival: &mut Survival) -> Names {
        let mut undone: BTreeSet<String> = BTreeSet::new();
        let mut kept = self.durable.clone();
        // One draw for the whole disk: some losses keep most changes, some few.
        let odds = match survival {
            Survival::Seeded(seed) => 2 + seed.below(3),
            _ => 2,
        };
        for change in &self.unsynced {
            let survives = match survival {
                Survival::Nothing => false,
                Survival::Everything => true,
                Survival::Seeded(seed) => !seed.one_in(odds),
            };
            if survives && !change.touches(&undone) {
                apply(&mut kept, &change.after);
            } else {
                undone.extend(change.paths());
            }
        }
        Names { now: kept.clone(), durable: kept, dirs: self.dirs.clone(), unsynced: Vec::new(), files: self.files }
    }
}

impl Change {
    fn paths(&self) -> impl Iterator<Item = String> {
        self.after.iter().map(|(path, _)| path.clone())
    }

    fn touches(&self, paths: &BTreeSet<String>) -> bool {
        self.after.iter().any(|(path, _)| paths.contains(path))
    }
}

fn apply(names: &mut BTreeMap<String, FileId>, after: &[(String, Option<FileId>)]) {
    for (path, id) in after {
        match id {
            Some(id) => names.insert(path.clone(), *id),
            None => names.remove(path),
        };
    }
}
