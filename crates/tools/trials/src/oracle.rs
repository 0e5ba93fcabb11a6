//! What must be stored, computed from the bodies alone.
//!
//! Promise: knows nothing of rounds, overlays or folds. A key has a set of
//! versions; the greatest stands, the others are earlier ones (decision 1).

use std::collections::{BTreeMap, HashMap};

use journal::Door;
use meter::{
    DeviceId, Event, Flags, Identity, Kind, Reading, Refusal, Row, RowKey, Sequence, Sink, Span, TenantId, Timestamp,
    Unit, Words,
};
use parse::{Format, Limits};
use sha2::{Digest, Sha256};

use crate::script::Sent;

/// A reading's key by names, so that the numbers given to channels do not matter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub tenant: TenantId,
    pub point: String,
    /// Empty unless the device is part of the channel's name.
    pub device: String,
    pub register: String,
    pub kind: u8,
    pub start: Timestamp,
    pub span: Span,
}

impl Key {
    /// Whether both are readings of one channel.
    pub fn same_channel(&self, other: &Key) -> bool {
        let channel = |key: &Key| (key.tenant, key.kind);
        let names = |key: &Key| [key.point.clone(), key.device.clone(), key.register.clone()];
        channel(self) == channel(other) && names(self) == names(other)
    }
}

/// What a version says, so that 1.50 and 1.5 or kWh and KWH are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Content {
    pub value: i128,
    pub unit: u8,
    pub unknown_unit: String,
    pub quality: String,
    pub reason: String,
}

/// One version of one reading.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub key: Key,
    pub message_time: Timestamp,
    pub issued_at: Timestamp,
    pub content: Content,
}

/// What `sources` must say of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub accepted: i64,
    pub duplicate: i64,
    pub corrected: i64,
    pub refused: i64,
    pub events: i64,
    pub duplicate_of: Option<u64>,
}

/// A record of the journal.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    pub sequence: u64,
    pub received_at: Timestamp,
    pub sent: &'a Sent,
}

/// Hears records in order.
#[derive(Default)]
pub struct Oracle {
    keys: BTreeMap<Key, Vec<Row>>,
    files: HashMap<(TenantId, [u8; 32]), u64>,
    words: Words,
    pub counts: BTreeMap<u64, Counts>,
}

impl Content {
    pub fn of(row: &Row, words: &Words) -> Content {
        let unit = words.unit(row.unit);
        let unknown_unit = if unit == Unit::Unknown { words.text(row.unit) } else { "" };
        Content {
            value: row.value.at_scale_18(),
            unit: unit.code(),
            unknown_unit: unknown_unit.into(),
            quality: words.text(row.quality).into(),
            reason: words.text(row.reason).into(),
        }
    }
}

impl Version {
    pub fn of(key: Key, row: &Row, words: &Words) -> Version {
        Version { key, message_time: row.message_time, issued_at: row.issued_at, content: Content::of(row, words) }
    }
}

impl Oracle {
    /// Takes in the next record.
    pub fn hears(&mut self, heard: &Heard<'_>) {
        let mut counts = Counts::default();
        let sent = heard.sent;
        if sent.door == Door::File || !sent.object.is_empty() {
            let file = (sent.tenant, Sha256::digest(&sent.bytes).into());
            let first = *self.files.entry(file).or_insert(heard.sequence);
            counts.duplicate_of = (first != heard.sequence).then_some(first);
        }
        if counts.duplicate_of.is_none() {
            match Format::from_name(sent.format).or_else(|| Format::detect(&sent.bytes).ok()) {
                None => counts.refused = 1,
                Some(format) => {
                    let mut reader = Reader { oracle: self, heard, counts: &mut counts };
                    let limits = Limits::received_at(heard.received_at);
                    if parse::read(format, &sent.bytes[..], limits, &mut reader).is_err() {
                        counts.refused += 1;
                    }
                }
            }
        }
        self.counts.insert(heard.sequence, counts);
    }

    /// What stands, and what is earlier; sorted.
    pub fn tables(&self) -> (Vec<Version>, Vec<Version>) {
        let (mut standing, mut earlier) = (Vec::new(), Vec::new());
        for (key, rows) in &self.keys {
            let stands = self.standing(rows);
            for (place, row) in rows.iter().enumerate() {
                let table = if place == stands { &mut standing } else { &mut earlier };
                table.push(Version::of(key.clone(), row, &self.words));
            }
        }
        standing.sort();
        earlier.sort();
        (standing, earlier)
    }

    fn standing(&self, rows: &[Row]) -> usize {
        let greatest = (0..rows.len()).max_by(|a, b| rows[*a].standing_order(&rows[*b], &self.words));
        greatest.expect("a key has a version")
    }

    fn takes(&mut self, key: Key, row: Row, counts: &mut Counts) {
        let rows = self.keys.entry(key.clone()).or_default();
        if rows.is_empty() {
            rows.push(row);
            counts.accepted += 1;
            return;
        }
        let words = &self.words;
        if let Some(same) = rows.iter_mut().find(|stored| stored.same_version(&row, words)) {
            same.issued_at = same.issued_at.max(row.issued_at);
            counts.duplicate += 1;
            return;
        }
        let stands = self.standing(&self.keys[&key]);
        let rows = self.keys.get_mut(&key).expect("entered above");
        // Without a time of its own, what says nothing new is no version.
        if row.flags.has(Flags::ARRIVAL_TIME) && row.same_content(&rows[stands], &self.words) {
            counts.duplicate += 1;
            return;
        }
        rows.push(row);
        counts.corrected += 1;
    }
}

struct Reader<'a> {
    oracle: &'a mut Oracle,
    heard: &'a Heard<'a>,
    counts: &'a mut Counts,
}

impl Sink for Reader<'_> {
    fn reading(&mut self, reading: Reading<'_>) {
        let key = Key {
            tenant: self.heard.sent.tenant,
            point: reading.point.into(),
            device: if reading.identity == Identity::Device { reading.device.into() } else { String::new() },
            register: reading.register.into(),
            kind: Kind::code(reading.reading_type.kind),
            start: reading.start,
            span: reading.span,
        };
        let stamped = reading.message_time.or(reading.issued_at);
        let flags = if stamped.is_some() { reading.flags } else { reading.flags.with(Flags::ARRIVAL_TIME) };
        let message_time = stamped.unwrap_or(self.heard.received_at);
        let mut word = |text: &str| self.oracle.words.intern(text).expect("the script has few words");
        let row = Row {
            key: RowKey::default(),
            value: reading.value,
            unit: word(reading.unit),
            quality: word(reading.quality),
            canonical: reading.canonical,
            reason: word(reading.reason),
            flags,
            device: DeviceId::NONE,
            message_time,
            issued_at: reading.issued_at.unwrap_or(message_time),
            sequence: Sequence(self.heard.sequence),
        };
        self.oracle.takes(key, row, self.counts);
    }

    fn event(&mut self, _: Event<'_>) {
        self.counts.events += 1;
    }

    fn refused(&mut self, _: Refusal<'_>) {
        self.counts.refused += 1;
    }
}
