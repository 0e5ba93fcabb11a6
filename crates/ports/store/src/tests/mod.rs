//! A small world around the lake: someone who writes as `process` does, and an
//! oracle that knows from the same rows, in its own way, what must stand.

mod ageing;
mod crash;
mod keeping;
mod outside;
mod property;
mod retiring;
mod scan;
mod speed;
mod writer_speed;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int16Type;
use host::{ManualClock, SimDisk};
use meter::{
    ChannelId, Decimal, DeviceId, Flags, Quality, Row, RowKey, Sequence, Span, TenantId, Timestamp, Unit, Words,
};

use crate::{
    Faults, Lake, Position, Result, ScanRequest, ScanTable, Snapshot, Table, Tail, batch_to_rows, column, rows_to_batch,
};

const HALF_HOUR: i64 = 1_800_000_000;
/// 2024-01-31T22:00Z: a few half-hours on, another month begins.
const BEGIN: i64 = 1_706_738_400_000_000;

/// A reading as the tests say it: small numbers, so that versions meet often.
#[derive(Clone, Debug)]
struct Said {
    channel: i64,
    slot: i64,
    message: i64,
    issued: i64,
    value: i64,
    trailing_zero: bool,
    unit: &'static str,
    quality: &'static str,
}

/// What a version says, for the oracle: value, unit code, unknown unit, quality, reason.
type Content = (i128, u8, String, String, String);
/// Versions of a key: message time and content to the newest file.
type Versions = BTreeMap<(i64, Content), i64>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Oracle {
    keys: BTreeMap<RowKey, Versions>,
}

impl Oracle {
    fn hears(&mut self, row: &Row, words: &Words) {
        let (message, content, issued) = spoken(row, words);
        let newest = self.keys.entry(row.key).or_default().entry((message, content)).or_insert(issued);
        *newest = issued.max(*newest);
    }

    /// What stands, and what is earlier; sorted.
    fn tables(&self) -> (Vec<Seen>, Vec<Seen>) {
        let (mut standing, mut earlier) = (Vec::new(), Vec::new());
        for (key, versions) in &self.keys {
            let seen = versions.iter().map(|((message, content), issued)| (*key, *message, *issued, content.clone()));
            let mut seen: Vec<Seen> = seen.collect();
            // The key aside: message time, file, content.
            seen.sort();
            standing.extend(seen.pop());
            earlier.extend(seen);
        }
        (standing, earlier)
    }
}

/// A row as the oracle sees it: no device, no sequence.
type Seen = (RowKey, i64, i64, Content);

fn spoken(row: &Row, words: &Words) -> (i64, Content, i64) {
    let unit = words.unit(row.unit);
    let unknown = if unit == Unit::Unknown { words.text(row.unit) } else { "" };
    let texts = [unknown, words.text(row.quality), words.text(row.reason)].map(str::to_owned);
    let [unknown, quality, reason] = texts;
    (row.message_time.0, (row.value.at_scale_18(), unit.code(), unknown, quality, reason), row.issued_at.0)
}

fn row_of(said: &Said, sequence: u64, words: &mut Words) -> Row {
    let value = if said.trailing_zero { Decimal::new(said.value * 10, 2) } else { Decimal::new(said.value, 1) };
    Row {
        key: RowKey {
            tenant: TenantId(1 + i32::try_from(said.channel % 2).expect("small")),
            channel: ChannelId(said.channel),
            start: Timestamp(BEGIN + said.slot * HALF_HOUR),
            span: Span(HALF_HOUR),
        },
        value,
        unit: words.intern(said.unit).expect("short"),
        quality: words.intern(said.quality).expect("short"),
        canonical: Quality::Measured,
        reason: words.intern("").expect("short"),
        flags: Flags::default(),
        device: DeviceId(7),
        message_time: Timestamp(said.message),
        issued_at: Timestamp(said.issued),
        sequence: Sequence(sequence),
    }
}

/// A measured half-hour in kWh with three decimals.
fn half_hour(channel: i64, slot: i64, value: i64, words: &mut Words) -> Row {
    let (unit, quality) = ("kWh", "A");
    let said = Said { channel, slot, message: BEGIN, issued: BEGIN, value, trailing_zero: false, unit, quality };
    let mut row = row_of(&said, 1, words);
    (row.key.tenant, row.value) = (TenantId(1), Decimal::new(value, 3));
    row
}

/// A row, for tests that need no more than one.
pub(crate) fn any_row() -> Row {
    let said =
        Said { channel: 1, slot: 0, message: 1, issued: 1, value: 1, trailing_zero: false, unit: "", quality: "" };
    row_of(&said, 1, &mut Words::new())
}

/// The lake with one who writes to it.
struct World {
    disk: SimDisk,
    lake: Lake,
    words: Words,
}

/// Rows sorted out as `process` does: new keys, and further versions.
#[derive(Clone, Debug, Default)]
struct Round {
    readings: Vec<Row>,
    overlay: Vec<Row>,
}

impl World {
    async fn open(disk: SimDisk) -> Result<World> {
        World::open_with(disk, Faults::default()).await
    }

    async fn open_with(disk: SimDisk, faults: Faults) -> Result<World> {
        let clock = Arc::new(ManualClock::new(Timestamp(BEGIN + 100 * HALF_HOUR)));
        let lake = Lake::open_with(Arc::new(disk.clone()), clock, "lake", "e1", faults).await?;
        Ok(World { disk, lake, words: Words::new() })
    }

    /// What of a record is new, by looking the keys up.
    fn understand(&mut self, sequence: u64, said: &[Said]) -> Result<Round> {
        let mut rows: Vec<Row> = said.iter().map(|s| row_of(s, sequence, &mut self.words)).collect();
        rows.sort_by_key(|row| row.key);
        let mut keys: Vec<RowKey> = rows.iter().map(|row| row.key).collect();
        keys.dedup();
        let mut known: BTreeMap<RowKey, Vec<Row>> = BTreeMap::new();
        for row in self.lake.versions_of(&keys, &mut self.words)? {
            known.entry(row.key).or_default().push(row);
        }
        let mut round = Round::default();
        for mut row in rows {
            let versions = known.entry(row.key).or_default();
            let same = versions.iter().filter(|other| row.same_version(other, &self.words));
            let newest = same.map(|other| other.issued_at).max();
            if newest.is_some_and(|newest| newest >= row.issued_at) {
                continue;
            }
            if versions.is_empty() {
                round.readings.push(row);
            } else {
                if newest.is_some() {
                    row.flags = row.flags.with(Flags::REISSUED);
                }
                round.overlay.push(row);
            }
            versions.push(row);
        }
        Ok(round)
    }

    /// One record, from bytes to snapshot.
    async fn record(&mut self, sequence: u64, said: &[Said]) -> Result<()> {
        let round = self.understand(sequence, said)?;
        self.commit(sequence, &round).await?;
        self.show(Tail::default());
        Ok(())
    }

    async fn commit(&mut self, sequence: u64, round: &Round) -> Result<()> {
        let to = Position::done(Sequence(sequence));
        let batches =
            |rows: &[Row], words: &Words| if rows.is_empty() { vec![] } else { vec![rows_to_batch(rows, words)] };
        let readings = batches(&round.readings, &self.words);
        let overlay = batches(&round.overlay, &self.words);
        self.lake.append(Table::Readings, readings, to).await?;
        self.lake.append(Table::Overlay, overlay, to).await?;
        Ok(())
    }

    fn tail_of(&self, round: &Round) -> Tail {
        let batch = |rows: &[Row]| vec![rows_to_batch(rows, &self.words)];
        let readings = batch(&round.readings).into_iter().map(Into::into).collect();
        Tail { readings, overlay: batch(&round.overlay), ..Tail::default() }
    }

    fn show(&self, tail: Tail) -> Arc<Snapshot> {
        self.lake.publish(tail);
        self.lake.snapshot()
    }

    /// The newest snapshot must say what the oracle says.
    fn check(&mut self, oracle: &Oracle, when: &str) {
        let snapshot = self.lake.snapshot();
        let (standing, earlier) = oracle.tables();
        assert_eq!(seen(&snapshot, &ScanRequest::all(ScanTable::Readings)), standing, "readings {when}");
        assert_eq!(seen(&snapshot, &ScanRequest::all(ScanTable::ReadingsHistory)), earlier, "history {when}");
    }

    /// What `process` would find must be every version there is.
    fn check_versions(&mut self, oracle: &Oracle, when: &str) {
        let keys: Vec<RowKey> = oracle.keys.keys().copied().collect();
        let mut found = Oracle::default();
        for row in self.lake.versions_of(&keys, &mut self.words).expect("readable") {
            found.hears(&row, &self.words);
        }
        assert_eq!(&found, oracle, "versions {when}");
    }
}

/// The rows of a scan as the oracle sees them, sorted.
fn seen(snapshot: &Snapshot, request: &ScanRequest) -> Vec<Seen> {
    let mut words = Words::new();
    let mut all = Vec::new();
    for part in snapshot.scan(request).expect("readable") {
        for batch in part {
            let batch = batch.expect("readable");
            let codes = batch.column(column::UNIT_CODE).as_primitive::<Int16Type>();
            let rows = batch_to_rows(&batch, &mut words).expect("ours");
            for (row, code) in rows.into_iter().zip(codes.values()) {
                assert_eq!(i16::from(words.unit(row.unit).code()), *code, "{row:?}");
                assert!(!row.flags.has(Flags::REISSUED), "a standing or earlier version is not marked: {row:?}");
                let (message, content, issued) = spoken(&row, &words);
                all.push((row.key, message, issued, content));
            }
        }
    }
    all.sort();
    all
}
