//! What channels and devices are called, for one tenant at one moment.
//!
//! Promise: a name given here is the one the channels table of the snapshot
//! gives; a channel the table does not know is an error, never an empty name.
//! Readings carry ids only, so names are looked up where a query asks for them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{Array, AsArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{Int8Type, Int16Type, Int64Type};
use meter::{ChannelId, Commodity, Flow, Kind, Phase, TenantId, Unit};
use store::{ScanRequest, ScanTable, Snapshot, Table};

use crate::error::{Error, Result};

/// Tenants whose names are kept between queries; the others are read again.
pub const TENANTS_KEPT_MAX: usize = 64;

/// Channels whose names are kept between queries, over all tenants: 4 million
/// of 72 bytes and a shared point name are below 500 MB.
pub const CHANNELS_KEPT_MAX: usize = 4 << 20;

/// One channel as the source names it, and what it measures.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    pub id: ChannelId,
    pub point: Arc<str>,
    pub register: Arc<str>,
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
    channels: Vec<Channel>,
    devices: HashMap<i64, Box<str>>,
}

impl Names {
    fn read(snapshot: &Snapshot, tenant: TenantId) -> Result<Names> {
        let mut names = Names::default();
        let mut texts = Texts::default();
        let all = |table| ScanRequest { tenant: Some(tenant), ..ScanRequest::all(table) };
        for part in snapshot.scan(&all(ScanTable::Channels))? {
            for batch in part {
                names.take_channels(&batch?, &mut texts)?;
            }
        }
        for part in snapshot.scan(&all(ScanTable::Devices))? {
            for batch in part {
                names.take_devices(&batch?)?;
            }
        }
        names.channels.sort_by_key(|channel| channel.id);
        names.channels.dedup_by_key(|channel| channel.id);
        Ok(names)
    }

    fn take_channels(&mut self, batch: &RecordBatch, texts: &mut Texts) -> Result<()> {
        let (ids, units) = (longs(batch, "channel")?, column(batch, "unit")?.as_primitive::<Int16Type>());
        let (points, registers) = (strings(batch, "point")?, strings(batch, "register")?);
        let code = |name: &'static str| Ok::<_, Error>(column(batch, name)?.as_primitive::<Int8Type>());
        let (kinds, commodities) = (code("kind")?, code("commodity")?);
        let (flows, phases) = (code("flow")?, code("phase")?);
        self.channels.reserve(batch.num_rows());
        for (row, id) in ids.values().iter().enumerate() {
            let unknown =
                |what: &str| Error::Damaged { channel: *id, what: format!("its {what} is of a newer version") };
            let small = |codes: &datafusion::arrow::array::Int8Array| u8::try_from(codes.value(row)).unwrap_or(u8::MAX);
            self.channels.push(Channel {
                id: ChannelId(*id),
                point: texts.shared(points.value(row)),
                register: texts.shared(registers.value(row)),
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
            self.devices.insert(*id, names.value(row).into());
        }
        Ok(())
    }

    pub(crate) fn channel(&self, id: i64) -> Result<&Channel> {
        let found = self.channels.binary_search_by_key(&ChannelId(id), |channel| channel.id);
        found.map(|at| &self.channels[at]).map_err(|_| Error::Nameless { what: "channel", id })
    }

    /// Empty for a reading whose source named no device.
    pub(crate) fn device(&self, id: i64) -> Result<&str> {
        if id == meter::DeviceId::NONE.0 {
            return Ok("");
        }
        self.devices.get(&id).map(|name| &**name).ok_or(Error::Nameless { what: "device", id })
    }

    /// The channels that pass, by id.
    pub(crate) fn channels_where(&self, mut passes: impl FnMut(&Channel) -> bool) -> Vec<ChannelId> {
        self.channels.iter().filter(|channel| passes(channel)).map(|channel| channel.id).collect()
    }
}

/// Equal texts once: a hundred channels of a point share its name.
#[derive(Default)]
struct Texts(HashSet<Arc<str>>);

impl Texts {
    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.0.insert(new.clone());
        new
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
