//! Which file system holds a path, as `/proc/self/mountinfo` tells.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::named;

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Its kind, such as `ext4`, `tmpfs`, `overlay`, `nfs4` or `fuse.sshfs`.
    pub kind: String,
    /// What is mounted, such as `/dev/sda1`.
    pub source: String,
    /// Of the mount and of the file system, such as `ro` or `nobarrier`.
    pub options: Vec<String>,
    /// Major and minor number, as `8:1`.
    device: String,
}

/// The file system that holds `path`, which exists.
pub fn mount_of(path: &Path) -> io::Result<Mount> {
    let path = path.canonicalize().map_err(|error| named("look at", path, &error))?;
    let table = Path::new("/proc/self/mountinfo");
    let text = fs::read_to_string(table).map_err(|error| named("read", table, &error))?;
    found(&text, &path).ok_or_else(|| named("find the mount of", &path, &io::ErrorKind::NotFound.into()))
}

impl Mount {
    /// Whether the device below says that it holds writes in a cache that a power
    /// loss empties unless it is told to flush.
    pub fn has_volatile_cache(&self) -> Option<bool> {
        let device = Path::new("/sys/dev/block").join(&self.device);
        // A partition's queue is that of the disk it is on.
        let asked = [device.join("queue/write_cache"), device.join("../queue/write_cache")];
        let text = asked.iter().find_map(|path| fs::read_to_string(path).ok())?;
        match text.trim() {
            "write back" => Some(true),
            "write through" => Some(false),
            _ => None,
        }
    }
}

/// The longest mount point above `path`; of equal ones the last, which hides the others.
fn found(table: &str, path: &Path) -> Option<Mount> {
    let mounts = table.lines().filter_map(read_line).filter(|(point, _)| path.starts_with(point));
    mounts.max_by_key(|(point, _)| point.components().count()).map(|(_, mount)| mount)
}

/// `36 35 98:0 /root /point rw,noatime master:1 - ext4 /dev/sda1 rw,errors=continue`
fn read_line(line: &str) -> Option<(PathBuf, Mount)> {
    let (ours, theirs) = line.split_once(" - ")?;
    let ours: Vec<&str> = ours.split(' ').collect();
    let (device, point, options) = (*ours.get(2)?, *ours.get(4)?, *ours.get(5)?);
    let mut theirs = theirs.split(' ');
    let (kind, source) = (theirs.next()?, theirs.next()?);
    let options = options.split(',').chain(theirs.next().unwrap_or_default().split(','));
    let mount = Mount {
        kind: kind.to_owned(),
        source: unescaped(source),
        options: options.filter(|option| !option.is_empty()).map(str::to_owned).collect(),
        device: device.to_owned(),
    };
    Some((PathBuf::from(unescaped(point)), mount))
}

/// Blanks and their like stand as three octal digits behind a backslash.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(u8::is_ascii) {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(&part[3..]);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,nobarrier
23 22 0:20 / /dev/shm rw - tmpfs tmpfs rw,size=100k
24 22 0:31 / /data rw - fuse.sshfs far:/x rw
25 24 8:1 / /data/one\\040disk rw,noatime - xfs /dev/sda1 rw
26 22 0:40 / /data rw - nfs4 far:/y rw
";

    fn check(path: &str, kind: &str) {
        assert_eq!(found(TABLE, Path::new(path)).map(|mount| mount.kind).as_deref(), Some(kind), "{path}");
    }

    #[test]
    fn a_path_lies_on_the_nearest_mount_and_the_last_of_equal_ones() {
        check("/", "ext4");
        check("/database", "ext4");
        check("/dev/shm/a", "tmpfs");
        check("/data/a", "nfs4");
        check("/data/one disk/b", "xfs");
        let root = found(TABLE, Path::new("/x")).expect("found");
        assert!(root.options.iter().any(|option| option == "nobarrier"), "{root:?}");
    }

    #[test]
    fn a_line_that_is_not_understood_is_passed_over() {
        assert_eq!(found("no mount\n1 2 3 - \n - - -", Path::new("/")), None);
        assert_eq!(unescaped("a\\040b\\x\\9"), "a b\\x\\9");
    }

    #[test]
    fn this_machine_says_where_its_temporary_files_lie() {
        assert!(!mount_of(&std::env::temp_dir()).expect("mounted").kind.is_empty());
    }
}
