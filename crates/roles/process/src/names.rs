//! Names to ids: channels and devices, numbered once and for good (D2).
//!
//! Promise: a name that was committed keeps its id; a new one gets an id that
//! nobody else can be given, because blocks are leased from the registry before
//! use. The channels of one point lie together in one block.
//!
//! Read: `names/by_hash.rs` (finding in little memory), `names/layouts.rs` (the
//! registers of a point), `names/held.rs` (what is found), then here.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use meter::{ChannelId, DeviceId, Identity, Reading, TenantId};
use smallvec::{SmallVec, smallvec};

use crate::Error;
use crate::chunk::{NewChannel, NewDevice};
use crate::secret::Secret;

mod by_hash;
mod layouts;
mod held;
#[cfg(test)]
mod tests;

use by_hash::{ByHash, Place};
use held::{BLOCKS_MAX, Device, Point};
use layouts::{Layout, Layouts};

/// Leases double from here, so that a few meters waste few ids and two million
/// meters ask some dozens of times.
const LEASE_BLOCKS_MIN: u32 = 64;
const LEASE_BLOCKS_MAX: u32 = 16 << 10;

/// Names stand on disk, memory holds what finds them. Never 0.
type NameHash = u128;

/// Apart from each other in what is hashed.
const POINTS: u8 = 2;
const DEVICES: u8 = 3;

/// Hands out blocks that the registry leased.
pub trait Lessor: Send {
    /// So many block numbers, in a row, that nobody else was or will be given.
    fn lease(&mut self, blocks: u32) -> Result<Range<i64>, Error>;
}

#[derive(Debug, Default)]
struct Block {
    number: i64,
    used: i64,
}

/// A register's name by number.
pub type RegisterNumber = u32;

/// And a kind of reading.
type Register = (RegisterNumber, u8);

/// Where a point's channels are, in [`Names`], until another point is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PointPlace(Place);

pub struct Names {
    points: ByHash<Point>,
    layouts: Layouts,
    /// Channels of points that have more than a block holds.
    elsewhere: BTreeMap<(NameHash, Register), ChannelId>,
    /// Few, and the same for many points.
    registers: HashMap<Box<str>, u32>,
    devices: ByHash<Device>,
    device_block: Block,
    leased: Range<i64>,
    lease_next: u32,
    lessor: Box<dyn Lessor>,
    secret: Secret,
}

impl Names {
    pub fn new(lessor: Box<dyn Lessor>, secret: Secret) -> Names {
        Names {
            points: ByHash::new(),
            layouts: Layouts::default(),
            elsewhere: BTreeMap::new(),
            registers: HashMap::new(),
            devices: ByHash::new(),
            device_block: Block { number: 0, used: ChannelId::SLOTS },
            leased: 0..0,
            lease_next: LEASE_BLOCKS_MIN,
            lessor,
            secret,
        }
    }

    /// Takes in a channel read back from the lake.
    pub fn know_channel(&mut self, known: &NewChannel) {
        let register = (self.register(&known.register), known.reading_type.kind.code());
        let at = self.point(known.tenant, &known.point, &known.device);
        if self.find(at, register).is_none() {
            self.learn(at, register, known.channel);
        }
    }

    /// Takes in a device read back from the lake.
    pub fn know_device(&mut self, known: &NewDevice) {
        let hash = self.hash(DEVICES, known.tenant, &[&known.name]);
        if self.devices.find(hash).is_none() {
            self.devices.insert(hash, Device::of(known.device));
        }
    }

    /// The channel a reading belongs to; `new` is told of one not seen before.
    pub fn channel(
        &mut self,
        tenant: TenantId,
        at: PointPlace,
        register: RegisterNumber,
        reading: &Reading<'_>,
        new: &mut Vec<NewChannel>,
    ) -> Result<ChannelId, Error> {
        let register = (register, reading.reading_type.kind.code());
        if let Some(channel) = self.find(at, register) {
            return Ok(channel);
        }
        let channel = match self.next(at) {
            Some(channel) => channel,
            None => ChannelId::new(self.next_block()?, 0),
        };
        self.learn(at, register, channel);
        let mut reading_type = reading.reading_type;
        reading_type.unit = reading_type.unit.family();
        new.push(NewChannel {
            channel,
            tenant,
            point: reading.point.into(),
            device: device_in_name(reading).into(),
            register: reading.register.into(),
            reading_type,
        });
        Ok(channel)
    }

    /// The device a reading came from; [`DeviceId::NONE`] where the source names none.
    pub fn device(&mut self, tenant: TenantId, name: &str, new: &mut Vec<NewDevice>) -> Result<DeviceId, Error> {
        if name.is_empty() {
            return Ok(DeviceId::NONE);
        }
        let hash = self.hash(DEVICES, tenant, &[name]);
        if let Some(place) = self.devices.find(hash) {
            return Ok(self.devices.get(place).id());
        }
        if self.device_block.used >= ChannelId::SLOTS {
            self.device_block = Block { number: self.next_block()?, used: 0 };
        }
        let device = DeviceId(self.device_block.number * ChannelId::SLOTS + self.device_block.used);
        self.device_block.used += 1;
        self.devices.insert(hash, Device::of(device));
        new.push(NewDevice { device, tenant, name: name.into() });
        Ok(device)
    }

    /// Where the channels of a reading's point are, or of its device.
    pub fn place(&mut self, tenant: TenantId, reading: &Reading<'_>) -> PointPlace {
        self.point(tenant, reading.point, device_in_name(reading))
    }

    fn point(&mut self, tenant: TenantId, point: &str, device: &str) -> PointPlace {
        let hash = self.hash(POINTS, tenant, &[point, device]);
        PointPlace(self.points.find(hash).unwrap_or_else(|| self.points.insert(hash, Point::default())))
    }

    fn find(&mut self, PointPlace(at): PointPlace, register: Register) -> Option<ChannelId> {
        let point = self.points.get(at);
        match self.layouts.slot(point.layout(), register) {
            Some(slot) => Some(ChannelId::new(point.block(), slot.into())),
            None if self.elsewhere.is_empty() => None,
            None => self.elsewhere.get(&(self.points.hash(at), register)).copied(),
        }
    }

    fn learn(&mut self, PointPlace(at): PointPlace, register: Register, channel: ChannelId) {
        let point = self.points.get(at);
        let (block, slot) = (channel.0.div_euclid(ChannelId::SLOTS), channel.0.rem_euclid(ChannelId::SLOTS));
        if point.layout() != Layout::NONE && point.block() != block {
            self.elsewhere.insert((self.points.hash(at), register), channel);
            return;
        }
        let layout = self.layouts.with(point.layout(), register, slot as u8);
        self.points.set(at, Point::of(block, layout));
    }

    /// What comes behind a point's last channel; `None` where that ends a block.
    fn next(&self, PointPlace(at): PointPlace) -> Option<ChannelId> {
        let (point, hash) = (self.points.get(at), self.points.hash(at));
        let used = i64::from(self.layouts.used(point.layout()));
        let here = (used > 0).then(|| ChannelId::new(point.block(), used - 1))?;
        let elsewhere = self.elsewhere.range((hash, (0, 0))..=(hash, (u32::MAX, u8::MAX))).map(|(_, channel)| *channel);
        let next = ChannelId(elsewhere.fold(here, ChannelId::max).0 + 1);
        (next.0.rem_euclid(ChannelId::SLOTS) != 0).then_some(next)
    }

    /// The number of a register's name, the same as long as this lives.
    pub fn register(&mut self, name: &str) -> RegisterNumber {
        if let Some(number) = self.registers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.registers.len()).expect("fewer registers than 2^32");
        self.registers.insert(name.into(), number);
        number
    }

    /// Lengths go in with the texts, so that ("ab", "c") and ("a", "bc") differ.
    fn hash(&self, space: u8, tenant: TenantId, texts: &[&str]) -> NameHash {
        let mut said: SmallVec<[u8; 128]> = smallvec![space];
        said.extend_from_slice(&tenant.0.to_le_bytes());
        for text in texts {
            said.extend_from_slice(&(text.len() as u64).to_le_bytes());
            said.extend_from_slice(text.as_bytes());
        }
        self.secret.hash(&said).max(1)
    }

    fn next_block(&mut self) -> Result<i64, Error> {
        if self.leased.is_empty() {
            self.leased = self.lessor.lease(self.lease_next)?;
            self.lease_next = (self.lease_next * 2).min(LEASE_BLOCKS_MAX);
        }
        let block = self.leased.start;
        if !(0..BLOCKS_MAX).contains(&block) {
            return Err(Error::Blocks(block));
        }
        self.leased.start += 1;
        Ok(block)
    }
}

/// The device, where it is part of the channel's name.
fn device_in_name<'a>(reading: &Reading<'a>) -> &'a str {
    match reading.identity {
        Identity::Point => "",
        Identity::Device => reading.device,
    }
}
