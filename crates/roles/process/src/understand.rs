//! Understanding: from the raw bytes of a record to chunks of rows.
//!
//! Promise: the same record always gives the same chunks; whatever is in it
//! that is not understood comes out as a refusal, with its place.

use meter::{
    ChannelId, DeviceId, Event, Flags, Identity, Kind, Message, Months, Place, Reading, Refusal, Row, RowKey, Runs,
    Sink, TenantId, same_word,
};
use parse::{Format, Limits};
use std::io::BufRead;
use store::SharedWords;

use crate::Error;
use crate::chunk::{
    CHUNK_ITEMS, CHUNK_MONTHS_MAX, CHUNK_REFUSED_MAX, Chunk, EVENT_TEXT_BYTES_MAX, KeptEvent, KeptRefusal, Source,
};
use crate::files::{File, FilesSeen};
use crate::input::Input;
use crate::messages::MessagesSeen;
use crate::names::{Names, PointPlace};
use crate::spelled::Spelled;

/// The format of a tenant that a record's name for it means; `None` if there is none and
/// the content tells. The same name must mean the same for ever.
pub type Formats = Box<dyn Fn(TenantId, &str) -> Result<Option<Format>, registry::Error> + Send>;

/// Those that are built in, for a house without profiles of its own.
pub fn built_in_formats() -> Formats {
    Box::new(|_, name| Ok(Format::from_name(name)))
}

/// Why a record is in no format that can be read.
struct Unread {
    code: &'static str,
    reason: String,
    excerpt: Vec<u8>,
}

/// Where finished chunks go; an error there ends the record.
pub trait Chunks {
    fn take(&mut self, chunk: Chunk) -> Result<(), Error>;
}

/// Turns records into chunks. Holds what outlives a record: names and words.
pub struct Understander {
    pub formats: Formats,
    pub names: Names,
    pub files: FilesSeen,
    pub messages: MessagesSeen,
    pub words: SharedWords,
    pub spelled: Spelled,
    /// Rows and runs of the last record: the next of the same sender has as many.
    pub expected: (usize, usize),
}

impl Understander {
    /// Reads one record's `input` to its end and hands its chunks on.
    pub fn record(
        &mut self,
        mut source: Source,
        mut input: Input<impl BufRead>,
        out: &mut impl Chunks,
    ) -> Result<(), Error> {
        let format = self.format(&source, &mut input)?;
        if let Ok(format) = &format {
            source.format = format.name().into();
        }
        if let Some(sha256) = source.sha256.as_ref().filter(|_| source.is_file()) {
            let reads_name = format.as_ref().is_ok_and(Format::reads_file_name);
            let name = if reads_name { source.object.as_str() } else { "" };
            let file = File { tenant: source.tenant, sha256, format: &source.format, name };
            let earlier = self.files.earlier(&file, source.sequence);
            self.files.insert(&file, source.sequence);
            if earlier.is_some() {
                let mut chunk = Chunk::new(source, 0, 0);
                (chunk.last, chunk.duplicate_of) = (true, earlier);
                return out.take(chunk);
            }
        }
        let mut collector = Collector::new(self, source, out);
        match format {
            Ok(format) => parse_into(&mut collector, format, input)?,
            Err(unread) => collector.refuse_whole(unread.code, &unread.reason, &unread.excerpt),
        }
        collector.finish()
    }

    fn format(&self, source: &Source, input: &mut Input<impl BufRead>) -> Result<Result<Format, Unread>, Error> {
        match (self.formats)(source.tenant, &source.format) {
            Ok(Some(format)) => return Ok(Ok(format)),
            Ok(None) => {}
            Err(error) if matches!(error.kind(), host::Kind::NotFound | host::Kind::BadInput) => {
                let (code, reason) = ("format.profile", error.to_string());
                return Ok(Err(Unread { code, reason, excerpt: Vec::new() }));
            }
            // What the registry cannot say now it may say later: no answer is no refusal.
            Err(error) => return Err(error.into()),
        }
        let head = input.head().map_err(Error::Body)?;
        Ok(Format::detect(head).map_err(|unrecognised| Unread {
            code: "format.unknown",
            reason: unrecognised.to_string(),
            excerpt: head[..head.len().min(Refusal::EXCERPT_BYTES_MAX)].to_vec(),
        }))
    }
}

fn parse_into(
    collector: &mut Collector<'_, impl Chunks>,
    format: Format,
    input: Input<impl BufRead>,
) -> Result<(), Error> {
    let limits = Limits::received_at(collector.chunk.source.received_at);
    let file_name = collector.chunk.source.object.clone();
    // A request came through a door, which walked its envelope before it took it in.
    let admitted = format == Format::Protobuf && !collector.chunk.source.is_file();
    let outcome = match input {
        Input::Held(bytes) if admitted => {
            parse::protobuf::read_admitted(&bytes, limits, collector).map(drop).map_err(parse::Error::from)
        }
        Input::Held(bytes) => parse::read_held(format, &file_name, &bytes, limits, collector),
        Input::Streamed(input) => parse::read_file(format, &file_name, input, limits, collector),
    };
    match outcome {
        Ok(()) => {}
        Err(parse::Error::Io(error)) => return Err(Error::Body(error)),
        Err(error @ (parse::Error::Envelope(_) | parse::Error::Json(_) | parse::Error::TooLarge)) => {
            collector.refuse_whole("body.unreadable", &error.to_string(), &[]);
        }
    }
    Ok(())
}

/// The last reading's point and device, as the source names them, and what they are.
#[derive(Default)]
struct LastPoint {
    point: String,
    device: String,
    identity: Identity,
    /// None while there was none.
    place: Option<PointPlace>,
    device_id: DeviceId,
    /// Of the last reading: the place of its texts, its kind, and the one number no
    /// channel has while there was none.
    channel: (usize, Kind, ChannelId),
}

impl LastPoint {
    fn is_of(&self, reading: &Reading<'_>) -> bool {
        self.place.is_some()
            && same_word(&self.point, reading.point)
            && same_word(&self.device, reading.device)
            && self.identity == reading.identity
    }

    /// Within the room of the names before.
    fn remember(&mut self, reading: &Reading<'_>, place: PointPlace, device_id: DeviceId) {
        for (name, said) in [(&mut self.point, reading.point), (&mut self.device, reading.device)] {
            name.clear();
            name.push_str(said);
        }
        (self.identity, self.place, self.device_id) = (reading.identity, Some(place), device_id);
        self.channel = Default::default();
    }
}

struct Collector<'a, C: Chunks> {
    names: &'a mut Names,
    messages: &'a mut MessagesSeen,
    /// The message at hand came before: its readings are only counted.
    repeated: bool,
    words: SharedWords,
    out: &'a mut C,
    chunk: Chunk,
    ordinal: i64,
    month_of: Months,
    last_month: i32,
    last: LastPoint,
    spelled: &'a mut Spelled,
    expected: &'a mut (usize, usize),
    failed: Option<Error>,
}

impl<'a, C: Chunks> Collector<'a, C> {
    fn new(understander: &'a mut Understander, source: Source, out: &'a mut C) -> Self {
        let (rows, runs) = understander.expected;
        let mut chunk = Chunk::new(source, 0, 0);
        chunk.rows = Runs::with_capacity(rows, runs);
        Collector {
            names: &mut understander.names,
            messages: &mut understander.messages,
            repeated: false,
            words: understander.words.clone(),
            out,
            chunk,
            ordinal: 0,
            month_of: Months::default(),
            last_month: 0,
            last: LastPoint::default(),
            spelled: &mut understander.spelled,
            expected: &mut understander.expected,
            failed: None,
        }
    }

    fn finish(mut self) -> Result<(), Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        *self.expected = (self.chunk.rows.len(), self.chunk.rows.run_count());
        self.chunk.last = true;
        self.out.take(self.chunk)
    }

    /// Hands the chunk on where `month` or one more item would overfill it.
    fn make_room(&mut self, month: Option<i32>) {
        let months = &self.chunk.months;
        let too_many_months = month.is_some_and(|m| months.len() >= CHUNK_MONTHS_MAX && !months.contains(&m));
        if self.failed.is_some() || (self.chunk.items() < CHUNK_ITEMS && !too_many_months) {
            return;
        }
        let next = Chunk::new(self.chunk.source.clone(), self.chunk.index + 1, self.ordinal);
        let full = std::mem::replace(&mut self.chunk, next);
        self.last_month = 0;
        if let Err(error) = self.out.take(full) {
            self.failed = Some(error);
        }
    }

    fn refuse_whole(&mut self, code: &str, reason: &str, excerpt: &[u8]) {
        self.refused(Refusal { place: Place::Whole, code, reason, excerpt });
    }

    /// The reading's channel and device; `texts` is the place of what it spells.
    fn channel(&mut self, reading: &Reading<'_>, texts: usize) -> Result<(ChannelId, DeviceId), Error> {
        let tenant = self.chunk.source.tenant;
        if !self.last.is_of(reading) {
            let device = self.names.device(tenant, reading.device, &mut self.chunk.devices)?;
            self.last.remember(reading, self.names.place(tenant, reading), device);
        }
        let kind = reading.reading_type.kind;
        if (self.last.channel.0, self.last.channel.1) != (texts, kind) || self.last.channel.2 == ChannelId::default() {
            let register = self.spelled.get(texts).register;
            let place = self.last.place.expect("was remembered");
            let channel = self.names.channel(tenant, place, register, reading, &mut self.chunk.channels)?;
            self.last.channel = (texts, kind, channel);
        }
        Ok((self.last.channel.2, self.last.device_id))
    }

    fn row(&mut self, reading: &Reading<'_>) -> Result<Row, Error> {
        let received_at = self.chunk.source.received_at;
        let stamped = reading.message_time.or(reading.issued_at);
        let (message_time, flags) = match stamped {
            Some(at) => (at, reading.flags),
            None => (received_at, reading.flags.with(Flags::ARRIVAL_TIME)),
        };
        let texts = self.spelled.find(reading, self.names, &self.words)?;
        let (channel, device) = self.channel(reading, texts)?;
        let texts = self.spelled.get(texts);
        Ok(Row {
            key: RowKey { tenant: self.chunk.source.tenant, channel, start: reading.start, span: reading.span },
            value: reading.value,
            unit: texts.unit,
            quality: texts.quality,
            canonical: reading.canonical,
            reason: texts.reason,
            flags,
            device,
            message_time,
            issued_at: reading.issued_at.unwrap_or(message_time),
            sequence: self.chunk.source.sequence,
        })
    }
}

impl<C: Chunks> Sink for Collector<'_, C> {
    fn reading(&mut self, reading: Reading<'_>) {
        let month = self.month_of.of(reading.start);
        self.make_room(Some(month));
        if self.failed.is_some() {
            return;
        }
        if month != self.last_month {
            if !self.chunk.months.contains(&month) {
                self.chunk.months.push(month);
            }
            self.last_month = month;
        }
        if self.repeated {
            // Chunks are cut as if it were stored: a replay may not know the message.
            self.chunk.repeated += 1;
            return;
        }
        match self.row(&reading) {
            Ok(row) => self.chunk.rows.push(&row),
            Err(Error::Words(error)) => {
                let reason = error.to_string();
                self.refused(Refusal {
                    place: Place::Whole,
                    code: "words",
                    reason: &reason,
                    excerpt: reading.point.as_bytes(),
                });
            }
            Err(error) => self.failed = Some(error),
        }
    }

    fn event(&mut self, event: Event<'_>) {
        self.make_room(None);
        self.ordinal += 1;
        self.chunk.events.push(KeptEvent {
            point: event.point.into(),
            device: event.device.into(),
            register: event.register.into(),
            at: event.at,
            span: event.span,
            kind: event.kind.into(),
            code: event.code.into(),
            text: cut(event.text).into(),
            place: event.place,
        });
    }

    fn refused(&mut self, refusal: Refusal<'_>) {
        self.make_room(None);
        self.chunk.refused_count += 1;
        let kept = self.chunk.refused.len();
        if kept > CHUNK_REFUSED_MAX {
            return;
        }
        self.ordinal += 1;
        if kept == CHUNK_REFUSED_MAX {
            self.chunk.refused.push(KeptRefusal {
                place: refusal.place,
                code: "more".into(),
                reason: format!("more than {CHUNK_REFUSED_MAX} refusals here; the rest is only counted"),
                excerpt: Vec::new(),
            });
            return;
        }
        self.chunk.refused.push(KeptRefusal {
            place: refusal.place,
            code: refusal.code.into(),
            reason: cut(refusal.reason).into(),
            excerpt: refusal.excerpt[..refusal.excerpt.len().min(Refusal::EXCERPT_BYTES_MAX)].into(),
        });
    }

    fn message(&mut self, message: Message<'_>) {
        let source = &mut self.chunk.source;
        if source.message_id.is_empty() {
            source.message_id = message.id.into();
        }
        self.repeated = self.messages.seen(source.tenant, &message);
    }

    fn stopped(&self) -> bool {
        self.failed.is_some()
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(EVENT_TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use bytes::Bytes;
    use meter::{Sequence, Timestamp};

    struct NoBlocks;

    impl crate::Lessor for NoBlocks {
        fn lease(&mut self, _: u32) -> Result<std::ops::Range<i64>, Error> {
            panic!("nothing is read, so nothing needs a number")
        }
    }

    #[derive(Default)]
    struct Taken(Vec<Chunk>);

    impl Chunks for Taken {
        fn take(&mut self, chunk: Chunk) -> Result<(), Error> {
            self.0.push(chunk);
            Ok(())
        }
    }

    fn understood(formats: Formats) -> Result<Vec<Chunk>, Error> {
        let (files, words, spelled) = Default::default();
        let secret = Secret::of_tests();
        let (messages, names) = (MessagesSeen::new(secret.clone()), Names::new(Box::new(NoBlocks), secret));
        let expected = (0, 0);
        let mut understander = Understander { formats, names, files, messages, words, spelled, expected };
        let source = Source {
            sequence: Sequence(7),
            tenant: TenantId(1),
            door: 0,
            format: "csv/acme@3".into(),
            object: "a.csv".into(),
            message_id: String::new(),
            sha256: Some([1; 32]),
            bytes: 3,
            received_at: Timestamp(0),
        };
        let mut taken = Taken::default();
        let input = Input::<&[u8]>::Held(Bytes::from_static(b"100,NEM12,200402070911,MDA1,Ret1\n900\n"));
        understander.record(source, input, &mut taken)?;
        Ok(taken.0)
    }

    #[test]
    fn a_profile_that_is_gone_is_refused_by_name_and_never_guessed() {
        let gone = |_: TenantId, name: &str| Err(registry::Error::NoSuchProfile { name: name.into() });
        let chunks = understood(Box::new(gone)).expect("is refused");
        let [chunk] = &chunks[..] else { panic!("{} chunks", chunks.len()) };
        assert!(chunk.last && chunk.rows.is_empty() && chunk.refused_count == 1);
        let refused = &chunk.refused[0];
        assert!(refused.code == "format.profile" && refused.reason.contains("csv/acme@3"), "{refused:?}");
        assert_eq!(chunk.source.format, "csv/acme@3");
    }

    /// A refusal would stand for ever; the role starts again instead.
    #[test]
    fn a_registry_that_cannot_be_asked_refuses_nothing() {
        let busy = |_: TenantId, _: &str| Err(registry::Error::InUse { path: "registry.sqlite".into() });
        assert!(matches!(understood(Box::new(busy)), Err(Error::Registry(_))));
    }
}
