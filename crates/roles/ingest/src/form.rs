//! The forms that readings come in: what says which it is, what makes a body
//! unreadable as a whole, and how much of one can be read.

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use meter::Timestamp;
use parse::protobuf::Checked;
use parse::{Format, Limits, json};

use crate::receipt::Listing;
use crate::{Error, Result};

/// The names protobuf goes by; there is no registered one.
const PROTOBUF: [&str; 4] =
    ["application/x-protobuf", "application/protobuf", "application/vnd.google.protobuf", "application/octet-stream"];

/// Requests as JSON, one or several; that they may follow one another has no registered name.
const JSON: [&str; 3] = ["application/json", "application/x-ndjson", "application/ndjson"];

/// How the readings in a body are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Protobuf,
    Json,
    /// InfluxDB's line protocol; the precision is one that the parser knows.
    Line {
        precision: &'static str,
    },
}

/// When a body is only tried: a line without a time needs one, and none is in the future.
const LATE: Timestamp = Timestamp(4_102_444_800_000_000);

impl Form {
    /// What `Content-Type` says.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Form> {
        let found = headers.get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let found = found.unwrap_or_default();
        let plain = found.split(';').next().unwrap_or_default().trim();
        let is_among = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(plain));
        if is_among(&PROTOBUF) {
            return Ok(Form::Protobuf);
        }
        if is_among(&JSON) {
            return Ok(Form::Json);
        }
        Err(Error::ContentType { found: found.chars().take(100).collect() })
    }

    /// What the journal is told.
    pub(crate) fn format(self) -> Format {
        match self {
            Form::Protobuf => Format::Protobuf,
            Form::Json => Format::Json,
            Form::Line { precision } => {
                Format::from_name(&format!("line?precision={precision}")).expect("the parser knows each precision")
            }
        }
    }

    /// Makes sure that a body, which is not empty, can be read as a whole.
    pub(crate) fn check(self, body: Bytes) -> Result<Readable> {
        match self {
            Form::Protobuf => return Ok(Readable::Request(Checked::new(body)?)),
            Form::Json => drop(json::check(&body)?),
            Form::Line { .. } => self.check_lines(&body)?,
        }
        Ok(Readable::Text(self, body))
    }

    /// A word in another encoding costs its line, as process reads it; bytes of
    /// which no line can be read are no text at all.
    fn check_lines(self, body: &[u8]) -> Result<()> {
        if body.trim_ascii().is_empty() {
            return Err(Error::Empty);
        }
        let Err(error) = std::str::from_utf8(body) else { return Ok(()) };
        if self.list_lines(body, Limits::received_at(LATE))?.is_nothing() {
            return Err(Error::NotText { byte: error.valid_up_to() as u64 });
        }
        Ok(())
    }

    fn list_lines(self, body: &[u8], limits: Limits) -> Result<Listing> {
        let mut listing = Listing::default();
        let read = parse::read(self.format(), body, limits, &mut listing);
        read.map_err(|error| Error::Task(error.to_string()))?;
        Ok(listing)
    }
}

/// A body that can be read as a whole.
pub(crate) enum Readable {
    /// Protobuf.
    Request(Checked<Bytes>),
    /// JSON or lines.
    Text(Form, Bytes),
}

impl Readable {
    pub(crate) fn bytes(&self) -> &Bytes {
        match self {
            Readable::Request(checked) => checked.body(),
            Readable::Text(_, bytes) => bytes,
        }
    }

    /// Reads it as `process` will, and keeps what is refused.
    pub(crate) fn list(&self, limits: Limits) -> Result<Listing> {
        let mut listing = Listing::default();
        let tally = match self {
            Readable::Request(checked) => checked.read(limits, &mut listing),
            Readable::Text(form @ Form::Line { .. }, bytes) => return form.list_lines(bytes, limits),
            Readable::Text(_, bytes) => json::read(bytes, limits, &mut listing)?,
        };
        // A container refused as a whole counts all of its own.
        (listing.accepted, listing.refused_total) = (tally.readings, tally.refused);
        Ok(listing)
    }
}
