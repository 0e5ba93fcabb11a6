//! A chunk: a bounded piece of one journal record, understood, with the
//! position that is reached once it is stored.
//!
//! Chunks are cut by what a record says alone (items and months, below), never
//! by time or load: a replay cuts the same record at the same places.

use journal::Door;
use meter::{ChannelId, DeviceId, Place, ReadingType, Runs, Sequence, Span, TenantId, Timestamp};
use store::Position;

/// A chunk ends after this many readings, events and refusals.
/// 131,072 rows of about 100 bytes keep a chunk below 16 MiB.
pub const CHUNK_ITEMS: usize = 1 << 17;
/// A chunk ends before it touches more calendar months than this, so that one
/// commit never opens more partitions than it may (D6).
pub const CHUNK_MONTHS_MAX: usize = 64;
/// Refusals kept one by one in a chunk; the rest are counted in one more.
pub const CHUNK_REFUSED_MAX: usize = 10_000;
/// Free text of an event beyond this is cut: it is a note, not a document.
pub const EVENT_TEXT_BYTES_MAX: usize = 4 << 10;

/// What the `sources` table says about a record, apart from its counts.
#[derive(Clone, Debug)]
pub struct Source {
    pub sequence: Sequence,
    pub tenant: TenantId,
    pub door: i8,
    pub format: String,
    pub object: String,
    pub message_id: String,
    /// Known for files, and for messages too large for the journal.
    pub sha256: Option<[u8; 32]>,
    pub bytes: i64,
    pub received_at: Timestamp,
}

impl Source {
    /// A body with a name is a file, by whichever door it came. Only a file that
    /// comes again is dropped whole: two messages without times may say the same
    /// and mean two moments.
    pub fn is_file(&self) -> bool {
        Source::is_of_file(self.door, &self.object)
    }

    /// As [`Source::is_file`].
    pub fn is_of_file(door: i8, object: &str) -> bool {
        door == Door::File.code() as i8 || !object.is_empty()
    }
}

/// A channel seen for the first time.
#[derive(Clone, Debug)]
pub struct NewChannel {
    pub channel: ChannelId,
    pub tenant: TenantId,
    pub point: String,
    /// Empty unless the device is part of the channel's name.
    pub device: String,
    pub register: String,
    pub reading_type: ReadingType,
}

/// A device seen for the first time.
#[derive(Clone, Debug)]
pub struct NewDevice {
    pub device: DeviceId,
    pub tenant: TenantId,
    pub name: String,
}

#[derive(Clone, Debug)]
pub struct KeptEvent {
    pub point: String,
    pub device: String,
    pub register: String,
    pub at: Timestamp,
    pub span: Span,
    pub kind: String,
    pub code: String,
    pub text: String,
    pub place: Place,
}

#[derive(Clone, Debug)]
pub struct KeptRefusal {
    pub place: Place,
    pub code: String,
    pub reason: String,
    pub excerpt: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct Chunk {
    pub source: Source,
    /// Counted from 0 within the record.
    pub index: u32,
    /// True for the record's last chunk.
    pub last: bool,
    /// Ordinal of this chunk's first event or refusal within the record.
    pub first_ordinal: i64,
    /// Set where the whole file was seen before: the sequence it came in with.
    pub duplicate_of: Option<Sequence>,
    pub rows: Runs,
    /// Calendar months that its readings touch, each once: few, and mostly one.
    pub months: Vec<i32>,
    /// Readings of messages that came before: duplicates, not among the rows.
    pub repeated: i64,
    pub channels: Vec<NewChannel>,
    pub devices: Vec<NewDevice>,
    pub events: Vec<KeptEvent>,
    pub refused: Vec<KeptRefusal>,
    /// All refusals, those beyond [`CHUNK_REFUSED_MAX`] included.
    pub refused_count: i64,
}

impl Chunk {
    pub fn new(source: Source, index: u32, first_ordinal: i64) -> Chunk {
        Chunk {
            source,
            index,
            last: false,
            first_ordinal,
            duplicate_of: None,
            rows: Runs::default(),
            months: Vec::new(),
            repeated: 0,
            channels: Vec::new(),
            devices: Vec::new(),
            events: Vec::new(),
            refused: Vec::new(),
            refused_count: 0,
        }
    }

    /// Where a table stands once it has this chunk.
    pub fn to(&self) -> Position {
        if self.last {
            return Position::done(self.source.sequence);
        }
        Position::chunk(self.source.sequence, self.index + 1)
    }

    pub fn items(&self) -> usize {
        self.rows.len() + self.repeated as usize + self.events.len() + self.refused.len()
    }
}
