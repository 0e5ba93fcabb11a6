//! What is held of a point and of a device beside their hashes, as bytes: nothing is
//! lost to alignment among a hundred million of them.

use meter::{ChannelId, DeviceId};

use super::layouts::Layout;

/// Blocks that are told apart here: after 2^32 points, which are at least 100 GB.
pub(super) const BLOCKS_MAX: i64 = 1 << 32;

const DEVICE_BYTES: usize = 5;
const _: () = assert!(BLOCKS_MAX * ChannelId::SLOTS <= 1 << (8 * DEVICE_BYTES));
const _: () = assert!(size_of::<Point>() == 8 && size_of::<Device>() == DEVICE_BYTES);

/// A point, or a device where it stands for itself: the block of its channels and
/// which they are.
#[derive(Clone, Copy, Default)]
pub(super) struct Point {
    block: [u8; 4],
    layout: [u8; 4],
}

/// The number of a device.
#[derive(Clone, Copy, Default)]
pub(super) struct Device([u8; DEVICE_BYTES]);

impl Point {
    pub(super) fn of(block: i64, layout: Layout) -> Point {
        let block = u32::try_from(block).expect("below BLOCKS_MAX, as leased");
        Point { block: block.to_le_bytes(), layout: layout.0.to_le_bytes() }
    }

    pub(super) fn block(self) -> i64 {
        u32::from_le_bytes(self.block).into()
    }

    pub(super) fn layout(self) -> Layout {
        Layout(u32::from_le_bytes(self.layout))
    }
}

impl Device {
    pub(super) fn of(id: DeviceId) -> Device {
        let all = id.0.to_le_bytes();
        let (low, high) = all.split_at(DEVICE_BYTES);
        assert!(high == [0; 8 - DEVICE_BYTES], "below BLOCKS_MAX, as leased");
        let mut bytes = [0; DEVICE_BYTES];
        bytes.copy_from_slice(low);
        Device(bytes)
    }

    pub(super) fn id(self) -> DeviceId {
        let mut bytes = [0; 8];
        bytes[..DEVICE_BYTES].copy_from_slice(&self.0);
        DeviceId(i64::from_le_bytes(bytes))
    }
}
