//! Which files, row groups and pages cannot hold what is asked for.
//!
//! Promise: what is left out holds no wanted row. What is left in may hold
//! others; whoever reads it filters row by row. Both are compared with a full
//! read in `scan/tests.rs`.

use arrow::buffer::BooleanBuffer;
use meter::{ChannelId, RowKey, TenantId, Timestamp};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, RowSelection, RowSelector};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;

use crate::delta::FileKey;
use crate::rows::Keys;
use crate::schema::column;

/// Rows of readings that are asked for.
pub(crate) enum Wanted<'a> {
    Ranges(&'a Ranges),
    /// Sorted.
    Keys(&'a [RowKey]),
}

/// A tenant, some channels, a time: each narrows, none is all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranges {
    pub tenant: Option<TenantId>,
    /// Sorted.
    pub channels: Option<Vec<ChannelId>>,
    /// And none before it.
    pub channel_from: Option<ChannelId>,
    pub start_from: Option<Timestamp>,
    pub start_before: Option<Timestamp>,
}

impl Wanted<'_> {
    /// Whether a box of rows (each column between its bounds) may hold a wanted one.
    pub(crate) fn may_hold(&self, low: &FileKey, high: &FileKey) -> bool {
        match self {
            Wanted::Ranges(ranges) => ranges.may_hold(low, high),
            Wanted::Keys(keys) => {
                let first = (low.tenant, low.channel, low.start);
                let last = (high.tenant, high.channel, high.start);
                let begin = keys.partition_point(|k| triple(k) < first);
                let within = |k: &RowKey| {
                    let (tenant, channel, start) = triple(k);
                    (low.tenant..=high.tenant).contains(&tenant)
                        && (low.channel..=high.channel).contains(&channel)
                        && (low.start..=high.start).contains(&start)
                };
                keys[begin..].iter().take_while(|k| triple(k) <= last).any(within)
            }
        }
    }
}

impl Ranges {
    /// Whether a box of rows may hold a wanted one.
    pub(crate) fn may_hold(&self, low: &FileKey, high: &FileKey) -> bool {
        let tenant = self.tenant.is_none_or(|t| (low.tenant..=high.tenant).contains(&t));
        let from = self.start_from.is_none_or(|from| high.start >= from);
        let before = self.start_before.is_none_or(|before| low.start < before);
        let channel = self.channels.as_ref().is_none_or(|channels| {
            let next = channels.partition_point(|c| *c < low.channel);
            channels.get(next).is_some_and(|c| *c <= high.channel)
        });
        let rest = self.channel_from.is_none_or(|first| high.channel >= first);
        tenant && from && before && channel && rest
    }

    /// Whether every row of the box is wanted.
    pub(crate) fn hold_all(&self, low: &FileKey, high: &FileKey) -> bool {
        let tenant = self.tenant.is_none_or(|t| low.tenant == t && high.tenant == t);
        let from = self.start_from.is_none_or(|from| low.start >= from);
        let before = self.start_before.is_none_or(|before| high.start < before);
        let one =
            |channels: &Vec<ChannelId>| low.channel == high.channel && channels.binary_search(&low.channel).is_ok();
        let rest = self.channel_from.is_none_or(|first| low.channel >= first);
        tenant && from && before && rest && self.channels.as_ref().is_none_or(one)
    }

    /// Which rows lie inside.
    pub(crate) fn rows(&self, keys: &Keys<'_>) -> BooleanBuffer {
        let mut kept = BooleanBuffer::new_set(keys.len());
        if let Some(tenant) = self.tenant {
            kept = &kept & &BooleanBuffer::collect_bool(keys.len(), |row| keys.tenant[row] == tenant.0);
        }
        if self.start_from.is_some() || self.start_before.is_some() {
            let from = self.start_from.map_or(i64::MIN, |at| at.0);
            let before = self.start_before.map_or(i64::MAX, |at| at.0);
            kept = &kept & &BooleanBuffer::collect_bool(keys.len(), |row| (from..before).contains(&keys.start[row]));
        }
        if let Some(first) = self.channel_from {
            kept = &kept & &BooleanBuffer::collect_bool(keys.len(), |row| keys.channel[row] >= first.0);
        }
        if let Some(channels) = &self.channels {
            // Rows of one channel follow each other: one search a run.
            let mut last = None;
            let of_channel = |row: usize| {
                let channel = keys.channel[row];
                match last {
                    Some((seen, wanted)) if seen == channel => wanted,
                    _ => {
                        let wanted = channels.binary_search(&ChannelId(channel)).is_ok();
                        last = Some((channel, wanted));
                        wanted
                    }
                }
            };
            kept = &kept & &BooleanBuffer::collect_bool(keys.len(), of_channel);
        }
        kept
    }
}

fn triple(key: &RowKey) -> (TenantId, ChannelId, Timestamp) {
    (key.tenant, key.channel, key.start)
}

/// What is left of a file.
pub(crate) struct Left {
    pub groups: Vec<usize>,
    pub rows: Option<RowSelection>,
    /// Pages of one column in what is left.
    pub pages: u64,
}

/// Row groups and pages of a file that may hold wanted rows.
pub(crate) fn left_of(footer: &ArrowReaderMetadata, wanted: &Wanted<'_>) -> Left {
    let metadata = footer.metadata();
    let mut left = Left { groups: Vec::new(), rows: None, pages: 0 };
    let mut selectors: Vec<RowSelector> = Vec::new();
    for group in 0..metadata.num_row_groups() {
        if let Some((low, high)) = bounds_of_group(footer, group)
            && !wanted.may_hold(&low, &high)
        {
            continue;
        }
        let rows = usize::try_from(metadata.row_group(group).num_rows()).unwrap_or(0);
        let pages = pages_of_group(footer, group, rows);
        let mut chosen = Vec::with_capacity(pages.len());
        for page in &pages {
            if wanted.may_hold(&page.low, &page.high) {
                left.pages += 1;
                chosen.push(RowSelector::select(page.rows));
            } else {
                chosen.push(RowSelector::skip(page.rows));
            }
        }
        if pages.is_empty() {
            chosen.push(RowSelector::select(rows));
        }
        if chosen.iter().all(|selector| selector.skip) {
            continue;
        }
        left.groups.push(group);
        selectors.extend(chosen);
    }
    if selectors.iter().any(|selector| selector.skip) {
        left.rows = Some(RowSelection::from(selectors));
    }
    left
}

pub(crate) fn file_key(tenant: i32, channel: i64, start: i64) -> FileKey {
    FileKey { tenant: TenantId(tenant), channel: ChannelId(channel), start: Timestamp(start) }
}

struct Page {
    low: FileKey,
    high: FileKey,
    rows: usize,
}

fn bounds_of_group(footer: &ArrowReaderMetadata, group: usize) -> Option<(FileKey, FileKey)> {
    let group = footer.metadata().row_group(group);
    let long = |place: usize| match group.column(place).statistics()? {
        Statistics::Int64(s) => Some((*s.min_opt()?, *s.max_opt()?)),
        _ => None,
    };
    let tenant = match group.column(column::TENANT).statistics()? {
        Statistics::Int32(s) => (*s.min_opt()?, *s.max_opt()?),
        _ => return None,
    };
    let (channel, start) = (long(column::CHANNEL)?, long(column::START)?);
    Some((file_key(tenant.0, channel.0, start.0), file_key(tenant.1, channel.1, start.1)))
}

/// The pages of a group; none where the key columns' pages do not agree, as in a
/// file that another engine wrote.
fn pages_of_group(footer: &ArrowReaderMetadata, group: usize, rows: usize) -> Vec<Page> {
    known_pages(footer, group, rows).unwrap_or_default()
}

fn known_pages(footer: &ArrowReaderMetadata, group: usize, rows: usize) -> Option<Vec<Page>> {
    let metadata = footer.metadata();
    let places = &metadata.offset_index()?[group];
    let firsts = |place: usize| places[place].page_locations().iter().map(|l| l.first_row_index);
    let agree = [column::CHANNEL, column::START].iter().all(|place| firsts(*place).eq(firsts(column::TENANT)));
    if !agree {
        return None;
    }
    let index = &metadata.column_index()?[group];
    let ColumnIndexMetaData::INT32(tenant) = &index[column::TENANT] else { return None };
    let ColumnIndexMetaData::INT64(channel) = &index[column::CHANNEL] else { return None };
    let ColumnIndexMetaData::INT64(start) = &index[column::START] else { return None };
    let firsts: Vec<usize> = firsts(column::TENANT).map(|first| usize::try_from(first).ok()).collect::<Option<_>>()?;
    let mut pages = Vec::with_capacity(firsts.len());
    for (place, first) in firsts.iter().enumerate() {
        let end = firsts.get(place + 1).copied().unwrap_or(rows);
        let low = file_key(*tenant.min_value(place)?, *channel.min_value(place)?, *start.min_value(place)?);
        let high = file_key(*tenant.max_value(place)?, *channel.max_value(place)?, *start.max_value(place)?);
        pages.push(Page { low, high, rows: end.checked_sub(*first)? });
    }
    Some(pages)
}
