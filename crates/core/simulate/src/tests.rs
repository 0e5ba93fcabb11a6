//! The fleet is repeatable, and its messages say what its meters show.

use std::collections::BTreeMap;

use meter::{Decimal, Event, Reading, Refusal, Sink, Span, Timestamp};
use parse::protobuf::{Limits, Writer, read};
use proptest::prelude::*;

use super::*;
use crate::draw::Dice;
use crate::supply::{INSTALLED, Meter};

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
    let day = |seed| bodies(&Fleet::hdm(seed, 5), SPRING, SPRING.plus(DAY), QUARTER);
    assert_eq!(day(7), day(7));
    assert_ne!(day(7), day(8));
    assert_eq!(day(7).len(), 5 * 96);
}

#[test]
fn a_message_is_the_same_whichever_period_is_asked_for() {
    let fleet = Fleet::hdm(3, 6);
    let all = bodies(&fleet, SPRING, SPRING.plus(DAY), QUARTER);
    let noon = Timestamp(SPRING.0 + DAY.0 / 2);
    assert_eq!(bodies(&fleet, noon, SPRING.plus(DAY), QUARTER), all[48 * 6..]);
    let third: Vec<_> =
        fleet.messages_of(2..3, SPRING, SPRING.plus(DAY), QUARTER).map(|message| message.encode()).collect();
    assert_eq!(third, all.iter().skip(2).step_by(6).cloned().collect::<Vec<_>>());
}

#[test]
fn what_is_sent_is_what_a_parser_reads() {
    let fleet = Fleet::hdm(11, 20);
    for streams in [Streams::Own, Streams::Shared] {
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
fn the_benchmark_s_fleet_has_eleven_registers() {
    let fleet = Fleet::hdm(1, Fleet::HDM_HOMES);
    assert_eq!((Fleet::HDM_TO.0 - Fleet::HDM_FROM.0) / Fleet::HDM_STEP.0, 100);
    let streams = fleet.streams();
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

proptest! {
    #[test]
    fn a_meter_read_in_any_order_shows_the_same(seed: u64, offsets in prop::collection::vec(-3_i64..90, 1..12)) {
        let supply = plugs::supply(Dice::new(seed));
        let mut meter = Meter::new(supply);
        for offset in offsets {
            let at = Timestamp(INSTALLED.0 + offset * 17 * 3_600_000_000 + offset * 1_234_567);
            prop_assert_eq!(meter.read(at), Meter::new(supply).read(at));
        }
    }

    #[test]
    fn a_counter_never_falls(seed: u64, cuts in prop::collection::vec(0_i64..40 * 86_400_000_000, 2..20)) {
        let mut meter = Meter::new(plugs::supply(Dice::new(seed)));
        let mut cuts = cuts;
        cuts.sort_unstable();
        let reads: Vec<i64> = cuts.iter().map(|cut| meter.read(SPRING.plus(Span(*cut)))).collect();
        prop_assert!(reads.windows(2).all(|pair| pair[0] <= pair[1]));
    }
}
