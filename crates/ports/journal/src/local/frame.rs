//! A frame: the header before each payload in a segment.
//!
//! ```text
//!  0 magic "MHf1"          16 sequence u64        40 crc32c of the payload
//!  4 format version u8     24 received_at i64     44 crc32c of salt and bytes 0..44
//!  5 kind u8               32 group offset u64
//!  6 zero u16
//!  8 key id u32 (0: not sealed)
//! 12 payload bytes u32
//! ```
//! Numbers are little-endian; frames start at multiples of 8, the bytes between
//! are zero. Magic, version and the checksum at 44 stay where they are in every
//! later version, so that an older binary can tell newer from damaged.
//!
//! The *group offset* is where the group that the frame was written with starts
//! in its segment. Everything before that was already synced then: this is how
//! recovery tells a torn write from damage. The *salt* is random per segment, so
//! that nobody can send bytes that look like a frame.

use super::FORMAT_VERSION;

pub(super) const FRAME_BYTES: usize = 48;
pub(super) const ALIGNMENT: usize = 8;
const MAGIC: [u8; 4] = *b"MHf1";
const RECORD: u8 = 1;
const MARK: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    Record,
    /// Holds nothing; says that all before it is durable. Its sequence and time
    /// are those of the record before it.
    Mark,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: FrameKind,
    pub(super) payload_bytes: u32,
    pub(super) payload_crc: u32,
    pub(super) sequence: u64,
    pub(super) received_at: i64,
    pub(super) group_offset: u64,
}

/// Why bytes are not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    Damaged(&'static str),
    Newer(String),
}

impl Frame {
    pub(super) fn encode(&self, salt: u64) -> [u8; FRAME_BYTES] {
        let mut bytes = [0; FRAME_BYTES];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4] = FORMAT_VERSION;
        bytes[5] = match self.kind {
            FrameKind::Record => RECORD,
            FrameKind::Mark => MARK,
        };
        bytes[12..16].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.received_at.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.group_offset.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = header_crc(&bytes, salt);
        bytes[44..48].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; FRAME_BYTES], salt: u64) -> Result<Frame, Flaw> {
        if bytes[0..4] != MAGIC {
            return Err(Flaw::Damaged("no frame starts where one should"));
        }
        if header_crc(bytes, salt) != u32_at(bytes, 44) {
            return Err(Flaw::Damaged("a frame header fails its checksum"));
        }
        if bytes[4] != FORMAT_VERSION {
            return Err(Flaw::Newer(format!("a frame of format version {}", bytes[4])));
        }
        if u32_at(bytes, 8) != 0 {
            return Err(Flaw::Newer(format!("a frame sealed with key {}", u32_at(bytes, 8))));
        }
        let kind = match bytes[5] {
            RECORD => FrameKind::Record,
            MARK => FrameKind::Mark,
            other => return Err(Flaw::Newer(format!("a frame of kind {other}"))),
        };
        Ok(Frame {
            kind,
            payload_bytes: u32_at(bytes, 12),
            payload_crc: u32_at(bytes, 40),
            sequence: u64_at(bytes, 16),
            received_at: u64_at(bytes, 24).cast_signed(),
            group_offset: u64_at(bytes, 32),
        })
    }

    /// Where the next frame starts if this one starts at 0.
    pub(super) fn padded_bytes(&self) -> usize {
        padded(self.payload_bytes as usize)
    }

    /// Payload and the zeros after it, of a frame at the start of `bytes`.
    pub(super) fn check_payload(&self, bytes: &[u8]) -> Result<(), Flaw> {
        if bytes.len() < self.padded_bytes() {
            return Err(Flaw::Damaged("a frame reaches past the end"));
        }
        let (payload, padding) = bytes[FRAME_BYTES..self.padded_bytes()].split_at(self.payload_bytes as usize);
        if crc32c::crc32c(payload) != self.payload_crc {
            return Err(Flaw::Damaged("a payload fails its checksum"));
        }
        if padding.iter().any(|byte| *byte != 0) {
            return Err(Flaw::Damaged("the bytes between two frames are not zero"));
        }
        Ok(())
    }
}

/// Bytes a frame takes with its payload and padding.
pub(super) fn padded(payload_bytes: usize) -> usize {
    (FRAME_BYTES + payload_bytes).next_multiple_of(ALIGNMENT)
}

fn header_crc(bytes: &[u8; FRAME_BYTES], salt: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), &bytes[..44])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame {
        kind: FrameKind::Record,
        payload_bytes: 100,
        payload_crc: 0xDEAD_BEEF,
        sequence: 77,
        received_at: -5,
        group_offset: 64,
    };

    #[test]
    fn a_header_is_read_as_it_was_written_and_no_bit_can_change() {
        let bytes = FRAME.encode(3);
        assert_eq!(Frame::decode(&bytes, 3), Ok(FRAME));
        for bit in 0..FRAME_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(Frame::decode(&flipped, 3), Err(Flaw::Damaged(_))), "bit {bit}");
        }
    }

    #[test]
    fn a_frame_made_without_the_salt_is_none() {
        assert!(matches!(Frame::decode(&FRAME.encode(3), 4), Err(Flaw::Damaged(_))));
    }

    #[test]
    fn a_newer_or_sealed_frame_is_told_from_a_damaged_one() {
        for (at, what) in
            [(4, "a frame of format version 9"), (5, "a frame of kind 9"), (8, "a frame sealed with key 9")]
        {
            let mut bytes = FRAME.encode(3);
            bytes[at] = 9;
            let crc = header_crc(&bytes, 3);
            bytes[44..48].copy_from_slice(&crc.to_le_bytes());
            assert_eq!(Frame::decode(&bytes, 3), Err(Flaw::Newer(what.to_owned())));
        }
    }
}
