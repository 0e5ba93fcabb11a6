//! How much a value can be relied on (domain.md 1.5). The source's own word
//! stays with the reading; this is its rank in our vocabulary.

/// Higher wins where two values compete. Codes are stored: never reuse one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Quality {
    /// The source says that it has no value.
    Missing = 0,
    /// Measured or said, and doubted.
    Questionable = 1,
    /// Put in by a rule where nothing was measured.
    Estimated = 2,
    /// Calculated from other readings.
    Derived = 3,
    /// What the device measured; what no quality word means.
    #[default]
    Measured = 4,
    /// Measured, and checked by the source.
    Validated = 5,
    /// Set by a person.
    Edited = 6,
    /// The source will not change it any more.
    Final = 7,
}

/// Circumstances of a reading, one bit each. Bits are stored: never reuse one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

impl Flags {
    /// Power was off for some of the time.
    pub const OUTAGE: Flags = Flags(1);
    /// The device's clock was set in it.
    pub const CLOCK_ADJUSTED: Flags = Flags(1 << 1);
    /// The source marks it as standing in daylight saving time.
    pub const DST_MARKED: Flags = Flags(1 << 2);
    /// The counter went over its last digit back to zero.
    pub const ROLLOVER: Flags = Flags(1 << 3);
    /// The device was exchanged in it.
    pub const EXCHANGE: Flags = Flags(1 << 4);
    /// Scaled so that a whole agrees, such as estimates to their register.
    pub const SCALED: Flags = Flags(1 << 5);
    /// It came after it was due.
    pub const LATE: Flags = Flags(1 << 6);
    /// The device was being tested.
    pub const TEST_MODE: Flags = Flags(1 << 7);
    /// The source gave no message time; the journal's received-at stands in.
    pub const ARRIVAL_TIME: Flags = Flags(1 << 8);
    /// Overlaps a stored span of another length; totals over REST leave it out (D7).
    pub const OVERLAPS: Flags = Flags(1 << 9);
    /// A stored version again, from a newer file: an overlay row that a fold
    /// merges with its version and that never counts as a correction.
    pub const REISSUED: Flags = Flags(1 << 10);

    /// All circumstances of both.
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether all of `other` hold.
    /// These but the others.
    pub const fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    /// Whether all of the others are among these.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Quality {
    /// In the order of their ranks.
    pub const ALL: [Quality; 8] = [
        Quality::Missing,
        Quality::Questionable,
        Quality::Estimated,
        Quality::Derived,
        Quality::Measured,
        Quality::Validated,
        Quality::Edited,
        Quality::Final,
    ];

    /// What is stored.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The meaning of a stored code; `None` for one a newer version wrote.
    pub fn from_code(code: u8) -> Option<Quality> {
        Self::ALL.into_iter().find(|q| q.code() == code)
    }
}
