//! What inputs are made from: small ones written by hand, and files of meter data
//! where there are any.

use std::path::Path;

use meter::{Kind, Span};
use parse::protobuf::{Container, Measurement, Stream, Value, Writer};

use crate::mutate::LENGTH_MAX;
use crate::parsers::ARRIVAL;
use crate::tables::BETWEEN;

/// Of one folder of meter data: more of the same teaches nothing.
const FILES_MAX: usize = 24;
/// A file's beginning; readings are made and compared thousands of times.
const FILE_BYTES_MAX: usize = 4 << 10;
const _: () = assert!(FILE_BYTES_MAX <= LENGTH_MAX);

const NEM: [&str; 2] = [include_str!("../seeds/nem/intervals.csv"), include_str!("../seeds/nem/reads.csv")];
const LINE: &str = include_str!("../seeds/line/plain.lp");
const JSON: &str = include_str!("../seeds/json/all.json");
const NDJSON: &str = include_str!("../seeds/ndjson/lines.json");
const TABLES: [&str; 3] = [
    include_str!("../seeds/built_in/esb-hdf.csv"),
    include_str!("../seeds/built_in/generic-long.csv"),
    include_str!("../seeds/built_in/opendsm.csv"),
];
const NAMED: [&str; 2] = [include_str!("../seeds/named/opendsm.txt"), include_str!("../seeds/named/line.txt")];
const OWN: [&str; 2] = [include_str!("../seeds/own/daily.txt"), include_str!("../seeds/own/own.txt")];
const DOOR: [&str; 5] = [
    include_str!("../seeds/door/readings.http"),
    include_str!("../seeds/door/chunked.http"),
    include_str!("../seeds/door/file.http"),
    include_str!("../seeds/door/influx.http"),
    include_str!("../seeds/door/upload.http"),
];
const QUESTIONS: &str = include_str!("../seeds/sql/questions.txt");

pub(crate) fn nem() -> Vec<Vec<u8>> {
    texts(&NEM)
}

pub(crate) fn line() -> Vec<Vec<u8>> {
    texts(&[LINE])
}

pub(crate) fn json() -> Vec<Vec<u8>> {
    texts(&[JSON])
}

pub(crate) fn ndjson() -> Vec<Vec<u8>> {
    texts(&[NDJSON])
}

pub(crate) fn built_in() -> Vec<Vec<u8>> {
    texts(&TABLES)
}

pub(crate) fn named() -> Vec<Vec<u8>> {
    let more = [("nem12", NEM[0]), ("json", JSON), ("csv/esb-hdf", TABLES[0])];
    let more = more.map(|(name, body)| format!("{name}\n{body}").into_bytes());
    texts(&NAMED).into_iter().chain(more).collect()
}

/// The built-in profiles are somebody's own too, each with the tables there are.
pub(crate) fn own() -> Vec<Vec<u8>> {
    let tables = TABLES.iter().flat_map(|table| profile().into_iter().map(move |toml| (toml, table)));
    let built_in = tables.map(|(toml, table)| [&toml, BETWEEN, table.as_bytes()].concat());
    texts(&OWN).into_iter().chain(built_in).collect()
}

pub(crate) fn profile() -> Vec<Vec<u8>> {
    let plain = |name: String| name.strip_prefix("csv/").map(str::to_owned).unwrap_or(name);
    let text = |name: String| parse::csv::built_in_text(&plain(name)).map(|text| text.as_bytes().to_vec());
    parse::csv::names().into_iter().filter_map(text).collect()
}

pub(crate) fn protobuf() -> Vec<Vec<u8>> {
    let register =
        Stream { register: "1-0:1.8.0", kind: Some(Kind::Register), unit: "kWh", scale: 3, ..Stream::default() };
    let interval = Stream {
        register: "E1",
        kind: Some(Kind::Interval),
        unit: "kWh",
        span: Span::from_minutes(30),
        ..Stream::default()
    };
    let measurements = [
        Measurement { value: Some(Value::Digits(19_150)), ..Measurement::default() },
        Measurement {
            stream: 1,
            at: Span::from_minutes(-60),
            value: Some(Value::Number(0.1)),
            ..Measurement::default()
        },
        Measurement { stream: 1, at: Span::from_minutes(-30), quality: Some("estimated"), ..Measurement::default() },
        Measurement { stream: 2, value: Some(Value::Digits(-1)), reason: Some("77"), ..Measurement::default() },
    ];
    let own = [register, interval];
    let container = Container {
        point: "home-1",
        device: "D-7",
        message_id: "m-1",
        created_at: Some(ARRIVAL),
        measurements: &measurements,
        ..Container::default()
    };
    let mut writer = Writer::new();
    writer.container(&Container { streams: &own, ..container });
    let alone = writer.body().to_vec();
    writer.clear();
    own.iter().for_each(|stream| writer.stream(stream));
    writer.container(&container);
    writer.container(&Container { base_time: Some(ARRIVAL), created_at: None, streams: &own[1..], ..container });
    vec![alone, writer.into_body()]
}

/// A body of each format.
pub(crate) fn detect() -> Vec<Vec<u8>> {
    [nem(), line(), json(), ndjson(), built_in(), protobuf()].concat()
}

pub(crate) fn door() -> Vec<Vec<u8>> {
    // The files have the line ends that people edit, a connection those of HTTP.
    DOOR.iter().map(|text| lines_of_http(text).into_bytes()).collect()
}

pub(crate) fn sql() -> Vec<Vec<u8>> {
    QUESTIONS.lines().map(|line| line.as_bytes().to_vec()).collect()
}

/// The beginnings of files below these folders of `data`, in the order of their names.
pub(crate) fn files(data: &Path, folders: &[&str]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for folder in folders {
        let Ok(entries) = std::fs::read_dir(data.join(folder)) else { continue };
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        let whole = paths.iter().filter(|path| path.is_file() && !path.to_string_lossy().contains(".expected."));
        all.extend(whole.take(FILES_MAX).filter_map(|path| std::fs::read(path).ok()));
    }
    all.iter_mut().for_each(|file| file.truncate(FILE_BYTES_MAX));
    all
}

fn texts(of: &[&str]) -> Vec<Vec<u8>> {
    of.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Line ends of heads are CR LF; those of bodies stay, so that their declared length holds.
fn lines_of_http(text: &str) -> String {
    let (mut all, mut in_head) = (String::new(), true);
    for line in text.split_inclusive('\n') {
        let is_start =
            ["POST ", "PATCH ", "HEAD ", "GET ", "DELETE ", "OPTIONS "].iter().any(|verb| line.starts_with(verb));
        in_head |= is_start;
        let chunked = all.contains("chunked");
        all.push_str(&if in_head || chunked { line.replace('\n', "\r\n") } else { line.to_owned() });
        in_head &= line != "\n";
    }
    all
}
