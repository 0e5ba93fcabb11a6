//! One container: its fields as they stand, then what they say about all its
//! measurements.

use meter::{Identity, Timestamp};

use super::fault::Fault;
use super::limits::{COUNT_MAX, Limits, text};
use super::schema::container as tags;
use super::streams::Streams;
use super::wire::{Cursor, Step};

/// What a container says about all its measurements, understood.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a> {
    pub(super) point: &'a str,
    pub(super) device: &'a str,
    /// Empty where there is none.
    pub(super) message_id: &'a str,
    pub(super) identity: Identity,
    pub(super) created_at: Option<Timestamp>,
    pub(super) base_us: i64,
}

/// A container's fields as they stand on the wire.
#[derive(Debug)]
pub(super) struct Container<'a> {
    point: &'a [u8],
    device: &'a [u8],
    message_id: &'a [u8],
    created_at_us: i64,
    base_time_us: Option<i64>,
    identity: u64,
    /// Where the first measurement stands; everything before has been read.
    pub(super) first: Cursor<'a>,
    pub(super) count: u64,
}

impl<'a> Container<'a> {
    /// Everything but the measurements: fields may stand in any order, and a
    /// measurement means nothing before all others are known.
    pub(super) fn read(mut message: Cursor<'a>, own: &mut Streams<'a>) -> Step<Container<'a>> {
        let [point, device, message_id] = [&[][..]; 3];
        let (created_at_us, base_time_us, identity, first, count) = (0, None, 0, message, 0);
        let mut read = Container { point, device, message_id, created_at_us, base_time_us, identity, first, count };
        own.begin();
        let mut before = message;
        while let Some(tag) = message.tag()? {
            match tag {
                tags::POINT => read.point = message.bytes()?,
                tags::DEVICE => read.device = message.bytes()?,
                tags::MESSAGE_ID => read.message_id = message.bytes()?,
                tags::CREATED_AT => read.created_at_us = message.int64()?,
                tags::BASE_TIME => read.base_time_us = Some(message.int64()?),
                tags::IDENTITY => read.identity = message.varint()?,
                tags::STREAMS => own.declare(message.message()?)?,
                tags::MEASUREMENTS => {
                    if read.count == 0 {
                        read.first = before;
                    }
                    read.count += 1;
                    message.skip(tag)?;
                }
                _ => message.skip(tag)?,
            }
            before = message;
        }
        own.end();
        Ok(read)
    }

    pub(super) fn header(&self, limits: &Limits) -> Result<Header<'a>, Fault> {
        let point = text("point", self.point)?;
        let device = text("device", self.device)?;
        let message_id = text("message_id", self.message_id)?;
        let identity = match self.identity {
            0 => Identity::Point,
            1 => Identity::Device,
            code => return Err(Fault::Code { field: "identity", code: code.cast_signed() }),
        };
        if point.is_empty() {
            return Err(Fault::NoPoint);
        }
        if device.is_empty() && identity == Identity::Device {
            return Err(Fault::NoDevice);
        }
        if self.count == 0 {
            return Err(Fault::NoMeasurement);
        }
        if self.count > COUNT_MAX {
            return Err(Fault::TooMany { count: self.count });
        }
        let created_at = match self.created_at_us {
            0 => None,
            at_us => Some(limits.instant("created_at", at_us, 0)?),
        };
        let base_us = self.base_time_us.unwrap_or(self.created_at_us);
        Ok(Header { point, device, message_id, identity, created_at, base_us })
    }
}
