//! Answers as a Parquet file, given out row group by row group.
//!
//! Promise: decimals and times are the ones of the answer; memory holds one row
//! group. A column that Parquet has no type for is an error that names its type.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};

/// Encoded; readers like them large, eight queries at a time hold 128 MiB.
const ROW_GROUP_BYTES_MAX: usize = 16 << 20;

pub(super) struct ParquetFile(ArrowWriter<Vec<u8>>);

impl ParquetFile {
    pub(super) fn new(schema: &SchemaRef) -> Result<ParquetFile> {
        let compression = Compression::ZSTD(ZstdLevel::default());
        let properties = WriterProperties::builder().set_compression(compression).build();
        ArrowWriter::try_new(Vec::new(), Arc::clone(schema), Some(properties)).map(ParquetFile).map_err(broken)
    }

    pub(super) fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>> {
        self.0.write(batch).map_err(broken)?;
        if self.0.in_progress_size().max(self.0.memory_size()) >= ROW_GROUP_BYTES_MAX {
            self.0.flush().map_err(broken)?;
        }
        self.written()
    }

    pub(super) fn end(mut self) -> Result<Vec<u8>> {
        self.0.finish().map_err(broken)?;
        self.written()
    }

    /// Only after a sync: the writer keeps its last bytes back until then.
    fn written(&mut self) -> Result<Vec<u8>> {
        self.0.sync().map_err(|cause| broken(ParquetError::External(Box::new(cause))))?;
        Ok(std::mem::take(self.0.inner_mut()))
    }
}

fn broken(error: ParquetError) -> Error {
    match error {
        ParquetError::NYI(what) | ParquetError::ArrowError(what) => {
            let advice = "cast the column or ask for another format";
            Error::Sql { message: format!("parquet cannot hold this answer ({what}); {advice}"), place: None }
        }
        other => Error::Engine(format!("an answer cannot be encoded: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{
        ArrayRef, Decimal128Array, Decimal256Array, DurationMicrosecondArray, Int64Array, IntervalMonthDayNanoArray,
        NullArray, TimestampMicrosecondArray,
    };
    use datafusion::arrow::datatypes::{IntervalMonthDayNano, Schema, i256};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    /// No two alike, so that they take room.
    fn scattered(n: i64) -> i128 {
        i128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64))
    }

    fn rows(from: i64, count: i64) -> RecordBatch {
        let numbers = from..from + count;
        let narrow = Decimal128Array::from_iter(
            numbers.clone().map(|n| (n % 7 != 0).then(|| scattered(n) * i128::from(scattered(n) as i32))),
        );
        let wide =
            Decimal256Array::from_iter_values(numbers.clone().map(|n| i256::from_i128(i128::MAX) * i256::from(n % 9)));
        let times = TimestampMicrosecondArray::from_iter_values(numbers.clone()).with_timezone("UTC");
        let spans = DurationMicrosecondArray::from_iter_values(numbers.clone());
        let columns: Vec<(&str, ArrayRef, bool)> = vec![
            ("narrow", Arc::new(narrow.with_precision_and_scale(38, 18).expect("valid")), true),
            ("wide", Arc::new(wide.with_precision_and_scale(76, 18).expect("valid")), false),
            ("at", Arc::new(times), false),
            ("span", Arc::new(spans), false),
            ("nothing", Arc::new(NullArray::new(count as usize)), true),
            ("n", Arc::new(Int64Array::from_iter_values(numbers.map(|n| scattered(n) as i64))), false),
        ];
        RecordBatch::try_from_iter_with_nullable(columns).expect("valid")
    }

    #[test]
    fn parquet_comes_back_as_it_was_and_comes_in_pieces() {
        let schema = rows(0, 1).schema();
        let mut file = ParquetFile::new(&schema).expect("valid");
        let (mut bytes, mut pieces) = (Vec::new(), 0);
        for turn in 0..120 {
            let piece = file.batch(&rows(turn * 8_192, 8_192)).expect("encodes");
            pieces += usize::from(!piece.is_empty());
            bytes.extend(piece);
        }
        assert!(pieces > 1, "all of it waited for the end");
        bytes.extend(file.end().expect("ends"));
        let path = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(path.path(), &bytes).expect("written");
        let opened = std::fs::File::open(path.path()).expect("opens");
        let reader = ParquetRecordBatchReaderBuilder::try_new(opened).expect("parquet").with_batch_size(8_192);
        let read: Vec<RecordBatch> = reader.build().expect("parquet").map(|batch| batch.expect("whole")).collect();
        let read = datafusion::arrow::compute::concat_batches(&schema, &read).expect("alike");
        assert_eq!(read, rows(0, 120 * 8_192));
    }

    #[test]
    fn what_parquet_has_no_type_for_is_an_error_of_the_asker() {
        let interval = IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(1, 2, 3)]);
        let batch = RecordBatch::try_from_iter([("i", Arc::new(interval) as ArrayRef)]).expect("valid");
        let encoded = ParquetFile::new(&batch.schema()).and_then(|mut file| file.batch(&batch));
        let error = encoded.expect_err("has no type");
        assert!(matches!(error, Error::Sql { .. }), "{error:?}");
        let none = ParquetFile::new(&Arc::new(Schema::empty()));
        assert!(none.is_err() || none.and_then(ParquetFile::end).is_ok());
    }
}
