//! Lines of InfluxDB's clients, through the whole server: each counts once, and
//! two that say the same at two moments are two.

use std::io::Write;

use crate::street::{House, Server, shared_as};
use crate::talking::Reply;

const TEXT: &str = "Content-Type: text/plain; charset=utf-8\r\n";

fn send(server: &Server, path: &str, more: &str, body: &[u8]) -> Reply {
    server.post(path, &format!("{TEXT}{more}"), body).expect("an answer")
}

/// The number that a header of an answer says.
fn number(reply: &Reply, header: &str) -> u64 {
    let line = reply.head.lines().find_map(|line| line.strip_prefix(&format!("{header}: ")));
    line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{header} in {reply:?}"))
}

fn asked(house: &House, server: &Server, sql: &str) -> String {
    house.says(&server.with(&["sql", "--format", "csv", sql]))
}

fn wait(server: &Server, sequence: u64) {
    let ready = server.get(&format!("/v1/sql?wait={sequence}&q=select%201")).expect("an answer");
    assert_eq!(ready.status, 200, "{ready:?}");
}

/// A line without a time, behind remarks that make the body longer than a record.
fn long() -> Vec<u8> {
    let mut body = Vec::new();
    for at in 0..140_000_u64 {
        writeln!(body, "# {:020}{:020}{:020}", at * 7_919, at.wrapping_mul(0x9E37_79B9_7F4A_7C15), at).expect("memory");
    }
    assert!(body.len() > journal::RECORD_BYTES_MAX, "{} bytes", body.len());
    body.extend_from_slice(b"energy,meter=long power_w=230\n");
    body
}

#[test]
fn lines_without_a_time_count_each_time_they_come() {
    let house = House::new();
    let server = house.serve();
    let (short, long) = (b"energy,meter=short power_w=230\n".to_vec(), long());
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zipped.write_all(&long).expect("memory");
    let zipped = zipped.finish().expect("memory");
    for round in 0..2 {
        assert_eq!(number(&send(&server, "/write", "", &short), "meterhouse-sequence"), round * 2 + 1);
        let reply = send(&server, "/write", "Content-Encoding: gzip\r\n", &zipped);
        assert_eq!(number(&reply, "meterhouse-sequence"), round * 2 + 2, "{reply:?}");
    }
    // With a time they say the same thing again.
    for sequence in [5, 6] {
        let reply = send(&server, "/write?precision=s", "", b"energy,meter=timed power_w=230 1777777800\n");
        assert_eq!(number(&reply, "meterhouse-sequence"), sequence);
    }
    wait(&server, 6);
    let counts = "select point, count(*) as n from readings group by point order by point";
    assert_eq!(asked(&house, &server, counts), "point,n\nlong,2\nshort,2\ntimed,1\n");
    server.stop();
    // The hashes of what lies in the archive are known again after a start.
    let server = house.serve();
    let reply = send(&server, "/write", "Content-Encoding: gzip\r\n", &zipped);
    wait(&server, number(&reply, "meterhouse-sequence"));
    assert_eq!(asked(&house, &server, counts), "point,n\nlong,3\nshort,2\ntimed,1\n");
    server.stop();
    house.verified();
}

#[test]
fn what_is_refused_of_others_lines_is_told_as_it_is_kept() {
    let Some(files) = shared_as("line_protocol", "lp") else { return };
    let house = House::new();
    let server = house.serve();
    for file in files {
        let body = std::fs::read(&file).expect("read");
        for path in ["/write?db=telegraf&precision=s", "/api/v2/write?org=a&bucket=b&precision=ns"] {
            let reply = send(&server, path, "", &body);
            assert_eq!(reply.status, 204, "{}: {reply:?}", file.display());
            let sequence = number(&reply, "meterhouse-sequence");
            wait(&server, sequence);
            let kept = asked(&house, &server, &format!("select sum(refused) as n from sources where seq = {sequence}"));
            assert_eq!(kept, format!("n\n{}\n", number(&reply, "meterhouse-refused")), "{}", file.display());
        }
    }
    server.stop();
    house.verified();
}

#[test]
fn what_no_client_of_influxdb_should_send_leaves_nothing() {
    let house = House::new();
    let server = house.serve();
    for (path, more, body, status, code) in [
        ("/write", "", &b""[..], 400, "body_empty"),
        ("/write", "", b"\xff\xfe\0\0", 400, "not_text"),
        ("/write", "Content-Encoding: gzip\r\n", b"not gzip", 400, "body_damaged"),
        ("/write", "Content-Encoding: lzma\r\n", b"a b=1", 415, "content_encoding"),
        ("/write?precision=fortnight", "", b"a b=1", 400, "precision"),
        ("/api/v2/write?precision=s&precision=s", "", b"a b=1", 400, "parameter"),
        ("/query", "", b"q=DROP+DATABASE+home", 400, "influxql"),
        ("/query", "", &[b'q'; 10_000], 413, "body_too_large"),
    ] {
        send(&server, path, more, body).expect_problem(status, code);
    }
    let stranger = "POST /write HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 5\r\n\r\na b=1";
    server.tell(stranger.as_bytes()).expect("an answer").expect_problem(401, "token_missing");
    server.get("/write").expect("an answer").expect_problem(405, "method");
    assert_eq!(asked(&house, &server, "select count(*) as n from sources"), "n\n0\n");
    server.stop();
    house.verified();
}
