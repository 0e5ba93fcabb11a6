//! What is sent, made before the clock runs.

use std::hash::{DefaultHasher, Hasher};

use bytes::Bytes;
use indicatif::ProgressBar;
use meter::{Span, Timestamp};
use parse::protobuf::Writer;
use simulate::{Fleet, Message, Streams};

const MINUTE: Span = Span::from_minutes(1);

/// 2026-05-01T00:00:00Z: any day does, and figures stay comparable.
const FROM: Timestamp = Timestamp(1_777_593_600_000_000);

/// What a comparison needs to know of all that was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    pub messages: u64,
    pub measurements: u64,
    /// Of all bodies.
    pub bytes: u64,
    /// The sum of the hashes of all readings: no order changes it.
    pub hash: u128,
}

pub struct Encoded {
    pub bodies: Vec<Bytes>,
    pub sent: Sent,
}

/// A reading as the comparison sees it, in a line without its end.
pub fn hash(line: &[u8]) -> u128 {
    let mut hasher = DefaultHasher::new();
    hasher.write(line);
    u128::from(hasher.finish())
}

/// Every minute of every home, `batch` messages a body.
pub fn encode(seed: u64, homes: u32, minutes: u32, batch: usize) -> Encoded {
    let fleet = Fleet::hdm(seed, homes);
    let to = Timestamp(FROM.0 + i64::from(minutes) * MINUTE.0);
    let streams = if batch > 1 { Streams::Shared } else { Streams::Own };
    let bar = ProgressBar::new(u64::from(homes) * u64::from(minutes)).with_prefix("making messages");
    let mut made = Encoded { bodies: Vec::new(), sent: Sent::default() };
    let (mut request, mut waiting) = (Writer::new(), 0);
    for message in fleet.messages(FROM, to, MINUTE) {
        if waiting == 0 && streams == Streams::Shared {
            message.declare(&mut request);
        }
        message.write(&mut request, streams);
        made.sent.note(&message);
        waiting += 1;
        if waiting == batch {
            bar.inc(waiting as u64);
            made.push(std::mem::replace(&mut request, Writer::new()));
            waiting = 0;
        }
    }
    if waiting > 0 {
        made.push(request);
    }
    bar.finish_and_clear();
    made
}

impl Encoded {
    fn push(&mut self, request: Writer) {
        let body = Bytes::from(request.into_body());
        self.sent.bytes += body.len() as u64;
        self.bodies.push(body);
    }
}

impl Sent {
    fn note(&mut self, message: &Message) {
        self.messages += 1;
        for sample in message.samples() {
            let stream = &message.streams()[sample.stream as usize];
            let at = message.at().plus(sample.at).0;
            let (point, register) = (message.point(), stream.register);
            let line = format!("{point},{register},{at},{},{}", sample.digits, stream.scale);
            self.hash = self.hash.wrapping_add(hash(line.as_bytes()));
            self.measurements += 1;
        }
    }
}
