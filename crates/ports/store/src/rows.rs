//! Rows and columns: `meter::Row` as Arrow batches, there and back.
//!
//! Promise: what goes in comes out, digit for digit and word for word. What a
//! file holds that no `Row` can be is `Corrupt`, named with column and row.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Int8Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use meter::{
    ChannelId, Decimal, Delivery, DeviceId, Flags, Quality, Row, RowKey, Run, Runs, Sequence, Span, TenantId,
    Timestamp, Word, Words,
};

use crate::error::{Error, Result};
use crate::schema::{Table, column};

const TABLE: &str = "readings";

/// The rows as one batch of `readings`, `overlay` or `history`, in their order.
pub fn rows_to_batch(rows: &[Row], words: &Words) -> RecordBatch {
    let runs: Runs = rows.iter().collect();
    let mut columns = RowColumns::with_capacity(rows.len());
    runs.runs().for_each(|run| columns.push(&run, words));
    columns.finish()
}

/// Columns of readings while rows are taken in, run by run.
pub(crate) struct RowColumns {
    tenant: Vec<i32>,
    channel: Vec<i64>,
    start: Vec<i64>,
    span: Vec<i64>,
    value: Vec<i64>,
    scale: Vec<i8>,
    unit: Texts,
    unit_code: Vec<i16>,
    quality: Texts,
    rank: Vec<i8>,
    reason: Texts,
    flags: Vec<i32>,
    device: Vec<i64>,
    message_time: Vec<i64>,
    issued_at: Vec<i64>,
    sequence: Vec<i64>,
}

impl RowColumns {
    /// With room for so many rows.
    pub(crate) fn with_capacity(rows: usize) -> RowColumns {
        RowColumns {
            tenant: Vec::with_capacity(rows),
            channel: Vec::with_capacity(rows),
            start: Vec::with_capacity(rows),
            span: Vec::with_capacity(rows),
            value: Vec::with_capacity(rows),
            scale: Vec::with_capacity(rows),
            unit: Texts::with_capacity(rows),
            unit_code: Vec::with_capacity(rows),
            quality: Texts::with_capacity(rows),
            rank: Vec::with_capacity(rows),
            reason: Texts::with_capacity(rows),
            flags: Vec::with_capacity(rows),
            device: Vec::with_capacity(rows),
            message_time: Vec::with_capacity(rows),
            issued_at: Vec::with_capacity(rows),
            sequence: Vec::with_capacity(rows),
        }
    }

    /// How many rows are in it.
    pub(crate) fn len(&self) -> usize {
        self.start.len()
    }

    /// Takes in the rows of a run; `words` are theirs.
    pub(crate) fn push(&mut self, run: &Run<'_>, words: &Words) {
        let (like, rows) = (run.row(0), run.len());
        let small = |code: u8| i8::try_from(code).expect("scales and codes are below 128");
        repeat(&mut self.tenant, like.key.tenant.0, rows);
        repeat(&mut self.channel, like.key.channel.0, rows);
        self.start.extend_from_slice(run.starts());
        repeat(&mut self.span, like.key.span.0, rows);
        self.value.extend_from_slice(run.values());
        repeat(&mut self.scale, small(like.value.scale), rows);
        self.unit.push(words.text(like.unit), rows);
        repeat(&mut self.unit_code, i16::from(words.unit(like.unit).code()), rows);
        self.quality.push(words.text(like.quality), rows);
        repeat(&mut self.rank, small(like.canonical.code()), rows);
        self.reason.push(words.text(like.reason), rows);
        repeat(&mut self.flags, i32::from(like.flags.0), rows);
        match run.delivered().split_first() {
            Some((first, more)) if more.iter().all(|delivered| delivered == first) => {
                self.push_deliveries(run.delivery(0), rows);
            }
            _ => (0..rows).for_each(|at| self.push_deliveries(run.delivery(at), 1)),
        }
    }

    /// Of so many rows that came in one message.
    #[inline]
    fn push_deliveries(&mut self, of: &Delivery, rows: usize) {
        repeat(&mut self.device, of.device.0, rows);
        repeat(&mut self.message_time, of.message_time.0, rows);
        repeat(&mut self.issued_at, of.issued_at.0, rows);
        let sequence = i64::try_from(of.sequence.0).expect("the journal counts below 2^43");
        repeat(&mut self.sequence, sequence, rows);
    }

    /// What was taken in.
    pub(crate) fn finish(self) -> RecordBatch {
        let longs = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
        let bytes = |values: Vec<i8>| -> ArrayRef { Arc::new(Int8Array::from(values)) };
        let times =
            |values: Vec<i64>| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC")) };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from(self.tenant)),
            longs(self.channel),
            times(self.start),
            longs(self.span),
            longs(self.value),
            bytes(self.scale),
            self.unit.finish(),
            Arc::new(Int16Array::from(self.unit_code)),
            self.quality.finish(),
            bytes(self.rank),
            self.reason.finish(),
            Arc::new(Int32Array::from(self.flags)),
            longs(self.device),
            times(self.message_time),
            times(self.issued_at),
            longs(self.sequence),
        ];
        RecordBatch::try_new(Table::Readings.schema(), columns).expect("built column by column as the schema says")
    }
}

/// A single row is the rule in live data, and cheaper to push than to fill.
fn repeat<T: Copy>(column: &mut Vec<T>, value: T, rows: usize) {
    match rows {
        1 => column.push(value),
        rows => column.resize(column.len() + rows, value),
    }
}

/// A column of texts while it grows.
struct Texts {
    ends: Vec<i32>,
    bytes: Vec<u8>,
}

impl Texts {
    fn with_capacity(rows: usize) -> Texts {
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        Texts { ends, bytes: Vec::with_capacity(rows * 4) }
    }

    fn push(&mut self, text: &str, rows: usize) {
        for _ in 0..rows {
            self.bytes.extend_from_slice(text.as_bytes());
            self.ends.push(i32::try_from(self.bytes.len()).expect("a batch holds below 2 GiB of words"));
        }
    }

    fn finish(self) -> ArrayRef {
        let ends = OffsetBuffer::new(self.ends.into());
        Arc::new(StringArray::try_new(ends, self.bytes.into(), None).expect("whole texts, one after the other"))
    }
}

/// The rows of a batch of `readings`, `overlay` or `history`, in their order.
pub fn batch_to_rows(batch: &RecordBatch, words: &mut Words) -> Result<Vec<Row>> {
    let columns = Columns::of(batch)?;
    let mut reader = RowReader::default();
    (0..batch.num_rows()).map(|row| reader.read(&columns, row, words)).collect()
}

/// The typed columns of a batch of readings.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub keys: Keys<'a>,
    value: &'a [i64],
    scale: &'a [i8],
    unit: &'a StringArray,
    quality: &'a StringArray,
    rank: &'a [i8],
    reason: &'a StringArray,
    flags: &'a [i32],
    device: &'a [i64],
    message_time: &'a [i64],
    issued_at: &'a [i64],
    sequence: &'a [i64],
}

impl<'a> Columns<'a> {
    pub(crate) fn of(batch: &'a RecordBatch) -> Result<Columns<'a>> {
        Ok(Columns {
            keys: Keys::of(batch)?,
            value: longs(batch, column::VALUE)?,
            scale: bytes(batch, column::SCALE)?,
            unit: texts(batch, column::UNIT)?,
            quality: texts(batch, column::QUALITY)?,
            rank: bytes(batch, column::RANK)?,
            reason: texts(batch, column::REASON)?,
            flags: ints(batch, column::FLAGS)?,
            device: longs(batch, column::DEVICE)?,
            message_time: times(batch, column::MESSAGE_TIME)?,
            issued_at: times(batch, column::ISSUED_AT)?,
            sequence: longs(batch, column::SEQ)?,
        })
    }
}

/// The key columns of a batch of readings.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'a> {
    pub tenant: &'a [i32],
    pub channel: &'a [i64],
    pub start: &'a [i64],
    pub span: &'a [i64],
}

impl<'a> Keys<'a> {
    pub(crate) fn of(batch: &'a RecordBatch) -> Result<Keys<'a>> {
        Keys::of_places(batch, [column::TENANT, column::CHANNEL, column::START, column::SPAN])
    }

    /// Of a batch with fewer columns: tenant, channel, start and span by place.
    pub(crate) fn of_places(batch: &'a RecordBatch, places: [usize; 4]) -> Result<Keys<'a>> {
        let [tenant, channel, start, span] = places;
        Ok(Keys {
            tenant: ints(batch, tenant)?,
            channel: longs(batch, channel)?,
            start: times(batch, start)?,
            span: longs(batch, span)?,
        })
    }

    pub(crate) fn at(&self, row: usize) -> RowKey {
        RowKey {
            tenant: TenantId(self.tenant[row]),
            channel: ChannelId(self.channel[row]),
            start: Timestamp(self.start[row]),
            span: Span(self.span[row]),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.tenant.len()
    }
}

/// Decodes rows; remembers the last text of each column, because runs of one
/// channel repeat their unit, quality and reason.
#[derive(Default)]
pub(crate) struct RowReader<'a> {
    unit: Option<(&'a str, Word)>,
    quality: Option<(&'a str, Word)>,
    reason: Option<(&'a str, Word)>,
}

impl<'a> RowReader<'a> {
    pub(crate) fn read(&mut self, columns: &Columns<'a>, row: usize, words: &mut Words) -> Result<Row> {
        let scale = u8::try_from(columns.scale[row]).ok().filter(|s| *s <= Decimal::SCALE_MAX);
        let scale = scale.ok_or_else(|| cell("scale", row, columns.scale[row].to_string()))?;
        let rank = columns.rank[row];
        let canonical = u8::try_from(rank).ok().and_then(Quality::from_code);
        let flags = columns.flags[row];
        let sequence = columns.sequence[row];
        Ok(Row {
            key: columns.keys.at(row),
            value: Decimal::new(columns.value[row], scale),
            unit: remembered(&mut self.unit, columns.unit.value(row), words)?,
            quality: remembered(&mut self.quality, columns.quality.value(row), words)?,
            canonical: canonical.ok_or_else(|| cell("rank", row, rank.to_string()))?,
            reason: remembered(&mut self.reason, columns.reason.value(row), words)?,
            flags: Flags(u16::try_from(flags).map_err(|_| cell("flags", row, flags.to_string()))?),
            device: DeviceId(columns.device[row]),
            message_time: Timestamp(columns.message_time[row]),
            issued_at: Timestamp(columns.issued_at[row]),
            sequence: Sequence(u64::try_from(sequence).map_err(|_| cell("seq", row, sequence.to_string()))?),
        })
    }
}

fn remembered<'a>(last: &mut Option<(&'a str, Word)>, text: &'a str, words: &mut Words) -> Result<Word> {
    if let Some((seen, word)) = last
        && *seen == text
    {
        return Ok(*word);
    }
    let word = words.intern(text)?;
    *last = Some((text, word));
    Ok(word)
}

fn cell(column: &'static str, row: usize, what: String) -> Error {
    Error::Cell { table: TABLE, column, row, what: format!("{what} is no value of ours") }
}

fn wrong(place: usize) -> Error {
    let column = Table::Readings.schema().field(place).name().clone();
    Error::Rows {
        table: TABLE,
        cause: arrow::error::ArrowError::SchemaError(format!("column {column} has another type or nulls")),
    }
}

fn column_of(batch: &RecordBatch, place: usize) -> Result<&ArrayRef> {
    batch.columns().get(place).filter(|c| c.null_count() == 0).ok_or_else(|| wrong(place))
}

fn ints(batch: &RecordBatch, place: usize) -> Result<&[i32]> {
    use arrow::array::AsArray;
    Ok(column_of(batch, place)?.as_primitive_opt::<Int32Type>().ok_or_else(|| wrong(place))?.values())
}

fn longs(batch: &RecordBatch, place: usize) -> Result<&[i64]> {
    use arrow::array::AsArray;
    Ok(column_of(batch, place)?.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong(place))?.values())
}

fn bytes(batch: &RecordBatch, place: usize) -> Result<&[i8]> {
    use arrow::array::AsArray;
    Ok(column_of(batch, place)?.as_primitive_opt::<arrow::datatypes::Int8Type>().ok_or_else(|| wrong(place))?.values())
}

fn times(batch: &RecordBatch, place: usize) -> Result<&[i64]> {
    use arrow::array::AsArray;
    Ok(column_of(batch, place)?.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(|| wrong(place))?.values())
}

fn texts(batch: &RecordBatch, place: usize) -> Result<&StringArray> {
    column_of(batch, place)?.as_any().downcast_ref::<StringArray>().ok_or_else(|| wrong(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_row() -> impl Strategy<Value = (Row, [String; 3])> {
        let key = (1_i32..9, any::<i64>(), Timestamp::MIN.0..Timestamp::MAX.0, 0_i64..1 << 40);
        let said = (any::<i64>(), 0_u8..=18, 0_usize..8, 0_u16..1 << 11, any::<i64>());
        let when = (any::<i32>(), any::<i32>(), 0_u64..1 << 43);
        (key, said, when, ["[a-zA-Z³?]{0,5}", ".{0,9}", ".{0,9}"]).prop_map(|(key, said, when, texts)| {
            let row = Row {
                key: RowKey {
                    tenant: TenantId(key.0),
                    channel: ChannelId(key.1),
                    start: Timestamp(key.2),
                    span: Span(key.3),
                },
                value: Decimal::new(said.0, said.1),
                unit: Word(0),
                quality: Word(0),
                canonical: Quality::ALL[said.2],
                reason: Word(0),
                flags: Flags(said.3),
                device: DeviceId(said.4),
                message_time: Timestamp(i64::from(when.0)),
                issued_at: Timestamp(i64::from(when.1)),
                sequence: Sequence(when.2),
            };
            (row, texts)
        })
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(rows in proptest::collection::vec(any_row(), 0..40)) {
            let mut words = Words::new();
            let mut written = Vec::new();
            for (mut row, [unit, quality, reason]) in rows {
                row.unit = words.intern(&unit).expect("short");
                row.quality = words.intern(&quality).expect("short");
                row.reason = words.intern(&reason).expect("short");
                written.push(row);
            }
            let batch = rows_to_batch(&written, &words);
            let read = batch_to_rows(&batch, &mut words).expect("ours");
            prop_assert_eq!(format!("{read:?}"), format!("{written:?}"));
        }
    }

    #[test]
    fn a_scale_no_decimal_has_is_named_with_its_row() {
        let words = Words::new();
        let batch = rows_to_batch(&[], &words);
        assert_eq!(batch.num_rows(), 0);
        let mut columns = one_row_batch().columns().to_vec();
        columns[column::SCALE] = Arc::new(Int8Array::from(vec![19]));
        let bad = RecordBatch::try_new(Table::Readings.schema(), columns).expect("right types");
        let refused = batch_to_rows(&bad, &mut Words::new());
        assert_eq!(
            refused.expect_err("19 digits").to_string(),
            "table readings, column scale, row 0: 19 is no value of ours"
        );
    }

    fn one_row_batch() -> RecordBatch {
        let row = Row {
            key: RowKey::default(),
            value: Decimal::new(1, 0),
            unit: Word(0),
            quality: Word(0),
            canonical: Quality::Measured,
            reason: Word(0),
            flags: Flags(0),
            device: DeviceId::NONE,
            message_time: Timestamp(0),
            issued_at: Timestamp(0),
            sequence: Sequence(1),
        };
        rows_to_batch(&[row], &Words::new())
    }
}
