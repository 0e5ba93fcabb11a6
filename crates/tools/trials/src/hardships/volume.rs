//! A file system of its own in a file, whose power can fail.
//!
//! Promise: a cut is what the kernel's own trials of file systems do (`FS_IOC_SHUTDOWN`
//! without a flush of the log): from one moment on nothing reaches the disk any more, and
//! what was in memory alone is gone when the volume is mounted again. It needs the right
//! to mount and a loop device.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use super::done;

/// Room for the journal of some twenty lives.
const BYTES: u64 = 2 << 30;
/// `FS_IOC_SHUTDOWN`, which ext4, XFS and F2FS know: `_IOR('X', 125, u32)`.
const SHUTDOWN: rustix::ioctl::Opcode = 0x8004_587d;
/// `FS_SHUTDOWN_FLAGS_NOLOGFLUSH`: not even the file system's log is written out.
const WITHOUT_LOG: u32 = 2;
/// Someone who holds a file of the volume lets go of it soon.
const TRIES_MAX: u32 = 100;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// Mounted, until it is dropped.
#[derive(Debug)]
pub(super) struct Volume {
    image: PathBuf,
    at: PathBuf,
}

impl Volume {
    /// Made anew in this directory.
    pub(super) fn new(dir: &Path) -> anyhow::Result<Volume> {
        let volume = Volume { image: dir.join("volume.ext4"), at: dir.join("volume") };
        File::create(&volume.image)?.set_len(BYTES)?;
        std::fs::create_dir(&volume.at)?;
        done("mkfs.ext4", &["-q", &volume.image.display().to_string()])?;
        volume.mount().context("a power cut takes the right to mount, and loop devices")?;
        Ok(volume)
    }

    pub(super) fn path(&self) -> &Path {
        &self.at
    }

    /// From now on nothing reaches the disk.
    #[expect(unsafe_code, reason = "there is no safe call for this request")]
    pub(super) fn cut(&mut self) -> anyhow::Result<()> {
        let root = File::open(&self.at)?;
        // SAFETY: the request takes a pointer to 32 bits, which it only reads.
        let asked = unsafe { rustix::ioctl::ioctl(&root, rustix::ioctl::Setter::<SHUTDOWN, u32>::new(WITHOUT_LOG)) };
        asked.context("the file system does not shut down")
    }

    /// What did reach it is there again. Nobody may hold a file of it.
    pub(super) fn power_on(&mut self) -> anyhow::Result<()> {
        self.unmount()?;
        self.mount()
    }

    fn mount(&self) -> anyhow::Result<()> {
        done("mount", &["-o", "loop", &self.image.display().to_string(), &self.at.display().to_string()])
    }

    fn unmount(&self) -> anyhow::Result<()> {
        let at = self.at.display().to_string();
        let mut last = Ok(());
        for _ in 0..TRIES_MAX {
            last = done("umount", &[&at]);
            if last.is_ok() {
                break;
            }
            std::thread::sleep(BETWEEN_TRIES);
        }
        last
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Where it is not mounted, there is nothing to let go of.
        let _ = self.unmount();
    }
}
