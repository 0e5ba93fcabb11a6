//! Numbers and times as texts: what CSV, JSON and tables show.
//!
//! Promise: a decimal has all its digits and no zeros behind them; a time in UTC
//! is as the engine's own writers show it, in a fraction of the time.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringBuilder};
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, DecimalType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};

use super::broken;
use crate::error::Result;

const DAY: i64 = 86_400_000_000;

/// The batch with decimals and times as texts.
pub(super) fn shown(batch: &RecordBatch) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns: Vec<ArrayRef> = batch.columns().iter().map(as_shown).collect();
    let fields = batch.schema_ref().fields().iter().zip(&columns);
    let fields = fields.map(|(field, made)| Arc::new(field.as_ref().clone().with_data_type(made.data_type().clone())));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(broken)
}

/// Of an answer without rows.
pub(super) fn shown_schema(schema: &SchemaRef) -> SchemaRef {
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Decimal128(..) | DataType::Decimal256(..) => {
            Arc::new(Field::new(field.name(), DataType::Utf8, field.is_nullable()))
        }
        _ => field.clone(),
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

fn as_shown(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Decimal128(precision, scale) => {
            let values = column.as_primitive::<Decimal128Type>();
            let plain = u32::try_from(*scale).ok().filter(|scale| *scale <= 38);
            texts(column, |row, text| match plain {
                Some(scale) => decimal(values.value(row), scale, text),
                None => text.push_str(trimmed(&Decimal128Type::format_decimal(values.value(row), *precision, *scale))),
            })
        }
        DataType::Decimal256(precision, scale) => {
            let values = column.as_primitive::<Decimal256Type>();
            texts(column, |row, text| {
                text.push_str(trimmed(&Decimal256Type::format_decimal(values.value(row), *precision, *scale)));
            })
        }
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if &**zone == "UTC" => {
            let values = column.as_primitive::<TimestampMicrosecondType>();
            if values.iter().flatten().any(|at| meter::Timestamp::checked(at).is_err()) {
                return column.clone(); // Years that are written otherwise.
            }
            let mut day = Day { number: i64::MIN, text: String::new() };
            texts(column, |row, text| day.time(values.value(row), text))
        }
        _ => column.clone(),
    }
}

fn texts(column: &ArrayRef, mut write: impl FnMut(usize, &mut String)) -> ArrayRef {
    let mut made = StringBuilder::with_capacity(column.len(), column.len() * 20);
    let mut text = String::new();
    for row in 0..column.len() {
        if column.is_null(row) {
            made.append_null();
            continue;
        }
        text.clear();
        write(row, &mut text);
        made.append_value(&text);
    }
    Arc::new(made.finish())
}

/// Without zeros at the end of a fraction.
fn trimmed(number: &str) -> &str {
    if !number.contains('.') {
        return number;
    }
    number.trim_end_matches('0').trim_end_matches('.')
}

fn decimal(unscaled: i128, scale: u32, text: &mut String) {
    if unscaled < 0 {
        text.push('-');
    }
    let one = 10_u128.pow(scale);
    let (whole, mut rest) = (unscaled.unsigned_abs() / one, unscaled.unsigned_abs() % one);
    // Most numbers fit in 64 bits, which are quicker to write.
    match u64::try_from(whole) {
        Ok(whole) => text.push_str(&whole.to_string()),
        Err(_) => text.push_str(&whole.to_string()),
    }
    if rest > 0 {
        text.push('.');
    }
    let mut digit = one;
    while rest > 0 {
        digit /= 10;
        text.push(char::from(b'0' + (rest / digit) as u8));
        rest %= digit;
    }
}

/// The day written last: rows of a channel follow each other.
struct Day {
    number: i64,
    text: String,
}

impl Day {
    /// RFC 3339, with three or six digits of a second where it needs them.
    fn time(&mut self, at: i64, text: &mut String) {
        let number = at.div_euclid(DAY);
        if number != self.number {
            let midnight = meter::Timestamp(number * DAY).to_string();
            self.text = midnight.split('T').next().unwrap_or_default().to_owned();
            self.number = number;
        }
        let micros = at.rem_euclid(DAY);
        let (second, fraction) = (micros / 1_000_000, micros % 1_000_000);
        text.push_str(&self.text);
        text.push('T');
        two(second / 3_600, text);
        text.push(':');
        two(second / 60 % 60, text);
        text.push(':');
        two(second % 60, text);
        if fraction > 0 {
            text.push('.');
            let millis = fraction % 1_000 == 0;
            let digits = if millis { format!("{:03}", fraction / 1_000) } else { format!("{fraction:06}") };
            text.push_str(&digits);
        }
        text.push('Z');
    }
}

fn two(number: i64, text: &mut String) {
    text.push(char::from(b'0' + (number / 10) as u8));
    text.push(char::from(b'0' + (number % 10) as u8));
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Decimal128Array, TimestampMicrosecondArray};
    use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
    use proptest::prelude::*;

    /// As the engine's own writers show it.
    fn plainly(column: &ArrayRef) -> Vec<String> {
        let options = FormatOptions::default();
        let formatter = ArrayFormatter::try_new(column, &options).expect("a type it knows");
        (0..column.len()).map(|row| formatter.value(row).to_string()).collect()
    }

    fn ours(column: &ArrayRef) -> Vec<String> {
        as_shown(column).as_string::<i32>().iter().map(|text| text.unwrap_or_default().to_owned()).collect()
    }

    proptest! {
        #[test]
        fn times_are_shown_as_the_engine_shows_them(
            near in prop::collection::vec((-2_208_988_800_i64..7_258_118_400, 0_i64..1_000, 0_i64..1_000), 1..40),
            coarse in 0..3,
        ) {
            let at = |(second, millis, micros): &(i64, i64, i64)| {
                second * 1_000_000 + [0, millis * 1_000, millis * 1_000 + micros][coarse as usize]
            };
            let times: TimestampMicrosecondArray = near.iter().map(|parts| Some(at(parts))).chain([None]).collect();
            let column: ArrayRef = Arc::new(times.with_timezone("UTC"));
            prop_assert_eq!(ours(&column), plainly(&column));
        }

        #[test]
        fn decimals_have_the_digits_the_engine_gives_them(
            numbers in prop::collection::vec(-10_i128.pow(38) + 1..10_i128.pow(38), 1..20),
            small in prop::collection::vec(-100_000_i128..100_000, 1..20),
            scale in 0_i8..=38,
        ) {
            let all = numbers.into_iter().chain(small).map(Some).chain([None]);
            let column: ArrayRef =
                Arc::new(all.collect::<Decimal128Array>().with_precision_and_scale(38, scale).expect("fits"));
            let plain: Vec<String> = plainly(&column).iter().map(|text| trimmed(text).to_owned()).collect();
            prop_assert_eq!(ours(&column), plain);
        }
    }
}
