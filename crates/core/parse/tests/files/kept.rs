//! A sink that keeps everything, for comparing.

use std::io::{BufRead, BufReader};

use meter::{Decimal, Event, Kind, Place, Quality, Reading, Refusal, Sink, Timestamp};
use parse::{Format, Limits};

/// A reading without what comparing does not need.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    pub point: String,
    pub device: String,
    pub register: String,
    pub start: Timestamp,
    pub end: Timestamp,
    pub value: Decimal,
    pub unit: String,
    pub quality: String,
    pub canonical: Quality,
    pub reason: String,
    pub message_time: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub readings: Vec<Said>,
    /// Events in short.
    pub events: Vec<String>,
    pub refusals: Vec<(Place, String, String)>,
}

impl Sink for Kept {
    fn reading(&mut self, r: Reading<'_>) {
        assert_eq!(r.reading_type.kind == Kind::Register, r.span.0 == 0);
        self.readings.push(Said {
            point: r.point.into(),
            device: r.device.into(),
            register: r.register.into(),
            start: r.start,
            end: r.start.plus(r.span),
            value: r.value,
            unit: r.unit.into(),
            quality: r.quality.into(),
            canonical: r.canonical,
            reason: r.reason.into(),
            message_time: r.message_time,
        });
    }

    fn event(&mut self, e: Event<'_>) {
        self.events.push(format!("{} {} {} {} {} {}", e.kind, e.point, e.register, e.at, e.code, e.text));
    }

    fn refused(&mut self, r: Refusal<'_>) {
        assert!(r.excerpt.len() <= Refusal::EXCERPT_BYTES_MAX);
        self.refusals.push((r.place, r.code.into(), r.reason.into()));
    }
}

/// Everything a file says, read as a door reads it.
pub fn read(file: &[u8]) -> Kept {
    let mut kept = Kept::default();
    let format = Format::detect(file).expect("one of our formats");
    parse::read(format, file, Limits::default(), &mut kept).expect("memory never fails");
    kept
}

/// Everything a NEM file says, coming in pieces.
pub fn read_in_pieces(file: &[u8], bytes: usize) -> Kept {
    read_nem(BufReader::with_capacity(bytes, file))
}

pub fn read_nem(input: impl BufRead) -> Kept {
    let mut kept = Kept::default();
    parse::nem::nem(input, Limits::default(), &mut kept).expect("memory never fails");
    kept
}
