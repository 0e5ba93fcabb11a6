//! The groups met so far, and what is known of each.
//!
//! Promise: every row is in one state that is given out. What is held is told to
//! the query's memory; where that has no room, all states go out at once.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{partition, take};
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use datafusion::physical_plan::aggregates::{AggregateExec, evaluate_group_by};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, stream};

/// Partial states of groups.
pub(super) struct States {
    own: AggregateExec,
    groups: Box<dyn GroupValues>,
    totals: Vec<Totals>,
    memory: MemoryReservation,
    batch_rows: usize,
    /// Of the batch in hand.
    of_runs: Vec<usize>,
    of_rows: Vec<usize>,
}

/// One aggregate's states, by the number of the group.
struct Totals {
    of: Vec<Arc<dyn PhysicalExpr>>,
    filter: Option<Arc<dyn PhysicalExpr>>,
    states: Box<dyn GroupsAccumulator>,
}

impl States {
    pub(super) fn new(own: &AggregateExec, partition: usize, context: &TaskContext) -> Result<States> {
        let totals = own.aggr_expr().iter().zip(own.filter_expr()).map(|(each, filter)| {
            Ok(Totals { of: each.expressions(), filter: filter.clone(), states: each.create_groups_accumulator()? })
        });
        let keys = own.group_expr().group_schema(&own.input_schema())?;
        Ok(States {
            totals: totals.collect::<Result<_>>()?,
            groups: new_group_values(keys, &GroupOrdering::None)?,
            memory: MemoryConsumer::new(format!("ByRuns[{partition}]")).register(context.memory_pool()),
            batch_rows: context.session_config().batch_size(),
            own: own.clone(),
            of_runs: Vec::new(),
            of_rows: Vec::new(),
        })
    }

    /// The states of the groups of these rows; of a group more than once where memory is short.
    pub(super) fn of(self, rows: SendableRecordBatchStream) -> Result<SendableRecordBatchStream> {
        let schema = self.own.schema();
        let work = Work { states: self, rows: Some(rows), given: None };
        let batches = stream::try_unfold(work, async |mut work| Ok(work.next().await?.map(|batch| (batch, work))));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        let keys = evaluate_group_by(self.own.group_expr(), batch)?.swap_remove(0);
        let runs = partition(&keys)?.ranges();
        let firsts: UInt32Array = runs.iter().map(|run| run.start as u32).collect();
        let keys = keys.iter().map(|key| Ok(take(key, &firsts, None)?)).collect::<Result<Vec<_>>>()?;
        self.groups.intern(&keys, &mut self.of_runs)?;
        self.of_rows.clear();
        for (run, group) in runs.iter().zip(&self.of_runs) {
            self.of_rows.resize(run.end, *group);
        }
        for totals in &mut self.totals {
            totals.take(batch, &self.of_rows, self.groups.len())?;
        }
        Ok(())
    }

    /// Whether there is memory for what is held.
    fn has_room(&self) -> bool {
        let indices = size_of::<usize>() * (self.of_runs.capacity() + self.of_rows.capacity());
        let totals: usize = self.totals.iter().map(|totals| totals.states.size()).sum();
        self.memory.try_resize(self.groups.size() + totals + indices).is_ok()
    }

    /// All states, and begins anew.
    fn give(&mut self) -> Result<Option<RecordBatch>> {
        if self.groups.is_empty() {
            return Ok(None);
        }
        let mut columns = self.groups.emit(EmitTo::All)?;
        for totals in &mut self.totals {
            columns.extend(totals.states.state(EmitTo::All)?);
        }
        self.groups.clear_shrink(0);
        Ok(Some(RecordBatch::try_new(self.own.schema(), columns)?))
    }
}

impl Totals {
    fn take(&mut self, batch: &RecordBatch, groups: &[usize], count: usize) -> Result<()> {
        let column = |of: &Arc<dyn PhysicalExpr>| of.evaluate(batch)?.into_array(batch.num_rows());
        let values = self.of.iter().map(column).collect::<Result<Vec<ArrayRef>>>()?;
        let filter = self.filter.as_ref().map(column).transpose()?;
        self.states.update_batch(&values, groups, filter.as_ref().map(|filter| filter.as_boolean()), count)
    }
}

/// States on their way from rows to whoever asks.
struct Work {
    states: States,
    /// None once they are spent.
    rows: Option<SendableRecordBatchStream>,
    /// Taken out, and from which row on it is still to be given.
    given: Option<(RecordBatch, usize)>,
}

impl Work {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some((batch, from)) = self.given.take() {
                let rows = (batch.num_rows() - from).min(self.states.batch_rows);
                if rows > 0 {
                    let slice = batch.slice(from, rows);
                    self.given = Some((batch, from + rows));
                    return Ok(Some(slice));
                }
                self.states.memory.free();
            }
            let Some(rows) = &mut self.rows else { return Ok(None) };
            let full = match rows.next().await.transpose()? {
                Some(batch) => {
                    self.states.take(&batch)?;
                    !self.states.has_room()
                }
                None => {
                    self.rows = None;
                    true
                }
            };
            if full {
                self.given = self.states.give()?.map(|batch| (batch, 0));
            }
        }
    }
}
