//! What the machine gives a process: the disk a directory lies on, whose a file
//! is, memory and processors.
//!
//! Promise: everything is asked of the kernel at the moment of the call, and
//! what it does not tell is `None`, never a guess.
//!
//! Read: this file, then `machine/mount.rs` (which file system holds a path)
//! and `machine/cgroup.rs` (what a container may use).

mod cgroup;
mod mount;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use meter::Timestamp;

use crate::disk::explain;

pub use cgroup::{Share, share};
pub use mount::{Mount, mount_of};

/// Room on a file system, for users without special rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that can still be written.
    pub bytes_free: u64,
    /// Bytes it has in all.
    pub bytes: u64,
    /// Names that can still be made.
    pub files_free: u64,
    /// Names it has in all; 0 where the file system sets no limit.
    pub files: u64,
}

/// The room on the file system that holds `path`.
pub fn room_at(path: &Path) -> io::Result<Room> {
    let found = rustix::fs::statvfs(path).map_err(|errno| named("look at", path, &errno.into()))?;
    Ok(Room {
        bytes_free: found.f_bavail.saturating_mul(found.f_frsize),
        bytes: found.f_blocks.saturating_mul(found.f_frsize),
        files_free: found.f_favail,
        files: found.f_files,
    })
}

/// Whose a file or directory is, and when it last changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// User number.
    pub owner: u32,
    /// Permission bits, such as 0o640.
    pub mode: u32,
    /// By the wall clock of the machine that changed it.
    pub changed: Timestamp,
}

/// About a file or directory, links followed.
pub fn about(path: &Path) -> io::Result<About> {
    let found = std::fs::metadata(path).map_err(|error| named("look at", path, &error))?;
    let micros = found.mtime().saturating_mul(1_000_000).saturating_add(found.mtime_nsec() / 1_000);
    let changed = Timestamp(micros).clamp(Timestamp::MIN, Timestamp::MAX);
    Ok(About { owner: found.uid(), mode: found.mode() & 0o7777, changed })
}

/// Memory of the machine in bytes.
pub fn memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1 << 10)
}

/// Processors that the process may run on.
pub fn processors() -> Option<u64> {
    std::thread::available_parallelism().ok().map(|count| count.get() as u64)
}

fn named(doing: &str, path: &Path, error: &io::Error) -> io::Error {
    explain(doing, &path.display().to_string(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_ours_and_changed_now() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("a");
        std::fs::write(&path, "x").expect("writes");
        let found = about(&path).expect("is there");
        assert_eq!(found.owner, rustix::process::geteuid().as_raw());
        let now = crate::Clock::now(&crate::SystemClock::new());
        assert!((now.0 - found.changed.0).abs() < 60_000_000, "{found:?} at {now}");
        assert!(about(&dir.path().join("b")).is_err());
    }

    #[test]
    fn a_file_system_has_no_more_free_than_it_has() {
        let room = room_at(&std::env::temp_dir()).expect("there is one");
        assert!(room.bytes > 0 && room.bytes_free <= room.bytes, "{room:?}");
        assert!(memory_bytes().is_some_and(|bytes| bytes > 1 << 26));
        assert!(processors().is_some_and(|count| count > 0));
    }
}
