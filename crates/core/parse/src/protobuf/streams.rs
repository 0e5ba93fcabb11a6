//! The streams measurements refer to: what a register's measurements have in common.

use meter::{Commodity, Flow, Kind, Phase, Quality, ReadingType, Unit};

use super::fault::Fault;
use super::limits::{STREAMS_MAX, text};
use super::schema::stream as tags;
use super::wire::{Cursor, Step};

/// What one stream declares, understood.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declared<'a> {
    pub(super) register: &'a str,
    pub(super) reading_type: ReadingType,
    pub(super) unit: &'a str,
    pub(super) scale: u64,
    pub(super) span_us: i64,
    pub(super) quality: &'a str,
    pub(super) canonical: Quality,
    pub(super) reason: &'a str,
    /// The same for streams of the same register and kind, which share their keys.
    pub(super) rank: u32,
}

/// Streams by number. Containers of one sender declare the same over and over:
/// what is spelled alike, byte for byte, is understood once.
#[derive(Debug, Default)]
pub(super) struct Streams<'a> {
    known: Vec<(&'a [u8], Result<Declared<'a>, Fault>)>,
    /// How many of `known` the message at hand has declared.
    declared: usize,
    changed: bool,
    /// Scratch of `rank`.
    by_name: Vec<usize>,
}

impl<'a> Streams<'a> {
    /// Starts the declarations of the next message.
    pub(super) fn begin(&mut self) {
        self.declared = 0;
        self.changed = false;
    }

    /// Takes the next declaration.
    pub(super) fn declare(&mut self, message: Cursor<'a>) -> Step<()> {
        let (place, spelled) = (self.declared, message.rest());
        if place == STREAMS_MAX {
            return Ok(()); // Whoever refers to it is refused by its number.
        }
        self.declared += 1;
        match self.known.get_mut(place) {
            Some((known, _)) if *known == spelled => return Ok(()),
            Some(known) => *known = (spelled, understand(place, message)?),
            None => self.known.push((spelled, understand(place, message)?)),
        }
        self.changed = true;
        Ok(())
    }

    /// Ends the declarations; only now do streams of one register share a rank.
    pub(super) fn end(&mut self) {
        if self.declared == 0 || (!self.changed && self.declared == self.by_name.len()) {
            return;
        }
        self.known.truncate(self.declared);
        self.by_name.clear();
        self.by_name.extend(0..self.declared);
        let name = |known: &[(&[u8], Result<Declared<'a>, Fault>)], place: usize| match &known[place].1 {
            Ok(declared) => (declared.register, declared.reading_type.kind),
            Err(_) => ("", Kind::Interval), // Nothing refers to it with success.
        };
        self.by_name.sort_unstable_by_key(|place| (name(&self.known, *place), *place));
        let mut rank = 0;
        for turn in 0..self.declared {
            let place = self.by_name[turn];
            if turn > 0 && name(&self.known, self.by_name[turn - 1]) == name(&self.known, place) {
                // The rank of the one before stays.
            } else {
                rank = u32::try_from(place).expect("at most STREAMS_MAX");
            }
            if let Ok(declared) = &mut self.known[place].1 {
                declared.rank = rank;
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.declared == 0
    }

    #[inline]
    pub(super) fn get(&self, stream: u64) -> Result<&Declared<'a>, Fault> {
        let unknown = Fault::Stream { stream, declared: self.declared };
        let place = usize::try_from(stream).map_err(|_| unknown)?;
        match self.known[..self.declared].get(place) {
            Some((_, declared)) => declared.as_ref().map_err(|fault| *fault),
            None => Err(unknown),
        }
    }
}

/// A stream's fields as they stand, and then as they are meant.
fn understand<'a>(place: usize, mut message: Cursor<'a>) -> Step<Result<Declared<'a>, Fault>> {
    let [mut register, mut unit, mut quality, mut reason] = [&[][..]; 4];
    let [mut kind, mut commodity, mut flow, mut phase, mut scale] = [0_u64; 5];
    let mut span_us = 0;
    while let Some(tag) = message.tag()? {
        match tag {
            tags::REGISTER => register = message.bytes()?,
            tags::KIND => kind = message.varint()?,
            tags::COMMODITY => commodity = message.varint()?,
            tags::FLOW => flow = message.varint()?,
            tags::PHASE => phase = message.varint()?,
            tags::UNIT => unit = message.bytes()?,
            tags::SCALE => scale = message.varint()?,
            tags::SPAN => span_us = message.int64()?,
            tags::QUALITY => quality = message.bytes()?,
            tags::REASON => reason = message.bytes()?,
            _ => message.skip(tag)?,
        }
    }
    let meaning = || {
        let register = text("register", register)?;
        let unit = text("unit", unit)?;
        let quality = text("quality", quality)?;
        if register.is_empty() {
            return Err(Fault::NoRegister { stream: place });
        }
        if kind == 0 {
            return Err(Fault::NoKind { stream: place });
        }
        let reading_type = ReadingType {
            // The wire counts kinds from 1, so that a forgotten one shows.
            kind: code("kind", kind, |code| Kind::from_code(code.checked_sub(1)?))?,
            commodity: code("commodity", commodity, Commodity::from_code)?,
            flow: code("flow", flow, Flow::from_code)?,
            unit: Unit::from_spelling(unit),
            phase: code("phase", phase, Phase::from_code)?,
        };
        let (canonical, reason) = (canonical(quality), text("reason", reason)?);
        Ok(Declared { register, reading_type, unit, scale, span_us, quality, canonical, reason, rank: 0 })
    };
    Ok(meaning())
}

/// A code of a newer version is refused, not taken for the default: the body
/// can be read again after an upgrade.
fn code<T>(field: &'static str, code: u64, meaning: impl Fn(u8) -> Option<T>) -> Result<T, Fault> {
    let known = u8::try_from(code).ok().and_then(meaning);
    known.ok_or(Fault::Code { field, code: code.cast_signed() })
}

/// The rank of a quality word. One we do not know may mean anything, so nothing
/// should rely on its value unseen.
pub(crate) fn canonical(quality: &str) -> Quality {
    const WORDS: [(&str, Quality); 9] = [
        ("", Quality::Measured),
        ("measured", Quality::Measured),
        ("estimated", Quality::Estimated),
        ("validated", Quality::Validated),
        ("final", Quality::Final),
        ("edited", Quality::Edited),
        ("derived", Quality::Derived),
        ("questionable", Quality::Questionable),
        ("missing", Quality::Missing),
    ];
    let known = WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(quality));
    known.map_or(Quality::Questionable, |(_, rank)| *rank)
}
