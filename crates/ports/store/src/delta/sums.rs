//! Checksums of the log: every object under `_delta_log` has one, beside it.
//!
//! Promise: any flipped bit in a log object is found, when it is read and by
//! [`verify_log`]; no crash ever looks like damage.
//!
//! A checksum is an *empty* file `<table>/_delta_sums/<object>.<blake3>`: the
//! name says all, so there are no bytes of its own to go bad, one look tells
//! whether some bytes are known, and it costs one sync of a directory, not two
//! of files. Writers that race for one commit each have their own, so the loser
//! never speaks for the winner's object. The directory stands outside
//! `_delta_log`, where other readers would list it with every refresh; Delta
//! readers pass over names that start with an underscore.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};

use host::{Disk, is_temporary, sweep_temporaries};

use super::disk_store::{DiskStore, join};

/// Beside `_delta_log`.
pub(super) const DIRECTORY: &str = "_delta_sums";
pub(super) const LOG: &str = "_delta_log";

/// Something in a table's log is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDamage {
    /// The object, below the store's root.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

/// Underneath the error of a read that met damage.
#[derive(Debug, thiserror::Error)]
#[error("{path} matches no checksum of it: it is damaged, or another program wrote it")]
pub(super) struct Damaged {
    pub(super) path: String,
}

/// The checksum some bytes of a log object would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    dir: String,
    path: String,
}

impl Sum {
    /// None for objects outside the log: data files have theirs in the log.
    pub(super) fn of(path: &str, bytes: &[u8]) -> Option<Sum> {
        let (root, name) = log_object(path)?;
        let dir = join(root, DIRECTORY);
        let path = format!("{dir}/{name}.{}", blake3::hash(bytes).to_hex());
        Some(Sum { dir, path })
    }
}

/// The table and the name of a log object.
fn log_object(path: &str) -> Option<(&str, &str)> {
    let (dir, name) = path.rsplit_once('/')?;
    if dir == LOG {
        return Some(("", name));
    }
    Some((dir.strip_suffix(LOG)?.strip_suffix('/')?, name))
}

pub(super) fn is_log_object(path: &str) -> bool {
    log_object(path).is_some()
}

/// Makes a checksum durable.
pub(super) fn remember(store: &DiskStore, sum: &Sum) -> io::Result<()> {
    match store.disk().create(&sum.path, 0) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => store.sync_dir(&sum.dir),
    }
}

/// Removes a checksum. It may come back after a crash; the next open sweeps it.
pub(super) fn forget(disk: &dyn Disk, sum: &Sum) -> io::Result<()> {
    match disk.remove(&sum.path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether these bytes are ones that were written to this log object.
pub(super) fn is_known(disk: &dyn Disk, path: &str, bytes: &[u8]) -> io::Result<bool> {
    let sum = Sum::of(path, bytes).expect("asked for log objects only");
    match disk.size(&sum.path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// What stands in a log and in its checksums, by object name.
struct Log {
    dir: String,
    sums_dir: String,
    objects: BTreeMap<String, u64>,
    /// Hashes by object; what is not a checksum stands in `strange`.
    sums: BTreeMap<String, Vec<String>>,
    strange: Vec<String>,
}

impl Log {
    fn read(disk: &dyn Disk, root: &str) -> io::Result<Log> {
        let (dir, sums_dir) = (join(root, LOG), join(root, DIRECTORY));
        let mut log = Log { dir, sums_dir, objects: BTreeMap::new(), sums: BTreeMap::new(), strange: Vec::new() };
        for entry in disk.list(&log.dir)? {
            if !entry.is_dir && !is_temporary(&entry.name) {
                log.objects.insert(entry.name, entry.size);
            }
        }
        for entry in disk.list(&log.sums_dir)? {
            match split(&entry.name) {
                Some((object, hash)) if !entry.is_dir && entry.size == 0 => {
                    log.sums.entry(object.to_owned()).or_default().push(hash.to_owned());
                }
                _ if is_temporary(&entry.name) => {}
                _ => log.strange.push(join(&log.sums_dir, &entry.name)),
            }
        }
        Ok(log)
    }

    fn hash(&self, disk: &dyn Disk, object: &str) -> io::Result<String> {
        let path = join(&self.dir, object);
        let size = usize::try_from(disk.size(&path)?).map_err(io::Error::other)?;
        Ok(blake3::hash(&disk.read(&path, 0, size)?).to_hex().to_string())
    }

    /// Commits that must exist because earlier and later ones do.
    fn missing(&self) -> Vec<&str> {
        let commits = || self.objects.keys().filter(|name| is_commit(name));
        let (Some(first), Some(last)) = (commits().next(), commits().next_back()) else { return Vec::new() };
        let between = |name: &&String| is_commit(name) && *name > first && *name < last;
        self.sums.keys().filter(between).filter(|name| !self.objects.contains_key(*name)).map(String::as_str).collect()
    }
}

/// One object of a log as it was read, and the empty file that is its checksum.
pub(crate) struct LogObject {
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) blake3: String,
    pub(crate) sum: String,
}

/// Commits and checkpoints up to `version`, each read and found as written.
pub(crate) fn log_until(disk: &dyn Disk, root: &str, version: i64) -> io::Result<Vec<LogObject>> {
    let log = Log::read(disk, root)?;
    let mut found = Vec::new();
    for (object, bytes) in &log.objects {
        let at = commit_version(object).or_else(|| checkpoint_version(object));
        if at.is_none_or(|at| at > version) {
            continue;
        }
        let (path, blake3) = (join(&log.dir, object), log.hash(disk, object)?);
        if !log.sums.get(object).is_some_and(|hashes| hashes.contains(&blake3)) {
            return Err(io::Error::new(ErrorKind::InvalidData, Damaged { path }));
        }
        let sum = format!("{}/{object}.{blake3}", log.sums_dir);
        found.push(LogObject { path, bytes: *bytes, blake3, sum });
    }
    Ok(found)
}

/// Reads every byte of a table's log.
pub(super) fn verify_log(disk: &dyn Disk, root: &str) -> io::Result<Vec<LogDamage>> {
    let log = Log::read(disk, root)?;
    let mut damage = Vec::new();
    let mut report = |path: String, what: &str| damage.push(LogDamage { path, what: what.to_owned() });
    for object in log.objects.keys() {
        let path = join(&log.dir, object);
        match log.sums.get(object) {
            None => report(path, "has no checksum: another program wrote it"),
            Some(hashes) => {
                if !hashes.contains(&log.hash(disk, object)?) {
                    report(path, "does not match its checksum");
                }
            }
        }
    }
    for object in log.missing() {
        report(join(&log.dir, object), "is missing between other commits");
    }
    for path in &log.strange {
        report(path.clone(), "is not a checksum: only empty files named after an object and its hash belong here");
    }
    Ok(damage)
}

/// Clears what crashes leave: temporary files, checksums of objects that were
/// not written any more or were replaced. Only while nobody writes.
pub(super) fn sweep(disk: &dyn Disk, root: &str) -> io::Result<()> {
    let log = Log::read(disk, root)?;
    sweep_temporaries(disk, &log.dir)?;
    let missing: Vec<String> = log.missing().into_iter().map(str::to_owned).collect();
    for (object, hashes) in &log.sums {
        let keep = match log.objects.contains_key(object) {
            false if missing.contains(object) => continue,
            false => None,
            true if hashes.len() == 1 => continue,
            true => {
                let hash = log.hash(disk, object)?;
                if !hashes.contains(&hash) {
                    // Damage: the evidence stays.
                    continue;
                }
                Some(hash)
            }
        };
        for hash in hashes.iter().filter(|hash| keep.as_ref() != Some(hash)) {
            disk.remove(&format!("{}/{object}.{hash}", log.sums_dir))?;
        }
    }
    Ok(())
}

/// Object and hash of a checksum's name.
fn split(name: &str) -> Option<(&str, &str)> {
    let (object, hash) = name.rsplit_once('.')?;
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (hash.len() == 2 * blake3::OUT_LEN && hash.bytes().all(hex)).then_some((object, hash))
}

/// `00000000000000000007.json`.
fn is_commit(name: &str) -> bool {
    commit_version(name).is_some()
}

/// The version a commit's file name stands for.
pub(super) fn commit_version(name: &str) -> Option<i64> {
    numbered(name.strip_suffix(".json")?)
}

/// The version a checkpoint's file name stands for; we write them in one part.
pub(super) fn checkpoint_version(name: &str) -> Option<i64> {
    numbered(name.strip_suffix(".checkpoint.parquet")?)
}

/// What stands in the way of reading a log of these objects to its end: a commit that
/// is missing behind the newest checkpoint, or a number that no table comes to.
///
/// `deltalake-core` would look for commits that are not there one by one, up to the last.
pub(super) fn gap(names: &[String]) -> Option<String> {
    let number = |name: &String| name.get(..20)?.parse::<u64>().ok();
    let greatest = names.iter().filter_map(number).max().unwrap_or(0);
    if greatest > VERSION_MAX {
        return Some(format!("its log tells of version {greatest}"));
    }
    let checkpoint = names.iter().filter_map(|name| checkpoint_version(name)).max();
    let first = checkpoint.map_or(0, |version| version + 1);
    let commits = names.iter().filter_map(|name| commit_version(name));
    let mut commits: Vec<i64> = commits.filter(|version| *version >= first).collect();
    commits.sort_unstable();
    let (wanted, version) = (first..).zip(commits).find(|(wanted, version)| wanted != version)?;
    Some(format!("commit {wanted} is missing before commit {version}"))
}

/// At a commit every millisecond a table comes to this after 35 years.
const VERSION_MAX: u64 = 1 << 40;

fn numbered(digits: &str) -> Option<i64> {
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(commits: impl IntoIterator<Item = u64>, checkpoint: Option<u64>) -> Vec<String> {
        let commits = commits.into_iter().map(|version| format!("{version:020}.json"));
        let checkpoint = checkpoint.map(|version| format!("{version:020}.checkpoint.parquet"));
        commits.chain(checkpoint).chain(["_last_checkpoint".to_owned()]).collect()
    }

    proptest! {
        #[test]
        fn a_log_with_a_hole_is_refused_and_one_without_is_read(last in 1..90_u64, hole in 0..90_u64, cut in 0..90_u64) {
            prop_assert_eq!(gap(&names(0..=last, None)), None);
            let cut = cut.min(last);
            prop_assert_eq!(gap(&names(cut + 1..=last, Some(cut))), None, "trimmed behind a checkpoint");
            prop_assume!(hole < last);
            let holed = || (0..=last).filter(|version| *version != hole);
            prop_assert!(gap(&names(holed(), None)).is_some_and(|what| what.contains(&hole.to_string())));
            prop_assert_eq!(gap(&names(holed(), Some(cut))).is_some(), hole > cut, "a checkpoint stands for those before it");
        }

        #[test]
        fn a_number_that_no_table_comes_to_is_refused_at_once(version in VERSION_MAX + 1..=u64::MAX) {
            prop_assert!(gap(&names([0, version], None)).is_some());
            prop_assert!(gap(&names([0], Some(version))).is_some());
        }
    }
}
