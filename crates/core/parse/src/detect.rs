//! Which format a body is in, told from its first bytes; and one way to read any.

use std::io::{self, BufRead, Read};

use meter::Sink;

use crate::csv::{self, Mapping, ProfileError};
use crate::line;
use crate::nem;
use crate::protobuf::{self, EnvelopeError, Limits, json};

/// As much of a body's beginning as [`Format::detect`] looks at: a header
/// behind a few dozen blank or foreign lines is still found.
pub const HEAD_BYTES: usize = 4096;
/// A request is held whole, in protobuf or JSON; the HTTP door takes far less.
pub const REQUEST_BYTES_MAX: u64 = 64 << 20;

/// A format we read. The names are stored and typed by people: never change one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Interval data of the Australian market.
    Nem12,
    /// Register reads of the Australian market.
    Nem13,
    /// A request of `schemas/meterhouse/v1/readings.proto`.
    Protobuf,
    /// The same request as JSON.
    Json,
    /// A table, as a mapping profile says.
    Csv(Mapping),
    /// InfluxDB line protocol.
    Line(line::Mapping),
}

/// A body in none of our formats.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{saw}; known formats are nem12, nem13, protobuf, json and line, and where it is named {}", csv::names().join(", "))]
pub struct Unrecognised {
    saw: String,
}

/// A name that no format of ours has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what happened, and to what")]
pub enum UnknownFormat {
    #[error("format {name:?} is not known; nem12, nem13, protobuf, json, line and {} are", csv::names().join(", "))]
    Name { name: String },
    #[error("format {name:?}: {error}")]
    Profile { name: String, error: ProfileError },
}

/// Why a body as a whole could not be read.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what happened, and to what")]
pub enum Error {
    #[error("the body could not be read: {0}")]
    Io(io::Error),
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    #[error(transparent)]
    Json(#[from] json::EnvelopeError),
    #[error("a request of more than {REQUEST_BYTES_MAX} bytes; send it in several")]
    TooLarge,
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Io(error)
    }
}

/// Reads a body of `format` into `sink`.
pub fn read(format: Format, input: impl BufRead, limits: Limits, sink: &mut dyn Sink) -> Result<(), Error> {
    read_file(format, "", input, limits, sink)
}

/// As [`read`]; the file's name says what some files of a CSV profile do not.
pub fn read_file(
    format: Format,
    file_name: &str,
    mut input: impl BufRead,
    limits: Limits,
    sink: &mut dyn Sink,
) -> Result<(), Error> {
    match format {
        Format::Csv(mapping) => csv::csv(&mapping, file_name, input, limits, sink)?,
        Format::Line(mapping) => line::line(&mapping, input, limits, sink)?,
        Format::Nem12 | Format::Nem13 => nem::nem(input, limits, sink)?,
        Format::Protobuf | Format::Json => read_held(format, file_name, &whole(&mut input)?, limits, sink)?,
    }
    Ok(())
}

/// As [`read_file`], of a body that is in memory as a whole.
pub fn read_held(
    format: Format,
    file_name: &str,
    body: &[u8],
    limits: Limits,
    mut sink: &mut dyn Sink,
) -> Result<(), Error> {
    match format {
        Format::Protobuf | Format::Json if body.len() as u64 > REQUEST_BYTES_MAX => return Err(Error::TooLarge),
        Format::Protobuf => drop(protobuf::read(body, limits, &mut sink)?),
        Format::Json => drop(json::read(body, limits, sink)?),
        format => read_file(format, file_name, body, limits, sink)?,
    }
    Ok(())
}

/// All of it, or one byte more than a request may have.
fn whole(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    input.take(REQUEST_BYTES_MAX + 1).read_to_end(&mut body)?;
    Ok(body)
}

impl Format {
    /// What is stored, and typed by people.
    pub fn name(&self) -> &str {
        match self {
            Format::Nem12 => "nem12",
            Format::Nem13 => "nem13",
            Format::Protobuf => "protobuf",
            Format::Json => "json",
            Format::Csv(mapping) => mapping.name(),
            Format::Line(mapping) => mapping.name(),
        }
    }

    /// Whether a file's name says something that stands in its readings.
    pub fn reads_file_name(&self) -> bool {
        matches!(self, Format::Csv(mapping) if mapping.reads_file_name())
    }

    /// The format of that name, as [`Format::name`] gives it.
    pub fn from_name(name: &str) -> Option<Format> {
        Format::named(name).ok()
    }

    /// As [`Format::from_name`], saying what is wrong with the name: that of a
    /// profile may have options.
    pub fn named(name: &str) -> Result<Format, UnknownFormat> {
        let wrong = |error| UnknownFormat::Profile { name: name.chars().take(40).collect(), error };
        match name {
            "nem12" => Ok(Format::Nem12),
            "nem13" => Ok(Format::Nem13),
            "protobuf" => Ok(Format::Protobuf),
            "json" => Ok(Format::Json),
            profile if profile.starts_with(csv::PREFIX) => Mapping::named(profile).map(Format::Csv).map_err(wrong),
            lines if lines.split('?').next() == Some(line::NAME) => {
                line::Mapping::named(lines).map(Format::Line).map_err(wrong)
            }
            _ => Err(UnknownFormat::Name { name: name.chars().take(40).collect() }),
        }
    }

    /// The format of a body that begins with `head`, its first [`HEAD_BYTES`]
    /// or all of it. A NEM file without its header is still one: its parser
    /// then says what is missing.
    pub fn detect(head: &[u8]) -> Result<Format, Unrecognised> {
        let head = &head[..head.len().min(HEAD_BYTES)];
        if let Some(format) = detect_nem(head) {
            return Ok(format);
        }
        if let Some(mapping) = csv::recognise(head) {
            return Ok(Format::Csv(mapping));
        }
        if protobuf::looks_like(head) {
            return Ok(Format::Protobuf);
        }
        if json::looks_like(head) {
            return Ok(Format::Json);
        }
        if line::looks_like(head) {
            return Ok(Format::Line(line::Mapping::default()));
        }
        Err(Unrecognised { saw: describe(head) })
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// By the first line whose first field is a record of the format.
fn detect_nem(head: &[u8]) -> Option<Format> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    head.split(|b| matches!(b, b'\n' | b'\r')).find_map(|line| {
        let mut fields = line.split(|b| *b == b',').map(unquoted);
        match fields.next()? {
            b"100" => {
                let version = fields.next()?.to_ascii_uppercase();
                let is_nem = version.starts_with(b"NEM");
                is_nem.then_some(if version == b"NEM13" { Format::Nem13 } else { Format::Nem12 })
            }
            b"200" | b"300" | b"400" | b"500" => fields.next().map(|_| Format::Nem12),
            b"250" | b"550" => fields.next().map(|_| Format::Nem13),
            _ => None,
        }
    })
}

fn unquoted(field: &[u8]) -> &[u8] {
    let field = field.trim_ascii();
    field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\"")).unwrap_or(field)
}

/// What a body that is none of ours seems to be, so that its sender can be told.
fn describe(head: &[u8]) -> String {
    let known: [(&[u8], &str); 8] = [
        (b"\x1f\x8b", "gzip-compressed data: unpack it first"),
        (b"\x28\xb5\x2f\xfd", "zstd-compressed data: unpack it first"),
        (b"PK\x03\x04", "a zip archive: unpack it first"),
        (b"PAR1", "a Parquet file"),
        (b"\xff\xfe", "UTF-16 text: save it as UTF-8 or ASCII"),
        (b"\xfe\xff", "UTF-16 text: save it as UTF-8 or ASCII"),
        (b"SQLite format 3", "an SQLite database"),
        (b"%PDF", "a PDF document"),
    ];
    if head.trim_ascii().is_empty() {
        return if head.is_empty() { "the body is empty".into() } else { "the body begins with blanks only".into() };
    }
    if let Some((_, what)) = known.iter().find(|(magic, _)| head.starts_with(magic)) {
        return format!("the body is {what}");
    }
    let start = &head.trim_ascii_start()[..head.trim_ascii_start().len().min(40)];
    match (start[0], std::str::from_utf8(start)) {
        (b'<', _) => "the body is XML or HTML".into(),
        (b'{' | b'[', _) => "the body is JSON, and its first key is neither containers nor streams".into(),
        (_, Ok(text)) if !text.contains(|c: char| c.is_control() && !c.is_ascii_whitespace()) => {
            format!("the body begins with the text {text:?}")
        }
        _ => format!("the body begins with the bytes {}", hex(&start[..start.len().min(16)])),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(head: &[u8], expected: Result<Format, &str>) {
        match (Format::detect(head), expected) {
            (Ok(format), Ok(expected)) => assert_eq!(format, expected),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn a_header_tells_the_format_wherever_it_stands() {
        check(b"100,NEM12,200402070911,MDA1,Ret1\n", Ok(Format::Nem12));
        check(b"\xef\xbb\xbf100,nem13,\r\n", Ok(Format::Nem13));
        check(b"\n\r\n,,,\n 100 , NEM12 \n", Ok(Format::Nem12));
        check(b"\"100\",\"NEM13\",\"200401101030\"\n", Ok(Format::Nem13));
        check(b"sep=,\n100,NEM12", Ok(Format::Nem12));
    }

    #[test]
    fn a_file_without_its_header_is_still_recognised() {
        check(b"\n200,VABD000163,E1Q1,1,E1,N1,METSER123,kWh,30,\n", Ok(Format::Nem12));
        check(b"250,VABC005890,11,1,11", Ok(Format::Nem13));
    }

    #[test]
    fn a_request_is_told_by_its_first_key() {
        check(b"{\"containers\": [{\"point\":", Ok(Format::Json));
        check(b"\xef\xbb\xbf\n{ \"streams\" : [", Ok(Format::Json));
        check(b"{\"container\": [", Err("JSON"));
        check(b"[{\"containers\": [", Err("JSON"));
    }

    #[test]
    fn what_is_none_of_ours_is_named() {
        check(b"", Err("empty"));
        check(b" \r\n", Err("blanks"));
        check(b"\x1f\x8b\x08\0", Err("gzip"));
        check(b"PK\x03\x04", Err("zip archive"));
        check(b"<?xml version", Err("XML"));
        check(b"nmi,start,end,value", Err("\"nmi,start"));
        check(b"{\"a\":1}", Err("JSON"));
    }

    #[test]
    fn every_name_leads_back_to_its_format() {
        let names = [
            "nem12",
            "nem13",
            "protobuf",
            "json",
            "line",
            "line?precision=s&unit=kWh",
            "csv/opendsm?unit=kWh&zone=Europe/London",
        ]
        .map(String::from);
        for name in names.into_iter().chain(csv::names()) {
            assert_eq!(Format::from_name(&name).map(|format| format.name().to_owned()), Some(name));
        }
        assert_eq!(Format::from_name("auto"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_detection_panic(head in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Err(error) = Format::detect(&head) {
                prop_assert!(error.to_string().len() < 400);
            }
        }
    }
}
