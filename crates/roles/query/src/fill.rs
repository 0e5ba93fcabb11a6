//! From stored columns to the columns SQL shows.
//!
//! Promise: only what a query asks for is made, and only from what it needs.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, RecordBatch, RecordBatchOptions, StringBuilder,
    TimestampMicrosecondArray,
};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Int8Type, Int16Type, Int64Type, SchemaRef, TimestampMicrosecondType};
use store::column;

use crate::error::{Error, Result};
use crate::names::{Channel, Names};
use crate::quantity::{Conversion, PRECISION, SCALE};
use crate::tables::{Fill, SqlTable};

/// How to make the batches of one scan.
#[derive(Debug)]
pub(crate) struct Filling {
    fills: Vec<Fill>,
    schema: SchemaRef,
    /// Places of the stored table to read, ascending.
    columns: Vec<usize>,
    names: Option<Arc<Names>>,
    inexact_is_null: bool,
}

impl Filling {
    /// The columns of `table` at these places, in this order.
    pub(crate) fn new(table: &SqlTable, projection: &[usize], names: Option<Arc<Names>>) -> Result<Filling> {
        let fills: Vec<Fill> = projection.iter().map(|place| table.fills[*place]).collect();
        let schema = table.schema.project(projection).map_err(|e| Error::Engine(e.to_string()))?;
        let mut columns: Vec<usize> = Vec::new();
        for fill in &fills {
            columns.extend(fill.place());
            columns.extend(fill.needs());
        }
        columns.sort_unstable();
        columns.dedup();
        Ok(Filling { fills, schema: Arc::new(schema), columns, names, inexact_is_null: false })
    }

    /// Whether what has no exact quantity is shown without one.
    pub(crate) fn with_inexact_as_null(self, inexact_is_null: bool) -> Filling {
        Filling { inexact_is_null, ..self }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// `stored` has the columns [`Filling::columns`] names, in their order.
    pub(crate) fn fill(&self, stored: &RecordBatch) -> Result<RecordBatch> {
        let made = self.fills.iter().map(|fill| self.column(*fill, stored)).collect::<Result<Vec<_>>>()?;
        let rows = RecordBatchOptions::new().with_row_count(Some(stored.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), made, &rows).map_err(|e| Error::Engine(e.to_string()))
    }

    fn column(&self, fill: Fill, stored: &RecordBatch) -> Result<ArrayRef> {
        let at = |place: usize| {
            let found = self.columns.binary_search(&place).expect("needs and places are among the columns read");
            stored.column(found)
        };
        let channels = || at(column::CHANNEL).as_primitive::<Int64Type>().values();
        let by_channel = |text: for<'a> fn(&Channel<'a>) -> &'a str| {
            texts_by_id(channels(), |id| Ok(text(&self.names()?.channel(id)?)))
        };
        match fill {
            Fill::Stored(place) => Ok(at(place).clone()),
            Fill::Word(place, word) => words(at(place), word),
            Fill::Excerpt(place) => Ok(excerpts(at(place))),
            Fill::Point => by_channel(|c| c.point),
            Fill::Register => by_channel(|c| c.register),
            Fill::QuantityUnit => by_channel(|c| c.unit.symbol()),
            Fill::Kind => by_channel(|c| c.kind.word()),
            Fill::Commodity => by_channel(|c| c.commodity.word()),
            Fill::Flow => by_channel(|c| c.flow.word()),
            Fill::Phase => by_channel(|c| c.phase.word()),
            Fill::Device => {
                let devices = at(column::DEVICE).as_primitive::<Int64Type>().values();
                texts_by_id(devices, |id| self.names()?.device(id))
            }
            Fill::End => {
                let starts = at(column::START).as_primitive::<TimestampMicrosecondType>();
                let spans = at(column::SPAN).as_primitive::<Int64Type>().values();
                // Both lie between the years 1900 and 2200: the sum fits.
                let ends = starts.values().iter().zip(spans).map(|(start, span)| start.saturating_add(*span));
                let ends = TimestampMicrosecondArray::from_iter_values(ends);
                Ok(Arc::new(ends.with_data_type(starts.data_type().clone())))
            }
            Fill::Quantity => self.quantities(channels(), &at),
        }
    }

    fn quantities<'a>(&self, channels: &[i64], at: &dyn Fn(usize) -> &'a ArrayRef) -> Result<ArrayRef> {
        let names = self.names()?;
        let values = at(column::VALUE).as_primitive::<Int64Type>().values();
        let scales = at(column::SCALE).as_primitive::<Int8Type>().values();
        let codes = at(column::UNIT_CODE).as_primitive::<Int16Type>().values();
        let mut unscaled = Vec::with_capacity(values.len());
        let mut left_out = Vec::new();
        let mut row = 0;
        while row < values.len() {
            let (id, scale, code) = (channels[row], scales[row], codes[row]);
            let alike = |next: &usize| channels[*next] == id && scales[*next] == scale && codes[*next] == code;
            let end = row + (row..values.len()).take_while(alike).count();
            let channel = names.channel(id)?;
            let conversion = Conversion::of(scale, code, &channel)?;
            let inexact = |place, error| {
                left_out.push(place);
                if self.inexact_is_null { Ok(()) } else { Err(error) }
            };
            conversion.quantities(&values[row..end], &channel, &mut unscaled, inexact)?;
            row = end;
        }
        let nulls = (!left_out.is_empty()).then(|| {
            let mut shown = vec![true; values.len()];
            left_out.iter().for_each(|place| shown[*place] = false);
            NullBuffer::from(shown)
        });
        let decimals = Decimal128Array::new(unscaled.into(), nulls);
        Ok(Arc::new(decimals.with_data_type(DataType::Decimal128(PRECISION, SCALE))))
    }

    fn names(&self) -> Result<&Names> {
        self.names.as_deref().ok_or_else(|| Error::Engine("a named column without names".into()))
    }
}

/// One look-up for each run of equal ids.
fn texts_by_id<'a>(ids: &[i64], text: impl Fn(i64) -> Result<&'a str>) -> Result<ArrayRef> {
    let mut made = StringBuilder::with_capacity(ids.len(), ids.len() * 12);
    let mut last: Option<(i64, &str)> = None;
    for id in ids {
        let found = match last {
            Some((seen, found)) if seen == *id => found,
            _ => text(*id)?,
        };
        last = Some((*id, found));
        made.append_value(found);
    }
    Ok(Arc::new(made.finish()))
}

fn words(codes: &ArrayRef, word: fn(i16) -> &'static str) -> Result<ArrayRef> {
    let mut made = StringBuilder::with_capacity(codes.len(), codes.len() * 8);
    match codes.data_type() {
        DataType::Int8 => {
            codes.as_primitive::<Int8Type>().values().iter().for_each(|c| made.append_value(word(i16::from(*c))));
        }
        DataType::Int16 => codes.as_primitive::<Int16Type>().values().iter().for_each(|c| made.append_value(word(*c))),
        other => return Err(Error::Engine(format!("codes of type {other}"))),
    }
    Ok(Arc::new(made.finish()))
}

/// Text where the bytes are text; any other byte as `\xNN`.
fn excerpts(bytes: &ArrayRef) -> ArrayRef {
    let bytes = bytes.as_binary::<i32>();
    let mut made = StringBuilder::with_capacity(bytes.len(), bytes.value_data().len());
    for excerpt in bytes {
        made.append_value(readable(excerpt.unwrap_or_default()));
    }
    Arc::new(made.finish())
}

fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_shows_every_byte_that_is_no_text() {
        assert_eq!(readable("200,NMI,°C".as_bytes()), "200,NMI,°C");
        assert_eq!(readable(b"a\xff\x00b"), "a\\xff\u{0}b");
    }
}
