//! Reading records back, beside the writer and without disturbing it.

use std::io;

use bytes::{Buf, Bytes};
use host::Disk;
use meter::{Sequence, Timestamp};

use crate::{Error, Record};

use super::frame::{FRAME_BYTES, Frame, FrameKind};
use super::index::Spot;
use super::recover::refusal;
use super::segment::file_name;
use super::writer::path_of;
use super::{READ_BYTES_MAX, Shared, payload};

/// The least that is fetched at once, so that small records cost few calls.
const FETCH_BYTES: usize = 128 << 10;

impl Shared {
    /// As [`Journal::read`](crate::Journal::read); blocks.
    pub(super) fn read(&self, from: Sequence, limit_bytes: usize) -> Result<Vec<Record>, Error> {
        let limit_bytes = limit_bytes.min(READ_BYTES_MAX);
        let Some(spot) = self.find(from.0)? else { return Ok(Vec::new()) };
        match self.read_segment(&spot, from.0, limit_bytes) {
            // Trimmed away between looking and reading.
            Err(Error::Disk(error)) if error.kind() == io::ErrorKind::NotFound => {
                self.find(from.0)?;
                Err(Error::Disk(error))
            }
            // The index says that this segment holds it.
            Ok(records) if records.is_empty() => Err(Error::Missing { from: from.0, to: from.0 }),
            records => records,
        }
    }

    /// `None` at the end.
    fn find(&self, wanted: u64) -> Result<Option<Spot>, Error> {
        let index = self.index();
        let (start, end) = (index.start(), index.next);
        if wanted < start {
            return Err(Error::Trimmed { from: Sequence(wanted), start: Sequence(start) });
        }
        if wanted > end {
            return Err(Error::Ahead { from: Sequence(wanted), end: Sequence(end) });
        }
        if wanted == end {
            return Ok(None);
        }
        let mut spot = index.spot(wanted);
        let cursor = *self.cursor.lock().expect("no holder of this lock panics");
        if let Some((next, segment, at)) = cursor
            && (next, segment) == (wanted, spot.first)
        {
            spot.at = at;
        }
        Ok(Some(spot))
    }

    fn read_segment(&self, spot: &Spot, wanted: u64, limit_bytes: usize) -> Result<Vec<Record>, Error> {
        let mut frames = Frames::new(&*self.disk, spot);
        let mut records = Vec::new();
        let mut taken = 0;
        while let Some(frame) = frames.peek(limit_bytes.saturating_sub(taken))? {
            if frame.kind == FrameKind::Record && frame.sequence >= wanted {
                let bytes = frame.padded_bytes();
                if !records.is_empty() && taken + bytes > limit_bytes {
                    break;
                }
                taken += bytes;
                records.push(frames.record(&frame)?);
            }
            frames.pass(&frame);
            if taken >= limit_bytes && !records.is_empty() {
                break;
            }
        }
        if let Some(last) = records.last() {
            let mut cursor = self.cursor.lock().expect("no holder of this lock panics");
            // Who looks something up further back does not cost the one who reads on its place.
            if cursor.is_none_or(|(next, ..)| next <= last.sequence.0) {
                *cursor = Some((last.sequence.0 + 1, spot.first, frames.at));
            }
        }
        Ok(records)
    }
}

/// The frames of a segment one after the other, fetched in large pieces.
struct Frames<'a> {
    disk: &'a dyn Disk,
    segment: u64,
    salt: u64,
    /// Place of the next frame.
    at: u64,
    end: u64,
    /// What is fetched, from its next frame on. Contents stay slices of it.
    chunk: Bytes,
}

impl<'a> Frames<'a> {
    fn new(disk: &'a dyn Disk, spot: &Spot) -> Frames<'a> {
        let (segment, salt, at, end) = (spot.first, spot.salt, spot.at, spot.end);
        Frames { disk, segment, salt, at, end, chunk: Bytes::new() }
    }

    /// The next frame, whole and checked; `wish` is how much the caller will take.
    fn peek(&mut self, wish: usize) -> Result<Option<Frame>, Error> {
        if self.at >= self.end {
            return Ok(None);
        }
        self.hold(FRAME_BYTES, wish)?;
        let head = self.chunk[..FRAME_BYTES].try_into().expect("a slice of this length");
        let frame = Frame::decode(head, self.salt).map_err(|flaw| refusal(self.segment, self.at, flaw))?;
        self.hold(frame.padded_bytes(), wish)?;
        frame.check_payload(&self.chunk).map_err(|flaw| refusal(self.segment, self.at, flaw))?;
        Ok(Some(frame))
    }

    /// Sees to it that so many bytes from `at` on are in the chunk.
    fn hold(&mut self, bytes: usize, wish: usize) -> Result<(), Error> {
        if self.chunk.len() >= bytes {
            return Ok(());
        }
        let left = usize::try_from(self.end - self.at).expect("a segment fits in memory");
        let fetch = bytes.max(wish).max(FETCH_BYTES).min(left);
        self.chunk = self.disk.read(&path_of(&file_name(self.segment)), self.at, fetch)?.into();
        if self.chunk.len() < bytes {
            return Err(self.damaged("a frame reaches past the durable end"));
        }
        Ok(())
    }

    /// The record in a frame that was peeked at.
    fn record(&self, frame: &Frame) -> Result<Record, Error> {
        let payload = self.chunk.slice(FRAME_BYTES..FRAME_BYTES + frame.payload_bytes as usize);
        let body = payload::decode(payload).map_err(|what| self.damaged(what))?;
        Ok(Record { sequence: Sequence(frame.sequence), received_at: Timestamp(frame.received_at), body })
    }

    fn pass(&mut self, frame: &Frame) {
        self.at += frame.padded_bytes() as u64;
        self.chunk.advance(frame.padded_bytes());
    }

    fn damaged(&self, what: &'static str) -> Error {
        Error::Damaged { segment: self.segment, offset: self.at, what }
    }
}
