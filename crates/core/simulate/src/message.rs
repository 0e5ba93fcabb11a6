//! One message of one home: the numbers its meter sends at an instant.

use std::sync::Arc;

use meter::{Span, Timestamp};
use parse::protobuf::{Container, Measurement, Stream, Value, Writer};

/// More than any kind of home has registers.
pub(crate) const SAMPLES_MAX: usize = 30;

/// One number of a message, and which of the fleet's streams it belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Its place in [`Message::streams`].
    pub stream: u32,
    /// From the message's instant; before it for the interval that just ended.
    pub at: Span,
    /// The number in the last digit of the stream's scale.
    pub digits: i64,
}

/// Whether a message declares its streams or relies on those of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    /// Declared in the message itself.
    Own,
    /// Declared once by [`Message::declare`], before or after.
    Shared,
}

/// What one home sends at one instant.
#[derive(Clone, Debug)]
pub struct Message {
    home: u32,
    at: Timestamp,
    streams: Arc<[Stream<'static>]>,
    samples: [Sample; SAMPLES_MAX],
    count: usize,
}

impl Message {
    pub(crate) fn new(home: u32, at: Timestamp, streams: Arc<[Stream<'static>]>) -> Message {
        Message { home, at, streams, samples: [Sample::default(); SAMPLES_MAX], count: 0 }
    }

    pub(crate) fn push(&mut self, stream: u32, at: Span, digits: i64) {
        self.samples[self.count] = Sample { stream, at, digits };
        self.count += 1;
    }

    /// Its sender's number in the fleet.
    pub fn home(&self) -> u32 {
        self.home
    }

    /// The instant it was made, and of its reads.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The fleet's streams, which samples refer to.
    pub fn streams(&self) -> &[Stream<'static>] {
        &self.streams
    }

    /// Its numbers, each with its stream.
    pub fn samples(&self) -> &[Sample] {
        &self.samples[..self.count]
    }

    /// The name of its home's point.
    pub fn point(&self) -> String {
        point(self.home)
    }

    /// The serial of its home's device.
    pub fn device(&self) -> String {
        device(self.home)
    }

    /// The same for the same message sent again.
    pub fn message_id(&self) -> String {
        format!("{}-{}", self.home, self.at.0 / 1_000_000)
    }

    /// Declares the fleet's streams to a whole request.
    pub fn declare(&self, request: &mut Writer) {
        for stream in &*self.streams {
            request.stream(stream);
        }
    }

    /// Adds this message to a request.
    pub fn write(&self, request: &mut Writer, streams: Streams) {
        let mut measurements = [Measurement::default(); SAMPLES_MAX];
        for (measurement, sample) in measurements.iter_mut().zip(self.samples()) {
            (measurement.stream, measurement.at) = (sample.stream, sample.at);
            measurement.value = Some(Value::Digits(sample.digits));
        }
        request.container(&Container {
            point: &self.point(),
            device: &self.device(),
            message_id: &self.message_id(),
            created_at: Some(self.at),
            streams: if streams == Streams::Own { &self.streams } else { &[] },
            measurements: &measurements[..self.count],
            ..Container::default()
        });
    }

    /// A request with this message alone.
    pub fn encode(&self) -> Vec<u8> {
        let mut request = Writer::new();
        self.write(&mut request, Streams::Own);
        request.into_body()
    }
}

pub(crate) fn point(home: u32) -> String {
    format!("home-{home:06}")
}

pub(crate) fn device(home: u32) -> String {
    format!("MH{home:07}")
}
