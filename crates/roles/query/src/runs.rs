//! Groups whose rows lie side by side: looked up once a run, not once a row.
//!
//! The lake gives a channel's readings in the order of their starts, so the rows
//! of a channel, a day or an hour follow each other. The engine by itself looks
//! up the group of every row.
//!
//! Promise: the partial states are those the engine's own step would give, in
//! the same memory: beyond it, what there is is given out, and it goes on with
//! nothing. Where groups do not come in runs the engine's own step works.
//!
//! Read: `runs/states.rs` (the totals of the groups so far).

use std::fmt::{Formatter, Result as FormatResult};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::partition;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, evaluate_group_by};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, EmptyRecordBatchStream, ExecutionPlan, InputOrderMode,
    PlanProperties, ReplaceChildrenOptions,
};
use futures::{StreamExt, TryStreamExt, stream};

mod states;
#[cfg(test)]
mod tests;

use states::States;

/// Rows a run has to have on average, seen over the first batch, for runs to be
/// looked up; with fewer, finding them is work beside looking nearly all rows up.
const ROWS_OF_A_RUN_MIN: usize = 4;

/// Puts [`ByRuns`] around every first step of an aggregation that it can do.
#[derive(Debug)]
pub(crate) struct LookUpRuns;

impl PhysicalOptimizerRule for LookUpRuns {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let around = |step: Arc<dyn ExecutionPlan>| {
            Ok(match step.downcast_ref::<AggregateExec>().filter(|own| can_do(own)) {
                Some(own) => Transformed::yes(ByRuns::around(own.clone())),
                None => Transformed::no(step),
            })
        };
        plan.transform_up(around).data()
    }

    fn name(&self) -> &str {
        "look_up_runs"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn can_do(own: &AggregateExec) -> bool {
    let input = own.input_schema();
    let compared = |expr: &Arc<dyn PhysicalExpr>| expr.data_type(&input).is_ok_and(|of| !of.is_nested());
    *own.mode() == AggregateMode::Partial
        && *own.input_order_mode() == InputOrderMode::Linear
        && own.limit_options().is_none()
        && own.dynamic_expressions_produced().is_empty()
        && own.group_expr().is_single()
        && !own.group_expr().is_empty()
        && own.group_expr().expr().iter().all(|(expr, _)| compared(expr))
        && own.aggr_expr().iter().all(|each| each.groups_accumulator_supported() && each.order_bys().is_empty())
}

/// The first step of an aggregation, by runs where its first batch has them.
#[derive(Debug)]
struct ByRuns {
    own: AggregateExec,
    metrics: ExecutionPlanMetricsSet,
}

impl ByRuns {
    fn around(own: AggregateExec) -> Arc<dyn ExecutionPlan> {
        Arc::new(ByRuns { own, metrics: ExecutionPlanMetricsSet::new() })
    }
}

impl DisplayAs for ByRuns {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut Formatter<'_>) -> FormatResult {
        self.own.fmt_as(kind, f)?;
        f.write_str(", by runs")
    }
}

impl ExecutionPlan for ByRuns {
    fn name(&self) -> &str {
        "ByRuns"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.own.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.own.children()
    }

    fn apply_expressions(
        &self,
        look: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.own.apply_expressions(look)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let own = Arc::new(self.own.clone()).replace_children(children, options)?;
        Ok(own.downcast_ref::<AggregateExec>().cloned().map_or(own.clone(), ByRuns::around))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self.own.input().execute(partition, context.clone())?;
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let begun = begin(self.own.clone(), rows, partition, context);
        let states = stream::once(begun).try_flatten().map_ok(move |batch| batch.record_output(&metrics));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), states)))
    }
}

async fn begin(
    own: AggregateExec,
    mut rows: SendableRecordBatchStream,
    partition: usize,
    context: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let Some(first) = rows.next().await.transpose()? else {
        return Ok(Box::pin(EmptyRecordBatchStream::new(own.schema())));
    };
    let in_runs = is_in_runs(&own, &first)?;
    let schema = rows.schema();
    let rows: SendableRecordBatchStream =
        Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter([Ok(first)]).chain(rows)));
    if in_runs {
        return States::new(&own, partition, &context)?.of(rows);
    }
    let rows = StreamingTableExec::try_new(rows.schema(), vec![Arc::new(Given::new(rows))], None, [], false, None)?;
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::new(own).replace_children(vec![Arc::new(rows)], options)?.execute(0, context)
}

fn is_in_runs(own: &AggregateExec, batch: &RecordBatch) -> Result<bool> {
    let keys = evaluate_group_by(own.group_expr(), batch)?.swap_remove(0);
    Ok(partition(&keys)?.len() * ROWS_OF_A_RUN_MIN <= batch.num_rows())
}

/// A stream that has begun, for one who asks for a plan.
struct Given {
    schema: SchemaRef,
    rows: Mutex<Option<SendableRecordBatchStream>>,
}

impl Given {
    fn new(rows: SendableRecordBatchStream) -> Given {
        Given { schema: rows.schema(), rows: Mutex::new(Some(rows)) }
    }
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut Formatter<'_>) -> FormatResult {
        f.write_str("Given")
    }
}

impl PartitionStream for Given {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let given = self.rows.lock().unwrap_or_else(PoisonError::into_inner).take();
        given.unwrap_or_else(|| {
            let twice = DataFusionError::Internal("a stream was given twice".into());
            Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), stream::iter([Err(twice)])))
        })
    }
}
