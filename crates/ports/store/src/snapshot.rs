//! One moment of all tables together.
//!
//! Promise: what is read through one `Snapshot` was true at one moment, however
//! long the reading takes: files, corrections and the rows still in memory were
//! taken together, and its files stay until nobody holds it or a part of it.

use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use meter::{ChannelId, TenantId, Unit, Words};

use crate::delta::FileEntry;
use crate::error::Result;
use crate::latest::Latest;
use crate::lookup::Library;
use crate::part::Part;
use crate::position::Position;
use crate::rows::batch_to_rows;
use crate::scan::{Held, Rows, ScanRequest, ScanStats, ScanTable, parts, parts_of};
use crate::schema::Table;
use crate::standing::{Sources, Standing};
use crate::waiting::Waiting;

/// Rows that are understood but not yet committed, in the schemas of their tables.
///
/// `readings` holds keys that are not stored, each once; `overlay` further
/// versions of keys that are stored or stand in `readings` here.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    /// Rows of `sources`.
    pub sources: Vec<RecordBatch>,
    /// Rows of `channels`.
    pub channels: Vec<RecordBatch>,
    /// Rows of `devices`.
    pub devices: Vec<RecordBatch>,
    /// Rows of `refused`.
    pub refused: Vec<RecordBatch>,
    /// Rows of `events`.
    pub events: Vec<RecordBatch>,
    /// First versions.
    pub readings: Vec<Waiting>,
    /// Further versions.
    pub overlay: Vec<RecordBatch>,
    /// How far the journal is seen in the snapshot: files and tail together.
    pub applied: Position,
}

/// The files of a moment. Whoever holds it keeps them from being vacuumed.
pub(crate) struct Pin {
    pub files: [Arc<[FileEntry]>; 8],
    pub versions: [i64; 8],
}

/// See the module. Made by the lake; reading blocks.
pub struct Snapshot {
    pub(crate) library: Library,
    pin: Arc<Pin>,
    tail: Tail,
    latest: Option<Arc<Latest>>,
    /// Made when first asked for, then kept.
    standing: Mutex<Option<Standing>>,
    /// That of an earlier snapshot, to start from.
    earlier: Option<Standing>,
}

impl Snapshot {
    pub(crate) fn new(
        library: Library,
        pin: Arc<Pin>,
        tail: Tail,
        latest: Option<Arc<Latest>>,
        before: Option<&Snapshot>,
    ) -> Snapshot {
        let earlier =
            before.and_then(|b| b.standing.lock().expect("no holder panics").clone().or_else(|| b.earlier.clone()));
        Snapshot { library, pin, tail, latest, standing: Mutex::new(None), earlier }
    }

    /// How far the journal is seen in it.
    pub fn applied(&self) -> Position {
        self.tail.applied
    }

    /// Version of a table's log.
    pub fn version(&self, table: Table) -> i64 {
        self.pin.versions[table.index()]
    }

    /// Files of a table, without the tail.
    pub fn files(&self, table: Table) -> &Arc<[FileEntry]> {
        &self.pin.files[table.index()]
    }

    /// What of it is not committed yet.
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// The parts that together are the rows asked for.
    pub fn scan(&self, request: &ScanRequest) -> Result<Vec<Part>> {
        self.scan_counted(request, &Arc::default())
    }

    /// As [`Snapshot::scan`], counting what is looked at.
    pub fn scan_counted(&self, request: &ScanRequest, stats: &Arc<ScanStats>) -> Result<Vec<Part>> {
        parts(request, self.rows(request.table)?, stats)
    }

    /// The rows of `table`, one of those that hold readings, in the files that
    /// have some that came in after `known`; corrections not applied: for whoever
    /// keeps track of what is stored.
    pub fn scan_after(&self, table: Table, known: Position) -> Result<Vec<Part>> {
        assert!(table.holds_readings(), "asked for {}", table.name());
        let files = self.files(table).iter().filter(|file| file.through > known).cloned().collect();
        let rows = Rows {
            library: self.library.clone(),
            pin: self.pin.clone(),
            files,
            without: Vec::new(),
            memory: Vec::new(),
            latest: None,
        };
        parts_of(table, &ScanRequest::all(ScanTable::Readings), rows, &Arc::default())
    }

    fn rows(&self, table: ScanTable) -> Result<Rows> {
        let tail = &self.tail;
        let plain = match table {
            ScanTable::Sources => &tail.sources,
            ScanTable::Channels => &tail.channels,
            ScanTable::Devices => &tail.devices,
            ScanTable::Refused => &tail.refused,
            ScanTable::Events => &tail.events,
            ScanTable::Readings | ScanTable::ReadingsHistory => return self.corrected(table),
            ScanTable::Latest => return Ok(self.rows_of_latest()),
        };
        Ok(Rows {
            library: self.library.clone(),
            pin: self.pin.clone(),
            files: self.files(table.stored()).clone(),
            without: Vec::new(),
            memory: vec![Held { rows: plain.iter().cloned().map(Waiting::from).collect(), without: Vec::new() }],
            latest: None,
        })
    }

    fn rows_of_latest(&self) -> Rows {
        Rows {
            library: self.library.clone(),
            pin: self.pin.clone(),
            files: Vec::new().into(),
            without: Vec::new(),
            memory: Vec::new(),
            latest: self.latest.clone(),
        }
    }

    fn corrected(&self, table: ScanTable) -> Result<Rows> {
        let standing = self.standing()?;
        let layers: Vec<_> = standing.layers().cloned().collect();
        let all: Vec<_> = layers.iter().map(|layer| layer.keys.clone()).collect();
        let mut memory = Vec::new();
        for (place, layer) in layers.iter().enumerate() {
            let rows = if table == ScanTable::Readings { &layer.winners } else { &layer.losers };
            memory.push(Held { rows: vec![rows.clone().into()], without: all[place + 1..].to_vec() });
        }
        if table == ScanTable::Readings {
            memory.push(Held { rows: self.tail.readings.clone(), without: all.clone() });
        }
        Ok(Rows {
            library: self.library.clone(),
            pin: self.pin.clone(),
            files: self.files(table.stored()).clone(),
            without: all,
            memory,
            latest: None,
        })
    }

    fn standing(&self) -> Result<Standing> {
        // Whoever comes second waits for the first: both need the same.
        let mut kept = self.standing.lock().expect("no holder panics");
        if let Some(standing) = &*kept {
            return Ok(standing.clone());
        }
        let sources = Sources {
            library: &self.library,
            readings: self.files(Table::Readings),
            overlay: self.files(Table::Overlay),
            history: self.files(Table::History),
            tail_readings: &self.tail.readings,
            tail_overlay: &self.tail.overlay,
        };
        let standing = Standing::over(&sources, self.version(Table::History), self.earlier.as_ref())?;
        Ok(kept.insert(standing).clone())
    }

    /// A hash of what the readings and their earlier versions say, and of nothing
    /// that depends on the order of arrival: no sequence, no id. `name_of` gives
    /// what a channel is called, over all tenants.
    pub fn state_hash(&self, name_of: &mut dyn FnMut(TenantId, ChannelId) -> Result<String>) -> Result<[u8; 32]> {
        let mut whole = blake3::Hasher::new();
        for table in [ScanTable::Readings, ScanTable::ReadingsHistory] {
            let (mut rows, mut sum) = (0_u64, [0_u128; 2]);
            for part in self.scan(&ScanRequest::all(table))? {
                for batch in part {
                    for hash in row_hashes(&batch?, name_of)? {
                        // A sum does not know the order, and unlike xor it counts equal rows.
                        rows += 1;
                        let (low, high) = hash.as_bytes().split_at(16);
                        let half = |bytes: &[u8]| u128::from_le_bytes(bytes.try_into().expect("16 of 32 bytes"));
                        sum = [sum[0].wrapping_add(half(low)), sum[1].wrapping_add(half(high))];
                    }
                }
            }
            whole.update(&rows.to_le_bytes());
            for half in sum {
                whole.update(&half.to_le_bytes());
            }
        }
        Ok(*whole.finalize().as_bytes())
    }
}

fn row_hashes(
    batch: &RecordBatch,
    name_of: &mut dyn FnMut(TenantId, ChannelId) -> Result<String>,
) -> Result<Vec<blake3::Hash>> {
    let mut words = Words::new();
    let mut hashes = Vec::with_capacity(batch.num_rows());
    let mut named: Option<((TenantId, ChannelId), String)> = None;
    for row in batch_to_rows(batch, &mut words)? {
        let channel = (row.key.tenant, row.key.channel);
        if named.as_ref().is_none_or(|(seen, _)| *seen != channel) {
            named = Some((channel, name_of(channel.0, channel.1)?));
        }
        let name = named.as_ref().map_or("", |(_, name)| name);
        let value = row.value.normalised();
        let unit = words.unit(row.unit);
        let spelling = if unit == Unit::Unknown { words.text(row.unit) } else { "" };
        let mut hash = blake3::Hasher::new();
        for text in [name, spelling, words.text(row.quality), words.text(row.reason)] {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        for number in [row.key.start.0, row.key.span.0, value.value, row.message_time.0, row.issued_at.0] {
            hash.update(&number.to_le_bytes());
        }
        hash.update(&[value.scale, unit.code()]);
        hashes.push(hash.finalize());
    }
    Ok(hashes)
}
