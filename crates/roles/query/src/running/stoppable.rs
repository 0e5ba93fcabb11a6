//! A plan whose every step listens to the word that ends its query.
//!
//! Promise: a step asks before each batch it gives out, so that no chain of
//! steps works on for longer than one of them needs for one batch; nothing else
//! about the plan changes, not even how `explain` shows it. The engine by
//! itself lets go of a thread every 128 batches only, which can be seconds.

use std::fmt::{Formatter, Result as FormatResult};
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use futures::StreamExt;

use super::Stop;
use super::listening::listening;

pub(crate) fn stoppable(plan: Arc<dyn ExecutionPlan>, stop: &Arc<Stop>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|step| Ok(Transformed::yes(Step::around(listening(step, stop)?, stop)))).data()
}

/// Passes for the step it is around, to whoever looks at the plan.
#[derive(Debug)]
struct Step {
    inner: Arc<dyn ExecutionPlan>,
    stop: Arc<Stop>,
}

impl Step {
    fn around(inner: Arc<dyn ExecutionPlan>, stop: &Arc<Stop>) -> Arc<dyn ExecutionPlan> {
        Arc::new(Step { inner, stop: stop.clone() })
    }
}

impl DisplayAs for Step {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut Formatter<'_>) -> FormatResult {
        self.inner.fmt_as(kind, f)
    }
}

impl ExecutionPlan for Step {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn downcast_delegate(&self) -> Option<&dyn ExecutionPlan> {
        Some(&*self.inner)
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.inner.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inner.children()
    }

    fn apply_expressions(
        &self,
        look: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(look)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Step::around(self.inner.clone().replace_children(children, options)?, &self.stop))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.inner.metrics()
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let batches = self.inner.execute(partition, context)?;
        let (schema, stop) = (batches.schema(), self.stop.clone());
        let listening = batches.map(move |batch| {
            stop.check()?;
            batch
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, listening)))
    }
}
