//! Earlier versions of a table, checkpoints, and what nothing refers to.
//!
//! Promise: a file that any version from the retained one on refers to is never
//! called unreferenced; the log is never shortened beyond what is needed to
//! rebuild the version asked for.

use std::collections::HashSet;

use deltalake_core::checkpoints::create_checkpoint;
use deltalake_core::kernel::Action;
use deltalake_core::logstore::{LogStore as _, get_actions};
use futures::TryStreamExt;
use host::Kind;
use meter::Timestamp;
use object_store::ObjectStore as _;
use object_store::path::Path;

use super::disk_store::{DiskStore, join};
use super::entry::FileEntry;
use super::sums;
use super::table::{DeltaTable, as_u64, millis};
use crate::{Error, Result};

/// A file below a table's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Relative to the table.
    pub path: String,
    /// In bytes.
    pub size: u64,
}

impl DeltaTable {
    /// The files of an earlier version, sorted by path.
    pub async fn files_at(&self, version: i64) -> Result<Vec<FileEntry>> {
        if !(0..=self.version).contains(&version) {
            let what = format!("has no version {version}, the newest is {}", self.version);
            return Err(self.error(Kind::NotFound, what));
        }
        let core = self.load(Some(version)).await?;
        let mut entries = self.entries_of(&core)?;
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    /// Writes the whole state at the current version, so that an open need not
    /// read the commits before it.
    pub async fn checkpoint(&mut self) -> Result<()> {
        self.refresh().await?;
        let core = self.load(Some(self.version)).await?;
        create_checkpoint(&core, None).await.map_err(|error| self.broken("write a checkpoint", error))
    }

    /// The oldest version that stood at `at` or later: what a reader that
    /// started then may still read. At least the oldest that can be rebuilt.
    pub async fn version_at(&self, at: Timestamp) -> Result<i64> {
        let at_ms = millis(at);
        let (mut low, mut high) = (self.oldest().await?, self.version);
        // Dates never fall from one commit to the next, so halving finds the
        // newest version that was there at `at`.
        while low < high {
            let middle = low + (high - low + 1) / 2;
            match self.commit_ms(middle).await? {
                Some(ms) if ms > at_ms => high = middle - 1,
                _ => low = middle,
            }
        }
        Ok(low)
    }

    /// Files below the table's directory that no version from `retained` on
    /// refers to. Nobody may hold a file that is written but not committed:
    /// such a one looks the same as what a crash left.
    pub async fn unreferenced(&mut self, retained: i64) -> Result<Vec<DataFile>> {
        self.refresh().await?;
        let retained = retained.clamp(0, self.version);
        let mut known: HashSet<String> = self.files_at(retained).await?.into_iter().map(|entry| entry.path).collect();
        for version in retained + 1..=self.version {
            let actions = self.actions(version).await?.ok_or_else(|| {
                self.error(Kind::Corrupt, format!("commit {version} is missing after version {retained}"))
            })?;
            known.extend(actions.into_iter().filter_map(|action| match action {
                Action::Add(add) => Some(add.path),
                _ => None,
            }));
        }
        let all: Vec<_> = self.list("").await?;
        Ok(all.into_iter().filter(|file| !file.path.starts_with('_') && !known.contains(&file.path)).collect())
    }

    /// Removes commits and checkpoints that are not needed for `keep_from` and
    /// later versions; how many. Oldest first, so that a crash leaves no hole.
    pub async fn trim_log(&mut self, keep_from: i64) -> Result<usize> {
        self.refresh().await?;
        let names: Vec<String> = self.log_names().await?;
        let checkpoints = names.iter().filter_map(|name| sums::checkpoint_version(name));
        let Some(base) = checkpoints.filter(|version| *version <= keep_from.min(self.version)).max() else {
            return Ok(0);
        };
        let version = |name: &str| sums::commit_version(name).or_else(|| sums::checkpoint_version(name));
        let old: Vec<String> = names.into_iter().filter(|name| version(name).is_some_and(|at| at < base)).collect();
        let trimmed = old.len();
        // It reads its entries when asked, and some of them go now.
        self.loaded = None;
        let dir = join(&self.root, sums::LOG);
        let remove = move |store: &DiskStore| old.iter().try_for_each(|name| store.remove_blocking(&join(&dir, name)));
        self.store.blocking(remove).await.map_err(Error::disk(&self.root))?;
        Ok(trimmed)
    }

    /// When a version was committed; none if its commit was trimmed away.
    pub(super) async fn commit_ms(&self, version: i64) -> Result<Option<i64>> {
        let actions = self.actions(version).await?.unwrap_or_default();
        Ok(actions.into_iter().find_map(|action| match action {
            Action::CommitInfo(info) => info.timestamp,
            _ => None,
        }))
    }

    /// One entry of the log; none if it is not there.
    pub(super) async fn actions(&self, version: i64) -> Result<Option<Vec<Action>>> {
        let version = as_u64(version);
        let doing = format!("read commit {version}");
        let entry = self.log.read_commit_entry(version).await.map_err(|error| self.broken(&doing, error))?;
        let actions = entry.map(|bytes| get_actions(version, &bytes)).transpose();
        actions.map_err(|error| self.broken(&doing, error))
    }

    /// The oldest version that can be rebuilt.
    async fn oldest(&self) -> Result<i64> {
        let names = self.log_names().await?;
        if names.iter().any(|name| sums::commit_version(name) == Some(0)) {
            return Ok(0);
        }
        let checkpoints = names.iter().filter_map(|name| sums::checkpoint_version(name));
        checkpoints.min().ok_or_else(|| self.error(Kind::Corrupt, "its log has no beginning".to_owned()))
    }

    pub(super) async fn log_names(&self) -> Result<Vec<String>> {
        let files = self.list(sums::LOG).await?;
        Ok(files.into_iter().filter_map(|file| file.path.rsplit('/').next().map(str::to_owned)).collect())
    }

    /// Objects below a directory of the table.
    async fn list(&self, dir: &str) -> Result<Vec<DataFile>> {
        let prefix = if dir.is_empty() { self.root.clone() } else { join(&self.root, dir) };
        let listed: Result<Vec<_>, _> = self.store.list(Some(&Path::from(prefix))).try_collect().await;
        let objects = listed.map_err(|error| self.broken("list its files", error.into()))?;
        let relative = |path: &str| path.strip_prefix(&self.root).unwrap_or(path).trim_start_matches('/').to_owned();
        let file =
            |object: object_store::ObjectMeta| DataFile { path: relative(object.location.as_ref()), size: object.size };
        Ok(objects.into_iter().map(file).collect())
    }
}
