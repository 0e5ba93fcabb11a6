//! The `.proto` file, read line by line, against what reader and writer use.

use meter::{Commodity, Flags, Flow, Kind, Phase};

use crate::protobuf::json::fields;
use crate::protobuf::schema::{CONTAINER, Layout, MEASUREMENT, REQUEST, STREAM, Shape};

const PROTO: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../schemas/meterhouse/v1/readings.proto"));

/// The lines of one `message` or `enum`, without comments and words that do not
/// change the wire: `(type and name, number)`.
fn lines(opening: &str) -> Vec<(Vec<&'static str>, u32)> {
    let start = PROTO.find(&format!("\n{opening} {{")).unwrap_or_else(|| panic!("no {opening}"));
    let body = PROTO[start..].split("\n}").next().expect("a part");
    let code = body.lines().skip(2).map(|line| line.split("//").next().expect("a part").trim());
    let fields = code.filter_map(|line| line.strip_suffix(';')?.split_once(" = "));
    let words = |text: &'static str| text.split(' ').filter(|word| !["repeated", "optional"].contains(word)).collect();
    fields.map(|(text, number)| (words(text), number.parse().expect("a number"))).collect()
}

fn check_message(layout: &Layout) {
    let theirs = lines(&format!("message {}", layout.name));
    let ours = layout.fields.iter().zip(1_u32..);
    for ((name, shape), number) in ours.clone() {
        let kind = match shape {
            Shape::Message(layout) => vec![layout.name],
            Shape::Text => vec!["string"],
            Shape::Double => vec!["double"],
            Shape::Varint => vec!["int64", "sint64", "uint32", "Identity", "Kind", "Commodity", "Flow", "Phase"],
        };
        let found = theirs.iter().any(|(words, n)| *n == number && words[1] == *name && kind.contains(&words[0]));
        assert!(found, "{} {name} = {number} is not in {theirs:?}", layout.name);
    }
    assert_eq!(theirs.len(), ours.count(), "{}", layout.name);
}

fn check_enum(name: &str, codes: &[(u32, String)]) {
    let prefix = format!("{}_", name.to_uppercase());
    let theirs: Vec<_> = lines(&format!("enum {name}"))
        .into_iter()
        .map(|(words, number)| (number, words[0].strip_prefix(&prefix).expect("the enum's name first").to_string()))
        .collect();
    assert_eq!(theirs, codes, "{name}");
}

#[test]
fn field_names_numbers_and_types_are_those_of_the_schema_file() {
    for layout in [&REQUEST, &CONTAINER, &STREAM, &MEASUREMENT] {
        check_message(layout);
    }
    // What zigzag applies to is not visible in a wire type.
    let zigzag: Vec<_> = PROTO.lines().filter(|line| line.trim_start().starts_with("sint64")).map(str::trim).collect();
    assert_eq!(zigzag, ["sint64 at = 2;", "sint64 digits = 3;"]);
}

#[test]
fn codes_are_those_of_the_schema_file() {
    let upper = |word: &str| if word == "N" { "NEUTRAL".to_string() } else { word.to_uppercase() };
    let words = |word: &dyn Fn(u8) -> Option<&'static str>| -> Vec<(u32, String)> {
        (0..=255_u8).filter_map(|code| Some((u32::from(code), upper(word(code)?)))).collect()
    };
    check_enum("Commodity", &words(&|code| Commodity::from_code(code).map(Commodity::word)));
    check_enum("Flow", &words(&|code| Flow::from_code(code).map(Flow::word)));
    check_enum("Phase", &words(&|code| Phase::from_code(code).map(Phase::word)));
    let mut kinds = vec![(0, "UNSPECIFIED".to_string())];
    kinds.extend(words(&|code| Kind::from_code(code.checked_sub(1)?).map(Kind::word)));
    check_enum("Kind", &kinds);
    let names = |words: &[&str]| (0..).zip(words.iter().map(ToString::to_string)).collect::<Vec<_>>();
    check_enum("Identity", &names(&fields::IDENTITIES));
    check_enum("Kind", &names(&fields::KINDS));
    check_enum("Commodity", &names(&fields::COMMODITIES));
    check_enum("Flow", &names(&fields::FLOWS));
    check_enum("Phase", &names(&fields::PHASES));
    check_enum("Identity", &[(0, "POINT".to_string()), (1, "DEVICE".to_string())]);
}

#[test]
fn flags_are_those_of_the_schema_file() {
    let flags = [
        ("NONE", Flags(0)),
        ("OUTAGE", Flags::OUTAGE),
        ("CLOCK_ADJUSTED", Flags::CLOCK_ADJUSTED),
        ("DST_MARKED", Flags::DST_MARKED),
        ("ROLLOVER", Flags::ROLLOVER),
        ("EXCHANGE", Flags::EXCHANGE),
        ("SCALED", Flags::SCALED),
        ("LATE", Flags::LATE),
        ("TEST_MODE", Flags::TEST_MODE),
    ];
    check_enum("Flag", &flags.map(|(word, flag)| (u32::from(flag.0), word.to_string())));
}
