//! Protobuf's wire format, read in place.
//!
//! Promise: whatever the bytes, nothing panics, nothing is read beyond the
//! message it belongs to, and a fault is named with its byte.

use super::schema::{FIXED64, LENGTH, Layout, VARINT};

/// The envelope of a body cannot be read: nothing of it may be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a readable request at byte {byte}: {what}")]
pub struct EnvelopeError {
    /// Counted from 0 in the decompressed body.
    pub byte: usize,
    /// What is wrong there.
    pub what: EnvelopeFault,
}

/// What makes an envelope unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what happened, and to what")]
pub enum EnvelopeFault {
    #[error("the body is empty; send at least one container")]
    Empty,
    #[error("there is no container in it; is it a meterhouse.v1.Request?")]
    NoContainer,
    #[error("the message ends inside a number")]
    EndsInNumber,
    #[error("a number is longer than 10 bytes or above 64 bits")]
    NumberTooLong,
    #[error("a field of {length} bytes in a message with {left} bytes left; was the body cut off?")]
    EndsInField { length: u64, left: usize },
    #[error("field {number} of {message} has wire type {found} instead of {expected}")]
    WireType { message: &'static str, number: u32, found: u32, expected: u32 },
    #[error("tag {tag} is no field of protobuf")]
    Tag { tag: u64 },
    #[error("a group is not closed, closed twice or nested deeper than {GROUP_DEPTH_MAX}")]
    Group,
}

/// A step of the walk. The error is boxed: the good way stays in registers.
pub(super) type Step<T> = Result<T, Box<EnvelopeError>>;

impl From<Box<EnvelopeError>> for EnvelopeError {
    fn from(error: Box<EnvelopeError>) -> EnvelopeError {
        *error
    }
}

/// Unknown fields may be groups within groups; sixteen is deeper than anyone
/// writes and keeps the walk off the stack.
const GROUP_DEPTH_MAX: usize = 16;

/// A message and how far it has been read. Offsets count from the body's start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    /// The body up to the end of this message.
    body: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(body: &'a [u8]) -> Cursor<'a> {
        Cursor { body, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The same message, read from `byte` on.
    pub(super) fn moved_to(self, byte: usize) -> Cursor<'a> {
        Cursor { at: byte, ..self }
    }

    pub(super) fn at_end(&self) -> bool {
        self.at >= self.body.len()
    }

    /// What is left of the message.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.body.get(self.at..).unwrap_or_default()
    }

    /// The next field's number and wire type, or `None` at the message's end.
    #[inline]
    pub(super) fn tag(&mut self) -> Step<Option<u32>> {
        if self.at_end() {
            return Ok(None);
        }
        let byte = self.at;
        let tag = self.varint()?;
        match u32::try_from(tag) {
            Ok(number) if number >= 8 => Ok(Some(number)),
            _ => Err(fault(byte, EnvelopeFault::Tag { tag })),
        }
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Step<u64> {
        match self.body.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Step<u64> {
        let (mut value, mut shift, mut at) = (0_u64, 0, self.at);
        while let Some(byte) = self.body.get(at) {
            if shift == 63 && *byte > 1 {
                return Err(fault(self.at, EnvelopeFault::NumberTooLong));
            }
            at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                self.at = at;
                return Ok(value);
            }
            shift += 7;
        }
        Err(fault(self.at, EnvelopeFault::EndsInNumber))
    }

    /// A `sint64`: small numbers are short, whatever their sign.
    #[inline]
    pub(super) fn zigzag(&mut self) -> Step<i64> {
        let folded = self.varint()?;
        Ok((folded >> 1).cast_signed() ^ -((folded & 1).cast_signed()))
    }

    #[inline]
    pub(super) fn int64(&mut self) -> Step<i64> {
        Ok(self.varint()?.cast_signed())
    }

    #[inline]
    pub(super) fn double(&mut self) -> Step<f64> {
        let bytes = self.take(8)?;
        Ok(f64::from_le_bytes(bytes.try_into().expect("took eight bytes")))
    }

    /// A length and that many bytes.
    #[inline]
    pub(super) fn bytes(&mut self) -> Step<&'a [u8]> {
        let length = self.varint()?;
        self.take(length)
    }

    /// A message within this one.
    #[inline]
    pub(super) fn message(&mut self) -> Step<Cursor<'a>> {
        let length = self.varint()?;
        let at = self.at;
        self.take(length)?;
        Ok(Cursor { body: &self.body[..self.at], at })
    }

    /// Steps over the value of a field whose tag has just been read.
    #[inline]
    pub(super) fn skip(&mut self, tag: u32) -> Step<()> {
        match tag & 7 {
            VARINT => self.varint().map(drop),
            FIXED64 => self.take(8).map(drop),
            LENGTH => self.bytes().map(drop),
            _ => self.skip_rare(tag),
        }
    }

    fn skip_rare(&mut self, tag: u32) -> Step<()> {
        match tag & 7 {
            3 => self.skip_group(tag >> 3),
            5 => self.take(4).map(drop),
            4 => Err(fault(self.at, EnvelopeFault::Group)),
            _ => Err(fault(self.at, EnvelopeFault::Tag { tag: u64::from(tag) })),
        }
    }

    /// Proto3 has no groups, but a newer edition's unknown field may be one.
    fn skip_group(&mut self, number: u32) -> Step<()> {
        let mut open = vec![number];
        while let Some(innermost) = open.last().copied() {
            let tag = self.tag()?.ok_or(fault(self.at, EnvelopeFault::Group))?;
            match tag & 7 {
                3 if open.len() < GROUP_DEPTH_MAX => open.push(tag >> 3),
                4 if tag >> 3 == innermost => drop(open.pop()),
                3 | 4 => return Err(fault(self.at, EnvelopeFault::Group)),
                _ => self.skip(tag)?,
            }
        }
        Ok(())
    }

    #[inline]
    fn take(&mut self, length: u64) -> Step<&'a [u8]> {
        let left = self.rest();
        match usize::try_from(length) {
            Ok(wanted) if wanted <= left.len() => {
                self.at += wanted;
                Ok(&left[..wanted])
            }
            _ => Err(fault(self.at, EnvelopeFault::EndsInField { length, left: left.len() })),
        }
    }
}

#[cold]
fn fault(byte: usize, what: EnvelopeFault) -> Box<EnvelopeError> {
    Box::new(EnvelopeError { byte, what })
}

/// A known field must come with its own wire type: skipping it as unknown would
/// lose a quantity without a word.
#[inline]
pub(super) fn wire_type_fits(layout: &Layout, tag: u32, byte: usize) -> Step<()> {
    match layout.wire_type(tag >> 3) {
        Some(expected) if expected != tag & 7 => {
            let (message, number, found) = (layout.name, tag >> 3, tag & 7);
            Err(fault(byte, EnvelopeFault::WireType { message, number, found, expected }))
        }
        _ => Ok(()),
    }
}
