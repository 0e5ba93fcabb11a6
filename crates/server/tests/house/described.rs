//! The description of the interface against what the server does, where they once
//! differed: each was found by schemathesis, and each test is named after its harm.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::rest::{ask, check, pages, send};
use crate::street::{House, Server, nem12};

fn description(server: &Server) -> Value {
    ask(server, "/v1/openapi.json")
}

/// Calls `look` with every object in it.
fn objects(value: &Value, look: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            look(object);
            object.values().for_each(|value| objects(value, look));
        }
        Value::Array(all) => all.iter().for_each(|value| objects(value, look)),
        _ => {}
    }
}

#[test]
fn nothing_is_described_by_a_name_that_is_not_there() {
    let house = House::new();
    let server = house.serve();
    let api = description(&server);
    let mut names = BTreeSet::new();
    objects(&api, &mut |object| names.extend(object.get("$ref").and_then(Value::as_str).map(String::from)));
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let path = name.strip_prefix('#').expect("within the description");
        assert!(api.pointer(path).is_some(), "{name} is not there");
    }
    server.stop();
}

/// Two types of one name had become one, the wrong one.
#[test]
fn a_receipt_with_refusals_is_what_the_description_says() {
    let house = House::new();
    let server = house.serve();
    let api = description(&server);
    let post = &api["paths"]["/v1/readings"]["post"];
    let example = &post["requestBody"]["content"]["application/json"]["schema"]["example"];
    let json = "Content-Type: application/json\r\n";
    let good = server.post("/v1/readings", json, example.to_string().as_bytes()).expect("is answered");
    let receipt: Value = serde_json::from_str(&good.body).expect("JSON");
    assert_eq!((&receipt["accepted_measurements"], &receipt["refused_total"]), (&1.into(), &0.into()), "{receipt}");
    let wrong = example.to_string().replace("0.25", "\"a quarter\"");
    let partly = server.post("/v1/readings", json, wrong.as_bytes()).expect("is answered");
    let receipt: Value = serde_json::from_str(&partly.body).expect("JSON");
    assert_eq!(receipt["refused_total"], 1, "{receipt}");
    check(&api, &post["responses"]["200"]["content"]["application/json"]["schema"], &receipt, "receipt");
    server.stop();
}

#[test]
fn an_answer_in_another_form_does_not_surprise_who_knows_the_description() {
    let house = House::new();
    let server = house.serve();
    send(&server, "day.csv", nem12("1.25", "20040420010203").as_bytes());
    let api = description(&server);
    for (path, query) in [("/v1/sql", "q=select%201"), ("/v1/readings", ""), ("/v1/latest", ""), ("/v1/channels", "")]
        .into_iter()
        .chain([("/v1/refused", ""), ("/v1/imports", "")])
    {
        let get = &api["paths"][path]["get"];
        let form = get["parameters"].as_array().expect("parameters").iter().find(|one| one["name"] == "format");
        let name = form.and_then(|form| form["schema"]["$ref"].as_str()).expect("a name").trim_start_matches('#');
        for form in api.pointer(name).expect("described")["enum"].as_array().expect("several").iter() {
            let form = form.as_str().expect("a word");
            let reply = server.get(&format!("{path}?{query}&format={form}")).expect("is answered");
            let kind = reply.head.lines().find_map(|line| line.strip_prefix("content-type: ")).expect("a type");
            let plain = kind.split(';').next().expect("first");
            assert!(get["responses"]["200"]["content"].get(plain).is_some(), "{path} gives {form} as {kind}");
        }
    }
    server.stop();
}

/// A client that fills an optional text with nothing was sent away, and could not know why.
#[test]
fn a_text_that_may_not_be_empty_is_described_so() {
    let house = House::new();
    let server = house.serve();
    let api = description(&server);
    let mut held = BTreeSet::new();
    for (path, methods) in api["paths"].as_object().expect("paths") {
        for parameter in
            methods.as_object().expect("methods").values().flat_map(|one| one["parameters"].as_array()).flatten()
        {
            let name = parameter["name"].as_str().expect("a name");
            // A path without a name is another path.
            if parameter["in"] == "path" || !["after", "q", "from", "to", "name", "Upload-Metadata"].contains(&name) {
                continue;
            }
            let schema = &parameter["schema"];
            let is_held = schema["pattern"].is_string() || schema["minLength"].as_u64() > Some(0);
            assert!(is_held, "{path}: {name} is described as any text: {schema}");
            held.insert(name.to_owned());
        }
    }
    assert_eq!(held.len(), 6, "{held:?}");
    for path in
        ["/v1/channels?after=", "/v1/readings?from=", "/v1/sql?q=", "/v1/sql", "/v1/refused?seq=9223372036854775808"]
    {
        let reply = server.get(path).expect("is answered");
        assert_eq!(reply.status, 400, "{path}: {reply:?}");
    }
    server.stop();
}

/// Who asked for readings and named no point was refused, though the description asks for none.
#[test]
fn readings_of_all_points_come_page_by_page() {
    let house = House::new();
    let server = house.serve();
    // More points than one page is sought among.
    let point = |at: u32| nem12("1.25", "20040420010203").replace("CCCC123456", &format!("P{at:09}"));
    let days: Vec<String> = (0..70).map(|at| point(at).replace("900\n", "").replacen("100,", "", 1)).collect();
    let days = days.iter().map(|day| day.split_once('\n').expect("a header").1);
    let file = format!("100,NEM12,200404201300,MDA1,Ret1\n{}900\n", days.collect::<String>());
    send(&server, "town.csv", file.as_bytes());
    let whole = pages(&server, "/v1/readings", 10_000);
    assert_eq!(whole.len(), 70 * 48);
    let keys: BTreeSet<String> = whole.iter().map(|row| format!("{} {}", row["point"], row["start"])).collect();
    assert_eq!(keys.len(), whole.len(), "a reading came twice");
    for limit in [999, 48] {
        assert_eq!(pages(&server, "/v1/readings", limit), whole, "{limit} a page");
    }
    assert_eq!(pages(&server, "/v1/readings?register=E1&to=2004-04-16T15:00:00Z", 50).len(), 70 * 2);
    server.stop();
}
