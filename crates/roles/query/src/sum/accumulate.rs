//! Totals over columns: one for a whole query, one for each group, and one
//! over distinct values.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal32Array, Decimal64Array, Decimal128Array, Decimal256Array,
    Decimal256Builder, Int64Array, ListArray, UInt64Array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DECIMAL256_MAX_PRECISION, DataType, Decimal32Type, Decimal64Type, Decimal128Type,
    Decimal256Type, Field, Int64Type, UInt64Type, i256,
};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::{Finish, Shape};
use crate::total::{Overflow, Total};

/// A value on its way into a total.
#[derive(Clone, Copy)]
enum Value {
    Narrow(i128),
    Wide(i256),
}

impl Value {
    fn wide(self) -> i256 {
        match self {
            Value::Narrow(value) => i256::from_i128(value),
            Value::Wide(value) => value,
        }
    }

    fn add_to(self, total: &mut Total) -> Result<(), Overflow> {
        match self {
            Value::Narrow(value) => total.add(value),
            Value::Wide(value) => total.add_wide(value),
        }
    }
}

/// Hands every value that is there to `take`, with its row.
fn each(array: &dyn Array, take: impl FnMut(usize, Value) -> Result<(), Overflow>) -> Result<Result<(), Overflow>> {
    Ok(match array.data_type() {
        DataType::Int64 => of_type::<Int64Type>(array, |value| Value::Narrow(value.into()), take),
        DataType::UInt64 => of_type::<UInt64Type>(array, |value| Value::Narrow(value.into()), take),
        DataType::Decimal32(..) => of_type::<Decimal32Type>(array, |value| Value::Narrow(value.into()), take),
        DataType::Decimal64(..) => of_type::<Decimal64Type>(array, |value| Value::Narrow(value.into()), take),
        DataType::Decimal128(..) => of_type::<Decimal128Type>(array, Value::Narrow, take),
        DataType::Decimal256(..) => of_type::<Decimal256Type>(array, Value::Wide, take),
        other => return Err(DataFusionError::Internal(format!("a checked total over {other}"))),
    })
}

/// One loop for each type, so that the machine adds and nothing is asked row by row.
#[inline]
fn of_type<T: ArrowPrimitiveType>(
    array: &dyn Array,
    value: impl Fn(T::Native) -> Value,
    mut take: impl FnMut(usize, Value) -> Result<(), Overflow>,
) -> Result<(), Overflow> {
    let values = array.as_primitive::<T>().values();
    match array.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
        None => values.iter().enumerate().try_for_each(|(row, of)| take(row, value(*of))),
        Some(nulls) => nulls.valid_indices().try_for_each(|row| take(row, value(values[row]))),
    }
}

impl Shape {
    fn finished(&self, total: &Total) -> Result<Option<i256>> {
        let finished = match self.finish {
            Finish::Sum => total.sum(),
            Finish::Mean => total.mean(self.digits_more()),
        };
        finished.map_err(|Overflow| self.overflow())
    }

    /// The finished numbers as a column of the result's type; what does not fit is an error.
    fn column(&self, numbers: Vec<Option<i256>>) -> Result<ArrayRef> {
        let fits = |precision: u8| {
            let limit = i256::from_i128(10).wrapping_pow(u32::from(precision));
            move |number: &i256| number.wrapping_abs() < limit && *number != i256::MIN
        };
        let narrow = |precision: u8| -> Result<Vec<Option<i128>>> {
            let fits = fits(precision);
            let cut =
                |n: Option<i256>| n.map(|n| fits(&n).then(|| n.to_i128()).flatten().ok_or_else(|| self.overflow()));
            numbers.iter().map(|n| cut(*n).transpose()).collect()
        };
        let into = |column: ArrayRef| Ok(column);
        match &self.result {
            DataType::Int64 => into(Arc::new(self.integers(&numbers)?.into_iter().collect::<Int64Array>())),
            DataType::UInt64 => into(Arc::new(self.integers(&numbers)?.into_iter().collect::<UInt64Array>())),
            DataType::Decimal32(p, s) => {
                let small = narrow(*p)?.into_iter().map(|n| n.map(|n| n as i32));
                into(Arc::new(small.collect::<Decimal32Array>().with_precision_and_scale(*p, *s)?))
            }
            DataType::Decimal64(p, s) => {
                let small = narrow(*p)?.into_iter().map(|n| n.map(|n| n as i64));
                into(Arc::new(small.collect::<Decimal64Array>().with_precision_and_scale(*p, *s)?))
            }
            DataType::Decimal128(p, s) => {
                let numbers = narrow(*p)?.into_iter();
                into(Arc::new(numbers.collect::<Decimal128Array>().with_precision_and_scale(*p, *s)?))
            }
            DataType::Decimal256(p, s) => {
                let fits = fits(*p);
                if numbers.iter().flatten().any(|n| !fits(n)) {
                    return Err(self.overflow());
                }
                into(Arc::new(numbers.into_iter().collect::<Decimal256Array>().with_precision_and_scale(*p, *s)?))
            }
            other => Err(DataFusionError::Internal(format!("a checked total as {other}"))),
        }
    }

    fn integers<T: TryFrom<i128>>(&self, numbers: &[Option<i256>]) -> Result<Vec<Option<T>>> {
        let integer = |n: i256| n.to_i128().and_then(|n| T::try_from(n).ok()).ok_or_else(|| self.overflow());
        numbers.iter().map(|n| n.map(integer).transpose()).collect()
    }

    fn scalar(&self, total: &Total) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&self.column(vec![self.finished(total)?])?, 0)
    }

    fn state_scalar(&self, sum: Option<i256>) -> ScalarValue {
        ScalarValue::Decimal256(sum, DECIMAL256_MAX_PRECISION, self.scale)
    }
}

/// The total of a whole query or window.
#[derive(Debug)]
pub(crate) struct One {
    shape: Shape,
    total: Total,
}

impl One {
    pub(crate) fn new(shape: Shape) -> One {
        One { shape, total: Total::default() }
    }
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let total = &mut self.total;
        each(&values[0], |_, value| value.add_to(total))?.map_err(|Overflow| self.shape.overflow())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let total = &mut self.total;
        each(&values[0], |_, value| total.retract_wide(value.wide()))?.map_err(|Overflow| self.shape.overflow())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.shape.scalar(&self.total)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let sum = self.total.sum().map_err(|Overflow| self.shape.overflow())?;
        Ok(vec![self.shape.state_scalar(sum), ScalarValue::UInt64(Some(self.total.count()))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let (total, counts) = (&mut self.total, states[1].as_primitive::<UInt64Type>());
        each(&states[0], |row, value| total.merge(value.wide(), counts.value(row)))?
            .map_err(|Overflow| self.shape.overflow())
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// One total for each group.
#[derive(Debug)]
pub(crate) struct Groups {
    shape: Shape,
    totals: Vec<Total>,
}

impl Groups {
    pub(crate) fn new(shape: Shape) -> Groups {
        Groups { shape, totals: Vec::new() }
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.totals.resize(total_num_groups, Total::default());
        let totals = &mut self.totals;
        let add = |row: usize, value: Value| {
            if opt_filter.is_some_and(|f| !f.is_valid(row) || !f.value(row)) {
                return Ok(());
            }
            value.add_to(&mut totals[group_indices[row]])
        };
        each(&values[0], add)?.map_err(|Overflow| self.shape.overflow())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let totals = emit_to.take_needed(&mut self.totals);
        let finished = totals.iter().map(|total| self.shape.finished(total)).collect::<Result<Vec<_>>>()?;
        self.shape.column(finished)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let totals = emit_to.take_needed(&mut self.totals);
        let sums = totals.iter().map(Total::sum).collect::<Result<Vec<_>, Overflow>>();
        let sums = sums.map_err(|Overflow| self.shape.overflow())?.into_iter().collect::<Decimal256Array>();
        let counts = totals.iter().map(|total| Some(total.count())).collect::<UInt64Array>();
        Ok(vec![Arc::new(sums.with_data_type(self.shape.state_type())), Arc::new(counts)])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.totals.resize(total_num_groups, Total::default());
        let (totals, counts) = (&mut self.totals, values[1].as_primitive::<UInt64Type>());
        each(&values[0], |row, value| totals[group_indices[row]].merge(value.wide(), counts.value(row)))?
            .map_err(|Overflow| self.shape.overflow())
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let rows = values[0].len();
        let (mut sums, mut counts) = (vec![None; rows], vec![0_u64; rows]);
        let one = |row: usize, value: Value| {
            if opt_filter.is_none_or(|f| f.is_valid(row) && f.value(row)) {
                (sums[row], counts[row]) = (Some(value.wide()), 1);
            }
            Ok(())
        };
        each(&values[0], one)?.map_err(|Overflow| self.shape.overflow())?;
        let sums = sums.into_iter().collect::<Decimal256Array>().with_data_type(self.shape.state_type());
        Ok(vec![Arc::new(sums), Arc::new(UInt64Array::from(counts))])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.totals.capacity() * size_of::<Total>()
    }
}

/// A total over different values only.
#[derive(Debug)]
pub(crate) struct Distinct {
    shape: Shape,
    seen: HashSet<i256>,
}

impl Distinct {
    pub(crate) fn new(shape: Shape) -> Distinct {
        Distinct { shape, seen: HashSet::new() }
    }

    fn insert(&mut self, values: &dyn Array) -> Result<()> {
        let seen = &mut self.seen;
        let insert = |_, value: Value| {
            seen.insert(value.wide());
            Ok(())
        };
        each(values, insert)?.map_err(|Overflow| self.shape.overflow())
    }
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.insert(&values[0])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut total = Total::default();
        self.seen.iter().try_for_each(|value| total.add_wide(*value)).map_err(|Overflow| self.shape.overflow())?;
        self.shape.scalar(&total)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut values = Decimal256Builder::with_capacity(self.seen.len()).with_data_type(self.shape.state_type());
        self.seen.iter().for_each(|value| values.append_value(*value));
        let item = Arc::new(Field::new_list_field(self.shape.state_type(), true));
        let list = ListArray::new(item, OffsetBuffer::from_lengths([self.seen.len()]), Arc::new(values.finish()), None);
        Ok(vec![ScalarValue::List(Arc::new(list))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        states[0].as_list::<i32>().iter().flatten().try_for_each(|values| self.insert(&values))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.seen.capacity() * (size_of::<i256>() + 1)
    }
}
