//! `latest(value, at)`: the value at the latest time.
//!
//! Promise: exactly the value as it is, whatever the order of rows and however
//! they are shared out: rows without a value or a time do not count, and of two
//! at the same time the greater value stands.

use std::cmp::Ordering;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, make_comparator};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, TimestampMicrosecondType};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, ReversedUDAF, Signature, Volatility};

use super::arguments::instant_of;
use super::{instant, instant_type};
use crate::calendar::wrong;

const NAME: &str = "latest";

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Latest {
    signature: Signature,
}

impl Latest {
    pub(super) fn new() -> Latest {
        Latest { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for Latest {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [value, at] = given else {
            return Err(wrong("latest takes a value and its time: latest(quantity, start)").into());
        };
        if value.is_nested() {
            return Err(wrong(format!("latest takes a number, a text or a time, not {value}")).into());
        }
        Ok(vec![value.clone(), instant_of(NAME, at)?])
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(given[0].clone())
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let field = |name: &str, kind: DataType| Field::new(format_state_name(args.name, name), kind, true).into();
        Ok(vec![field("value", args.return_field.data_type().clone()), field("at", instant_type())])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let none = ScalarValue::try_from(args.return_field.data_type())?;
        Ok(Box::new(Newest { none, found: None }))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

#[derive(Debug)]
struct Newest {
    /// The null of its type.
    none: ScalarValue,
    found: Option<(i64, ScalarValue)>,
}

impl Newest {
    fn take(&mut self, values: &ArrayRef, instants: &ArrayRef) -> Result<()> {
        let Some((row, at)) = newest_row(values, instants)? else { return Ok(()) };
        let value = ScalarValue::try_from_array(values, row)?;
        let stands = self.found.as_ref().is_some_and(|(known, before)| match known.cmp(&at) {
            Ordering::Greater => true,
            Ordering::Equal => before.partial_cmp(&value).is_none_or(Ordering::is_ge),
            Ordering::Less => false,
        });
        if !stands {
            // Of its own: what it points into is a whole batch.
            self.found = Some((at, value.compacted()));
        }
        Ok(())
    }
}

fn newest_row(values: &ArrayRef, instants: &ArrayRef) -> Result<Option<(usize, i64)>> {
    let times = instants.as_primitive::<TimestampMicrosecondType>();
    let nulls = values.logical_nulls();
    let mut compare = None;
    let mut newest: Option<(usize, i64)> = None;
    for row in (0..times.len()).filter(|row| times.is_valid(*row)) {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            continue;
        }
        let at = times.value(row);
        let is_newer = match newest {
            None => true,
            Some((_, known)) if at != known => at > known,
            Some((before, _)) => {
                let compare = match &mut compare {
                    Some(compare) => compare,
                    none => none.insert(make_comparator(values, values, SortOptions::default())?),
                };
                compare(row, before).is_gt()
            }
        };
        if is_newer {
            newest = Some((row, at));
        }
    }
    Ok(newest)
}

impl Accumulator for Newest {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.take(&values[0], &values[1])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.take(&states[0], &states[1])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.found.as_ref().map_or_else(|| self.none.clone(), |(_, value)| value.clone()))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let at = self.found.as_ref().map(|(at, _)| *at);
        let at = at.map_or_else(|| ScalarValue::try_from(&instant_type()), |at| Ok(instant(at)))?;
        Ok(vec![self.evaluate()?, at])
    }

    fn size(&self) -> usize {
        let held = self.found.as_ref().map_or(0, |(_, value)| value.size() - size_of_val(value));
        size_of_val(self) + held + self.none.size() - size_of_val(&self.none)
    }
}
