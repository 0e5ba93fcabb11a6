//! Lines, as clients of InfluxDB send them.

use journal::Content;

use crate::house::{Answer, House, Request, gzip, keys, limits};

const LINES: &str = "energy,meter=M1 import_kwh=19.150 1777777800\nenergy,meter=M1 import_kwh=19.162 1777778700\n";

fn lines(path: &str, body: &[u8]) -> Request {
    Request { path: path.to_owned(), ..Request::readings(body) }.header("Content-Type", "text/plain; charset=utf-8")
}

fn counts(answer: &Answer) -> (u16, Option<&str>, Option<&str>) {
    (answer.status, answer.header("meterhouse-sequence"), answer.header("meterhouse-refused"))
}

#[track_caller]
fn expect_told(answer: &Answer, status: u16, code: &str, member: &str) {
    assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    for text in [member, "detail", "next"] {
        assert!(answer.body[text].as_str().is_some_and(|text| text.len() > 10), "{text} in {answer:?}");
    }
}

#[test]
fn lines_are_journalled_with_their_precision_and_answered_without_a_body() {
    let house = House::new();
    let v2 = "/api/v2/write?org=home&bucket=meters&precision=";
    for (at, (path, precision)) in [
        ("/write?db=telegraf&precision=s&rp=&consistency=any".to_owned(), "s"),
        ("/write".to_owned(), "ns"),
        ("/write?precision=n".to_owned(), "ns"),
        ("/write?precision=u".to_owned(), "us"),
        ("/write?precision=%C2%B5".to_owned(), "us"),
        ("/write?precision=m".to_owned(), "m"),
        ("/write?precision=h".to_owned(), "h"),
        (format!("{v2}ns"), "ns"),
        (format!("{v2}us"), "us"),
        (format!("{v2}ms"), "ms"),
        (format!("{v2}s"), "s"),
    ]
    .iter()
    .enumerate()
    {
        let answer = house.ask(&lines(path, &gzip(LINES.as_bytes())).header("Content-Encoding", "gzip"));
        assert_eq!((answer.status, answer.header("meterhouse-sequence")), (204, Some(&*(at + 1).to_string())));
        let record = &house.records()[at].body;
        assert_eq!(record.format, format!("line?precision={precision}"), "{path}");
        assert_eq!((record.object.as_str(), record.message_id.as_str()), ("", ""));
        assert_eq!(record.content, Content::Bytes(LINES.as_bytes().into()));
    }
    assert_eq!(house.metric("requests_total{status=\"204\"}"), 11);
}

#[test]
fn a_line_that_cannot_be_read_is_counted_and_costs_no_other() {
    let house = House::new();
    let latin = b"energy,meter=M1 import_kwh=1 1777777800\nenergy,meter=K\xfcche import_kwh=2 1777777800\n";
    for (at, (body, refused)) in [
        (LINES.as_bytes(), "0"),
        (b"energy,meter=M1 import_kwh=1,export_kwh=\"2\" 1777777800\nnothing\n\n# a remark\n", "2"),
        (b"cpu usage=1 1777777800\n", "1"),
        (b"# a remark and no line\n", "0"),
        (b"energy,meter=M1 import_kwh=1\n", "0"),
        (latin, "1"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = house.ask(&lines("/write?precision=s", body));
        assert_eq!(counts(&answer), (204, Some(&*(at + 1).to_string()), Some(refused)), "{answer:?}");
    }
    assert_eq!(house.metric("measurements_total{outcome=\"accepted\"}"), 5);
    assert_eq!(house.metric("measurements_total{outcome=\"refused\"}"), 4);
}

#[test]
fn a_body_without_a_line_is_refused_in_the_form_its_client_reads() {
    let house = House::with(ingest::Limits { wire_bytes_max: 100_000, ..limits() });
    let zipped = gzip(LINES.as_bytes());
    for (path, member) in [("/write?precision=s", "error"), ("/api/v2/write?precision=s", "message")] {
        let send = |body: &[u8]| lines(path, body);
        for (request, status, code) in [
            (send(b""), 400, "body_empty"),
            (send(b" \n\r\n"), 400, "body_empty"),
            (send(&zipped), 400, "not_text"),
            (send(b"\xff\xfee\0n\0e\0r\0g\0y\0"), 400, "not_text"),
            (send(&zipped[..20]).header("Content-Encoding", "gzip"), 400, "body_damaged"),
            (send(&gzip(b"")).header("Content-Encoding", "gzip"), 400, "body_empty"),
            (send(&gzip(&vec![b'#'; 30 << 20])).header("Content-Encoding", "gzip"), 413, "body_ratio"),
            (send(&[b'a'; 100_001]), 413, "body_too_large"),
            (send(LINES.as_bytes()).header("Content-Encoding", "br"), 415, "content_encoding"),
            (lines(&path.replace("=s", "=year"), LINES.as_bytes()), 400, "precision"),
            (lines(&format!("{path}&precision=s"), LINES.as_bytes()), 400, "parameter"),
        ] {
            expect_told(&house.ask(&request), status, code, member);
        }
    }
    assert_eq!(house.records(), []);
    assert_eq!(house.metric("in_flight_bytes"), 0);
}

#[test]
fn the_token_is_taken_from_wherever_these_clients_put_it() {
    let house = House::new();
    let send = |path: &str, authorization: &str| {
        house.ask(&lines(path, LINES.as_bytes()).header("Authorization", authorization))
    };
    let writer = &keys().writer;
    // `x:` and the token, in Base64.
    let basic = {
        let pair = format!("x:{writer}");
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for group in pair.as_bytes().chunks(3) {
            let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
            (0..=group.len()).for_each(|at| text.push(char::from(digits[(bits >> (18 - 6 * at)) as usize & 63])));
        }
        format!("Basic {text}")
    };
    for (path, authorization) in [
        ("/write", format!("Bearer {writer}")),
        ("/api/v2/write", format!("Token {writer}")),
        ("/write", format!("Token telegraf:{writer}")),
        ("/write", basic),
    ] {
        assert_eq!(send(path, &authorization).status, 204, "{authorization}");
    }
    assert_eq!(send(&format!("/write?u=telegraf&p={writer}"), "").status, 204);
    let unknown = format!("Token mh_{}", "0".repeat(64));
    for (authorization, status, code) in [
        (String::new(), 401, "token_missing"),
        ("Basic !!!".to_owned(), 401, "token_missing"),
        ("Token a-secret-of-theirs".to_owned(), 401, "token_missing"),
        (unknown, 401, "token_unknown"),
        (format!("Token {}", keys().reader), 403, "token_scope"),
    ] {
        let answer = send("/api/v2/write", &authorization);
        expect_told(&answer, status, code, "message");
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{answer:?}");
    }
    assert_eq!(house.records().len(), 5);
}

#[test]
fn a_database_is_as_good_as_made_and_nothing_else_is_answered() {
    let house = House::new();
    let ask = |path: &str, body: &str| {
        house.ask(&lines(path, body.as_bytes()).header("Content-Type", "application/x-www-form-urlencoded"))
    };
    for (path, body) in [
        ("/query", "q=CREATE+DATABASE+%22telegraf%22"),
        ("/query?q=CREATE%20DATABASE%20telegraf&db=telegraf", ""),
        ("/query?db=a", "q=create+database+telegraf%3B&p="),
    ] {
        let answer = ask(path, body);
        assert_eq!((answer.status, answer.body), (200, serde_json::json!({ "results": [{ "statement_id": 0 }] })));
    }
    for statement in ["SHOW+DATABASES", "DROP+DATABASE+a", "SELECT+1", "CREATE+DATABASE+a%3BDROP+DATABASE+b", ""] {
        expect_told(&ask("/query", &format!("q={statement}")), 400, "influxql", "error");
    }
    expect_told(&ask("/query", "not a form \u{fc}"), 400, "parameter", "error");
    expect_told(&ask("/query", ""), 400, "body_empty", "error");
    expect_told(&ask("/query", &"q".repeat(5_000)), 413, "body_too_large", "error");
    let stranger = lines("/query?q=CREATE%20DATABASE%20a", b"").header("Authorization", "");
    expect_told(&house.ask(&stranger), 401, "token_missing", "error");
    assert_eq!(house.records(), []);
}

#[test]
fn who_asks_whether_there_is_a_server_needs_no_token() {
    let house = House::new();
    for (method, path, status) in [("GET", "/ping", 204), ("HEAD", "/ping", 204), ("GET", "/health", 200)] {
        let mut stream = house.connect();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).expect("sends");
        let answer = Answer::read(&mut stream).expect("an answer");
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.header("x-influxdb-version").is_some_and(|version| version.starts_with("meterhouse-")));
        assert!(status == 204 || answer.body["status"] == "pass", "{answer:?}");
    }
}
