//! The interface as its clients use it: lists page by page, the raw bytes,
//! what is new, and a walk along its own description.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};

use serde_json::Value;

use crate::street::{House, Server, nem12};
use crate::talking::Reply;

pub fn ask(server: &Server, path: &str) -> Value {
    let reply = server.get(path).expect("is answered");
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    serde_json::from_str(&reply.body).unwrap_or_else(|error| panic!("{path}: {error}: {reply:?}"))
}

/// Sends a file and waits until it can be seen.
pub fn send(server: &Server, name: &str, content: &[u8]) -> u64 {
    let sent = server.post(&format!("/v1/files?name={name}"), "", content).expect("is answered");
    let sequence = sent.sequence().unwrap_or_else(|| panic!("{sent:?}"));
    ask(server, &format!("/v1/channels?wait={sequence}"));
    sequence
}

/// All rows, following `next`.
pub fn pages(server: &Server, path: &str, limit: usize) -> Vec<Value> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page = ask(server, &format!("{path}{}limit={limit}{after}", if path.contains('?') { '&' } else { '?' }));
        let rows = page["rows"].as_array().expect("rows").clone();
        assert!(rows.len() <= limit);
        all.extend(rows);
        match &page["next"] {
            Value::Null => return all,
            Value::String(next) => after = format!("&after={next}"),
            other => panic!("next is {other}"),
        }
    }
}

#[test]
fn pages_together_are_the_whole() {
    let house = House::new();
    let server = house.serve();
    send(&server, "day.csv", nem12("1.25", "20040420010203").as_bytes());
    send(&server, "wrong.csv", nem12("1.25", "20040420010203").replacen("1.25", "1.2x", 1).as_bytes());
    let whole = pages(&server, "/v1/readings?point=CCCC123456", 1_000);
    assert_eq!(whole.len(), 48);
    let starts: Vec<&str> = whole.iter().map(|row| row["start"].as_str().expect("a time")).collect();
    assert!(starts.is_sorted() && starts.iter().collect::<BTreeSet<_>>().len() == 48);
    for limit in [1, 7, 47, 48] {
        assert_eq!(pages(&server, "/v1/readings?point=CCCC123456", limit), whole, "{limit} a page");
    }
    let noon = "/v1/readings?point=CCCC123456&register=E1&from=2004-04-16T20:00:00Z&to=2004-04-17";
    assert_eq!(pages(&server, noon, 3), whole[12..20]);
    let channel = &whole[0]["channel"];
    assert_eq!(pages(&server, &format!("/v1/readings?channel={channel}"), 10), whole);
    assert_eq!(pages(&server, "/v1/latest", 1), [whole[47].clone()]);
    assert_eq!(ask(&server, "/v1/readings?point=nobody"), serde_json::json!({ "rows": [], "next": null }));
    let refused = pages(&server, "/v1/refused", 2);
    assert!(!refused.is_empty());
    assert_eq!(pages(&server, "/v1/refused?seq=2", 1_000), refused);
    let imports = pages(&server, "/v1/imports?files=true", 1);
    let counts: Vec<_> = imports.iter().map(|row| (&row["seq"], &row["object"], &row["accepted"])).collect();
    assert_eq!(
        format!("{counts:?}"),
        r#"[(Number(2), String("wrong.csv"), Number(0)), (Number(1), String("day.csv"), Number(48))]"#
    );
    server.stop();
}

#[test]
fn a_reading_in_a_foreign_unit_does_not_hide_the_others() {
    let house = House::new();
    let server = house.serve();
    send(&server, "day.csv", nem12("1.25", "20040420010203").as_bytes());
    send(&server, "foreign.csv", nem12("7.5", "20040422010203").replace("kWh", "pieces").as_bytes());
    send(&server, "other.csv", nem12("1.25", "20040420010203").replace("CCCC", "DDDD").as_bytes());
    let shown = pages(&server, "/v1/readings?point=CCCC123456", 1_000);
    assert_eq!(
        (&shown[0]["value"], &shown[0]["unit"], &shown[0]["quantity"]),
        (&75.into(), &"pieces".into(), &Value::Null)
    );
    assert_eq!(pages(&server, "/v1/latest", 1_000).len(), 2);
    let sums = server.post("/v1/sql", "", b"select sum(quantity) from readings").expect("is answered");
    sums.expect_problem(400, "inexact_quantity");
    server.stop();
}

#[test]
fn a_page_says_where_the_next_begins_in_every_form() {
    let house = House::new();
    let server = house.serve();
    send(&server, "day.csv", nem12("1.25", "20040420010203").as_bytes());
    let first = server.get("/v1/readings?point=CCCC123456&format=csv&limit=40").expect("is answered");
    assert_eq!(first.body.lines().count(), 41);
    let link = first.head.lines().find_map(|line| line.strip_prefix("link: ")).expect("a link");
    let next =
        link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).expect("as RFC 8288 has it");
    // The head was made lower case to be searched; the path has names that are not.
    let second = server.get(&next.replace("cccc", "CCCC")).expect("is answered");
    assert_eq!(second.body.lines().count(), 9);
    assert!(!second.head.contains("link: "), "{second:?}");
    assert_eq!(first.body.lines().next(), second.body.lines().next());
    server.stop();
}

#[test]
fn what_came_in_goes_out_again_byte_for_byte() {
    let house = House::new();
    let server = house.serve();
    let (small, large) = (nem12("1.25", "20040420010203"), large_file());
    let sequences = [send(&server, "small.csv", small.as_bytes()), send(&server, "large.csv", large.as_bytes())];
    for (sequence, content) in sequences.iter().zip([&small, &large]) {
        let came = server.get(&format!("/v1/sources/{sequence}")).expect("is answered");
        assert!(came.status == 200 && came.body == **content, "record {sequence}: {}", came.head);
        assert!(came.head.contains("nosniff") && came.head.contains("attachment"), "{}", came.head);
        let import = ask(&server, &format!("/v1/imports/{sequence}"));
        assert_eq!((&import["state"], &import["bytes"]), (&"read".into(), &content.len().into()), "{import}");
    }
    for nothing in ["/v1/sources/3", "/v1/imports/3", "/v1/sources/18446744073709551615", "/v1/imports/0"] {
        server.get(nothing).expect("is answered").expect_problem(404, "no_record");
    }
    server.get("/v1/sources/first").expect("is answered").expect_problem(400, "parameter");
    server.stop();
}

/// More than a record of the journal holds.
pub fn large_file() -> String {
    let mut file = "100,NEM12,200404201300,MDA1,Ret1\n".to_owned();
    let values = vec!["0.1234567"; 48].join(",");
    for meter in 0..24_000 {
        let (point, day) = (meter / 28, 1 + meter % 28);
        file.push_str(&format!("200,P{point:09},E1,001,E1,N1,METSER123,kWh,30,\n"));
        file.push_str(&format!("300,200402{day:02},{values},A,,,20040420010203,20040419003500\n"));
    }
    file.push_str("900\n");
    file
}

#[test]
fn what_cannot_be_asked_says_why() {
    let house = House::new();
    let server = house.serve();
    let wrong = [
        "/v1/readings?point=a&limit=0",
        "/v1/readings?point=a&limit=10001",
        "/v1/readings?point=a&limit=many",
        "/v1/readings?point=a&from=yesterday",
        "/v1/readings?point=a&to=2026-13-01",
        "/v1/readings?point=a&to=%F0%9F%98%80ab",
        "/v1/readings?point=a&after=1",
        "/v1/readings?point=a&after=1.9223372036854775807.0",
        "/v1/readings?point=a&format=table",
        "/v1/readings?pont=a",
        "/v1/channels?channel=x",
        "/v1/latest?register=E1",
        "/v1/refused?seq=-1",
        "/v1/imports?files=perhaps",
        "/v1/imports?after=1.2",
        "/v1/live",
        "/v1/live?point=a&format=csv",
    ];
    for path in wrong {
        server.get(path).expect("is answered").expect_problem(400, "parameter");
    }
    let quoted = ask(&server, "/v1/channels?point='%20or%20true%20--");
    assert_eq!(quoted["rows"], serde_json::json!([]));
    let names = ["readings?point=a", "channels", "latest", "refused", "imports", "imports/1", "sources/1", "live"];
    for name in names {
        let bare = format!("GET /v1/{name} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        server.tell(bare.as_bytes()).expect("is answered").expect_problem(401, "token_missing");
    }
    server.stop();
}

#[test]
fn who_watches_sees_each_new_reading_once_and_is_let_go_at_the_stop() {
    let house = House::new();
    let server = house.serve();
    send(&server, "day.csv", nem12("1.25", "20040420010203").as_bytes());
    let mut stream = server.connect().expect("connects");
    stream.write_all(server.head("GET /v1/live?point=CCCC123456", "").as_bytes()).expect("asks");
    let mut lines = BufReader::new(stream).lines();
    while !lines.next().expect("a head").expect("text").is_empty() {}
    // Another point, the same again, and one with corrections.
    send(&server, "other.csv", nem12("1.25", "20040420010203").replace("CCCC", "DDDD").as_bytes());
    send(&server, "again.csv", format!("{}\n", nem12("1.25", "20040420010203")).as_bytes());
    send(&server, "corrected.csv", nem12("2.50", "20040421010203").as_bytes());
    let mut seen = Vec::new();
    while seen.len() < 48 {
        let line = lines.next().expect("it goes on").expect("text");
        if let Some(data) = line.strip_prefix("data: ") {
            let reading: Value = serde_json::from_str(data).expect("JSON");
            assert_eq!((&reading["point"], &reading["seq"]), (&"CCCC123456".into(), &4.into()), "{reading}");
            assert_eq!((&reading["value"], &reading["correction"]), (&"2.50".into(), &true.into()), "{reading}");
            seen.push(reading["start"].as_str().expect("a time").to_owned());
        }
    }
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 48);
    let begun = std::time::Instant::now();
    server.stop();
    assert!(begun.elapsed().as_secs() < 8, "a watcher holds the server up");
    let rest: Vec<String> = lines.map_while(Result::ok).filter(|line| line.starts_with("data: ")).collect();
    assert_eq!(rest, Vec::<String>::new());
}

#[test]
fn who_watches_sees_channels_too_that_come_later() {
    let house = House::new();
    let server = house.serve();
    let day = nem12("1.25", "20040420010203");
    send(&server, "other.csv", day.replace("CCCC", "DDDD").as_bytes());
    let mut stream = server.connect().expect("connects");
    stream.write_all(server.head("GET /v1/live?point=CCCC123456", "").as_bytes()).expect("asks");
    let mut lines = BufReader::new(stream).lines();
    while !lines.next().expect("a head").expect("text").is_empty() {}
    // The point, a stranger, another register of the point.
    send(&server, "point.csv", day.as_bytes());
    send(&server, "stranger.csv", day.replace("CCCC", "EEEE").as_bytes());
    send(&server, "register.csv", day.replace("E1,001,E1", "B1,001,B1").as_bytes());
    let mut seen = BTreeSet::new();
    while seen.len() < 96 {
        let line = lines.next().expect("it goes on").expect("text");
        if let Some(data) = line.strip_prefix("data: ") {
            let reading: Value = serde_json::from_str(data).expect("JSON");
            assert_eq!(reading["point"], "CCCC123456", "{reading}");
            let new = seen.insert((reading["register"].to_string(), reading["start"].to_string()));
            assert!(new, "shown twice: {reading}");
        }
    }
    server.stop();
}

/// It works in a network that is closed, and tells nobody who looks at it.
#[test]
fn the_first_page_asks_no_other_host() {
    let house = House::new();
    let server = house.serve();
    for path in ["/", "/page/page.css", "/page/page.js"] {
        let file = server.tell(format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").as_bytes());
        let file = file.expect("is answered");
        assert_eq!(file.status, 200, "{file:?}");
        assert!(file.head.contains("content-security-policy: default-src 'none'"), "{}", file.head);
        let elsewhere = file.body.replace("http://www.w3.org/2000/svg", "").contains("://");
        assert!(!elsewhere, "{path} names another host");
        for link in file.body.split("href=\"/").chain(file.body.split("src=\"/")).skip(1) {
            let linked = format!("/{}", link.split('"').next().expect("first"));
            if linked.starts_with("/page") || linked.starts_with("/v1") {
                assert_eq!(server.get(&linked).expect("is answered").status, 200, "{path} links to {linked}");
            }
        }
    }
    server.stop();
}

/// A client that knows the description and nothing else.
#[test]
fn every_request_of_the_description_is_answered_as_it_says() {
    let house = House::new();
    let server = house.serve();
    send(&server, "day.csv", nem12("1.25", "20040420010203").as_bytes());
    send(&server, "wrong.csv", nem12("1.25", "20040420010203").replacen("1.25", "1.2x", 1).as_bytes());
    let api = ask(&server, "/v1/openapi.json");
    let mut asked = 0;
    for (path, methods) in api["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let reply = request(&server, &api, path, method, operation);
            let said = &operation["responses"][reply.status.to_string()];
            assert!(said.is_object(), "{method} {path} answers {} and does not say so: {reply:?}", reply.status);
            asked += 1;
            let kind = reply.head.lines().find_map(|line| line.strip_prefix("content-type: "));
            let Some(kind) = kind else {
                assert!(reply.body.is_empty() && said["content"].is_null(), "{method} {path}: no type in {reply:?}");
                continue;
            };
            let plain = kind.split(';').next().expect("first");
            assert!(said["content"].get(plain).is_some(), "{method} {path}: {kind} is not among {}", said["content"]);
            if plain.ends_with("json") && !reply.body.is_empty() {
                let body: Value = serde_json::from_str(&reply.body).expect("JSON");
                check(&api, &said["content"][plain]["schema"], &body, &format!("{method} {path}"));
            }
        }
    }
    assert!(asked >= 25, "{asked} requests only");
    server.stop();
}

/// The least that the description asks for; a stream is left after its head.
fn request(server: &Server, api: &Value, path: &str, method: &str, operation: &Value) -> Reply {
    let mut target = path.to_owned();
    let (mut query, mut headers) = (Vec::new(), String::new());
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().expect("a name");
        match parameter["in"].as_str() {
            Some("path") => target = target.replace(&format!("{{{name}}}"), "1"),
            // What every list takes, and what readings cannot be asked without.
            Some("query") if name == "point" => query.push("point=CCCC123456".to_owned()),
            Some("query") if name == "q" => query.push("q=select%201%20as%20one".to_owned()),
            Some("header") if name == "Tus-Resumable" => headers.push_str("Tus-Resumable: 1.0.0\r\n"),
            Some("header") if name == "Upload-Metadata" => headers.push_str("Upload-Metadata: filename YQ==\r\n"),
            Some("header") if parameter["required"] == true => headers.push_str(&format!("{name}: 1\r\n")),
            Some("query") if parameter["required"] == true => query.push(format!("{name}=a")),
            _ => {}
        }
    }
    if !query.is_empty() {
        target = format!("{target}?{}", query.join("&"));
    }
    assert!(api["components"]["securitySchemes"]["token"].is_object());
    let (kind, body) = match operation["requestBody"]["content"].as_object().and_then(|kinds| kinds.keys().next()) {
        Some(kind) if kind == "application/json" => (kind.as_str(), "{\"sql\": \"select 1 as one\"}"),
        Some(kind) if kind == "text/plain" => (kind.as_str(), "select 1 as one"),
        Some(kind) => (kind.as_str(), "not what it should be"),
        None => ("text/plain", ""),
    };
    let more = format!("Content-Length: {}\r\nContent-Type: {kind}\r\n{headers}", body.len());
    let head = server.head(&format!("{} {target}", method.to_uppercase()), &more);
    let mut stream = server.connect().expect("connects");
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).expect("asks");
    if operation["responses"]["200"]["content"].get("text/event-stream").is_some() {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).map(|line| line.to_lowercase()).collect();
        let status = head[0].split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        return Reply { status, head: head.join("\r\n"), body: String::new() };
    }
    Reply::read(&mut stream).expect("is answered").without_chunks()
}

/// Holds a value to its schema: every property is described and of its type.
pub fn check(api: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/components/schemas/").expect("one of ours");
        let named = &api["components"]["schemas"][name];
        assert!(named.is_object(), "{place}: nothing is described as {name}");
        return check(api, named, value, place);
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(kinds.contains(&kind), "{place}: {value} is {kind}, not {kinds:?}");
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        check(api, &schema["items"], item, &format!("{place}[{at}]"));
    }
    if let (Some(said), Some(found)) = (schema["properties"].as_object(), value.as_object()) {
        let names = |of: &serde_json::Map<String, Value>| of.keys().cloned().collect::<BTreeSet<String>>();
        let (said_names, found_names) = (names(said), names(found));
        assert!(found_names.is_subset(&said_names), "{place}: {found_names:?} are described as {said_names:?}");
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            assert!(found.contains_key(name), "{place}: {name} is missing in {value}");
        }
        found.iter().for_each(|(name, value)| check(api, &said[name], value, &format!("{place}.{name}")));
    }
}
