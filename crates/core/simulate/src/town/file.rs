//! Parcels as files: in every format that readings come in.
//!
//! Promise: a file read back by our parsers says what the parcels said, in their
//! order, so that of two deliveries of a reading the later one stands later.
//!
//! Read: `file/csv.rs`, `file/json.rs`, `file/line.rs`, `file/nem12.rs`.

mod csv;
mod json;
mod line;
mod nem12;

use meter::{Span, Timestamp};

use super::parcel::{Parcel, request};

/// A format that the town can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileFormat {
    /// Interval data of the Australian market: electricity only, both ways, whole days.
    Nem12,
    /// One reading a row, as `meterhouse export` writes it.
    Csv,
    /// Requests of the schema, one a line.
    Json,
    /// A request of the schema.
    Protobuf,
    /// InfluxDB line protocol. It names no devices: there they would name the series.
    Line,
}

impl FileFormat {
    /// All of them.
    pub const ALL: [FileFormat; 5] =
        [FileFormat::Nem12, FileFormat::Csv, FileFormat::Json, FileFormat::Protobuf, FileFormat::Line];

    /// What `--format` of `meterhouse import` calls it.
    pub fn import_name(self) -> &'static str {
        match self {
            FileFormat::Nem12 => "nem12",
            FileFormat::Csv => "csv/generic-long",
            FileFormat::Json => "json",
            FileFormat::Protobuf => "protobuf",
            FileFormat::Line => "line?interval=30m",
        }
    }

    /// How its files' names end.
    pub fn ending(self) -> &'static str {
        match self {
            FileFormat::Nem12 => "nem12.csv",
            FileFormat::Csv => "csv",
            FileFormat::Json => "json",
            FileFormat::Protobuf => "pb",
            FileFormat::Line => "lp",
        }
    }

    /// How long before midnight in UTC its days begin: the Australian market lives
    /// ten hours ahead, and its files hold whole days.
    pub fn days_begin_before(self) -> Span {
        if self == FileFormat::Nem12 { Span::from_minutes(10 * 60) } else { Span::ZERO }
    }

    /// Whether its files hold what a stream of [`STREAMS`](super::STREAMS) says.
    pub fn holds(self, stream: u32) -> bool {
        self != FileFormat::Nem12 || nem12::MEDIA.iter().any(|(medium, _)| medium.half_hours() == stream)
    }

    /// The parcels as one file, made at an instant.
    pub fn file(self, parcels: &[Parcel], made_at: Timestamp) -> Vec<u8> {
        match self {
            FileFormat::Nem12 => nem12::file(parcels, made_at),
            FileFormat::Csv => csv::file(parcels),
            FileFormat::Json => json::file(parcels),
            FileFormat::Protobuf => request(parcels),
            FileFormat::Line => line::file(parcels),
        }
    }
}
