//! `date_trunc(unit, at)`: the engine's own, quick for the lake's instants.
//!
//! Promise: the same answers. Of an instant in UTC the units are buckets of UTC;
//! the engine asks its zone about every row, which takes longer than reading it.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, FieldRef, TimestampMicrosecondType};
use datafusion::error::Result;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::arguments::zone;
use super::{instant_type, utc_text};
use crate::calendar::{Bucket, Buckets, Width, checked};

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct DateTrunc {
    engines: Arc<ScalarUDF>,
}

impl DateTrunc {
    pub(super) fn quicker_than(engines: Arc<ScalarUDF>) -> DateTrunc {
        DateTrunc { engines }
    }
}

impl ScalarUDFImpl for DateTrunc {
    fn name(&self) -> &str {
        self.engines.name()
    }

    fn aliases(&self) -> &[String] {
        self.engines.aliases()
    }

    fn signature(&self) -> &Signature {
        self.engines.signature()
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        self.engines.return_type(given)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.engines.return_field_from_args(args)
    }

    fn output_ordering(&self, input: &[ExprProperties]) -> Result<SortProperties> {
        self.engines.inner().output_ordering(input)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match quick(&args.args)? {
            Some(made) => Ok(ColumnarValue::Array(made)),
            None => self.engines.invoke_with_args(args),
        }
    }
}

/// None where the engine has to answer.
fn quick(args: &[ColumnarValue]) -> Result<Option<ArrayRef>> {
    let [ColumnarValue::Scalar(unit), ColumnarValue::Array(instants)] = args else { return Ok(None) };
    let unit = unit.try_as_str().flatten().map(str::to_lowercase);
    let Some(width) = unit.as_deref().and_then(width_of).filter(|_| *instants.data_type() == instant_type()) else {
        return Ok(None);
    };
    let place = zone(&utc_text())?;
    let mut buckets = Buckets::new(width, &place);
    let instants = instants.as_primitive::<TimestampMicrosecondType>();
    let mut made = Vec::with_capacity(instants.len());
    let mut last = Bucket { from: 0, before: 0 };
    for (row, at) in instants.values().iter().enumerate() {
        if !last.holds(*at) && instants.is_valid(row) {
            // The engine knows more years.
            let Ok(at) = checked(*at) else { return Ok(None) };
            last = buckets.of(at);
        }
        made.push(last.from);
    }
    let made = TimestampMicrosecondArray::new(made.into(), instants.nulls().cloned());
    Ok(Some(Arc::new(made.with_data_type(instant_type()))))
}

fn width_of(unit: &str) -> Option<Width> {
    let known = ["second", "minute", "hour", "day", "week", "month", "quarter", "year"];
    known.contains(&unit).then(|| Width::parse(&format!("1 {unit}")).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::datatypes::Field;
    use datafusion::common::ScalarValue;
    use datafusion::common::config::ConfigOptions;
    use datafusion::functions::datetime::date_trunc;
    use proptest::prelude::*;

    fn truncated(function: &ScalarUDF, unit: &str, instants: &ArrayRef) -> ArrayRef {
        let units = ScalarValue::Utf8(Some(unit.to_owned()));
        let args = ScalarFunctionArgs {
            args: vec![ColumnarValue::Scalar(units), ColumnarValue::Array(instants.clone())],
            arg_fields: vec![
                Field::new("unit", DataType::Utf8, false).into(),
                Field::new("at", instant_type(), true).into(),
            ],
            number_rows: instants.len(),
            return_field: Field::new("made", instant_type(), true).into(),
            config_options: Arc::new(ConfigOptions::default()),
        };
        let made = function.invoke_with_args(args).expect("truncates");
        made.into_array(instants.len()).expect("as many")
    }

    proptest! {
        #[test]
        fn it_answers_as_the_engine_does(
            near in prop::collection::vec(prop::option::of(-3_000_000_000_000_000_i64..6_000_000_000_000_000), 1..40),
            unit in prop::sample::select(
                &["microsecond", "second", "Minute", "hour", "day", "week", "month", "quarter", "YEAR"][..]
            ),
        ) {
            let instants: ArrayRef =
                Arc::new(near.into_iter().collect::<TimestampMicrosecondArray>().with_data_type(instant_type()));
            let ours = ScalarUDF::new_from_impl(DateTrunc::quicker_than(date_trunc()));
            prop_assert_eq!(&truncated(&ours, unit, &instants), &truncated(&date_trunc(), unit, &instants));
        }
    }
}
