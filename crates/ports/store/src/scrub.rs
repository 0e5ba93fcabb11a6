//! Scrub: every stored byte is read and compared with its checksum.
//!
//! Promise: any changed, missing or added byte in a table's files or its log is
//! named, with its file. A file of an earlier version, which the log's present
//! state no longer tells the hash of, is checked by the half of it in its name.

use std::collections::BTreeMap;

use host::is_temporary;

use crate::delta::FileEntry;
use crate::error::{Error, Result};
use crate::lake::{Lake, blocking};
use crate::schema::Table;
use crate::write::{Shelf, hash_in_name};

/// How much is read at a time.
const READ_BYTES: usize = 1 << 20;

/// A file that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file, below the data directory.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

/// What a scrub found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Data files that were read.
    pub files: u64,
    /// Their size together.
    pub bytes: u64,
    /// Everything that is not what was written.
    pub damage: Vec<Damage>,
    /// Files no table refers to now: of earlier versions, or left by a crash. Not
    /// damage; `vacuum` takes them away in time.
    pub unreferenced: Vec<String>,
}

impl Lake {
    /// Reads everything; `on_file` hears of each file before it is read.
    pub async fn scrub(&self, on_file: &mut (dyn FnMut(&str) + Send)) -> Result<ScrubReport> {
        let mut report = ScrubReport::default();
        for table in Table::ALL {
            for damage in self.table(table).verify_log().await? {
                report.damage.push(Damage { path: damage.path, what: damage.what });
            }
            let shelf = self.library.shelf.clone();
            let listed = blocking(move || {
                let mut listed = Vec::new();
                list_below(&shelf, &shelf.dir(table), "", &mut listed)?;
                Ok(listed)
            });
            let mut on_disk: BTreeMap<String, u64> = listed.await?.into_iter().collect();
            let live = self.files(table);
            for entry in live.iter() {
                let path = self.library.shelf.path(table, &entry.path);
                on_file(&path);
                on_disk.remove(&entry.path);
                let (shelf, entry) = (self.library.shelf.clone(), entry.clone());
                let (bytes, damage) = blocking(move || Ok(check_live(&shelf, table, &entry))).await?;
                report.files += 1;
                report.bytes += bytes;
                report.damage.extend(damage);
            }
            for file in on_disk.into_keys() {
                let path = self.library.shelf.path(table, &file);
                on_file(&path);
                let shelf = self.library.shelf.clone();
                let checked = path.clone();
                let (bytes, damage) = blocking(move || Ok(check_by_name(&shelf, &checked))).await?;
                report.files += 1;
                report.bytes += bytes;
                report.damage.extend(damage);
                report.unreferenced.push(path);
            }
        }
        Ok(report)
    }
}

fn list_below(shelf: &Shelf, dir: &str, within: &str, into: &mut Vec<(String, u64)>) -> Result<()> {
    for entry in shelf.disk.list(dir).map_err(Error::disk(dir))? {
        if entry.name.starts_with('_') || is_temporary(&entry.name) {
            continue;
        }
        let inside = format!("{within}{}", entry.name);
        if entry.is_dir {
            list_below(shelf, &format!("{dir}/{}", entry.name), &format!("{inside}/"), into)?;
        } else {
            into.push((inside, entry.size));
        }
    }
    Ok(())
}

fn check_live(shelf: &Shelf, table: Table, entry: &FileEntry) -> (u64, Option<Damage>) {
    let path = shelf.path(table, &entry.path);
    let damage = |what: String| Some(Damage { path: path.clone(), what });
    match hash_of(shelf, &path) {
        Err(error) => (0, damage(error.to_string())),
        Ok((bytes, _)) if bytes != entry.size => {
            (bytes, damage(format!("has {bytes} bytes, {} were written", entry.size)))
        }
        Ok((bytes, hash)) if hash != entry.blake3 => (bytes, damage("does not match its checksum".into())),
        Ok((bytes, _)) => (bytes, None),
    }
}

fn check_by_name(shelf: &Shelf, path: &str) -> (u64, Option<Damage>) {
    let damage = |what: String| Some(Damage { path: path.into(), what });
    match (hash_of(shelf, path), hash_in_name(path)) {
        (Err(error), _) => (0, damage(error.to_string())),
        (Ok((bytes, _)), None) => (bytes, damage("is no file of this table".into())),
        (Ok((bytes, hash)), Some(named)) => {
            let same = hash.to_hex().starts_with(named);
            (bytes, if same { None } else { damage("does not match the checksum in its name".into()) })
        }
    }
}

fn hash_of(shelf: &Shelf, path: &str) -> std::io::Result<(u64, blake3::Hash)> {
    let mut hasher = blake3::Hasher::new();
    let mut offset = 0;
    loop {
        let bytes = shelf.disk.read(path, offset, READ_BYTES)?;
        hasher.update(&bytes);
        offset += bytes.len() as u64;
        if bytes.len() < READ_BYTES {
            return Ok((offset, hasher.finalize()));
        }
    }
}
