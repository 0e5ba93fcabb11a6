//! `gapfill(from, before, width [, zone])`: a row for each bucket of a time,
//! whether or not there are readings in it.
//!
//! Promise: its rows are exactly the buckets of `time_bucket` that share time
//! with what was asked for, in order, made as they are read; no more than
//! [`BUCKETS_MAX`], or an error before the first.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::arguments::{constant, width, zone};
use super::{instant_type, utc_text};
use crate::calendar::{Buckets, DAY, Width, Zone, checked, wrong};
use crate::error::Error;

/// Every quarter of an hour of 28 years.
pub const BUCKETS_MAX: i64 = 1_000_000;

pub(super) const NAME: &str = "gapfill";

#[derive(Debug)]
pub(super) struct Gapfill;

impl TableFunctionImpl for Gapfill {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let constants: Option<Vec<&ScalarValue>> = args.exprs().iter().map(constant).collect();
        let constants = constants.ok_or_else(|| wrong("gapfill takes constants only"))?;
        let utc = utc_text();
        let (from, before, wide, place) = match constants[..] {
            [from, before, wide] => (from, before, wide, &utc),
            [from, before, wide, place] => (from, before, wide, place),
            _ => {
                let usage = "gapfill('2024-01-01', '2024-02-01', '1 hour', 'Europe/Berlin')";
                return Err(wrong(format!("gapfill takes two times, a width and perhaps a zone: {usage}")).into());
            }
        };
        Ok(Arc::new(Asked::new(from, before, width(wide)?, zone(place)?)?))
    }
}

/// The buckets of one call.
#[derive(Clone, Debug)]
struct Asked {
    from: i64,
    before: i64,
    width: Width,
    zone: Arc<Zone>,
    schema: SchemaRef,
}

impl Asked {
    fn new(from: &ScalarValue, before: &ScalarValue, width: Width, zone: Arc<Zone>) -> Result<Asked, Error> {
        let (from, before) = (time(from, &zone)?, time(before, &zone)?);
        if from > before {
            return Err(wrong("gapfill ends before it begins; write the earlier time first"));
        }
        if width.count_max(before - from) > BUCKETS_MAX {
            return Err(wrong(format!("gapfill would give more than {BUCKETS_MAX} rows; widen or narrow it")));
        }
        let field = |name: &str| Field::new(name, instant_type(), false);
        let schema = Arc::new(Schema::new(vec![field("bucket"), field("bucket_end")]));
        Ok(Asked { from, before, width, zone, schema })
    }
}

/// An instant, or a day or time at the place.
fn time(given: &ScalarValue, zone: &Zone) -> Result<i64, Error> {
    if let ScalarValue::Date32(Some(day)) = given {
        return checked(zone.reached(i64::from(*day) * DAY));
    }
    if let Some(text) = given.try_as_str().flatten() {
        return of_text(text, zone);
    }
    let refused = || wrong(format!("gapfill takes times such as '2024-01-01', not {given}"));
    let cast = given.cast_to(&instant_type()).map_err(|_| refused())?;
    match (given, cast) {
        (
            ScalarValue::TimestampSecond(..)
            | ScalarValue::TimestampMillisecond(..)
            | ScalarValue::TimestampMicrosecond(..)
            | ScalarValue::TimestampNanosecond(..),
            ScalarValue::TimestampMicrosecond(Some(at), _),
        ) => checked(at),
        _ => Err(refused()),
    }
}

fn of_text(text: &str, zone: &Zone) -> Result<i64, Error> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return checked(at.as_microsecond());
    }
    let unknown = || {
        let said: String = text.chars().take(40).collect();
        wrong(format!("{said:?} is no time; write '2024-01-01', '2024-01-01T06:00' or '2024-01-01T06:00:00Z'"))
    };
    let civil: DateTime = text.trim().parse().map_err(|_| unknown())?;
    let wall = Offset::UTC.to_timestamp(civil).map_err(|_| unknown())?.as_microsecond();
    checked(zone.reached(checked(wall)?))
}

#[async_trait]
impl TableProvider for Asked {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let made = Made { asked: self.clone(), batch_rows: state.config().batch_size() };
        let stream: Arc<dyn PartitionStream> = Arc::new(made);
        Ok(Arc::new(StreamingTableExec::try_new(self.schema.clone(), vec![stream], projection, [], false, limit)?))
    }
}

/// The rows on their way.
#[derive(Debug)]
struct Made {
    asked: Asked,
    batch_rows: usize,
}

impl PartitionStream for Made {
    fn schema(&self) -> &SchemaRef {
        &self.asked.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (asked, rows) = (self.asked.clone(), self.batch_rows.max(1));
        let mut at = asked.from;
        let batches = std::iter::from_fn(move || {
            (at < asked.before).then(|| {
                let (batch, next) = batch(&asked, at, rows)?;
                at = next;
                Ok(batch)
            })
        });
        Box::pin(RecordBatchStreamAdapter::new(self.asked.schema.clone(), futures::stream::iter(batches)))
    }
}

/// At most so many buckets from the one of `at` on, and where the next begins.
fn batch(asked: &Asked, mut at: i64, rows: usize) -> Result<(RecordBatch, i64)> {
    let mut buckets = Buckets::new(asked.width, &asked.zone);
    let (mut from, mut before) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    while at < asked.before && from.len() < rows {
        let bucket = buckets.of(at);
        from.push(bucket.from);
        before.push(bucket.before);
        at = bucket.before;
    }
    let options = RecordBatchOptions::new().with_row_count(Some(from.len()));
    let column = |instants: Vec<i64>| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(instants).with_data_type(instant_type()))
    };
    let columns = vec![column(from), column(before)];
    Ok((RecordBatch::try_new_with_options(asked.schema.clone(), columns, &options)?, at))
}
