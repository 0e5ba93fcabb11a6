//! The schema's requests as JSON, one a line and a parcel each.

use std::fmt::Write as _;

use crate::town::parcel::{Measured, Parcel, STREAMS};

pub(super) fn file(parcels: &[Parcel]) -> Vec<u8> {
    let mut out = String::new();
    for parcel in parcels {
        container(&mut out, parcel);
    }
    out.into_bytes()
}

/// None of our names holds what JSON would want escaped.
fn container(out: &mut String, parcel: &Parcel) {
    let mut used: Vec<u32> = parcel.values.iter().map(|measured| measured.stream).collect();
    used.sort_unstable();
    used.dedup();
    let (point, device, made_at) = (&parcel.point, &parcel.device, parcel.made_at);
    let head =
        format!(r#"{{"containers":[{{"point":"{point}","device":"{device}","createdAt":"{made_at}","streams":["#);
    out.push_str(&head);
    for (place, stream) in used.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        write!(out, "{comma}{}", declared(*stream)).expect("a string takes it");
    }
    out.push_str(r#"],"measurements":["#);
    for (place, measured) in parcel.values.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let Measured { stream, start, digits, flags } = measured;
        let stream = used.binary_search(stream).expect("was collected above");
        let flags = if flags.0 == 0 { String::new() } else { format!(r#","flags":{}"#, flags.0) };
        write!(out, r#"{comma}{{"stream":{stream},"at":"{start}","digits":{digits}{flags}}}"#)
            .expect("a string takes it");
    }
    out.push_str("]}]}\n");
}

fn declared(stream: u32) -> String {
    let stream = &STREAMS[stream as usize];
    let word = |word: &str| word.to_ascii_uppercase();
    let kind = word(stream.kind.expect("ours say it").word());
    let (commodity, flow, phase) = (word(stream.commodity.word()), word(stream.flow.word()), word(stream.phase.word()));
    format!(
        r#"{{"register":"{}","kind":"KIND_{kind}","commodity":"COMMODITY_{commodity}","flow":"FLOW_{flow}","phase":"PHASE_{phase}","unit":"{}","scale":{},"span":{}}}"#,
        stream.register, stream.unit, stream.scale, stream.span.0
    )
}
