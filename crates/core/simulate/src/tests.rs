//! The fleet is repeatable, its counters only grow, and its messages say what it used.

use std::collections::{BTreeMap, HashMap};

use meter::{Decimal, Event, Kind, Reading, Refusal, Sink, Span, Timestamp};
use parse::protobuf::{Limits, Writer, read};
use proptest::prelude::*;

use super::*;

/// 2026-03-28T21:00:00Z
const SPRING: Timestamp = Timestamp(1_774_731_600_000_000);
const QUARTER: Span = Span::from_minutes(15);
const DAY: Span = Span::from_minutes(24 * 60);

/// Readings as a parser hands them over: by point, register, start, span.
#[derive(Debug, Default)]
struct Shelf(BTreeMap<(String, String, Timestamp, Span), (Decimal, String)>);

impl Sink for Shelf {
    fn reading(&mut self, reading: Reading<'_>) {
        let key = (reading.point.to_string(), reading.register.to_string(), reading.start, reading.span);
        let before = self.0.insert(key, (reading.value, reading.unit.to_string()));
        assert!(before.is_none(), "one value a key");
    }

    fn event(&mut self, event: Event<'_>) {
        panic!("{event:?}");
    }

    fn refused(&mut self, refusal: Refusal<'_>) {
        panic!("{}: {}", refusal.code, refusal.reason);
    }
}

fn parsed(body: &[u8], received_at: Timestamp) -> Shelf {
    let mut shelf = Shelf::default();
    read(body, Limits::received_at(received_at), &mut shelf).expect("readable");
    shelf
}

fn bodies(fleet: &Fleet, from: Timestamp, to: Timestamp, step: Span) -> Vec<Vec<u8>> {
    fleet.messages(from, to, step).map(|message| message.encode()).collect()
}

#[test]
fn a_seed_gives_the_same_bytes_and_another_gives_others() {
    let day = |seed| bodies(&Fleet::new(seed, 5), SPRING, SPRING.plus(DAY), QUARTER);
    assert_eq!(day(7), day(7));
    assert_ne!(day(7), day(8));
    assert_eq!(day(7).len(), 5 * 96);
}

#[test]
fn a_message_is_the_same_whichever_period_is_asked_for() {
    for fleet in [Fleet::new(3, 6), Fleet::hdm(3, 6)] {
        let all = bodies(&fleet, SPRING, SPRING.plus(DAY), QUARTER);
        let noon = Timestamp(SPRING.0 + DAY.0 / 2);
        assert_eq!(bodies(&fleet, noon, SPRING.plus(DAY), QUARTER), all[48 * 6..]);
        let third: Vec<_> =
            fleet.messages_of(2..3, SPRING, SPRING.plus(DAY), QUARTER).map(|message| message.encode()).collect();
        assert_eq!(third, all.iter().skip(2).step_by(6).cloned().collect::<Vec<_>>());
    }
}

#[test]
fn what_is_sent_is_what_a_parser_reads() {
    for (fleet, streams) in [(Fleet::new(11, 20), Streams::Own), (Fleet::hdm(11, 20), Streams::Shared)] {
        let to = Timestamp(SPRING.0 + 4 * QUARTER.0);
        let mut request = Writer::new();
        let mut sent = 0;
        for (turn, message) in fleet.messages(SPRING, to, QUARTER).enumerate() {
            if turn == 0 && streams == Streams::Shared {
                message.declare(&mut request);
            }
            message.write(&mut request, streams);
            sent += message.samples().len();
        }
        let shelf = parsed(request.body(), to);
        assert_eq!(shelf.0.len(), sent);
        for message in fleet.messages(SPRING, to, QUARTER) {
            for sample in message.samples() {
                let stream = message.streams()[sample.stream as usize];
                let start = message.at().plus(sample.at);
                let key = (message.point(), stream.register.to_string(), start, stream.span);
                let (value, unit) = &shelf.0[&key];
                assert_eq!(
                    (value.value, u32::from(value.scale), unit.as_str()),
                    (sample.digits, stream.scale, stream.unit)
                );
            }
        }
    }
}

#[test]
fn counters_only_rise_and_their_differences_are_the_truth() {
    let fleet = Fleet::new(42, 30);
    let to = Timestamp(SPRING.0 + 3 * DAY.0);
    let registers = [("1-0:1.8.0", Use::Electricity), ("7-0:3.0.0", Use::Gas), ("8-0:1.0.0", Use::Water)];
    let mut last: HashMap<(u32, Use), i64> = HashMap::new();
    let mut risen: HashMap<(u32, Use), i64> = HashMap::new();
    for message in fleet.messages(SPRING, to, QUARTER) {
        for sample in message.samples() {
            let register = message.streams()[sample.stream as usize].register;
            let Some((_, used)) = registers.iter().find(|(name, _)| *name == register) else { continue };
            let Some(before) = last.insert((message.home(), *used), sample.digits) else { continue };
            let truth = fleet.truth(message.home(), *used, Timestamp(message.at().0 - QUARTER.0), message.at());
            assert_eq!(Some(sample.digits - before), truth, "{register} of home {}", message.home());
            assert!(sample.digits >= before);
            *risen.entry((message.home(), *used)).or_default() += sample.digits - before;
        }
    }
    let end = Timestamp(to.0 - QUARTER.0);
    for ((home, used), sum) in risen {
        assert_eq!(fleet.truth(home, used, SPRING, end), Some(sum));
    }
}

#[test]
fn intervals_sum_to_the_difference_of_their_reads() {
    let fleet = Fleet::new(5, 4);
    for message in fleet.messages(SPRING, SPRING.plus(DAY), QUARTER) {
        let interval = message.samples().iter().find(|sample| sample.at < Span::ZERO).expect("one each");
        assert_eq!(message.streams()[interval.stream as usize].kind, Some(Kind::Interval));
        let truth = fleet.truth(message.home(), Use::Electricity, message.at().plus(interval.at), message.at());
        assert_eq!(truth, Some(interval.digits));
    }
}

#[test]
fn homes_use_what_homes_use() {
    let fleet = Fleet::new(1, 200);
    let sum = |used, from: i64, days: i64| -> i64 {
        let from = Timestamp(INSTALLED.0 + from * DAY.0);
        let to = Timestamp(from.0 + days * DAY.0);
        (0..200).filter_map(|home| fleet.truth(home, used, from, to)).sum()
    };
    // A year of 200 homes: 9 kWh a day each, within a fifth.
    let year = sum(Use::Electricity, 366, 365);
    assert!((200 * 365 * 7_500..200 * 365 * 10_500).contains(&year), "{year}");
    assert!(sum(Use::Gas, 366, 30) > 5 * sum(Use::Gas, 366 + 180, 30), "heating is for winter");
    let hours = |from: i64, to: i64| {
        let day = Timestamp(INSTALLED.0 + 400 * DAY.0);
        let hour = |hour: i64| Timestamp(day.0 + hour * 3_600_000_000);
        (0..200).filter_map(|home| fleet.truth(home, Use::Electricity, hour(from), hour(to))).sum::<i64>()
    };
    assert!(hours(18, 22) > 3 * hours(1, 5), "evenings are busier than nights");
}

#[test]
fn the_benchmark_s_fleet_has_eleven_registers() {
    let fleet = Fleet::hdm(1, Fleet::HDM_HOMES);
    assert_eq!((Fleet::HDM_TO.0 - Fleet::HDM_FROM.0) / Fleet::HDM_STEP.0, 100);
    let streams = fleet.streams(Fleet::HDM_STEP);
    let scales: Vec<_> = streams.iter().map(|stream| (stream.unit, stream.scale)).collect();
    assert_eq!(scales[..3], [("kWh", 3), ("V", 1), ("Hz", 2)]);
    assert_eq!(scales[3..], [("W", 1); 8]);
    let first: Vec<_> = fleet.messages_of(0..100, Fleet::HDM_FROM, Fleet::HDM_TO, Fleet::HDM_STEP).collect();
    assert_eq!(first.len(), 100 * 100);
    assert!(first.iter().all(|message| message.samples().len() == 11));
    let plug = |message: &Message| message.samples()[3].digits;
    let on = first.iter().filter(|message| plug(message) > 10).count();
    assert!((first.len() / 5..first.len() / 2).contains(&on), "{on} of {} on", first.len());
}

#[test]
fn the_benchmark_s_bytes_never_change() {
    // Figures of different days compare only where the same bytes were sent. FNV-1a of two minutes.
    let hash = |seed, streams| {
        let fleet = Fleet::hdm(seed, Fleet::HDM_HOMES);
        let to = Timestamp(Fleet::HDM_FROM.0 + 2 * Fleet::HDM_STEP.0);
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for message in fleet.messages_of(0..500, Fleet::HDM_FROM, to, Fleet::HDM_STEP) {
            let mut request = Writer::new();
            message.declare(&mut request);
            message.write(&mut request, streams);
            for byte in request.body() {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        hash
    };
    let expected = (14_929_563_265_025_703_075, 9_467_736_244_576_441_736);
    assert_eq!((hash(1, Streams::Shared), hash(7, Streams::Own)), expected);
}

#[test]
fn a_home_s_days_as_nem12_sum_to_its_truth() {
    let fleet = Fleet::new(9, 3);
    let text = nem12(&fleet, 0..3, Nem12Days { first: 2_283, count: 31, made_on: 2_320 });
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    let midnight = |day: i64| Timestamp(INSTALLED.0 - 10 * 3_600_000_000 + day * DAY.0);
    assert_eq!(rows[0], ["100", "NEM12", "202605091200", "METERHOUSE", "SIMULATED"]);
    assert_eq!(rows.last(), Some(&vec!["900"]));
    for (home, days) in rows[1..].chunks(32).take(3).enumerate() {
        assert_eq!((days[0][1].len(), days[1][1], days[31][1]), (10, "20260402", "20260502"));
        let value = |text: &str| Decimal::parse(text).expect("a number").value;
        let sum: i64 = days[1..].iter().flat_map(|day| &day[2..50]).map(|text| value(text)).sum();
        let truth = fleet.truth(home as u32, Use::Electricity, midnight(2_283), midnight(2_283 + 31));
        assert_eq!(Some(sum), truth);
    }
    let mut shelf = Shelf::default();
    parse::read(parse::Format::Nem12, text.as_bytes(), Limits::default(), &mut shelf).expect("readable");
    assert_eq!(shelf.0.len(), 3 * 31 * 48);
    for ((point, _, start, span), (value, _)) in &shelf.0 {
        let home = point.strip_prefix("MHS").and_then(|home| home.parse().ok()).expect("a home's number");
        assert_eq!(Some(value.value), fleet.truth(home, Use::Electricity, *start, start.plus(*span)));
    }
}

proptest! {
    #[test]
    fn the_truth_of_a_period_is_that_of_its_parts(
        seed: u64, home in 0_u32..1_000, cuts in prop::collection::vec(0_i64..40 * 86_400_000_000, 2..20),
    ) {
        let fleet = Fleet::new(seed, 1_000);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| Timestamp(SPRING.0 - 20 * DAY.0 + cut)).collect();
        cuts.sort();
        for used in [Use::Electricity, Use::Gas, Use::Water] {
            let parts: Option<Vec<i64>> = cuts.windows(2).map(|part| fleet.truth(home, used, part[0], part[1])).collect();
            prop_assert!(parts.iter().flatten().all(|part| *part >= 0));
            let whole = fleet.truth(home, used, cuts[0], cuts[cuts.len() - 1]);
            prop_assert_eq!(parts.map(|parts| parts.iter().sum::<i64>()), whole);
        }
    }

    #[test]
    fn a_meter_read_in_any_order_shows_the_same(seed: u64, offsets in prop::collection::vec(-3_i64..90, 1..12)) {
        let supply = Fleet::new(seed, 1).supply(0, Use::Electricity).expect("every home has electricity");
        let mut meter = Meter::new(supply);
        for offset in offsets {
            let at = Timestamp(INSTALLED.0 + offset * 17 * 3_600_000_000 + offset * 1_234_567);
            prop_assert_eq!(meter.read(at), Meter::new(supply).read(at));
        }
    }
}
