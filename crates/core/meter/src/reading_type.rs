//! What a channel measures (CIM/ESPI ReadingType, domain.md §8).

use crate::Unit;

/// What is delivered. Codes are stored: never reuse one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Commodity {
    /// The source does not say.
    #[default]
    Unknown = 0,
    /// Electrical energy, power, voltage and their like.
    Electricity = 1,
    /// Burnable gas, by volume or by energy.
    Gas = 2,
    /// Drinking, warm or waste water.
    Water = 3,
    /// Thermal energy delivered, as in district heating.
    Heat = 4,
    /// Thermal energy taken away.
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
    /// It has no direction, or the source does not say.
    #[default]
    None = 0,
    /// From the network to the customer.
    Delivered = 1,
    /// From the customer to the network.
    Received = 2,
    /// Delivered less received.
    Net = 3,
}

/// Which conductor of a three-phase supply. Codes are stored: never reuse one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Phase {
    /// All phases together, or not an electrical quantity.
    #[default]
    All = 0,
    /// The first phase conductor.
    L1 = 1,
    /// The second phase conductor.
    L2 = 2,
    /// The third phase conductor.
    L3 = 3,
    /// The neutral conductor.
    Neutral = 4,
}

/// What one channel measures, in our words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReadingType {
    /// What is delivered.
    pub commodity: Commodity,
    /// How its numbers relate to time.
    pub kind: Kind,
    /// In which direction.
    pub flow: Flow,
    /// What its unit means.
    pub unit: Unit,
    /// On which conductor.
    pub phase: Phase,
}

impl Commodity {
    /// What is stored.
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

    /// The word that SQL shows.
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
    /// What is stored.
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

    /// The word that SQL shows.
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
    /// What is stored.
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

    /// The word that SQL shows.
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
    /// What is stored.
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

    /// The word that SQL shows.
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
