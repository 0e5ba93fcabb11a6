//! A segment file: its name, its header, and a walk over its frames.
//!
//! ```text
//!  0 magic "MHsegmnt"      16 first sequence u64     40 salt u64
//!  8 format version u8     24 segment bytes u64      48 zero (12)
//!  9 zero (3)              32 received before i64    60 crc32c of bytes 0..60
//! 12 key id u32
//! ```
//! Frames follow, then zeros to the end. A segment gets its name only once its
//! header is durable, and the next one is made only once it is full: so a flaw
//! in any but the last is damage, never a torn write.

use super::FORMAT_VERSION;
use super::frame::{ALIGNMENT, FRAME_BYTES, Flaw, Frame, FrameKind, u32_at, u64_at};
use super::index::Places;

pub(super) const HEADER_BYTES: usize = 64;
pub(super) const MAGIC: [u8; 8] = *b"MHsegmnt";
pub(super) const VERSION_AT: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) first: u64,
    pub(super) segment_bytes: u64,
    /// Time of the last record before this segment.
    pub(super) received_before: i64,
    pub(super) salt: u64,
}

/// File name of the segment that starts with a sequence.
pub(super) fn file_name(first: u64) -> String {
    format!("{first:020}.seg")
}

/// The first sequence of a segment, if the file name is one's.
pub(super) fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg").filter(|digits| digits.len() == 20)?;
    digits.parse().ok().filter(|first| file_name(*first) == name)
}

impl SegmentHeader {
    /// `received_before` of the first segment of all.
    pub(super) const NONE_BEFORE: i64 = i64::MIN;

    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[VERSION_AT] = FORMAT_VERSION;
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.segment_bytes.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.received_before.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.salt.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header of a whole segment file.
    pub(super) fn decode(segment: &[u8]) -> Result<SegmentHeader, Flaw> {
        if segment.len() < HEADER_BYTES || segment[0..8] != MAGIC {
            return Err(Flaw::Damaged("no segment header"));
        }
        if crc32c::crc32c(&segment[..60]) != u32_at(segment, 60) {
            return Err(Flaw::Damaged("the segment header fails its checksum"));
        }
        if segment[VERSION_AT] != FORMAT_VERSION {
            return Err(Flaw::Newer(format!("a segment of format version {}", segment[VERSION_AT])));
        }
        if u32_at(segment, 12) != 0 {
            return Err(Flaw::Newer(format!("a segment sealed with key {}", u32_at(segment, 12))));
        }
        let header = SegmentHeader {
            first: u64_at(segment, 16),
            segment_bytes: u64_at(segment, 24),
            received_before: u64_at(segment, 32).cast_signed(),
            salt: u64_at(segment, 40),
        };
        if header.segment_bytes != segment.len() as u64 {
            return Err(Flaw::Damaged("the file does not have the size its header says"));
        }
        Ok(header)
    }
}

/// What stands in a segment up to its end or its first flaw.
#[derive(Debug)]
pub(super) struct Walk {
    /// One past the last whole frame.
    pub(super) end: u64,
    /// The sequence that comes next.
    pub(super) next: u64,
    pub(super) last_received: i64,
    /// The last frame is a mark.
    pub(super) marked: bool,
    pub(super) places: Places,
    /// Where the frames stop being whole, and why; otherwise the rest is zero.
    pub(super) flaw: Option<(u64, Flaw)>,
}

/// Reads every frame. `bytes` is the segment from its first byte, whole or up
/// to a place between two frames.
pub(super) fn walk(header: &SegmentHeader, bytes: &[u8]) -> Walk {
    let mut walk = Walk {
        end: HEADER_BYTES as u64,
        next: header.first,
        last_received: header.received_before,
        marked: false,
        places: Places::default(),
        flaw: None,
    };
    let mut at = HEADER_BYTES;
    loop {
        if is_zero(&bytes[at..bytes.len().min(at + FRAME_BYTES)]) {
            walk.flaw = first_nonzero(bytes, at)
                .map(|found| (found, Flaw::Damaged("bytes that are not zero after the last frame")));
            return walk;
        }
        match frame_at(header, bytes, at).and_then(|frame| walk.expects(&frame, at).map(|()| frame)) {
            Err(flaw) => {
                walk.flaw = Some((at as u64, flaw));
                return walk;
            }
            Ok(frame) => {
                walk.take(&frame, at);
                at += frame.padded_bytes();
            }
        }
    }
}

impl Walk {
    /// Whether a whole frame is the one that belongs here.
    fn expects(&self, frame: &Frame, at: usize) -> Result<(), Flaw> {
        let fits = match frame.kind {
            FrameKind::Record => frame.sequence == self.next && frame.received_at > self.last_received,
            FrameKind::Mark => frame.sequence + 1 == self.next && frame.received_at == self.last_received,
        };
        if fits && frame.group_offset <= at as u64 {
            Ok(())
        } else {
            Err(Flaw::Damaged("a frame that belongs elsewhere"))
        }
    }

    fn take(&mut self, frame: &Frame, at: usize) {
        self.end = (at + frame.padded_bytes()) as u64;
        self.last_received = frame.received_at;
        self.marked = frame.kind == FrameKind::Mark;
        if frame.kind == FrameKind::Record {
            self.places.note(frame.sequence, at as u64);
            self.next += 1;
        }
    }
}

/// The whole frame at a place.
pub(super) fn frame_at(header: &SegmentHeader, bytes: &[u8], at: usize) -> Result<Frame, Flaw> {
    let Some(head) = bytes.get(at..at + FRAME_BYTES) else {
        return Err(Flaw::Damaged("a frame reaches past the end"));
    };
    let frame = Frame::decode(head.try_into().expect("a slice of this length"), header.salt)?;
    frame.check_payload(&bytes[at..])?;
    Ok(frame)
}

/// Whether what stands at `flawed` was once durable: a later frame says that
/// everything before its group was, and its group starts behind.
pub(super) fn was_durable(header: &SegmentHeader, bytes: &[u8], flawed: u64) -> bool {
    let from = usize::try_from(flawed).expect("a place in a slice");
    let places = (from..bytes.len().saturating_sub(FRAME_BYTES)).step_by(ALIGNMENT);
    // The header's checksum is salted, so it alone is proof; the payload may be torn.
    places
        .filter_map(|at| bytes.get(at..at + FRAME_BYTES)?.try_into().ok())
        .any(|head| Frame::decode(head, header.salt).is_ok_and(|frame| frame.group_offset > flawed))
}

/// One past the last byte that is not zero.
pub(super) fn used_end(bytes: &[u8]) -> u64 {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

fn first_nonzero(bytes: &[u8], from: usize) -> Option<u64> {
    let rest = &bytes[from..];
    if is_zero(rest) { None } else { rest.iter().position(|byte| *byte != 0).map(|at| (from + at) as u64) }
}

/// Compares in pieces that the compiler turns into wide loads.
fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(4_096).all(|chunk| chunk.iter().fold(0, |all, byte| all | byte) == 0)
}
