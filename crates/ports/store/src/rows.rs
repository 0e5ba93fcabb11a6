//! Rows and columns: `meter::Row` as Arrow batches, there and back.
//!
//! Promise: what goes in comes out, digit for digit and word for word. What a
//! file holds that no `Row` can be is `Corrupt`, named with column and row.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Int8Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use meter::{
    ChannelId, Decimal, DeviceId, Flags, Quality, Row, RowKey, Sequence, Span, TenantId, Timestamp, Unit, Word, Words,
};

use crate::error::{Error, Result};
use crate::schema::{Table, column};

const TABLE: &str = "readings";

/// The rows as one batch of `readings`, `overlay` or `history`, in their order.
pub fn rows_to_batch(rows: &[Row], words: &Words) -> RecordBatch {
    let mut codes = UnitCodes::default();
    let times = |of: &dyn Fn(&Row) -> Timestamp| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|r| of(r).0)).with_timezone("UTC"))
    };
    let longs = |of: &dyn Fn(&Row) -> i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values(rows.iter().map(of))) };
    let bytes = |of: &dyn Fn(&Row) -> u8| -> ArrayRef {
        let small = |r| i8::try_from(of(r)).expect("scales and codes are below 128");
        Arc::new(Int8Array::from_iter_values(rows.iter().map(small)))
    };
    let texts = |of: &dyn Fn(&Row) -> Word| -> ArrayRef {
        let mut built = StringBuilder::with_capacity(rows.len(), rows.len() * 4);
        rows.iter().for_each(|r| built.append_value(words.text(of(r))));
        Arc::new(built.finish())
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|r| r.key.tenant.0))),
        longs(&|r| r.key.channel.0),
        times(&|r| r.key.start),
        longs(&|r| r.key.span.0),
        longs(&|r| r.value.value),
        bytes(&|r| r.value.scale),
        texts(&|r| r.unit),
        Arc::new(Int16Array::from_iter_values(rows.iter().map(|r| codes.of(r.unit, words)))),
        texts(&|r| r.quality),
        bytes(&|r| r.canonical.code()),
        texts(&|r| r.reason),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|r| i32::from(r.flags.0)))),
        longs(&|r| r.device.0),
        times(&|r| r.message_time),
        times(&|r| r.issued_at),
        longs(&|r| i64::try_from(r.sequence.0).expect("the journal counts below 2^43")),
    ];
    RecordBatch::try_new(Table::Readings.schema(), columns).expect("built column by column as the schema says")
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

/// Meaning of each unit word, looked up once.
#[derive(Default)]
struct UnitCodes(Vec<Option<i16>>);

impl UnitCodes {
    fn of(&mut self, word: Word, words: &Words) -> i16 {
        let place = word.0 as usize;
        if place >= self.0.len() {
            self.0.resize(place + 1, None);
        }
        *self.0[place].get_or_insert_with(|| i16::from(Unit::from_spelling(words.text(word)).code()))
    }
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
