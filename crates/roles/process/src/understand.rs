//! Understanding: from the raw bytes of a record to chunks of rows.
//!
//! Promise: the same record always gives the same chunks; whatever is in it
//! that is not understood comes out as a refusal, with its place.

use meter::{
    ChannelId, DeviceId, Event, Flags, Identity, Kind, Message, Months, Place, Reading, Refusal, Row, RowKey, Sequence,
    Sink, TenantId, Word, same_word,
};
use parse::{Format, Limits};
use std::collections::HashMap;
use std::io::BufRead;
use store::SharedWords;

use crate::Error;
use crate::chunk::{
    CHUNK_ITEMS, CHUNK_MONTHS_MAX, CHUNK_REFUSED_MAX, Chunk, EVENT_TEXT_BYTES_MAX, KeptEvent, KeptRefusal, Source,
};
use crate::messages::MessagesSeen;
use crate::names::Names;

/// Files seen before, by tenant and SHA-256, with the sequence they came in with.
#[derive(Debug, Default)]
pub struct FilesSeen {
    files: HashMap<(TenantId, [u8; 16]), Sequence>,
}

impl FilesSeen {
    /// The first sequence of the same file, if it came before `sequence`.
    pub fn earlier(&self, tenant: TenantId, sha256: &[u8; 32], sequence: Sequence) -> Option<Sequence> {
        self.files.get(&Self::key(tenant, sha256)).copied().filter(|first| *first < sequence)
    }

    pub fn insert(&mut self, tenant: TenantId, sha256: &[u8; 32], sequence: Sequence) {
        let first = self.files.entry(Self::key(tenant, sha256)).or_insert(sequence);
        *first = sequence.min(*first);
    }

    /// Half the hash tells files apart: 2^64 files before two are expected to meet.
    fn key(tenant: TenantId, sha256: &[u8; 32]) -> (TenantId, [u8; 16]) {
        let mut half = [0; 16];
        half.copy_from_slice(&sha256[..16]);
        (tenant, half)
    }
}

/// Where finished chunks go; an error there ends the record.
pub trait Chunks {
    fn take(&mut self, chunk: Chunk) -> Result<(), Error>;
}

/// Turns records into chunks. Holds what outlives a record: names and words.
pub struct Understander {
    pub names: Names,
    pub files: FilesSeen,
    pub messages: MessagesSeen,
    pub words: SharedWords,
}

impl Understander {
    /// Reads one record's `input` to its end and hands its chunks on.
    pub fn record(&mut self, source: Source, input: impl BufRead, out: &mut impl Chunks) -> Result<(), Error> {
        if let Some(sha256) = source.sha256.as_ref().filter(|_| source.is_file()) {
            let earlier = self.files.earlier(source.tenant, sha256, source.sequence);
            self.files.insert(source.tenant, sha256, source.sequence);
            if earlier.is_some() {
                let mut chunk = Chunk::new(source, 0, 0);
                (chunk.last, chunk.duplicate_of) = (true, earlier);
                return out.take(chunk);
            }
        }
        let mut collector = Collector::new(self, source, out);
        parse_into(&mut collector, input)?;
        collector.finish()
    }
}

fn parse_into(collector: &mut Collector<'_, impl Chunks>, mut input: impl BufRead) -> Result<(), Error> {
    let format = match Format::from_name(&collector.chunk.source.format) {
        Some(format) => format,
        None => {
            let head = input.fill_buf().map_err(Error::Body)?;
            match Format::detect(head) {
                Ok(format) => format,
                Err(unrecognised) => {
                    let excerpt = &head[..head.len().min(Refusal::EXCERPT_BYTES_MAX)];
                    collector.refuse_whole("format.unknown", &unrecognised.to_string(), excerpt);
                    return Ok(());
                }
            }
        }
    };
    collector.chunk.source.format = format.name().into();
    let limits = Limits::received_at(collector.chunk.source.received_at);
    let file_name = collector.chunk.source.object.clone();
    match parse::read_file(format, &file_name, input, limits, collector) {
        Ok(()) => {}
        Err(parse::Error::Io(error)) => return Err(Error::Body(error)),
        Err(error @ (parse::Error::Envelope(_) | parse::Error::Json(_) | parse::Error::TooLarge)) => {
            collector.refuse_whole("body.unreadable", &error.to_string(), &[]);
        }
    }
    Ok(())
}

/// The last texts seen, with their words: nearly always the next ones too.
#[derive(Default)]
struct LastWord {
    text: String,
    word: Word,
}

/// The channel of the last reading, under the names it has in its source.
#[derive(Default)]
struct LastChannel {
    point: String,
    device: String,
    register: String,
    identity: Identity,
    kind: Kind,
    /// The one number no channel has, while there was none.
    channel: ChannelId,
}

impl LastChannel {
    /// Within the room of the names before: registers take turns in a message.
    fn remember(&mut self, reading: &Reading<'_>, channel: ChannelId) {
        let names = [&mut self.point, &mut self.device, &mut self.register];
        for (name, said) in names.into_iter().zip([reading.point, reading.device, reading.register]) {
            name.clear();
            name.push_str(said);
        }
        (self.identity, self.kind, self.channel) = (reading.identity, reading.reading_type.kind, channel);
    }

    fn is_of(&self, reading: &Reading<'_>) -> bool {
        self.channel != ChannelId::default()
            && self.register == reading.register
            && self.point == reading.point
            && self.device == reading.device
            && (self.identity, self.kind) == (reading.identity, reading.reading_type.kind)
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
    last_channel: LastChannel,
    last_words: [LastWord; 3],
    last_device: (String, DeviceId),
    failed: Option<Error>,
}

impl<'a, C: Chunks> Collector<'a, C> {
    fn new(understander: &'a mut Understander, source: Source, out: &'a mut C) -> Self {
        Collector {
            names: &mut understander.names,
            messages: &mut understander.messages,
            repeated: false,
            words: understander.words.clone(),
            out,
            chunk: Chunk::new(source, 0, 0),
            ordinal: 0,
            month_of: Months::default(),
            last_month: 0,
            last_channel: LastChannel::default(),
            last_words: Default::default(),
            last_device: (String::new(), DeviceId::NONE),
            failed: None,
        }
    }

    fn finish(mut self) -> Result<(), Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
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

    fn word(&mut self, slot: usize, text: &str) -> Result<Word, Error> {
        if same_word(&self.last_words[slot].text, text) {
            return Ok(self.last_words[slot].word);
        }
        let word = self.words.write().expect("no holder panics").intern(text)?;
        self.last_words[slot] = LastWord { text: text.into(), word };
        Ok(word)
    }

    fn device(&mut self, name: &str) -> Result<DeviceId, Error> {
        if self.last_device.0 != name {
            let id = self.names.device(self.chunk.source.tenant, name, &mut self.chunk.devices)?;
            self.last_device = (name.into(), id);
        }
        Ok(self.last_device.1)
    }

    fn refuse_whole(&mut self, code: &str, reason: &str, excerpt: &[u8]) {
        self.refused(Refusal { place: Place::Whole, code, reason, excerpt });
    }

    fn row(&mut self, reading: &Reading<'_>) -> Result<Row, Error> {
        let received_at = self.chunk.source.received_at;
        let stamped = reading.message_time.or(reading.issued_at);
        let (message_time, flags) = match stamped {
            Some(at) => (at, reading.flags),
            None => (received_at, reading.flags.with(Flags::ARRIVAL_TIME)),
        };
        let tenant = self.chunk.source.tenant;
        if !self.last_channel.is_of(reading) {
            let channel = self.names.channel(tenant, reading, &mut self.chunk.channels)?;
            self.last_channel.remember(reading, channel);
        }
        let channel = self.last_channel.channel;
        Ok(Row {
            key: RowKey { tenant, channel, start: reading.start, span: reading.span },
            value: reading.value,
            unit: self.word(0, reading.unit)?,
            quality: self.word(1, reading.quality)?,
            canonical: reading.canonical,
            reason: self.word(2, reading.reason)?,
            flags,
            device: self.device(reading.device)?,
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
