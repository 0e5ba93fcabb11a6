//! One engine for all queries, one session for each.
//!
//! Promise: a session holds the eight tables of one tenant at one moment and
//! nothing else: no file, no setting and no other tenant can be reached from
//! its SQL. Every query runs under [`Limits`], on threads of its own kind, and
//! stops soon after nobody waits for its answer.

use std::sync::Arc;

use datafusion::catalog::CatalogProviderList;
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider, SchemaProvider,
};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{FairSpillPool, GreedyMemoryPool, MemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionConfig;
use meter::TenantId;
use store::Snapshot;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Semaphore, oneshot};

use crate::answer::{Answer, Begun};
use crate::error::{Error, Result};
use crate::functions;
use crate::guard;
use crate::limits::{Limits, STACK_BYTES};
use crate::metrics::Metrics;
use crate::names::NameCache;
use crate::provider::{Provider, View};
use crate::running::{Asker, Place, Register, Running, stoppable};
use crate::runs::LookUpRuns;
use crate::spill;
use crate::sum;
use crate::tables::TABLES;

const CATALOG: &str = "meterhouse";
const SCHEMA: &str = "public";

/// Functions that make gigabytes out of a short query, row by row and outside
/// the memory limit.
const FUNCTIONS_LEFT_OUT: [&str; 3] = ["repeat", "lpad", "rpad"];

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Whose data they see, and nobody else's.
    pub tenant: TenantId,
}

/// Answers SQL. Cheap to share.
pub struct Engine {
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

struct Shared {
    limits: Limits,
    /// Functions and rules, without tables: copied for each query.
    base: SessionState,
    names: Arc<NameCache>,
    permits: Arc<Semaphore>,
    register: Arc<Register>,
    metrics: Arc<Metrics>,
    handle: Handle,
}

/// One principal's tables at one moment.
pub struct Session {
    shared: Arc<Shared>,
    tenant: TenantId,
    snapshot: Arc<Snapshot>,
    limits: Limits,
    inexact_is_null: bool,
}

impl Engine {
    /// Starts the threads that queries run on; an error where the machine gives none.
    pub fn new(limits: Limits) -> Result<Engine> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(limits.threads.get())
            .thread_stack_size(STACK_BYTES)
            .thread_name("query")
            .enable_all()
            .build()
            .map_err(|e| Error::Engine(format!("its threads do not start: {e}")))?;
        let shared = Shared {
            base: base_state(&limits),
            names: Arc::default(),
            permits: Arc::new(Semaphore::new(limits.queries_max.get())),
            register: Arc::new(Register::new()),
            metrics: Arc::default(),
            handle: runtime.handle().clone(),
            limits,
        };
        Ok(Engine { shared: Arc::new(shared), runtime: Some(runtime) })
    }

    /// The tables of this principal as they are in this snapshot.
    pub fn session(&self, principal: Principal, snapshot: Arc<Snapshot>) -> Session {
        let Principal { tenant } = principal;
        Session {
            shared: self.shared.clone(),
            tenant,
            snapshot,
            limits: self.shared.limits.clone(),
            inexact_is_null: false,
        }
    }

    /// The queries of this tenant that run, oldest first, with how far they are.
    pub fn queries(&self, tenant: TenantId) -> Vec<Running> {
        self.shared.register.of(tenant)
    }

    /// A query of this tenant that runs, or is among the last of all that ended.
    pub fn query(&self, tenant: TenantId, id: u64) -> Option<Running> {
        self.shared.register.find(tenant, id)
    }

    /// Ends a query of this tenant: its answer ends with [`Error::Cancelled`], its place is free shortly after.
    /// `false` where the tenant runs none of that id.
    pub fn cancel(&self, tenant: TenantId, id: u64) -> bool {
        self.shared.register.cancel(tenant, id)
    }

    /// Appends what happened so far in Prometheus' text form.
    pub fn render_metrics(&self, out: &mut String) {
        let running = self.shared.limits.queries_max.get() - self.shared.permits.available_permits();
        self.shared.metrics.render(running, out);
    }
}

impl Drop for Engine {
    /// Queries that run are abandoned; their answers end with an error.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Session {
    /// Without the limits of rows and time: for an export to a file of the asker's.
    pub fn for_export(mut self) -> Session {
        self.limits.rows_max = u64::MAX;
        self.limits.time_max = std::time::Duration::MAX;
        self
    }

    /// A reading without an exact quantity is shown with none instead of ending the
    /// query: for lists, which show each with its own value and unit. Not for sums.
    pub fn for_lists(mut self) -> Session {
        self.inexact_is_null = true;
        self
    }

    /// Plans and starts one reading statement. Rows come as they are found, so
    /// an error may follow rows.
    pub async fn query(&self, sql: &str) -> Result<Answer> {
        let asked = self.start(sql).await;
        if let Err(error) = &asked {
            self.shared.metrics.failed(error);
        }
        asked
    }

    async fn start(&self, sql: &str) -> Result<Answer> {
        let permits = self.shared.permits.clone();
        let running = self.shared.limits.queries_max.get();
        let permit = permits.try_acquire_owned().map_err(|_| Error::Busy { running })?;
        self.shared.metrics.started();
        let time_max = self.limits.time_max;
        let place = self.shared.register.enter(self.tenant, sql, time_max, permit);
        let asker = Asker(place.stop.clone());
        let mut deadline = Box::pin(host::sleep(time_max));
        let planned = self.plan(sql.to_owned(), place)?;
        let (stream, place) = tokio::select! {
            planned = planned => planned.map_err(|_| Error::Engine("planning stopped".into()))??,
            () = asker.0.told() => return Err(Error::Cancelled),
            () = &mut deadline => return Err(asker.0.too_long()),
        };
        let (limits, metrics) = (self.limits.clone(), self.shared.metrics.clone());
        let begun = Begun { stream, deadline, rows_left: limits.rows_max, limits, metrics, place };
        Ok(Answer::new(begun, asker, &self.shared.handle))
    }

    /// On a thread of its own: hostile nesting needs its stack, names and file
    /// lists are read from disk, and what nobody waits for cannot hold up others.
    fn plan(&self, sql: String, place: Place) -> Result<oneshot::Receiver<Result<Planned>>> {
        let state = self.state(&place)?;
        let memory_bytes_max = self.limits.memory_bytes_max;
        let handle = self.shared.handle.clone();
        let (answer, answered) = oneshot::channel();
        let work = move || {
            let _inside = handle.enter();
            let planned = handle.block_on(planned(&sql, &state, &place, memory_bytes_max));
            drop(answer.send(planned.map(|stream| (stream, place))));
        };
        std::thread::Builder::new()
            .name("query-plan".into())
            .stack_size(guard::PLANNING_STACK_BYTES)
            .spawn(work)
            .map_err(|e| Error::Store {
                message: format!("no thread to plan on: {e}; try again shortly"),
                kind: host::Kind::Busy,
            })?;
        Ok(answered)
    }

    fn state(&self, place: &Place) -> Result<SessionState> {
        let broken = |e: DataFusionError| Error::from_engine(&e, self.limits.memory_bytes_max);
        let view = Arc::new(View {
            tenant: self.tenant,
            snapshot: self.snapshot.clone(),
            names: self.shared.names.clone(),
            counters: place.counters.clone(),
            stop: place.stop.clone(),
            inexact_is_null: self.inexact_is_null,
        });
        let schema = MemorySchemaProvider::new();
        for table in TABLES.iter() {
            let provider = Arc::new(Provider::new(table, view.clone()));
            schema.register_table(table.name.into(), provider).map_err(broken)?;
        }
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SCHEMA, Arc::new(schema)).map_err(broken)?;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.into(), Arc::new(catalog));
        let mut state = SessionStateBuilder::new_from_existing(self.shared.base.clone())
            .with_catalog_list(Arc::new(catalogs))
            .with_runtime_env(runtime_env(&self.limits).map_err(broken)?)
            .build();
        // Without it the engine knows of no now().
        state.mark_start_execution();
        Ok(state)
    }
}

type Planned = (SendableRecordBatchStream, Place);

async fn planned(
    sql: &str,
    state: &SessionState,
    place: &Place,
    memory_bytes_max: usize,
) -> Result<SendableRecordBatchStream> {
    let failed = |e: DataFusionError| Error::from_engine(&e, memory_bytes_max);
    let statement = guard::statement(sql)?;
    let logical = state.statement_to_plan(statement).await.map_err(failed)?;
    guard::check_plan(&logical)?;
    let physical = state.create_physical_plan(&logical).await.map_err(failed)?;
    let physical = stoppable(physical, &place.stop).map_err(failed)?;
    execute_stream(physical, state.task_ctx()).map_err(failed)
}

fn base_state(limits: &Limits) -> SessionState {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true)
        .with_target_partitions(limits.threads.get())
        .with_collect_statistics(false);
    let options = config.options_mut();
    options.execution.sort_spill_reservation_bytes = sort_merge_bytes(limits);
    // 0.5 is a decimal: no float touches a quantity.
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.collect_spans = true;
    options.sql_parser.dialect = datafusion::common::config::Dialect::PostgreSQL;
    // Each step may double what the one before it made.
    options.execution.enable_recursive_ctes = false;
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features()
        .with_physical_optimizer_rule(Arc::new(LookUpRuns))
        .build();
    for function in sum::checked() {
        register(&mut state, function);
    }
    functions::register(&mut state);
    for name in FUNCTIONS_LEFT_OUT {
        leave_out(&mut state, name);
    }
    state
}

/// What each thread of a sort sets aside for merging what it spilled. The engine's own 10 MB are more than
/// a small budget holds for two threads, and a sort would fail or not by which of them came first.
fn sort_merge_bytes(limits: &Limits) -> usize {
    (limits.memory_bytes_max / limits.threads.get() / 16).min(10 << 20)
}

fn register(state: &mut SessionState, function: datafusion::logical_expr::AggregateUDF) {
    use datafusion::execution::FunctionRegistry;
    state.register_udaf(Arc::new(function)).expect("a session's registry takes any function");
}

fn leave_out(state: &mut SessionState, name: &str) {
    use datafusion::execution::FunctionRegistry;
    state.deregister_udf(name).expect("a session's registry gives up any function");
}

fn runtime_env(limits: &Limits) -> datafusion::error::Result<Arc<RuntimeEnv>> {
    // Only what can spill can be asked to give up memory for others.
    let pool: Arc<dyn MemoryPool> = match &limits.spill {
        None => Arc::new(GreedyMemoryPool::new(limits.memory_bytes_max)),
        Some(_) => Arc::new(FairSpillPool::new(limits.memory_bytes_max)),
    };
    let disk = spill::disk(limits.spill.as_ref());
    RuntimeEnvBuilder::new().with_memory_pool(pool).with_disk_manager_builder(disk).build_arc()
}
