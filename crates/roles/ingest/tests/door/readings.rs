//! Bodies of readings, good and bad.

use std::io::Write;
use std::net::Shutdown;
use std::sync::Arc;

use bytes::Bytes;
use host::RealDisk;
use journal::{Content, Door, Settings};
use meter::TenantId;
use parse::protobuf::{Measurement, Value};

use crate::house::{Answer, House, Request, body, gzip, keys, limits, written};

fn content(house: &House, at: usize) -> Bytes {
    match &house.records()[at].body.content {
        Content::Bytes(bytes) => bytes.clone(),
        Content::Archived { .. } => panic!("record {at} lies in the archive"),
    }
}

#[test]
fn a_body_is_journalled_as_it_came_and_answered_with_its_number() {
    let house = House::new();
    let sent = body(1, 3);
    let answer = house.readings(&sent);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.sequence(), 1);
    assert_eq!(answer.body["accepted_measurements"], 3);
    assert_eq!(answer.body["refused_total"], 0);
    assert_eq!(answer.body["refused"], serde_json::json!([]));
    let record = &house.records()[0];
    assert_eq!(answer.body["received_at"], record.received_at.to_string());
    assert_eq!(
        (record.body.tenant, record.body.door, record.body.format.as_str()),
        (TenantId(1), Door::Http, "protobuf")
    );
    assert_eq!(content(&house, 0), sent);
    let neighbour = house.ask(&Request::readings(&sent).token(&keys().neighbour));
    assert_eq!((neighbour.sequence(), house.records()[1].body.tenant), (2, TenantId(2)));
}

#[test]
fn a_compressed_or_chunked_body_is_journalled_plain() {
    let house = House::new();
    let sent = body(1, 500);
    let requests = [
        Request::readings(&gzip(&sent)).header("Content-Encoding", "gzip"),
        Request::readings(&zstd::encode_all(&sent[..], 3).expect("compresses")).header("Content-Encoding", "ZSTD"),
        Request::readings(&sent).chunked(),
        Request::readings(&gzip(&sent)).header("Content-Encoding", "gzip").chunked(),
        Request::readings(&sent).header("Content-Type", "Application/Protobuf; v=1"),
    ];
    for (at, request) in requests.iter().enumerate() {
        let answer = house.ask(request);
        assert_eq!((answer.status, answer.sequence()), (200, at as u64 + 1), "{answer:?}");
        assert_eq!(answer.body["accepted_measurements"], 500);
        assert_eq!(content(&house, at), sent);
    }
    assert_eq!(house.metric("measurements_total{outcome=\"accepted\"}"), 2_500);
    assert_eq!(house.metric("requests_total{status=\"200\"}"), 5);
    assert_eq!(house.metric("journalled_bytes_total"), 5 * sent.len() as u64);
}

#[test]
fn what_is_refused_in_a_body_taken_in_is_listed() {
    let house = House::new();
    let value = |value| Measurement { value: Some(value), ..Measurement::default() };
    let at = |minutes, value| Measurement {
        at: meter::Span::from_minutes(minutes),
        value: Some(value),
        ..Measurement::default()
    };
    let answer = house.readings(&written(&[
        value(Value::Digits(5)),
        at(15, Value::Number(f64::NAN)),
        at(30, Value::Number(f64::INFINITY)),
        at(45, Value::Number(1.5)),
        at(45, Value::Number(2.5)),
        at(60, Value::Number(1e-30)),
    ]));
    assert_eq!(answer.status, 200, "{answer:?}");
    let codes: Vec<&str> = answer.body["refused"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|refused| {
            assert!(refused["place"].as_str().is_some_and(|place| place.starts_with("byte ")), "{refused}");
            assert!(refused["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{refused}");
            refused["code"].as_str().expect("a code")
        })
        .collect();
    assert_eq!(codes, ["protobuf.not_finite", "protobuf.not_finite", "protobuf.duplicate_key", "protobuf.digits"]);
    assert_eq!((&answer.body["accepted_measurements"], &answer.body["refused_total"]), (&2.into(), &4.into()));
    assert_eq!(house.records().len(), 1);
}

#[test]
fn a_thousand_refusals_are_counted_and_a_hundred_listed() {
    let house = House::new();
    let answer = house.readings(&written(&[Measurement::default(); 1_000]));
    assert_eq!(answer.body["refused_total"], 1_000);
    assert_eq!(answer.body["refused"].as_array().expect("a list").len(), ingest::REFUSED_LISTED_MAX);
    assert_eq!(house.metric("measurements_total{outcome=\"refused\"}"), 1_000);
}

#[test]
fn an_envelope_that_cannot_be_read_is_refused_with_its_byte() {
    let house = House::new();
    let good = body(1, 10);
    let cut = house.readings(&good[..good.len() - 3]);
    cut.expect_problem(400, "envelope", false);
    assert!(cut.body["byte"].is_u64(), "{cut:?}");
    house.readings(b"point,value\n1,2\n").expect_problem(400, "envelope", false);
    house.readings(b"").expect_problem(400, "body_empty", false);
    assert_eq!(house.records(), []);
    assert_eq!(house.metric("requests_total{status=\"400\"}"), 3);
}

#[test]
fn a_body_that_does_not_decompress_is_refused() {
    let house = House::new();
    let (zipped, packed) = (gzip(&body(1, 50)), zstd::encode_all(&body(1, 50)[..], 3).expect("compresses"));
    let mut torn = zipped.clone();
    torn[zipped.len() / 2] ^= 0x55;
    let mut trailing = zipped.clone();
    trailing.extend_from_slice(b"and more");
    for bad in [&zipped[..zipped.len() - 5], &torn, &trailing, b"not gzip at all"] {
        let answer = house.ask(&Request::readings(bad).header("Content-Encoding", "gzip"));
        answer.expect_problem(400, "body_damaged", false);
    }
    let answer = house.ask(&Request::readings(&packed[..packed.len() - 5]).header("Content-Encoding", "zstd"));
    answer.expect_problem(400, "body_damaged", false);
    house.ask(&Request::readings(&gzip(b"")).header("Content-Encoding", "gzip")).expect_problem(
        400,
        "body_empty",
        false,
    );
    assert_eq!(house.records(), []);
}

#[test]
fn a_bomb_is_refused_before_it_goes_off() {
    let house = House::new();
    let zeros = vec![0; 30 << 20];
    let bombs = [("gzip", gzip(&zeros)), ("zstd", zstd::encode_all(&zeros[..], 3).expect("compresses"))];
    for (encoding, bomb) in bombs {
        house.ask(&Request::readings(&bomb).header("Content-Encoding", encoding)).expect_problem(
            413,
            "body_ratio",
            false,
        );
    }
    assert_eq!(house.records(), []);
}

#[test]
fn a_body_that_is_too_large_is_refused_whether_it_says_so_or_not() {
    let house = House::with(ingest::Limits { wire_bytes_max: 100_000, expanded_bytes_max: 150_000, ..limits() });
    let large = vec![7; 100_001];
    house.readings(&large).expect_problem(413, "body_too_large", false);
    house.ask(&Request::readings(&large).chunked()).expect_problem(413, "body_too_large", false);
    let noise: Vec<u8> = (0..160_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 28) as u8).collect();
    let expands = Request::readings(&gzip(&noise)).header("Content-Encoding", "gzip");
    assert!(expands.body.len() < 100_000);
    house.ask(&expands).expect_problem(413, "body_expands_too_far", false);
    assert_eq!(house.records(), []);
}

#[test]
fn who_may_not_write_is_told_why() {
    let house = House::new();
    let good = || Request::readings(&body(1, 1));
    let unknown = format!("mh_{}", "0".repeat(64));
    for (request, status, code) in [
        (good().header("Authorization", ""), 401, "token_missing"),
        (good().header("Authorization", "Basic Zm9vOmJhcg=="), 401, "token_missing"),
        (good().token("mh_short"), 401, "token_missing"),
        (good().token(&unknown), 401, "token_unknown"),
        (good().token(&keys().revoked), 401, "token_unknown"),
        (good().token(&keys().reader), 403, "token_scope"),
    ] {
        let answer = house.ask(&request);
        answer.expect_problem(status, code, false);
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{answer:?}");
    }
    assert_eq!(house.records(), []);
}

#[test]
fn what_is_in_no_form_of_ours_is_told_what_is() {
    let house = House::new();
    let good = || Request::readings(&body(1, 1));
    house.ask(&good().header("Content-Type", "")).expect_problem(415, "content_type", false);
    house.ask(&good().header("Content-Type", "text/csv")).expect_problem(415, "content_type", false);
    for encoding in ["br", "gzip, gzip", "deflate"] {
        let answer = house.ask(&good().header("Content-Encoding", encoding));
        answer.expect_problem(415, "content_encoding", false);
        assert_eq!(answer.header("accept-encoding"), Some("gzip, zstd, identity"));
    }
    let mut get = house.connect();
    get.write_all(b"GET /v1/readings HTTP/1.1\r\nHost: test\r\n\r\n").expect("sends");
    Answer::read(&mut get).expect("an answer").expect_problem(405, "method", false);
    assert_eq!(house.records(), []);
}

#[test]
fn a_sender_that_goes_away_leaves_nothing() {
    let house = House::new();
    let request = Request::readings(&body(1, 100));
    let bytes = request.bytes();
    for request_bytes in [&bytes[..bytes.len() - 1], &bytes[..bytes.len() / 2]] {
        let mut stream = house.connect();
        stream.write_all(request_bytes).expect("sends");
        stream.shutdown(Shutdown::Write).expect("half closes");
        if let Some(answer) = Answer::read(&mut stream) {
            answer.expect_problem(400, "body_broke_off", false);
        }
    }
    house.wait_until("the connections end", |house| house.metric("connections") == 0);
    assert_eq!(house.records(), []);
    assert_eq!(house.metric("in_flight_bytes"), 0);
}

#[test]
fn a_body_that_expands_beyond_a_record_lies_in_the_archive() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let disk = Arc::new(RealDisk::open(dir.path()).expect("opens"));
    let house = House::on(disk, Settings::default(), limits());
    let plain = noisy(journal::RECORD_BYTES_MAX + 1);
    let answer = house.ask(&Request::readings(&gzip(&plain)).header("Content-Encoding", "gzip"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let Content::Archived { sha256, size } = house.records().last().expect("a record").body.content else {
        panic!("not in the archive")
    };
    assert_eq!(size, plain.len() as u64);
    let mut found = Vec::new();
    std::io::Read::read_to_end(&mut house.archive.reader(&sha256).expect("is there"), &mut found).expect("reads");
    assert_eq!(found, plain);
}

/// A readable body of at least `bytes` that does not compress beyond reason.
fn noisy(bytes: usize) -> Vec<u8> {
    let mut found = Vec::new();
    let mut seed = 1;
    while found.len() < bytes {
        found.extend(body(seed * 7_919 % 100_003, 500));
        seed += 1;
    }
    found
}
