//! How much, how long and how late: the limits of one body.

use meter::{Span, Timestamp};

use super::fault::Fault;

/// Point, device, register, message id, unit, quality and reason: as long as a
/// `meter::Words` keeps, and longer than any name in the field.
pub const TEXT_BYTES_MAX: usize = 256;
const _: () = assert!(TEXT_BYTES_MAX <= meter::Words::BYTES_MAX);

/// A device with every register, its profile and the limits of each has dozens.
pub const STREAMS_MAX: usize = 512;

/// Two months of eleven registers a minute. What finds contradictions in a
/// shuffled container takes 40 bytes for each: 40 MiB.
pub const COUNT_MAX: u64 = 1 << 20;

/// A clock may be ahead this much (domain.md 1.2, FUTURE).
pub const AHEAD_MAX: Span = Span::from_minutes(5);

/// 2000-01-02T00:00:00Z. A clock that lost its battery starts at 1970-01-01 or
/// 2000-01-01; telegrams are younger than either.
pub const EARLIEST: Timestamp = Timestamp(946_771_200_000_000);

/// What parsing cannot know by itself, for want of a clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Nothing may start, or have been made, later. `None`: nobody knows when
    /// the body came in, and the future is not looked for.
    pub newest: Option<Timestamp>,
}

impl Limits {
    /// For a body that came in at `received_at`.
    pub fn received_at(received_at: Timestamp) -> Limits {
        Limits { newest: Some(received_at.plus(AHEAD_MAX)) }
    }

    /// When the body came in, where anybody knows.
    pub fn arrival(&self) -> Option<Timestamp> {
        self.newest.map(|newest| Timestamp(newest.0 - AHEAD_MAX.0))
    }

    /// The instant `base_us + offset_us`, if a working clock can have said so.
    #[inline]
    pub(super) fn instant(&self, field: &'static str, base_us: i64, offset_us: i64) -> Result<Timestamp, Fault> {
        let outside = || Fault::Time { field, at_us: i128::from(base_us) + i128::from(offset_us) };
        let at = base_us.checked_add(offset_us).ok_or_else(outside)?;
        let at = Timestamp::checked(at).map_err(|_| outside())?;
        if at < EARLIEST {
            return Err(Fault::UnsetClock { field, at });
        }
        match self.newest {
            Some(newest) if at > newest => Err(Fault::Future { field, at, newest }),
            _ => Ok(at),
        }
    }
}

/// A name or word of the source, as long as fits.
#[inline]
pub(super) fn text<'a>(field: &'static str, bytes: &'a [u8]) -> Result<&'a str, Fault> {
    if bytes.len() > TEXT_BYTES_MAX {
        return Err(Fault::TooLong { field, length: bytes.len() });
    }
    std::str::from_utf8(bytes).map_err(|_| Fault::Utf8 { field })
}
