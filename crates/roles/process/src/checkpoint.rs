//! The checkpoint: what each channel has, its coverage and its latest row, as of
//! a position, so that a restart reads only the files with rows that came later.
//!
//! Promise: it is a cache. A missing, damaged or foreign one is as good as none;
//! what is read from it covers every key that came in before its position.
//!
//! Bytes: magic `MHCV`, format version u32 and position i64, little-endian; then
//! numbers as [`Numbers`] writes them: texts, how many and for each its length and
//! UTF-8; channels, how many and for each its id, shortest and longest span, number
//! of runs, the first run and the others; latest rows, how many and for each the
//! fields of [`row_fields`]; at last a BLAKE3 of all before it.
//!
//! Read: `checkpoint/numbers.rs` (what is alike costs nothing), then here.

use std::sync::Arc;

use host::Disk;
use meter::{ChannelId, Row, Word, Words};
use smallvec::SmallVec;
use store::{Latest, Position, SharedWords};

use crate::Error;
use crate::coverage::{Coverage, Covered, RUNS_MAX, Run};

mod numbers;

use numbers::{Deltas, Numbers};

/// Where it lies in the data directory.
pub const PATH: &str = "state/channels";
const MAGIC: &[u8; 4] = b"MHCV";
/// Raised whenever what is written changes; another one is as good as none.
pub const VERSION: u32 = 3;
const HASH_BYTES: usize = 32;
const READ_BYTES: usize = 8 << 20;
/// Rows read from memory, or told to it, at a time.
const ROWS_AT_A_TIME: usize = 4_096;
/// Its channel and its own numbers.
const ROW_FIELDS: usize = 1 + Row::NUMBERS;
const CHANNEL_FIELDS: usize = 6;

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
    numbers::put(bytes, coverage.channel_count() as u64);
    let mut deltas = Deltas::<CHANNEL_FIELDS>::default();
    for (channel, Covered { runs, spans }) in coverage.channels() {
        let first = runs[0];
        let length = first.to.wrapping_sub(first.from);
        deltas.put(bytes, [channel.0, spans.0, spans.1, runs.len() as i64, first.from, length]);
        for run in runs.iter().skip(1) {
            numbers::put_signed(bytes, run.from);
            numbers::put_signed(bytes, run.to);
        }
    }
}

fn put_latest(latest: &Latest, words: &Words, bytes: &mut Vec<u8>) {
    numbers::put(bytes, words.len() as u64);
    for text in words.texts() {
        numbers::put(bytes, text.len() as u64);
        bytes.extend_from_slice(text.as_bytes());
    }
    numbers::put(bytes, latest.channel_count() as u64);
    let mut deltas = Deltas::<ROW_FIELDS>::default();
    let mut next = Some(ChannelId(i64::MIN));
    while let Some(from) = next {
        let (rows, more) = latest.rows(from, ROWS_AT_A_TIME);
        for row in rows {
            let mut fields = [row.key.channel.0; ROW_FIELDS];
            fields[1..].copy_from_slice(&row.numbers());
            deltas.put(bytes, fields);
        }
        next = more;
    }
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

/// The format version that the file says, whatever is behind it.
pub fn version_found(disk: &dyn Disk) -> Option<u32> {
    let head = disk.read(PATH, 0, 8).ok()?;
    let version = head.strip_prefix(MAGIC)?;
    version.try_into().ok().map(u32::from_le_bytes)
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
    let (head, rest) = content.split_first_chunk::<16>()?;
    if head[..4] != *MAGIC || head[4..8] != VERSION.to_le_bytes() {
        return None;
    }
    let position = Position::from_version(Some(i64::from_le_bytes(head[8..].try_into().ok()?)));
    let mut numbers = Numbers::of(rest);
    let coverage = coverage(&mut numbers)?;
    let texts = texts(&mut numbers, &mut words.write().expect("no holder of the words panics"))?;
    let latest = latest(&mut numbers, &texts, words)?;
    let channels = Channels { coverage, latest: Arc::new(latest) };
    numbers.is_at_end().then_some(Checkpoint { position, channels })
}

fn coverage(numbers: &mut Numbers<'_>) -> Option<Coverage> {
    let mut coverage = Coverage::default();
    let mut deltas = Deltas::<CHANNEL_FIELDS>::default();
    for _ in 0..numbers.number()? {
        let [channel, shortest, longest, count, from, length] = deltas.take(numbers)?;
        let count = usize::try_from(count).ok().filter(|count| (1..=RUNS_MAX).contains(count))?;
        let mut runs = SmallVec::with_capacity(count);
        runs.push(Run { from, to: from.wrapping_add(length) });
        for _ in 1..count {
            runs.push(Run { from: numbers.signed()?, to: numbers.signed()? });
        }
        coverage.insert_channel(ChannelId(channel), Covered { runs, spans: (shortest, longest) });
    }
    Some(coverage)
}

/// The words of now for the numbers of then.
fn texts(numbers: &mut Numbers<'_>, words: &mut Words) -> Option<Vec<Word>> {
    let mut texts = Vec::new();
    for _ in 0..numbers.number()? {
        let length = usize::try_from(numbers.number()?).ok()?;
        texts.push(words.intern(std::str::from_utf8(numbers.bytes(length)?).ok()?).ok()?);
    }
    Some(texts)
}

fn latest(numbers: &mut Numbers<'_>, texts: &[Word], words: &SharedWords) -> Option<Latest> {
    let latest = Latest::new(words.clone());
    let mut deltas = Deltas::<ROW_FIELDS>::default();
    let mut rows = Vec::with_capacity(ROWS_AT_A_TIME);
    for _ in 0..numbers.number()? {
        rows.push(row(deltas.take(numbers)?, texts)?);
        if rows.len() == ROWS_AT_A_TIME {
            latest.tell(&rows);
            rows.clear();
        }
    }
    latest.tell(&rows);
    Some(latest)
}

/// With the words of now in place of those of then.
fn row([channel, numbers @ ..]: [i64; ROW_FIELDS], texts: &[Word]) -> Option<Row> {
    let row = Row::of_numbers(ChannelId(channel), numbers)?;
    let now = |then: Word| texts.get(then.0 as usize).copied();
    Some(Row { unit: now(row.unit)?, quality: now(row.quality)?, reason: now(row.reason)?, ..row })
}

#[cfg(test)]
mod tests {
    use super::*;
    use host::SimDisk;
    use meter::{Decimal, DeviceId, Flags, Quality, RowKey, Sequence, Span, TenantId, Timestamp};
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
