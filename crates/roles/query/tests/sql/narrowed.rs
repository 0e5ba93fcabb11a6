//! What the lake narrows by itself gives the rows the engine would have kept.

use std::sync::Arc;

use meter::{Timestamp, Unit};
use proptest::prelude::*;
use query::{Engine, Principal};
use store::Snapshot;

use crate::lake::{HOME, Stored, Told, ask, check, limits, town};

/// The same condition, in a form nothing can take over.
fn hidden(condition: &str) -> String {
    format!("({condition}) is true")
}

#[tokio::test]
async fn narrowing_by_time_and_name_changes_no_answer() {
    let town = town().await;
    for condition in [
        "start >= '2024-01-01T00:30:00Z'",
        "start > '2024-01-01T00:30:00Z'",
        "start < '2024-02-01'",
        "start <= '2024-01-01T00:30:00Z'",
        "start = '2024-01-01T00:30:00Z'",
        "'2024-01-01T00:30:00Z' < start",
        "start between '2024-01-01' and '2024-01-31'",
        "start not between '2024-01-01' and '2024-01-31'",
        "start >= timestamp '2024-01-01 00:00:00.000000001'",
        "start > timestamp '2024-01-01 00:00:00.000000001' and start <= timestamp '2024-02-01'",
        "start >= date '2024-02-01'",
        "start < '2024-02-01' and start >= '2024-01-01T00:10:00+00:30'",
        "start > '2024-02-01' and start < '2024-01-01'",
        "point = 'NMI1'",
        "point = 'nmi1'",
        "point <> 'NMI1'",
        "point in ('NMI1', 'NMI2', 'NMI3')",
        "point not in ('NMI1')",
        "point = 'NMI1' and register = 'B1'",
        "point = 'NMI1' or register = 'E1'",
        "'NMI1' = point and channel in (64, 128)",
        "channel = 64 and channel = 65",
        "channel > 64",
        "channel >= 65 and channel >= 64 and channel = 128",
        "64 <= channel",
        "channel > 9223372036854775807",
        "channel > 64 or channel = 3",
        "channel >= 65 or start < '2024-01-15'",
        "channel > 64 and point = 'NMI1' and start < '2024-02-01'",
        "register = 'E1' and start < '2024-01-15'",
        "register like 'E%'",
        "commodity = 'electricity' and kind = 'interval' and flow = 'delivered' and phase = 'all'",
        "commodity = 'gas'",
        "device = 'METER-7'",
        "point is null",
        "quantity > 1.5 and start < '2024-02-01'",
        "unit = 'kWh' and point = 'NMI1'",
        "local_day(start, 'UTC') = date '2024-01-01'",
        "local_day(start, 'America/Chicago') = date '2023-12-31'",
        "local_day(start, 'America/Chicago') <> '2023-12-31'",
        "date '2024-01-31' < local_day(start, 'America/Chicago')",
        "local_day(start, '+14:00') in ('2024-01-01', '2024-02-01')",
        "local_day(start, 'UTC') not in ('2024-01-01')",
        "local_day(start, 'UTC') is distinct from '2024-01-01'",
        "local_day(start, 'UTC') between '2024-01-02' and '2024-02-01' and point = 'NMI1'",
        "local_day(start, 'UTC') > date '1700-01-01'",
        "local_day(end, 'UTC') = date '2024-01-01'",
        "local_day(start, 'UTC') = date '2300-01-01'",
        "time_bucket('1 month', start, 'Europe/Dublin') = '2024-02-01'",
        "time_bucket('1 month', start) < '2024-02-01T00:00:00Z'",
        "time_bucket('1 month', start) < '2024-02-01T00:00:00.000001Z'",
        "time_bucket('1 hour', start) = '2024-02-01T00:30:00Z'",
        "time_bucket('1 hour', start) >= timestamp '2024-02-01 00:00:00'",
        "time_bucket('1 hour', start) > '2024-01-01T00:00:00Z'",
        "time_bucket('1 hour', start) = '2024-01-01T00:30:00+00:30'",
    ] {
        let rows = |condition: &str| {
            format!("select point, register, start, value, scale from readings where {condition} order by 1, 2, 3")
        };
        let narrowed = ask(&town, &rows(condition)).await.unwrap_or_else(|e| panic!("{condition}: {e}"));
        let plain = ask(&town, &rows(&hidden(condition))).await.unwrap_or_else(|e| panic!("{condition}: {e}"));
        assert_eq!(narrowed, plain, "{condition}");
    }
}

#[tokio::test]
async fn what_is_narrowed_is_not_filtered_again() {
    let town = town().await;
    for (condition, taken) in [
        ("start >= '2024-01-01' and start < '2024-02-01'", true),
        ("start >= timestamp '2024-01-01' and point = 'NMI1'", true),
        ("start between '2024-01-01' and '2024-02-01'", true),
        ("point in ('NMI1', 'NMI2') and register = 'E1'", true),
        ("channel = 64", true),
        ("channel = 64 or channel = 65 or 66 = channel", true),
        ("point = 'NMI1' or register = 'E1'", false),
        ("quantity > 1", false),
        ("point like 'N%'", false),
        ("local_day(start, 'America/Chicago') = '2023-12-31'", true),
        ("local_day(start, 'America/Chicago') >= date '2023-12-31' and point = 'NMI1'", true),
        ("local_day(start, 'America/Chicago') between '2023-12-31' and '2024-01-31'", true),
        ("time_bucket('1 month', start, 'Europe/Dublin') = '2024-02-01'", true),
        ("time_bucket('1 month', start, 'Europe/Dublin') <= timestamp '2024-02-01'", true),
        // A beginning of no bucket, and a day of two parts.
        ("time_bucket('1 month', start, 'Europe/Dublin') < '2024-02-02'", false),
        ("local_day(start, 'America/St_Johns') = '2006-10-29'", false),
    ] {
        let plan =
            ask(&town, &format!("explain select quantity from readings where {condition}")).await.expect("plans");
        assert_eq!(!plan.contains("FilterExec"), taken, "{condition}: {plan}");
    }
}

/// Files left out and rows read for a query that is read to its end.
async fn looked_at(snapshot: &Arc<Snapshot>, sql: &str) -> (u64, u64) {
    let engine = Engine::new(limits()).expect("starts");
    let session = engine.session(Principal { tenant: HOME }, snapshot.clone());
    session.query(sql).await.expect("runs").collect().await.expect("answers");
    let mut text = String::new();
    engine.render_metrics(&mut text);
    let counted = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("meterhouse_query_{name}_total ")));
        line.expect("is counted").parse().expect("a number")
    };
    (counted("pruned_files"), counted("scanned_rows"))
}

#[tokio::test]
async fn a_local_day_reads_no_other_days() {
    // One file a day, a reading every half hour, days as they are in UTC.
    let at = |text: &str| Timestamp::parse(text).expect("a time").0;
    let day = |first: i64| {
        (0..48).fold(Told::new(), |told, n| {
            told.at((64, 1), &Timestamp(first + n * 1_800_000_000).to_string(), "1", "kWh", 0)
        })
    };
    let mut days = (at("2024-03-25T00:00:00Z")..at("2024-04-08T00:00:00Z")).step_by(86_400_000_000).map(day);
    let mut stored = Stored::of(&[(64, 1, "NMI1", "E1", Unit::KilowattHour)], days.next().expect("a day"));
    stored.readings.extend(days);
    let lake = stored.snapshot().await;
    for (condition, files, rows) in [
        ("local_day(start, 'Europe/Dublin') = date '2024-03-31'", 1, 46),
        ("local_day(start, 'Europe/Dublin') = '2024-04-01'", 2, 48),
        ("local_day(start, 'America/Chicago') = '2024-03-31'", 2, 48),
        ("local_day(start, 'UTC') >= date '2024-04-06'", 2, 96),
        ("time_bucket('1 week', start, 'Europe/Dublin') = '2024-03-25'", 7, 7 * 48 - 2),
        ("time_bucket('1 day', start, 'Europe/Dublin') = timestamp '2024-03-31 00:00:00'", 1, 46),
    ] {
        let sql = format!("select sum(quantity) from readings where {condition}");
        assert_eq!(looked_at(&lake, &sql).await, (14 - files, rows), "{condition}");
        check(&lake, &sql, &rows.to_string()).await;
        check(&lake, &sql.replace(condition, &hidden(condition)), &rows.to_string()).await;
    }
}

#[tokio::test]
async fn a_limit_and_a_count_read_no_more_than_they_need() {
    let town = town().await;
    check(&town, "select count(*) from (select 1 from readings limit 2)", "2").await;
    check(&town, "select count(*) from readings where start < '2024-02-01'", "3").await;
    check(&town, "select count(*) from readings where point = 'nobody'", "0").await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_window_of_time_and_channels_is_exact(
        minutes in proptest::collection::btree_set((0_i64..3, 0_i64..200_000), 1..80),
        from in 0_i64..200_000,
        length in 0_i64..100_000,
        asked in proptest::collection::btree_set(64_i64..67, 1..3),
    ) {
        let at = |minute: i64| Timestamp::from_seconds(1_700_000_000 + 60 * minute).expect("in range");
        let mut told = Told::new();
        for (channel, minute) in &minutes {
            told = told.at((64 + channel, 1), &at(*minute).to_string(), "1", "Wh", 0);
        }
        let named = [0, 1, 2].map(|n| (64 + n, 1, "NMI1", ["E1", "E2", "E3"][n as usize], Unit::WattHour));
        let inside = minutes.iter().filter(|(c, m)| asked.contains(&(64 + c)) && (from..from + length).contains(m)).count();
        let list = asked.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "select count(*) from readings where channel in ({list}) and start >= '{}' and start < '{}'",
            at(from), at(from + length)
        );
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("starts");
        let rows = runtime.block_on(async { ask(&Stored::of(&named, told).snapshot().await, &sql).await });
        let rows = rows.map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(rows.trim_end(), inside.to_string());
    }
}
