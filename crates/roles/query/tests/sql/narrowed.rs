//! What the lake narrows by itself gives the rows the engine would have kept.

use meter::{Timestamp, Unit};
use proptest::prelude::*;

use crate::lake::{Stored, Told, ask, check, town};

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
        "register = 'E1' and start < '2024-01-15'",
        "register like 'E%'",
        "commodity = 'electricity' and kind = 'interval' and flow = 'delivered' and phase = 'all'",
        "commodity = 'gas'",
        "device = 'METER-7'",
        "point is null",
        "quantity > 1.5 and start < '2024-02-01'",
        "unit = 'kWh' and point = 'NMI1'",
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
    ] {
        let plan =
            ask(&town, &format!("explain select quantity from readings where {condition}")).await.expect("plans");
        assert_eq!(!plan.contains("FilterExec"), taken, "{condition}: {plan}");
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
