//! What may be removed from an archive, while others put the same.
//!
//! Promise: an object that somebody put stays until its record is in the journal, where
//! whoever removes looks after it began to. A sender may go away and its record be written
//! all the same; so what was let go of since the removing *before* this one began stays
//! too, and removings are further apart than a write takes.

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard};

use host::Disk;

use super::{dir_of, hex, path_of};
use crate::Error;

type Sha256 = [u8; 32];

/// Who holds what, of one archive.
#[derive(Debug, Default)]
pub(super) struct Held {
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    /// By how many.
    held: HashMap<Sha256, usize>,
    /// Let go of since the last removing began.
    lately: HashSet<Sha256>,
    /// Between the one before and that one.
    before: HashSet<Sha256>,
}

impl Held {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().expect("no holder panics")
    }

    /// Objects that it knows of.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        let now = self.now();
        now.held.len() + now.lately.len() + now.before.len()
    }
}

/// Of one object, by one who put it.
#[derive(Debug)]
pub(super) struct Hold {
    held: Arc<Held>,
    sha256: Sha256,
}

impl Hold {
    pub(super) fn of(held: &Arc<Held>, sha256: Sha256) -> Hold {
        *held.now().held.entry(sha256).or_default() += 1;
        Hold { held: held.clone(), sha256 }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut now = self.held.now();
        now.lately.insert(self.sha256);
        if let Some(count) = now.held.get_mut(&self.sha256) {
            *count -= 1;
            if *count == 0 {
                now.held.remove(&self.sha256);
            }
        }
    }
}

/// Objects are being removed; see the module.
pub struct Removing {
    disk: Arc<dyn Disk>,
    held: Arc<Held>,
}

impl Removing {
    pub(super) fn begin(disk: Arc<dyn Disk>, held: Arc<Held>) -> Removing {
        {
            let mut now = held.now();
            now.before = std::mem::take(&mut now.lately);
        }
        Removing { disk, held }
    }

    /// Removes an object, durably; false, and nothing done, where it may not go yet or is
    /// not there. A crash leaves it whole or takes it away.
    pub fn remove(&self, sha256: &Sha256) -> Result<bool, Error> {
        // Whoever puts it again meanwhile waits here, and then it is there anew.
        let now = self.held.now();
        if now.held.contains_key(sha256) || now.lately.contains(sha256) || now.before.contains(sha256) {
            return Ok(false);
        }
        let name = hex(sha256);
        match self.disk.remove(&path_of(&name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            removed => {
                removed?;
                self.disk.sync_dir(&dir_of(&name))?;
                Ok(true)
            }
        }
    }
}
