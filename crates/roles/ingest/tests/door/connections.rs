//! Slow, idle, many and unread connections; and the end of serving.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::routing::get;
use host::SimDisk;
use ingest::Limits;

use crate::house::{Answer, House, Request, body, keys, limits, small};

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Whether the peer closes within the test's patience.
fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn a_sender_that_pauses_too_long_is_told_and_left() {
    let house = House::with(Limits { read_wait_max: ms(100), ..limits() });
    for request in [Request::readings(&body(1, 10)), Request::file("name=a", &body(1, 10))] {
        let mut stream = house.connect();
        let bytes = request.bytes();
        stream.write_all(&bytes[..bytes.len() - 5]).expect("sends");
        let answer = Answer::read(&mut stream).expect("an answer");
        answer.expect_problem(408, "body_too_slow", false);
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(is_closed(&mut stream));
    }
    assert_eq!(house.records(), []);
    assert_eq!(house.metric("in_flight_bytes"), 0);
}

#[test]
fn a_sender_that_trickles_is_told_and_left() {
    let house = House::with(Limits { progress_grace: ms(200), progress_bytes_per_s: 1 << 20, ..limits() });
    let mut stream = house.connect();
    let bytes = Request::readings(&body(1, 2_000)).bytes();
    let mut writing = stream.try_clone().expect("a second handle");
    let trickle = std::thread::spawn(move || {
        for byte in bytes {
            if writing.write_all(&[byte]).is_err() {
                return;
            }
            std::thread::sleep(ms(2));
        }
    });
    let start = Instant::now();
    Answer::read(&mut stream).expect("an answer").expect_problem(408, "body_too_slow", false);
    assert!(start.elapsed() < Duration::from_secs(5));
    drop(stream);
    trickle.join().expect("ends");
    assert_eq!(house.records(), []);
}

#[test]
fn a_body_of_readings_is_over_in_time_however_steady() {
    let house = House::with(Limits { read_total_max: ms(150), ..limits() });
    let mut stream = house.connect();
    stream.write_all(&Request::readings(&[]).head(1_000)).expect("sends");
    Answer::read(&mut stream).expect("an answer").expect_problem(408, "body_too_slow", false);
}

#[test]
fn headers_that_do_not_come_and_connections_that_rest_are_closed() {
    let house = House::with(Limits { header_wait_max: ms(200), ..limits() });
    let mut silent = house.connect();
    let mut half = house.connect();
    half.write_all(b"POST /v1/readings HTTP/1.1\r\nHost: te").expect("sends");
    let mut resting = house.connect();
    resting.write_all(&Request::readings(&body(1, 1)).bytes()).expect("sends");
    assert_eq!(Answer::read(&mut resting).expect("an answer").status, 200);
    for stream in [&mut silent, &mut half, &mut resting] {
        assert!(is_closed(stream));
    }
    house.wait_until("all are gone", |house| house.metric("connections") == 0);
}

#[test]
fn headers_without_end_are_refused() {
    let house = House::new();
    let request = Request::readings(&body(1, 1)).header("X-Long", &"x".repeat(100_000));
    let mut stream = house.connect();
    // The answer may come before all of it is written.
    let _ = stream.write_all(&request.bytes());
    if let Some(answer) = Answer::read(&mut stream) {
        assert_eq!(answer.status, 431);
    }
    let mut many = Request::readings(&body(1, 1));
    many.headers.extend((0..200).map(|at| (format!("X-{at}"), "x".to_owned())));
    assert_eq!(house.ask(&many).status, 431);
    assert_eq!(house.records(), []);
}

#[test]
fn one_tenant_at_its_share_waits_and_its_neighbour_does_not() {
    let house = House::with(Limits { in_flight_bytes_max: 1_000_000, in_flight_tenant_bytes_max: 600_000, ..limits() });
    let good = || Request::readings(&body(1, 3));
    let begun = |request: Request, bytes: usize| {
        let mut stream = house.connect();
        stream.write_all(&request.head(bytes + 1)).expect("sends");
        stream.write_all(&vec![0; bytes]).expect("sends");
        stream
    };
    let held = begun(good(), 589_999);
    house.wait_until("the body is there", |house| house.metric("in_flight_bytes") == 590_000);
    house.ask(&good()).expect_problem(429, "tenant_busy", true);
    assert_eq!(house.ask(&good().token(&keys().neighbour)).status, 200);

    let other = begun(good().token(&keys().neighbour), 399_999);
    house.wait_until("the second body is there", |house| house.metric("in_flight_bytes") == 990_000);
    house.ask(&good().token(&keys().neighbour)).expect_problem(503, "busy", true);
    drop((held, other));
    house.wait_until("both are given back", |house| house.metric("in_flight_bytes") == 0);
    assert_eq!(house.ask(&good()).status, 200);
}

#[test]
fn senders_that_declare_much_and_dawdle_keep_nobody_out() {
    let house = House::new();
    let share = limits().in_flight_tenant_bytes_max / limits().wire_bytes_max;
    let head = Request::readings(&[]).head(limits().wire_bytes_max as usize);
    let mut dawdling: Vec<TcpStream> = (0..2 * share).map(|_| house.connect()).collect();
    for stream in &mut dawdling {
        stream.write_all(&head).expect("sends");
        stream.write_all(&[0; 100]).expect("sends");
    }
    house.wait_until("all are let in", |house| house.metric("in_flight_bytes") == 2 * share * (16 << 10));
    assert_eq!(house.ask(&Request::readings(&body(1, 3))).status, 200);
    drop(dawdling);
    house.wait_until("all is given back", |house| house.metric("in_flight_bytes") == 0);
}

#[test]
fn a_sender_that_asks_first_is_refused_before_it_sends() {
    let house = House::new();
    let ask = |token: &str| {
        let mut stream = house.connect();
        let request = Request::readings(&body(1, 3)).token(token).header("Expect", "100-continue");
        stream.write_all(&request.head(request.body.len())).expect("sends");
        (Answer::read(&mut stream).expect("an answer"), stream, request.body)
    };
    let (refused, _, _) = ask(&keys().reader);
    refused.expect_problem(403, "token_scope", false);
    let (go_on, mut stream, rest) = ask(&keys().writer);
    assert_eq!(go_on.status, 100);
    stream.write_all(&rest).expect("sends");
    assert_eq!(Answer::read(&mut stream).expect("an answer").status, 200);
}

#[test]
fn connections_beyond_the_limit_are_told_to_come_again() {
    let house = House::with(Limits { connections_max: 2, ..limits() });
    let held = [house.connect(), house.connect()];
    house.wait_until("both are open", |house| house.metric("connections") == 2);
    house.ask(&Request::readings(&body(1, 3))).expect_problem(503, "busy", true);
    let mut silent = house.connect();
    assert!(is_closed(&mut silent), "who says nothing is left");
    assert_eq!(house.records(), []);
    drop(held);
    house.wait_until("both are gone", |house| house.metric("connections") == 0);
    assert_eq!(house.ask(&Request::readings(&body(1, 3))).status, 200);
}

#[test]
fn files_that_come_slowly_leave_threads_for_others() {
    let house = House::with(Limits { writers_max: 1, ..limits() });
    // Beyond what is held in memory.
    let large = vec![b'x'; journal::RECORD_BYTES_MAX + (2 << 20)];
    let request = Request::file("name=a", &large);
    let mut slow = house.connect();
    let (bytes, sent) = (request.bytes(), journal::RECORD_BYTES_MAX + (1 << 20));
    slow.write_all(&bytes[..sent]).expect("sends");
    house.wait_until("the file is being written", |house| house.metric("in_flight_bytes") >= 1 << 20);
    let answers = (0..50).map(|_| {
        std::thread::sleep(ms(20));
        house.ask(&Request::file("name=b", &large))
    });
    let refused = answers.into_iter().find(|answer| answer.status != 200).expect("the place is taken");
    refused.expect_problem(503, "busy", true);
    assert_eq!(house.ask(&Request::readings(&body(1, 3))).status, 200);
    slow.write_all(&bytes[sent..]).expect("sends");
    assert_eq!(Answer::read(&mut slow).expect("an answer").status, 200);
    assert_eq!(house.ask(&Request::file("name=b", &large)).status, 200);
}

#[test]
fn a_peer_that_never_reads_its_answer_is_left() {
    let large = || async { vec![7_u8; 64 << 20] };
    let limits = Limits { write_wait_max: ms(200), ..limits() };
    let house = House::serving(Arc::new(SimDisk::new(1)), small(), limits, |router| router.route("/large", get(large)));
    let mut stream = house.connect();
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: test\r\n\r\n").expect("sends");
    house.wait_until("the answer is under way", |house| house.metric("connections") == 1);
    house.wait_until("the peer is left", |house| house.metric("connections") == 0);
}

#[test]
fn a_stop_lets_the_request_under_way_finish_and_takes_no_other() {
    let mut house = House::new();
    let mut resting = house.connect();
    let request = Request::readings(&body(1, 3));
    let (start, rest) = (request.head(request.body.len()), &request.body);
    let mut stream = house.connect();
    stream.write_all(&start).expect("sends");
    house.wait_until("the body is admitted", |house| house.metric("in_flight_bytes") > 0);
    house.ask_to_stop();
    assert!(is_closed(&mut resting));
    house.wait_until("nobody listens", |house| TcpStream::connect(house.address).is_err());
    stream.write_all(rest).expect("sends");
    let answer = Answer::read(&mut stream).expect("an answer");
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "{answer:?}");
    assert_eq!(house.stopped().cut, 0);
    assert_eq!(house.records().len(), 1);
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    let mut house = House::with(Limits { drain_wait_max: ms(200), ..limits() });
    let mut stream = house.connect();
    stream.write_all(&Request::readings(&[]).head(1_000)).expect("sends");
    house.wait_until("the body is admitted", |house| house.metric("in_flight_bytes") > 0);
    house.ask_to_stop();
    assert_eq!(house.stopped().cut, 1);
    assert_eq!((house.metric("cut_connections_total"), house.metric("in_flight_bytes")), (1, 0));
}
