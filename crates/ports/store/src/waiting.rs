//! Rows on their way into a table: as columns, or in runs until someone wants columns.
//!
//! Promise: the same rows either way. Columns of runs are made when a query asks
//! for them, of the runs that it asks for, and nobody keeps them.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use meter::{Row, RowKey, Run, Runs, Words};

use crate::delta::FileKey;
use crate::error::{Error, Result};
use crate::latest::SharedWords;
use crate::lookup::among;
use crate::prune::Ranges;
use crate::rows::{Keys, RowColumns, batch_to_rows, rows_to_batch};

/// See the module; cheap to clone.
#[derive(Clone, Debug)]
pub struct Waiting(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Columns(RecordBatch),
    Runs(Arc<InRuns>),
}

#[derive(Debug)]
struct InRuns {
    runs: Runs,
    /// The least and the greatest, where there are rows.
    starts: Option<(i64, i64)>,
    words: SharedWords,
}

impl From<RecordBatch> for Waiting {
    fn from(batch: RecordBatch) -> Waiting {
        Waiting(Kind::Columns(batch))
    }
}

impl Waiting {
    /// Readings in key order, each key once; `words` are those of the rows.
    pub fn in_runs(runs: Runs, words: SharedWords) -> Waiting {
        let starts = runs.bounds();
        Waiting(Kind::Runs(Arc::new(InRuns { runs, starts, words })))
    }

    /// How many rows.
    pub fn num_rows(&self) -> usize {
        match &self.0 {
            Kind::Columns(batch) => batch.num_rows(),
            Kind::Runs(held) => held.runs.len(),
        }
    }

    /// The rows, where they are held in runs.
    pub fn runs(&self) -> Option<&Runs> {
        match &self.0 {
            Kind::Columns(_) => None,
            Kind::Runs(held) => Some(&held.runs),
        }
    }

    /// The least and the greatest start of its rows, where they are held in runs and there are some.
    pub(crate) fn bounds(&self) -> Option<(i64, i64)> {
        match &self.0 {
            Kind::Columns(_) => None,
            Kind::Runs(held) => held.starts,
        }
    }

    /// Whether a row held in runs may start in this time, in microseconds of UTC.
    pub fn may_start_in(&self, (from, last): (i64, i64)) -> bool {
        self.bounds().is_some_and(|(least, most)| least <= last && from <= most)
    }

    /// Those of its rows that have one of some sorted keys, where they are held in runs.
    pub fn rows_of(&self, keys: &[RowKey]) -> Vec<Row> {
        let Kind::Runs(held) = &self.0 else { return Vec::new() };
        held.runs.find_all(keys)
    }

    /// The rows as columns of their table.
    pub fn columns(&self) -> RecordBatch {
        self.columns_within(&Ranges::default())
    }

    /// Columns of the rows, but maybe not of those outside the ranges.
    pub(crate) fn columns_within(&self, ranges: &Ranges) -> RecordBatch {
        let held = match &self.0 {
            Kind::Columns(batch) => return batch.clone(),
            Kind::Runs(held) => held,
        };
        let words = held.words.read().expect("no holder panics");
        match (ranges.tenant, &ranges.channels) {
            (Some(tenant), Some(channels)) => {
                let runs = channels.iter().flat_map(|channel| held.runs.of_channel(tenant, *channel));
                columns_of(runs, ranges, &words, 0)
            }
            _ => columns_of(held.runs.runs(), ranges, &words, held.runs.len()),
        }
    }

    /// Those of its rows, readings all, that have one of these sorted keys.
    pub(crate) fn of_keys(&self, keys: &[RowKey]) -> Result<RecordBatch> {
        match &self.0 {
            Kind::Columns(batch) => {
                let broken = |cause| Error::Rows { table: "overlay", cause };
                filter_record_batch(batch, &among(&Keys::of(batch)?, keys)).map_err(broken)
            }
            Kind::Runs(held) => Ok(rows_to_batch(&self.rows_of(keys), &held.words.read().expect("no holder panics"))),
        }
    }

    /// The same in runs, with the words that they all need: for who writes them in order.
    pub(crate) fn all_in_runs(waiting: Vec<Waiting>) -> Result<(Vec<Waiting>, SharedWords)> {
        let words = |rows: &Waiting| match &rows.0 {
            Kind::Runs(held) => Some(held.words.clone()),
            Kind::Columns(_) => None,
        };
        let first = waiting.first().and_then(words);
        if let Some(shared) = first
            && waiting.iter().all(|rows| words(rows).is_some_and(|words| Arc::ptr_eq(&words, &shared)))
        {
            return Ok((waiting, shared));
        }
        let mut words = Words::new();
        let in_runs = |rows: Waiting| Ok(batch_to_rows(&rows.columns(), &mut words)?.into_iter().collect());
        let runs: Vec<Runs> = waiting.into_iter().map(in_runs).collect::<Result<_>>()?;
        let words = SharedWords::new(words.into());
        Ok((runs.into_iter().map(|runs| Waiting::in_runs(runs, words.clone())).collect(), words))
    }

    /// Columns of all of them.
    pub(crate) fn all_columns(waiting: &[Waiting]) -> Vec<RecordBatch> {
        waiting.iter().map(Waiting::columns).collect()
    }
}

/// Of the runs that may hold a wanted row; `rows` are expected.
fn columns_of<'a>(runs: impl Iterator<Item = Run<'a>>, ranges: &Ranges, words: &Words, rows: usize) -> RecordBatch {
    let mut columns = RowColumns::with_capacity(rows);
    let bound = |key: RowKey| FileKey { tenant: key.tenant, channel: key.channel, start: key.start };
    let wanted = runs.filter(|run| ranges.may_hold(&bound(run.first_key()), &bound(run.last_key())));
    wanted.for_each(|run| columns.push(&run, words));
    columns.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Table;
    use crate::tests::any_row;
    use meter::{ChannelId, Timestamp};

    #[test]
    fn runs_and_columns_hold_the_same_rows() {
        let rows: Vec<Row> = (0..40)
            .map(|at: i64| {
                let mut row = any_row();
                (row.key.channel, row.key.start) = (ChannelId(64 + at / 10), Timestamp(at));
                row
            })
            .collect();
        let words = SharedWords::default();
        let plain = rows_to_batch(&rows, &Words::new());
        let waiting = Waiting::in_runs(rows.iter().collect(), words);
        assert_eq!(waiting.columns(), plain);
        let columns = Waiting::from(plain.clone());
        for both in [vec![columns.clone(), waiting.clone()], vec![waiting.clone(), waiting.clone()], vec![columns]] {
            let (in_runs, _) = Waiting::all_in_runs(both).expect("ours");
            assert!(in_runs.iter().all(|rows| rows.runs().is_some() && rows.columns() == plain));
        }
        let one = Ranges { tenant: Some(rows[0].key.tenant), channels: Some(vec![ChannelId(65)]), ..Ranges::default() };
        assert_eq!(waiting.columns_within(&one), plain.slice(10, 10), "no other channel is made columns of");
        let keys = [rows[3].key, rows[25].key];
        let one_way = waiting.of_keys(&keys).expect("ours");
        assert_eq!(one_way, Waiting::from(plain).of_keys(&keys).expect("ours"));
        assert_eq!((one_way.num_rows(), one_way.schema()), (2, Table::Readings.schema()));
    }
}
