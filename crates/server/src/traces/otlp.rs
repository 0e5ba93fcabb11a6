//! Spans in the words of OTLP (opentelemetry-proto 1, JSON: ids in hex, 64-bit
//! numbers as text).
//!
//! The trace of a record is the journal's epoch followed by its sequence number:
//! whoever has an acknowledgement can look it up, and every role names the same
//! trace without being told.

use host::{Span, Step};
use meter::{Sequence, Timestamp};
use serde_json::{Value, json};

const NAME: &str = "meterhouse";
const SERVER: u8 = 2;
const INTERNAL: u8 = 1;

pub struct Writer {
    epoch: String,
}

impl Writer {
    /// `epoch` is the journal's, 16 digits in hex.
    pub fn new(epoch: &str) -> Writer {
        Writer { epoch: epoch.to_owned() }
    }

    /// The body of one request.
    pub fn request(&self, spans: &[Span]) -> Vec<u8> {
        let version = env!("CARGO_PKG_VERSION");
        let spans: Vec<Value> = spans.iter().map(|span| self.span(span)).collect();
        let resource = [text("service.name", NAME), text("service.version", version)];
        let scope = json!({ "name": NAME, "version": version });
        let request = json!({ "resourceSpans": [{
            "resource": { "attributes": resource },
            "scopeSpans": [{ "scope": scope, "spans": spans }],
        }]});
        serde_json::to_vec(&request).expect("texts and numbers become JSON")
    }

    fn span(&self, span: &Span) -> Value {
        let Span { sequence, step, from, to, notes } = span;
        let mut attributes = vec![json!({
            "key": "meterhouse.sequence", "value": { "intValue": sequence.0.to_string() },
        })];
        attributes.extend(notes.iter().map(|(name, value)| text(name, value)));
        let parent = parent_of(*step).map_or(String::new(), |parent| self.id(*sequence, parent, Timestamp(0)));
        json!({
            "traceId": format!("{}{:016x}", self.epoch, sequence.0),
            "spanId": self.id(*sequence, *step, *from),
            "parentSpanId": parent,
            "name": name_of(*step),
            "kind": if *step == Step::Door { SERVER } else { INTERNAL },
            "startTimeUnixNano": nanos(*from),
            "endTimeUnixNano": nanos(*to),
            "attributes": attributes,
        })
    }

    /// Steps that others stand below come once for a record, and are found by name; of
    /// the rest a record cut in chunks has several.
    fn id(&self, sequence: Sequence, step: Step, from: Timestamp) -> String {
        let once = matches!(step, Step::Door | Step::Append);
        let from = if once { 0 } else { from.0 };
        let hash = blake3::hash(format!("{}/{}/{}/{from}", self.epoch, sequence.0, name_of(step)).as_bytes());
        hash.as_bytes()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn parent_of(step: Step) -> Option<Step> {
    match step {
        Step::Door => None,
        Step::Sync => Some(Step::Append),
        Step::Append | Step::Understand | Step::Judge | Step::Show | Step::Commit => Some(Step::Door),
    }
}

fn name_of(step: Step) -> &'static str {
    match step {
        Step::Door => "door",
        Step::Append => "journal append",
        Step::Sync => "journal write and sync",
        Step::Understand => "understand",
        Step::Judge => "judge",
        Step::Show => "show to queries",
        Step::Commit => "commit",
    }
}

fn text(name: &str, value: &str) -> Value {
    json!({ "key": name, "value": { "stringValue": value } })
}

/// Before 1970 there is no time in OTLP.
fn nanos(at: Timestamp) -> String {
    (u128::try_from(at.0).unwrap_or(0) * 1_000).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const ALL: [Step; 7] =
        [Step::Door, Step::Append, Step::Sync, Step::Understand, Step::Judge, Step::Show, Step::Commit];

    fn span(sequence: u64, step: Step, from: i64) -> Span {
        let (from, to) = (Timestamp(from), Timestamp(from + 5));
        Span { sequence: Sequence(sequence), step, from, to, notes: vec![("meterhouse.door", "http".into())] }
    }

    #[test]
    fn every_span_hangs_below_the_door_of_its_record() {
        let writer = Writer::new("0123456789abcdef");
        let spans: Vec<Value> = ALL.iter().map(|step| writer.span(&span(255, *step, 7))).collect();
        let ids: HashSet<&str> = spans.iter().map(|span| span["spanId"].as_str().expect("text")).collect();
        assert_eq!(ids.len(), ALL.len());
        for told in &spans {
            assert_eq!(told["traceId"], "0123456789abcdef00000000000000ff");
            let parent = told["parentSpanId"].as_str().expect("text");
            assert!(ids.contains(parent) || (parent.is_empty() && told["name"] == "door"), "{told}");
            assert!(told["spanId"].as_str().is_some_and(|id| id.len() == 16), "{told}");
        }
    }

    #[test]
    fn chunks_of_one_record_are_told_apart_and_times_are_nanoseconds_as_text() {
        let writer = Writer::new("0123456789abcdef");
        let (one, other) = (writer.span(&span(1, Step::Judge, 7)), writer.span(&span(1, Step::Judge, 8)));
        assert_ne!(one["spanId"], other["spanId"]);
        assert_eq!((&one["startTimeUnixNano"], &one["endTimeUnixNano"]), (&json!("7000"), &json!("12000")));
        let request: Value = serde_json::from_slice(&writer.request(&[span(1, Step::Door, -1)])).expect("JSON");
        let told = &request["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        assert_eq!((&told["startTimeUnixNano"], &told["kind"]), (&json!("0"), &json!(2)));
        assert_eq!(told["attributes"][0], json!({"key": "meterhouse.sequence", "value": {"intValue": "1"}}));
    }
}
