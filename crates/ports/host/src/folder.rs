//! A folder that others write into: a watched inbox.
//!
//! Not a [`Disk`](crate::Disk): its files belong to others, who may replace one
//! under its name at any time. A file is known by its size and the time it was
//! last changed; links are not followed, and nothing but plain files is seen.
//!
//! Promise: putting a file away replaces no other, and is durable when it returns.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::disk::explain;
use crate::real::rename_if_free;

/// Files of one name that are put away; more means that somebody sends the same
/// file for ever, and nobody looks.
const NUMBERS_MAX: u32 = 100_000;

/// A folder of the machine.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

/// A file as it was when it was looked at. Another under the same name is not equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    name: OsString,
    /// Bytes.
    pub size: u64,
    /// Seconds and nanoseconds since 1970, by the clock of its file system.
    modified: (i64, i64),
    inode: u64,
}

/// A file being read.
#[derive(Debug)]
pub struct Reader {
    file: File,
    name: OsString,
}

impl Found {
    /// `None` if it is not UTF-8.
    pub fn name(&self) -> Option<&str> {
        self.name.to_str()
    }

    /// As well as it can be shown.
    pub fn shown(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    fn of(name: OsString, about: &fs::Metadata) -> Found {
        Found { name, size: about.size(), modified: (about.mtime(), about.mtime_nsec()), inode: about.ino() }
    }
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.file.read(into)
    }
}

impl Reader {
    /// The file as it is by now: who has read it all learns whether it stood still.
    pub fn found(&self) -> io::Result<Found> {
        Ok(Found::of(self.name.clone(), &self.file.metadata()?))
    }
}

impl Folder {
    /// It and the folders `inside` are made if they are missing.
    pub fn open(root: &Path, inside: &[&str]) -> io::Result<Folder> {
        let root = std::path::absolute(root)?;
        for dir in std::iter::once(root.clone()).chain(inside.iter().map(|inside| root.join(inside))) {
            fs::create_dir_all(&dir).map_err(|error| explain("make directory", &dir.display().to_string(), &error))?;
        }
        Ok(Folder { root })
    }

    /// The plain files right in it, by name.
    pub fn list(&self) -> io::Result<Vec<Found>> {
        let named = |error: io::Error| explain("list", &self.root.display().to_string(), &error);
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(named)? {
            let entry = entry.map_err(named)?;
            match entry.metadata() {
                // Gone since the folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(named(error)),
                Ok(about) if about.is_file() => all.push(Found::of(entry.file_name(), &about)),
                Ok(_) => {}
            }
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    /// Opens it for reading; a link put in its place is refused.
    pub fn reader(&self, found: &Found) -> io::Result<Reader> {
        // Were it a pipe by now, opening it would wait for a writer.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(self.root.join(&found.name));
        let file = opened.map_err(|error| explain("read", &found.shown(), &error))?;
        Ok(Reader { file, name: found.name.clone() })
    }

    /// Moves it into the folder `inside` and says what it is called there: another
    /// of its name gets a number. `None` if it is another file by now, or gone.
    pub fn put_away(&self, found: &Found, inside: &str) -> io::Result<Option<String>> {
        let from = self.root.join(&found.name);
        let moved = |error: io::Error| explain("move", &found.shown(), &error);
        match fs::symlink_metadata(&from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(moved(error)),
            Ok(about) if Found::of(found.name.clone(), &about) != *found => return Ok(None),
            Ok(_) => {}
        }
        for number in 1..NUMBERS_MAX {
            let name = numbered(&found.name, number);
            match rename_if_free(&from, &self.root.join(inside).join(&name)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(moved(error)),
                Ok(()) => {
                    self.sync(inside)?;
                    self.sync("")?;
                    return Ok(Some(name.to_string_lossy().into_owned()));
                }
            }
        }
        Err(moved(io::Error::new(io::ErrorKind::AlreadyExists, format!("{NUMBERS_MAX} of its name are there"))))
    }

    /// A file of our own in the folder `inside`, in the place of one of that name.
    pub fn write(&self, inside: &str, name: &str, text: &str) -> io::Result<()> {
        let path = self.root.join(inside).join(name);
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| explain("write", name, &error))?;
        self.sync(inside)
    }

    fn sync(&self, inside: &str) -> io::Result<()> {
        let synced = File::open(self.root.join(inside)).and_then(|dir| dir.sync_all());
        synced.map_err(|error| explain("sync", inside, &error))
    }
}

/// `may.csv`, `may.2.csv`, `may.3.csv`, …
fn numbered(name: &OsString, number: u32) -> PathBuf {
    let path = Path::new(name);
    if number == 1 {
        return path.to_owned();
    }
    let mut found = path.file_stem().unwrap_or_default().to_owned();
    found.push(format!(".{number}"));
    if let Some(ending) = path.extension() {
        found.push(".");
        found.push(ending);
    }
    found.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let folder = Folder::open(&dir.path().join("inbox"), &["done"]).expect("opens");
        (dir, folder)
    }

    fn write(folder: &Folder, name: &str, text: &str) -> Found {
        fs::write(folder.root.join(name), text).expect("writes");
        let all = folder.list().expect("lists");
        all.into_iter().find(|found| found.name() == Some(name)).expect("it is there")
    }

    #[test]
    fn files_of_one_name_are_put_away_beside_each_other() {
        let (_dir, folder) = folder();
        for expected in ["may.csv", "may.2.csv", "may.3.csv"] {
            let found = write(&folder, "may.csv", expected);
            assert_eq!(folder.put_away(&found, "done").expect("moves").as_deref(), Some(expected));
        }
        let found = write(&folder, "plain", "1");
        assert_eq!(folder.put_away(&found, "done").expect("moves").as_deref(), Some("plain"));
        assert_eq!(fs::read_to_string(folder.root.join("done/may.2.csv")).expect("reads"), "may.2.csv");
        assert_eq!(folder.list().expect("lists"), []);
    }

    #[test]
    fn a_file_that_changed_is_left_where_it_is() {
        let (_dir, folder) = folder();
        let found = write(&folder, "a", "one");
        let mut reader = folder.reader(&found).expect("opens");
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("reads");
        assert_eq!((text.as_str(), reader.found().expect("looks")), ("one", found.clone()));
        let changed = write(&folder, "a", "other");
        assert_ne!(changed, found);
        assert_ne!(reader.found().expect("looks"), found);
        assert_eq!(folder.put_away(&found, "done").expect("looks"), None);
        fs::remove_file(folder.root.join("a")).expect("removes");
        assert_eq!(folder.put_away(&changed, "done").expect("looks"), None);
    }

    #[test]
    fn what_is_no_plain_file_is_not_seen_nor_followed() {
        let (dir, folder) = folder();
        let secret = dir.path().join("secret");
        fs::write(&secret, "not for the inbox").expect("writes");
        std::os::unix::fs::symlink(&secret, folder.root.join("link")).expect("links");
        fs::create_dir(folder.root.join("more")).expect("made");
        assert_eq!(folder.list().expect("lists"), []);
        let found = write(&folder, "a", "x");
        fs::remove_file(folder.root.join("a")).expect("removes");
        std::os::unix::fs::symlink(&secret, folder.root.join("a")).expect("links");
        assert!(folder.reader(&found).is_err());
        assert_eq!(folder.put_away(&found, "done").expect("looks"), None);
    }
}
