//! Reading a table of a snapshot, part by part.
//!
//! Promise: the parts together hold exactly the rows asked for, each once.
//! Files, row groups and pages that cannot hold one are not read; what is read
//! is filtered row by row.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::SchemaRef;
use meter::{ChannelId, RowKey, TenantId, Timestamp};

use crate::delta::FileEntry;
use crate::error::{Error, Result};
use crate::latest::Latest;
use crate::lookup::Library;
use crate::part::{Part, Plan};
use crate::prune::{Ranges, Wanted};
use crate::schema::Table;
use crate::snapshot::Pin;
use crate::waiting::Waiting;

/// What can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScanTable {
    /// What arrived, one row per record and chunk.
    Sources,
    /// Streams of readings, by their names.
    Channels,
    /// Devices that readings name.
    Devices,
    /// What was not understood.
    Refused,
    /// What was said besides quantities.
    Events,
    /// The standing version of every reading.
    Readings,
    /// Every earlier version.
    ReadingsHistory,
    /// The latest reading of every channel, as `Readings` has it; from memory.
    Latest,
}

impl ScanTable {
    /// In the order of [`Table::ALL`].
    pub const ALL: [ScanTable; 8] = [
        ScanTable::Sources,
        ScanTable::Channels,
        ScanTable::Devices,
        ScanTable::Refused,
        ScanTable::Events,
        ScanTable::Readings,
        ScanTable::ReadingsHistory,
        ScanTable::Latest,
    ];

    /// The table whose schema it has, and whose files it reads if it reads any.
    pub fn stored(self) -> Table {
        match self {
            ScanTable::Sources => Table::Sources,
            ScanTable::Channels => Table::Channels,
            ScanTable::Devices => Table::Devices,
            ScanTable::Refused => Table::Refused,
            ScanTable::Events => Table::Events,
            ScanTable::Readings | ScanTable::Latest => Table::Readings,
            ScanTable::ReadingsHistory => Table::History,
        }
    }

    /// All its columns.
    pub fn schema(self) -> SchemaRef {
        self.stored().schema()
    }
}

/// Which rows and columns. Nothing asked for is everything.
#[derive(Clone, Debug)]
pub struct ScanRequest {
    /// What is read.
    pub table: ScanTable,
    /// Only this tenant's rows.
    pub tenant: Option<TenantId>,
    /// Sorted. Of readings only, as are the times: other tables ignore them.
    pub channels: Option<Vec<ChannelId>>,
    /// Only of this channel and those after it.
    pub channel_from: Option<ChannelId>,
    /// Only readings that start at or after it.
    pub start_from: Option<Timestamp>,
    /// Only readings that start before it.
    pub start_before: Option<Timestamp>,
    /// Places in the table's schema, in the order wanted; may be none, to count.
    pub columns: Vec<usize>,
    /// At most so many rows a batch.
    pub batch_rows: usize,
}

impl ScanRequest {
    /// Everything in a table.
    pub fn all(table: ScanTable) -> ScanRequest {
        ScanRequest {
            table,
            tenant: None,
            channels: None,
            channel_from: None,
            start_from: None,
            start_before: None,
            columns: (0..table.schema().fields().len()).collect(),
            batch_rows: 8_192,
        }
    }
}

/// What a scan looked at, and what it could leave out. Grows while parts are read.
#[derive(Debug, Default)]
pub struct ScanStats {
    /// Files that were opened.
    pub files: AtomicU64,
    /// Files left out by their bounds.
    pub files_pruned: AtomicU64,
    /// Row groups that were read, in part or whole.
    pub row_groups: AtomicU64,
    /// Pages of one column that were read.
    pub pages: AtomicU64,
    /// Asked of the disk.
    pub bytes: AtomicU64,
    /// Given out.
    pub rows: AtomicU64,
}

impl ScanStats {
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

/// Where the rows of a table are.
pub(crate) struct Rows {
    pub library: Library,
    pub pin: Arc<Pin>,
    pub files: Arc<[FileEntry]>,
    /// Files hold no row of these keys that counts.
    pub without: Vec<Arc<[RowKey]>>,
    pub memory: Vec<Held>,
    pub latest: Option<Arc<Latest>>,
}

/// Rows held in memory.
pub(crate) struct Held {
    pub rows: Vec<Waiting>,
    /// Rows of these keys do not count.
    pub without: Vec<Arc<[RowKey]>>,
}

/// The parts of a scan.
pub(crate) fn parts(request: &ScanRequest, rows: Rows, stats: &Arc<ScanStats>) -> Result<Vec<Part>> {
    parts_of(request.table.stored(), request, rows, stats)
}

/// The same of files that belong to `table`, which has the schema asked for.
pub(crate) fn parts_of(table: Table, request: &ScanRequest, rows: Rows, stats: &Arc<ScanStats>) -> Result<Vec<Part>> {
    let readings = table.holds_readings();
    let ranges = Ranges {
        tenant: request.tenant,
        channels: request.channels.clone().filter(|_| readings),
        channel_from: request.channel_from.filter(|_| readings),
        start_from: request.start_from.filter(|_| readings),
        start_before: request.start_before.filter(|_| readings),
    };
    let all = table.schema();
    let schema = all.project(&request.columns).map_err(|cause| Error::Rows { table: table.name(), cause })?;
    let plan = Arc::new(Plan {
        table,
        ranges,
        columns: request.columns.clone(),
        schema: Arc::new(schema),
        batch_rows: request.batch_rows.max(1),
        library: rows.library,
        stats: stats.clone(),
        _pin: rows.pin,
    });
    let mut parts = Vec::new();
    for entry in rows.files.iter() {
        if !Wanted::Ranges(&plan.ranges).may_hold(&entry.low, &entry.high) {
            ScanStats::add(&stats.files_pruned, 1);
            continue;
        }
        let touched = |keys: &&Arc<[RowKey]>| Wanted::Keys(keys).may_hold(&entry.low, &entry.high);
        let without = rows.without.iter().filter(touched).cloned().collect();
        parts.push(Part::of_file(&plan, entry, without));
    }
    for Held { rows, without } in rows.memory {
        if rows.iter().any(|rows| rows.num_rows() > 0) {
            parts.push(Part::of_memory(&plan, rows, without));
        }
    }
    parts.extend(rows.latest.map(|latest| Part::of_latest(&plan, latest)));
    Ok(parts)
}
