//! Bodies of readings as JSON.

use journal::Content;

use crate::house::{Answer, House, Request, gzip};

const GOOD: &str = r#"{"containers": [{"point": "home-1", "createdAt": "2026-05-03T03:10:00Z",
    "streams": [{"register": "1-0:1.8.0", "kind": "KIND_REGISTER", "unit": "kWh"}],
    "measurements": [{"stream": 0, "number": 19.150}, {"stream": 0, "at": "2026-05-03T03:25:00Z", "number": 19.162}]}]}"#;

fn json(body: &[u8]) -> Request {
    Request::readings(body).header("Content-Type", "application/json")
}

fn refused_codes(answer: &Answer) -> Vec<&str> {
    let refused = answer.body["refused"].as_array().expect("a list");
    refused.iter().map(|refused| refused["code"].as_str().expect("a code")).collect()
}

#[test]
fn json_is_journalled_as_it_came_and_answered_like_protobuf() {
    let house = House::new();
    let lines = format!("{}\n{}\n", GOOD.replace('\n', ""), GOOD.replace('\n', "").replace("home-1", "home-2"));
    let requests = [
        (json(GOOD.as_bytes()), GOOD.as_bytes(), 2),
        (json(GOOD.as_bytes()).header("Content-Type", "Application/JSON; charset=utf-8"), GOOD.as_bytes(), 2),
        (json(&gzip(GOOD.as_bytes())).header("Content-Encoding", "gzip"), GOOD.as_bytes(), 2),
        (json(lines.as_bytes()).header("Content-Type", "application/x-ndjson"), lines.as_bytes(), 4),
    ];
    for (at, (request, plain, measurements)) in requests.iter().enumerate() {
        let answer = house.ask(request);
        assert_eq!((answer.status, answer.sequence()), (200, at as u64 + 1), "{answer:?}");
        assert_eq!(answer.body["accepted_measurements"], *measurements, "{answer:?}");
        let record = &house.records()[at].body;
        assert_eq!((record.format.as_str(), record.object.as_str()), ("json", ""));
        assert_eq!(record.content, Content::Bytes(plain.to_vec().into()));
    }
}

#[test]
fn what_is_refused_in_json_is_listed_with_its_path() {
    let house = House::new();
    let answer = house.ask(&json(GOOD.replace("19.162", "\"NaN\"").as_bytes()));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((&answer.body["accepted_measurements"], &answer.body["refused_total"]), (&1.into(), &1.into()));
    assert_eq!(refused_codes(&answer).len(), 1);
    let reason = answer.body["refused"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("containers[0].measurements[1]"), "{reason}");
}

#[test]
fn json_that_cannot_be_read_as_a_whole_is_refused_with_its_byte_and_path() {
    let house = House::new();
    let cut = GOOD.find("19.162").expect("it is there");
    let answer = house.ask(&json(&GOOD.as_bytes()[..cut]));
    answer.expect_problem(400, "envelope", false);
    assert_eq!(answer.body["byte"], cut);
    assert!(answer.body["detail"].as_str().is_some_and(|said| said.contains("containers[0].measurements[1]")));
    let deep = "[".repeat(1 << 20);
    let misspelt = GOOD.replace("containers", "container");
    for bad in ["{}", "[]", " \n", "null", "{\"containers\": 1}", "not json", &misspelt, &deep, &format!("{GOOD}}}")] {
        house.ask(&json(bad.as_bytes())).expect_problem(400, "envelope", false);
    }
    house.ask(&json(b"")).expect_problem(400, "body_empty", false);
    house.ask(&json(b"\x1f\x8b\x08\0 it is not").header("Content-Encoding", "gzip")).expect_problem(
        400,
        "body_damaged",
        false,
    );
    assert_eq!(house.records(), []);
    assert_eq!(house.metric("in_flight_bytes"), 0);
}
