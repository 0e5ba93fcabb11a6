//! The examples of the reference are what the engine answers, and functions of
//! time say what is wrong with an argument.

use std::sync::Arc;

use futures::StreamExt;
use meter::{Timestamp, Unit};
use query::{Engine, Error, Format, Principal};
use store::Snapshot;

use crate::lake::{HOME, Stored, Told, ask, check, limits, refused, town};

const REFERENCE: &str = include_str!("../../../../../docs/reference/functions.md");

/// The meter the reference speaks of.
async fn house() -> Arc<Snapshot> {
    let at = |text: &str| Timestamp::parse(text).expect("a time").0;
    let half_hours = (at("2024-03-30T00:00:00Z")..at("2024-04-01T23:00:00Z")).step_by(1_800_000_000);
    let gap = at("2024-04-01T02:00:00Z")..at("2024-04-01T04:00:00Z");
    let told = half_hours
        .filter(|start| !gap.contains(start))
        .fold(Told::new(), |told, start| told.at((64, 1), &Timestamp(start).to_string(), "0.25", "kWh", 0));
    Stored::of(&[(64, 1, "HOUSE", "E1", Unit::KilowattHour)], told).snapshot().await
}

/// Each `sql` block with the block behind it.
fn examples(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once("```sql\n") {
        let (sql, behind) = behind.split_once("\n```\n").expect("a block ends");
        let answer = behind.strip_prefix("```\n").unwrap_or_else(|| panic!("no answer behind {sql}"));
        let (answer, behind) = answer.split_once("\n```\n").expect("a block ends");
        found.push((sql, answer));
        rest = behind;
    }
    found
}

/// As CSV with its header, or the error.
async fn answered(snapshot: &Arc<Snapshot>, sql: &str) -> String {
    let engine = Engine::new(limits()).expect("starts");
    let session = engine.session(Principal { tenant: HOME }, snapshot.clone());
    let mut bytes = Vec::new();
    let written = match session.query(sql).await {
        Ok(answer) => answer.write(Format::Csv, &mut bytes).await,
        Err(error) => Err(error),
    };
    match written {
        Ok(()) => String::from_utf8(bytes).expect("text"),
        Err(error) => format!("error: {error}"),
    }
}

#[tokio::test]
async fn every_example_of_the_reference_is_answered_as_it_says() {
    let house = house().await;
    let examples = examples(REFERENCE);
    assert!(examples.len() >= 9, "only {} examples were found", examples.len());
    for (sql, expected) in examples {
        assert_eq!(answered(&house, sql).await.trim_end(), expected, "{sql}");
    }
}

#[tokio::test]
async fn an_argument_that_cannot_be_meant_is_an_error_that_says_so() {
    let town = town().await;
    for (sql, said) in [
        ("select local_day(start, null) from readings", "zone is null"),
        ("select local_day(start, '') from readings", "zone \"\""),
        ("select local_day(start, 'Nowhere') from readings where false", "Nowhere"),
        ("select 1 from readings where local_day(start, 'Nowhere') = date '2024-01-01'", "Nowhere"),
        ("select local_day(start) from readings", "takes an instant and a zone"),
        ("select local_day(value, 'UTC') from readings", "takes an instant"),
        ("select local_day(date '2024-01-01', 'UTC')", "takes an instant"),
        ("select local_day(start, 7) from readings", "takes a zone"),
        ("select local_day('0001-01-01T00:00:00Z', 'UTC')", "1900 to 2200"),
        ("select local_day('yesterday', 'UTC')", "yesterday"),
        ("select local_day(start, case when value > 0 then point end) from readings", "NMI"),
        ("select time_bucket('0 hours', start) from readings", "above zero"),
        ("select time_bucket('-1 day', start) from readings", "above zero"),
        ("select time_bucket(interval '-1 day', start) from readings", "above zero"),
        ("select time_bucket(interval '1 day 1 hour', start) from readings", "mixes units"),
        ("select time_bucket('1000000 years', start) from readings", "100 years"),
        ("select time_bucket('24 hours', start) from readings", "in days"),
        ("select time_bucket('', start) from readings", "not understood"),
        ("select time_bucket(null, start) from readings", "width is null"),
        ("select time_bucket('1 day', start, null) from readings", "zone is null"),
        ("select time_bucket(point, start) from readings", "constant"),
        ("select time_bucket('1 day') from readings", "takes a width"),
        ("select time_bucket('1 day', '2201-01-01T00:00:00Z')", "1900 to 2200"),
        ("select * from gapfill('2024-01-01', '2024-01-02')", "two times"),
        ("select * from gapfill('2024-01-02', '2024-01-01', '1 hour')", "ends before it begins"),
        ("select * from gapfill('2024-01-01', null, '1 hour')", "times such as"),
        ("select * from gapfill(1, 2, '1 hour')", "times such as"),
        ("select * from gapfill('2024-01-01', '2024-01-02', null)", "width is null"),
        ("select * from gapfill('2024-01-01', '2024-01-02', '1 hour', null)", "zone is null"),
        ("select * from gapfill('2024-01-01', '2024-01-02', '1 hour', 'Nowhere')", "Nowhere"),
        ("select * from gapfill('2024-01-01', '2024-01-02', '0 hours')", "above zero"),
        ("select * from gapfill('1899-12-31', '2199-01-01', '1 day')", "1900 to 2200"),
        ("select * from gapfill('1900-01-01', '2199-12-31', '1 minute')", "more than 1000000"),
        ("select * from gapfill('whenever', '2024-01-02', '1 hour')", "no time"),
        ("select latest(quantity) from readings", "value and its time"),
        ("select latest(struct(value), start) from readings", "takes a number"),
        ("select latest(quantity, point) from readings", "NMI"),
    ] {
        let error = ask(&town, sql).await.expect_err(sql);
        assert!(matches!(error, Error::Sql { .. }), "{sql}: {error:?}");
        assert!(error.to_string().contains(said), "{sql}: {error}");
    }
}

#[tokio::test]
async fn a_query_that_asks_for_now_is_told_one_time() {
    let house = house().await;
    let sql = "select count(*) as past, count(distinct now()) as times from readings where start < now() - interval '1 day' \
        and current_date > date '2024-05-01'";
    let half_hours = answered(&house, "select count(*) as n from readings").await;
    assert_eq!(answered(&house, sql).await, format!("past,times\n{},1\n", half_hours.lines().nth(1).expect("a row")));
}

#[tokio::test]
async fn nothing_has_no_day_and_no_bucket() {
    let town = town().await;
    check(&town, "select local_day(null, 'UTC'), time_bucket('1 day', null)", ",").await;
    check(&town, "select latest(null, null), latest(value, null) from readings", ",").await;
    check(&town, "select count(*) from gapfill('2024-01-01', '2024-01-01', '1 hour')", "0").await;
    check(&town, "select latest(quantity, start) from readings where point = 'none'", "\"\"").await;
}

#[tokio::test]
async fn each_row_may_have_its_own_zone() {
    let town = town().await;
    let places = "(values ('UTC', 1), ('+10:00', 2), ('America/Chicago', 3), ('America/Chicago', 4)) t(zone, n)";
    check(
        &town,
        &format!("select local_day('2024-01-01T15:00:00Z', zone), time_bucket('1 day', '2024-01-01T02:00:00Z', zone) from {places} order by n"),
        "2024-01-01,2024-01-01T00:00:00Z | 2024-01-02,2023-12-31T14:00:00Z | 2024-01-01,2023-12-31T06:00:00Z | \
         2024-01-01,2023-12-31T06:00:00Z",
    )
    .await;
    let unnamed = "select local_day(start, nullif(point, 'NMI1')) from readings where point = 'NMI1'";
    assert!(refused(&town, unnamed).await.contains("zone is null"));
}

#[tokio::test]
async fn a_day_of_the_bill_is_a_group() {
    let town = town().await;
    check(
        &town,
        "select local_day(start, 'America/Chicago'), sum(quantity) from readings where point = 'NMI1' \
         group by local_day(start, 'America/Chicago') order by 1",
        "2023-12-31,1885 | 2024-01-31,3000",
    )
    .await;
}

#[tokio::test]
async fn the_latest_value_does_not_depend_on_the_order_of_rows() {
    let town = town().await;
    let rows = [
        "('2024-01-01T00:00:00Z', 5, 'a')",
        "('2024-01-02T00:00:00Z', 3, 'a')",
        "('2024-01-02T00:00:00Z', 4, 'a')",
        "('2024-01-02T00:00:00Z', 2, 'b')",
        "('2024-01-03T00:00:00Z', null, 'a')",
        "(null, 9, 'a')",
        "('2024-01-01T00:00:00Z', 1, 'b')",
    ];
    for turn in 0..rows.len() {
        let mut rows = rows;
        rows.rotate_left(turn);
        let values = format!("(values {}) t(at, v, g)", rows.join(", "));
        check(&town, &format!("select latest(v, at) from {values}"), "4").await;
        check(&town, &format!("select g, latest(v, at) from {values} group by g order by g"), "a,4 | b,2").await;
    }
    check(
        &town,
        "select point, latest(quantity, start) from readings group by point order by point",
        "NMI1,3000 | NMI2,4",
    )
    .await;
    check(&town, "select arrow_typeof(latest(quantity, start)) from readings", "\"Decimal128(38, 18)\"").await;
}

#[tokio::test]
async fn a_gap_of_many_buckets_comes_in_pieces() {
    let town = town().await;
    let year = "gapfill('2024-01-01', '2025-01-01', '15 minutes', 'Europe/Dublin')";
    check(
        &town,
        &format!("select count(*), count(distinct bucket), min(bucket), max(bucket_end) from {year}"),
        "35136,35136,2024-01-01T00:00:00Z,2025-01-01T00:00:00Z",
    )
    .await;
    check(
        &town,
        &format!("select bucket_end from {year} where bucket >= '2024-06-01' order by 1 limit 1"),
        "2024-06-01T00:15:00Z",
    )
    .await;
    check(
        &town,
        "select * from gapfill(date '2024-03-31', timestamp '2024-03-31 23:00:00', interval '1 day', 'Europe/Dublin')",
        "2024-03-31T00:00:00Z,2024-03-31T23:00:00Z",
    )
    .await;
    let most = "select count(*) from gapfill('2000-01-01', '2028-01-01', '15 minutes', 'Europe/Dublin')";
    check(&town, most, "981792").await;
    // What is not wanted is not made.
    let engine = Engine::new(limits()).expect("starts");
    let asked =
        engine.session(Principal { tenant: HOME }, town.clone()).query(&format!("select * from {year} limit 1")).await;
    assert_eq!(asked.expect("runs").next().await.expect("a row").expect("a row").num_rows(), 1);
}
