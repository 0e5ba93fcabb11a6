//! A round: what was understood since the last commit, waiting for the next.
//!
//! Promise: a table gets a chunk only if it does not have it yet, and all
//! tables of a round end at one position.

use std::collections::HashSet;
use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use meter::{ChannelId, Row, RowKey, Run, Runs, Timestamp};
use store::{Lake, Lookup, Position, SharedWords, Table, Tail, Waiting};

use crate::chunk::Chunk;
use crate::judge::{Judged, Stored, Wanted, read};
use crate::{Error, batches};

#[derive(Default)]
pub struct Round {
    /// Where the tables stand once this round is committed.
    pub to: Position,
    /// Of the tables beside the readings.
    batches: [Vec<RecordBatch>; Table::OF_LANE.len()],
    /// First versions, sorted by key: once for each batch judged.
    new: Vec<Waiting>,
    versions: Vec<Row>,
    months: HashSet<i32>,
    rows: usize,
    bytes: usize,
    chunks: usize,
}

/// A table that most chunks have nothing for.
struct Rare {
    table: Table,
    count: fn(&Chunk) -> usize,
    columns: fn(&[Chunk]) -> Result<RecordBatch, Error>,
}

const RARE: [Rare; 4] = [
    Rare { table: Table::Channels, count: |chunk| chunk.channels.len(), columns: batches::channels },
    Rare { table: Table::Devices, count: |chunk| chunk.devices.len(), columns: batches::devices },
    Rare { table: Table::Refused, count: |chunk| chunk.refused.len(), columns: batches::refused },
    Rare { table: Table::Events, count: |chunk| chunk.events.len(), columns: batches::events },
];

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

    /// Memory that its readings take, about.
    pub fn bytes(&self) -> usize {
        self.bytes
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
    pub fn add(
        &mut self,
        chunks: &[Chunk],
        judged: Judged,
        missing: &Missing,
        words: &SharedWords,
    ) -> Result<(), Error> {
        let of = |table: Table| &chunks[missing.from(table)..];
        let counts = &judged.counts[missing.from(Table::Sources)..];
        self.push(Table::Sources, batches::sources(of(Table::Sources), counts)?)?;
        for Rare { table, count, columns } in RARE {
            if of(table).iter().any(|chunk| count(chunk) > 0) {
                self.push(table, columns(of(table))?)?;
            }
        }
        self.rows += judged.new.len() + judged.versions.len();
        if !judged.new.is_empty() {
            self.bytes += judged.new.bytes();
            self.new.push(Waiting::in_runs(judged.new, words.clone()));
        }
        if !judged.versions.is_empty() {
            self.push(Table::Overlay, store::rows_to_batch(&judged.versions, &read(words)))?;
            self.bytes += judged.versions.len() * size_of::<Row>();
            self.versions.extend(judged.versions);
        }
        self.months.extend(chunks.iter().flat_map(|chunk| &chunk.months));
        self.to = chunks.last().map_or(self.to, |chunk| self.to.max(chunk.to()));
        self.chunks += chunks.len();
        Ok(())
    }

    fn new_in_runs(&self) -> impl Iterator<Item = &Runs> {
        self.new.iter().filter_map(Waiting::runs)
    }

    /// Batches are joined with those before them that are no longer, so that a table
    /// has few however many come: every query and every look-up takes them in its hand.
    fn push(&mut self, table: Table, mut batch: RecordBatch) -> Result<(), Error> {
        let batches = &mut self.batches[table.index()];
        while let Some(before) = batches.pop_if(|before| before.num_rows() <= batch.num_rows()) {
            let joined = concat_batches(&table.schema(), [&before, &batch]);
            batch = joined.map_err(|cause| Error::Columns { table: table.name(), cause })?;
        }
        if batch.num_rows() > 0 {
            batches.push(batch);
        }
        Ok(())
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
            readings: self.new.clone(),
            overlay: of(Table::Overlay),
            applied: self.to,
        }
    }

    /// Commits every table that has something, or all with `every`, in order.
    /// Tables without rows may lag: they are brought along now and then, so
    /// that a restart reads little and the journal can be trimmed.
    pub async fn commit(&mut self, lake: &mut Lake, every: bool) -> Result<(), Error> {
        for table in Table::OF_LANE {
            let rows: Vec<Waiting> = match table {
                Table::Readings => std::mem::take(&mut self.new),
                table => std::mem::take(&mut self.batches[table.index()]).into_iter().map(Waiting::from).collect(),
            };
            if (rows.is_empty() && !every) || lake.position(table) >= self.to {
                continue;
            }
            lake.append(table, rows, self.to).await?;
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
        let starts = keys.iter().map(|key| key.start.0);
        if let Some(asked) = starts.clone().min().zip(starts.max()) {
            let near = self.round.new.iter().filter(|waiting| waiting.may_start_in(asked));
            rows.extend(near.flat_map(|waiting| waiting.rows_of(keys)));
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
        let asked = |run: &Run<'_>| channels.binary_search(&run.channel()).is_ok();
        let runs = self.round.new_in_runs().flat_map(Runs::runs).filter(asked);
        let keys = runs.flat_map(|run| run.rows()).map(|row| row.key);
        keys.filter(|key| starts.contains(&key.start.0)).for_each(|key| take(&key));
        Ok(self.lake.keys_within(channels, Timestamp(starts.start)..Timestamp(starts.end), take)?)
    }
}
