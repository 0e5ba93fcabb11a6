//! The parsers, and how a body's format is told.
//!
//! Beyond no panic: reading twice says the same, and so does reading in pieces; counts
//! agree with what was counted; what was read can be exported and read again.

use std::io::BufReader;

use meter::Timestamp;
use parse::protobuf::{Checked, Limits, read_admitted};
use parse::{Format, json};

use crate::heard::Heard;
use crate::{Met, met};

/// 2026-05-03T03:10:00Z, when every body comes in.
pub(crate) const ARRIVAL: Timestamp = Timestamp(1_777_777_800_000_000);

/// Sizes of the pieces in which a body is handed over.
const PIECES: [usize; 2] = [1, 64];

/// NEM12 and NEM13, whichever the file says.
pub fn nem(data: &[u8]) -> Met {
    read(&Format::Nem12, data)
}

/// InfluxDB's lines, without options.
pub fn line(data: &[u8]) -> Met {
    read(&Format::from_name("line").expect("a format of ours"), data)
}

/// A request in protobuf; every measurement of a readable one is read or refused.
pub fn protobuf(data: &[u8]) -> Met {
    let met = read(&Format::Protobuf, data);
    let mut admitted = Heard::default();
    let unwalked = read_admitted(data, limits(), &mut admitted);
    if let Ok(checked) = Checked::new(data) {
        let mut heard = Heard::default();
        let tally = checked.read(limits(), &mut heard);
        assert_eq!((unwalked, &admitted), (Ok(tally), &heard), "it says the same without being walked first");
        assert_eq!(tally.readings, heard.readings, "readings are those counted");
        assert_eq!(tally.readings + tally.refused, checked.summary().measurements, "all are read or refused");
    }
    met
}

/// A request as JSON, or several.
pub fn json(data: &[u8]) -> Met {
    let met = read(&Format::Json, data);
    let mut heard = Heard::default();
    if let Ok(tally) = json::read(data, limits(), &mut heard) {
        assert_eq!(tally.readings, heard.readings, "readings are those counted");
        let summary = json::check(data).expect("what was read can be read");
        assert_eq!(tally.readings + tally.refused, summary.measurements, "all are read or refused");
    }
    met
}

/// Requests as lines of JSON: together they say what each says alone.
pub fn ndjson(data: &[u8]) -> Met {
    let alone = |line: &[u8]| json::read(line, limits(), &mut Heard::default()).ok();
    let lines = data.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    if let Some(alone) = lines.map(alone).collect::<Option<Vec<_>>>().filter(|alone| !alone.is_empty()) {
        let together = json::read(data, limits(), &mut Heard::default());
        let together = together.expect("lines that can be read alone can be read together");
        assert_eq!(together.readings, alone.iter().map(|tally| tally.readings).sum::<u64>());
        assert_eq!(together.refused, alone.iter().map(|tally| tally.refused).sum::<u64>());
    }
    json(data)
}

/// A body that does not say what it is, read as what it looks like.
pub fn detect(data: &[u8]) -> Met {
    let told = Format::detect(data);
    let head = &data[..data.len().min(parse::HEAD_BYTES)];
    assert_eq!(told, Format::detect(head), "the head alone decides");
    match told {
        Ok(format) => read(&format, data) ^ met(format.name()),
        Err(error) => {
            assert!(error.to_string().len() < 400, "{error}");
            met(0)
        }
    }
}

/// The format's name on the first line, as a sender says it, and the body behind it.
pub fn named(data: &[u8]) -> Met {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (name, body) = (String::from_utf8_lossy(&data[..at]), data.get(at + 1..).unwrap_or_default());
    match Format::named(&name) {
        Ok(format) => {
            assert_eq!(Format::from_name(format.name()).as_ref(), Some(&format), "a name leads back to its format");
            read(&format, body) ^ met(format.name())
        }
        Err(error) => {
            assert!(error.to_string().len() <= 1_024, "{error}");
            met(std::mem::discriminant(&error))
        }
    }
}

pub(crate) fn limits() -> Limits {
    Limits::received_at(ARRIVAL)
}

/// Reads a body whole, again, in pieces, and what was read of it once more.
pub(crate) fn read(format: &Format, data: &[u8]) -> Met {
    let whole = |data: &[u8]| {
        let mut heard = Heard::default();
        let ended = parse::read_held(format.clone(), "a file.csv", data, limits(), &mut heard);
        (ended.map_err(|error| error.to_string()), heard)
    };
    let (ended, heard) = whole(data);
    assert_eq!((&ended, &heard), (&whole(data).0, &whole(data).1), "read twice");
    if ended.is_err() {
        assert_eq!(heard, Heard::default(), "what is refused as a whole is not read in part");
    }
    for bytes in PIECES {
        let mut again = Heard::default();
        let input = BufReader::with_capacity(bytes, data);
        let again_ended = parse::read_file(format.clone(), "a file.csv", input, limits(), &mut again);
        assert_eq!(again_ended.map_err(|error| error.to_string()), ended, "read in pieces of {bytes}");
        assert_eq!(again, heard, "read in pieces of {bytes}");
    }
    exported(&heard);
    match ended {
        Ok(()) => heard.met(),
        // The place differs with every input, the sentence does not.
        Err(error) => met(error.chars().filter(char::is_ascii_alphabetic).take(40).collect::<String>()),
    }
}

/// The export of what was read says the same when it is read in turn.
fn exported(heard: &Heard) {
    if heard.exported.is_empty() {
        return;
    }
    let format = Format::from_name("csv/generic-long").expect("a profile of ours");
    let mut again = Heard::default();
    let text = format!("{}\n{}", parse::export::HEADER, heard.exported.concat());
    parse::read_held(format, "", text.as_bytes(), Limits::default(), &mut again).expect("a slice is read to its end");
    assert_eq!(again.exported, heard.exported, "the export read again; {} refused", again.refused);
}
