//! The same requests as JSON: what they mean, and what is refused of them.

use std::fmt::Write as _;

use meter::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use prost::Message as _;
use serde::de::IgnoredAny;

use super::oracle::{self, Amount, Container, Measurement, Request, Seen, Stream};
use super::{Heard, limits};
use crate::protobuf::json::{self, EnvelopeFault, fields};

/// Writes JSON in the ways that mean the same, one after the other.
struct Scribe {
    out: Vec<u8>,
    turn: u64,
}

impl Scribe {
    /// One of `count` ways.
    fn way(&mut self, count: u64) -> u64 {
        self.turn = self.turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.turn >> 33) % count
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
        if self.way(8) == 0 {
            self.out.extend_from_slice(b" \r\n\t");
        }
    }

    fn key(&mut self, name: &str) {
        if !matches!(self.out.trim_ascii_end().last(), Some(b'{')) {
            self.raw(",");
        }
        let mut parts = name.split('_');
        let mut key = parts.next().expect("a name").to_owned();
        let is_camel = self.way(2) == 0;
        for part in parts {
            key += &if is_camel { part[..1].to_uppercase() + &part[1..] } else { format!("_{part}") };
        }
        self.raw(&format!("\"{key}\""));
        self.raw(":");
    }

    /// Bytes as they are, which may be no UTF-8.
    fn text(&mut self, name: &str, bytes: &[u8]) {
        if !bytes.is_empty() || self.way(2) == 0 {
            self.said(name, bytes);
        }
    }

    fn said(&mut self, name: &str, bytes: &[u8]) {
        self.key(name);
        self.out.push(b'"');
        for chunk in bytes.utf8_chunks() {
            chunk.valid().chars().for_each(|character| self.character(character));
            self.out.extend_from_slice(chunk.invalid());
        }
        self.raw("\"");
    }

    fn character(&mut self, character: char) {
        let escapes = match character {
            '"' | '\\' => format!("\\{character}"),
            control if control < ' ' => format!("\\u{:04x}", control as u32),
            other if self.way(6) == 0 => {
                other.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04X}")).collect()
            }
            other => other.to_string(),
        };
        self.out.extend(escapes.bytes());
    }

    fn number(&mut self, name: &str, number: i64) {
        if number == 0 && self.way(2) == 0 {
            return;
        }
        self.optional(name, Some(number));
    }

    fn optional(&mut self, name: &str, number: Option<i64>) {
        let Some(number) = number else {
            if self.way(4) == 0 {
                self.key(name);
                self.raw("null");
            }
            return;
        };
        self.key(name);
        match self.way(3) {
            0 => self.raw(&format!("\"{number}\"")),
            1 if number % 1_000 == 0 => self.raw(&format!("{}e3", number / 1_000)),
            _ => self.raw(&number.to_string()),
        }
    }

    fn instant(&mut self, name: &str, at: Option<i64>) {
        match at.map(Timestamp::checked) {
            Some(Ok(at)) if self.way(2) == 0 => {
                self.key(name);
                self.raw(&format!("\"{at}\""));
            }
            _ => self.optional(name, at),
        }
    }

    fn code(&mut self, name: &str, code: i32, names: &[&str]) {
        match usize::try_from(code).ok().and_then(|code| names.get(code)) {
            Some(word) if self.way(2) == 0 => {
                self.key(name);
                self.raw(&format!("\"{}_{word}\"", name.to_uppercase()));
            }
            _ => self.number(name, code.into()),
        }
    }

    fn list<T>(&mut self, name: &str, items: &[T], one: impl Fn(&mut Scribe, &T)) {
        if items.is_empty() && self.way(2) == 0 {
            return;
        }
        self.key(name);
        self.raw("[");
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                self.raw(",");
            }
            self.raw("{");
            one(self, item);
            self.raw("}");
        }
        self.raw("]");
    }

    fn container(&mut self, one: &Container) {
        self.text("point", &one.point);
        self.text("device", &one.device);
        if self.way(2) == 0 {
            self.lists(one);
            self.times(one);
        } else {
            self.times(one);
            self.lists(one);
        }
    }

    fn times(&mut self, one: &Container) {
        self.text("message_id", &one.message_id);
        self.instant("created_at", (one.created_at != 0).then_some(one.created_at));
        self.instant("base_time", one.base_time);
        self.code("identity", one.identity, &fields::IDENTITIES);
    }

    fn lists(&mut self, one: &Container) {
        let base = one.base_time.unwrap_or(one.created_at);
        self.list("measurements", &one.measurements, |scribe, measured| scribe.measurement(measured, base));
        self.list("streams", &one.streams, Scribe::stream);
    }

    fn stream(&mut self, one: &Stream) {
        self.text("register", &one.register);
        self.code("kind", one.kind, &fields::KINDS);
        self.code("commodity", one.commodity, &fields::COMMODITIES);
        self.code("flow", one.flow, &fields::FLOWS);
        self.code("phase", one.phase, &fields::PHASES);
        self.text("unit", &one.unit);
        self.number("scale", one.scale.into());
        self.number("span", one.span);
        self.text("quality", &one.quality);
        self.text("reason", &one.reason);
    }

    fn measurement(&mut self, one: &Measurement, base: i64) {
        self.number("stream", one.stream.into());
        match base.checked_add(one.at).map(Timestamp::checked) {
            Some(Ok(at)) if self.way(2) == 0 => {
                self.key("at");
                self.raw(&format!("\"{at}\""));
            }
            _ => self.number("at", one.at),
        }
        match one.value {
            None => {}
            Some(Amount::Digits(digits)) => self.optional("digits", Some(digits)),
            Some(Amount::Number(number)) => self.amount(number),
        }
        self.optional("scale", one.scale.map(i64::from));
        self.optional("span", one.span);
        for (name, word) in [("quality", &one.quality), ("reason", &one.reason)] {
            if let Some(word) = word {
                self.said(name, word);
            }
        }
        self.number("flags", one.flags.into());
        self.instant("changed_at", one.changed_at);
    }

    fn amount(&mut self, number: f64) {
        self.key("number");
        let spelled = match number {
            _ if number.is_nan() => "NaN".to_owned(),
            _ if number.is_infinite() => if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
            // Both are the shortest that reads back as the same.
            _ if self.way(2) == 0 && number.abs() < 1e15 && number.abs() > 1e-5 => format!("{number}"),
            _ => format!("{number:e}"),
        };
        match self.way(3) {
            0 => self.raw(&format!("\"{spelled}\"")),
            _ => self.raw(&spelled),
        }
    }
}

fn written(request: &Request, turn: u64) -> Vec<u8> {
    let mut scribe = Scribe { out: Vec::new(), turn };
    scribe.raw("{");
    if scribe.way(2) == 0 {
        scribe.list("streams", &request.streams, Scribe::stream);
        scribe.list("containers", &request.containers, Scribe::container);
    } else {
        scribe.list("containers", &request.containers, Scribe::container);
        scribe.list("streams", &request.streams, Scribe::stream);
    }
    scribe.raw("}");
    scribe.out
}

fn heard(body: &[u8]) -> Heard {
    let mut heard = Heard::default();
    let tally = json::read(body, limits(), &mut heard).expect("readable");
    let summary = json::check(body).expect("readable");
    assert_eq!(tally.readings + tally.refused, summary.measurements);
    let readings = heard.seen.iter().filter(|seen| !matches!(seen, Seen::Refused(_))).count();
    assert_eq!(tally.readings, readings as u64);
    for (byte, code, reason) in &heard.refused {
        assert!(*byte < body.len() && (code.starts_with("json.") || code.starts_with("time.")), "{code}");
        assert!(reason.contains("containers["), "{reason}");
    }
    heard
}

/// Which of several faults of one measurement is told first is not compared.
fn without_codes(seen: Vec<Seen>) -> Vec<Seen> {
    seen.into_iter().map(|seen| if let Seen::Refused(_) = seen { Seen::Refused(String::new()) } else { seen }).collect()
}

proptest! {
    #[test]
    fn a_request_in_json_means_what_it_means_in_protobuf(request in oracle::request(), turn: u64) {
        let body = written(&request, turn);
        let mut sink = Heard::default();
        crate::protobuf::read(&request.encode_to_vec(), limits(), &mut sink).expect("readable");
        let heard = heard(&body);
        let spelled = String::from_utf8_lossy(&body);
        prop_assert_eq!(without_codes(heard.seen), without_codes(sink.seen), "{}\n{:?}", spelled, heard.refused);
        prop_assert!(json::looks_like(&body));
    }

    #[test]
    fn several_requests_say_what_each_says(requests in vec(oracle::request(), 1..4), turn: u64) {
        let bodies: Vec<_> = requests.iter().map(|request| written(request, turn)).collect();
        let together = heard(&bodies.join(&b'\n')).seen;
        prop_assert_eq!(together, bodies.iter().flat_map(|body| heard(body).seen).collect::<Vec<_>>());
    }

    #[test]
    fn a_damaged_body_is_refused_or_read_and_never_half_taken_in(
        request in oracle::request(), turn: u64, at: Index, byte in prop_oneof![any::<u8>(), select(&b"{}[]\",:\\0"[..])],
    ) {
        let mut body = written(&request, turn);
        let at = at.index(body.len());
        body[at] = byte;
        same_verdict(&body)?;
    }

    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>, text in "[\\[\\]{}\",:a-z\\\\0-9eE.+ -]{0,60}") {
        same_verdict(&body)?;
        same_verdict(text.as_bytes())?;
        same_verdict(format!("{{\"containers\":[{text}]}}").as_bytes())?;
    }

    #[test]
    fn what_is_json_is_told_as_another_reader_tells_it(text in "[\\[\\]{}\",:tn\\\\u0-9eE.+-]{0,24}") {
        let text = format!("[{text}]");
        // A body may hold several requests, so one value may follow the other.
        let theirs = serde_json::Deserializer::from_str(&text).into_iter::<IgnoredAny>().all(|value| value.is_ok());
        match json::check(text.as_bytes()) {
            Err(error) => prop_assert_eq!(matches!(error.what, EnvelopeFault::NoRequest { .. }), theirs, "{}", error),
            Ok(_) => prop_assert!(false, "a list is no request"),
        }
    }

    #[test]
    fn a_number_keeps_every_digit(value: i64, scale in 0_u8..=18, is_quoted: bool) {
        let number = meter::Decimal::new(value, scale).to_string();
        let spelled = if is_quoted { format!("\"{number}\"") } else { number.clone() };
        let Seen::Reading { value, .. } = one(&format!("\"number\": {spelled}")) else { panic!("refused") };
        prop_assert_eq!(value, number);
    }
}

fn same_verdict(body: &[u8]) -> Result<(), TestCaseError> {
    if let Err(error) = json::check(body) {
        let mut untouched = Heard::default();
        prop_assert!(error.byte <= body.len() && error.to_string().len() < 4_000);
        prop_assert_eq!(json::read(body, limits(), &mut untouched), Err(error));
        prop_assert!(untouched.seen.is_empty());
        return Ok(());
    }
    heard(body);
    Ok(())
}

#[test]
fn a_body_cut_off_anywhere_is_refused_whole() {
    let body = written(&Request { containers: vec![oracle::plain(3); 2], streams: oracle::plain(1).streams }, 7);
    let body = body.trim_ascii_end();
    for end in 0..body.len() {
        let error = json::check(&body[..end]).expect_err("cut off");
        let is_end = matches!(error.what, EnvelopeFault::Ends | EnvelopeFault::Empty | EnvelopeFault::NoValue);
        assert!(is_end, "{end}: {error}");
    }
    assert_eq!(json::check(body).map(|summary| summary.measurements), Ok(6));
}

const STREAM: &str = r#"{"register": "1-0:1.8.0", "kind": "KIND_REGISTER", "unit": "kWh"}"#;

/// A request with one measurement of these fields.
fn request(measured: &str) -> String {
    format!(
        "{{\"containers\": [{{\"point\": \"P\", \"createdAt\": \"2026-05-03T03:10:00Z\", \"streams\": [{STREAM}],\n \
         \"measurements\": [{{{measured}}}]}}]}}"
    )
}

fn one(measured: &str) -> Seen {
    heard(request(measured).as_bytes()).seen.remove(0)
}

/// The sentence for a refused measurement, or the value of one that was read.
fn said(measured: &str) -> String {
    let heard = heard(request(measured).as_bytes());
    match &heard.seen[0] {
        Seen::Reading { value, .. } => value.clone(),
        Seen::Refused(code) => format!("{code}: {}", heard.refused[0].2),
    }
}

fn check_refused(measured: &str, expected: &str) {
    assert_eq!(said(measured), expected.replace('@', "containers[0].measurements[0]"));
}

#[test]
fn a_number_is_what_its_text_says() {
    for (spelled, value) in [
        ("1.2E-3", "0.0012"),
        ("19.150", "19.150"),
        ("0.1", "0.1"),
        ("-0.0", "0.0"),
        ("9007199254740993", "9007199254740993"),
        ("0.123456789012345678", "0.123456789012345678"),
        ("\"19.150\"", "19.150"),
    ] {
        assert_eq!(said(&format!("\"number\": {spelled}")), value);
    }
    assert_eq!(said("\"digits\": \"19150\", \"scale\": 3"), "19.150");
    assert_eq!(said("\"digits\": 1e3"), "1000");
    // As in protobuf: the scale is of `digits`.
    assert_eq!(said("\"number\": 230.4, \"scale\": 3"), "230.4");
}

#[test]
fn a_value_that_does_not_fit_its_field_is_refused_by_its_path() {
    check_refused("\"number\": NaN", "json.not_finite: @.number: the value is not a finite number");
    check_refused("\"number\": \"-Infinity\"", "json.not_finite: @.number: the value is not a finite number");
    check_refused("\"number\": \"1,5\"", "json.number: @.number: \"1,5\" is not a number");
    check_refused("\"number\": true", "json.type: @.number: a boolean where a number is expected");
    check_refused("\"number\": {\"a\": [1]}", "json.type: @.number: an object where a number is expected");
    check_refused(
        "\"number\": 1e300",
        "json.digits: @.number: 1e300 has more digits than fit (18 after the point, 19 in all)",
    );
    check_refused(
        "\"digits\": 1.5",
        "json.number: @.digits: 1.5 is no whole number from -9223372036854775808 to 9223372036854775807",
    );
    check_refused("\"digits\": 1, \"scale\": -1", "json.number: @.scale: -1 is no whole number from 0 to 4294967295");
    check_refused(
        "\"digits\": 1, \"number\": 1",
        "json.both_values: @: digits and number are both there; send one of them",
    );
    check_refused("\"digits\": 1, \"digits\": 2", "json.repeated_field: @.digits: it stands there twice");
    check_refused(
        "\"digits\": 1, \"at\": \"noon\"",
        "json.time: @.at: \"noon\" is no time such as 2026-05-03T03:10:00Z between 1900 and 2200, nor microseconds",
    );
    check_refused(
        "\"value\": 1",
        "json.unknown_field: @: \"value\" is no field of a measurement; stream, at, digits, number, scale, span, \
         quality, reason, flags, changed_at are",
    );
    check_refused("\"digits\": 1, \"quality\": \"\\ud800\"", "json.utf8: @: quality is not UTF-8");
    check_refused("", "json.no_value: @: the measurement carries no value; fill in `digits` or `number`");
    check_refused(
        "\"digits\": 1, \"at\": \"2099-01-01T00:00:00Z\"",
        "time.future: @: the start 2099-01-01T00:00:00Z is after 2026-05-03T03:15:00Z, when the body came in plus five \
         minutes: the sender's clock is ahead",
    );
}

#[test]
fn what_is_wrong_costs_itself_and_nothing_beside_it() {
    let body = r#"
        {"streams": [{"register": "a", "kind": "KIND_REGISTER"}, {"register": "b", "kind": "register"}],
         "containers": [
           {"point": "P", "measurements": [{"digits": 1, "at": "2026-05-03T00:00:00Z"}, 7, {"stream": 1, "digits": 1},
             {"digits": 2, "at": 1777766400000000}]},
           {"point": 7, "measurements": [{}, {}]},
           [],
           {"point": "Q", "measurements": [{"digits": 3, "at": "2026-05-03T02:00:00+02:00"}]}
         ]}
        {"containers": [{"point": "R"}]}"#;
    let heard = heard(body.as_bytes());
    let refused: Vec<_> = heard.refused.iter().map(|(_, code, reason)| format!("{code}: {reason}")).collect();
    let kinds = "KIND_UNSPECIFIED, KIND_INTERVAL, KIND_REGISTER, KIND_SPOT";
    assert_eq!(
        refused,
        [
            "json.type: containers[0].measurements[1]: a number where an object is expected".to_owned(),
            format!("json.code: containers[0].measurements[2]: streams[1].kind: \"register\" is none of {kinds}"),
            "json.duplicate_key: containers[0].measurements[3]: another value for the same register, start and message \
             time stands at containers[0].measurements[0], which was kept"
                .to_owned(),
            "json.type: containers[1].point: a number where a text is expected; its 2 measurements are refused with it"
                .to_owned(),
            "json.type: containers[2]: a list where an object is expected".to_owned(),
            "json.no_measurement: request 2, containers[0]: the container carries no measurement".to_owned(),
        ]
    );
    assert_eq!(heard.seen.len() - refused.len(), 2);
}

#[test]
fn a_body_that_is_no_request_is_refused_with_its_place() {
    let check = |body: &str, words: &str| {
        let error = json::check(body.as_bytes()).expect_err("unreadable").to_string();
        assert_eq!(error, format!("not a readable request at byte {words}"));
    };
    check("", "0: the body is empty; send at least one container");
    check("{}", "0: there is no container in it; send {\"containers\": [...]}");
    check("[1]", "0: a list where a request is expected: {\"containers\": [...]}");
    check("{\"containers\": {}}", "15, in containers: an object where a list is expected");
    check("{\"containers\": [], \"x\": 1}", "24: \"x\" is no field of a request; containers and streams are");
    check("{\"containers\": [], \"containers\": []}", "33: containers stands there twice");
    check(
        "{\"containers\": [{\"measurements\": [{}, {\"number\": 1.}]}]}",
        "49, in containers[0].measurements[1].number: there is no value of JSON here",
    );
    check("{\"containers\": [{} {}]}", "19, in containers[0]: a comma or ] is missing");
    check("{\"containers\": [],}", "18, in containers: a key in quotes is missing");
    check("{\"containers\" []}", "14: the colon behind a key is missing");
    check("{\"containers\": [\"a\nb\"]}", "18, in containers[0]: a control character in a text; write it as \\u00XX");
    check("{\"containers\": [\"\\x\"]}", "17, in containers[0]: an escape that JSON does not have");
}

#[test]
fn nesting_without_end_ends() {
    for opening in ["[", "{\"a\":"] {
        let mut body = String::from("{\"containers\":[");
        write!(body, "{}", opening.repeat(1 << 20)).expect("a string");
        let error = json::check(body.as_bytes()).expect_err("too deep");
        assert_eq!(error.what, EnvelopeFault::Depth);
    }
    let text = format!("\"number\": \"{}\"", "9".repeat(1 << 20));
    assert!(said(&text).starts_with("json.digits: ") && said(&text).len() < 400);
    let key = format!("\"{}\": 1", "k".repeat(1 << 20));
    assert!(said(&key).len() < 400);
}

#[test]
fn a_message_is_known_by_its_id() {
    #[derive(Default)]
    struct Ids(Vec<(String, bool, Vec<u8>)>);
    impl meter::Sink for Ids {
        fn reading(&mut self, _: meter::Reading<'_>) {}
        fn event(&mut self, _: meter::Event<'_>) {}
        fn refused(&mut self, refusal: meter::Refusal<'_>) {
            panic!("{}", refusal.reason);
        }
        fn message(&mut self, message: meter::Message<'_>) {
            self.0.push((message.id.into(), message.stamped, message.bytes.into()));
        }
    }
    let container = format!(
        r#"{{"point": "P", "message_id": "m\u002d1", "createdAt": 1777777800000000, "streams": [{STREAM}], "measurements": [{{"digits": 1}}]}}"#
    );
    let mut ids = Ids::default();
    json::read(format!("{{\"containers\":[{container}]}}").as_bytes(), limits(), &mut ids).expect("readable");
    assert_eq!(ids.0, [("m-1".to_owned(), true, container.into_bytes())]);
}
