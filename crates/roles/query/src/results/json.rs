//! Rows as JSON objects.
//!
//! Promise: every value is as the engine's own writer writes it. What a row has
//! in common with the row before it is copied and not written again: of a
//! channel's readings, that is most of each.

use std::ops::Range;

use datafusion::arrow::array::{Array, BooleanArray, RecordBatch};
use datafusion::arrow::compute::kernels::cmp::not_distinct;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::writer::{EncoderOptions, NullableEncoder, make_encoder};

/// Appends an object for each row, with `[` before the first of an answer and `,` before the others.
pub(super) fn objects(batch: &RecordBatch, first: &mut bool, into: &mut Vec<u8>) -> Result<(), ArrowError> {
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let schema = batch.schema_ref();
    let fields = schema.fields().iter().zip(batch.columns());
    let members = fields.enumerate().map(|(place, (field, values))| Member::new(place, field, values, &options));
    let mut members = members.collect::<Result<Vec<_>, _>>()?;
    for row in 0..batch.num_rows() {
        let begun = into.len();
        into.extend_from_slice(if std::mem::take(first) { b"[{" } else { b",\n{" });
        object(row, &mut members, into);
        into.push(b'}');
        if row == 0 {
            into.reserve((into.len() - begun) * (batch.num_rows() - 1));
        }
    }
    Ok(())
}

fn object(row: usize, members: &mut [Member<'_>], into: &mut Vec<u8>) {
    let mut place = 0;
    while place < members.len() {
        let rest = &mut members[place..];
        let alike = rest.iter().take_while(|member| member.repeats(row)).count();
        match rest[..alike].last() {
            Some(last) => copy(rest[0].written.start..last.written.end, &mut rest[..alike], into),
            None => rest[0].write(row, into),
        }
        place += alike.max(1);
    }
}

/// Members that stand as they do in the row before, which has them at `written`.
fn copy(written: Range<usize>, members: &mut [Member<'_>], into: &mut Vec<u8>) {
    let further = into.len() - written.start;
    into.extend_from_within(written);
    for member in members {
        member.written = member.written.start + further..member.written.end + further;
    }
}

/// A name and its value, row by row.
struct Member<'a> {
    /// With the comma before it and the colon behind.
    name: Vec<u8>,
    values: NullableEncoder<'a>,
    /// Of the second row on: whether it holds what the row before holds. None where that cannot be compared.
    repeats: Option<BooleanArray>,
    /// Where it stands in the row written last.
    written: Range<usize>,
}

impl<'a> Member<'a> {
    fn new(
        place: usize,
        field: &'a FieldRef,
        values: &'a dyn Array,
        options: &'a EncoderOptions,
    ) -> Result<Member<'a>, ArrowError> {
        let comma = if place == 0 { "" } else { "," };
        let name = format!("{comma}{}:", serde_json::Value::from(field.name().as_str()));
        let following = values.len().saturating_sub(1);
        let repeats =
            not_distinct(&values.slice(values.len() - following, following), &values.slice(0, following)).ok();
        let values = make_encoder(field, values, options)?;
        Ok(Member { name: name.into_bytes(), values, repeats, written: 0..0 })
    }

    fn repeats(&self, row: usize) -> bool {
        row > 0 && self.repeats.as_ref().is_some_and(|repeats| repeats.value(row - 1))
    }

    fn write(&mut self, row: usize, into: &mut Vec<u8>) {
        let start = into.len();
        into.extend_from_slice(&self.name);
        if self.values.is_null(row) {
            into.extend_from_slice(b"null");
        } else {
            self.values.encode(row, into);
        }
        self.written = start..into.len();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{
        ArrayRef, BooleanArray, Float64Array, Int64Array, Int64Builder, ListBuilder, NullArray, StringArray,
        StringViewArray,
    };
    use datafusion::arrow::json::writer::{LineDelimited, WriterBuilder};
    use proptest::prelude::*;

    use super::*;

    /// As the engine's own writer has it.
    fn plainly(batch: &RecordBatch) -> String {
        let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
        writer.write(batch).expect("types it knows");
        let lines = String::from_utf8(writer.into_inner()).expect("text");
        lines.trim_end().replace('\n', ",\n")
    }

    proptest! {
        #[test]
        fn a_row_says_what_the_engines_own_writer_says(
            rows in prop::collection::vec((0_i64..3, prop::option::of("[a\"\\\\\n\u{1}é]{0,2}"), any::<bool>()), 1..30),
            numbers in prop::sample::select(vec![vec![0.0, -0.0, 1.5], vec![f64::NAN, f64::INFINITY, 1e300]]),
        ) {
            let texts: Vec<Option<&str>> = rows.iter().map(|row| row.1.as_deref()).collect();
            let mut lists = ListBuilder::new(Int64Builder::new());
            rows.iter().for_each(|row| lists.append_option(row.2.then_some([Some(row.0), None])));
            let columns: Vec<(&str, ArrayRef)> = vec![
                ("n", Arc::new(rows.iter().map(|row| row.2.then_some(row.0)).collect::<Int64Array>())),
                ("a \"name\"\n", Arc::new(texts.iter().copied().collect::<StringArray>())),
                ("view", Arc::new(texts.iter().copied().collect::<StringViewArray>())),
                ("", Arc::new(rows.iter().map(|row| Some(row.2)).collect::<BooleanArray>())),
                ("f", Arc::new(rows.iter().map(|row| numbers[row.0 as usize]).collect::<Float64Array>())),
                ("l", Arc::new(lists.finish())),
                ("none", Arc::new(NullArray::new(rows.len()))),
            ];
            let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)));
            let batch = batch.expect("one length");
            let (mut bytes, mut first) = (b"before".to_vec(), true);
            objects(&batch, &mut first, &mut bytes).expect("types it knows");
            prop_assert_eq!(String::from_utf8(bytes).expect("text"), format!("before[{}", plainly(&batch)));
            prop_assert!(!first);
        }
    }
}
