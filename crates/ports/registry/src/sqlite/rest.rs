//! The registry at rest: what its two files must be while nothing changes.
//!
//! Promise: a lost, replaced or flipped file is named, and nothing is made,
//! played back or believed before it has been compared.

use std::io;
use std::path::Path;

use host::{Disk, RealDisk, is_temporary};
use rusqlite::Connection;

use super::sum::{FileSum, SUM_NAME, State, Unreadable};
use super::{FILE_NAME, damaged, schema, sql};
use crate::{Error, Result};

const JOURNAL_NAME: &str = "registry.sqlite-journal";

const STRAY_JOURNAL: &str = "it stands beside a registry in which no change is under way";

/// Something at rest that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file's name in the data directory.
    pub path: String,
    /// What is wrong with it, and what was written.
    pub what: String,
}

/// What `registry.sum` says; `None` where neither file exists. Never makes a
/// new registry over a lost one: its ids would be handed out a second time.
pub(super) fn said(path: &Path, disk: &RealDisk) -> Result<Option<State>> {
    let io_error = |cause| Error::of_disk(path)(cause);
    for entry in disk.list("").map_err(io_error)? {
        if is_temporary(&entry.name) && entry.name.contains(SUM_NAME) {
            disk.remove(&entry.name).map_err(io_error)?;
        }
    }
    let exists = match disk.size(FILE_NAME) {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(cause) => return Err(io_error(cause)),
    };
    match State::read(disk) {
        Ok(State::Changing(None)) if !exists => Ok(None),
        Ok(_) if !exists => Err(damaged(path, "it is missing, though registry.sum stands there".to_owned())),
        Ok(state) => Ok(Some(state)),
        Err(Unreadable::Missing) if exists => Err(damaged(path, "registry.sum beside it is missing".to_owned())),
        Err(Unreadable::Missing) => {
            State::Changing(None).write(disk).map_err(io_error)?;
            Ok(None)
        }
        Err(Unreadable::Newer(found)) => Err(Error::Newer { path: path.to_owned(), found, known: schema::FORMAT }),
        Err(Unreadable::Damaged) => Err(damaged(path, "registry.sum beside it fails its own checksum".to_owned())),
        Err(Unreadable::Io(cause)) => Err(io_error(cause)),
    }
}

/// Before SQLite touches a registry that was left clean.
pub(super) fn check(path: &Path, disk: &RealDisk, sum: &FileSum) -> Result<()> {
    if disk.size(JOURNAL_NAME).is_ok() {
        return Err(damaged(path, format!("{JOURNAL_NAME}: {STRAY_JOURNAL}")));
    }
    let found = hash(path, disk)?;
    if found == *sum { Ok(()) } else { Err(damaged(path, differs(sum, &found))) }
}

/// After a crash inside a change, once SQLite has undone or kept it. Undone
/// means the same bytes as before, which is known; kept can only be believed.
pub(super) fn check_interrupted(
    path: &Path,
    disk: &RealDisk,
    connection: &Connection,
    before: Option<&FileSum>,
) -> Result<()> {
    if before == Some(&hash(path, disk)?) {
        return Ok(());
    }
    let said: String =
        connection.pragma_query_value(None, "integrity_check", |row| row.get(0)).map_err(|cause| sql(path, cause))?;
    if said == "ok" {
        return Ok(());
    }
    let first = said.lines().next().unwrap_or_default();
    Err(damaged(path, format!("a change was interrupted and the file is not sound: {first}")))
}

/// Takes the file as it is for what was written.
pub(super) fn settle(path: &Path, disk: &RealDisk) -> Result<FileSum> {
    let sum = hash(path, disk)?;
    let wrote = State::Clean(sum.clone()).write(disk);
    wrote.map_err(Error::of_disk(path))?;
    Ok(sum)
}

/// Compares every byte of both files with what was written.
pub(super) fn scrub(path: &Path, disk: &RealDisk) -> Result<Vec<Damage>> {
    let found = |name: &str, what: String| Ok(vec![Damage { path: name.to_owned(), what }]);
    let said = match State::read(disk) {
        Ok(State::Clean(sum)) => sum,
        Ok(State::Changing(_)) => {
            return found(SUM_NAME, "a change was interrupted; open the registry once and scrub again".to_owned());
        }
        Err(Unreadable::Missing) => return found(SUM_NAME, "it is missing".to_owned()),
        Err(Unreadable::Damaged) => return found(SUM_NAME, "it fails its own checksum".to_owned()),
        Err(Unreadable::Newer(found)) => {
            return Err(Error::Newer { path: path.to_owned(), found, known: schema::FORMAT });
        }
        Err(Unreadable::Io(cause)) => return Err(Error::Io { path: path.to_owned(), cause }),
    };
    if disk.size(JOURNAL_NAME).is_ok() {
        return found(JOURNAL_NAME, STRAY_JOURNAL.to_owned());
    }
    match FileSum::of(disk, FILE_NAME) {
        Ok(sum) if sum == said => Ok(Vec::new()),
        Ok(sum) => found(FILE_NAME, differs(&said, &sum)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => found(FILE_NAME, "it is missing".to_owned()),
        Err(cause) => Err(Error::Io { path: path.to_owned(), cause }),
    }
}

fn differs(said: &FileSum, found: &FileSum) -> String {
    format!(
        "{} bytes with BLAKE3 {} were written, {} bytes with {} are there",
        said.bytes, said.hash, found.bytes, found.hash
    )
}

fn hash(path: &Path, disk: &RealDisk) -> Result<FileSum> {
    FileSum::of(disk, FILE_NAME).map_err(Error::of_disk(path))
}
