//! A round: what was understood since the last commit, waiting for the next.
//!
//! Promise: a table gets a chunk only if it does not have it yet, and all
//! tables of a round end at one position.

use std::collections::HashSet;
use std::ops::Range;

use arrow::array::RecordBatch;
use meter::{ChannelId, Row, RowKey, Timestamp, Words};
use store::{Lake, Lookup, Position, SharedWords, Table, Tail};

use crate::chunk::Chunk;
use crate::judge::{Judged, Stored, Wanted};
use crate::{Error, batches};

#[derive(Default)]
pub struct Round {
    /// Where the tables stand once this round is committed.
    pub to: Position,
    batches: [Vec<RecordBatch>; Table::OF_LANE.len()],
    /// Sorted by key: one run for each batch judged, for look-ups while they wait.
    new: Vec<Vec<Row>>,
    versions: Vec<Row>,
    months: HashSet<i32>,
    rows: usize,
    chunks: usize,
}

/// For each table of a round the first of some chunks that it does not have yet.
#[derive(Clone, Copy, Debug)]
pub struct Missing([usize; Table::OF_LANE.len()]);

impl Missing {
    /// The chunks are in the journal's order.
    pub fn of(chunks: &[Chunk], lake: &Lake) -> Missing {
        let first = |table: Table| chunks.partition_point(|chunk| chunk.to() <= lake.position(table));
        Missing(Table::OF_LANE.map(first))
    }

    fn from(&self, table: Table) -> usize {
        self.0[table.index()]
    }

    /// As far as readings are concerned.
    pub fn wanted(&self) -> Wanted {
        Wanted { readings: self.from(Table::Readings), overlay: self.from(Table::Overlay) }
    }
}

impl Round {
    /// An empty round after everything below `from`.
    pub fn starting_at(from: Position) -> Round {
        Round { to: from, ..Round::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.chunks == 0
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Further versions of stored keys among them.
    pub fn versions(&self) -> usize {
        self.versions.len()
    }

    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// Calendar months that its readings touch: each may be a partition of the commit.
    pub fn months(&self) -> &HashSet<i32> {
        &self.months
    }

    /// Takes in judged chunks, each table those that it misses.
    pub fn add(&mut self, chunks: &[Chunk], judged: Judged, missing: &Missing, words: &Words) -> Result<(), Error> {
        let of = |table: Table| &chunks[missing.from(table)..];
        let counts = &judged.counts[missing.from(Table::Sources)..];
        self.push(Table::Sources, batches::sources(of(Table::Sources), counts)?);
        self.push(Table::Channels, batches::channels(of(Table::Channels))?);
        self.push(Table::Devices, batches::devices(of(Table::Devices))?);
        self.push(Table::Refused, batches::refused(of(Table::Refused))?);
        self.push(Table::Events, batches::events(of(Table::Events))?);
        self.rows += judged.new.len() + judged.versions.len();
        if !judged.new.is_empty() {
            self.push(Table::Readings, store::rows_to_batch(&judged.new, words));
            self.new.push(judged.new);
        }
        if !judged.versions.is_empty() {
            self.push(Table::Overlay, store::rows_to_batch(&judged.versions, words));
            self.versions.extend(judged.versions);
        }
        self.months.extend(chunks.iter().flat_map(|chunk| &chunk.months));
        self.to = chunks.last().map_or(self.to, |chunk| self.to.max(chunk.to()));
        self.chunks += chunks.len();
        Ok(())
    }

    fn push(&mut self, table: Table, batch: RecordBatch) {
        if batch.num_rows() > 0 {
            self.batches[table.index()].push(batch);
        }
    }

    /// What queries see of it before it is committed.
    pub fn tail(&self) -> Tail {
        let of = |table: Table| self.batches[table.index()].clone();
        Tail {
            sources: of(Table::Sources),
            channels: of(Table::Channels),
            devices: of(Table::Devices),
            refused: of(Table::Refused),
            events: of(Table::Events),
            readings: of(Table::Readings),
            overlay: of(Table::Overlay),
            applied: self.to,
        }
    }

    /// Commits every table that has something, or all with `every`, in order.
    /// Tables without rows may lag: they are brought along now and then, so
    /// that a restart reads little and the journal can be trimmed.
    pub async fn commit(&mut self, lake: &mut Lake, every: bool) -> Result<(), Error> {
        for table in Table::OF_LANE {
            let batches = std::mem::take(&mut self.batches[table.index()]);
            if (batches.is_empty() && !every) || lake.position(table) >= self.to {
                continue;
            }
            lake.append(table, batches, self.to).await?;
        }
        *self = Round::starting_at(self.to);
        Ok(())
    }
}

/// Stored versions: those of the lake and those that wait in the round.
pub struct Everything<'a> {
    pub lake: &'a Lookup,
    pub round: &'a Round,
}

impl Stored for Everything<'_> {
    fn versions_of(&self, keys: &[RowKey], words: &SharedWords) -> Result<Vec<Row>, Error> {
        let found = self.lake.find(keys)?;
        let mut rows = Vec::new();
        {
            let mut words = words.write().expect("no holder of the words panics");
            for batch in found {
                rows.extend(store::batch_to_rows(&batch, &mut words)?);
            }
        }
        for run in &self.round.new {
            rows.extend(keys.iter().filter_map(|key| {
                let at = run.binary_search_by_key(key, |row| row.key).ok()?;
                Some(run[at])
            }));
        }
        rows.extend(self.round.versions.iter().filter(|row| keys.binary_search(&row.key).is_ok()));
        Ok(rows)
    }

    fn keys_within(
        &self,
        channels: &[ChannelId],
        starts: Range<i64>,
        take: &mut dyn FnMut(&RowKey),
    ) -> Result<(), Error> {
        let waiting = self.round.new.iter().flatten().map(|row| &row.key);
        waiting
            .filter(|key| starts.contains(&key.start.0) && channels.binary_search(&key.channel).is_ok())
            .for_each(&mut *take);
        Ok(self.lake.keys_within(channels, Timestamp(starts.start)..Timestamp(starts.end), take)?)
    }
}
