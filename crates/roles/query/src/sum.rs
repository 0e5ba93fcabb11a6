//! `sum` and `avg` as SQL calls them, checked (D12).
//!
//! Promise: over integers and decimals the answer is exact or an error, never
//! wrapped, alone, grouped, distinct or in a window. The engine's own `sum`
//! wraps silently; it still serves floats, durations and intervals.
//!
//! `avg` over decimals has up to four more digits than its values where 38
//! allow it, rounded half away from zero; `avg(quantity)` stays `DECIMAL(38,18)`.
//!
//! Read: `total.rs` (the arithmetic), `sum.rs` (types and names),
//! `sum/accumulate.rs` (one total, and one per group).

use std::sync::Arc;

use datafusion::arrow::datatypes::{
    DECIMAL32_MAX_PRECISION, DECIMAL64_MAX_PRECISION, DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType,
    Field, FieldRef,
};
use datafusion::error::Result;
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature,
};

mod accumulate;

use accumulate::{Distinct, Groups, One};

/// `avg` shows up to four digits more than what it averages.
const MEAN_DIGITS_MORE: u8 = 4;

/// The checked functions, to be registered over the engine's own.
pub(crate) fn checked() -> Vec<AggregateUDF> {
    vec![
        AggregateUDF::new_from_impl(Checked { finish: Finish::Sum, unchecked: sum_udaf() }),
        AggregateUDF::new_from_impl(Checked { finish: Finish::Mean, unchecked: avg_udaf() }).with_aliases(["mean"]),
    ]
}

/// What becomes of a total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Finish {
    Sum,
    Mean,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    finish: Finish,
    unchecked: Arc<AggregateUDF>,
}

/// How one call adds up: what goes in, what comes out.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub finish: Finish,
    /// Digits after the point of the values.
    pub scale: i8,
    pub result: DataType,
}

impl Checked {
    /// `None` for what the engine's own function adds up.
    fn shape(&self, value: &DataType, result: &DataType) -> Option<Shape> {
        Some(Shape { finish: self.finish, scale: scale_of(self.finish, value)?, result: result.clone() })
    }

    fn shape_of(&self, args: &AccumulatorArgs<'_>) -> Option<Shape> {
        self.shape(args.expr_fields[0].data_type(), args.return_field.data_type())
    }
}

/// Digits after the point of what is added exactly; `None` for other types.
/// An average over integers is a float, as everywhere in SQL engines of this family.
fn scale_of(finish: Finish, value: &DataType) -> Option<i8> {
    use DataType::{Decimal32, Decimal64, Decimal128, Decimal256, Int64, UInt64};
    match value {
        Decimal32(_, scale) | Decimal64(_, scale) | Decimal128(_, scale) | Decimal256(_, scale) => Some(*scale),
        Int64 | UInt64 if finish == Finish::Sum => Some(0),
        _ => None,
    }
}

/// The type of a mean: more digits where the widest number keeps its place.
fn mean_type(value: &DataType) -> Option<DataType> {
    let wider = |precision: u8, scale: i8, max: u8| {
        let more = MEAN_DIGITS_MORE.min(max.saturating_sub(precision));
        (precision + more, scale + i8::try_from(more).expect("at most four"))
    };
    match value {
        DataType::Decimal32(p, s) => {
            Some(wider(*p, *s, DECIMAL32_MAX_PRECISION)).map(|(p, s)| DataType::Decimal32(p, s))
        }
        DataType::Decimal64(p, s) => {
            Some(wider(*p, *s, DECIMAL64_MAX_PRECISION)).map(|(p, s)| DataType::Decimal64(p, s))
        }
        DataType::Decimal128(p, s) => {
            Some(wider(*p, *s, DECIMAL128_MAX_PRECISION)).map(|(p, s)| DataType::Decimal128(p, s))
        }
        DataType::Decimal256(p, s) => {
            Some(wider(*p, *s, DECIMAL256_MAX_PRECISION)).map(|(p, s)| DataType::Decimal256(p, s))
        }
        _ => None,
    }
}

impl Shape {
    /// A total between two steps of a plan.
    pub(crate) fn state_type(&self) -> DataType {
        DataType::Decimal256(DECIMAL256_MAX_PRECISION, self.scale)
    }

    /// Digits a mean has beyond its values.
    pub(crate) fn digits_more(&self) -> u8 {
        match &self.result {
            DataType::Decimal32(_, s)
            | DataType::Decimal64(_, s)
            | DataType::Decimal128(_, s)
            | DataType::Decimal256(_, s) => u8::try_from(s - self.scale).unwrap_or(0),
            _ => 0,
        }
    }

    pub(crate) fn overflow(&self) -> datafusion::error::DataFusionError {
        let function = match self.finish {
            Finish::Sum => "sum",
            Finish::Mean => "avg",
        };
        crate::Error::Overflow { function, type_name: self.result.to_string() }.into()
    }
}

impl AggregateUDFImpl for Checked {
    fn name(&self) -> &str {
        self.unchecked.name()
    }

    fn signature(&self) -> &Signature {
        self.unchecked.signature()
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.unchecked.coerce_types(arg_types)
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let mean = (self.finish == Finish::Mean).then(|| arg_types.first().and_then(mean_type)).flatten();
        mean.map_or_else(|| self.unchecked.return_type(arg_types), Ok)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let Some(shape) = self.shape(args.input_fields[0].data_type(), args.return_field.data_type()) else {
            return self.unchecked.state_fields(args);
        };
        if args.is_distinct {
            let item = Field::new_list_field(shape.state_type(), true);
            return Ok(vec![Arc::new(Field::new_list(format_state_name(args.name, "distinct"), item, false))]);
        }
        Ok(vec![
            Arc::new(Field::new(format_state_name(args.name, "total"), shape.state_type(), true)),
            Arc::new(Field::new(format_state_name(args.name, "count"), DataType::UInt64, true)),
        ])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match self.shape_of(&args) {
            Some(shape) if args.is_distinct => Ok(Box::new(Distinct::new(shape))),
            Some(shape) => Ok(Box::new(One::new(shape))),
            None => self.unchecked.accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        match self.shape_of(&args) {
            Some(_) => !args.is_distinct,
            None => self.unchecked.groups_accumulator_supported(args),
        }
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        match self.shape_of(&args) {
            Some(shape) => Ok(Box::new(Groups::new(shape))),
            None => self.unchecked.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match self.shape_of(&args) {
            Some(_) => self.accumulator(args),
            None => self.unchecked.create_sliding_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}
