//! Bad input, case by case: which code, at which byte, in which words.

use prost::Message as _;

use super::oracle::{Amount, Container, Measurement, Request, Stream, plain};
use super::{Heard, NOON, heard, limits};
use crate::protobuf::{COUNT_MAX, Limits, STREAMS_MAX, check, read};

const DAY: i64 = 86_400_000_000;

fn request(container: Container) -> Vec<u8> {
    Request { containers: vec![container], streams: vec![] }.encode_to_vec()
}

/// One measurement of three is spoilt: it alone is refused.
fn check_measurement(code: &str, reason: &str, spoil: impl FnOnce(&mut Measurement)) {
    let mut container = plain(3);
    spoil(&mut container.measurements[1]);
    let body = request(container);
    let heard = heard(&body);
    assert_eq!(heard.seen.len(), 3);
    let [(byte, found, words)] = &heard.refused[..] else { panic!("{:?}", heard.refused) };
    assert_eq!((found.as_str(), words.as_str()), (code, reason));
    // The place is the measurement's own tag, field 8 of the container; the second of two or more before.
    assert_eq!(body[*byte], 8 << 3 | 2);
}

/// A container is spoilt: all of it is refused, the one beside it is not.
fn check_container(code: &str, reason: &str, spoil: impl FnOnce(&mut Container)) {
    let mut container = plain(3);
    spoil(&mut container);
    let beside = plain(1);
    let body = Request { containers: vec![container, beside], streams: vec![] }.encode_to_vec();
    let heard = heard(&body);
    assert_eq!(heard.refused, [(0, code.to_string(), reason.to_string())]);
    assert_eq!(heard.seen.len(), 2);
}

/// A stream is spoilt: each of its measurements is refused.
fn check_stream(code: &str, reason: &str, spoil: impl FnOnce(&mut Stream)) {
    let mut container = plain(2);
    spoil(&mut container.streams[0]);
    let heard = heard(&request(container));
    assert_eq!(heard.refused.len(), 2);
    for (_, found, words) in heard.refused {
        assert_eq!((found.as_str(), words.as_str()), (code, reason));
    }
}

#[test]
fn a_value_that_is_no_quantity_is_refused_alone() {
    let number = |number| move |one: &mut Measurement| one.value = Some(Amount::Number(number));
    let not_finite = "the value is not a finite number";
    check_measurement("protobuf.not_finite", not_finite, number(f64::NAN));
    check_measurement("protobuf.not_finite", not_finite, number(f64::NEG_INFINITY));
    let digits = "has more digits than fit (18 after the point, 19 in all)";
    check_measurement("protobuf.digits", &format!("the value 1e300 {digits}"), number(1e300));
    check_measurement("protobuf.digits", &format!("the value 1.5e-18 {digits}"), number(1.5e-18));
    check_measurement("protobuf.scale", "scale 19 is above 18", |one| one.scale = Some(19));
    check_measurement("protobuf.no_value", "the measurement carries no value; fill in `digits` or `number`", |one| {
        one.value = None;
    });
}

#[test]
fn a_clock_that_fell_back_or_ran_ahead_is_refused() {
    let year_2000 = 946_684_800_000_000 + DAY / 2;
    check_measurement(
        "time.unset_clock",
        "the start 2000-01-01T12:00:00Z is before 2000-01-02T00:00:00Z: the sender's clock was not set",
        |one| one.at = year_2000 - NOON,
    );
    check_measurement(
        "time.future",
        "the start 2099-01-01T00:00:00Z is after 2026-05-03T03:15:00Z, when the body came in plus five minutes: \
         the sender's clock is ahead",
        |one| one.at = 4_070_908_800_000_000 - NOON,
    );
    check_measurement(
        "protobuf.time",
        "the start 9223372036854775807 us after 1970 lies outside the years 1900 to 2200",
        |one| one.at = i64::MAX - NOON,
    );
    check_measurement(
        "protobuf.time",
        "the start 9225149814654775807 us after 1970 lies outside the years 1900 to 2200",
        |one| one.at = i64::MAX,
    );
    check_measurement(
        "time.future",
        "changed_at 2026-05-03T03:15:00.000001Z is after 2026-05-03T03:15:00Z, when the body came in plus five \
         minutes: the sender's clock is ahead",
        |one| one.changed_at = Some(NOON + 300_000_001),
    );
    check_container(
        "time.unset_clock",
        "created_at 1970-01-01T00:10:00Z is before 2000-01-02T00:00:00Z: the sender's clock was not set; its 3 \
         measurements are refused with it",
        |one| one.created_at = 600_000_000,
    );
}

#[test]
fn without_a_time_of_arrival_nobody_looks_for_the_future() {
    let mut container = plain(1);
    container.created_at = NOON + 365 * DAY;
    let mut sink = Heard::default();
    let tally = read(&request(container), Limits::default(), &mut sink).expect("readable");
    assert_eq!((tally.readings, tally.refused), (1, 0));
}

#[test]
fn five_minutes_ahead_is_still_taken() {
    let mut container = plain(1);
    container.base_time = Some(NOON + 300_000_000);
    assert!(heard(&request(container)).refused.is_empty());
}

#[test]
fn a_span_fits_its_kind() {
    check_measurement(
        "protobuf.span",
        "a span of 60000000 microseconds on a spot value, which has none; send an average as an interval",
        |one| one.span = Some(60_000_000),
    );
    let backwards = "an interval of -900000000 microseconds; it must be longer than nothing and end before 2200";
    check_stream("protobuf.span", backwards, |stream| (stream.kind, stream.span) = (1, -900_000_000));
    let nothing = "an interval of 0 microseconds; it must be longer than nothing and end before 2200";
    check_stream("protobuf.span", nothing, |stream| stream.kind = 1);
}

#[test]
fn a_stream_says_what_it_is() {
    check_stream("protobuf.no_register", "stream 0 names no register; fill in `register`", |one| one.register.clear());
    check_stream(
        "protobuf.no_kind",
        "stream 0 says not whether it is interval, register or spot; fill in `kind`",
        |one| one.kind = 0,
    );
    check_stream("protobuf.code", "kind 4 is not known to this version of the server", |one| one.kind = 4);
    check_stream("protobuf.code", "flow -1 is not known to this version of the server", |one| one.flow = -1);
    check_stream("protobuf.utf8", "register is not UTF-8", |one| one.register = vec![0xff]);
    check_stream("protobuf.too_long", "unit has 257 bytes; at most 256 are kept", |one| one.unit = vec![b'k'; 257]);
    check_measurement("protobuf.stream", "stream 1 is not among the 1 declared; at most 512 are read", |one| {
        one.stream = 1;
    });
}

#[test]
fn a_container_says_whose_it_is() {
    let all = "; its 3 measurements are refused with it";
    check_container("protobuf.no_point", &format!("the container names no point; fill in `point`{all}"), |one| {
        one.point.clear();
    });
    check_container(
        "protobuf.no_device",
        &format!("the container says that devices name streams but names no device; fill in `device`{all}"),
        |one| {
            one.identity = 1;
            one.device.clear();
        },
    );
    check_container("protobuf.utf8", &format!("point is not UTF-8{all}"), |one| one.point = b"caf\xe9".to_vec());
    check_container("protobuf.too_long", &format!("message_id has 300 bytes; at most 256 are kept{all}"), |one| {
        one.message_id = vec![b'm'; 300];
    });
    check_container("protobuf.code", &format!("identity 2 is not known to this version of the server{all}"), |one| {
        one.identity = 2;
    });
    check_container("protobuf.no_measurement", "the container carries no measurement", |one| one.measurements.clear());
}

#[test]
fn flags_of_ours_are_not_a_source_s_to_set() {
    check_measurement("protobuf.flags", "flags 512 are not a sum of the source's flags, 1 to 128", |one| {
        one.flags = 512
    });
}

#[test]
fn the_second_of_two_values_for_one_key_is_refused() {
    let mut container = plain(4);
    let mut other = container.measurements[2].clone();
    other.value = Some(Amount::Digits(9_999));
    container.measurements.extend([other.clone(), other]);
    let body = request(container);
    let heard = heard(&body);
    assert_eq!(heard.seen.len(), 6);
    assert_eq!(heard.refused.len(), 2);
    for (_, code, reason) in &heard.refused {
        assert_eq!(code, "protobuf.duplicate_key");
        let first: usize = reason.split(' ').find_map(|word| word.trim_end_matches(',').parse().ok()).expect("a byte");
        assert_eq!(body[first], 8 << 3 | 2, "{reason}");
    }
}

#[test]
fn value_unit_quality_and_reason_each_make_another_content() {
    let check_twin = |refused: usize, spoil: &dyn Fn(&mut Measurement)| {
        let mut container = plain(1);
        // The same register once more, in another unit, and once more in the same spelled otherwise.
        let stream = container.streams[0].clone();
        container.streams.push(Stream { unit: b"kV".to_vec(), ..stream.clone() });
        container.streams.push(Stream { unit: b"v".to_vec(), ..stream });
        let mut twin = container.measurements[0].clone();
        spoil(&mut twin);
        container.measurements.push(twin);
        assert_eq!(heard(&request(container)).refused.len(), refused);
    };
    check_twin(0, &|_| {});
    check_twin(0, &|one| one.stream = 2);
    check_twin(0, &|one| one.flags = 1);
    check_twin(1, &|one| one.value = Some(Amount::Digits(2_301)));
    check_twin(1, &|one| one.stream = 1);
    check_twin(1, &|one| one.quality = Some(b"final".to_vec()));
    check_twin(1, &|one| one.reason = Some(b"75".to_vec()));
}

#[test]
fn the_same_value_twice_goes_on_to_be_counted_as_a_duplicate() {
    let mut container = plain(2);
    let mut again = container.measurements[0].clone();
    // 2300 with scale 1 is 23000 with scale 2.
    (again.value, again.scale) = (Some(Amount::Digits(23_000)), Some(2));
    container.measurements.push(again);
    let heard = heard(&request(container));
    assert_eq!((heard.seen.len(), heard.refused.len()), (3, 0));
}

#[test]
fn two_versions_with_their_own_message_times_are_both_taken() {
    let mut container = plain(1);
    let mut newer = container.measurements[0].clone();
    (newer.value, newer.changed_at) = (Some(Amount::Digits(1)), Some(NOON + 1));
    container.measurements.push(newer);
    assert!(heard(&request(container)).refused.is_empty());
}

#[test]
fn a_container_of_endless_measurements_is_refused_whole() {
    let mut container = plain(0);
    container.measurements = vec![Measurement::default(); COUNT_MAX as usize + 1];
    let heard = heard(&request(container));
    assert_eq!(heard.refused[0].1, "protobuf.too_many");
    assert_eq!(heard.refused.len(), 1);
}

#[test]
fn streams_beyond_the_limit_are_as_good_as_undeclared() {
    let mut container = plain(2);
    container.streams = vec![container.streams[0].clone(); STREAMS_MAX + 1];
    container.measurements[0].stream = STREAMS_MAX as u32;
    container.measurements[1].stream = STREAMS_MAX as u32 - 1;
    let refused = heard(&request(container)).refused;
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].2, "stream 512 is not among the 512 declared; at most 512 are read");
}

#[test]
fn an_unreadable_envelope_is_named_with_its_byte() {
    let check_envelope = |body: &[u8], words: &str| {
        assert_eq!(check(body).expect_err("unreadable").to_string(), words);
        let mut sink = Heard::default();
        assert!(read(body, limits(), &mut sink).is_err() && sink.seen.is_empty());
    };
    let at = "not a readable request at byte";
    check_envelope(b"", &format!("{at} 0: the body is empty; send at least one container"));
    let streams = Request { containers: vec![], streams: plain(1).streams }.encode_to_vec();
    check_envelope(&streams, &format!("{at} 0: there is no container in it; is it a meterhouse.v1.Request?"));
    let body = request(plain(3));
    let end = body.len();
    let cut =
        format!("{at} 2: a field of {} bytes in a message with {} bytes left; was the body cut off?", end - 2, end - 7);
    check_envelope(&body[..end - 5], &cut);
    check_envelope(&[0x0a, 2, 0x20, 0x80], &format!("{at} 3: the message ends inside a number"));
    let number_of_ten = |last| [&[0x0a, 11, 0x20][..], &[0xff; 9], &[last]].concat();
    assert_eq!(check(&number_of_ten(1)).map(|summary| summary.containers), Ok(1));
    check_envelope(&number_of_ten(2), &format!("{at} 3: a number is longer than 10 bytes or above 64 bits"));
    let endless = [&[0x0a, 12, 0x20][..], &[0xff; 11]].concat();
    check_envelope(&endless, &format!("{at} 3: a number is longer than 10 bytes or above 64 bits"));
    check_envelope(&[0x0a, 2, 0x08, 1], &format!("{at} 2: field 1 of Container has wire type 0 instead of 2"));
    check_envelope(&[0x0a, 1, 0x07], &format!("{at} 2: tag 7 is no field of protobuf"));
    check_envelope(
        &[0x0a, 2, 0xa4, 0x01],
        &format!("{at} 4: a group is not closed, closed twice or nested deeper than 16"),
    );
    let json = format!("{at} 3: a field of 99 bytes in a message with 14 bytes left; was the body cut off?");
    check_envelope(b"{\"containers\":[]}", &json);
}
