//! Names to ids: channels and devices, numbered once and for good (D2).
//!
//! Promise: a name that was committed keeps its id; a new one gets an id that
//! nobody else can be given, because blocks are leased from the registry before
//! use. The channels of one point lie together in one block.
//!
//! Read: `names/places.rs` (finding by hash in little memory), then here.

use std::collections::HashMap;
use std::ops::Range;

use meter::{ChannelId, DeviceId, Identity, Reading, TenantId};
use smallvec::{SmallVec, smallvec};

use crate::Error;
use crate::chunk::{NewChannel, NewDevice};

mod places;

use places::Places;

/// Leases double from here, so that a few meters waste few ids and two million
/// meters ask some dozens of times.
const LEASE_BLOCKS_MIN: u32 = 64;
const LEASE_BLOCKS_MAX: u32 = 16 << 10;

/// 128 bits of BLAKE3: names stand on disk, memory holds what finds them.
type NameHash = [u64; 2];

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

/// The channels of a point, or of a device where it stands for itself.
#[derive(Debug)]
struct Point {
    hash: NameHash,
    channels: Channels,
}

/// A register's name by number.
pub type RegisterNumber = u32;

/// And a kind of reading.
type Register = (RegisterNumber, u8);

/// Where a point's channels are, in [`Names`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PointPlace(usize);

const _: () = assert!(size_of::<Point>() == 32);

/// Most points have one channel, and nothing beside it then.
#[derive(Debug)]
enum Channels {
    None,
    One(RegisterNumber, u8, ChannelId),
    Many(Box<Many>),
}

/// Sorted by register and kind.
#[derive(Debug)]
struct Many(Vec<(Register, ChannelId)>);

pub struct Names {
    /// Places in `known`.
    points: Places,
    known: Vec<Point>,
    /// Few, and the same for many points.
    registers: HashMap<Box<str>, u32>,
    /// Places in `known_devices`.
    devices: Places,
    known_devices: Vec<(NameHash, DeviceId)>,
    device_block: Block,
    leased: Range<i64>,
    lease_next: u32,
    lessor: Box<dyn Lessor>,
}

impl Names {
    pub fn new(lessor: Box<dyn Lessor>) -> Names {
        Names {
            points: Places::default(),
            known: Vec::new(),
            registers: HashMap::new(),
            devices: Places::default(),
            known_devices: Vec::new(),
            device_block: Block { number: 0, used: ChannelId::SLOTS },
            leased: 0..0,
            lease_next: LEASE_BLOCKS_MIN,
            lessor,
        }
    }

    /// Takes in a channel read back from the lake.
    pub fn know_channel(&mut self, known: &NewChannel) {
        let register = (self.register(&known.register), known.reading_type.kind.code());
        let PointPlace(place) = self.point(known.tenant, &known.point, &known.device);
        self.known[place].learn(register, known.channel);
    }

    /// Takes in a device read back from the lake.
    pub fn know_device(&mut self, known: &NewDevice) {
        let hash = device_hash(known.tenant, &known.name);
        match self.device_place(&hash) {
            Some(place) => self.known_devices[place].1 = known.device,
            None => self.learn_device(hash, known.device),
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
        let place = at.0;
        if let Some(channel) = self.known[place].find(register) {
            return Ok(channel);
        }
        let channel = match self.known[place].next() {
            Some(channel) => channel,
            None => ChannelId::new(self.next_block()?, 0),
        };
        self.known[place].learn(register, channel);
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
        let hash = device_hash(tenant, name);
        if let Some(place) = self.device_place(&hash) {
            return Ok(self.known_devices[place].1);
        }
        if self.device_block.used >= ChannelId::SLOTS {
            self.device_block = Block { number: self.next_block()?, used: 0 };
        }
        let device = DeviceId(self.device_block.number * ChannelId::SLOTS + self.device_block.used);
        self.device_block.used += 1;
        self.learn_device(hash, device);
        new.push(NewDevice { device, tenant, name: name.into() });
        Ok(device)
    }

    /// Where the channels of a reading's point are, or of its device.
    pub fn place(&mut self, tenant: TenantId, reading: &Reading<'_>) -> PointPlace {
        self.point(tenant, reading.point, device_in_name(reading))
    }

    fn point(&mut self, tenant: TenantId, point: &str, device: &str) -> PointPlace {
        let (known, hash) = (&mut self.known, point_hash(tenant, point, device));
        PointPlace(self.points.find(&hash, |place| known[place].hash).unwrap_or_else(|| {
            known.push(Point { hash, channels: Channels::None });
            self.points.insert(known.len(), |place| known[place].hash);
            known.len() - 1
        }))
    }

    fn device_place(&self, hash: &NameHash) -> Option<usize> {
        self.devices.find(hash, |place| self.known_devices[place].0)
    }

    fn learn_device(&mut self, hash: NameHash, device: DeviceId) {
        let known = &mut self.known_devices;
        known.push((hash, device));
        self.devices.insert(known.len(), |place| known[place].0);
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

    fn next_block(&mut self) -> Result<i64, Error> {
        if self.leased.is_empty() {
            self.leased = self.lessor.lease(self.lease_next)?;
            self.lease_next = (self.lease_next * 2).min(LEASE_BLOCKS_MAX);
        }
        let block = self.leased.start;
        self.leased.start += 1;
        Ok(block)
    }
}

impl Point {
    fn find(&self, (number, kind): Register) -> Option<ChannelId> {
        match &self.channels {
            Channels::None => None,
            Channels::One(of, as_kind, channel) => ((*of, *as_kind) == (number, kind)).then_some(*channel),
            Channels::Many(many) => {
                let at = many.0.binary_search_by_key(&(number, kind), |(register, _)| *register).ok()?;
                Some(many.0[at].1)
            }
        }
    }

    fn learn(&mut self, register: Register, channel: ChannelId) {
        match &mut self.channels {
            Channels::None => self.channels = Channels::One(register.0, register.1, channel),
            Channels::One(number, kind, there) if (*number, *kind) == register => *there = channel,
            Channels::One(number, kind, there) => {
                let mut many = vec![((*number, *kind), *there), (register, channel)];
                many.sort_unstable();
                self.channels = Channels::Many(Box::new(Many(many)));
            }
            Channels::Many(many) => match many.0.binary_search_by_key(&register, |(register, _)| *register) {
                Ok(at) => many.0[at].1 = channel,
                Err(at) => many.0.insert(at, (register, channel)),
            },
        }
    }

    /// What comes behind its last channel; `None` where that ends a block.
    fn next(&self) -> Option<ChannelId> {
        let last = match &self.channels {
            Channels::None => return None,
            Channels::One(_, _, channel) => *channel,
            Channels::Many(many) => many.0.iter().map(|(_, channel)| *channel).max()?,
        };
        let next = ChannelId(last.0 + 1);
        (next.0.rem_euclid(ChannelId::SLOTS) != 0).then_some(next)
    }
}

/// The device, where it is part of the channel's name.
fn device_in_name<'a>(reading: &Reading<'a>) -> &'a str {
    match reading.identity {
        Identity::Point => "",
        Identity::Device => reading.device,
    }
}

/// Lengths go in with the texts, so that ("ab", "c") and ("a", "bc") differ.
fn hash(space: u8, tenant: TenantId, texts: &[&str]) -> NameHash {
    let mut said: SmallVec<[u8; 128]> = smallvec![space];
    said.extend_from_slice(&tenant.0.to_le_bytes());
    for text in texts {
        said.extend_from_slice(&(text.len() as u64).to_le_bytes());
        said.extend_from_slice(text.as_bytes());
    }
    let half = half(&said);
    [half as u64, (half >> 64) as u64]
}

/// Half of the hash of some bytes, in one go: a hasher that can be fed in parts is
/// two kilobytes to set up.
pub fn half(bytes: &[u8]) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    u128::from_le_bytes(half)
}

fn point_hash(tenant: TenantId, point: &str, device: &str) -> NameHash {
    hash(2, tenant, &[point, device])
}

fn device_hash(tenant: TenantId, name: &str) -> NameHash {
    hash(3, tenant, &[name])
}

#[cfg(test)]
mod tests {
    use super::*;
    use meter::{Decimal, Flags, Quality, ReadingType, Span, Timestamp};

    struct Counter(i64);

    impl Lessor for Counter {
        fn lease(&mut self, blocks: u32) -> Result<Range<i64>, Error> {
            let first = self.0;
            self.0 += i64::from(blocks);
            Ok(first..self.0)
        }
    }

    fn reading<'a>(point: &'a str, register: &'a str) -> Reading<'a> {
        Reading {
            point,
            device: "M1",
            register,
            identity: Identity::Point,
            reading_type: ReadingType::default(),
            start: Timestamp(0),
            span: Span::ZERO,
            value: Decimal::default(),
            unit: "",
            quality: "",
            canonical: Quality::Measured,
            reason: "",
            flags: Flags::default(),
            message_time: None,
            issued_at: None,
        }
    }

    fn channel(names: &mut Names, tenant: TenantId, reading: &Reading<'_>, new: &mut Vec<NewChannel>) -> ChannelId {
        let (place, register) = (names.place(tenant, reading), names.register(reading.register));
        names.channel(tenant, place, register, reading, new).expect("leased")
    }

    #[test]
    fn the_channels_of_a_point_share_a_block_until_it_is_full() {
        let mut names = Names::new(Box::new(Counter(1)));
        let mut new = Vec::new();
        let tenant = TenantId(1);
        for register in 0..65 {
            channel(&mut names, tenant, &reading("P", &format!("R{register}")), &mut new);
        }
        let blocks: Vec<i64> = new.iter().map(|c| c.channel.0 / ChannelId::SLOTS).collect();
        assert!(blocks[..64].iter().all(|block| *block == blocks[0]));
        assert_ne!(blocks[64], blocks[0]);
    }

    #[test]
    fn a_name_keeps_its_id_over_a_restart_and_new_ids_never_meet_old_ones() {
        let tenant = TenantId(1);
        let (mut new, mut devices) = (Vec::new(), Vec::new());
        let mut names = Names::new(Box::new(Counter(1)));
        let first = channel(&mut names, tenant, &reading("P", "E1"), &mut new);
        let device = names.device(tenant, "M1", &mut devices).expect("leased");

        let mut again = Names::new(Box::new(Counter(1_000)));
        again.know_channel(&new[0]);
        again.know_device(&devices[0]);
        assert_eq!(channel(&mut again, tenant, &reading("P", "E1"), &mut new), first);
        assert_eq!(again.device(tenant, "M1", &mut devices).expect("known"), device);
        let second = channel(&mut again, tenant, &reading("P", "B1"), &mut new);
        assert_eq!(second.0, first.0 + 1);
        let other = channel(&mut again, TenantId(2), &reading("P", "E1"), &mut new);
        assert!(other.0 >= 1_000 * ChannelId::SLOTS);
    }
}
