//! The only way from SQL to the lake: a table that holds the tenant itself.
//!
//! Promise: whatever a query looks like, `scan` asks the lake for the rows of
//! one tenant; there is no text to rewrite and no plan that goes around it (D11).

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use meter::{ChannelId, TenantId};
use store::{ScanRequest, ScanTable, Snapshot};

use crate::error::Error;
use crate::fill::Filling;
use crate::filters::Wanted;
use crate::names::{NameCache, Names};
use crate::parts::{Parts, Queue};
use crate::running::{Counters, Stop};
use crate::tables::SqlTable;

/// What one query may see.
pub(crate) struct View {
    pub tenant: TenantId,
    pub snapshot: Arc<Snapshot>,
    pub names: Arc<NameCache>,
    pub counters: Arc<Counters>,
    pub stop: Arc<Stop>,
    /// What has no exact quantity is shown without one, and does not end the query.
    pub inexact_is_null: bool,
}

impl View {
    fn names(&self) -> Result<Arc<Names>, Error> {
        self.names.of(&self.snapshot, self.tenant)
    }
}

/// One table of one query.
pub(crate) struct Provider {
    table: &'static SqlTable,
    view: Arc<View>,
}

impl Provider {
    pub(crate) fn new(table: &'static SqlTable, view: Arc<View>) -> Provider {
        Provider { table, view }
    }

    /// The table `latest` is one part and comes channel by channel: a page of it
    /// needs no sorting, and ends the reading.
    fn order(&self, schema: &SchemaRef) -> Option<LexOrdering> {
        let place = schema.index_of("channel").ok().filter(|_| self.table.source == ScanTable::Latest)?;
        let ascending = SortOptions { descending: false, nulls_first: false };
        LexOrdering::new([PhysicalSortExpr::new(Arc::new(Column::new("channel", place)), ascending)])
    }

    /// The lake narrows readings only; of the other tables it gives all rows.
    fn wanted(&self, filter: &Expr) -> Option<Wanted> {
        let readings =
            matches!(self.table.source, ScanTable::Readings | ScanTable::ReadingsHistory | ScanTable::Latest);
        Wanted::from_filter(filter).filter(|_| readings)
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Provider({}, tenant {})", self.table.name, self.view.tenant.0)
    }
}

#[async_trait]
impl TableProvider for Provider {
    fn schema(&self) -> SchemaRef {
        self.table.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| match self.wanted(filter) {
            Some(_) => TableProviderFilterPushDown::Exact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    /// Blocks where names or file lists have to be read: queries are planned on
    /// a thread of their own.
    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.view.stop.check()?;
        let mut wanted = Wanted::default();
        for filter in filters {
            let known =
                self.wanted(filter).ok_or_else(|| Error::Engine(format!("filter {filter} was never accepted")))?;
            wanted = wanted.and(known);
        }
        let all: Vec<usize> = (0..self.table.fills.len()).collect();
        let projection = projection.unwrap_or(&all);
        let named = wanted.by_name() || projection.iter().any(|place| self.table.fills[*place].named());
        let names = named.then(|| self.view.names()).transpose()?;
        let channels = wanted.channels(names.as_deref());
        let filling =
            Arc::new(Filling::new(self.table, projection, names)?.with_inexact_as_null(self.view.inexact_is_null));
        if channels.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Arc::new(EmptyExec::new(filling.schema().clone())));
        }
        let request = ScanRequest {
            tenant: Some(self.view.tenant),
            channels,
            channel_from: wanted.channel_from.map(ChannelId),
            start_from: wanted.start_from,
            start_before: wanted.start_before,
            columns: filling.columns().to_vec(),
            batch_rows: state.config().batch_size(),
            ..ScanRequest::all(self.table.source)
        };
        let parts = self.view.snapshot.scan_counted(&request, &self.view.counters.scan).map_err(Error::from)?;
        Counters::add(&self.view.counters.parts_to_read, parts.len() as u64);
        if parts.is_empty() {
            return Ok(Arc::new(EmptyExec::new(filling.schema().clone())));
        }
        // A channel's rows are few: handing them from thread to thread takes longer than they do.
        let of_one_channel = request.channels.as_ref().is_some_and(|channels| channels.len() == 1);
        let streams = if of_one_channel { 1 } else { parts.len().min(state.config().target_partitions()) };
        let queue = Arc::new(Queue::new(parts));
        let stream =
            |_| Arc::new(Parts::new(queue.clone(), filling.clone(), self.view.clone())) as Arc<dyn PartitionStream>;
        let streams = (0..streams).map(stream).collect();
        let order = self.order(filling.schema());
        Ok(Arc::new(StreamingTableExec::try_new(filling.schema().clone(), streams, None, order, false, limit)?))
    }
}
