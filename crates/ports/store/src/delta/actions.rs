//! What we write into a log: a table's description, and a change as actions.

use std::collections::HashSet;

use arrow::datatypes::{DataType, Field, Schema};
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake_core::kernel::transaction::CommitData;
use deltalake_core::kernel::{Action, CommitInfo, Metadata, Protocol, StructType, Transaction};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use serde_json::json;

use super::entry::{FileEntry, PARTITION_COLUMNS, Shape};
use super::table::CHECKPOINT_EVERY;

/// What one commit changes. All of it comes in, or nothing.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// New files, durable already.
    pub adds: Vec<FileEntry>,
    /// Must be in the table, or the commit is refused.
    pub removes: Vec<FileEntry>,
    /// Application and how far it is with this commit.
    pub txns: Vec<(String, i64)>,
    /// A word for the table's history, such as `write` or `fold`.
    pub operation: &'static str,
    /// False where the same rows only lie in other files afterwards.
    pub data_change: bool,
}

impl Change {
    /// What of it no commit must take in.
    pub(super) fn fault(&self, shape: Shape) -> Option<String> {
        let mut seen = HashSet::new();
        let entries = self.adds.iter().chain(&self.removes);
        let fault = |entry: &FileEntry| match entry.fault(shape) {
            None if !seen.insert(entry.path.clone()) => Some(format!("{} stands twice in one commit", entry.path)),
            fault => fault,
        };
        entries.into_iter().find_map(fault)
    }

    /// As the bytes of a log entry dated `at_ms`.
    pub(super) fn to_log(&self, shape: Shape, at_ms: i64) -> Result<bytes::Bytes, String> {
        let removes = self.removes.iter().map(|entry| entry.to_remove(shape, self.data_change, at_ms));
        let adds = self.adds.iter().map(|entry| entry.to_add(shape, self.data_change, at_ms));
        let mut actions = vec![commit_info(self.operation, at_ms)];
        actions.extend(removes.map(Action::Remove));
        actions.extend(adds.map(Action::Add));
        let txn = |(app, version): &(String, i64)| Transaction::new_with_last_update(app, *version, Some(at_ms));
        log_entry(actions, self.txns.iter().map(txn).collect())
    }
}

/// The first entry of a table's log. Its id is made of its name and its first
/// moment: unique enough for a directory, and the same under a test's clock.
pub(super) fn creation(name: &str, schema: &Schema, partitioned: bool, at_ms: i64) -> Result<bytes::Bytes, String> {
    let id = blake3::hash(format!("{name} {at_ms}").as_bytes()).to_hex();
    let id = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..32]].join("-");
    let schema = serde_json::to_string(&kernel_schema(schema, partitioned)?).map_err(|error| error.to_string())?;
    let properties = json!({
        "delta.checkpointInterval": CHECKPOINT_EVERY.to_string(),
        // Only `trim_log` shortens the log, never an outside engine's checkpoint.
        "delta.enableExpiredLogCleanup": "false",
        "delta.logRetentionDuration": "interval 36500 days",
        // Tombstones stay in checkpoints this long; our vacuum does not rely on them.
        "delta.deletedFileRetentionDuration": "interval 30 days",
    });
    let metadata = json!({
        "id": id,
        "name": name.rsplit('/').next(),
        "format": { "provider": "parquet", "options": {} },
        "schemaString": schema,
        "partitionColumns": partition_columns(partitioned),
        "configuration": properties,
        "createdTime": at_ms,
    });
    let metadata: Metadata = serde_json::from_value(metadata).map_err(|error| error.to_string())?;
    let protocol: Protocol = serde_json::from_value(json!({
        "minReaderVersion": READER_VERSION,
        "minWriterVersion": WRITER_VERSION,
    }))
    .map_err(|error| error.to_string())?;
    log_entry(vec![commit_info("create", at_ms), Action::Protocol(protocol), Action::Metadata(metadata)], Vec::new())
}

/// No table features: every Delta reader knows these versions.
pub(super) const READER_VERSION: i32 = 1;
pub(super) const WRITER_VERSION: i32 = 2;

pub(super) fn shape(schema: &Schema, partitioned: bool) -> Shape {
    let has = |name: &str, data_type: DataType| {
        schema.field_with_name(name).is_ok_and(|field| *field.data_type() == data_type)
    };
    let start = schema.field_with_name("start").is_ok_and(|field| field.data_type().is_temporal());
    Shape { tenant: has("tenant", DataType::Int32), channel: has("channel", DataType::Int64), start, partitioned }
}

pub(super) fn partition_columns(partitioned: bool) -> &'static [&'static str] {
    if partitioned { &PARTITION_COLUMNS } else { &[] }
}

/// The table's columns as the log has them: those of the files, then the partition's.
pub(super) fn kernel_schema(schema: &Schema, partitioned: bool) -> Result<StructType, String> {
    let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    if partitioned {
        fields.push(Field::new(PARTITION_COLUMNS[0], DataType::Utf8, false));
        fields.push(Field::new(PARTITION_COLUMNS[1], DataType::Int32, false));
    }
    (&Schema::new(fields)).try_into_kernel().map_err(|error| error.to_string())
}

fn commit_info(word: &str, at_ms: i64) -> Action {
    Action::CommitInfo(CommitInfo {
        timestamp: Some(at_ms),
        operation: Some(word.to_uppercase()),
        operation_parameters: Some(Default::default()),
        engine_info: Some(format!("meterhouse {}", env!("CARGO_PKG_VERSION"))),
        ..CommitInfo::default()
    })
}

fn log_entry(actions: Vec<Action>, txns: Vec<Transaction>) -> Result<bytes::Bytes, String> {
    // Only its name would go into the log, and the commit info above has one already.
    let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
    let data = CommitData::new(actions, operation, Default::default(), txns);
    data.get_bytes().map_err(|error| error.to_string())
}
