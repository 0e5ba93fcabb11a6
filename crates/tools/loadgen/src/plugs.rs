//! Homes with a meter and plugs, a message of each home every step: the data set `hdm` and larger ones.

use std::ops::Range;

use bytes::Bytes;
use meter::{Span, Timestamp};
use parse::protobuf::Writer;
use simulate::{Fleet, Streams};

use crate::sent::Sent;
use crate::source::Body;

/// 2026-05-01T00:00:00Z: any day does, and figures stay comparable.
const FROM: Timestamp = Timestamp(1_777_593_600_000_000);

#[derive(Clone, Copy, Debug)]
pub struct Plugs {
    pub fleet: Fleet,
    pub step: Span,
    /// Of each home, a message each.
    pub steps: u32,
}

impl Plugs {
    /// All messages of these steps by time, `request` of them a body.
    pub fn bodies(&self, steps: Range<u32>, request: usize) -> impl Iterator<Item = Body> + use<> {
        let streams = if request > 1 { Streams::Shared } else { Streams::Own };
        let mut messages = self.fleet.messages(self.at(steps.start), self.at(steps.end), self.step);
        std::iter::from_fn(move || {
            let mut writer = Writer::new();
            let mut count = 0;
            for message in messages.by_ref().take(request) {
                if count == 0 && streams == Streams::Shared {
                    message.declare(&mut writer);
                }
                message.write(&mut writer, streams);
                count += 1;
            }
            (count > 0).then(|| Body { bytes: Bytes::from(writer.into_body()), messages: count })
        })
    }

    pub fn readings(&self) -> u64 {
        let registers = self.fleet.streams().len() as u64;
        u64::from(self.fleet.homes()) * u64::from(self.steps) * registers
    }

    pub fn sent(&self) -> Sent {
        Sent::of_parts(self.fleet.homes(), |homes| {
            let (mut sent, mut line) = (Sent::default(), Vec::new());
            for message in self.fleet.messages_of(homes, self.at(0), self.at(self.steps), self.step) {
                let point = message.point();
                for sample in message.samples() {
                    let stream = &message.streams()[sample.stream as usize];
                    let at = message.at().plus(sample.at).0;
                    sent.note(&mut line, &point, stream.register, at, sample.digits, stream.scale);
                }
            }
            sent
        })
    }

    fn at(&self, step: u32) -> Timestamp {
        Timestamp(FROM.0 + i64::from(step) * self.step.0)
    }
}
