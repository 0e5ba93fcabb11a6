//! `time_bucket(width, at [, zone])`: the beginning of the bucket of an instant.
//!
//! Promise: buckets are those of [`Buckets`], at every place. A comparison with
//! the beginning of a bucket becomes a range of instants.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, TimestampMicrosecondType};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::arguments::{Zones, answer, column, constant, instant_of, width, width_of, zone, zone_of};
use super::{instant, instant_type, utc_text};
use crate::calendar::{Bucket, Buckets, Width, checked, wrong};

const NAME: &str = "time_bucket";

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TimeBucket {
    signature: Signature,
}

impl TimeBucket {
    pub(super) fn new() -> TimeBucket {
        TimeBucket { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [width, at] => Ok(vec![width_of(NAME, width)?, instant_of(NAME, at)?]),
            [width, at, zone] => Ok(vec![width_of(NAME, width)?, instant_of(NAME, at)?, zone_of(NAME, zone)?]),
            _ => Err(wrong(
                "time_bucket takes a width, an instant and perhaps a zone: time_bucket('1 day', start, 'Europe/Berlin')",
            )
            .into()),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(instant_type())
    }

    /// A wrong width or zone is told even where there are no rows.
    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        if let Some(Some(constant)) = args.scalar_arguments.first() {
            width(constant)?;
        }
        if let Some(Some(constant)) = args.scalar_arguments.get(2) {
            zone(constant)?;
        }
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(NAME, instant_type(), nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ColumnarValue::Scalar(constant) = &args.args[0] else {
            return Err(wrong("the width of time_bucket is one for all rows; write it as a constant").into());
        };
        let zones = args.args.get(2).cloned().unwrap_or_else(|| ColumnarValue::Scalar(utc_text()));
        let instants = column(&args.args[1], &args.args, args.number_rows)?;
        let made = buckets(width(constant)?, &instants, &mut Zones::of(&zones)?)?;
        answer(Arc::new(made.with_data_type(instant_type())) as ArrayRef, &args.args)
    }

    fn preimage(&self, args: &[Expr], compared: &Expr, _: &SimplifyContext) -> Result<PreimageResult> {
        let utc = utc_text();
        let place = args.get(2).map_or(Some(&utc), constant);
        let (Some(wide), Some(at), Some(place)) = (args.first().and_then(constant), args.get(1), place) else {
            return Ok(PreimageResult::None);
        };
        let Some(ScalarValue::TimestampMicrosecond(Some(from), _)) = constant(compared) else {
            return Ok(PreimageResult::None);
        };
        let (wide, place) = (width(wide)?, zone(place)?);
        // Of what is no beginning there is no bucket, and none to be compared with.
        let Some(bucket) = checked(*from).ok().map(|from| Buckets::new(wide, &place).of(from)) else {
            return Ok(PreimageResult::None);
        };
        if bucket.from != *from {
            return Ok(PreimageResult::None);
        }
        let interval = Box::new(Interval::try_new(instant(bucket.from), instant(bucket.before))?);
        Ok(PreimageResult::Range { expr: at.clone(), interval })
    }
}

fn buckets(width: Width, instants: &ArrayRef, zones: &mut Zones) -> crate::error::Result<TimestampMicrosecondArray> {
    let instants = instants.as_primitive::<TimestampMicrosecondType>();
    let one = matches!(zones, Zones::One(_));
    let mut made = Vec::with_capacity(instants.len());
    let mut last = Bucket { from: 0, before: 0 };
    for (row, at) in instants.values().iter().enumerate() {
        if !(one && last.holds(*at)) && instants.is_valid(row) {
            last = Buckets::new(width, &*zones.at(row)?).of(checked(*at)?);
        }
        made.push(last.from);
    }
    Ok(TimestampMicrosecondArray::new(made.into(), instants.nulls().cloned()))
}
