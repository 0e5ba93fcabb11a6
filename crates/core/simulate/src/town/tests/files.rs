//! A file says what its parcels say, and what goes wrong on the way is all that differs.

use std::collections::BTreeMap;

use meter::{Decimal, Event, Flags, Reading, Refusal, Sink};
use parse::{Format, Limits};

use super::*;

type Key = (String, String, Timestamp, Span);

/// What stands after all files were read, one after the other.
#[derive(Debug, Default, PartialEq)]
struct Shelf(BTreeMap<Key, (Decimal, String)>);

impl Sink for Shelf {
    fn reading(&mut self, reading: Reading<'_>) {
        let key = (reading.point.to_string(), reading.register.to_string(), reading.start, reading.span);
        let now = (reading.value, reading.unit.to_ascii_lowercase());
        let before = self.0.insert(key, now.clone());
        assert!(before.is_none_or(|before| before == now), "a repetition says the same");
    }

    fn event(&mut self, event: Event<'_>) {
        panic!("{event:?}");
    }

    fn refused(&mut self, refusal: Refusal<'_>) {
        panic!("{}: {}", refusal.code, refusal.reason);
    }
}

impl Shelf {
    fn read(&mut self, format: FileFormat, parcels: &[Parcel], made_at: Timestamp) {
        let file = format.file(parcels, made_at);
        let parser = Format::named(format.import_name()).expect("a format of ours");
        parse::read(parser, file.as_slice(), Limits::received_at(made_at), self).expect("readable");
    }

    /// Of half-hours: NEM12 calls them by its own names.
    fn sum(&self, home: u32, medium: Medium, format: FileFormat) -> i64 {
        let register = match (format, medium) {
            (FileFormat::Nem12, Medium::Electricity) => "E1",
            (FileFormat::Nem12, Medium::FeedIn) => "B1",
            _ => STREAMS[medium.half_hours() as usize].register,
        };
        let point = point(home);
        let of = self.0.iter().filter(|(key, _)| key.0 == point && key.1 == register && key.3 == HALF_HOUR);
        of.map(|(_, (value, _))| value.value).sum()
    }
}

fn media(format: FileFormat) -> impl Iterator<Item = Medium> {
    Medium::ALL.into_iter().filter(move |medium| format.holds(medium.half_hours()))
}

fn clean(town: &Town, from: Timestamp, to: Timestamp) -> Vec<Parcel> {
    let homes = (0..town.homes()).map(|home| town.home(home));
    homes.flat_map(|home| Medium::ALL.map(|medium| home.half_hours(medium, from, to))).flatten().collect()
}

/// A period of whole days, as the format counts them.
fn period(format: FileFormat, first: i64, length: i64) -> (Timestamp, Timestamp) {
    let before = format.days_begin_before();
    (Timestamp(days(first).0 - before.0), Timestamp(days(first + length).0 - before.0))
}

#[test]
fn every_format_is_read_back_as_the_truth_where_a_device_is_exchanged_too() {
    let town = Town::new(12, 300);
    let exchanged = town
        .befell(days(10), days(350))
        .into_iter()
        .find(|befallen| befallen.mishap == Mishap::Exchange && befallen.medium == Medium::FeedIn);
    let exchange = exchanged.expect("of 300 homes");
    let first = (exchange.from.0 - NEW_YEAR.0) / DAY - 3;
    let home = town.home(exchange.number);
    for format in FileFormat::ALL {
        let (from, to) = period(format, first, 7);
        let parcels = Medium::ALL.map(|medium| home.half_hours(medium, from, to)).concat();
        let mut shelf = Shelf::default();
        shelf.read(format, &parcels, to);
        for medium in media(format) {
            let metered = home.gauge(medium).map_or(0, |gauge| gauge.metered(from, to));
            assert_eq!(shelf.sum(home.number(), medium, format), metered, "{format:?} {medium:?}");
        }
    }
}

/// Half-hours of electricity that came with each flag.
#[derive(Debug, Default, PartialEq)]
struct Noted(BTreeMap<u16, usize>);

impl Sink for Noted {
    fn reading(&mut self, reading: Reading<'_>) {
        if reading.span == HALF_HOUR {
            *self.0.entry(reading.flags.0).or_default() += 1;
        }
    }

    fn event(&mut self, event: Event<'_>) {
        panic!("{event:?}");
    }

    fn refused(&mut self, refusal: Refusal<'_>) {
        panic!("{}: {}", refusal.code, refusal.reason);
    }
}

#[test]
fn what_a_meter_notes_comes_through_the_formats_that_have_a_place_for_it() {
    let town = Town::new(4, 100);
    let mut outages = town.befell(days(10), days(350)).into_iter().filter(|befallen| befallen.mishap == Mishap::Outage);
    let outage = outages.next_back().expect("of two transformers");
    let first = (outage.from.0 - NEW_YEAR.0) / DAY;
    let home = town.home(town.below(outage.number).start);
    for format in [FileFormat::Json, FileFormat::Protobuf] {
        let (from, to) = period(format, first, 2);
        let parcels = home.half_hours(Medium::Electricity, from, to);
        let (mut said, mut came) = (Noted::default(), Noted::default());
        let half_hours = parcels.iter().flat_map(|parcel| &parcel.values);
        for measured in half_hours.filter(|measured| measured.stream == Medium::Electricity.half_hours()) {
            *said.0.entry(measured.flags.0).or_default() += 1;
        }
        let parser = Format::named(format.import_name()).expect("a format of ours");
        let file = format.file(&parcels, to);
        parse::read(parser, file.as_slice(), Limits::received_at(to), &mut came).expect("readable");
        assert_eq!(came, said, "{format:?}");
        assert!(came.0.contains_key(&Flags::OUTAGE.0), "{came:?}");
    }
}

#[test]
fn counters_come_back_with_the_numbers_on_their_dials() {
    let home = Town::new(12, 12).home(3);
    for format in [FileFormat::Csv, FileFormat::Json, FileFormat::Protobuf, FileFormat::Line] {
        let (from, to) = period(format, 0, 3);
        let mut shelf = Shelf::default();
        shelf.read(format, &home.half_hours(Medium::Water, from, to), to);
        let key = (point(3), "8-0:1.0.0".to_owned(), to, Span::ZERO);
        let digits = home.gauge(Medium::Water).expect("has one").reader().read(to).digits;
        assert_eq!(shelf.0.get(&key), Some(&(Decimal::new(digits, 3), "m3".to_owned())), "{format:?}");
    }
}

#[test]
fn what_is_late_repeated_or_shuffled_changes_nothing_and_what_is_missed_is_known() {
    let town = Town::new(21, 5);
    let mut seen = BTreeMap::new();
    for format in FileFormat::ALL {
        let (from, to) = period(format, 30, 20);
        let faulted = town.deliveries(0..town.homes(), from, to);
        assert!(faulted.all.iter().all(|delivery| delivery.arrives_at > delivery.parcel.made_at));
        let last = faulted.all.last().expect("something came in").arrives_at;
        let mut parcels: Vec<Parcel> = faulted.all.into_iter().map(|delivery| delivery.parcel).collect();
        let mut shelf = Shelf::default();
        // Part after part, as they come in.
        while !parcels.is_empty() {
            let rest = parcels.split_off(parcels.len().min(100));
            shelf.read(format, &parcels, last);
            parcels = rest;
        }
        let mut whole = Shelf::default();
        whole.read(format, &clean(&town, from, to), to);
        let whole_length = whole.0.len();
        for befallen in &faulted.befallen {
            *seen.entry(befallen.mishap.name()).or_insert(0) += 1;
            if befallen.mishap == Mishap::Missed {
                whole.0.retain(|key, _| !is_of(key, befallen, format));
            }
        }
        assert!(whole.0.len() < whole_length || format == FileFormat::Nem12, "{format:?}");
        assert!(shelf == whole, "{format:?}: {} readings instead of {}", shelf.0.len(), whole.0.len());
    }
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), ["late", "missed", "repeated", "shuffled"]);
}

/// Whether a reading is lost with a message: its half-hours, and the counter at their end.
fn is_of(key: &Key, missed: &Befallen, format: FileFormat) -> bool {
    let (point_of, register, start, span) = key;
    let own = [missed.medium.half_hours(), missed.medium.counter()].map(|stream| STREAMS[stream as usize].register);
    let own = match (format, missed.medium) {
        (FileFormat::Nem12, Medium::Electricity) => ["E1", "E1"],
        (FileFormat::Nem12, Medium::FeedIn) => ["B1", "B1"],
        _ => own,
    };
    let within = start.plus(*span) > missed.from && start.plus(*span) <= missed.to;
    *point_of == point(missed.number) && own.contains(&register.as_str()) && within
}

#[test]
fn the_truth_is_written_with_its_windows() {
    let home = Town::new(5, 3).home(1);
    let rows = used_rows(&home, &[days(0), days(1), days(3)]);
    let gauge = home.gauge(Medium::Water).expect("has one");
    let (used, metered) = (gauge.used(days(1), days(3)), gauge.metered(days(1), days(3)));
    let row = format!("home-000001,water,2025-01-02T00:00:00Z,2025-01-04T00:00:00Z,{used},{metered}");
    assert!(rows.lines().any(|line| line == row), "{row} in {rows}");
    let leak = Befallen { mishap: Mishap::Leak, number: 1, medium: Medium::Water, from: days(0), to: days(1), size: 7 };
    let out = Befallen { mishap: Mishap::Outage, medium: Medium::Electricity, ..leak };
    let expected = "leak,home-000001,water,2025-01-01T00:00:00Z,2025-01-02T00:00:00Z,7,ml/h\n\
                    outage,transformer-0001,electricity,2025-01-01T00:00:00Z,2025-01-02T00:00:00Z,7,s\n";
    assert_eq!(befallen_rows(&[leak, out]), expected);
    assert_eq!(BEFALLEN_HEADER.split(',').count(), expected.lines().next().expect("a row").split(',').count());
    assert_eq!(USED_HEADER.split(',').count(), row.split(',').count());
}
