//! CSV files of the field, against counts and sums that a plain script took
//! from them with decimals of any length.
//!
//! The data stands beside the repository, not in it; without it these tests
//! say so and pass.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use meter::{Decimal, Event, Place, Reading, Refusal, Sink, Span, Timestamp};
use parse::{Format, Limits};

/// 10^-18 in the sums.
const ONE: i128 = 1_000_000_000_000_000_000;

/// What is compared of a file: too many readings to keep them all.
#[derive(Default)]
struct Summed {
    readings: u64,
    /// By register, in 10^-18.
    sums: BTreeMap<String, i128>,
    /// Minutes since 1970 times value, so that a value in another place shows.
    weighted: i128,
    /// Streams by number, so that a key is small.
    streams: BTreeMap<String, usize>,
    keys: BTreeSet<(usize, i64)>,
    values: Vec<(Timestamp, Span, Decimal)>,
    missing: u64,
    refusals: Vec<(Place, String)>,
}

impl Sink for Summed {
    fn reading(&mut self, r: Reading<'_>) {
        self.readings += 1;
        let value = r.value.at_scale_18();
        *self.sums.entry(r.register.into()).or_default() += value;
        self.weighted += value * i128::from(r.start.0 / 60_000_000);
        let count = self.streams.len();
        let stream = *self.streams.entry(format!("{} {} {}", r.point, r.device, r.register)).or_insert(count);
        self.keys.insert((stream, r.start.0));
        if self.streams.len() == 1 {
            self.values.push((r.start, r.span, r.value));
        }
    }

    fn event(&mut self, e: Event<'_>) {
        assert_eq!(e.kind, "csv.missing");
        self.missing += 1;
    }

    fn refused(&mut self, r: Refusal<'_>) {
        self.refusals.push((r.place, r.code.into()));
    }
}

fn path(file: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data/interval").join(file);
    if !path.exists() {
        println!("skipped: no example data at {}", path.display());
        return None;
    }
    Some(path)
}

fn open(path: &Path) -> Box<dyn Read> {
    let file = File::open(path).expect("a readable file");
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(file)),
        _ => Box::new(zstd::Decoder::new(file).expect("a zstd file")),
    }
}

/// `None` where the data is not there. Its format is told from its beginning
/// where `format` is empty.
fn read(file: &str, format: &str, expected: &str) -> Option<Summed> {
    let path = path(file)?;
    let mut input = BufReader::with_capacity(1 << 16, open(&path));
    let format = match format {
        "" => Format::detect(input.fill_buf().expect("readable")).expect("a known header"),
        name => Format::from_name(name).expect("a known name"),
    };
    assert_eq!(format.name(), expected);
    let mut summed = Summed::default();
    parse::read_file(format, file, input, Limits::default(), &mut summed).expect("a readable file");
    Some(summed)
}

fn sum(text: &str) -> i128 {
    Decimal::parse(text).expect("a number").at_scale_18()
}

#[test]
fn every_half_hour_of_the_irish_file_is_one_reading() {
    let Some(summed) = read("esb_hdf/HDF_EXAMPLE.csv.gz", "", "csv/esb-hdf") else { return };
    assert_eq!(summed.refusals, []);
    assert_eq!((summed.readings, summed.keys.len(), summed.missing), (55_691, 55_691, 0));
    assert_eq!(summed.sums["Active Import Interval (kWh)"], sum("7174.0005"));
    assert_eq!(summed.sums["Active Export Interval (kWh)"], sum("4711.5600"));
    assert_eq!(summed.weighted, 3_372_269_939_125_200 * ONE / 10_000);
}

#[test]
fn every_quarter_hour_of_simbench_is_one_reading() {
    let Some(summed) = read("simbench/LoadProfile.csv.zst", "", "csv/simbench") else { return };
    assert_eq!(summed.refusals, []);
    assert_eq!((summed.readings, summed.keys.len(), summed.missing), (6_746_112, 6_746_112, 0));
    assert_eq!(summed.streams.len(), 192);
    assert_eq!(summed.sums["pload"], sum("999125.058590015"));
    assert_eq!(summed.sums["qload"], sum("177072.478222645"));
}

#[test]
fn the_hour_that_sydney_skips_is_refused_and_all_else_read() {
    let Some(summed) = read("ausgrid/customer12_2011-2012.csv.gz", "", "csv/ausgrid") else { return };
    let cell = |line| (Place::Line(line), "csv.nonexistent_time".to_owned());
    assert_eq!(summed.refusals, [cell(4470), cell(4470), cell(4471), cell(4471)]);
    assert_eq!((summed.readings, summed.keys.len(), summed.missing), (35_132, 35_132, 0));
    assert_eq!(summed.streams.keys().collect::<Vec<_>>(), ["customer12  GC", "customer12  GG"]);
    // More digits than a number of ours has, and exact.
    assert_eq!(summed.sums["GC"], 11_876 * ONE + 737_999_999_999_994_810);
    assert_eq!(summed.sums["GG"], 2_592 * ONE + 807_999_999_999_993_752);
}

#[test]
fn the_hours_of_opendsm_are_all_there() {
    for (file, format, readings, keys, total) in [
        ("il-electricity-cdd-hdd-hourly", "", 19_417, 19_417, "21927.13"),
        ("il-gas-intercept-only-hourly", "csv/opendsm?unit=therm&commodity=gas", 19_417, 19_417, "2091.64"),
        ("uk-electricity-hdd-only-hourly-sample-0", "", 23_508, 23_508, "3789.626000000000010121"),
        ("uk-electricity-hdd-only-hourly-sample-1", "csv/opendsm?interval=30m", 22_536, 22_521, "5558.4860002"),
        ("uk-gas-hdd-only-hourly-sample-0", "", 23_508, 23_508, "16878.262199999999975876"),
    ] {
        let expected = if format.is_empty() { "csv/opendsm" } else { format };
        let Some(summed) = read(&format!("opendsm/{file}.csv.gz"), format, expected) else { return };
        assert_eq!(summed.refusals, [], "{file}");
        assert_eq!((summed.readings, summed.keys.len(), summed.missing), (readings, keys, 0), "{file}");
        assert_eq!(summed.streams.keys().collect::<Vec<_>>(), [&format!("{file}  ")]);
        let (whole, part) = total.split_once('.').expect("a point");
        let part: i128 = format!("{part:0<18}").parse().expect("digits");
        assert_eq!(summed.sums[""], whole.parse::<i128>().expect("digits") * ONE + part, "{file}");
    }
}

#[test]
fn what_stands_twice_in_a_file_stands_there_alike() {
    let file = "opendsm/uk-electricity-hdd-only-hourly-sample-1.csv.gz";
    let Some(summed) = read(file, "csv/opendsm?interval=30m", "csv/opendsm?interval=30m") else { return };
    let mut first = BTreeMap::new();
    let mut twice = 0;
    for (start, _, value) in summed.values {
        if let Some(earlier) = first.insert(start, value) {
            assert_eq!(earlier, value, "{start}");
            twice += 1;
        }
    }
    assert_eq!(twice, 15);
}

#[test]
fn hours_add_up_to_the_days_of_chicago() {
    let zone = jiff::tz::TimeZoneDatabase::bundled().get("America/Chicago").expect("a zone");
    let day_of =
        |at: Timestamp| jiff::Timestamp::from_microsecond(at.0).expect("in range").to_zoned(zone.clone()).date();
    for meter in ["electricity-cdd-hdd", "gas-intercept-only"] {
        let Some(hours) = read(&format!("opendsm/il-{meter}-hourly.csv.gz"), "", "csv/opendsm") else { return };
        let mut days: BTreeMap<_, (i64, i128)> = BTreeMap::new();
        for (start, _, value) in &hours.values {
            let day = days.entry(day_of(*start)).or_default();
            *day = (day.0 + 1, day.1 + value.at_scale_18());
        }
        let by_day = "csv/opendsm?interval=1d&zone=America/Chicago";
        let Some(daily) = read(&format!("opendsm/il-{meter}-daily.csv.gz"), by_day, by_day) else { return };
        assert_eq!((daily.refusals, daily.readings, daily.missing), (vec![], 809, 1));
        let mut lengths = BTreeMap::new();
        for (start, span, value) in daily.values {
            let (length, hours) = days[&day_of(start)];
            assert_eq!(Span::from_minutes(60 * length), span, "{start}");
            assert!((hours - value.at_scale_18()).abs() <= ONE / 20, "{start}: {value}");
            *lengths.entry(length).or_insert(0) += 1;
        }
        assert_eq!(lengths, BTreeMap::from([(23, 2), (24, 805), (25, 2)]));
    }
}

#[test]
fn what_was_not_meant_for_a_profile_is_refused_as_a_whole() {
    let Some(path) = path("opendsm/il-tempF.csv.gz") else { return };
    let mut text = String::new();
    open(&path).read_to_string(&mut text).expect("text");
    assert!(Format::detect(text.as_bytes()).is_err());
    for name in parse::csv::names() {
        let mut summed = Summed::default();
        let format = Format::from_name(&name).expect("known");
        parse::read(format, text.as_bytes(), Limits::default(), &mut summed).expect("readable");
        assert_eq!((summed.readings, summed.refusals.len()), (0, 1), "{name}");
    }
}
