//! The end of a write that was cut short, kept for whoever wants to look.
//!
//! ```text
//!  0 magic "MHtorn"  8 format version u8, zero (3)  12 crc32c of bytes 16..
//! 16 segment u64    24 offset u64    32 length u64    40 the bytes
//! ```
//! It was never acknowledged; its sender has sent it again or knows that it must.

use std::io;

use host::Disk;

use crate::Damage;

use super::FORMAT_VERSION;
use super::frame::{u32_at, u64_at};
use super::writer::path_of;

const HEADER_BYTES: usize = 40;
const MAGIC: [u8; 8] = *b"MHtorn\0\0";

/// What recovery set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Where it lies, below the data directory.
    pub path: String,
    /// First sequence of the segment it was cut from.
    pub segment: u64,
    /// Where in the segment it began.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
}

/// The segment a file name speaks of, if it is that of a torn piece.
pub(super) fn segment_of(name: &str) -> Option<u64> {
    let (segment, _) = name.strip_suffix(".torn")?.split_once('-')?;
    segment.parse().ok()
}

/// Durable when this returns. Named after what it holds, so that a crash before
/// the segment is cleaned leaves no second copy.
pub(super) fn keep(disk: &dyn Disk, segment: u64, offset: u64, bytes: &[u8]) -> io::Result<Torn> {
    let mut file = Vec::with_capacity(HEADER_BYTES + bytes.len());
    file.extend(MAGIC);
    file.extend([FORMAT_VERSION, 0, 0, 0]);
    file.extend([0; 4]);
    file.extend(segment.to_le_bytes());
    file.extend(offset.to_le_bytes());
    file.extend((bytes.len() as u64).to_le_bytes());
    file.extend(bytes);
    let crc = crc32c::crc32c(&file[16..]);
    file[12..16].copy_from_slice(&crc.to_le_bytes());
    let path = path_of(&format!("{segment:020}-{offset}-{crc:08x}.torn"));
    disk.write_durable(&path, &file, true)?;
    Ok(Torn { path, segment, offset, bytes: bytes.len() as u64 })
}

/// Reads one through.
pub(super) fn check(disk: &dyn Disk, path: &str) -> io::Result<Option<Damage>> {
    let file = disk.read(path, 0, super::SEGMENT_BYTES_READ + HEADER_BYTES)?;
    let whole = file.len() >= HEADER_BYTES
        && file[0..8] == MAGIC
        && file[8..12] == [FORMAT_VERSION, 0, 0, 0]
        && crc32c::crc32c(&file[16..]) == u32_at(&file, 12)
        && u64_at(&file, 32) == (file.len() - HEADER_BYTES) as u64;
    let what = "a piece that recovery set aside fails its checksum".to_owned();
    Ok((!whole).then(|| Damage { path: path.to_owned(), byte: 0, what }))
}
