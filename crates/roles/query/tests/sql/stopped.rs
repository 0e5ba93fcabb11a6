//! Queries that are listed, cancelled, or left alone by who asked.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use host::Kind;
use meter::{Timestamp, Unit};
use query::{Engine, Error, Limits, Principal, Running};
use store::Snapshot;

use crate::lake::{HOME, STRANGER, Stored, Told, limits, town};

/// From the word to the free place.
const ENDS_WITHIN: Duration = Duration::from_millis(500);

/// Work without end, of each kind that keeps a thread busy by itself.
const ENDLESS: [(&str, &str); 7] = [
    (
        "a pattern",
        "select count(*) from generate_series(1, 1000000000) t(x) where regexp_like(cast(x as varchar), '^(1|2|3)+9*$')",
    ),
    (
        "groups",
        "select max(n) from (select x % 1000003 as g, count(*) as n from generate_series(1, 1000000000) t(x) group by g)",
    ),
    (
        "a product",
        "select sum(x + y) from generate_series(1, 1000000) t(x) cross join generate_series(1, 1000000) u(y)",
    ),
    (
        "a join by comparison",
        "select count(*) from generate_series(1, 1000000) t(x) join generate_series(1, 1000000) u(y) on x * y = x + y + 1",
    ),
    (
        "a join by equality",
        "select count(*) from generate_series(1, 300000) t(x) join generate_series(1, 1000000000) u(y) on x % 7 = y % 7",
    ),
    ("a sort", "select x from generate_series(1, 1000000000) t(x) order by x % 1000 limit 5 offset 100000"),
    (
        "local days",
        "select count(distinct time_bucket('1 hour', to_timestamp(x * 1000003 % 4000000000), 'Europe/Dublin')) \
         from generate_series(1, 1000000000) t(x)",
    ),
];

fn one_at_a_time() -> Engine {
    let limits = Limits { queries_max: NonZeroUsize::MIN, rows_max: u64::MAX, ..limits() };
    Engine::new(limits).expect("starts")
}

fn running(engine: &Engine) -> Vec<Running> {
    engine.queries(HOME)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    begun.elapsed()
}

/// The next query runs where there is one place only.
async fn next_runs(engine: &Engine, town: &Arc<Snapshot>) -> bool {
    match engine.session(Principal { tenant: HOME }, town.clone()).query("select 1").await {
        Ok(answer) => answer.collect().await.is_ok(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_nobody_waits_for_gives_its_place_back_at_once() {
    let (town, engine) = (town().await, one_at_a_time());
    for (what, sql) in ENDLESS {
        let answer = engine.session(Principal { tenant: HOME }, town.clone()).query(sql).await.expect(what);
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(running(&engine).len(), 1, "{what} ended by itself");
        drop(answer);
        let took = until("the place is free", || running(&engine).is_empty()).await;
        assert!(took < ENDS_WITHIN, "{what} kept its place for {took:?}");
        // And its threads.
        let begun = Instant::now();
        assert!(next_runs(&engine, &town).await);
        assert!(begun.elapsed() < ENDS_WITHIN, "{what} kept its threads for {:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_query_says_so_and_gives_its_place_back() {
    let (town, engine) = (town().await, one_at_a_time());
    for (what, sql) in ENDLESS {
        let answer = engine.session(Principal { tenant: HOME }, town.clone()).query(sql).await.expect(what);
        let id = answer.id();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!engine.cancel(STRANGER, id), "a stranger cancelled it");
        let begun = Instant::now();
        assert!(engine.cancel(HOME, id));
        let error = answer.collect().await.expect_err(what);
        let took = begun.elapsed();
        assert!(matches!(error, Error::Cancelled), "{what}: {error}");
        assert_eq!((error.code(), error.kind()), ("cancelled", Kind::Conflict));
        assert!(took < ENDS_WITHIN, "{what} took {took:?}");
        assert!(running(&engine).is_empty() && !engine.cancel(HOME, id), "{what} is still listed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_not_read_can_be_cancelled() {
    let (town, engine) = (town().await, one_at_a_time());
    let session = engine.session(Principal { tenant: HOME }, town.clone());
    let mut answer = session.query("select x from generate_series(1, 100000000) t(x)").await.expect("runs");
    assert!(answer.next().await.expect("rows").is_ok());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(engine.cancel(HOME, answer.id()));
    assert!(until("the place is free", || running(&engine).is_empty()).await < ENDS_WITHIN);
    let error = loop {
        match answer.next().await.expect("an end") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Cancelled), "{error}");
    assert!(answer.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_is_listed_for_its_tenant_with_how_far_it_is() {
    let at = |n: i64| Timestamp(1_704_067_200_000_000 + n * 1_800_000_000).to_string();
    let file = |from: i64| (from..from + 20_000).fold(Told::new(), |told, n| told.at((64, 1), &at(n), "1", "kWh", 0));
    let mut stored = Stored::of(&[(64, 1, "NMI1", "E1", Unit::KilowattHour)], file(0));
    stored.readings.push(file(20_000));
    let (lake, engine) = (stored.snapshot().await, Engine::new(limits()).expect("starts"));
    let sql = "select start, quantity from readings where start < '2030-01-01'";
    let mut answer = engine.session(Principal { tenant: HOME }, lake.clone()).query(sql).await.expect("runs");
    assert!(answer.next().await.expect("rows").is_ok());
    let listed = running(&engine);
    assert_eq!(listed.len(), 1, "{listed:?}");
    let Running { id, sql: shown, elapsed, progress } = listed[0].clone();
    // Forty thousand half hours lie in 28 months: a file each, two of the one both begin or end in.
    assert_eq!((id, shown.as_deref(), progress.parts_to_read), (answer.id(), Some(sql), 29));
    assert!(elapsed > Duration::ZERO && progress.rows_answered > 0, "{progress:?}");
    assert!(progress.rows_scanned >= progress.rows_answered && progress.bytes_read > 0, "{progress:?}");
    assert!(engine.queries(STRANGER).is_empty());
    // A second of the same tenant has another id, and counts for itself.
    let other = engine
        .session(Principal { tenant: HOME }, lake.clone())
        .query("select x from generate_series(1, 100000000) t(x)")
        .await
        .expect("runs");
    assert!(other.id() > id);
    let mut most = progress;
    while let Some(batch) = answer.next().await {
        batch.expect("rows");
        if let Some(now) = running(&engine).into_iter().find(|query| query.id == id) {
            assert!(now.progress.rows_scanned >= most.rows_scanned && now.progress.parts_read >= most.parts_read);
            most = now.progress;
        }
    }
    assert!(most.rows_scanned <= 40_000 && most.parts_read <= 29 && most.files_opened <= 29, "{most:?}");
    let ended = engine.query(HOME, id).expect("is kept for a while");
    let (told, sql) = (ended.progress, ended.sql);
    assert_eq!((sql, told.parts_read, told.rows_scanned, told.rows_answered), (None, 29, 40_000, 40_000));
    assert!(told.pages_read >= 29 && told.bytes_read >= most.bytes_read, "{told:?}");
    assert!(engine.query(STRANGER, id).is_none() && engine.query(STRANGER, other.id()).is_none());
    let left = running(&engine);
    assert_eq!(left.iter().map(|query| (query.id, query.progress.rows_scanned)).collect::<Vec<_>>(), [(other.id(), 0)]);
    drop(other);
    until("nothing runs", || running(&engine).is_empty()).await;
}

#[tokio::test]
async fn a_question_given_up_while_it_is_planned_leaves_nothing() {
    let (town, engine) = (town().await, one_at_a_time());
    let session = engine.session(Principal { tenant: HOME }, town.clone());
    let long = format!("select 1 from readings where {}", "value <> 1 and ".repeat(150) + "value <> 2");
    drop(tokio::time::timeout(Duration::from_micros(50), session.query(&long)).await);
    until("nothing runs", || running(&engine).is_empty()).await;
    assert!(next_runs(&engine, &town).await);
}

#[tokio::test]
async fn a_session_counts_each_of_its_queries_once() {
    let (town, engine) = (town().await, Engine::new(limits()).expect("starts"));
    let session = engine.session(Principal { tenant: HOME }, town);
    for _ in 0..3 {
        session.query("select * from readings").await.expect("runs").collect().await.expect("answers");
    }
    let mut text = String::new();
    engine.render_metrics(&mut text);
    assert!(text.contains("meterhouse_query_scanned_rows_total 18"), "{text}");
}
