//! `registry.sum`: what `registry.sqlite` must hash to, byte for byte.
//!
//! Promise: a flipped byte in either file is found whenever no change is under
//! way. Around a change the file says `changing` and still names the hash from
//! before, so a crash that changed nothing is told from one that may have.
//!
//! Three lines of text, so that a person can read it:
//! ```text
//! meterhouse registry.sum 1
//! clean 24576 5c1b…(BLAKE3 of registry.sqlite)
//! sum 77ab…(BLAKE3 of the lines above)
//! ```

use std::io;

use host::Disk;

pub(crate) const SUM_NAME: &str = "registry.sum";
/// The last word of the title; an older binary refuses a newer one.
pub const VERSION: i64 = 1;
const TITLE: &str = "meterhouse registry.sum 1";
const TITLE_START: &str = "meterhouse registry.sum ";

/// Three lines of at most 120 bytes; more is not one of ours.
const SUM_BYTES_MAX: usize = 1024;

/// The registry file is read in pieces of this size.
const PIECE_BYTES: usize = 1 << 20;

/// Length and BLAKE3 of a whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileSum {
    pub(crate) bytes: u64,
    pub(crate) hash: String,
}

/// What `registry.sum` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The file is exactly this.
    Clean(FileSum),
    /// A change began from this; `None` when the file was being made.
    Changing(Option<FileSum>),
}

/// Why a sum file says nothing.
#[derive(Debug)]
pub(crate) enum Unreadable {
    Io(io::Error),
    Missing,
    Newer(i64),
    Damaged,
}

impl FileSum {
    /// Reads the whole file.
    pub(crate) fn of(disk: &dyn Disk, path: &str) -> io::Result<FileSum> {
        let mut hasher = blake3::Hasher::new();
        let mut bytes = 0;
        loop {
            let piece = disk.read(path, bytes, PIECE_BYTES)?;
            if piece.is_empty() {
                break;
            }
            hasher.update(&piece);
            bytes += piece.len() as u64;
        }
        Ok(FileSum { bytes, hash: hasher.finalize().to_hex().to_string() })
    }
}

impl State {
    pub(crate) fn write(&self, disk: &dyn Disk) -> io::Result<()> {
        disk.write_durable(SUM_NAME, self.text().as_bytes(), true)
    }

    pub(crate) fn read(disk: &dyn Disk) -> Result<State, Unreadable> {
        match disk.read(SUM_NAME, 0, SUM_BYTES_MAX) {
            Ok(bytes) => State::parse(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Unreadable::Missing),
            Err(error) => Err(Unreadable::Io(error)),
        }
    }

    /// What the file holds when it says this.
    pub(crate) fn text(&self) -> String {
        let said = match self {
            State::Clean(sum) => format!("clean {} {}", sum.bytes, sum.hash),
            State::Changing(Some(sum)) => format!("changing {} {}", sum.bytes, sum.hash),
            State::Changing(None) => "changing 0 nothing".to_owned(),
        };
        let lines = format!("{TITLE}\n{said}\n");
        let own = blake3::hash(lines.as_bytes()).to_hex();
        format!("{lines}sum {own}\n")
    }

    /// Only what [`State::text`] writes, to the byte, is read.
    fn parse(bytes: &[u8]) -> Result<State, Unreadable> {
        let text = std::str::from_utf8(bytes).map_err(|_| Unreadable::Damaged)?;
        let state = Self::said(text).filter(|state| state.text() == text);
        if let Some(state) = state {
            return Ok(state);
        }
        match Self::newer(text) {
            Some(version) => Err(Unreadable::Newer(version)),
            None => Err(Unreadable::Damaged),
        }
    }

    fn said(text: &str) -> Option<State> {
        let mut words = text.lines().nth(1)?.split(' ');
        let (word, bytes, hash) = (words.next()?, words.next()?.parse().ok()?, words.next()?.to_owned());
        match (word, hash.as_str()) {
            ("changing", "nothing") => Some(State::Changing(None)),
            ("changing", _) => Some(State::Changing(Some(FileSum { bytes, hash }))),
            ("clean", _) => Some(State::Clean(FileSum { bytes, hash })),
            _ => None,
        }
    }

    /// A later version may look different, except for the title and an own sum in the last line.
    fn newer(text: &str) -> Option<i64> {
        let version = text.lines().next()?.strip_prefix(TITLE_START)?.parse().ok()?;
        let (lines, last) = text.trim_end().rsplit_once('\n')?;
        let own = blake3::hash(format!("{lines}\n").as_bytes()).to_hex();
        (version > VERSION && last.strip_prefix("sum ")? == own.as_str()).then_some(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states() -> [State; 3] {
        let sum = FileSum { bytes: 4096, hash: blake3::hash(b"x").to_hex().to_string() };
        [State::Clean(sum.clone()), State::Changing(Some(sum)), State::Changing(None)]
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        for state in states() {
            assert_eq!(State::parse(state.text().as_bytes()).expect("ours"), state);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        for state in states() {
            let good = state.text().into_bytes();
            for at in 0..good.len() {
                for bit in 0..8 {
                    let mut bad = good.clone();
                    bad[at] ^= 1 << bit;
                    assert!(matches!(State::parse(&bad), Err(Unreadable::Damaged)), "byte {at} bit {bit}");
                }
                assert!(State::parse(&good[..at]).is_err());
            }
        }
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let lines = "meterhouse registry.sum 2\nsomething else\n";
        let text = format!("{lines}sum {}\n", blake3::hash(lines.as_bytes()).to_hex());
        assert!(matches!(State::parse(text.as_bytes()), Err(Unreadable::Newer(2))));
    }
}
