//! What runs give is what rows give.

use std::sync::LazyLock;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::collect;
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::*;

use super::*;

const QUERIES: [&str; 5] = [
    "select a, b, count(*), count(v), sum(v), min(v), max(v) from t group by a, b",
    "select b, sum(v) filter (where v > 10), avg(v) from t group by b",
    "select a + 1 as a, max(b) from t group by a + 1",
    "select a, b from t group by a, b",
    "select a, count(distinct b), bool_or(v > 3) from t group by a",
];

/// Rows (a, b, v) with how often each is repeated.
type Runs = Vec<(Option<i64>, Option<u8>, Option<i64>, usize)>;

fn table(runs: &Runs, batch_rows: usize) -> MemTable {
    let rows = || runs.iter().flat_map(|run| std::iter::repeat_n(run, run.3));
    let a: ArrayRef = Arc::new(rows().map(|run| run.0).collect::<Int64Array>());
    let b: ArrayRef = Arc::new(rows().map(|run| run.1.map(|b| format!("register {b}"))).collect::<StringArray>());
    let v: ArrayRef =
        Arc::new(rows().enumerate().map(|(at, run)| Some(run.2? + at as i64 % 7)).collect::<Int64Array>());
    let all = RecordBatch::try_from_iter_with_nullable([("a", a, true), ("b", b, true), ("v", v, true)]).expect("fits");
    let from = (0..all.num_rows()).step_by(batch_rows);
    let batches: Vec<_> = from.map(|from| all.slice(from, batch_rows.min(all.num_rows() - from))).collect();
    let (even, odd) = batches.iter().cloned().enumerate().partition::<Vec<_>, _>(|(at, _)| at % 2 == 0);
    let part = |of: Vec<(usize, RecordBatch)>| of.into_iter().map(|(_, batch)| batch).collect();
    MemTable::try_new(all.schema(), vec![part(even), part(odd)]).expect("a table")
}

fn context(memory_bytes: usize, with_runs: bool) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(2).with_batch_size(64);
    let pool = Arc::new(GreedyMemoryPool::new(memory_bytes));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc().expect("starts");
    let state = SessionStateBuilder::new().with_config(config).with_default_features().with_runtime_env(runtime);
    let state = if with_runs { state.with_physical_optimizer_rule(Arc::new(LookUpRuns)) } else { state };
    SessionContext::new_with_state(state.build())
}

/// For the generated cases alone, one after the other: building one takes longer than a question.
static BY_ROWS: LazyLock<SessionContext> = LazyLock::new(|| context(1 << 30, false));
static BY_RUNS: LazyLock<SessionContext> = LazyLock::new(|| context(1 << 30, true));

/// The rows as sorted lines, and how many states the step gave for them.
async fn asked(sql: &str, table: MemTable, context: &SessionContext) -> (Vec<String>, Option<usize>) {
    context.register_table("t", Arc::new(table)).expect("there was none");
    let plan = context.sql(sql).await.expect("is planned").create_physical_plan().await.expect("is planned");
    context.deregister_table("t").expect("there was one");
    let batches = collect(plan.clone(), context.task_ctx()).await.expect("is answered");
    let all = concat_batches(&plan.schema(), &batches).expect("one schema");
    let mut lines: Vec<_> =
        pretty_format_batches(&[all]).expect("is shown").to_string().lines().map(String::from).collect();
    lines.sort();
    let mut given = None;
    plan.apply(|step| {
        given = given.or(step.downcast_ref::<ByRuns>().and_then(|step| step.metrics()?.output_rows()));
        Ok(TreeNodeRecursion::Continue)
    })
    .expect("a plan has steps");
    (lines, given)
}

fn runs() -> impl Strategy<Value = Runs> {
    let a = prop::option::weighted(0.9, 0..6_i64);
    let b = prop::option::weighted(0.9, 0..3_u8);
    let v = prop::option::weighted(0.8, -20..40_i64);
    let long = prop_oneof![1..3_usize, 10..80_usize];
    prop::collection::vec((a, b, v, long), 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn runs_give_what_rows_give(runs in runs(), batch_rows in 1..200_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("starts");
        for sql in QUERIES {
            let (by_rows, _) = runtime.block_on(asked(sql, table(&runs, batch_rows), &BY_ROWS));
            let (by_runs, _) = runtime.block_on(asked(sql, table(&runs, batch_rows), &BY_RUNS));
            prop_assert_eq!(by_rows, by_runs, "{}", sql);
        }
    }
}

#[tokio::test]
async fn short_of_memory_states_go_out_early_and_are_the_same() {
    let runs: Runs = (0..20_000).map(|at| (Some(at % 5_000), Some((at % 3) as u8), Some(at % 17), 4)).collect();
    let sql = "select a, b, count(*), sum(v) from t group by a, b";
    let (whole, _) = asked(sql, table(&runs, 256), &context(1 << 30, false)).await;
    let short = context(5 << 20, true);
    let (early, given) = asked(sql, table(&runs, 256), &short).await;
    assert_eq!(whole, early);
    assert!(given > Some(15_000), "{given:?} states of 15,000 groups");
}
