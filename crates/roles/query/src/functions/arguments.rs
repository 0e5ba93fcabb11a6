//! The arguments that functions of time share: instants, zones and widths.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::datatypes::{DataType, IntervalUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{ColumnarValue, Expr};

use super::instant_type;
use crate::calendar::{Width, Zone, wrong};
use crate::error::Result;

/// What an instant is cast to. A date is none: at which hour would it be?
pub(super) fn instant_of(function: &str, given: &DataType) -> Result<DataType> {
    match given {
        DataType::Timestamp(..) | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
            Ok(instant_type())
        }
        other => Err(wrong(format!("{function} takes an instant such as start, not {other}"))),
    }
}

pub(super) fn zone_of(function: &str, given: &DataType) -> Result<DataType> {
    match given {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => Ok(DataType::Utf8),
        other => Err(wrong(format!("{function} takes a zone such as 'Europe/Berlin', not {other}"))),
    }
}

pub(super) fn width_of(function: &str, given: &DataType) -> Result<DataType> {
    match given {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => Ok(DataType::Utf8),
        DataType::Interval(_) => Ok(DataType::Interval(IntervalUnit::MonthDayNano)),
        other => Err(wrong(format!("{function} takes a width such as '15 minutes', not {other}"))),
    }
}

pub(super) fn zone(constant: &ScalarValue) -> Result<Arc<Zone>> {
    let name = constant.try_as_str().flatten();
    Zone::named(name.ok_or_else(|| wrong("the zone is null; name one, such as 'Europe/Berlin'"))?)
}

pub(super) fn width(constant: &ScalarValue) -> Result<Width> {
    match constant {
        ScalarValue::IntervalMonthDayNano(Some(interval)) => Width::of_interval(*interval),
        other => match other.try_as_str().flatten() {
            Some(text) => Width::parse(text),
            None => Err(wrong("the width is null; write one, such as '15 minutes'")),
        },
    }
}

/// A constant of a plan.
pub(super) fn constant(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

/// The zone of each row.
pub(super) enum Zones {
    One(Arc<Zone>),
    Each { names: StringArray, last: Option<(usize, Arc<Zone>)> },
}

impl Zones {
    pub(super) fn of(given: &ColumnarValue) -> Result<Zones> {
        match given {
            ColumnarValue::Scalar(constant) => Ok(Zones::One(zone(constant)?)),
            ColumnarValue::Array(names) => Ok(Zones::Each { names: names.as_string::<i32>().clone(), last: None }),
        }
    }

    /// Rows of one place follow each other.
    pub(super) fn at(&mut self, row: usize) -> Result<Arc<Zone>> {
        match self {
            Zones::One(zone) => Ok(zone.clone()),
            Zones::Each { names, last } => {
                let name = names.is_valid(row).then(|| names.value(row));
                match last {
                    Some((before, zone)) if name == Some(names.value(*before)) => Ok(zone.clone()),
                    _ => {
                        let zone = zone(&ScalarValue::Utf8(name.map(str::to_owned)))?;
                        *last = Some((row, zone.clone()));
                        Ok(zone)
                    }
                }
            }
        }
    }
}

/// A column as long as the batch; one row, if every argument is constant.
pub(super) fn column(given: &ColumnarValue, all: &[ColumnarValue], rows: usize) -> datafusion::error::Result<ArrayRef> {
    given.to_array(if is_constant(all) { 1 } else { rows })
}

/// Constant arguments have a constant answer.
pub(super) fn answer(made: ArrayRef, all: &[ColumnarValue]) -> datafusion::error::Result<ColumnarValue> {
    if is_constant(all) {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&made, 0)?));
    }
    Ok(ColumnarValue::Array(made))
}

fn is_constant(all: &[ColumnarValue]) -> bool {
    all.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)))
}
