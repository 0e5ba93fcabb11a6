//! How much a value can be relied on (domain.md 1.5). The source's own word
//! stays with the reading; this is its rank in our vocabulary.

/// Higher wins where two values compete. Codes are stored: never reuse one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Quality {
    Missing = 0,
    Questionable = 1,
    Estimated = 2,
    Derived = 3,
    #[default]
    Measured = 4,
    Validated = 5,
    Edited = 6,
    Final = 7,
}

/// Circumstances of a reading, one bit each. Bits are stored: never reuse one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

impl Flags {
    pub const OUTAGE: Flags = Flags(1);
    pub const CLOCK_ADJUSTED: Flags = Flags(1 << 1);
    pub const DST_MARKED: Flags = Flags(1 << 2);
    pub const ROLLOVER: Flags = Flags(1 << 3);
    pub const EXCHANGE: Flags = Flags(1 << 4);
    pub const SCALED: Flags = Flags(1 << 5);
    pub const LATE: Flags = Flags(1 << 6);
    pub const TEST_MODE: Flags = Flags(1 << 7);
    /// The source gave no message time; the journal's received-at stands in.
    pub const ARRIVAL_TIME: Flags = Flags(1 << 8);
    /// Overlaps a stored span of another length; totals over REST leave it out (D7).
    pub const OVERLAPS: Flags = Flags(1 << 9);
    /// A stored version again, from a newer file: an overlay row that a fold
    /// merges with its version and that never counts as a correction.
    pub const REISSUED: Flags = Flags(1 << 10);

    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Quality {
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

    pub fn code(self) -> u8 {
        self as u8
    }

    pub fn from_code(code: u8) -> Option<Quality> {
        Self::ALL.into_iter().find(|q| q.code() == code)
    }
}
