//! What holds of every request. `oracle.rs` says the same in another way, with
//! prost; `refusals.rs` goes through the bad input; `schema.rs` reads the `.proto`;
//! `json.rs` says the same as JSON.

mod json;
mod oracle;
mod refusals;
mod schema;

use meter::{Event, Reading, Refusal, Sink, Timestamp};
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use oracle::Seen;

/// 2026-05-03T03:10:00Z
const NOON: i64 = 1_777_777_800_000_000;

/// Everything a parser said, in owned form.
#[derive(Debug, Default)]
struct Heard {
    seen: Vec<Seen>,
    refused: Vec<(usize, String, String)>,
    stop_after: Option<usize>,
}

impl Sink for Heard {
    fn reading(&mut self, reading: Reading<'_>) {
        self.seen.push(Seen::of(&reading));
    }

    fn event(&mut self, _: Event<'_>) {
        unreachable!("a request carries no events");
    }

    fn refused(&mut self, refusal: Refusal<'_>) {
        let meter::Place::Byte(byte) = refusal.place else { panic!("{}", refusal.place) };
        self.seen.push(Seen::Refused(refusal.code.to_string()));
        self.refused.push((byte as usize, refusal.code.to_string(), refusal.reason.to_string()));
    }

    fn stopped(&self) -> bool {
        self.stop_after.is_some_and(|limit| self.seen.len() >= limit)
    }
}

fn limits() -> Limits {
    Limits::received_at(Timestamp(NOON))
}

fn heard(body: &[u8]) -> Heard {
    let mut heard = Heard::default();
    let tally = read(body, limits(), &mut heard).expect("readable");
    let readings = heard.seen.iter().filter(|seen| !matches!(seen, Seen::Refused(_))).count();
    assert_eq!(tally.readings, readings as u64);
    let summary = check(body).expect("readable");
    assert_eq!(tally.readings + tally.refused, summary.measurements);
    heard
}

proptest! {
    #[test]
    fn a_request_of_prost_means_what_the_oracle_says(request in oracle::request()) {
        let body = request.encode_to_vec();
        prop_assert_eq!(heard(&body).seen, oracle::expected(&request, limits()));
        if oracle::is_text(&request) && request.containers[0] != oracle::Container::default() {
            prop_assert!(looks_like(&body));
        }
    }

    #[test]
    fn the_order_of_fields_and_unknown_fields_change_nothing(request in oracle::request()) {
        let expected = oracle::expected(&request, limits());
        prop_assert_eq!(heard(&oracle::shuffled(&request)).seen, expected);
    }

    #[test]
    fn what_we_write_prost_reads(request in oracle::request()) {
        // Texts of the generator are UTF-8 unless it says otherwise.
        prop_assume!(oracle::is_text(&request));
        let body = oracle::written(&request);
        prop_assert_eq!(oracle::Request::decode(&body[..]), Ok(request));
    }

    #[test]
    fn the_envelope_is_readable_exactly_where_prost_reads_it(
        request in oracle::request(), at: prop::sample::Index, byte: u8, cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut body = request.encode_to_vec();
        let place = at.index(body.len());
        body[place] = byte;
        if let Some(cut) = cut {
            body.truncate(cut.index(body.len() + 1));
        }
        same_verdict(&body)?;
    }

    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>) {
        same_verdict(&body)?;
        looks_like(&body);
    }

    #[test]
    fn a_beginning_of_a_request_still_looks_like_one(count in 1_i64..40, cut: prop::sample::Index) {
        let body = oracle::Request { containers: vec![oracle::plain(count)], streams: vec![] }.encode_to_vec();
        prop_assert!(looks_like(&body[..24 + cut.index(body.len() - 23)]));
    }

    #[test]
    fn text_does_not_look_like_a_request(text in "[\\n -~]{0,300}") {
        prop_assert!(!looks_like(text.as_bytes()), "{text:?}");
    }
}

fn same_verdict(body: &[u8]) -> Result<(), TestCaseError> {
    let theirs = oracle::Request::decode(body);
    match check(body) {
        Ok(summary) => {
            let theirs = theirs.map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(summary.containers, theirs.containers.len() as u64);
            let measurements: usize = theirs.containers.iter().map(|container| container.measurements.len()).sum();
            prop_assert_eq!(summary.measurements, measurements as u64);
            let mut admitted = Heard::default();
            prop_assert!(read_admitted(body, limits(), &mut admitted).is_ok());
            prop_assert_eq!(admitted.seen, heard(body).seen);
        }
        Err(error) => {
            // Stricter than prost on purpose: nothing in it, or groups too deep.
            let ours = matches!(error.what, EnvelopeFault::Empty | EnvelopeFault::NoContainer | EnvelopeFault::Group);
            prop_assert!(ours || theirs.is_err(), "{error}");
            let mut untouched = Heard::default();
            prop_assert_eq!(read(body, limits(), &mut untouched), Err(error));
            prop_assert!(untouched.seen.is_empty());
            // What no door took in does no harm either.
            _ = read_admitted(body, limits(), &mut untouched);
        }
    }
    Ok(())
}

#[test]
fn a_sink_that_wants_no_more_is_asked_between_containers() {
    let request = oracle::Request { containers: vec![oracle::plain(3); 4], streams: vec![] };
    let mut sink = Heard { stop_after: Some(4), ..Heard::default() };
    let tally = read(&request.encode_to_vec(), limits(), &mut sink).expect("readable");
    assert_eq!((tally.readings, sink.seen.len()), (6, 6));
}

#[test]
fn a_shuffled_container_of_many_measurements_keeps_every_one() {
    let mut container = oracle::plain(5_000);
    container.measurements.sort_by_key(|measured| measured.at.wrapping_mul(7_919) % 5_003);
    let request = oracle::Request { containers: vec![container], streams: vec![] };
    assert_eq!(heard(&request.encode_to_vec()).seen, oracle::expected(&request, limits()));
}
