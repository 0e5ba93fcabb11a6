//! The market's own example files, against what an independent parser read
//! from them: value, unit, quality and reason of every interval.
//!
//! The data stands beside the repository, not in it; without it these tests
//! say so and pass.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use meter::{Decimal, Place, Timestamp};

use crate::kept::{Kept, read, read_in_pieces};

/// Point, register, start, end.
type Key = (String, String, Timestamp, Timestamp);
/// Value, unit, quality, reason.
type Content = (Decimal, String, String, String);

/// The data files of a folder; none where the data is not there.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data").join(folder);
    let Ok(entries) = fs::read_dir(&folder) else {
        println!("skipped: no example data at {}", folder.display());
        return Vec::new();
    };
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.retain(|path| path.is_file() && !path.to_string_lossy().contains(".expected."));
    files.sort();
    files
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", file.display()))
}

/// What the other parser read. The same key sent twice: the last one stands.
fn expected(file: &Path) -> BTreeMap<Key, Content> {
    let text = fs::read_to_string(beside(file, ".expected.csv")).expect("every data file has its expected values");
    let mut rows = text.lines();
    assert_eq!(rows.next(), Some("nmi,channel,start,end,value,uom,quality_method,meter_serial,event_code"));
    let market = |time: &str| Timestamp::parse(&format!("{time}+10:00")).expect("a market time");
    rows.map(|row| {
        let fields: Vec<_> = row.split(',').collect();
        let [nmi, channel, start, end, value, unit, quality, _serial, reason] = fields[..] else {
            panic!("nine fields, not {row}");
        };
        let key = (nmi.into(), channel.into(), market(start), market(end));
        let value = Decimal::parse(value).expect("a number");
        (key, (value, unit.into(), quality.into(), reason.into()))
    })
    .collect()
}

/// What we read, of intervals.
fn ours(kept: &Kept, with_reason: bool) -> BTreeMap<Key, Content> {
    let intervals = kept.readings.iter().filter(|said| said.end > said.start).cloned();
    intervals
        .map(|said| {
            let reason = if with_reason { said.reason } else { String::new() };
            ((said.point, said.register, said.start, said.end), (said.value, said.unit, said.quality, reason))
        })
        .collect()
}

fn compare(folder: &str, with_reason: bool) {
    let (mut compared, mut values) = (0, 0);
    for file in files(folder) {
        let kept = read(&fs::read(&file).expect("a readable file"));
        assert_eq!(kept.refusals, [], "{}", file.display());
        let (expected, ours) = (expected(&file), ours(&kept, with_reason));
        let differing: Vec<_> = expected.iter().filter(|(key, content)| ours.get(key) != Some(content)).collect();
        assert!(differing.is_empty(), "{}: {differing:?}", file.display());
        assert_eq!(ours.len(), expected.len(), "{}", file.display());
        compared += 1;
        values += expected.len();
    }
    println!("{folder}: {compared} files, {values} values equal");
}

#[test]
fn every_interval_of_the_nem12_files_is_what_another_parser_read() {
    compare("nem12", true);
}

/// The other parser drops reason codes of NEM13.
#[test]
fn every_consumption_of_the_nem13_files_is_what_another_parser_read() {
    compare("nem13", false);
}

#[test]
fn register_reads_and_consumption_of_the_nem13_files_agree() {
    for file in files("nem13") {
        let kept = read(&fs::read(&file).expect("a readable file"));
        let (reads, intervals): (Vec<_>, Vec<_>) = kept.readings.iter().partition(|said| said.start == said.end);
        assert_eq!(reads.len(), 2 * intervals.len(), "{}", file.display());
    }
}

#[test]
fn no_invalid_file_yields_a_reading_and_each_says_line_and_reason() {
    for file in files("nem12/invalid") {
        let kept = read(&fs::read(&file).expect("a readable file"));
        assert_eq!(kept.readings, [], "{}", file.display());
        let empty = file.ends_with("Example_NEM12_empty.csv");
        assert_eq!(kept.refusals.is_empty(), empty, "{}", file.display());
        for (place, code, reason) in &kept.refusals {
            assert!(matches!(place, Place::Line(1..)) && code.starts_with("nem12.") && !reason.is_empty());
        }
        if beside(&file, ".expected.json").exists() {
            assert_eq!(kept.refusals[0].1, "nem12.no_header", "{}", file.display());
        }
    }
}

#[test]
fn other_line_ends_and_small_pieces_change_nothing() {
    for folder in ["nem12", "nem13"] {
        for file in files(folder) {
            let bytes = fs::read(&file).expect("a readable file");
            let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
            let plain = read(text.as_bytes());
            assert_eq!(plain, read(&bytes), "{}", file.display());
            assert_eq!(plain, read(text.replace('\n', "\r\n").as_bytes()), "{}", file.display());
            assert_eq!(plain, read(text.replace('\n', "\r").as_bytes()), "{}", file.display());
            assert_eq!(plain, read(format!("\u{feff}{text}\r\n\r\n").as_bytes()), "{}", file.display());
            for bytes_a_piece in [1, 3, 64] {
                assert_eq!(plain, read_in_pieces(text.as_bytes(), bytes_a_piece), "{}", file.display());
            }
        }
    }
}
