//! Compression, where it pays.

use parquet::basic::{Compression, ZstdLevel};
use zstd::bulk::Compressor;
use zstd::zstd_safe::compress_bound;

/// Levels of zstd that are tried. The thorough one takes a third longer: measured in
/// docs/decisions/0006.
const LEVELS: [i32; 2] = [1, 3];
/// A frame of zstd alone takes a dozen bytes: shorter pages are not worth a try.
const PAGE_BYTES_MIN: usize = 32;
/// What it must save, as a part of all: reading it back costs more than that.
const SAVING: usize = 32;
/// What the thorough level must save, as a part of what the quick one leaves.
const THOROUGH_SAVING: usize = 16;
/// Of less it saves nothing that counts.
const THOROUGH_BYTES_MIN: usize = 1 << 16;

/// How thoroughly pages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Quick,
    Thorough,
}

/// One compressor a level for all pages of a file: to make one costs more than a page.
pub(crate) struct Press {
    compressors: [Compressor<'static>; 2],
    /// Room for any page.
    spare: Vec<u8>,
}

impl Press {
    pub(crate) fn new() -> Press {
        let of_level = |level| Compressor::new(level).expect("zstd has these levels");
        Press { compressors: LEVELS.map(of_level), spare: Vec::new() }
    }

    /// What a file says of pages so compressed.
    pub(crate) fn codec(level: Level) -> Compression {
        Compression::ZSTD(ZstdLevel::try_new(LEVELS[level as usize]).expect("zstd has these levels"))
    }

    pub(crate) fn pressed(&mut self, bytes: &[u8], level: Level) -> Vec<u8> {
        self.spare.clear();
        self.spare.reserve(compress_bound(bytes.len()));
        let compressor = &mut self.compressors[level as usize];
        compressor.compress_to_buffer(bytes, &mut self.spare).expect("there is as much room as it may need");
        self.spare.as_slice().to_vec()
    }

    /// Pages and their dictionary, compressed if that pays, and their size together.
    pub(crate) fn try_on(&mut self, pages: &[&[u8]], dictionary: Option<&[u8]>) -> Tried {
        let all = || pages.iter().copied().chain(dictionary);
        let plain: usize = all().map(<[u8]>::len).sum();
        if plain <= PAGE_BYTES_MIN * all().count() {
            return Tried { bytes: plain, pressed: None };
        }
        let mut tried = |level| {
            let pressed: Vec<Vec<u8>> = all().map(|page| self.pressed(page, level)).collect();
            (pressed.iter().map(Vec::len).sum::<usize>(), level, pressed)
        };
        let mut best = tried(Level::Quick);
        if plain >= THOROUGH_BYTES_MIN {
            let thorough = tried(Level::Thorough);
            if thorough.0 + best.0 / THOROUGH_SAVING <= best.0 {
                best = thorough;
            }
        }
        let (bytes, level, mut pressed) = best;
        if bytes + plain / SAVING >= plain {
            return Tried { bytes: plain, pressed: None };
        }
        pressed.truncate(pages.len());
        Tried { bytes, pressed: Some((level, pressed)) }
    }
}

/// What pages come to.
pub(crate) struct Tried {
    pub bytes: usize,
    /// The pages, and how they were compressed; none if they are smaller as they are.
    pub pressed: Option<(Level, Vec<Vec<u8>>)>,
}
