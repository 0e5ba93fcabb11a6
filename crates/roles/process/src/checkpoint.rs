//! The checkpoint: what each channel has, its coverage and its latest row, as of
//! a position, so that a restart reads only the files with rows that came later.
//!
//! Promise: it is a cache. A missing, damaged or foreign one is as good as none;
//! what is read from it covers every key that came in before its position.
//!
//! Bytes, little-endian: magic `MHCV`, format version u32, position i64; channels
//! u64 and for each its id i64, shortest and longest span i64, run count u32 and
//! runs of two i64; texts u32 and
//! for each its length u32 and UTF-8; latest rows u64 and for each the numbers
//! that [`ROW_BYTES`] counts; at last a BLAKE3 of all before it.

use std::sync::Arc;

use host::Disk;
use meter::{
    ChannelId, Decimal, DeviceId, Flags, Quality, Row, RowKey, Sequence, Span, TenantId, Timestamp, Word, Words,
};
use smallvec::SmallVec;
use store::{Latest, Position, SharedWords};

use crate::Error;
use crate::coverage::{Coverage, Covered, RUNS_MAX, Run};

/// Where it lies in the data directory.
pub const PATH: &str = "state/channels";
const MAGIC: &[u8; 4] = b"MHCV";
const VERSION: u32 = 2;
const HASH_BYTES: usize = 32;
const READ_BYTES: usize = 8 << 20;
/// Rows read from memory, or told to it, at a time.
const ROWS_AT_A_TIME: usize = 4_096;
/// Eight numbers of 8 bytes, four of 4, one of 2, two of 1.
const ROW_BYTES: usize = 8 * 8 + 4 * 4 + 2 + 2;

/// What the role knows of every channel.
pub struct Channels {
    pub coverage: Coverage,
    pub latest: Arc<Latest>,
}

/// Channels as of a position.
pub struct Checkpoint {
    pub position: Position,
    pub channels: Channels,
}

pub fn write(disk: &dyn Disk, position: Position, channels: &Channels, words: &SharedWords) -> Result<(), Error> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&position.as_version().to_le_bytes());
    put_coverage(&channels.coverage, &mut bytes);
    put_latest(&channels.latest, &words.read().expect("no holder of the words panics"), &mut bytes);
    let hash = blake3::hash(&bytes);
    bytes.extend_from_slice(hash.as_bytes());
    disk.write_durable(PATH, &bytes, true).map_err(|cause| Error::Checkpoint { path: PATH.into(), cause })
}

fn put_coverage(coverage: &Coverage, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&(coverage.channel_count() as u64).to_le_bytes());
    for (channel, Covered { runs, spans }) in coverage.channels() {
        for number in [channel.0, spans.0, spans.1] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&(runs.len() as u32).to_le_bytes());
        for run in runs {
            bytes.extend_from_slice(&run.from.to_le_bytes());
            bytes.extend_from_slice(&run.to.to_le_bytes());
        }
    }
}

fn put_latest(latest: &Latest, words: &Words, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&(words.len() as u32).to_le_bytes());
    for text in words.texts() {
        bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.extend_from_slice(&(latest.channel_count() as u64).to_le_bytes());
    let mut next = Some(ChannelId(i64::MIN));
    while let Some(from) = next {
        let (rows, more) = latest.rows(from, ROWS_AT_A_TIME);
        rows.iter().for_each(|row| put_row(row, bytes));
        next = more;
    }
}

fn put_row(row: &Row, bytes: &mut Vec<u8>) {
    let (key, value) = (&row.key, &row.value);
    let longs = [
        key.channel.0,
        key.start.0,
        key.span.0,
        value.value,
        row.device.0,
        row.message_time.0,
        row.issued_at.0,
        row.sequence.0 as i64,
    ];
    longs.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    let ints = [key.tenant.0 as u32, row.unit.0, row.quality.0, row.reason.0];
    ints.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    bytes.extend_from_slice(&row.flags.0.to_le_bytes());
    bytes.extend_from_slice(&[value.scale, row.canonical.code()]);
}

/// What was written last, if it can be read; its texts are interned in `words`.
pub fn read(disk: &dyn Disk, words: &SharedWords) -> Option<Checkpoint> {
    decode(&load(disk)?, words)
}

/// Takes it away: what it says is not of this lake.
pub fn forget(disk: &dyn Disk) -> Result<(), Error> {
    match disk.remove(PATH) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Checkpoint { path: PATH.into(), cause: error })
        }
        _ => Ok(()),
    }
}

/// Whether there is a checkpoint whose bytes are not what was written.
pub fn damaged(disk: &dyn Disk) -> bool {
    disk.size(PATH).is_ok() && read(disk, &SharedWords::default()).is_none()
}

fn load(disk: &dyn Disk) -> Option<Vec<u8>> {
    let size = usize::try_from(disk.size(PATH).ok()?).ok()?;
    let mut bytes = Vec::new();
    while bytes.len() < size {
        let more = disk.read(PATH, bytes.len() as u64, READ_BYTES).ok()?;
        if more.is_empty() {
            return None;
        }
        bytes.extend(more);
    }
    Some(bytes)
}

fn decode(bytes: &[u8], words: &SharedWords) -> Option<Checkpoint> {
    let (content, hash) = bytes.split_at_checked(bytes.len().checked_sub(HASH_BYTES)?)?;
    if blake3::hash(content).as_bytes() != hash {
        return None;
    }
    let mut reader = Reader { bytes: content };
    if reader.take::<4>()? != *MAGIC || reader.int()? != VERSION {
        return None;
    }
    let position = Position::from_version(Some(reader.long()?));
    let coverage = reader.coverage()?;
    let texts = reader.texts(&mut words.write().expect("no holder of the words panics"))?;
    let latest = Latest::new(words.clone());
    reader.latest(&texts, &latest)?;
    let channels = Channels { coverage, latest: Arc::new(latest) };
    reader.bytes.is_empty().then_some(Checkpoint { position, channels })
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(*head)
    }

    fn long(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }

    fn int(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn coverage(&mut self) -> Option<Coverage> {
        let mut coverage = Coverage::default();
        for _ in 0..self.long()? {
            let channel = ChannelId(self.long()?);
            let spans = (self.long()?, self.long()?);
            let count = self.int()? as usize;
            if count > RUNS_MAX {
                return None;
            }
            let mut runs = SmallVec::with_capacity(count);
            for _ in 0..count {
                runs.push(Run { from: self.long()?, to: self.long()? });
            }
            coverage.insert_channel(channel, Covered { runs, spans });
        }
        Some(coverage)
    }

    /// The words of now for the numbers of then.
    fn texts(&mut self, words: &mut Words) -> Option<Vec<Word>> {
        let mut texts = Vec::new();
        for _ in 0..self.int()? {
            let length = self.int()? as usize;
            let (text, rest) = self.bytes.split_at_checked(length)?;
            self.bytes = rest;
            texts.push(words.intern(std::str::from_utf8(text).ok()?).ok()?);
        }
        Some(texts)
    }

    fn latest(&mut self, texts: &[Word], latest: &Latest) -> Option<()> {
        let rows = self.long()?;
        if usize::try_from(rows).ok()?.checked_mul(ROW_BYTES)? != self.bytes.len() {
            return None;
        }
        for some in self.bytes.chunks(ROWS_AT_A_TIME * ROW_BYTES) {
            let read = |bytes| Reader { bytes }.row(texts);
            latest.tell(&some.chunks(ROW_BYTES).map(read).collect::<Option<Vec<Row>>>()?);
        }
        self.bytes = &[];
        Some(())
    }

    fn row(&mut self, texts: &[Word]) -> Option<Row> {
        let (channel, start, span) = (ChannelId(self.long()?), Timestamp(self.long()?), Span(self.long()?));
        let (value, device) = (self.long()?, DeviceId(self.long()?));
        let (message_time, issued_at) = (Timestamp(self.long()?), Timestamp(self.long()?));
        let sequence = Sequence(self.long()? as u64);
        let tenant = TenantId(self.int()? as i32);
        let mut word = || texts.get(self.int()? as usize).copied();
        let (unit, quality, reason) = (word()?, word()?, word()?);
        let flags = Flags(u16::from_le_bytes(self.take()?));
        let [scale, canonical] = self.take()?;
        Some(Row {
            key: RowKey { tenant, channel, start, span },
            value: Decimal::new(value, scale),
            unit,
            quality,
            canonical: Quality::from_code(canonical)?,
            reason,
            flags,
            device,
            message_time,
            issued_at,
            sequence,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use host::SimDisk;
    use proptest::prelude::*;

    fn row(channel: i64, start: i64, value: i64, unit: Word) -> Row {
        Row {
            key: RowKey { tenant: TenantId(3), channel: ChannelId(channel), start: Timestamp(start), span: Span(30) },
            value: Decimal::new(value, 3),
            unit,
            quality: Word(0),
            canonical: Quality::Estimated,
            reason: unit,
            flags: Flags::ARRIVAL_TIME,
            device: DeviceId(9),
            message_time: Timestamp(start + 1),
            issued_at: Timestamp(start + 2),
            sequence: Sequence(77),
        }
    }

    fn told(latest: &Latest, words: &SharedWords) -> Vec<String> {
        let words = words.read().expect("nobody panics");
        let (rows, _) = latest.rows(ChannelId(i64::MIN), usize::MAX);
        let say = |row: &Row| {
            let plain = Row { unit: Word(0), reason: Word(0), ..*row };
            format!("{plain:?} {} {}", words.text(row.unit), words.text(row.reason))
        };
        rows.iter().map(say).collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_with_other_words_in_between(
            rows in proptest::collection::vec((0_i64..500, 0_i64..9_999, any::<i64>(), "[a-z]{0,5}"), 0..60),
        ) {
            let disk = SimDisk::new(1);
            let words = SharedWords::default();
            let channels = Channels { coverage: Coverage::default(), latest: Arc::new(Latest::new(words.clone())) };
            let mut channels = channels;
            for (channel, start, value, unit) in &rows {
                let unit = words.write().expect("nobody panics").intern(unit).expect("short");
                let row = row(*channel, *start, *value, unit);
                channels.coverage.insert(&row.key);
                channels.latest.tell(&[row]);
            }
            let position = Position::done(Sequence(5));
            write(&disk, position, &channels, &words).expect("room enough");

            let others = SharedWords::default();
            others.write().expect("nobody panics").intern("another").expect("short");
            let read = read(&disk, &others).expect("as written");
            prop_assert_eq!(read.position, position);
            prop_assert_eq!(told(&read.channels.latest, &others), told(&channels.latest, &words));
            for (channel, start, _, _) in &rows {
                prop_assert!(read.channels.coverage.may_hold(&row(*channel, *start, 0, Word(0)).key));
            }
            prop_assert!(!damaged(&disk));
        }
    }
}
