//! What no client should send, to the whole server: it answers or leaves, keeps
//! nothing of it and goes on serving. What each answer says in full is tested
//! at the door.

use std::io::Write;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use meter::{Kind, Span, Timestamp};
use parse::protobuf::{Container, Measurement, Stream, Value, Writer};

use crate::street::{House, Server, memory_peak_bytes};
use crate::talking::Reply;

const PROTOBUF: &str = "Content-Type: application/x-protobuf\r\n";
const GZIP: &str = "Content-Type: application/x-protobuf\r\nContent-Encoding: gzip\r\n";

/// One reading of a point.
fn body(point: &str) -> Vec<u8> {
    let base = Timestamp::parse("2026-01-01T00:00:00Z").expect("a time");
    let stream = Stream {
        register: "1-0:1.29.0",
        kind: Some(Kind::Interval),
        unit: "kWh",
        scale: 3,
        span: Span::from_minutes(15),
        ..Stream::default()
    };
    let mut writer = Writer::new();
    writer.container(&Container {
        point,
        created_at: Some(base),
        base_time: Some(base),
        streams: &[stream],
        measurements: &[Measurement { value: Some(Value::Digits(5)), ..Measurement::default() }],
        ..Container::default()
    });
    writer.into_body()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("writes to memory");
    encoder.finish().expect("writes to memory")
}

/// The readings there are, of all sources there are.
fn stored(house: &House, server: &Server) -> String {
    let sql = "select (select count(*) from sources) as sources, (select count(*) from readings) as readings";
    house.says(&server.with(&["sql", "--format", "csv", sql]))
}

#[test]
fn bad_requests_are_answered_and_leave_nothing() {
    let house = House::new();
    let server = house.serve();
    let first = server.post("/v1/readings", PROTOBUF, &body("a")).expect("an answer");
    assert_eq!(first.sequence(), Some(1), "{first:?}");
    let ready = server.get("/v1/sql?wait=1&q=select%201").expect("an answer");
    assert_eq!(ready.status, 200, "{ready:?}");
    let before = memory_peak_bytes(server.child.id()).expect("it runs");

    let post = |more: &str, body: &[u8]| server.post("/v1/readings", more, body).expect("an answer");
    post("Content-Type: text/csv\r\n", b"a,b").expect_problem(415, "content_type");
    post("Content-Type: application/json\r\n", b"{}").expect_problem(400, "envelope");
    post("Content-Type: application/json\r\n", &b"[".repeat(8 << 20)).expect_problem(400, "envelope");
    post(PROTOBUF, b"\xff\xfe protobuf it is not").expect_problem(400, "envelope");
    post(PROTOBUF, &body("b")[..20]).expect_problem(400, "envelope");
    post(PROTOBUF, b"").expect_problem(400, "body_empty");
    post(GZIP, &gzip(&body("b"))[..30]).expect_problem(400, "body_damaged");
    post(GZIP, &gzip(&vec![0; 100 << 20])).expect_problem(413, "body_ratio");
    assert_eq!(post(&format!("{PROTOBUF}X-Long: {}\r\n", "x".repeat(1 << 20)), &body("b")).status, 431);

    let tell = |head: String, body: &[u8]| server.tell(&[head.as_bytes(), body].concat()).expect("an answer");
    let start = |more: &str| server.head("POST /v1/readings", &format!("{PROTOBUF}{more}"));
    let stranger = start("Content-Length: 9\r\n").replace(&server.token, &format!("mh_{}", "0".repeat(64)));
    tell(stranger, b"123456789").expect_problem(401, "token_unknown");
    tell(start("Content-Length: 99999999999999\r\n"), b"").expect_problem(413, "body_too_large");
    assert_eq!(tell(start("Content-Length: 5\r\nContent-Length: 6\r\n"), b"123456").status, 400);
    tell(start("Transfer-Encoding: chunked\r\n"), b"no number\r\n").expect_problem(400, "body_broke_off");
    assert_eq!(tell("\u{16}\u{3}\u{1} not HTTP at all\r\n\r\n".into(), b"").status, 400);

    // Half closed in the middle of a body, and gone altogether.
    let cut = start("Content-Length: 1000\r\n") + "and no more";
    let mut half = server.connect().expect("connects");
    half.write_all(cut.as_bytes()).expect("sends");
    half.shutdown(Shutdown::Write).expect("closes one way");
    if let Some(reply) = Reply::read(&mut half) {
        reply.expect_problem(400, "body_broke_off");
    }
    let mut gone = server.connect().expect("connects");
    gone.write_all(cut.as_bytes()).expect("sends");
    drop(gone);

    let after = memory_peak_bytes(server.child.id()).expect("it runs");
    assert!(after < before + (64 << 20), "{before} bytes before, {after} after");
    assert_eq!(stored(&house, &server), "sources,readings\n1,1\n");
    assert_eq!(post(PROTOBUF, &body("b")).sequence(), Some(2));
    server.stop();
    house.verified();
}

/// Far more than a house with one gateway ever has open.
const SLOW: usize = 300;

#[test]
fn senders_that_dawdle_are_left_and_keep_nobody_waiting() {
    let house = House::new();
    let server = house.serve();
    let begun = Instant::now();
    let mut in_headers: Vec<_> = (0..SLOW).map(|_| server.connect().expect("connects")).collect();
    for stream in &mut in_headers {
        stream.write_all(b"POST /v1/readings HTTP/1.1\r\nHost: te").expect("sends");
    }
    let mut in_body = server.connect().expect("connects");
    let head = server.head("POST /v1/readings", &format!("{PROTOBUF}Content-Length: 1000\r\n"));
    in_body.write_all(head.as_bytes()).expect("sends");
    for number in 0..20 {
        let asked = Instant::now();
        let reply = server.post("/v1/readings", PROTOBUF, &body(&format!("p{number}"))).expect("an answer");
        assert_eq!(reply.sequence(), Some(number + 1), "{reply:?}");
        assert!(asked.elapsed() < Duration::from_secs(10), "request {number} took {:?}", asked.elapsed());
    }
    // A drop now and then must not count as going on.
    for _ in 0..4 {
        std::thread::sleep(Duration::from_secs(1));
        let _ = in_headers[0].write_all(b"s");
        let _ = in_body.write_all(b"s");
    }
    Reply::read(&mut in_body).expect("an answer").expect_problem(408, "body_too_slow");
    for stream in &mut in_headers {
        assert!(Reply::read(stream).is_none_or(|reply| reply.status == 408));
    }
    assert!(begun.elapsed() < Duration::from_secs(60), "the last was left after {:?}", begun.elapsed());
    server.stop();
    house.verified();
}
