//! `local_day(at, zone)`: the calendar day of an instant at a place.
//!
//! Promise: the day its clock shows at that instant. A comparison with a
//! constant day becomes a range of instants where it says the same, so that the
//! lake reads no other days.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Date32Array};
use datafusion::arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::arguments::{Zones, answer, column, constant, instant_of, zone, zone_of};
use super::instant;
use crate::calendar::{checked, wrong};

const NAME: &str = "local_day";

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct LocalDay {
    signature: Signature,
}

impl LocalDay {
    pub(super) fn new() -> LocalDay {
        LocalDay { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for LocalDay {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [at, zone] = given else {
            return Err(wrong("local_day takes an instant and a zone: local_day(start, 'Europe/Berlin')").into());
        };
        Ok(vec![instant_of(NAME, at)?, zone_of(NAME, zone)?])
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Date32)
    }

    /// A wrong zone is told even where there are no rows.
    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<datafusion::arrow::datatypes::FieldRef> {
        if let [_, Some(constant)] = args.scalar_arguments {
            zone(constant)?;
        }
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(datafusion::arrow::datatypes::Field::new(NAME, DataType::Date32, nullable).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let instants = column(&args.args[0], &args.args, args.number_rows)?;
        let made = days(&instants, &mut Zones::of(&args.args[1])?)?;
        answer(std::sync::Arc::new(made) as ArrayRef, &args.args)
    }

    fn preimage(&self, args: &[Expr], compared: &Expr, _: &SimplifyContext) -> Result<PreimageResult> {
        let [at, place] = args else { return Ok(PreimageResult::None) };
        let (Some(place), Some(ScalarValue::Date32(Some(day)))) = (constant(place), constant(compared)) else {
            return Ok(PreimageResult::None);
        };
        let Some((from, before)) = zone(place)?.whole_day(i64::from(*day)) else { return Ok(PreimageResult::None) };
        let interval = Box::new(Interval::try_new(instant(from), instant(before))?);
        Ok(PreimageResult::Range { expr: at.clone(), interval })
    }
}

/// Instants follow each other: the last day's part of the clock is kept.
fn days(instants: &ArrayRef, zones: &mut Zones) -> crate::error::Result<Date32Array> {
    let instants = instants.as_primitive::<TimestampMicrosecondType>();
    let one = matches!(zones, Zones::One(_));
    let mut made = Vec::with_capacity(instants.len());
    let (mut from, mut before, mut day) = (0, 0, 0);
    for (row, at) in instants.values().iter().enumerate() {
        if !(one && from <= *at && *at < before) {
            if instants.is_null(row) {
                made.push(0);
                continue;
            }
            let (part, number) = zones.at(row)?.day(checked(*at)?);
            day = i32::try_from(number).expect("the lake's years have fewer days");
            (from, before) = (part.from, part.before);
        }
        made.push(day);
    }
    Ok(Date32Array::new(made.into(), instants.nulls().cloned()))
}
