//! Compression, where it pays.

use parquet::basic::{Compression, ZstdLevel};
use zstd::bulk::Compressor;
use zstd::zstd_safe::compress_bound;

/// Measured over levels 1 to 3: docs/decisions/0006.
const LEVEL: i32 = 1;
/// A frame of zstd alone takes a dozen bytes: shorter pages are not worth a try.
const PAGE_BYTES_MIN: usize = 32;
/// What it must save, as a part of all: reading it back costs more than that.
const SAVING: usize = 32;

/// One compressor for all pages of a file: to make one costs more than a page.
pub(crate) struct Press {
    compressor: Compressor<'static>,
    /// Room for any page.
    spare: Vec<u8>,
}

impl Press {
    pub(crate) fn new() -> Press {
        Press { compressor: Compressor::new(LEVEL).expect("zstd has a level 1"), spare: Vec::new() }
    }

    pub(crate) fn codec() -> Compression {
        Compression::ZSTD(ZstdLevel::try_new(LEVEL).expect("zstd has a level 1"))
    }

    pub(crate) fn pressed(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.spare.clear();
        self.spare.reserve(compress_bound(bytes.len()));
        self.compressor.compress_to_buffer(bytes, &mut self.spare).expect("there is as much room as it may need");
        self.spare.as_slice().to_vec()
    }

    /// Pages and their dictionary, compressed if that pays, and their size together.
    pub(crate) fn try_on(&mut self, pages: &[&[u8]], dictionary: Option<&[u8]>) -> Tried {
        let all = || pages.iter().copied().chain(dictionary);
        let plain: usize = all().map(<[u8]>::len).sum();
        if plain <= PAGE_BYTES_MIN * all().count() {
            return Tried { bytes: plain, pressed: None };
        }
        let mut pressed: Vec<Vec<u8>> = all().map(|page| self.pressed(page)).collect();
        let bytes = pressed.iter().map(Vec::len).sum::<usize>();
        if bytes + plain / SAVING >= plain {
            return Tried { bytes: plain, pressed: None };
        }
        pressed.truncate(pages.len());
        Tried { bytes, pressed: Some(pressed) }
    }
}

/// What pages come to.
pub(crate) struct Tried {
    pub bytes: usize,
    /// The pages; none if they are smaller as they are.
    pub pressed: Option<Vec<Vec<u8>>>,
}
