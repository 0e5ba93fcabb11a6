//! Files made by chance: what is written is read, what is damaged is refused
//! and nothing else, and no bytes make the parser panic.

use std::fmt::Write;

use jiff::civil::date;
use meter::{Decimal, Event, Quality, Reading, Refusal, Sink, Span, Timestamp};
use parse::{Format, Limits, export};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::kept::{Kept, Said, read_in_pieces, read_nem};

/// Suffix and unit.
const STREAMS: [(&str, &str); 5] = [("E1", "kWh"), ("B1", "WH"), ("Q1", "kvarh"), ("V1", ""), ("N1", "MWh")];
/// Quality method and reason code.
const QUALITIES: [(&str, &str); 6] = [("A", ""), ("A", "79"), ("S14", "76"), ("F57", "1"), ("E52", ""), ("N", "78")];

fn rank(method: &str) -> Quality {
    match &method[..1] {
        "A" => Quality::Measured,
        "F" => Quality::Final,
        "N" => Quality::Missing,
        _ => Quality::Estimated,
    }
}

#[derive(Clone, Debug)]
struct Stream {
    register: (&'static str, &'static str),
    minutes: i64,
    days: Vec<Day>,
}

#[derive(Clone, Debug)]
struct Day {
    after_days: i64,
    /// One for each five minutes; a longer interval takes the first.
    values: Vec<(i64, u8)>,
    /// Where qualities change, and to what.
    changes: Vec<(Index, (&'static str, &'static str))>,
    first: (&'static str, &'static str),
    updated: Option<i64>,
    written_whole: bool,
}

fn day() -> impl Strategy<Value = Day> {
    let number = (-1_000_000_000_000_i64..1_000_000_000_000, 0_u8..=9);
    (
        0_i64..30_000,
        vec(number, 288),
        vec((any::<Index>(), select(&QUALITIES[..])), 0..4),
        select(&QUALITIES[..]),
        proptest::option::of(0_i64..1_000_000),
        any::<bool>(),
    )
        .prop_map(|(after_days, values, changes, first, updated, written_whole)| Day {
            after_days,
            values,
            changes,
            first,
            updated,
            written_whole,
        })
}

fn streams() -> impl Strategy<Value = Vec<Stream>> {
    let stream = (select(&STREAMS[..]), select(&[5_i64, 10, 15, 30][..]), vec(day(), 0..4))
        .prop_map(|(register, minutes, days)| Stream { register, minutes, days });
    vec(stream, 0..4)
}

/// Writes the streams as NEM12 and says what must be read of them.
fn write_file(streams: &[Stream]) -> (String, Vec<Said>) {
    let mut file = String::from("100,NEM12,202403021200,MDP,RET\n");
    let mut said = Vec::new();
    for (number, stream) in streams.iter().enumerate() {
        let (register, unit) = stream.register;
        writeln!(file, "200,NMI{number},X,1,{register},N1,M{number},{unit},{},", stream.minutes).expect("a string");
        for day in &stream.days {
            write_day(number, stream, day, &mut file, &mut said);
        }
    }
    file.push_str("900\n");
    (file, said)
}

fn write_day(number: usize, stream: &Stream, day: &Day, file: &mut String, said: &mut Vec<Said>) {
    let count = usize::try_from(1440 / stream.minutes).expect("positive");
    let mut runs = vec![(0, day.first)];
    runs.extend(day.changes.iter().map(|(at, quality)| (at.index(count), *quality)));
    runs.sort_by_key(|(at, _)| *at);
    runs.dedup_by_key(|(at, _)| *at);
    let whole = runs.len() == 1 && day.written_whole;

    let civil = date(2005, 1, 1).checked_add(jiff::Span::new().days(day.after_days)).expect("before 2098");
    let midnight = Timestamp::from_date(civil, 10).expect("in range");
    write!(file, "300,{}", civil.strftime("%Y%m%d")).expect("a string");
    let updated = day.updated.map(|s| civil.at(1, 2, 3, 0).checked_add(jiff::Span::new().seconds(s)).expect("near"));
    let header_time = Timestamp::parse("2024-03-02T12:00:00+10:00").expect("valid");
    let message_time = updated.map_or(header_time, |at| Timestamp::from_civil(at, 10).expect("in range"));
    for index in 0..count {
        let (value, scale) = day.values[index];
        let value = Decimal::new(value, scale);
        write!(file, ",{value}").expect("a string");
        let (_, (quality, reason)) = runs[runs.partition_point(|(at, _)| *at <= index) - 1];
        let start = midnight.plus(Span::from_minutes(stream.minutes * index as i64));
        said.push(Said {
            point: format!("NMI{number}"),
            device: format!("M{number}"),
            register: stream.register.0.into(),
            start,
            end: start.plus(Span::from_minutes(stream.minutes)),
            value,
            unit: stream.register.1.into(),
            quality: quality.into(),
            canonical: rank(quality),
            reason: reason.into(),
            message_time: Some(message_time),
        });
    }
    let (quality, reason) = if whole { day.first } else { ("V", "") };
    let updated = updated.map(|at| at.strftime("%Y%m%d%H%M%S").to_string()).unwrap_or_default();
    writeln!(file, ",{quality},{reason},,{updated},").expect("a string");
    for (at, (first, (quality, reason))) in runs.iter().enumerate().filter(|_| !whole) {
        let last = runs.get(at + 1).map_or(count, |(next, _)| *next);
        writeln!(file, "400,{},{last},{quality},{reason},", first + 1).expect("a string");
    }
}

/// Three points with every record of NEM12, for damaging.
fn example() -> String {
    let values = |value: &str| vec![value; 48].join(",");
    let mut file = String::from("100,NEM12,202403021200,MDP,RET\n");
    for (point, register) in [("NMIA", "E1"), ("NEMB", "B1"), ("61030", "Q1")] {
        let ends = [",20240302101112,20240303101112", ",20240302101112,", ",,"];
        writeln!(file, "200,{point},E1B1Q1,1,{register},,M1,,30,20240401").expect("a string");
        writeln!(file, "300,20240301,{},A,,{}", values("1.25"), ends[0]).expect("a string");
        writeln!(file, "300,20240302,{},V,,{}", values("2"), ends[1]).expect("a string");
        writeln!(file, "400,1,20,A,,\n400,21,48,S14,76,Comms").expect("a string");
        writeln!(file, "500,O,S1,20240302053000,1123.5").expect("a string");
        writeln!(file, "300,20240303,{},A,,{}", values("3"), ends[2]).expect("a string");
    }
    file.push_str("900\n");
    file
}

/// Writes what it hears as the export does.
struct Exported(Vec<u8>);

impl Sink for Exported {
    fn reading(&mut self, reading: Reading<'_>) {
        export::Line::from(reading).write(&mut self.0).expect("memory never fails");
    }

    fn event(&mut self, _: Event<'_>) {}

    fn refused(&mut self, refusal: Refusal<'_>) {
        panic!("{}", refusal.reason);
    }
}

fn of_point<'a>(kept: &'a Kept, point: &'a str) -> Vec<&'a Said> {
    kept.readings.iter().filter(|said| said.point == point).collect()
}

/// The point of the record around a byte, and whether that is a 200 record.
fn record_at(file: &str, at: usize) -> (&str, bool) {
    let line = file[..at].rfind('\n').map_or(0, |end| end + 1);
    let is_details = file[line..].starts_with("200");
    let details = if is_details { line } else { file[..line].rfind("\n200").expect("a 200 record before") + 1 };
    (file[details..].split(',').nth(1).expect("a point"), is_details)
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    Replace(u8),
    Insert(u8),
    Delete,
}

fn damage() -> impl Strategy<Value = Damage> {
    let byte = prop_oneof![any::<u8>(), select(&b"0123456789,.\n\r\" AVSN"[..])];
    prop_oneof![byte.clone().prop_map(Damage::Replace), byte.prop_map(Damage::Insert), Just(Damage::Delete)]
}

/// Bytes of records, so that chance gets past the first field.
fn records() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "100,NEM12,202403021200,,\n",
        "100,NEM13,",
        "200,N,E1,,E1,,,kWh,30,\n",
        "300,20240301,",
        "400,1,48,A,,\n",
        "400,",
        "500,O,,20240301101112,7\n",
        "550,N,,A,\n",
        "900\n",
        "250,N,11,1,11,11,M,E,1,20240101101112,A,,,",
        "2,20240301101112,A,,,1,kWh,,,\n",
        "1,",
        "0.5,",
        "V,",
        "A,",
        ",",
        "\n",
        "\r",
        "\"",
        "\u{feff}",
        "-9e3,",
        "NaN,",
    ];
    let day = format!("300,20240302,{}V,,,,\n", "1,".repeat(48));
    let piece = prop_oneof![
        8 => select(pieces.to_vec()).prop_map(|piece| piece.as_bytes().to_vec()),
        2 => Just(day.into_bytes()),
        1 => vec(any::<u8>(), 0..8),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_is_written_is_read(streams in streams(), bytes_a_piece in 1_usize..5_000) {
        let (file, said) = write_file(&streams);
        let kept = read_in_pieces(file.as_bytes(), bytes_a_piece);
        prop_assert_eq!(&kept.refusals[..], &[]);
        prop_assert!(kept.readings == said, "read otherwise than written:\n{}", file);
    }

    #[test]
    fn an_export_reads_back_whole(streams in streams()) {
        let (file, mut said) = write_file(&streams);
        let mut exported = Exported(Vec::new());
        export::write_header(&mut exported.0).expect("memory never fails");
        parse::nem::nem(file.as_bytes(), Limits::default(), &mut exported).expect("memory never fails");
        let format = Format::from_name("csv/generic-long").expect("a profile");
        let mut kept = Kept::default();
        parse::read(format, &exported.0[..], Limits::default(), &mut kept).expect("memory never fails");
        prop_assert_eq!(&kept.refusals[..], &[]);
        said.iter_mut().for_each(|said| said.message_time = None);
        prop_assert!(kept.readings == said, "read otherwise than exported:\n{}", String::from_utf8_lossy(&exported.0));
    }

    /// Neither lost nor given to another point: the promise of the parser.
    #[test]
    fn one_damaged_byte_costs_no_other_point(at: Index, damage in damage()) {
        let file = example();
        let whole = read_nem(file.as_bytes());
        let body = file.find('\n').expect("a header") + 1..file.len() - "900\n".len() - 1;
        let at = body.start + at.index(body.len());
        let (own, is_details) = record_at(&file, at);
        // A line end belongs to the record behind it too.
        let (behind, _) = record_at(&file, at + usize::from(file.as_bytes()[at] == b'\n'));

        let mut damaged = file.clone().into_bytes();
        match damage {
            Damage::Replace(byte) => damaged[at] = byte,
            Damage::Insert(byte) => damaged.insert(at, byte),
            Damage::Delete => { damaged.remove(at); }
        }
        let kept = read_nem(&damaged[..]);
        for point in ["NMIA", "NEMB", "61030"] {
            let (left, said) = (of_point(&kept, point), of_point(&whole, point));
            if point == own || point == behind {
                // What is left of it was said of it, but for the damaged record;
                // a damaged 200 changes what is said of all its days.
                let foreign = left.iter().filter(|reading| !said.contains(reading)).count();
                prop_assert!(foreign <= 48 || is_details, "{} readings of {} were never said", foreign, point);
                prop_assert!(left.len() <= said.len(), "{} readings of {} instead of {}", left.len(), point, said.len());
            } else {
                prop_assert!(left == said, "{} of {} readings of {}", left.len(), said.len(), point);
            }
        }
    }

    #[test]
    fn no_records_make_the_parser_panic_however_they_come(file in records(), bytes_a_piece in 1_usize..100) {
        prop_assert_eq!(read_in_pieces(&file, bytes_a_piece), read_nem(&file[..]));
    }

    #[test]
    fn no_bytes_make_the_parser_panic(file in vec(any::<u8>(), 0..400)) {
        read_nem(&file[..]);
    }
}
