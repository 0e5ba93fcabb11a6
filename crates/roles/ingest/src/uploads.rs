//! Files that come in several pieces, over several connections (tus 1.0).
//!
//! Promise: what a sender is told is there is synced, and is there after a
//! restart. A finished file is in the archive before it is in the journal, and is
//! in the journal once: whatever is cut off between is found again and finished.
//! Open uploads and the bytes they may bring are bounded; who leaves one alone for
//! too long loses it.
//!
//! Read: `facts.rs` (what is known of one), this file (all of them), `receive.rs`
//! (bytes in), `finish.rs` (into the journal), `requests.rs` (the protocol).

mod facts;
mod finish;
mod receive;
pub(crate) mod requests;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use host::{Clock, Disk, Entropy};
use meter::TenantId;
use tokio::sync::OwnedMutexGuard;

use crate::{Error, Result};
use facts::{DIR, Facts, bytes_path, facts_path};

pub use facts::VERSION as UPLOAD_VERSION;
pub use finish::tend;

/// 128 random bits: nobody meets another's by chance.
const ID_BYTES: usize = 16;
/// Finished ones that are remembered for one tenant; beyond that the oldest is forgotten.
const FINISHED_MAX: usize = 256;

/// How many, how much and how long.
#[derive(Clone, Debug)]
pub struct UploadSettings {
    /// Unfinished uploads of one tenant.
    pub open_max: usize,
    /// Bytes that all unfinished uploads together may come to.
    pub bytes_max: u64,
    /// After its last piece, or its end, an upload is forgotten.
    pub expire_after: Duration,
}

/// The uploads of one data directory.
pub struct Uploads {
    disk: Arc<dyn Disk>,
    entropy: Arc<dyn Entropy>,
    clock: Arc<dyn Clock>,
    settings: UploadSettings,
    known: Mutex<HashMap<String, Arc<Upload>>>,
}

/// One of them.
struct Upload {
    id: String,
    facts: Mutex<Facts>,
    /// Held by whoever brings bytes, finishes or removes it.
    busy: Arc<tokio::sync::Mutex<()>>,
}

/// Whoever holds it may change the upload.
type Hold = OwnedMutexGuard<()>;

impl Upload {
    fn new(id: String, facts: Facts) -> Arc<Upload> {
        Arc::new(Upload { id, facts: Mutex::new(facts), busy: Arc::default() })
    }

    fn facts(&self) -> Facts {
        lock(&self.facts).clone()
    }

    /// At once, or not at all: who waits behind a sender that is gone learns nothing.
    fn hold(&self) -> Result<Hold> {
        self.busy.clone().try_lock_owned().map_err(|_| Error::UploadLocked)
    }
}

impl Uploads {
    /// The caller holds the lock of the data directory. Unfinished uploads go on
    /// where they were; what belongs to none is removed.
    pub fn open(
        disk: Arc<dyn Disk>,
        entropy: Arc<dyn Entropy>,
        clock: Arc<dyn Clock>,
        settings: UploadSettings,
    ) -> io::Result<Arc<Uploads>> {
        disk.make_dir(DIR)?;
        host::sweep_temporaries(&*disk, DIR)?;
        let names: Vec<String> = disk.list(DIR)?.into_iter().map(|entry| entry.name).collect();
        let mut known = HashMap::new();
        for id in names.iter().filter_map(|name| name.strip_suffix(".json")) {
            match Facts::read(&*disk, id) {
                Ok(facts) => drop(known.insert(id.to_owned(), Upload::new(id.to_owned(), facts))),
                Err(error) => tracing::warn!(%error, "an upload is left alone"),
            }
        }
        for part in names.iter().filter_map(|name| name.strip_suffix(".part")) {
            let is_finished = known.get(part).is_some_and(|upload| upload.facts().sequence.is_some());
            if is_finished || !names.contains(&format!("{part}.json")) {
                disk.remove(&bytes_path(part))?;
            }
        }
        Ok(Arc::new(Uploads { disk, entropy, clock, settings, known: Mutex::new(known) }))
    }

    /// Unfinished ones, for the metrics.
    pub(crate) fn open_count(&self) -> u64 {
        let known = lock(&self.known);
        known.values().filter(|upload| lock(&upload.facts).sequence.is_none()).count() as u64
    }

    /// All of whose bytes are there, and which the journal does not have.
    fn unfinished(&self) -> Vec<Arc<Upload>> {
        let known = lock(&self.known);
        let is_unfinished = |facts: &Facts| facts.is_whole() && facts.sequence.is_none();
        known.values().filter(|upload| is_unfinished(&lock(&upload.facts))).cloned().collect()
    }

    /// A new one, on disk when this returns. Blocks.
    fn begin(&self, mut facts: Facts) -> Result<Arc<Upload>> {
        let mut random = [0; ID_BYTES];
        self.entropy.random_bytes(&mut random).map_err(Error::Disk)?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        facts.touch(self.clock.now());
        let upload = Upload::new(id.clone(), facts.clone());
        self.admit(upload.clone())?;
        let made = self.disk.create(&bytes_path(&id), 0).and_then(|()| facts.write(&*self.disk, &id));
        if let Err(error) = made {
            self.forget(&upload);
            return Err(Error::Disk(error));
        }
        Ok(upload)
    }

    fn admit(&self, upload: Arc<Upload>) -> Result<()> {
        let (tenant, length) = (upload.facts().tenant(), upload.facts().length);
        let mut known = lock(&self.known);
        let (mut count, mut bytes) = (0, 0_u64);
        for facts in known.values().map(|known| lock(&known.facts)).filter(|facts| facts.sequence.is_none()) {
            count += usize::from(facts.tenant() == tenant);
            bytes = bytes.saturating_add(facts.length);
        }
        if count >= self.settings.open_max {
            return Err(Error::UploadsOpen { most: self.settings.open_max });
        }
        if bytes.saturating_add(length) > self.settings.bytes_max {
            return Err(Error::UploadsFull { most: self.settings.bytes_max });
        }
        known.insert(upload.id.clone(), upload);
        Ok(())
    }

    /// Another tenant's is not there.
    fn find(&self, tenant: TenantId, id: &str) -> Result<Arc<Upload>> {
        let found = lock(&self.known).get(id).cloned();
        found.filter(|upload| upload.facts().tenant() == tenant).ok_or(Error::NoUpload)
    }

    /// Changes what is known of it, durably. Blocks.
    fn note(&self, upload: &Upload, change: impl FnOnce(&mut Facts)) -> io::Result<()> {
        let mut facts = upload.facts();
        change(&mut facts);
        facts.touch(self.clock.now());
        facts.write(&*self.disk, &upload.id)?;
        *lock(&upload.facts) = facts;
        Ok(())
    }

    /// Its facts first: bytes that belong to none are swept. Blocks.
    fn forget(&self, upload: &Upload) {
        lock(&self.known).remove(&upload.id);
        for path in [facts_path(&upload.id), bytes_path(&upload.id)] {
            if let Err(error) = self.disk.remove(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(%error, "what is left of an upload stays for now");
            }
        }
        if let Err(error) = self.disk.sync_dir(DIR) {
            tracing::warn!(%error, "an upload that is forgotten may come back");
        }
    }

    /// Those left alone for too long, and finished ones beyond the number that is kept. Blocks.
    fn expire(&self) {
        let (now, after) = (self.clock.now(), self.settings.expire_after);
        let mut all: Vec<Arc<Upload>> = lock(&self.known).values().cloned().collect();
        all.sort_by_key(|upload| std::cmp::Reverse(upload.facts().touched()));
        let mut finished: HashMap<TenantId, usize> = HashMap::new();
        for upload in all {
            let facts = upload.facts();
            let kept = finished.entry(facts.tenant()).or_default();
            *kept += usize::from(facts.sequence.is_some());
            let is_old = facts.left_alone(now) >= after;
            let is_over = is_old || (facts.sequence.is_some() && *kept > FINISHED_MAX);
            // Someone at work on it is no one who left it alone.
            let Ok(_hold) = upload.hold() else { continue };
            // All that is there and not in the journal is never given up.
            if is_over && (facts.sequence.is_some() || !facts.is_whole()) {
                self.forget(&upload);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
