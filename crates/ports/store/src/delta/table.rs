//! One table: open it, read how far it is, commit to it.
//!
//! Promise: see `mod.rs`. A commit is decided by what stands in the log, read
//! to its end before every try, never by what this process remembers of it; the
//! log's next version can be taken by one writer only, so whoever worked from
//! an older one fails and has to look again.
//!
//! A log only grows, entry by entry. So its state is read in full once, by
//! `deltalake-core`, and from then on an entry at a time: a look at a log
//! without news costs two questions to the disk, however long the log is and
//! however many files the table has (why not `CommitBuilder`: decision 0002).

use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::sync::Arc;

use arrow::datatypes::Schema;
use deltalake_core::kernel::Action;
use deltalake_core::kernel::transaction::TransactionError;
use deltalake_core::logstore::{CommitOrBytes, LogStore as _, LogStoreRef, StorageConfig, logstore_with};
use deltalake_core::{DeltaTableError, ensure_table_uri};
use host::Kind;
use tracing::warn;

use super::actions::{self, Change};
use super::disk_store::{DiskStore, join};
use super::entry::{FileEntry, Shape};
use super::sums::{self, LogDamage};
use crate::{Error, Result};

/// Commits between two checkpoints, which is what an open has to read one by
/// one: 50 take about as long as a checkpoint of 10,000 files.
pub const CHECKPOINT_EVERY: i64 = 50;

/// One process owns a lake, so a second try is already rare.
pub const COMMIT_TRIES_MAX: u32 = 5;

/// A table. Reading methods see the version of the last open, refresh or commit.
pub struct DeltaTable {
    pub(super) store: DiskStore,
    /// Directory below the store's root.
    pub(super) root: String,
    pub(super) log: LogStoreRef,
    pub(super) version: i64,
    shape: Shape,
    live: BTreeMap<String, FileEntry>,
    files: Arc<[FileEntry]>,
    /// As of `version`, of the applications asked for so far.
    txns: HashMap<String, Option<i64>>,
    /// The state of `version` as read in full, until the next version.
    pub(super) loaded: Option<deltalake_core::DeltaTable>,
    /// Of the newest commit: the next one is not dated before it.
    latest_ms: i64,
    checkpoint_due: bool,
    faults: Faults,
}

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in, as this version.
    Committed(i64),
    /// The log says that it, or something beyond it, was in before.
    AlreadyIn,
}

/// Planted mistakes that the trials must notice. None outside of them.
#[derive(Clone, Copy, Debug, Default)]
#[doc(hidden)]
pub struct Faults {
    /// Positions are read once and then believed, also when another writer was faster.
    pub txn_not_read_again: bool,
}

impl DeltaTable {
    /// Opens the table at `name` below the store's root, or makes it with the
    /// columns of `schema` and, if `partitioned`, by tenant group and month.
    ///
    /// Clears what a crash left in the log's directories: nobody else may have
    /// the table open for writing.
    pub async fn open_or_create(
        store: &DiskStore,
        name: &str,
        schema: &Schema,
        partitioned: bool,
    ) -> Result<DeltaTable> {
        Self::open_with(store, name, schema, partitioned, Faults::default()).await
    }

    /// For trials: the same with planted mistakes.
    #[doc(hidden)]
    pub async fn open_with(
        store: &DiskStore,
        name: &str,
        schema: &Schema,
        partitioned: bool,
        faults: Faults,
    ) -> Result<DeltaTable> {
        let mut table = DeltaTable {
            store: store.clone(),
            root: name.to_owned(),
            log: log_store(store, name)?,
            version: -1,
            shape: actions::shape(schema, partitioned),
            live: BTreeMap::new(),
            files: Arc::new([]),
            txns: HashMap::new(),
            loaded: None,
            latest_ms: i64::MIN,
            checkpoint_due: false,
            faults,
        };
        table.clear_leftovers().await?;
        let exists = table.log.is_delta_table_location().await;
        if !exists.map_err(|error| table.broken("look for the log", error))? {
            table.create(schema, partitioned).await?;
        }
        if let Some(what) = sums::gap(&table.log_names().await?) {
            return Err(table.error(Kind::Corrupt, what));
        }
        let core = table.load(None).await?;
        table.check_description(&core, schema, partitioned)?;
        table.take(core).await?;
        Ok(table)
    }

    /// Directory below the store's root.
    pub fn name(&self) -> &str {
        &self.root
    }

    /// The newest version of the log that was read or written here.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The table's files, sorted by path.
    pub fn files(&self) -> Arc<[FileEntry]> {
        self.files.clone()
    }

    /// How far an application is, by the log as it stands now.
    pub async fn txn(&mut self, app: &str) -> Result<Option<i64>> {
        self.refresh().await?;
        self.txn_as_read(app).await
    }

    /// Reads the log to its end. Entries come in whole and one by one, and an
    /// old one goes only after all before it; so where the version at hand is
    /// still there and the next one is not, nothing was missed.
    pub async fn refresh(&mut self) -> Result<()> {
        let before = self.version;
        while let Some(actions) = self.actions(self.version + 1).await? {
            self.follow(actions)?;
            self.version += 1;
        }
        if !self.has_entry(self.version).await? {
            let core = self.load(None).await?;
            self.take(core).await?;
        } else if self.version != before {
            self.settle();
        }
        Ok(())
    }

    /// Commits `change`, once and for all: durable when this returns.
    ///
    /// [`Kind::Conflict`] if a file to remove is not in the table any more or
    /// if only some of the positions are in; nothing changes then.
    pub async fn commit(&mut self, change: Change) -> Result<Outcome> {
        if let Some(what) = change.fault(self.shape) {
            return Err(self.error(Kind::Bug, what));
        }
        for attempt in 0..COMMIT_TRIES_MAX {
            let believe = self.faults.txn_not_read_again;
            if !believe || attempt > 0 {
                self.refresh().await?;
            }
            if (!believe || attempt == 0) && self.already_in(&change).await? {
                return Ok(Outcome::AlreadyIn);
            }
            self.check_files(&change)?;
            let at_ms = millis(self.store.clock().now()).max(self.latest_ms);
            if self.write_next(change.to_log(self.shape, at_ms)).await? {
                self.apply(change, at_ms);
                self.checkpoint_if_due().await;
                return Ok(Outcome::Committed(self.version));
            }
        }
        let what = format!("lost {COMMIT_TRIES_MAX} races for its next version, another writer is at work");
        Err(self.error(Kind::Conflict, what))
    }

    /// Reads every byte of the log against its checksums.
    pub async fn verify_log(&self) -> Result<Vec<LogDamage>> {
        let root = self.root.clone();
        let verify = move |store: &DiskStore| sums::verify_log(store.disk().as_ref(), &root);
        self.store.blocking(verify).await.map_err(Error::disk(&self.root))
    }

    /// What a killed process left may be visible and not yet durable: made
    /// durable before it is read, for others will rely on what is read.
    async fn clear_leftovers(&self) -> Result<()> {
        let root = self.root.clone();
        let clear = move |store: &DiskStore| {
            for dir in [join(&root, sums::LOG), root.clone()] {
                if !store.disk().list(&dir)?.is_empty() {
                    store.sync_dir(&dir)?;
                }
            }
            sums::sweep(store.disk().as_ref(), &root)
        };
        self.store.blocking(clear).await.map_err(Error::disk(&self.root))
    }

    /// Writes version 0. A crash leaves either nothing or an empty table.
    async fn create(&mut self, schema: &Schema, partitioned: bool) -> Result<()> {
        let at_ms = millis(self.store.clock().now());
        let entry = actions::creation(&self.root, schema, partitioned, at_ms);
        // If another process was faster, its table is checked like any other.
        self.write_next(entry).await.map(|_| ())
    }

    /// The state of the whole log, read by `deltalake-core`.
    pub(super) async fn load(&self, version: Option<i64>) -> Result<deltalake_core::DeltaTable> {
        let mut core = deltalake_core::DeltaTable::new(self.log.clone());
        let loaded = match version {
            None => core.load().await,
            Some(version) => core.load_version(as_u64(version)).await,
        };
        loaded.map_err(|error| self.broken("read the log", error))?;
        Ok(core)
    }

    fn check_description(&self, core: &deltalake_core::DeltaTable, schema: &Schema, partitioned: bool) -> Result<()> {
        let state = core.snapshot().map_err(|error| self.broken("read its description", error))?;
        let wanted = actions::kernel_schema(schema, partitioned).map_err(|what| self.error(Kind::Bug, what))?;
        let columns = state.metadata().partition_columns().iter().map(String::as_str);
        let protocol = (state.protocol().min_reader_version(), state.protocol().min_writer_version());
        if state.schema().as_ref() != &wanted
            || !columns.eq(actions::partition_columns(partitioned).iter().copied())
            || protocol != (actions::READER_VERSION, actions::WRITER_VERSION)
        {
            let what = "its columns are not the ones of this version: it was made by another one".to_owned();
            return Err(self.error(Kind::Corrupt, what));
        }
        Ok(())
    }

    /// Starts anew from a state that was read in full.
    async fn take(&mut self, core: deltalake_core::DeltaTable) -> Result<()> {
        let version = core.version().ok_or_else(|| self.error(Kind::Bug, "nothing of it was read".to_owned()))?;
        self.version = i64::try_from(version).expect("versions are counted one by one");
        self.live = self.entries_of(&core)?.into_iter().map(|entry| (entry.path.clone(), entry)).collect();
        self.txns.clear();
        self.latest_ms = self.commit_ms(self.version).await?.unwrap_or(self.latest_ms);
        self.settle();
        self.loaded = Some(core);
        Ok(())
    }

    /// Takes in another writer's entry.
    fn follow(&mut self, actions: Vec<Action>) -> Result<()> {
        for action in actions {
            match action {
                Action::Add(add) => {
                    let entry = FileEntry::from_add(&add).map_err(|what| self.error(Kind::Corrupt, what))?;
                    self.live.insert(entry.path.clone(), entry);
                }
                Action::Remove(remove) => {
                    self.live.remove(&remove.path);
                }
                Action::Txn(txn) => {
                    self.txns.insert(txn.app_id, Some(txn.version));
                }
                Action::CommitInfo(info) => self.latest_ms = info.timestamp.unwrap_or(self.latest_ms),
                Action::Metadata(_) | Action::Protocol(_) => {
                    let what = format!("commit {} changes its description", self.version + 1);
                    return Err(self.error(Kind::Corrupt, what));
                }
                Action::Cdc(_) | Action::DomainMetadata(_) => {}
            }
        }
        Ok(())
    }

    /// Whether the log is as far as this change or further.
    async fn already_in(&mut self, change: &Change) -> Result<bool> {
        let mut reached = 0;
        for (app, version) in &change.txns {
            reached += usize::from(self.txn_as_read(app).await?.is_some_and(|at| at >= *version));
        }
        if reached != 0 && reached != change.txns.len() {
            let what = format!("{reached} of the {} positions of a commit are in", change.txns.len());
            return Err(self.error(Kind::Conflict, what));
        }
        Ok(reached != 0)
    }

    fn check_files(&self, change: &Change) -> Result<()> {
        if let Some(gone) = change.removes.iter().find(|entry| !self.live.contains_key(&entry.path)) {
            return Err(self.error(Kind::Conflict, format!("{} is not in the table any more", gone.path)));
        }
        if let Some(twice) = change.adds.iter().find(|entry| self.live.contains_key(&entry.path)) {
            return Err(self.error(Kind::Conflict, format!("{} is in the table already", twice.path)));
        }
        Ok(())
    }

    /// One try for the version after the one just read; false if another writer has it.
    async fn write_next(&self, entry: Result<bytes::Bytes, String>) -> Result<bool> {
        let entry =
            entry.map_err(|what| self.error(Kind::Bug, format!("a commit cannot be put into words: {what}")))?;
        let next = as_u64(self.version + 1);
        // The last argument is for stores that branch; ours does not.
        let written = self.log.write_commit_entry(next, CommitOrBytes::LogBytes(entry), Default::default()).await;
        match written {
            Ok(()) => Ok(true),
            Err(TransactionError::VersionAlreadyExists(_)) => Ok(false),
            Err(error) => Err(self.broken("commit", error.into())),
        }
    }

    /// After our own commit its effect is known without reading it again.
    fn apply(&mut self, change: Change, at_ms: i64) {
        for entry in &change.removes {
            self.live.remove(&entry.path);
        }
        self.live.extend(change.adds.into_iter().map(|entry| (entry.path.clone(), entry)));
        self.txns.extend(change.txns.into_iter().map(|(app, version)| (app, Some(version))));
        self.latest_ms = at_ms;
        self.version += 1;
        self.settle();
    }

    fn settle(&mut self) {
        self.loaded = None;
        self.files = self.live.values().cloned().collect();
    }

    /// A checkpoint that fails costs reading time, never a commit: the next commit tries again.
    async fn checkpoint_if_due(&mut self) {
        self.checkpoint_due |= self.version % CHECKPOINT_EVERY == 0;
        if !self.checkpoint_due {
            return;
        }
        match self.checkpoint().await {
            Ok(()) => self.checkpoint_due = false,
            Err(error) => warn!(table = self.root, %error, "checkpoint not written"),
        }
    }

    /// At the version at hand. An application asked for the first time is looked
    /// up in the whole log, which happens once per application and process.
    async fn txn_as_read(&mut self, app: &str) -> Result<Option<i64>> {
        if let Some(known) = self.txns.get(app) {
            return Ok(*known);
        }
        let core = match self.loaded.take() {
            Some(core) => core,
            None => self.load(Some(self.version)).await?,
        };
        let state = core.snapshot().map_err(|error| self.broken("read positions", error))?;
        let version = state.transaction_version(self.log.as_ref(), app).await;
        let version = version.map_err(|error| self.broken("read positions", error))?;
        self.loaded = Some(core);
        self.txns.insert(app.to_owned(), version);
        Ok(version)
    }

    pub(super) fn entries_of(&self, core: &deltalake_core::DeltaTable) -> Result<Vec<FileEntry>> {
        let state = core.snapshot().map_err(|error| self.broken("read the files", error))?;
        let log = state.log_data();
        // Deprecated for its cost per file; that is paid once per open.
        #[allow(deprecated)]
        let entries = log.iter().map(|view| FileEntry::from_add(&view.add_action()));
        entries.collect::<Result<_, String>>().map_err(|what| self.error(Kind::Corrupt, what))
    }

    async fn has_entry(&self, version: i64) -> Result<bool> {
        let path = format!("{}/{}/{version:020}.json", self.root, sums::LOG);
        let look = move |store: &DiskStore| match store.disk().size(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            size => size.map(|_| true),
        };
        self.store.blocking(look).await.map_err(Error::disk(&self.root))
    }

    pub(super) fn error(&self, kind: Kind, what: String) -> Error {
        Error::Delta { table: self.root.clone(), what, kind }
    }

    /// An error of `deltalake-core`, with what to do about it.
    pub(super) fn broken(&self, doing: &str, error: DeltaTableError) -> Error {
        let below = disk_error(&error);
        // What it read made no sense, unless the disk itself failed.
        let kind = match below.map(Kind::of_io) {
            _ if self.store.is_poisoned() => Kind::Bug,
            None | Some(Kind::NotFound) => Kind::Corrupt,
            Some(kind) => kind,
        };
        let what = below.map_or_else(|| error.to_string(), std::io::Error::to_string);
        self.error(kind, format!("cannot {doing}: {what}"))
    }
}

/// How `deltalake-core` reaches a table: any scheme but `file` keeps it from
/// the machine's own file system, `memory` is the one it knows without features.
fn log_store(store: &DiskStore, name: &str) -> Result<LogStoreRef> {
    let broken = |error: DeltaTableError| Error::Delta {
        table: name.to_owned(),
        what: format!("{name:?} cannot name a table: {error}"),
        kind: Kind::Bug,
    };
    let location = ensure_table_uri(format!("memory:///{name}")).map_err(broken)?;
    logstore_with(Arc::new(store.clone()), &location, StorageConfig::default()).map_err(broken)
}

/// The disk's own error underneath: it names operation and file.
fn disk_error(error: &DeltaTableError) -> Option<&std::io::Error> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref() {
            return Some(io);
        }
        cause = error.source();
    }
    None
}

pub(super) fn millis(at: meter::Timestamp) -> i64 {
    at.0.div_euclid(1_000)
}

pub(super) fn as_u64(version: i64) -> u64 {
    u64::try_from(version).expect("versions count from 0")
}
