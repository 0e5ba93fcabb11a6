//! A data file as the log tells of it.
//!
//! Everything a reader needs before it opens the file stands in the `Add`
//! action: partition, rows and key bounds so that it can be skipped, and the
//! checksum so that a scrub needs no second book. Tags survive checkpoints
//! (measured: `docs/decisions/0002`); outside engines get the same bounds as
//! ordinary Delta statistics.

use std::collections::HashMap;

use deltalake_core::kernel::{Add, Remove};
use meter::{ChannelId, TenantId, Timestamp};
use serde_json::json;

use crate::position::Position;

/// Partition columns, in the order of the directories.
pub(super) const PARTITION_COLUMNS: [&str; 2] = ["tenant_group", "month"];

const TAG_BLAKE3: &str = "blake3";
const TAG_ROWS: &str = "rows";
const TAG_LOW: &str = "low";
const TAG_HIGH: &str = "high";
const TAG_THROUGH: &str = "through";

/// One data file of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Relative to the table; letters, digits and `._=-` between slashes.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// How many it holds.
    pub rows: u64,
    /// Partition; empty in tables without partitions.
    pub group: String,
    /// Partition as `yyyymm`; 0 in tables without partitions.
    pub month: i32,
    /// The smallest value of each column by itself, not the smallest key.
    pub low: FileKey,
    /// The greatest value of each column by itself.
    pub high: FileKey,
    /// Of the whole file.
    pub blake3: [u8; 32],
    /// No row of it came in later: whoever knows the table up to here knows the file.
    pub through: Position,
}

/// A bound on the columns that files are skipped by; zero where a table lacks a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileKey {
    /// Of the column `tenant`.
    pub tenant: TenantId,
    /// Of the column `channel`.
    pub channel: ChannelId,
    /// Of the column `start`.
    pub start: Timestamp,
}

/// Which of a table's columns have bounds, and whether it has partitions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) tenant: bool,
    pub(super) channel: bool,
    pub(super) start: bool,
    pub(super) partitioned: bool,
}

impl FileKey {
    fn tag(&self) -> String {
        format!("{},{},{}", self.tenant.0, self.channel.0, self.start.0)
    }

    fn from_tag(text: &str) -> Option<FileKey> {
        let mut parts = text.split(',');
        let key = FileKey {
            tenant: TenantId(parts.next()?.parse().ok()?),
            channel: ChannelId(parts.next()?.parse().ok()?),
            start: Timestamp(parts.next()?.parse().ok()?),
        };
        parts.next().is_none().then_some(key)
    }
}

impl FileEntry {
    /// What of it a commit must not take in.
    pub(super) fn fault(&self, shape: Shape) -> Option<String> {
        if !is_plain(&self.path) {
            return Some(format!("{:?} is not a path of plain names", self.path));
        }
        if self.rows == 0 {
            return Some(format!("{} holds no rows", self.path));
        }
        if shape.partitioned != (!self.group.is_empty() && self.month != 0) {
            return Some(format!("{} is of partition {:?}/{}", self.path, self.group, self.month));
        }
        None
    }

    pub(super) fn to_add(&self, shape: Shape, data_change: bool, at_ms: i64) -> Add {
        let tags = [
            (TAG_BLAKE3, blake3::Hash::from_bytes(self.blake3).to_hex().to_string()),
            (TAG_ROWS, self.rows.to_string()),
            (TAG_LOW, self.low.tag()),
            (TAG_HIGH, self.high.tag()),
            (TAG_THROUGH, self.through.as_version().to_string()),
        ];
        Add {
            path: self.path.clone(),
            partition_values: self.partition_values(shape),
            size: i64::try_from(self.size).expect("no file has 2^63 bytes"),
            modification_time: at_ms,
            data_change,
            stats: Some(self.stats(shape)),
            tags: Some(tags.map(|(name, value)| (name.to_owned(), Some(value))).into()),
            ..Add::default()
        }
    }

    pub(super) fn to_remove(&self, shape: Shape, data_change: bool, at_ms: i64) -> Remove {
        Remove {
            path: self.path.clone(),
            data_change,
            deletion_timestamp: Some(at_ms),
            extended_file_metadata: Some(true),
            partition_values: Some(self.partition_values(shape)),
            size: Some(i64::try_from(self.size).expect("no file has 2^63 bytes")),
            ..Remove::default()
        }
    }

    /// The other way round; what is wrong with the action, if it is not one of ours.
    pub(super) fn from_add(add: &Add) -> Result<FileEntry, String> {
        if !is_plain(&add.path) {
            return Err(format!("{:?} is not a path of plain names: another program committed it", add.path));
        }
        let tag = |name: &str| {
            let value = add.tags.as_ref().and_then(|tags| tags.get(name)?.as_deref());
            value.ok_or_else(|| format!("{} has no tag {name}: another program committed it", add.path))
        };
        let bad = |name: &str| format!("tag {name} of {} cannot be read", add.path);
        let partition = |name: &str| add.partition_values.get(name).and_then(|value| value.as_deref());
        let month = match partition(PARTITION_COLUMNS[1]) {
            None => 0,
            Some(text) => text.parse().map_err(|_| format!("{} is of month {text:?}", add.path))?,
        };
        Ok(FileEntry {
            path: add.path.clone(),
            size: u64::try_from(add.size).map_err(|_| format!("{} has {} bytes", add.path, add.size))?,
            rows: tag(TAG_ROWS)?.parse().map_err(|_| bad(TAG_ROWS))?,
            group: partition(PARTITION_COLUMNS[0]).unwrap_or_default().to_owned(),
            month,
            low: FileKey::from_tag(tag(TAG_LOW)?).ok_or_else(|| bad(TAG_LOW))?,
            high: FileKey::from_tag(tag(TAG_HIGH)?).ok_or_else(|| bad(TAG_HIGH))?,
            blake3: *blake3::Hash::from_hex(tag(TAG_BLAKE3)?).map_err(|_| bad(TAG_BLAKE3))?.as_bytes(),
            through: Position::from_version(Some(tag(TAG_THROUGH)?.parse().map_err(|_| bad(TAG_THROUGH))?)),
        })
    }

    fn partition_values(&self, shape: Shape) -> HashMap<String, Option<String>> {
        if !shape.partitioned {
            return HashMap::new();
        }
        let values = [self.group.clone(), self.month.to_string()];
        PARTITION_COLUMNS.map(str::to_owned).into_iter().zip(values.map(Some)).collect()
    }

    /// Delta statistics, for engines that know nothing of our tags. Times are
    /// widened to whole milliseconds, all that Delta statistics can hold.
    fn stats(&self, shape: Shape) -> String {
        let milli = |micros: i64| Timestamp(micros * MICROS_PER_MILLI).to_string();
        let low_ms = self.low.start.0.div_euclid(MICROS_PER_MILLI);
        let high_ms = self.high.start.0.div_euclid(MICROS_PER_MILLI)
            + i64::from(self.high.start.0.rem_euclid(MICROS_PER_MILLI) > 0);
        let mut low = serde_json::Map::new();
        let mut high = serde_json::Map::new();
        let mut nulls = serde_json::Map::new();
        let mut bound = |name: &str, least: serde_json::Value, greatest: serde_json::Value| {
            low.insert(name.to_owned(), least);
            high.insert(name.to_owned(), greatest);
            nulls.insert(name.to_owned(), json!(0));
        };
        if shape.tenant {
            bound("tenant", json!(self.low.tenant.0), json!(self.high.tenant.0));
        }
        if shape.channel {
            bound("channel", json!(self.low.channel.0), json!(self.high.channel.0));
        }
        if shape.start {
            bound("start", json!(milli(low_ms)), json!(milli(high_ms)));
        }
        json!({ "numRecords": self.rows, "minValues": low, "maxValues": high, "nullCount": nulls }).to_string()
    }
}

/// Whether a path stays below the table, and out of the directories beside its files.
fn is_plain(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._=-".contains(&byte);
    let sound = |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain);
    path.split('/').all(sound) && !path.starts_with(['_', '.'])
}

const MICROS_PER_MILLI: i64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = FileKey> {
        let start = Timestamp::MIN.0..=Timestamp::MAX.0;
        (any::<i32>(), any::<i64>(), start).prop_map(|(tenant, channel, start)| FileKey {
            tenant: TenantId(tenant),
            channel: ChannelId(channel),
            start: Timestamp(start),
        })
    }

    fn entry() -> impl Strategy<Value = FileEntry> {
        let sizes = (0..=i64::MAX as u64, 1..=i64::MAX as u64);
        (
            "[a-z0-9][a-z0-9=._-]{0,8}(/[a-z0-9][a-z0-9=._-]{0,8}){0,2}",
            sizes,
            "[a-z0-9]{1,9}",
            190_001..220_012,
            key(),
            key(),
            any::<[u8; 32]>(),
            (1..=Position::SEQUENCE_MAX).prop_map(|sequence| Position::chunk(meter::Sequence(sequence), 3)),
        )
            .prop_map(|(path, (size, rows), group, month, low, high, blake3, through)| FileEntry {
                path,
                size,
                rows,
                group,
                month,
                low,
                high,
                blake3,
                through,
            })
    }

    const SHAPE: Shape = Shape { tenant: true, channel: true, start: true, partitioned: true };

    proptest! {
        #[test]
        fn a_file_reads_from_the_log_as_it_was_written(entry in entry()) {
            let line = serde_json::to_string(&entry.to_add(SHAPE, true, 7)).expect("is JSON");
            let add: Add = serde_json::from_str(&line).expect("is an action");
            prop_assert_eq!(FileEntry::from_add(&add), Ok(entry));
        }

        #[test]
        fn a_log_that_another_program_wrote_cannot_lead_out_of_the_table(entry in entry(), at in 0..3_usize) {
            let path = ["../", "/", "a/../"][at].to_owned() + &entry.path;
            let add = Add { path, ..entry.to_add(SHAPE, true, 7) };
            let refused = FileEntry::from_add(&add).expect_err("not below the table");
            prop_assert!(refused.contains("plain names"), "{refused}");
        }

        #[test]
        fn statistics_never_leave_a_row_out(entry in entry()) {
            let stats: serde_json::Value = serde_json::from_str(&entry.stats(SHAPE)).expect("is JSON");
            let time = |of: &str| {
                let text = stats[of]["start"].as_str().expect("is a time").to_owned();
                Timestamp::parse(&text).map(|at| at.0)
            };
            let (low, high) = (time("minValues"), time("maxValues"));
            if let Ok(low) = low {
                prop_assert!(low <= entry.low.start.0 && entry.low.start.0 - low < MICROS_PER_MILLI);
            }
            if let Ok(high) = high {
                prop_assert!(high >= entry.high.start.0 && high - entry.high.start.0 < MICROS_PER_MILLI);
            }
            prop_assert_eq!(&stats["maxValues"]["channel"], &json!(entry.high.channel.0));
        }
    }
}
