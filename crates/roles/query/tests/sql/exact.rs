//! Numbers: every digit, or an error.

use arrow::array::RecordBatch;
use meter::Unit;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use query::{Engine, Error, Format, Principal};

use crate::lake::{HOME, Stored, Told, ask, check, limits, refused, town};

#[tokio::test]
async fn eighteen_decimals_survive_a_sum() {
    let town = town().await;
    check(&town, "select sum(quantity) from readings where point = 'NMI2'", "4.000000000000000001").await;
    check(
        &town,
        "select point, sum(quantity) from readings group by point order by point",
        "NMI1,4885 | NMI2,4.000000000000000001",
    )
    .await;
    check(&town, "select sum(quantity * 0.5) from readings where register = 'B1'", "62.5").await;
    check(&town, "select arrow_typeof(sum(quantity)), arrow_typeof(avg(quantity)), arrow_typeof(quantity * 2) from readings group by quantity limit 1",
        "\"Decimal128(38, 18)\",\"Decimal128(38, 18)\",\"Decimal128(38, 18)\"").await;
}

#[tokio::test]
async fn a_parquet_answer_is_the_arrow_answer() {
    let town = town().await;
    let engine = Engine::new(limits()).expect("starts");
    let sql = "select *, end - start as length, local_day(start, 'Europe/Dublin') as day from readings";
    let session = engine.session(Principal { tenant: HOME }, town.clone());
    let batches = session.query(sql).await.expect("runs").collect().await.expect("answers");
    let format = Format::from_name("parquet").expect("is known");
    assert_eq!(format.content_type(), "application/vnd.apache.parquet");
    for (sql, rows) in [(sql.to_owned(), 6), (format!("{sql} where false"), 0)] {
        let mut file = tempfile::tempfile().expect("a file");
        session.query(&sql).await.expect("runs").write(format, &mut file).await.expect("is written");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("parquet");
        assert_eq!(reader.schema().fields(), batches[0].schema().fields(), "{sql}");
        let read: Vec<_> = reader.build().expect("parquet").map(|batch| batch.expect("whole")).collect();
        assert_eq!(read.iter().map(|batch| batch.num_rows()).sum::<usize>(), rows);
        for column in ["quantity", "start", "length", "point"].into_iter().filter(|_| rows > 0) {
            let of = |batches: &[RecordBatch]| {
                let all = arrow::compute::concat_batches(&batches[0].schema(), batches).expect("alike");
                let order = all.column_by_name("start").zip(all.column_by_name("channel")).expect("columns");
                let key = |column: &arrow::array::ArrayRef| arrow::compute::SortColumn {
                    values: column.clone(),
                    options: None,
                };
                let order = arrow::compute::lexsort_to_indices(&[key(order.0), key(order.1)], None).expect("sorts");
                arrow::compute::take(all.column_by_name(column).expect("is there"), &order, None).expect("takes")
            };
            assert_eq!(&of(&read), &of(&batches), "{column}");
        }
    }
}

#[tokio::test]
async fn a_mean_of_decimals_is_a_decimal() {
    let town = town().await;
    check(&town, "select avg(quantity) from readings where channel in (64, 65)", "1221.25").await;
    check(&town, "select avg(x) from (values (cast(1 as decimal(10,2))), (cast(2 as decimal(10,2))), (cast(2 as decimal(10,2)))) t(x)", "1.666667").await;
    check(&town, "select avg(quantity) from readings where point = 'none'", "\"\"").await;
}

#[tokio::test]
async fn a_sum_that_does_not_fit_is_an_error_and_never_wraps() {
    let town = town().await;
    let most = "99999999999999999999999999999999999999";
    let three = format!("(values ({most}), ({most}), (-{most})) t(x)");
    check(&town, &format!("select sum(x) from {three}"), most).await;
    let two = format!("(values (1, {most}), (1, {most})) t(g, x)");
    for sql in [
        format!("select sum(x) from {two}"),
        format!("select g, sum(x) from {two} group by g"),
        format!("select sum(x) over (order by g rows unbounded preceding) from {two}"),
        "select sum(x) from (values (9223372036854775807), (1)) t(x)".to_owned(),
        "select sum(x) filter (where x > 0) from (values (9223372036854775807), (1), (-5)) t(x)".to_owned(),
    ] {
        let error = ask(&town, &sql).await.expect_err(&sql);
        assert!(matches!(error, Error::Overflow { function: "sum", .. }), "{sql}: {error}");
    }
    check(&town, "select sum(x) from (values (9223372036854775807), (1), (-1)) t(x)", "9223372036854775807").await;
}

#[tokio::test]
async fn sums_in_windows_and_over_distinct_values_are_exact_too() {
    let town = town().await;
    let values = "(values (1, 1.5), (2, 1.5), (3, 2.25), (4, null)) t(n, x)";
    check(
        &town,
        &format!("select sum(x) over (order by n rows between 1 preceding and current row) from {values} order by n"),
        "1.5 | 3 | 3.75 | 2.25",
    )
    .await;
    check(
        &town,
        &format!("select sum(distinct x), avg(distinct x), count(distinct n), sum(x) from {values}"),
        "3.75,1.875,4,5.25",
    )
    .await;
    check(&town, &format!("select sum(x) from {values} where n > 9"), "\"\"").await;
    check(&town, "select sum(x) from (values (1.5e0::double), (2::double)) t(x)", "3.5").await;
}

#[tokio::test]
async fn arithmetic_on_decimals_does_not_wrap_either() {
    let town = town().await;
    let most = "99999999999999999999999999999999999999";
    for sql in [
        format!("select {most} * {most}"),
        format!("select x * x from (values ({most})) t(x)"),
        "select 1.0 / 0".to_owned(),
    ] {
        let error = ask(&town, &sql).await.expect_err(&sql);
        assert_eq!(error.kind(), host::Kind::BadInput, "{sql}: {error}");
    }
}

#[tokio::test]
async fn a_unit_that_has_no_exact_quantity_is_named_with_its_channel() {
    let named = [(64, 1, "NMI1", "E1", Unit::KilowattHour)];
    let joule = Told::new().at((64, 1), "2024-01-01T00:00:00Z", "1", "J", 0);
    let lake = Stored::of(&named, joule).snapshot().await;
    let message = refused(&lake, "select sum(quantity) from readings").await;
    assert!(message.starts_with("channel 64 (NMI1 E1), reading 1 \"J\": no exact quantity in \"kWh\""), "{message}");
    check(&lake, "select value, scale, unit from readings", "1,0,J").await;
    let volt = Told::new().at((64, 1), "2024-01-01T00:00:00Z", "1", "V", 0);
    let lake = Stored::of(&named, volt).snapshot().await;
    assert!(refused(&lake, "select quantity from readings").await.contains("\"V\""));
    check(&lake, "select count(*) from readings", "1").await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn sums_by_group_are_those_of_plain_integers(values in proptest::collection::vec((0_i64..4, any::<i64>(), 0_u8..=18), 1..60)) {
        let mut told = Told::new();
        let mut expected = std::collections::BTreeMap::new();
        for (minute, (channel, value, scale)) in values.iter().enumerate() {
            let value = meter::Decimal::new(*value, *scale);
            let start = meter::Timestamp::from_seconds(1_700_000_000 + 60 * minute as i64).expect("in range").to_string();
            told = told.at((64 + channel, 1), &start, &value.to_string(), "Wh", 0);
            *expected.entry(64 + channel).or_insert(0_i128) += value.at_scale_18();
        }
        let named = [0, 1, 2, 3].map(|n| (64 + n, 1, "NMI1", ["E1", "E2", "E3", "E4"][n as usize], Unit::WattHour));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("starts");
        let rows = runtime.block_on(async {
            let lake = Stored::of(&named, told).snapshot().await;
            ask(&lake, "select channel, sum(quantity) from readings group by channel order by channel").await
        });
        let rows = rows.map_err(|e| TestCaseError::fail(e.to_string()))?;
        let lines: Vec<String> = expected.iter().map(|(channel, sum)| format!("{channel},{}", unscaled(*sum))).collect();
        prop_assert_eq!(rows.trim_end(), lines.join("\n"));
    }
}

/// `sum` × 10^-18 as people write it.
fn unscaled(sum: i128) -> String {
    let sign = if sum < 0 { "-" } else { "" };
    let (whole, rest) = (sum.unsigned_abs() / 10_u128.pow(18), sum.unsigned_abs() % 10_u128.pow(18));
    let text = format!("{sign}{whole}.{rest:018}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
