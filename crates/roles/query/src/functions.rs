//! What SQL can do here beyond the engine's own functions.
//!
//! Promise: an argument that cannot be meant is an error that says how to write
//! it; a place of the zone database is never guessed, a zone that is null is
//! an error and loses no rows.
//!
//! Read: `functions/arguments.rs`, `functions/local_day.rs`,
//! `functions/time_bucket.rs`, `functions/date_trunc.rs`, `functions/gapfill.rs`,
//! `functions/latest.rs`.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

mod arguments;
mod local_day;
mod time_bucket;
mod date_trunc;
mod gapfill;
mod latest;

pub use gapfill::BUCKETS_MAX;

/// Makes them known to every query.
pub(crate) fn register(state: &mut SessionState) {
    let takes_any = "a session's registry takes any function";
    state.register_udf(Arc::new(ScalarUDF::new_from_impl(local_day::LocalDay::new()))).expect(takes_any);
    state.register_udf(Arc::new(ScalarUDF::new_from_impl(time_bucket::TimeBucket::new()))).expect(takes_any);
    let engines = state.udf("date_trunc").expect("the engine truncates dates");
    let quick = date_trunc::DateTrunc::quicker_than(engines);
    state.register_udf(Arc::new(ScalarUDF::new_from_impl(quick))).expect(takes_any);
    state.register_udaf(Arc::new(AggregateUDF::new_from_impl(latest::Latest::new()))).expect(takes_any);
    state.register_udtf(gapfill::NAME, Arc::new(gapfill::Gapfill));
}

/// As the lake keeps its times.
fn instant_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn instant(micros: i64) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()))
}

/// The zone of those who name none.
fn utc_text() -> ScalarValue {
    ScalarValue::Utf8(Some("UTC".into()))
}
