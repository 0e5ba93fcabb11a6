//! One table: open it, read how far it is, commit to it.
//!
//! Promise: see `mod.rs`. A commit is decided by what stands in the log, read
//! again before every try, never by what this process remembers; the log's next
//! version can be taken by one writer only, so whoever worked from an older one
//! fails and has to look again.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake_core::kernel::transaction::{CommitBuilder, TableReference, TransactionError};
use deltalake_core::kernel::{Action, CommitInfo, Metadata, Protocol, StructType, Transaction};
use deltalake_core::logstore::{LogStore as _, LogStoreRef, StorageConfig, logstore_with};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTableError, ensure_table_uri};
use host::Kind;
use serde_json::json;
use tracing::warn;

use super::disk_store::{DiskStore, join};
use super::entry::{FileEntry, PARTITION_COLUMNS, Shape};
use super::sums::{self, LogDamage};
use crate::{Error, Result};

/// Commits between two checkpoints: an open and a look at the `txn`s read at
/// most as many commits, some 100 µs each; a checkpoint of 10,000 files costs
/// about as much as 20 commits, so it must not come more often.
pub const CHECKPOINT_EVERY: i64 = 50;

/// One process owns a lake, so a second try is already rare.
pub const COMMIT_TRIES_MAX: u32 = 5;

/// A table. Reading methods see the version of the last open, refresh or commit.
pub struct DeltaTable {
    pub(super) store: DiskStore,
    /// Directory below the store's root.
    pub(super) root: String,
    pub(super) log: LogStoreRef,
    /// What `deltalake-core` knows of the log; may lag behind `version`.
    pub(super) core: deltalake_core::DeltaTable,
    pub(super) version: i64,
    shape: Shape,
    live: BTreeMap<String, FileEntry>,
    files: Arc<[FileEntry]>,
    /// Of the newest commit: the next one is not dated before it.
    latest_ms: i64,
    checkpoint_due: bool,
    faults: Faults,
}

/// What one commit changes. All of it comes in, or nothing.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub adds: Vec<FileEntry>,
    /// Must be in the table, or the commit is refused.
    pub removes: Vec<FileEntry>,
    /// Application and how far it is with this commit.
    pub txns: Vec<(String, i64)>,
    /// A word for the table's history, such as `write` or `fold`.
    pub operation: &'static str,
    /// False where the same rows only lie in other files afterwards.
    pub data_change: bool,
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
        let log = log_store(store, name)?;
        let (root, table) = (name.to_owned(), name.to_owned());
        // A name that a killed process left behind may be visible and not yet durable.
        let settle = move |store: &DiskStore| {
            for dir in [join(&root, sums::LOG), root.clone()] {
                if !store.disk().list(&dir)?.is_empty() {
                    store.sync_dir(&dir)?;
                }
            }
            sums::sweep(store.disk().as_ref(), &root)
        };
        store.blocking(settle).await.map_err(Error::disk(name))?;
        let mut opened = DeltaTable {
            store: store.clone(),
            root: table,
            core: deltalake_core::DeltaTable::new(log.clone()),
            log,
            version: -1,
            shape: shape(schema, partitioned),
            live: BTreeMap::new(),
            files: Arc::new([]),
            latest_ms: i64::MIN,
            checkpoint_due: false,
            faults,
        };
        if !opened.exists().await? {
            opened.create(schema, partitioned).await?;
        }
        opened.refresh().await?;
        opened.check_schema(schema, partitioned)?;
        Ok(opened)
    }

    /// Directory below the store's root.
    pub fn name(&self) -> &str {
        &self.root
    }

    pub fn version(&self) -> i64 {
        self.version
    }

    /// The table's files, sorted by path.
    pub fn files(&self) -> Arc<[FileEntry]> {
        self.files.clone()
    }

    /// How far an application is, read from the log.
    pub async fn txn(&mut self, app: &str) -> Result<Option<i64>> {
        self.refresh().await?;
        self.txn_as_read(app).await
    }

    /// Takes in what the log has got since the last look.
    pub async fn refresh(&mut self) -> Result<()> {
        self.core.update_state().await.map_err(|error| self.broken("read the log", error))?;
        let version = self.core_version()?;
        if version == self.version {
            return Ok(());
        }
        self.live = self.entries_of(&self.core)?.into_iter().map(|entry| (entry.path.clone(), entry)).collect();
        self.settle(version);
        self.latest_ms = self.commit_ms(version).await?.unwrap_or(self.latest_ms);
        Ok(())
    }

    /// Commits `change`, once and for all: durable when this returns.
    ///
    /// [`Kind::Conflict`] if a file to remove is not in the table any more or
    /// if only some of the positions are in; nothing changes then.
    pub async fn commit(&mut self, change: Change) -> Result<Outcome> {
        self.check_change(&change)?;
        for attempt in 0..COMMIT_TRIES_MAX {
            let believed = self.faults.txn_not_read_again;
            if !believed || attempt > 0 {
                self.refresh().await?;
            }
            if (!believed || attempt == 0) && self.already_in(&change).await? {
                return Ok(Outcome::AlreadyIn);
            }
            self.check_files(&change)?;
            if let Some(version) = self.try_commit(&change).await? {
                self.apply(change, version);
                self.checkpoint_if_due().await;
                return Ok(Outcome::Committed(version));
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

    async fn exists(&self) -> Result<bool> {
        let location = self.log.is_delta_table_location();
        location.await.map_err(|error| self.broken("look for the log", error))
    }

    /// Writes version 0. A crash leaves either nothing or an empty table.
    async fn create(&self, schema: &Schema, partitioned: bool) -> Result<()> {
        let at_ms = millis(self.store.clock().now());
        let metadata = metadata(&self.root, schema, partitioned, at_ms)
            .map_err(|what| self.error(Kind::Bug, format!("its schema cannot be put into a log: {what}")))?;
        let protocol: Protocol = serde_json::from_value(json!({ "minReaderVersion": 1, "minWriterVersion": 2 }))
            .expect("protocol 1/2 is known to deltalake-core");
        let actions =
            vec![commit_info("create", at_ms), Action::Protocol(protocol), Action::Metadata(metadata)];
        let commit = CommitBuilder::default().with_max_retries(0).with_actions(actions);
        let written = commit.build(None, self.log.clone(), operation()).await;
        written.map(|_| ()).map_err(|error| self.broken("create the table", error))
    }

    fn check_schema(&self, schema: &Schema, partitioned: bool) -> Result<()> {
        let state = self.core.snapshot().map_err(|error| self.broken("read the schema", error))?;
        let wanted = kernel_schema(schema, partitioned).map_err(|what| self.error(Kind::Bug, what))?;
        let columns = state.metadata().partition_columns();
        let same_partitions = columns.iter().map(String::as_str).eq(partition_columns(partitioned).iter().copied());
        if state.schema().as_ref() != &wanted || !same_partitions {
            let what = "its columns are not the ones of this version: it was made by another one".to_owned();
            return Err(self.error(Kind::Corrupt, what));
        }
        Ok(())
    }

    fn check_change(&self, change: &Change) -> Result<()> {
        let mut seen = HashSet::new();
        for entry in change.adds.iter().chain(&change.removes) {
            if let Some(what) = entry.fault(self.shape) {
                return Err(self.error(Kind::Bug, what));
            }
            if !seen.insert(&entry.path) {
                return Err(self.error(Kind::Bug, format!("{} stands twice in one commit", entry.path)));
            }
        }
        Ok(())
    }

    /// Whether the log is as far as this change or further.
    async fn already_in(&self, change: &Change) -> Result<bool> {
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

    /// One try for the version after the one just read; none if another writer took it.
    async fn try_commit(&mut self, change: &Change) -> Result<Option<i64>> {
        let at_ms = self.next_ms();
        let mut actions = vec![commit_info(change.operation, at_ms)];
        let shape = self.shape;
        let removes = change.removes.iter().map(|entry| entry.to_remove(shape, change.data_change, at_ms));
        actions.extend(removes.map(Action::Remove));
        let adds = change.adds.iter().map(|entry| entry.to_add(shape, change.data_change, at_ms));
        actions.extend(adds.map(Action::Add));
        let txns = change.txns.iter().map(|(app, version)| Transaction::new_with_last_update(app, *version, Some(at_ms)));
        let state = self.core.snapshot().map_err(|error| self.broken("read the log", error))?;
        let commit = CommitBuilder::default().with_max_retries(0).with_actions(
            actions.into_iter().chain(txns.map(Action::Txn)).collect(),
        );
        let commit = commit.build(Some(state as &dyn TableReference), self.log.clone(), operation());
        let prepared = commit.into_prepared_commit_future().await.map_err(|error| self.broken("commit", error))?;
        // Without its post-commit step: that would read the log again, as our next refresh does.
        match prepared.await {
            Ok(post) => Ok(Some(as_i64(post.version))),
            Err(error) if lost_race(&error) => Ok(None),
            Err(error) => Err(self.broken("commit", error)),
        }
    }

    /// After our own commit the files are known without reading them again.
    fn apply(&mut self, change: Change, version: i64) {
        self.latest_ms = self.next_ms();
        for entry in &change.removes {
            self.live.remove(&entry.path);
        }
        self.live.extend(change.adds.into_iter().map(|entry| (entry.path.clone(), entry)));
        self.settle(version);
    }

    fn settle(&mut self, version: i64) {
        self.version = version;
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

    async fn txn_as_read(&self, app: &str) -> Result<Option<i64>> {
        let state = self.core.snapshot().map_err(|error| self.broken("read the log", error))?;
        let version = state.transaction_version(self.log.as_ref(), app).await;
        version.map_err(|error| self.broken("read positions", error))
    }

    pub(super) fn entries_of(&self, core: &deltalake_core::DeltaTable) -> Result<Vec<FileEntry>> {
        let state = core.snapshot().map_err(|error| self.broken("read the files", error))?;
        // The method is deprecated for its cost per file; arrays would save a third of it.
        let log = state.log_data();
        #[allow(deprecated)]
        let entries = log.iter().map(|view| FileEntry::from_add(&view.add_action()));
        entries.collect::<Result<_, String>>().map_err(|what| self.error(Kind::Corrupt, what))
    }

    fn core_version(&self) -> Result<i64> {
        let version = self.core.version().map(as_i64);
        version.ok_or_else(|| self.error(Kind::Bug, "nothing of it was read".to_owned()))
    }

    /// Dates only ever grow, also where the clock goes back: `version_at` relies on it.
    fn next_ms(&self) -> i64 {
        millis(self.store.clock().now()).max(self.latest_ms)
    }

    pub(super) fn error(&self, kind: Kind, what: String) -> Error {
        Error::Delta { table: self.root.clone(), what, kind }
    }

    /// An error of `deltalake-core`, with what to do about it.
    pub(super) fn broken(&self, doing: &str, error: DeltaTableError) -> Error {
        let kind = if self.store.is_poisoned() { Kind::Bug } else { kind_of(&error) };
        self.error(kind, format!("cannot {doing}: {error}"))
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

fn shape(schema: &Schema, partitioned: bool) -> Shape {
    let has = |name: &str, data_type: DataType| {
        schema.field_with_name(name).is_ok_and(|field| *field.data_type() == data_type)
    };
    let start = schema.field_with_name("start").is_ok_and(|field| field.data_type().is_temporal());
    Shape { tenant: has("tenant", DataType::Int32), channel: has("channel", DataType::Int64), start, partitioned }
}

fn partition_columns(partitioned: bool) -> &'static [&'static str] {
    if partitioned { &PARTITION_COLUMNS } else { &[] }
}

fn kernel_schema(schema: &Schema, partitioned: bool) -> Result<StructType, String> {
    let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    if partitioned {
        fields.push(Field::new(PARTITION_COLUMNS[0], DataType::Utf8, false));
        fields.push(Field::new(PARTITION_COLUMNS[1], DataType::Int32, false));
    }
    (&Schema::new(fields)).try_into_kernel().map_err(|error| error.to_string())
}

/// The table's own description. Its id is made of its name and its first
/// moment: unique enough for a directory, and the same under a test's clock.
fn metadata(name: &str, schema: &Schema, partitioned: bool, at_ms: i64) -> Result<Metadata, String> {
    let id = blake3::hash(format!("{name} {at_ms}").as_bytes()).to_hex();
    let id = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..32]].join("-");
    let schema = serde_json::to_string(&kernel_schema(schema, partitioned)?).map_err(|error| error.to_string())?;
    let properties = json!({
        "delta.checkpointInterval": CHECKPOINT_EVERY.to_string(),
        // Only `trim_log` shortens the log, never an outside engine's checkpoint.
        "delta.enableExpiredLogCleanup": "false",
        "delta.logRetentionDuration": "interval 36500 days",
        // Tombstones stay in checkpoints this long; our vacuum does not rely on them.
        "delta.deletedFileRetentionDuration": "interval 30 days",
    });
    let metadata = json!({
        "id": id,
        "name": name.rsplit('/').next(),
        "format": { "provider": "parquet", "options": {} },
        "schemaString": schema,
        "partitionColumns": partition_columns(partitioned),
        "configuration": properties,
        "createdTime": at_ms,
    });
    serde_json::from_value(metadata).map_err(|error| error.to_string())
}

fn commit_info(word: &str, at_ms: i64) -> Action {
    Action::CommitInfo(CommitInfo {
        timestamp: Some(at_ms),
        operation: Some(word.to_uppercase()),
        operation_parameters: Some(Default::default()),
        engine_info: Some(format!("meterhouse {}", env!("CARGO_PKG_VERSION"))),
        ..CommitInfo::default()
    })
}

/// Only looked at where conflicts are resolved, which we never ask for.
fn operation() -> DeltaOperation {
    DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None }
}

fn lost_race(error: &DeltaTableError) -> bool {
    use TransactionError::{CommitConflict, MaxCommitAttempts, VersionAlreadyExists};
    match error {
        DeltaTableError::VersionAlreadyExists(_) => true,
        DeltaTableError::Transaction { source } => {
            matches!(source, MaxCommitAttempts(_) | VersionAlreadyExists(_) | CommitConflict(_))
        }
        _ => false,
    }
}

/// Looks for the disk's own error underneath.
fn kind_of(error: &DeltaTableError) -> Kind {
    if lost_race(error) {
        return Kind::Conflict;
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return match Kind::of_io(io) {
                Kind::NotFound => Kind::Corrupt,
                kind => kind,
            };
        }
        cause = error.source();
    }
    // It read something that it could not make sense of.
    Kind::Corrupt
}

pub(super) fn millis(at: meter::Timestamp) -> i64 {
    at.0.div_euclid(1_000)
}

pub(super) fn as_i64(version: u64) -> i64 {
    i64::try_from(version).expect("versions of a log have 20 digits in names but are counted one by one")
}
