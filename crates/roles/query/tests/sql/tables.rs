//! What the eight tables show.

use crate::lake::{HOME, STRANGER, ask, ask_under, check, limits, refused, town};

#[tokio::test]
async fn a_reading_is_shown_with_its_names_and_its_quantity() {
    let town = town().await;
    check(
        &town,
        "select point, device, register, channel, start, end, span_us, quantity, quantity_unit, value, scale, unit \
         from readings where channel = 64 order by start limit 1",
        "NMI1,METER-7,E1,64,2024-01-01T00:00:00Z,2024-01-01T00:30:00Z,1800000000,1500,Wh,15,1,kWh",
    )
    .await;
    check(
        &town,
        "select quality, rank, reason, flags, commodity, kind, flow, phase, seq from readings where channel = 65",
        "A,4,,0,electricity,interval,delivered,all,1",
    )
    .await;
}

#[tokio::test]
async fn the_end_of_an_interval_needs_no_quotes() {
    let town = town().await;
    let count = "select count(*) from readings where end > '2024-01-01T00:30:00Z' and readings.end <= '2024-01-31'";
    check(&town, count, "1").await;
    check(
        &town,
        "select max(end), end - start from readings group by end, start order by end limit 1",
        "2024-01-01T00:30:00Z,PT1800S",
    )
    .await;
    check(
        &town,
        "select case when end > start then end end from readings order by end desc limit 1",
        "2024-02-01T01:00:00Z",
    )
    .await;
    check(&town, "select \"end\" as until from readings where channel = 65", "2024-01-01T00:30:00Z").await;
}

#[tokio::test]
async fn corrections_stand_and_what_they_correct_is_history() {
    let town = town().await;
    check(
        &town,
        "select quantity from readings where register = 'E1' and point = 'NMI1' order by start",
        "1500 | 260 | 3000",
    )
    .await;
    check(
        &town,
        "select start, quantity from readings_history order by start",
        "2024-01-01T00:30:00Z,250 | 2024-02-01T00:00:00Z,2000",
    )
    .await;
}

#[tokio::test]
async fn every_table_answers_and_counts() {
    let town = town().await;
    for (table, rows) in [
        ("readings", "6"),
        ("readings_history", "2"),
        ("channels", "3"),
        ("devices", "1"),
        ("sources", "1"),
        ("refused", "1"),
        ("events", "1"),
    ] {
        check(&town, &format!("select count(*) from {table}"), rows).await;
        let all = ask(&town, &format!("select * from {table}")).await.expect("answers");
        assert_eq!(all.lines().count().to_string(), rows, "{table}: {all}");
    }
}

#[tokio::test]
async fn the_other_tables_speak_words_not_codes() {
    let town = town().await;
    check(
        &town,
        "select point, register, kind, commodity, flow, unit, phase from channels where channel = 64",
        "NMI1,E1,interval,electricity,delivered,Wh,all",
    )
    .await;
    check(&town, "select device_id, device from devices", "7,METER-7").await;
    check(&town, "select door, last from sources", "http,true").await;
    check(&town, "select place_kind, place, excerpt from refused", "byte,1,own\\xff").await;
    check(&town, "select point, at, span_us from events", "own,1970-01-01T00:00:00.000001Z,1").await;
}

#[tokio::test]
async fn a_tenant_sees_itself_only_however_it_asks() {
    let town = town().await;
    let attempts = [
        "select * from readings",
        "select * from readings where 1 = 1 or point = 'SECRET'",
        "select * from readings where channel = 192",
        "select * from readings where channel in (64, 192)",
        "select * from readings where point in ('NMI1', 'SECRET')",
        "select r.*, c.* from readings r full outer join channels c on true",
        "with r as (select * from readings) select * from r union all select * from readings_history",
        "select (select max(point) from channels), (select max(device) from devices), (select max(object) from sources)",
        "select * from readings where exists (select 1 from channels c where c.point = 'SECRET')",
        "select * from meterhouse.public.readings",
        "select * from refused",
        "select * from events",
        "select * from sources",
        "select * from devices",
        "select * from channels",
        "select * from information_schema.tables",
        "select * from information_schema.columns",
        "select * from information_schema.views",
        "select * from information_schema.df_settings",
        "show tables",
        "show columns from readings",
        "describe readings",
        "explain verbose select * from readings where point = 'x'",
        "explain analyze select * from readings",
        "select point, lag(point) over (order by start) from readings",
        "select distinct string_agg(point, ',') from readings",
    ];
    for sql in attempts {
        let rows = ask(&town, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert!(!rows.contains("SECRET") && !rows.contains("666") && !rows.contains("668"), "{sql}: {rows}");
    }
    let other = ask_under(limits(), &town, STRANGER, "select point, quantity from readings order by start").await;
    assert_eq!(other.expect("answers"), "SECRET,666000\nSECRET,667000\nSECRET,668000\n");
    let nobody = ask_under(limits(), &town, meter::TenantId(3), "select count(*) from readings").await;
    assert_eq!(nobody.expect("answers"), "0\n");
}

#[tokio::test]
async fn the_catalogue_shows_the_eight_tables_and_itself() {
    let town = town().await;
    check(
        &town,
        "select table_name from information_schema.tables where table_schema = 'public' order by 1",
        "channels | devices | events | latest | readings | readings_history | refused | sources",
    )
    .await;
    check(&town, "select distinct table_catalog from information_schema.tables", "meterhouse").await;
    let hidden =
        ask(&town, "select column_name from information_schema.columns where column_name in ('tenant', 'key_id')")
            .await;
    assert_eq!(hidden.expect("answers"), "");
}

#[tokio::test]
async fn files_of_the_machine_are_no_tables() {
    let town = town().await;
    for sql in [
        "select * from '/etc/passwd'",
        "select * from \"/etc/passwd\"",
        "select * from 'file:///etc/hosts.csv'",
        "select * from read_csv('/etc/passwd')",
    ] {
        let message = refused(&town, sql).await;
        assert!(
            message.contains("not found") || message.contains("expected") || message.contains("Expected"),
            "{sql}: {message}"
        );
    }
    assert_eq!(ask_under(limits(), &town, HOME, "select 1").await.expect("answers"), "1\n");
}
