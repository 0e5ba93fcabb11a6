//! Ids that other crates hand around. All are plain integers on disk.

/// A tenant, numbered by the registry from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub i32);

/// A channel: block × [`ChannelId::SLOTS`] + slot, so that the channels of one
/// point lie together in the lake (D2). Blocks are leased from the registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub i64);

/// A physical device as a reading names it. Numbered from the same blocks as
/// channels, but a space of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub i64);

/// Position of a record in the journal: the only meaning of "arrived earlier".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

impl ChannelId {
    /// A three-phase meter with every register and its profile stays below 64.
    pub const SLOTS: i64 = 64;

    /// The channel in `slot` of `block`; a slot outside `0..SLOTS` panics.
    pub const fn new(block: i64, slot: i64) -> ChannelId {
        assert!(slot >= 0 && slot < Self::SLOTS);
        ChannelId(block * Self::SLOTS + slot)
    }
}

impl DeviceId {
    /// The source named no device.
    pub const NONE: DeviceId = DeviceId(0);
}

impl std::fmt::Display for Sequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}
