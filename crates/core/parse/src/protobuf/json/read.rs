//! The visitor: container after container through protobuf's own, and what that
//! says of bytes said of paths.

use std::hash::{DefaultHasher, Hash, Hasher};

use meter::{Place, Refusal, Sink};

use super::check::{EnvelopeError, Request, check, measurements, request_named};
use super::fault::Fault;
use super::fields;
use super::scan::{Scan, Value};
use crate::protobuf::fault::Fault as Misfit;
use crate::protobuf::limits::{COUNT_MAX, STREAMS_MAX};
use crate::protobuf::read::{Refused, Sent, Visit, with_measurements};
use crate::protobuf::schema::container as tags;
use crate::protobuf::streams::Streams;
use crate::protobuf::wire::Cursor;
use crate::protobuf::write::bytes;
use crate::protobuf::{Limits, Tally};

/// Reads a body into `sink`. If it is no request, nothing has been emitted. The
/// sink is asked between containers whether it wants more.
pub fn read(body: &[u8], limits: Limits, sink: &mut dyn Sink) -> Result<Tally, EnvelopeError> {
    check(body)?;
    let mut tally = Tally::default();
    for (value, number) in Scan::new(body).requests().zip(1..) {
        let of_one = one_request(Request::read(value, number)?, number, limits, sink);
        tally.readings += of_one.readings;
        tally.refused += of_one.refused;
    }
    Ok(tally)
}

fn one_request(request: Request<'_>, number: u64, limits: Limits, mut sink: &mut dyn Sink) -> Tally {
    let prefix = request_named(number);
    let mut context = DefaultHasher::new();
    request.streams.map(|streams| streams.raw).hash(&mut context);
    let mut declared = Vec::new();
    let misread = streams(request.streams(), &prefix, |stream| declared.push(stream.to_vec()));
    let mut shared = Streams::default();
    for stream in &declared {
        shared.declare(Cursor::new(stream)).expect("written by us");
    }
    shared.end();
    let mut tally = Tally::default();
    for (value, index) in request.containers().zip(0_u64..) {
        if sink.stopped() {
            break;
        }
        let mut sent = Container { path: format!("{prefix}containers[{index}]"), value, ..Container::new(&misread) };
        if let Err(misread) = sent.write() {
            tally.refused += sent.refuse_whole(&misread, sink);
            continue;
        }
        let mut visit = Visit::new(limits, &mut sink, &shared, context.finish());
        visit.container(0, Cursor::new(&sent.message), &sent).expect("written by us");
        tally.readings += visit.tally.readings;
        tally.refused += visit.tally.refused;
    }
    tally
}

/// Why something is refused before its meaning is looked at.
struct Misread {
    code: &'static str,
    /// With its path.
    reason: String,
}

impl Misread {
    fn new(path: &str, fault: &Fault) -> Misread {
        Misread { code: fault.what.code(), reason: format!("{path}{}", fault.sentence()) }
    }
}

/// One container as sent, and as protobuf's reader is given it: each measurement
/// and stream in its place, an empty one where it cannot be read. An empty one
/// always is refused, and then for what is wrong with the one that was sent.
struct Container<'a> {
    path: String,
    value: Value<'a>,
    message: Vec<u8>,
    /// Where each measurement begins in `message`, and the measurement.
    measurements: Vec<(usize, Value<'a>)>,
    /// What their times count from.
    base_us: i64,
    /// By the number of the stream.
    own_streams: Option<Vec<(usize, Misread)>>,
    shared_streams: &'a [(usize, Misread)],
}

impl<'a> Container<'a> {
    fn new(shared_streams: &'a [(usize, Misread)]) -> Container<'a> {
        let value = Value { at: 0, raw: b"" };
        let (path, message, measurements) = (String::new(), Vec::new(), Vec::new());
        Container { path, value, message, measurements, base_us: 0, own_streams: None, shared_streams }
    }

    fn write(&mut self) -> Result<(), Misread> {
        let lists =
            fields::container(self.value, &mut self.message).map_err(|fault| Misread::new(&self.path, &fault))?;
        let count = measurements(self.value);
        if count > COUNT_MAX {
            let fault = Misfit::TooMany { count };
            return Err(Misread { code: "json.too_many", reason: format!("{}: {fault}", self.path) });
        }
        if let Some(mut list) = lists.streams.and_then(Value::elements).map(Iterator::peekable)
            && list.peek().is_some()
        {
            let path = format!("{}.", self.path);
            let message = &mut self.message;
            self.own_streams = Some(streams(list, &path, |stream| bytes(message, tags::STREAMS, stream)));
        }
        self.base_us = lists.base_us;
        let mut written = Vec::new();
        for value in lists.measurements.and_then(Value::elements).into_iter().flatten() {
            written.clear();
            if fields::measurement(value, self.base_us, &mut written).is_err() {
                written.clear();
            }
            self.measurements.push((self.message.len(), value));
            bytes(&mut self.message, tags::MEASUREMENTS, &written);
        }
        Ok(())
    }

    /// How many measurements are refused with it.
    fn refuse_whole(&self, misread: &Misread, sink: &mut dyn Sink) -> u64 {
        let count = measurements(self.value);
        self.tell(self.value, misread.code, &with_measurements(&misread.reason, count), sink);
        count
    }

    fn path_of(&self, number: usize) -> String {
        format!("{}.measurements[{number}]", self.path)
    }

    fn number_at(&self, byte: usize) -> usize {
        self.measurements.partition_point(|(begins, _)| *begins < byte)
    }

    /// The code and the sentence for a measurement. It is read once more: faults
    /// kept for a million of them would be larger than the body.
    fn explain(&self, number: usize, fault: &Misfit) -> (String, String) {
        let path = self.path_of(number);
        let sent = self.measurements.get(number).map(|(_, value)| *value);
        if let Some(Err(fault)) = sent.map(|value| fields::measurement(value, self.base_us, &mut Vec::new())) {
            return (fault.what.code().to_owned(), format!("{path}{}", fault.sentence()));
        }
        let streams = self.own_streams.as_deref().unwrap_or(self.shared_streams);
        match fault {
            Misfit::NoRegister { stream } if find(streams, *stream).is_some() => {
                let misread = find(streams, *stream).expect("asked before");
                (misread.code.to_owned(), format!("{path}: {}", misread.reason))
            }
            Misfit::DuplicateKey { first } => {
                let first = self.path_of(self.number_at(*first));
                let reason = format!(
                    "{path}: another value for the same register, start and message time stands at {first}, \
                     which was kept"
                );
                (code(fault), reason)
            }
            fault => (code(fault), format!("{path}: {fault}")),
        }
    }

    #[cold]
    fn tell(&self, value: Value<'_>, code: &str, reason: &str, sink: &mut dyn Sink) {
        let excerpt = &value.raw[..value.raw.len().min(Refusal::EXCERPT_BYTES_MAX)];
        sink.refused(Refusal { place: Place::Byte(value.at as u64), code, reason, excerpt });
    }
}

impl Sent for Container<'_> {
    fn message<'m>(&'m self, _: &'m [u8]) -> &'m [u8] {
        self.value.raw
    }

    fn refuse(&self, refused: Refused<'_>, sink: &mut dyn Sink) {
        if refused.measurements.is_some() {
            let reason = format!("{}: {}", self.path, refused.reason());
            return self.tell(self.value, &code(&refused.fault), &reason, sink);
        }
        let number = self.number_at(refused.byte);
        let (code, reason) = self.explain(number, &refused.fault);
        let value = self.measurements.get(number).map_or(self.value, |(_, value)| *value);
        self.tell(value, &code, &reason, sink);
    }
}

/// The same name behind this format's own.
fn code(fault: &Misfit) -> String {
    match fault.code().strip_prefix("protobuf.") {
        Some(name) => format!("json.{name}"),
        None => fault.code().to_owned(),
    }
}

fn find(misread: &[(usize, Misread)], number: usize) -> Option<&Misread> {
    let place = misread.binary_search_by_key(&number, |(number, _)| *number).ok()?;
    Some(&misread[place].1)
}

/// Hands each stream to `put` as protobuf spells it; gives back those that
/// cannot be read, by their number.
fn streams<'a>(list: impl Iterator<Item = Value<'a>>, path: &str, mut put: impl FnMut(&[u8])) -> Vec<(usize, Misread)> {
    let (mut misread, mut written) = (Vec::new(), Vec::new());
    for (number, value) in list.take(STREAMS_MAX).enumerate() {
        written.clear();
        if let Err(fault) = fields::stream(value, &mut written) {
            written.clear();
            misread.push((number, Misread::new(&format!("{path}streams[{number}]"), &fault)));
        }
        put(&written);
    }
    misread
}
