//! The market's own example files through the whole binary, each in a data
//! directory of its own: what is exported is what an independent parser read.
//!
//! The files and `compare.py`, which tells values that differ, stand beside the
//! repository; without them these tests say so and pass.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::street::{House, path, shared, text};

const COMPARE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/accept/compare.py");

fn beside(file: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", file.display()))
}

/// `found` is an export; the values stand beside the file.
fn compared(kind: &str, house: &House, found: &str, file: &Path) {
    let found = house.file("found.csv", found);
    let expected = beside(file, ".expected.csv");
    let output = Command::new("python3").args([COMPARE, kind, path(&found), path(&expected)]).output();
    let output = output.expect("python3 is installed");
    assert!(output.status.success(), "{}: {}{}", file.display(), text(&output.stdout), text(&output.stderr));
}

fn check(kind: &str) {
    let Some(files) = shared(kind) else { return };
    if !Path::new(COMPARE).is_file() {
        println!("left out: {COMPARE} is not present");
        return;
    }
    for file in &files {
        let house = House::new();
        let counts = house.import(file);
        assert_eq!(counts[3], 0, "{} refuses {} records", file.display(), counts[3]);
        let exported = house.says(&["export", "readings", "--format", "csv"]);
        compared(kind, &house, &exported, file);
        let parsed = house.says(&["parse", path(file)]);
        // The same text need not be compared twice.
        if parsed != exported {
            compared(kind, &house, &parsed, file);
        }
    }
    println!("{kind}: {} files agree, imported and parsed", files.len());
}

#[test]
fn every_nem12_file_exports_what_another_parser_read() {
    check("nem12");
}

#[test]
fn every_nem13_file_exports_what_another_parser_read() {
    check("nem13");
}

/// What the reference (docs/reference/errors.md) says of a file the other parser
/// could not read, or read only by guessing.
fn refusals_due(file: &Path) -> &'static [&'static str] {
    if beside(file, ".expected.json").exists() {
        // Each begins with a blank line.
        return &["line 2 nem12.no_header"];
    }
    match file.file_name().and_then(|name| name.to_str()) {
        Some("Example_NEM12_15min_200_30min_400.csv") => {
            &["line 3 nem12.coverage", "line 4 nem12.orphan", "line 5 nem12.orphan"]
        }
        Some("Example_NEM12_30min_200_15min_300.csv") => {
            &["line 3 nem12.interval_count", "line 4 nem12.orphan", "line 5 nem12.orphan"]
        }
        Some("Example_NEM12_empty.csv") => &[],
        _ => panic!("{} is new; say here what is due", file.display()),
    }
}

/// `line 3 nem12.coverage` of `line 3: quality V, but … (nem12.coverage)`.
fn place_and_code(line: &str) -> String {
    let (place, rest) = line.split_once(": ").expect("a place");
    let (reason, code) = rest.rsplit_once(" (").expect("a code behind its reason");
    assert!(reason.len() > 10, "{line}");
    format!("{place} {}", code.trim_end_matches(')'))
}

#[test]
fn no_invalid_file_commits_a_reading_and_each_refusal_says_line_and_reason() {
    let Some(files) = shared("nem12/invalid") else { return };
    for file in &files {
        let house = House::new();
        let counts = house.import(file);
        // The excerpt of each stands below it, further in.
        let shown = house.says(&["refused", "show", "1"]);
        let found: Vec<String> = shown.lines().filter(|line| !line.starts_with(' ')).map(place_and_code).collect();
        assert_eq!(found, refusals_due(file), "{}", file.display());
        assert_eq!(counts, [0, 0, 0, found.len() as i64], "{}", file.display());
    }
}
