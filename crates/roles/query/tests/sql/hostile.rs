//! Queries that mean harm, by nature or by accident.

use std::num::NonZeroUsize;
use std::time::Duration;

use futures::StreamExt;
use query::{Engine, Error, Limits, Principal, SQL_BYTES_MAX, Spill};

use crate::lake::{HOME, ask, ask_under, check, limits, refused, town};

#[tokio::test]
async fn nothing_can_be_written_or_set() {
    let town = town().await;
    for sql in [
        "create table t as select 1",
        "create table t (a int)",
        "create view readings as select 1",
        "create or replace view v as select * from readings",
        "create external table t stored as csv location '/etc/passwd'",
        "create function f(x int) returns int return x",
        "create schema s",
        "create database d",
        "drop table readings",
        "drop view readings",
        "insert into readings select * from readings",
        "update readings set value = 0",
        "delete from readings",
        "truncate table readings",
        "copy readings to '/tmp/stolen.csv'",
        "copy (select * from readings) to 'x.csv' stored as csv",
        "select * into t from readings",
        "set datafusion.execution.target_partitions = 1000",
        "reset datafusion.execution.target_partitions",
        "prepare p as select 1",
        "execute p",
        "begin",
        "explain analyze insert into readings select * from readings",
        "explain create table t as select 1",
    ] {
        let error = ask(&town, sql).await.expect_err(sql);
        assert!(matches!(error, Error::ReadOnly { .. } | Error::Sql { .. }), "{sql}: {error:?}");
        assert!(!std::path::Path::new("/tmp/stolen.csv").exists());
    }
    let message = refused(&town, "drop table readings").await;
    assert_eq!(message, "DROP TABLE is not possible here: queries only read; send a select");
}

/// Every one of them overflows a stack somewhere if nobody looks.
fn nested(levels: usize) -> Vec<(&'static str, String)> {
    vec![
        ("parentheses", format!("select {}1{}", "(".repeat(levels), ")".repeat(levels))),
        ("not", format!("select {}true", "not ".repeat(levels))),
        ("minus", format!("select {}1", "- ".repeat(levels))),
        ("plus", format!("select 1{}", " + 1".repeat(levels))),
        ("plus of columns", format!("select value{} from readings", "+value".repeat(levels))),
        ("or", format!("select 1 from readings where point = 'a'{}", " or point like 'b%'".repeat(levels))),
        ("and", format!("select 1 from readings where value = 1{}", " and value <> 2".repeat(levels))),
        ("concat", format!("select 'a'{}", " || 'b'".repeat(levels))),
        ("case", format!("select {}1{}", "case when true then ".repeat(levels), " end".repeat(levels))),
        ("functions", format!("select {}1{}", "abs(".repeat(levels), ")".repeat(levels))),
        ("casts", format!("select 1{}", "::bigint".repeat(levels))),
        ("unions", format!("select 1{}", " union all select 1".repeat(levels))),
        ("joins", format!("select 1 from channels c{}", " cross join devices".repeat(levels))),
        ("subqueries", format!("select * from {}readings{}", "(select * from ".repeat(levels), ")".repeat(levels))),
        ("scalar subqueries", format!("select {}1{}", "(select ".repeat(levels), ")".repeat(levels))),
        ("in subqueries", format!("select 1 {}", "where 1 in (select 1 ".repeat(levels) + &")".repeat(levels))),
        ("brackets", "[".repeat(levels)),
        ("braces", format!("select {}", "{".repeat(levels))),
        ("commas", format!("select 1 from readings{}", ", readings".repeat(levels))),
        ("doubling columns", doubling(levels)),
        ("exists", format!("select {}true{}", "exists(select ".repeat(levels), ")".repeat(levels))),
    ]
}

/// Each level uses the column of the one below twice.
fn doubling(levels: usize) -> String {
    let (open, close) = ("select x + x as x from (".repeat(levels), ") t".repeat(levels));
    format!("select * from ({open}select value as x from readings{close}) q where x > 1")
}

#[tokio::test]
async fn deep_nesting_is_an_answer_or_an_error_but_never_the_end() {
    let town = town().await;
    for levels in [45, 150, 2_000, 100_000] {
        for (what, sql) in nested(levels) {
            let sql: String = sql.chars().take(SQL_BYTES_MAX).collect();
            if let Err(error) = ask(&town, &sql).await {
                assert_eq!(error.kind(), host::Kind::BadInput, "{levels} {what}: {error}");
            }
        }
    }
    check(&town, "select 1", "1").await;
}

#[tokio::test]
async fn a_query_that_doubles_with_every_step_is_refused() {
    let town = town().await;
    let mut sql = "with t0 as (select point from channels)".to_owned();
    for step in 1..40 {
        sql.push_str(&format!(", t{step} as (select point from t{0} union all select point from t{0})", step - 1));
    }
    sql.push_str(" select count(*) from t39");
    let message = refused(&town, &sql).await;
    assert!(message.contains("at most"), "{message}");
    let looped = "with recursive t as (select 'x' as a union all select a || a from t) select * from t";
    assert!(refused(&town, looped).await.contains("ecursive"));
    assert!(ask(&town, "select repeat('x', 1000000000)").await.is_err());
}

#[tokio::test]
async fn memory_rows_and_time_have_ends() {
    let town = town().await;
    let many = "generate_series(1, 100000000) t(x)";
    let small = Limits { memory_bytes_max: 4 << 20, ..limits() };
    let error =
        ask_under(small, &town, HOME, &format!("select x from {many} order by x % 1000")).await.expect_err("too much");
    assert!(matches!(error, Error::Memory { .. }), "{error}");
    let few = Limits { rows_max: 1_000, ..limits() };
    let error = ask_under(few, &town, HOME, &format!("select x from {many}")).await.expect_err("too many");
    assert!(matches!(error, Error::Rows { rows_max: 1_000 }), "{error}");
    let brief = Limits { time_max: Duration::from_millis(300), ..limits() };
    let endless = format!("select count(*) from {many} cross join generate_series(1, 1000000) u(y)");
    let error = ask_under(brief, &town, HOME, &endless).await.expect_err("too long");
    assert!(matches!(error, Error::Time { .. }), "{error}");
}

#[tokio::test]
async fn what_does_not_fit_into_memory_is_sorted_on_disk_where_there_is_one() {
    let town = town().await;
    let directory = tempfile::tempdir().expect("a directory");
    let spill = Some(Spill { directory: directory.path().into(), bytes_max: 1 << 30 });
    let sql = "select x, x * 2 from generate_series(1, 1000000) t(x) order by x % 1000, x";
    for megabytes in [12, 16, 24] {
        let small = Limits { memory_bytes_max: megabytes << 20, spill: spill.clone(), ..limits() };
        let rows = ask_under(small, &town, HOME, sql).await.expect("sorts");
        assert_eq!(rows.lines().count(), 1_000_000);
        assert!(rows.starts_with("1000,2000\n2000,4000\n"));
    }
    let left = std::fs::read_dir(directory.path()).expect("a directory").count();
    assert_eq!(left, 0, "spill files stay");
}

#[tokio::test]
async fn a_query_that_needs_no_disk_does_not_wait_for_one() {
    let town = town().await;
    let directory = tempfile::tempdir().expect("a directory").path().join("spill");
    let spill = Some(Spill { directory: directory.clone(), bytes_max: 1 << 30 });
    let sql = "select start from readings order by start";
    ask_under(Limits { spill, ..limits() }, &town, HOME, sql).await.expect("sorts");
    assert!(!directory.exists(), "something was made on the disk");
}

#[tokio::test]
async fn one_query_more_than_allowed_is_told_to_come_back() {
    let town = town().await;
    let one = Limits { queries_max: NonZeroUsize::MIN, ..limits() };
    let engine = Engine::new(one).expect("starts");
    let session = || engine.session(Principal { tenant: HOME }, town.clone());
    let first = session().query("select x from generate_series(1, 100000000) t(x)").await.expect("runs");
    let busy = session().query("select 1").await.err().expect("is told");
    assert!(matches!(busy, Error::Busy { running: 1 }), "{busy}");
    drop(first);
    // The place is free once the abandoned query has noticed.
    for _ in 0..200 {
        if let Ok(mut answer) = session().query("select 1").await {
            assert!(answer.next().await.expect("a row").is_ok());
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("an abandoned query keeps its place");
}

#[tokio::test]
async fn a_wrong_query_is_told_where() {
    let town = town().await;
    let place = |error: &Error| error.place().map(|p| (p.line, p.column));
    let error = ask(&town, "select point\nfrm readings").await.expect_err("wrong");
    assert_eq!(place(&error), Some((2, 5)), "{error}");
    let error = ask(&town, "select point,\n  nothing from readings").await.expect_err("wrong");
    assert_eq!(place(&error), Some((2, 3)), "{error}");
    assert!(error.to_string().contains("nothing"), "{error}");
    for sql in ["", "   ", ";", "--", "selec", "select * from nowhere", "select \u{0}", "select 'a", "ß"] {
        let error = ask(&town, sql).await.expect_err(sql);
        assert_eq!(error.kind(), host::Kind::BadInput, "{sql}: {error}");
    }
}

#[tokio::test]
async fn what_the_engine_counts_is_told() {
    let town = town().await;
    let engine = Engine::new(limits()).expect("starts");
    let answer = engine.session(Principal { tenant: HOME }, town.clone()).query("select * from readings").await;
    let rows: usize = answer.expect("runs").collect().await.expect("answers").iter().map(|b| b.num_rows()).sum();
    assert_eq!(rows, 6);
    let mut text = String::new();
    engine.render_metrics(&mut text);
    for line in ["meterhouse_query_queries_total 1", "meterhouse_query_rows_total 6", "meterhouse_query_running 0"] {
        assert!(text.contains(line), "{text}");
    }
}
