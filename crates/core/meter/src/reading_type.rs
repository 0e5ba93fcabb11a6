//! What a channel measures (CIM/ESPI ReadingType, domain.md §8).

use crate::Unit;

/// What is delivered. Codes are stored: never reuse one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Commodity {
    #[default]
    Unknown = 0,
    Electricity = 1,
    Gas = 2,
    Water = 3,
    Heat = 4,
    Cooling = 5,
}

/// How a channel's numbers relate to time. Codes are stored: never reuse one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A quantity over `[start, start + span)`: CIM delta data.
    #[default]
    Interval = 0,
    /// The state of a counter at an instant: CIM bulk quantity.
    Register = 1,
    /// A momentary value such as a voltage: CIM indicating.
    Spot = 2,
}

/// Direction of flow as the customer sees it: "import" and "export" mean
/// opposite things in different markets (domain.md §8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Flow {
    #[default]
    None = 0,
    /// From the network to the customer.
    Delivered = 1,
    /// From the customer to the network.
    Received = 2,
    /// Delivered less received.
    Net = 3,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Phase {
    /// All phases together, or not an electrical quantity.
    #[default]
    All = 0,
    L1 = 1,
    L2 = 2,
    L3 = 3,
    Neutral = 4,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReadingType {
    pub commodity: Commodity,
    pub kind: Kind,
    pub flow: Flow,
    pub unit: Unit,
    pub phase: Phase,
}

impl Commodity {
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The meaning of a stored code; `None` for one a newer version wrote.
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Unknown),
            1 => Some(Self::Electricity),
            2 => Some(Self::Gas),
            3 => Some(Self::Water),
            4 => Some(Self::Heat),
            5 => Some(Self::Cooling),
            _ => None,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Electricity => "electricity",
            Self::Gas => "gas",
            Self::Water => "water",
            Self::Heat => "heat",
            Self::Cooling => "cooling",
        }
    }
}

impl std::fmt::Display for Commodity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl Kind {
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The meaning of a stored code; `None` for one a newer version wrote.
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Interval),
            1 => Some(Self::Register),
            2 => Some(Self::Spot),
            _ => None,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Interval => "interval",
            Self::Register => "register",
            Self::Spot => "spot",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl Flow {
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The meaning of a stored code; `None` for one a newer version wrote.
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1 => Some(Self::Delivered),
            2 => Some(Self::Received),
            3 => Some(Self::Net),
            _ => None,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Delivered => "delivered",
            Self::Received => "received",
            Self::Net => "net",
        }
    }
}

impl std::fmt::Display for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl Phase {
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The meaning of a stored code; `None` for one a newer version wrote.
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::All),
            1 => Some(Self::L1),
            2 => Some(Self::L2),
            3 => Some(Self::L3),
            4 => Some(Self::Neutral),
            _ => None,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
            Self::Neutral => "N",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stored_code_leads_back_to_its_word() {
        for code in 0..=u8::MAX {
            assert!(Commodity::from_code(code).is_none_or(|c| c.code() == code));
            assert!(Kind::from_code(code).is_none_or(|k| k.code() == code));
            assert!(Flow::from_code(code).is_none_or(|f| f.code() == code));
            assert!(Phase::from_code(code).is_none_or(|p| p.code() == code));
        }
        assert_eq!(Kind::Spot.to_string(), "spot");
    }
}
