//! One message followed from the door to its commit, by a collector of the test's own.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::street::{House, Server, path};

/// Takes what comes to `/v1/traces`.
struct Collector {
    address: String,
    spans: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    fn new() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let spans: Arc<Mutex<Vec<Value>>> = Arc::default();
        let taken = spans.clone();
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let taken = taken.clone();
                std::thread::spawn(move || while take(stream.as_ref().expect("a connection"), &taken).is_some() {});
            }
        });
        Collector { address, spans }
    }

    fn settings(&self, house: &House, one_in: u64) -> std::path::PathBuf {
        let endpoint = format!("http://{}/v1/traces", self.address);
        house.file(
            "traces.toml",
            format!("[traces]\notlp_endpoint = {endpoint:?}\none_in = {one_in}\n[process]\ncommit_wait_max_ms = 100\n"),
        )
    }

    fn all(&self) -> Vec<Value> {
        self.spans.lock().expect("no holder panics").clone()
    }

    /// Spans of each trace by name.
    fn traces(&self) -> HashMap<String, BTreeMap<String, Value>> {
        let mut traces: HashMap<String, BTreeMap<String, Value>> = HashMap::new();
        for span in self.all() {
            let [trace, name] = ["traceId", "name"].map(|part| span[part].as_str().expect("text").to_owned());
            traces.entry(trace).or_default().insert(name, span);
        }
        traces
    }
}

/// One request; none at the end of the connection.
fn take(stream: &TcpStream, taken: &Mutex<Vec<Value>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut length, mut first, mut line) = (0, String::new(), String::new());
    reader.read_line(&mut first).ok().filter(|bytes| *bytes > 0)?;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        if line == "\r\n" {
            break;
        }
        if let Some(said) = line.to_lowercase().strip_prefix("content-length:") {
            length = said.trim().parse().expect("a number");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    assert!(first.starts_with("POST /v1/traces"), "{first}");
    let request: Value = serde_json::from_slice(&body).expect("JSON");
    let spans = &request["resourceSpans"][0]["scopeSpans"][0]["spans"];
    taken.lock().expect("no holder panics").extend(spans.as_array().expect("a list").iter().cloned());
    let mut stream = stream;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}").ok()
}

/// Posts one message; its sequence number.
fn post(server: &Server, id: &str, at: &str) -> u64 {
    let body = serde_json::json!({"containers": [{
        "point": "NMI0000001", "message_id": id,
        "streams": [{"register": "E1", "kind": "KIND_INTERVAL", "unit": "kWh", "span": 1_800_000_000}],
        "measurements": [{"stream": 0, "at": at, "number": 0.25}],
    }]});
    let reply = server.post("/v1/readings", "Content-Type: application/json\r\n", body.to_string().as_bytes());
    let reply = reply.expect("an answer");
    reply.sequence().unwrap_or_else(|| panic!("{reply:?}"))
}

/// Waits until it is applied: what is not waits in the journal when the server stops, and its
/// way is told of then.
fn applied(server: &Server, sequence: u64) {
    let ready = server.get(&format!("/v1/sql?wait={sequence}&q=select%201")).expect("an answer");
    assert_eq!(ready.status, 200, "{ready:?}");
}

fn note<'a>(span: &'a Value, name: &str) -> Option<&'a str> {
    let notes = span["attributes"].as_array().expect("a list");
    let value = &notes.iter().find(|note| note["key"] == name)?["value"];
    value["stringValue"].as_str().or(value["intValue"].as_str())
}

fn times(span: &Value) -> (u64, u64) {
    let time = |name: &str| span[name].as_str().expect("text").parse::<u64>().expect("a number");
    (time("startTimeUnixNano"), time("endTimeUnixNano"))
}

#[test]
fn one_message_is_followed_from_the_door_to_its_commit() {
    let (house, collector) = (House::new(), Collector::new());
    let server = house.serve_with(&["--config", path(&collector.settings(&house, 1))]);
    let sequences: Vec<u64> =
        (0..5).map(|at| post(&server, &format!("message-{at}"), &format!("2026-05-01T0{at}:00:00Z"))).collect();
    applied(&server, sequences[4]);
    server.stop();
    let traces = collector.traces();
    let judged = |trace: &&BTreeMap<String, Value>| note(&trace["judge"], "meterhouse.message_id") == Some("message-3");
    let trace = traces.values().find(judged).expect("it was followed");
    let names: Vec<&str> = trace.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["commit", "door", "journal append", "journal write and sync", "judge", "show to queries", "understand"]
    );
    let sequence = sequences[3].to_string();
    let door = &trace["door"];
    for (name, span) in trace {
        assert_eq!(note(span, "meterhouse.sequence"), Some(sequence.as_str()), "{span}");
        assert!(span["traceId"].as_str().is_some_and(|id| id.ends_with(&format!("{:016x}", sequences[3]))));
        let parent = if name == "journal write and sync" { &trace["journal append"] } else { door };
        assert!(name == "door" || span["parentSpanId"] == parent["spanId"], "{span}");
        let (from, to) = times(span);
        assert!(from <= to && from >= times(door).0, "{span} in {door}");
    }
    assert!(times(&trace["understand"]).0 >= times(&trace["journal write and sync"]).1, "read only once it is synced");
    assert!(times(&trace["show to queries"]).1 <= times(&trace["commit"]).1);
    assert_eq!(note(door, "meterhouse.door"), Some("http"));
    assert_eq!(traces.len(), 5);
    house.verified();
}

#[test]
fn a_sample_is_followed_whole_and_nothing_else_is() {
    let (house, collector) = (House::new(), Collector::new());
    let server = house.serve_with(&["--config", path(&collector.settings(&house, 4))]);
    let records = 200;
    for at in 0..records {
        let sequence = post(&server, "m", &format!("2026-05-01T{:02}:{:02}:00Z", at / 60, at % 60));
        if at + 1 == records {
            applied(&server, sequence);
        }
    }
    server.stop();
    let traces = collector.traces();
    assert!((20..80).contains(&traces.len()), "{} of {records}, one in 4", traces.len());
    for trace in traces.values() {
        assert_eq!(trace.len(), 7, "{trace:#?}");
    }
}

#[test]
fn a_collector_that_is_gone_costs_spans_and_no_reading() {
    let house = House::new();
    let gone = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let collector = Collector { address: gone.to_string(), spans: Arc::default() };
    let server = house.serve_with(&["--config", path(&collector.settings(&house, 1))]);
    for at in 0..20 {
        post(&server, "m", &format!("2026-05-01T00:{at:02}:00Z"));
    }
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(server.get("/healthz").expect("it lives").status, 200);
    server.stop();
    assert_eq!(house.verified()["readings"], 20);
}

#[test]
fn an_endpoint_that_is_no_address_stops_the_start() {
    let house = House::new();
    for wrong in ["collector:4318", "ftp://collector/", "http://"] {
        let file = house.file("wrong.toml", format!("[traces]\notlp_endpoint = {wrong:?}\n"));
        let output = house.run(&["serve", "--listen", "127.0.0.1:0", "--config", path(&file)]);
        let said = crate::street::text(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains("traces.otlp_endpoint"), "{wrong}: {said}");
    }
}
