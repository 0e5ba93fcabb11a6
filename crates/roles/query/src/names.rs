//! What channels and devices are called, for one tenant at one moment.
//!
//! Promise: a name given here is the one the channels table of the snapshot
//! gives; a channel the table does not know is an error, never an empty name.
//! Readings carry ids only, so names are looked up where a query asks for them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{Array, AsArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{Int8Type, Int16Type, Int64Type};
use meter::{ChannelId, Commodity, Flow, Kind, Phase, TenantId, Unit};
use store::{ScanRequest, ScanTable, Snapshot, Table};

use crate::error::{Error, Result};

/// Tenants whose names are kept between queries; the others are read again.
pub const TENANTS_KEPT_MAX: usize = 64;

/// Channels whose names are kept between queries, over all tenants: 4 million of
/// 40 bytes, with a device of 16 and the texts of both, are about 350 MB.
pub const CHANNELS_KEPT_MAX: usize = 4 << 20;

/// One channel as the source names it, and what it measures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Channel<'a> {
    pub id: ChannelId,
    pub point: &'a str,
    pub register: &'a str,
    pub kind: Kind,
    pub commodity: Commodity,
    pub flow: Flow,
    pub phase: Phase,
    pub unit: Unit,
}

/// All channels and devices of a tenant.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// By id.
    channels: Vec<Kept>,
    /// Ids and texts, by id.
    devices: Vec<(i64, Text)>,
    /// Hash of a point's name and place of a channel of it, sorted.
    by_point: Vec<(u32, u32)>,
    texts: Texts,
}

/// A channel; its names are among the texts.
#[derive(Clone, Copy, Debug)]
struct Kept {
    id: i64,
    point: Text,
    register: Text,
    kind: Kind,
    commodity: Commodity,
    flow: Flow,
    phase: Phase,
    unit: Unit,
}

const _: () = assert!(size_of::<Kept>() <= 32);

impl Names {
    fn read(snapshot: &Snapshot, tenant: TenantId) -> Result<Names> {
        let mut names = Names::default();
        let mut registers = HashMap::new();
        let all = |table| ScanRequest { tenant: Some(tenant), ..ScanRequest::all(table) };
        for part in snapshot.scan(&all(ScanTable::Channels))? {
            for batch in part {
                names.take_channels(&batch?, &mut registers)?;
            }
        }
        for part in snapshot.scan(&all(ScanTable::Devices))? {
            for batch in part {
                names.take_devices(&batch?)?;
            }
        }
        names.order();
        Ok(names)
    }

    fn take_channels(&mut self, batch: &RecordBatch, registers: &mut HashMap<Box<str>, Text>) -> Result<()> {
        let (ids, units) = (longs(batch, "channel")?, column(batch, "unit")?.as_primitive::<Int16Type>());
        let (points, names) = (strings(batch, "point")?, strings(batch, "register")?);
        let code = |name: &'static str| Ok::<_, Error>(column(batch, name)?.as_primitive::<Int8Type>());
        let (kinds, commodities) = (code("kind")?, code("commodity")?);
        let (flows, phases) = (code("flow")?, code("phase")?);
        for (row, id) in ids.values().iter().enumerate() {
            let unknown =
                |what: &str| Error::Damaged { channel: *id, what: format!("its {what} is of a newer version") };
            let small = |codes: &datafusion::arrow::array::Int8Array| u8::try_from(codes.value(row)).unwrap_or(u8::MAX);
            let point = match self.channels.last() {
                // The channels of a point are named one after the other.
                Some(last) if self.texts.of(last.point) == points.value(row) => last.point,
                _ => self.texts.add(points.value(row))?,
            };
            let register = match registers.get(names.value(row)) {
                Some(known) => *known,
                None => *registers.entry(names.value(row).into()).or_insert(self.texts.add(names.value(row))?),
            };
            self.channels.push(Kept {
                id: *id,
                point,
                register,
                kind: Kind::from_code(small(kinds)).ok_or_else(|| unknown("kind"))?,
                commodity: Commodity::from_code(small(commodities)).ok_or_else(|| unknown("commodity"))?,
                flow: Flow::from_code(small(flows)).ok_or_else(|| unknown("flow"))?,
                phase: Phase::from_code(small(phases)).ok_or_else(|| unknown("phase"))?,
                unit: Unit::from_code(u8::try_from(units.value(row)).unwrap_or(u8::MAX)),
            });
        }
        Ok(())
    }

    fn take_devices(&mut self, batch: &RecordBatch) -> Result<()> {
        let (ids, names) = (longs(batch, "device")?, strings(batch, "name")?);
        for (row, id) in ids.values().iter().enumerate() {
            self.devices.push((*id, self.texts.add(names.value(row))?));
        }
        Ok(())
    }

    /// Makes what look-ups rely on, and gives back what reading took beyond it.
    fn order(&mut self) {
        self.channels.sort_by_key(|channel| channel.id);
        self.channels.dedup_by_key(|channel| channel.id);
        self.channels.shrink_to_fit();
        self.devices.sort_by_key(|(id, _)| *id);
        self.devices.shrink_to_fit();
        self.texts.shrink();
        let hashed = |(place, channel): (u32, &Kept)| (hash(self.texts.of(channel.point)), place);
        self.by_point = (0..).zip(&self.channels).map(hashed).collect();
        self.by_point.sort_unstable();
    }

    fn shown(&self, kept: &Kept) -> Channel<'_> {
        let Kept { id, point, register, kind, commodity, flow, phase, unit } = *kept;
        let (point, register) = (self.texts.of(point), self.texts.of(register));
        Channel { id: ChannelId(id), point, register, kind, commodity, flow, phase, unit }
    }

    pub(crate) fn channel(&self, id: i64) -> Result<Channel<'_>> {
        let found = self.channels.binary_search_by_key(&id, |channel| channel.id);
        found.map(|at| self.shown(&self.channels[at])).map_err(|_| Error::Nameless { what: "channel", id })
    }

    /// Empty for a reading whose source named no device.
    pub(crate) fn device(&self, id: i64) -> Result<&str> {
        if id == meter::DeviceId::NONE.0 {
            return Ok("");
        }
        let found = self.devices.binary_search_by_key(&id, |(device, _)| *device);
        found.map(|at| self.texts.of(self.devices[at].1)).map_err(|_| Error::Nameless { what: "device", id })
    }

    /// The channels that pass, by id.
    pub(crate) fn channels_where(&self, passes: impl Fn(&Channel<'_>) -> bool) -> Vec<ChannelId> {
        self.channels.iter().map(|kept| self.shown(kept)).filter(|shown| passes(shown)).map(|shown| shown.id).collect()
    }

    /// Those of them that belong to one of these points; the others are not looked at.
    pub(crate) fn channels_of<'a>(
        &self,
        points: impl IntoIterator<Item = &'a String>,
        passes: impl Fn(&Channel<'_>) -> bool,
    ) -> Vec<ChannelId> {
        let mut found = Vec::new();
        for point in points {
            let hash = hash(point);
            let first = self.by_point.partition_point(|(other, _)| *other < hash);
            let alike = self.by_point[first..].iter().take_while(|(other, _)| *other == hash);
            let alike = alike.map(|(_, place)| self.shown(&self.channels[*place as usize]));
            found.extend(alike.filter(|shown| shown.point == point && passes(shown)).map(|shown| shown.id));
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn hash(text: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish() as u32
}

/// A text among many: where it begins and its length, which is below 2^16.
#[derive(Clone, Copy, Debug)]
struct Text {
    from: u32,
    length: u16,
}

/// Texts one behind the other, each without memory of its own.
#[derive(Debug, Default)]
struct Texts(String);

impl Texts {
    fn add(&mut self, text: &str) -> Result<Text> {
        let place = u32::try_from(self.0.len()).ok().zip(u16::try_from(text.len()).ok());
        let (from, length) =
            place.ok_or_else(|| Error::Engine("the names of one tenant are more than memory is meant for".into()))?;
        self.0.push_str(text);
        Ok(Text { from, length })
    }

    fn of(&self, text: Text) -> &str {
        &self.0[text.from as usize..][..usize::from(text.length)]
    }

    fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }
}

/// Tells whether names read earlier still hold: both tables only ever grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Edition {
    channels: i64,
    devices: i64,
    tail_rows: usize,
}

impl Edition {
    fn of(snapshot: &Snapshot) -> Edition {
        let tail = snapshot.tail();
        let rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        Edition {
            channels: snapshot.version(Table::Channels),
            devices: snapshot.version(Table::Devices),
            tail_rows: rows(&tail.channels) + rows(&tail.devices),
        }
    }
}

/// Names of the tenants that asked last.
#[derive(Debug, Default)]
pub(crate) struct NameCache {
    /// The one used last stands last.
    kept: Mutex<Vec<(TenantId, Edition, Arc<Names>)>>,
}

impl NameCache {
    /// The names in this snapshot. Blocks where they have to be read.
    pub(crate) fn of(&self, snapshot: &Snapshot, tenant: TenantId) -> Result<Arc<Names>> {
        let edition = Edition::of(snapshot);
        if let Some(names) = self.kept(tenant, edition) {
            return Ok(names);
        }
        let names = Arc::new(Names::read(snapshot, tenant)?);
        self.keep(tenant, edition, names.clone());
        Ok(names)
    }

    fn kept(&self, tenant: TenantId, edition: Edition) -> Option<Arc<Names>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(whose, of, _)| *whose == tenant && *of == edition)?;
        let entry = kept.remove(at);
        let names = entry.2.clone();
        kept.push(entry);
        Some(names)
    }

    fn keep(&self, tenant: TenantId, edition: Edition, names: Arc<Names>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(whose, ..)| *whose != tenant);
        kept.push((tenant, edition, names));
        let channels =
            |kept: &[(TenantId, Edition, Arc<Names>)]| -> usize { kept.iter().map(|k| k.2.channels.len()).sum() };
        while kept.len() > TENANTS_KEPT_MAX || channels(&kept) > CHANNELS_KEPT_MAX {
            kept.remove(0);
        }
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a dyn Array> {
    let found = batch.column_by_name(name).map(|column| &**column);
    found.ok_or_else(|| Error::Engine(format!("a batch without column {name}")))
}

fn longs<'a>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a datafusion::arrow::array::Int64Array> {
    Ok(column(batch, name)?.as_primitive::<Int64Type>())
}

fn strings<'a>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a StringArray> {
    Ok(column(batch, name)?.as_string::<i32>())
}
