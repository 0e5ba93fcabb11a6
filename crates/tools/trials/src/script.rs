//! What the simulated senders send: small bodies that meet every case.
//!
//! Promise: the same script every time, with message ids that say which body a
//! record came from. Among the bodies are new rows, the same again, corrections
//! newer and older than what stands, versions issued again, refused lines, a
//! file seen before, one too large for a record, and one of several chunks.

use std::fmt::Write as _;

use bytes::Bytes;
use journal::{Body, Content, Door};
use meter::{Commodity, Flow, Kind, Span, TenantId, Timestamp};
use parse::protobuf::{Container, Measurement, Stream, Value, Writer};

/// 2026-05-30T21:00:00Z: six half-hours before a month ends.
const BEGIN: Timestamp = Timestamp(1_780_174_800_000_000);
/// 2026-06-10T00:00:00Z: when all of it arrives.
pub const ARRIVAL: Timestamp = Timestamp(1_781_049_600_000_000);
const HALF_HOUR: Span = Span::from_minutes(30);
const HOUR: i64 = 3_600_000_000;
/// A chunk ends before it touches more months than this; so many make two.
const MONTHS: i64 = 66;
/// The 200 record of every NEM12 file.
const STREAM: &str = "200,NMI0000001,E1,1,E1,N1,SER1,kWh,30,";
/// Commits between two checkpoints, and some more.
const FILES_TO_CHECKPOINT: u32 = 55;

/// One body, as the sender has it.
#[derive(Clone, Debug)]
pub struct Sent {
    pub tenant: TenantId,
    pub door: Door,
    pub format: &'static str,
    pub object: &'static str,
    pub bytes: Bytes,
    /// Goes into the archive, and only its reference into the journal.
    pub archived: bool,
}

/// What happens between two starts of the house.
#[derive(Clone, Debug)]
pub struct Step {
    pub name: &'static str,
    pub bodies: Vec<Sent>,
    /// Bodies come in while others are applied; otherwise one after the other.
    pub crowded: bool,
}

impl Sent {
    /// Which body of the script it is, as it stands in `sources`.
    pub fn message_id(number: usize) -> String {
        format!("body-{number}")
    }

    /// The other way round.
    pub fn number_of(message_id: &str) -> Option<usize> {
        message_id.strip_prefix("body-")?.parse().ok()
    }

    /// As the journal takes it, around this content.
    pub fn body(&self, number: usize, content: Content) -> Body {
        Body {
            tenant: self.tenant,
            door: self.door,
            format: self.format.into(),
            object: self.object.into(),
            message_id: Sent::message_id(number),
            content,
        }
    }
}

/// The whole script.
pub fn steps() -> Vec<Step> {
    let lock_step = |name, bodies| Step { name, bodies, crowded: false };
    vec![
        lock_step("first", first()),
        lock_step("corrected", corrected()),
        lock_step("late", late()),
        Step { name: "crowded", bodies: timeless(), crowded: true },
        lock_step("months", months()),
        lock_step("issued again", issued_again()),
    ]
}

/// The bodies of all steps, in order: the number of a body is its place here.
pub fn bodies(steps: &[Step]) -> Vec<Sent> {
    steps.iter().flat_map(|step| step.bodies.clone()).collect()
}

fn first() -> Vec<Sent> {
    let first = Made { created: 1, ..Made::of("P1") };
    let home = request(&[first.says(&[(0, 10), (1, 11), (2, 12), (3, 13), (4, 14), (5, 15), (6, 16), (7, 17)])]);
    let other = Sent { tenant: TenantId(2), ..home.clone() };
    vec![home.clone(), nem12_file("first.csv", 2, "20260601120000"), home, other]
}

fn corrected() -> Vec<Sent> {
    let newer = Made { created: 5, ..Made::of("P1") };
    let older = Made { created: 0, ..Made::of("P1") };
    let again = Made { created: 7, changed: Some(1), ..Made::of("P1") };
    vec![
        request(&[newer.says(&[(2, 112), (3, 113), (8, 18), (9, 19)])]),
        request(&[older.says(&[(2, 212), (5, 215)]), older.says(&[(10, 20)])]),
        request(&[again.says(&[(0, 10), (1, 11)])]),
        request(&[newer.says(&[(2, 112), (11, i64::MIN)])]),
    ]
}

fn late() -> Vec<Sent> {
    let backfill = Made { created: 1, begin: Timestamp(BEGIN.0 - 40 * 24 * HOUR), ..Made::of("P2") };
    let newest = Made { created: 9, ..Made::of("P1") };
    let garbage = Sent { bytes: Bytes::from_static(b"<readings/>"), ..plain(Vec::new()) };
    let seen_before = nem12_file("first.csv", 2, "20260601120000");
    vec![
        request(&[backfill.says(&[(0, 1), (1, 2), (2, 3)]), newest.says(&[(2, 312)])]),
        nem12_file("second.csv", 2, "20260602120000"),
        Sent { object: "again.csv", ..seen_before },
        garbage,
        Sent { archived: true, ..nem12_file("large.csv", 3, "20260603120000") },
    ]
}

/// A sender without any clock, who repeats itself, between others.
fn timeless() -> Vec<Sent> {
    let timeless = Made { timeless: true, ..Made::of("P3") };
    let other = Made { created: 10, ..Made::of("P1") };
    vec![
        request(&[timeless.says(&[(0, 1), (1, 2), (2, 3), (3, 4)])]),
        request(&[other.says(&[(2, 412), (12, 22)])]),
        request(&[timeless.says(&[(0, 1), (1, 3), (4, 5)])]),
        request(&[timeless.says(&[(1, 2)])]),
    ]
}

/// One message time, three issues: what was said first is said last, and stands
/// (reading 6); or it is said once more before what stands was issued (reading 7).
fn issued_again() -> Vec<Sent> {
    let issue = |created| Made { created, changed: Some(1), ..Made::of("P1") };
    vec![
        request(&[issue(5).says(&[(6, 66), (7, 77)])]),
        request(&[issue(6).says(&[(6, 16)])]),
        request(&[issue(3).says(&[(7, 17)])]),
    ]
}

/// A read a month, more months than a chunk may touch; then some corrected.
fn months() -> Vec<Sent> {
    let reads = |created: i64, count: i64, value: i64| {
        let month = 31 * 24 * HOUR;
        let made = Made { created, begin: Timestamp(BEGIN.0 - MONTHS * month), ..Made::of("P4") };
        let said: Vec<(i64, i64)> = (0..count).map(|number| (number * month / HALF_HOUR.0, value + number)).collect();
        request(&[made.says(&said)])
    };
    vec![reads(1, MONTHS, 1_000), reads(2, 2, 2_000)]
}

/// A container in the making.
#[derive(Clone, Copy)]
struct Made {
    point: &'static str,
    begin: Timestamp,
    /// Hours after the last reading.
    created: i64,
    changed: Option<i64>,
    timeless: bool,
}

struct Said {
    made: Made,
    measurements: Vec<(i64, i64)>,
}

impl Made {
    fn of(point: &'static str) -> Made {
        Made { point, begin: BEGIN, created: 0, changed: None, timeless: false }
    }

    fn says(self, measurements: &[(i64, i64)]) -> Said {
        Said { made: self, measurements: measurements.to_vec() }
    }
}

/// `i64::MIN` stands for a measurement nobody can store.
fn request(said: &[Said]) -> Sent {
    let hour = |hours: i64| Timestamp(BEGIN.0 + (24 + hours) * HOUR);
    let mut writer = Writer::new();
    writer.stream(&Stream {
        register: "E1",
        kind: Some(Kind::Interval),
        commodity: Commodity::Electricity,
        flow: Flow::Delivered,
        unit: "kWh",
        scale: 2,
        span: HALF_HOUR,
        ..Stream::default()
    });
    for Said { made, measurements } in said {
        let measured = |(slot, value): &(i64, i64)| Measurement {
            at: Span(slot * HALF_HOUR.0),
            value: Some(if *value == i64::MIN { Value::Number(f64::NAN) } else { Value::Digits(*value) }),
            changed_at: made.changed.map(hour),
            ..Measurement::default()
        };
        let measurements: Vec<Measurement<'_>> = measurements.iter().map(measured).collect();
        writer.container(&Container {
            point: made.point,
            device: "M1",
            // One name for all: only the same bytes are the same message.
            message_id: "M",
            created_at: (!made.timeless).then(|| hour(made.created)),
            base_time: Some(made.begin),
            measurements: &measurements,
            ..Container::default()
        });
    }
    plain(writer.into_body())
}

fn plain(bytes: Vec<u8>) -> Sent {
    let tenant = TenantId(1);
    Sent { tenant, door: Door::Http, format: "protobuf", object: "", bytes: bytes.into(), archived: false }
}

/// `days` days of one meter, last changed at `updated`; the second day has
/// quality records, an event and a line that is refused.
fn nem12_file(object: &'static str, days: u32, updated: &str) -> Sent {
    let mut file = format!("100,NEM12,202606031200,TRIALS,TRIALS\n{STREAM}\n");
    for day in 0..days {
        let values: Vec<String> = (0..48).map(|slot| format!("{day}.{slot:02}")).collect();
        let method = if day == 1 { "V" } else { "A" };
        let line = format!("300,{},{},{method},,,{updated},", 20_260_601 + day, values.join(","));
        writeln!(file, "{line}").expect("a string takes it");
        if day == 1 {
            file.push_str(
                "400,1,20,A,,\n400,21,48,S14,51,\n500,O,S01,20260602120000,1234.5\n300,20260609,1,2,3,A,,,,\n",
            );
        }
    }
    file.push_str("900\n");
    Sent { door: Door::File, format: "", object, ..plain(file.into_bytes()) }
}

/// Files for the real binary: new days, days corrected, a file seen before, one
/// with refusals, one of at least this size, and so many that a log gets a
/// checkpoint.
pub fn files(large_bytes: usize) -> Vec<(&'static str, Vec<u8>)> {
    let file = |name, days, updated: &str| (name, nem12_file(name, days, updated).bytes.to_vec());
    let mut files = vec![
        file("first.csv", 2, "20260601120000"),
        file("second.csv", 3, "20260602120000"),
        file("again.csv", 2, "20260601120000"),
    ];
    files.extend((0..FILES_TO_CHECKPOINT).map(|minute| file("next.csv", 1, &format!("2026060212{minute:02}00"))));
    let (name, mut large) = file("large.csv", 1, "20260603120000");
    // Blank rows are read over.
    large.resize(large_bytes, b'\n');
    files.push((name, large));
    let mut last = format!("100,NEM12,202606041200,TRIALS,TRIALS\n{STREAM}\n300,20260601");
    last.push_str(&",7.5".repeat(48));
    last.push_str(",A,,,20260604120000,\n900\n");
    // One correction stays in the overlay: it takes more than a day to be folded.
    files.push(("last.csv", last.into_bytes()));
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use meter::{Event, Reading, Refusal, Sink};

    #[derive(Default)]
    struct Counted {
        readings: usize,
        refused: Vec<String>,
        events: usize,
    }

    impl Sink for Counted {
        fn reading(&mut self, _: Reading<'_>) {
            self.readings += 1;
        }
        fn event(&mut self, _: Event<'_>) {
            self.events += 1;
        }
        fn refused(&mut self, refusal: Refusal<'_>) {
            self.refused.push(refusal.reason.to_owned());
        }
    }

    #[test]
    fn the_script_is_read_as_it_was_meant() {
        let mut counted = Counted::default();
        for sent in bodies(&steps()) {
            let format = parse::Format::detect(&sent.bytes);
            let Ok(format) = format else { continue };
            let limits = parse::Limits::received_at(ARRIVAL);
            parse::read(format, &sent.bytes[..], limits, &mut counted).expect("readable");
        }
        println!("{} readings, {} events, refused {:#?}", counted.readings, counted.events, counted.refused);
        assert_eq!(counted.refused.len(), 5, "a day short of values in four files, and what is not a number");
        assert!(counted.readings > 500 && counted.events >= 4);
    }
}
