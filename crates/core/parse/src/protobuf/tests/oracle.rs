//! The same requests through prost, and what they mean said plainly: no
//! offsets, no borrowed texts, contradictions looked for pair by pair.
//!
//! Texts are `bytes` here, the same on the wire, so that they may be no UTF-8.

use meter::{Commodity, Decimal, Flags, Flow, Identity, Kind, Phase, Quality, Reading, Span, Timestamp, Unit};
use proptest::prelude::*;
use prost::Message as _;

use super::NOON;
use crate::protobuf::{self, EARLIEST, Limits, TEXT_BYTES_MAX, Value, Writer};

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Request {
    #[prost(message, repeated, tag = "1")]
    pub(super) containers: Vec<Container>,
    #[prost(message, repeated, tag = "2")]
    pub(super) streams: Vec<Stream>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Container {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) point: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) device: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) message_id: Vec<u8>,
    #[prost(int64, tag = "4")]
    pub(super) created_at: i64,
    #[prost(int64, optional, tag = "5")]
    pub(super) base_time: Option<i64>,
    #[prost(int32, tag = "6")]
    pub(super) identity: i32,
    #[prost(message, repeated, tag = "7")]
    pub(super) streams: Vec<Stream>,
    #[prost(message, repeated, tag = "8")]
    pub(super) measurements: Vec<Measurement>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Stream {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) register: Vec<u8>,
    #[prost(int32, tag = "2")]
    pub(super) kind: i32,
    #[prost(int32, tag = "3")]
    pub(super) commodity: i32,
    #[prost(int32, tag = "4")]
    pub(super) flow: i32,
    #[prost(int32, tag = "5")]
    pub(super) phase: i32,
    #[prost(bytes = "vec", tag = "6")]
    pub(super) unit: Vec<u8>,
    #[prost(uint32, tag = "7")]
    pub(super) scale: u32,
    #[prost(int64, tag = "8")]
    pub(super) span: i64,
    #[prost(bytes = "vec", tag = "9")]
    pub(super) quality: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    pub(super) reason: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Measurement {
    #[prost(uint32, tag = "1")]
    pub(super) stream: u32,
    #[prost(sint64, tag = "2")]
    pub(super) at: i64,
    #[prost(oneof = "Amount", tags = "3, 4")]
    pub(super) value: Option<Amount>,
    #[prost(uint32, optional, tag = "5")]
    pub(super) scale: Option<u32>,
    #[prost(int64, optional, tag = "6")]
    pub(super) span: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "7")]
    pub(super) quality: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "8")]
    pub(super) reason: Option<Vec<u8>>,
    #[prost(uint32, tag = "9")]
    pub(super) flags: u32,
    #[prost(int64, optional, tag = "10")]
    pub(super) changed_at: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(super) enum Amount {
    #[prost(sint64, tag = "3")]
    Digits(i64),
    #[prost(double, tag = "4")]
    Number(f64),
}

/// What a sink hears, in order.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there are few, and most are readings")]
pub(super) enum Seen {
    /// Names and words; codes; start, span, message time, issued at; the value as printed.
    Reading {
        texts: [String; 6],
        codes: [u16; 8],
        times: [Option<i64>; 4],
        value: String,
    },
    Refused(String),
}

impl Seen {
    pub(super) fn of(reading: &Reading<'_>) -> Seen {
        let kind = reading.reading_type;
        Seen::Reading {
            texts: [reading.point, reading.device, reading.register, reading.unit, reading.quality, reading.reason]
                .map(str::to_string),
            codes: [
                u16::from(reading.identity == Identity::Device),
                u16::from(kind.kind.code()),
                u16::from(kind.commodity.code()),
                u16::from(kind.flow.code()),
                u16::from(kind.phase.code()),
                u16::from(kind.unit.code()),
                u16::from(reading.canonical.code()),
                reading.flags.0,
            ],
            times: [
                Some(reading.start.0),
                Some(reading.span.0),
                reading.message_time.map(|at| at.0),
                reading.issued_at.map(|at| at.0),
            ],
            value: reading.value.to_string(),
        }
    }
}

/// What a sink must hear of a request.
pub(super) fn expected(request: &Request, limits: Limits) -> Vec<Seen> {
    let mut seen = Vec::new();
    for container in &request.containers {
        let streams = if container.streams.is_empty() { &request.streams } else { &container.streams };
        if let Err(code) = header(container, limits) {
            seen.push(Seen::Refused(code.to_string()));
            continue;
        }
        let found: Vec<_> =
            container.measurements.iter().map(|measured| reading(container, streams, measured, limits)).collect();
        for (place, outcome) in found.iter().enumerate() {
            let first = found.iter().flatten().find(|first| outcome.as_ref().is_ok_and(|this| same_key(first, this)));
            seen.push(match (outcome, first) {
                (Err(code), _) => Seen::Refused(code.to_string()),
                (Ok(this), Some(first)) if !same_content(first, this) => {
                    assert!(place > 0, "the first of a key is like itself");
                    Seen::Refused("protobuf.duplicate_key".to_string())
                }
                (Ok(this), _) => this.clone(),
            });
        }
    }
    seen
}

fn same_key(one: &Seen, other: &Seen) -> bool {
    let (Seen::Reading { texts, codes, times, .. }, Seen::Reading { texts: t, codes: c, times: m, .. }) = (one, other)
    else {
        return false;
    };
    (&texts[2], codes[1], &times[..3]) == (&t[2], c[1], &m[..3])
}

fn same_content(one: &Seen, other: &Seen) -> bool {
    let (Seen::Reading { texts, codes, value, .. }, Seen::Reading { texts: t, codes: c, value: v, .. }) = (one, other)
    else {
        return false;
    };
    let unit = codes[5] == c[5] && (codes[5] != u16::from(Unit::Unknown.code()) || texts[3] == t[3]);
    Decimal::parse(value) == Decimal::parse(v) && unit && texts[4..] == t[4..]
}

type Coded<T> = Result<T, &'static str>;

fn header(container: &Container, limits: Limits) -> Coded<()> {
    let point = words(&container.point)?;
    let device = words(&container.device)?;
    words(&container.message_id)?;
    match container.identity {
        0 | 1 => {}
        _ => return Err("protobuf.code"),
    }
    match () {
        () if point.is_empty() => Err("protobuf.no_point"),
        () if device.is_empty() && container.identity == 1 => Err("protobuf.no_device"),
        () if container.measurements.is_empty() => Err("protobuf.no_measurement"),
        () if container.created_at != 0 => instant(container.created_at.into(), limits).map(drop),
        () => Ok(()),
    }
}

fn words(bytes: &[u8]) -> Coded<String> {
    if bytes.len() > TEXT_BYTES_MAX {
        return Err("protobuf.too_long");
    }
    String::from_utf8(bytes.to_vec()).map_err(|_| "protobuf.utf8")
}

fn instant(at: i128, limits: Limits) -> Coded<i64> {
    match () {
        () if at < Timestamp::MIN.0.into() || at > Timestamp::MAX.0.into() => Err("protobuf.time"),
        () if at < EARLIEST.0.into() => Err("time.unset_clock"),
        () if limits.newest.is_some_and(|newest| at > newest.0.into()) => Err("time.future"),
        () => Ok(at as i64),
    }
}

fn reading(container: &Container, streams: &[Stream], measured: &Measurement, limits: Limits) -> Coded<Seen> {
    let stream = streams.get(measured.stream as usize).ok_or("protobuf.stream")?;
    let [register, unit, stream_quality] = [words(&stream.register)?, words(&stream.unit)?, words(&stream.quality)?];
    if register.is_empty() {
        return Err("protobuf.no_register");
    }
    if stream.kind == 0 {
        return Err("protobuf.no_kind");
    }
    let code = |code: i32| u8::try_from(code).map_err(|_| "protobuf.code");
    let kind = Kind::from_code(code(stream.kind)?.wrapping_sub(1)).ok_or("protobuf.code")?;
    let commodity = Commodity::from_code(code(stream.commodity)?).ok_or("protobuf.code")?;
    let flow = Flow::from_code(code(stream.flow)?).ok_or("protobuf.code")?;
    let phase = Phase::from_code(code(stream.phase)?).ok_or("protobuf.code")?;
    let stream_reason = words(&stream.reason)?;
    let base = container.base_time.unwrap_or(container.created_at);
    let start = instant(i128::from(base) + i128::from(measured.at), limits)?;
    let quality = measured.quality.as_ref().map_or(Ok(stream_quality), |word| words(word))?;
    let span = measured.span.unwrap_or(stream.span);
    let fits = match kind {
        Kind::Interval => span > 0 && i128::from(start) + i128::from(span) <= Timestamp::MAX.0.into(),
        Kind::Register | Kind::Spot => span == 0,
    };
    if !fits {
        return Err("protobuf.span");
    }
    let value = value(measured, stream)?;
    let reason = measured.reason.as_ref().map_or(Ok(stream_reason), |word| words(word))?;
    if measured.flags > 255 {
        return Err("protobuf.flags");
    }
    let created_at = (container.created_at != 0).then_some(container.created_at);
    let changed_at = measured.changed_at.map(|at| instant(at.into(), limits)).transpose()?;
    let reading_type = meter::ReadingType { commodity, kind, flow, unit: Unit::from_spelling(&unit), phase };
    Ok(Seen::of(&Reading {
        point: &words(&container.point)?,
        device: &words(&container.device)?,
        register: &register,
        identity: if container.identity == 1 { Identity::Device } else { Identity::Point },
        reading_type,
        start: Timestamp(start),
        span: Span(span),
        value,
        unit: &unit,
        quality: &quality,
        canonical: rank(&quality),
        reason: &reason,
        flags: Flags(measured.flags as u16),
        message_time: changed_at.or(created_at).map(Timestamp),
        issued_at: created_at.map(Timestamp),
    }))
}

fn value(measured: &Measurement, stream: &Stream) -> Coded<Decimal> {
    match measured.value.ok_or("protobuf.no_value")? {
        Amount::Digits(digits) => match measured.scale.unwrap_or(stream.scale) {
            scale @ 0..=18 => Ok(Decimal::new(digits, scale as u8)),
            _ => Err("protobuf.scale"),
        },
        Amount::Number(number) if !number.is_finite() => Err("protobuf.not_finite"),
        Amount::Number(number) => Decimal::parse(&format!("{number:e}")).map_err(|_| "protobuf.digits"),
    }
}

fn rank(quality: &str) -> Quality {
    match quality.to_ascii_lowercase().as_str() {
        "" | "measured" => Quality::Measured,
        "missing" => Quality::Missing,
        "estimated" => Quality::Estimated,
        "derived" => Quality::Derived,
        "validated" => Quality::Validated,
        "edited" => Quality::Edited,
        "final" => Quality::Final,
        _ => Quality::Questionable,
    }
}

/// A container of `count` voltages, a second apart.
pub(super) fn plain(count: i64) -> Container {
    let measurement = |second: i64| Measurement {
        at: -second * 1_000_000,
        value: Some(Amount::Digits(2_300 + second % 7)),
        ..Measurement::default()
    };
    Container {
        point: b"home-000123".to_vec(),
        device: b"MH0000123".to_vec(),
        created_at: NOON,
        streams: vec![Stream {
            register: b"1-0:32.7.0".to_vec(),
            kind: 3,
            unit: b"V".to_vec(),
            scale: 1,
            ..Stream::default()
        }],
        measurements: (0..count).map(measurement).collect(),
        ..Container::default()
    }
}

/// The request with measurements before what they mean, fields unknown to us in
/// every message, and every container's fields in two turns.
pub(super) fn shuffled(request: &Request) -> Vec<u8> {
    let mut body = Vec::new();
    for container in &request.containers {
        let late = Container { measurements: Vec::new(), ..container.clone() };
        let early = Container { measurements: container.measurements.clone(), ..Container::default() };
        let mut message = early.encode_to_vec();
        message.extend(UNKNOWN);
        message.extend(late.encode_to_vec());
        field(&mut body, 1, &message);
        body.extend(UNKNOWN);
    }
    for stream in &request.streams {
        let message = [stream.encode_to_vec(), UNKNOWN.to_vec()].concat();
        field(&mut body, 2, &message);
    }
    body
}

/// Fields 20 to 24: a number, eight bytes, a text, four bytes and a group with a number.
const UNKNOWN: [u8; 30] = [
    0xa0, 0x01, 7, 0xa9, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 0xb2, 0x01, 2, b'h', b'i', 0xbd, 0x01, 1, 2, 3, 4, 0xc3, 0x01,
    0x08, 5, 0xc4, 0x01,
];

fn field(body: &mut Vec<u8>, number: u32, message: &[u8]) {
    prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, body);
    prost::encoding::encode_varint(message.len() as u64, body);
    body.extend_from_slice(message);
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("asked before")
}

/// Whether every text is UTF-8 and every code one of ours, as `Writer` can say.
pub(super) fn is_text(request: &Request) -> bool {
    let utf8 = |bytes: &Vec<u8>| std::str::from_utf8(bytes).is_ok();
    let known = |code: i32, most: i32| (0..=most).contains(&code);
    let stream = |one: &Stream| {
        let codes = [known(one.kind, 3), known(one.commodity, 5), known(one.flow, 3), known(one.phase, 4)];
        codes == [true; 4] && [&one.register, &one.unit, &one.quality, &one.reason].into_iter().all(utf8)
    };
    let measurement =
        |one: &Measurement| one.flags <= u32::from(u16::MAX) && one.quality.iter().chain(&one.reason).all(utf8);
    let container = |one: &Container| {
        known(one.identity, 1)
            && [&one.point, &one.device, &one.message_id].into_iter().all(utf8)
            && one.streams.iter().all(stream)
            && one.measurements.iter().all(measurement)
    };
    request.streams.iter().all(stream) && request.containers.iter().all(container)
}

/// The request through our writer.
pub(super) fn written(request: &Request) -> Vec<u8> {
    let mut writer = Writer::new();
    for stream in &request.streams {
        writer.stream(&our_stream(stream));
    }
    for container in &request.containers {
        let streams: Vec<_> = container.streams.iter().map(our_stream).collect();
        let measurements: Vec<_> = container.measurements.iter().map(our_measurement).collect();
        writer.container(&protobuf::Container {
            point: text(&container.point),
            device: text(&container.device),
            message_id: text(&container.message_id),
            created_at: (container.created_at != 0).then_some(Timestamp(container.created_at)),
            base_time: container.base_time.map(Timestamp),
            identity: if container.identity == 1 { Identity::Device } else { Identity::Point },
            streams: &streams,
            measurements: &measurements,
        });
    }
    writer.into_body()
}

fn our_stream(stream: &Stream) -> protobuf::Stream<'_> {
    let code = |code: i32| u8::try_from(code).expect("asked before");
    protobuf::Stream {
        register: text(&stream.register),
        kind: Kind::from_code(code(stream.kind).wrapping_sub(1)),
        commodity: Commodity::from_code(code(stream.commodity)).expect("asked before"),
        flow: Flow::from_code(code(stream.flow)).expect("asked before"),
        phase: Phase::from_code(code(stream.phase)).expect("asked before"),
        unit: text(&stream.unit),
        scale: stream.scale,
        span: Span(stream.span),
        quality: text(&stream.quality),
        reason: text(&stream.reason),
    }
}

fn our_measurement(measured: &Measurement) -> protobuf::Measurement<'_> {
    protobuf::Measurement {
        stream: measured.stream,
        at: Span(measured.at),
        value: measured.value.map(|value| match value {
            Amount::Digits(digits) => Value::Digits(digits),
            Amount::Number(number) => Value::Number(number),
        }),
        scale: measured.scale,
        span: measured.span.map(Span),
        quality: measured.quality.as_deref().map(text),
        reason: measured.reason.as_deref().map(text),
        flags: Flags(measured.flags as u16),
        changed_at: measured.changed_at.map(Timestamp),
    }
}

/// Mostly sound requests with few names and instants, so that keys meet.
pub(super) fn request() -> impl Strategy<Value = Request> {
    let streams = || prop::collection::vec(stream(), 0..4);
    let containers = prop::collection::vec((streams(), container()), 1..4);
    (containers, streams()).prop_map(|(containers, streams)| Request {
        containers: containers.into_iter().map(|(streams, container)| Container { streams, ..container }).collect(),
        streams,
    })
}

fn name(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec());
    prop_oneof![
        40 => known,
        1 => Just(Vec::new()),
        1 => Just(vec![b'x'; TEXT_BYTES_MAX]),
        1 => Just(vec![b'x'; TEXT_BYTES_MAX + 1]),
        1 => "\\PC{1,12}".prop_map(String::into_bytes),
        1 => Just(vec![b'a', 0xff]),
    ]
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![
        20 => Just(NOON),
        4 => (0_i64..4).prop_map(|days| NOON - days * 86_400_000_000),
        1 => Just(0),
        1 => prop::sample::select(vec![EARLIEST.0, EARLIEST.0 - 1, NOON + 300_000_000, NOON + 300_000_001]),
        1 => any::<i64>(),
    ]
}

fn container() -> impl Strategy<Value = Container> {
    let names = (name(&["home-1", "home-2"]), name(&["MH1", "MH2", ""]), name(&["", "message-1"]));
    let times = (time(), prop::option::weighted(0.3, time()));
    let identity = prop_oneof![9 => 0..2_i32, 1 => any::<i32>()];
    let measurements = prop_oneof![
        3 => prop::collection::vec(measurement(), 0..12),
        2 => prop::collection::vec(measurement(), 0..12).prop_map(|mut all| { all.sort_by_key(|one| (one.at, one.stream)); all }),
        2 => prop::collection::vec(measurement(), 0..12).prop_map(|mut all| { all.sort_by_key(|one| (one.stream, one.at)); all }),
    ];
    (names, times, identity, measurements).prop_map(|(names, times, identity, measurements)| Container {
        point: names.0,
        device: names.1,
        message_id: names.2,
        created_at: times.0,
        base_time: times.1,
        identity,
        streams: Vec::new(),
        measurements,
    })
}

fn stream() -> impl Strategy<Value = Stream> {
    let code = |most: i32| prop_oneof![30 => 0..=most, 1 => any::<i32>()];
    let texts =
        (name(&["1-0:1.8.0", "1-0:32.7.0"]), name(&["kWh", "KWH", "V", "furlong"]), name(WORDS), name(&["", "75"]));
    let span = prop_oneof![6 => Just(0), 4 => Just(900_000_000), 1 => any::<i64>()];
    let kind = prop_oneof![20 => 1..=3_i32, 1 => Just(0), 1 => any::<i32>()];
    let codes = (kind, code(5), code(3), code(4));
    (texts, codes, prop_oneof![9 => 0..4_u32, 1 => any::<u32>()], span).prop_map(|(texts, codes, scale, span)| Stream {
        register: texts.0,
        kind: codes.0,
        commodity: codes.1,
        flow: codes.2,
        phase: codes.3,
        unit: texts.1,
        scale,
        span,
        quality: texts.2,
        reason: texts.3,
    })
}

const WORDS: &[&str] =
    &["", "measured", "Estimated", "missing", "questionable", "derived", "validated", "edited", "FINAL", "guessed"];

fn measurement() -> impl Strategy<Value = Measurement> {
    let number = prop_oneof![any::<f64>(), (-1_000_000_i64..1_000_000).prop_map(|milli| milli as f64 / 1000.0)];
    let value = prop_oneof![
        10 => (0..3_i64).prop_map(|digits| Some(Amount::Digits(digits * 10))),
        2 => any::<i64>().prop_map(|digits| Some(Amount::Digits(digits))),
        2 => number.prop_map(|number| Some(Amount::Number(number))),
        1 => Just(None),
    ];
    let at = prop_oneof![20 => (-3..1_i64).prop_map(|quarter| quarter * 900_000_000), 1 => any::<i64>()];
    let rare = |words| prop::option::weighted(0.1, name(words));
    let span =
        prop_oneof![20 => Just(None), 2 => Just(Some(0)), 4 => Just(Some(900_000_000)), 1 => any::<Option<i64>>()];
    let numbers = (0..3_u32, at, value, prop::option::weighted(0.1, 0..20_u32), span);
    let rest = (
        rare(WORDS),
        rare(&["", "75"]),
        prop_oneof![9 => Just(0), 1 => 0..300_u32],
        prop::option::weighted(0.1, time()),
    );
    (numbers, rest).prop_map(|((stream, at, value, scale, span), (quality, reason, flags, changed_at))| Measurement {
        stream,
        at,
        value,
        scale,
        span,
        quality,
        reason,
        flags,
        changed_at,
    })
}
