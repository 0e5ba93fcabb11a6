//! A wall clock that jumps for one process and what it starts.
//!
//! Promise: the monotonic clock goes on as it was. The machine's own clock is not
//! touched: a library that is loaded before the C library answers for it, made by the C
//! compiler that building takes anyway.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use host::Seeded;

use super::done;

const SOURCE: &str = include_str!("skew.c");
const HOUR: i64 = 3_600;
const FORWARD_MAX: u64 = 3 * 3_600;
/// Uploads that wait a day are given up, which is no loss: the clock stays below that, as the uploads see it.
const ABOVE_LOWEST_MAX: i64 = 20 * HOUR;
const BACK_MAX: u64 = 3 * 365 * 24 * 3_600;

/// The library, and the file that says by how much the clock is off.
#[derive(Debug)]
pub(super) struct Skew {
    library: PathBuf,
    told: PathBuf,
    seconds: i64,
    /// The least that it was off by.
    lowest: i64,
}

impl Skew {
    /// A clock that goes right, until it jumps.
    pub(super) fn new(dir: &Path) -> anyhow::Result<Skew> {
        let skew = Skew { library: dir.join("skew.so"), told: dir.join("skew"), seconds: 0, lowest: 0 };
        let source = dir.join("skew.c");
        std::fs::write(&source, SOURCE)?;
        std::fs::write(&skew.told, 0_i64.to_ne_bytes())?;
        let (from, to) = (source.display().to_string(), skew.library.display().to_string());
        done("cc", &["-O1", "-shared", "-fPIC", "-o", &to, &from, "-ldl"])?;
        Ok(skew)
    }

    pub(super) fn environment(&self) -> [(OsString, OsString); 2] {
        [("LD_PRELOAD".into(), self.library.clone().into()), ("METERHOUSE_SKEW".into(), self.told.clone().into())]
    }

    /// Three times in four by up to three hours forward or back; else back by up to three years.
    pub(super) fn jump(&mut self, seed: &mut Seeded) -> anyhow::Result<()> {
        let below = |seed: &mut Seeded, most: u64| i64::try_from(seed.below(most)).unwrap_or(HOUR);
        self.seconds += match seed.below(4) {
            0 => -below(seed, BACK_MAX),
            1 => -below(seed, FORWARD_MAX),
            _ => below(seed, FORWARD_MAX),
        };
        self.lowest = self.lowest.min(self.seconds);
        self.seconds = self.seconds.min(self.lowest + ABOVE_LOWEST_MAX);
        File::options().write(true).open(&self.told)?.write_all_at(&self.seconds.to_ne_bytes(), 0)?;
        Ok(())
    }
}
