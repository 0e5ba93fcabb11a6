//! What a snapshot shows, by names, for comparison with the oracle.
//!
//! Promise: every row of the lake ends up in here or in a complaint.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int8Type, Int32Type, Int64Type, TimestampMicrosecondType};
use meter::{ChannelId, DeviceId, TenantId, Timestamp, Words};
use store::{ScanRequest, ScanTable, Snapshot, batch_to_rows};

use crate::oracle::{Counts, Key, Version};

/// A record as `sources` tells of it.
#[derive(Clone, Debug, Default)]
pub struct Source {
    pub message_id: String,
    pub received_at: Timestamp,
    pub counts: Counts,
    /// Number of each row of it, and whether it is the last.
    chunks: Vec<(i32, bool)>,
}

/// All that a snapshot shows.
#[derive(Default)]
pub struct Seen {
    pub sources: BTreeMap<u64, Source>,
    /// Sorted, as is the next.
    pub standing: Vec<Version>,
    pub earlier: Vec<Version>,
    /// The newest of each channel, as the house has it in memory.
    pub latest: Vec<Version>,
    /// Rows of `refused` and `events` by record.
    pub refused: BTreeMap<u64, i64>,
    pub events: BTreeMap<u64, i64>,
}

type Name = (TenantId, String, String, String, u8);

/// Reads everything; what contradicts itself is a complaint.
pub fn look(snapshot: &Snapshot) -> Result<Seen, String> {
    let mut seen = Seen { sources: sources(snapshot)?, ..Seen::default() };
    let mut names: HashMap<ChannelId, Name> = HashMap::new();
    let mut known: HashSet<Name> = HashSet::new();
    each(snapshot, ScanTable::Channels, |batch| {
        for (channel, name) in channels(batch) {
            if !known.insert(name.clone()) {
                return Err(format!("channel {name:?} has two numbers or stands there twice"));
            }
            if names.insert(channel, name).is_some() {
                return Err(format!("channel {} has two names", channel.0));
            }
        }
        Ok(())
    })?;
    let mut devices: HashSet<DeviceId> = HashSet::from([DeviceId::NONE]);
    each(snapshot, ScanTable::Devices, |batch| {
        for device in batch.column(0).as_primitive::<Int64Type>().values() {
            if !devices.insert(DeviceId(*device)) {
                return Err(format!("device {device} stands there twice"));
            }
        }
        Ok(())
    })?;
    for (table, into) in [
        (ScanTable::Readings, &mut seen.standing),
        (ScanTable::ReadingsHistory, &mut seen.earlier),
        (ScanTable::Latest, &mut seen.latest),
    ] {
        each(snapshot, table, |batch| versions(batch, &names, &devices, &seen.sources, into))?;
        into.sort();
    }
    for (table, into) in [(ScanTable::Refused, &mut seen.refused), (ScanTable::Events, &mut seen.events)] {
        each(snapshot, table, |batch| {
            for sequence in batch.column(0).as_primitive::<Int64Type>().values() {
                *into.entry(sequence.cast_unsigned()).or_default() += 1;
            }
            Ok(())
        })?;
    }
    Ok(seen)
}

fn each(
    snapshot: &Snapshot,
    table: ScanTable,
    mut take: impl FnMut(&RecordBatch) -> Result<(), String>,
) -> Result<(), String> {
    let told = |error: store::Error| format!("{table:?} cannot be read: {error}");
    for part in snapshot.scan(&ScanRequest::all(table)).map_err(told)? {
        for batch in part {
            take(&batch.map_err(told)?)?;
        }
    }
    Ok(())
}

fn channels(batch: &RecordBatch) -> Vec<(ChannelId, Name)> {
    let text = |column: usize, row: usize| batch.column(column).as_string::<i32>().value(row).to_owned();
    let channel = |row: usize| {
        let number = ChannelId(batch.column(0).as_primitive::<Int64Type>().value(row));
        let tenant = TenantId(batch.column(1).as_primitive::<Int32Type>().value(row));
        let kind = batch.column(5).as_primitive::<Int8Type>().value(row).cast_unsigned();
        (number, (tenant, text(2, row), text(3, row), text(4, row), kind))
    };
    (0..batch.num_rows()).map(channel).collect()
}

fn sources(snapshot: &Snapshot) -> Result<BTreeMap<u64, Source>, String> {
    let mut sources: BTreeMap<u64, Source> = BTreeMap::new();
    each(snapshot, ScanTable::Sources, |batch| {
        let long = |column: usize, row: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
        for row in 0..batch.num_rows() {
            let source = sources.entry(long(0, row).cast_unsigned()).or_default();
            let chunk = batch.column(1).as_primitive::<Int32Type>().value(row);
            source.chunks.push((chunk, batch.column(2).as_boolean().value(row)));
            source.message_id = batch.column(7).as_string::<i32>().value(row).to_owned();
            source.received_at = Timestamp(batch.column(10).as_primitive::<TimestampMicrosecondType>().value(row));
            source.counts.accepted += long(11, row);
            source.counts.duplicate += long(12, row);
            source.counts.corrected += long(13, row);
            source.counts.refused += long(14, row);
            source.counts.events += long(15, row);
            source.counts.duplicate_of = batch.column(16).is_valid(row).then(|| long(16, row).cast_unsigned());
        }
        Ok(())
    })?;
    for (sequence, source) in &mut sources {
        source.chunks.sort_unstable();
        let last = source.chunks.len() - 1;
        let expected = source.chunks.iter().enumerate().all(|(place, chunk)| *chunk == (place as i32, place == last));
        if !expected {
            return Err(format!("record {sequence} has the chunks {:?}", source.chunks));
        }
    }
    Ok(sources)
}

fn versions(
    batch: &RecordBatch,
    names: &HashMap<ChannelId, Name>,
    devices: &HashSet<DeviceId>,
    sources: &BTreeMap<u64, Source>,
    into: &mut Vec<Version>,
) -> Result<(), String> {
    let mut words = Words::new();
    for row in batch_to_rows(batch, &mut words).map_err(|error| error.to_string())? {
        let Some((tenant, point, device, register, kind)) = names.get(&row.key.channel).cloned() else {
            return Err(format!("a reading of channel {}, which has no name", row.key.channel.0));
        };
        if tenant != row.key.tenant {
            return Err(format!("a reading of tenant {} in a channel of tenant {}", row.key.tenant.0, tenant.0));
        }
        if !devices.contains(&row.device) {
            return Err(format!("a reading of device {}, which has no name", row.device.0));
        }
        if !sources.contains_key(&row.sequence.0) {
            return Err(format!("a reading of record {}, which is not in sources", row.sequence));
        }
        let key = Key { tenant, point, device, register, kind, start: row.key.start, span: row.key.span };
        into.push(Version::of(key, &row, &words));
    }
    Ok(())
}
