//! Answers as bytes: CSV, JSON, Arrow, Parquet, or a table for the eye.
//!
//! Promise: a decimal is written with all its digits and no float in between:
//! in CSV and tables as text without trailing zeros, in JSON as a string
//! (`"1.5"`), in Arrow and Parquet as the decimal it is. Times are RFC 3339 in UTC. What is
//! encoded is given out batch by batch; only [`Format::Table`] keeps rows, and
//! no more than [`TABLE_ROWS_MAX`].
//!
//! In CSV an absent value is empty like an empty text, bytes are hexadecimal.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::util::pretty::pretty_format_batches;
use futures::{Stream, StreamExt};

mod shown;
mod json;
mod parquet;

use self::parquet::ParquetFile;
use self::shown::{shown, shown_schema};
use crate::answer::Answer;
use crate::error::{Error, Result};

/// A table for the eye ends here; 1,000 rows are 20 screens.
pub const TABLE_ROWS_MAX: usize = 1_000;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180 with a header line.
    Csv,
    /// An array of objects.
    Json,
    /// An Arrow IPC stream.
    Arrow,
    /// A Parquet file.
    Parquet,
    /// Columns drawn with lines.
    Table,
}

impl Format {
    /// Every form there is.
    pub const ALL: [Format; 5] = [Format::Csv, Format::Json, Format::Arrow, Format::Parquet, Format::Table];

    /// The form of that name, as [`Format::name`] gives it.
    pub fn from_name(name: &str) -> Option<Format> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// What people type.
    pub fn name(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Json => "json",
            Format::Arrow => "arrow",
            Format::Parquet => "parquet",
            Format::Table => "table",
        }
    }

    /// What HTTP calls it.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Json => "application/json",
            Format::Arrow => "application/vnd.apache.arrow.stream",
            Format::Parquet => "application/vnd.apache.parquet",
            Format::Table => "text/plain; charset=utf-8",
        }
    }
}

/// Turns batches into bytes, one answer each.
pub struct Encoder {
    schema: SchemaRef,
    state: State,
}

enum State {
    Csv { header: bool },
    Json { first: bool },
    Arrow(Box<StreamWriter<Vec<u8>>>),
    Parquet(Box<ParquetFile>),
    Table { kept: Vec<RecordBatch>, rows: usize },
}

impl Encoder {
    /// For an answer with these columns; an error where the format cannot hold one of them.
    pub fn new(format: Format, schema: &SchemaRef) -> Result<Encoder> {
        let state = match format {
            Format::Csv => State::Csv { header: true },
            Format::Json => State::Json { first: true },
            Format::Arrow => State::Arrow(Box::new(StreamWriter::try_new(Vec::new(), schema).map_err(broken)?)),
            Format::Parquet => State::Parquet(Box::new(ParquetFile::new(schema)?)),
            // So that an answer without rows still shows its columns.
            Format::Table => State::Table { kept: vec![RecordBatch::new_empty(shown_schema(schema))], rows: 0 },
        };
        Ok(Encoder { schema: schema.clone(), state })
    }

    /// Appends the bytes of these rows to `into`; may be none yet.
    pub fn batch(&mut self, batch: &RecordBatch, into: &mut Vec<u8>) -> Result<()> {
        match &mut self.state {
            State::Csv { header } => csv(&shown(batch)?, std::mem::take(header), into)?,
            State::Json { first } => json::objects(&shown(batch)?, first, into).map_err(broken)?,
            State::Arrow(writer) => {
                writer.write(batch).map_err(broken)?;
                into.append(writer.get_mut());
            }
            State::Parquet(file) => into.append(&mut file.batch(batch)?),
            State::Table { kept, rows } => {
                let room = TABLE_ROWS_MAX.saturating_sub(*rows);
                *rows += batch.num_rows();
                if room > 0 {
                    kept.push(shown(&batch.slice(0, room.min(batch.num_rows())))?);
                }
            }
        }
        Ok(())
    }

    /// Appends the last bytes, once every batch was given.
    pub fn end(self, into: &mut Vec<u8>) -> Result<()> {
        match self.state {
            State::Csv { header: true } => csv(&RecordBatch::new_empty(shown_schema(&self.schema)), true, into)?,
            State::Csv { header: false } => {}
            State::Json { first: true } => into.extend_from_slice(b"[]\n"),
            State::Json { first: false } => into.extend_from_slice(b"]\n"),
            State::Arrow(mut writer) => {
                writer.finish().map_err(broken)?;
                into.append(writer.get_mut());
            }
            State::Parquet(file) => into.append(&mut file.end()?),
            State::Table { kept, rows } => {
                let mut text = format!("{}\n", pretty_format_batches(&kept).map_err(broken)?);
                match rows {
                    1 => text.push_str("1 row\n"),
                    rows if rows > TABLE_ROWS_MAX => {
                        text.push_str(&format!(
                            "{rows} rows, the first {TABLE_ROWS_MAX} shown; the other formats have all\n"
                        ));
                    }
                    rows => text.push_str(&format!("{rows} rows\n")),
                }
                into.extend_from_slice(text.as_bytes());
            }
        }
        Ok(())
    }
}

/// The answer's bytes, piece by piece; ends after its first error.
pub fn encode(answer: Answer, format: Format) -> impl Stream<Item = Result<Vec<u8>>> + Send + 'static {
    let begun = Some((Encoder::new(format, &answer.schema()), answer));
    futures::stream::unfold(begun, async |state| {
        let (encoder, mut answer) = state?;
        let mut encoder = match encoder {
            Ok(encoder) => encoder,
            Err(error) => return Some((Err(error), None)),
        };
        let mut bytes = Vec::new();
        while bytes.is_empty() {
            let made = match answer.next().await {
                Some(batch) => batch.and_then(|batch| encoder.batch(&batch, &mut bytes)),
                None => return Some((encoder.end(&mut bytes).map(|()| bytes), None)),
            };
            if let Err(error) = made {
                return Some((Err(error), None));
            }
        }
        Some((Ok(bytes), Some((Ok(encoder), answer))))
    })
}

impl Answer {
    /// Writes all of it. `out` may block: for commands, not for servers.
    pub async fn write(self, format: Format, out: &mut (dyn std::io::Write + Send)) -> Result<()> {
        let unwritten = |cause| Error::Write { path: "output".into(), cause: Arc::new(cause) };
        let mut pieces = Box::pin(encode(self, format));
        while let Some(piece) = pieces.next().await {
            out.write_all(&piece?).map_err(unwritten)?;
        }
        Ok(())
    }
}

fn broken(error: ArrowError) -> Error {
    Error::Engine(format!("an answer cannot be encoded: {error}"))
}

fn csv(batch: &RecordBatch, header: bool, into: &mut Vec<u8>) -> Result<()> {
    let mut writer = datafusion::arrow::csv::WriterBuilder::new().with_header(header).build(into);
    writer.write(batch).map_err(broken)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, Decimal128Array, Int64Array, StringArray};

    use super::*;

    fn batch(quantities: Vec<Option<i128>>) -> RecordBatch {
        let rows = quantities.len();
        let quantities = Decimal128Array::from(quantities).with_precision_and_scale(38, 18).expect("valid");
        let texts = StringArray::from_iter_values((0..rows).map(|row| format!("a,\"{row}\"\n")));
        let numbers = Int64Array::from_iter_values((0..rows).map(|row| row as i64));
        let columns: Vec<(&str, ArrayRef, bool)> =
            vec![("q", Arc::new(quantities), true), ("t", Arc::new(texts), false), ("n", Arc::new(numbers), false)];
        RecordBatch::try_from_iter_with_nullable(columns).expect("valid")
    }

    fn check(format: Format, batches: &[RecordBatch], expected: &str) {
        let schema = batch(vec![]).schema();
        let mut encoder = Encoder::new(format, &schema).expect("valid");
        let mut bytes = Vec::new();
        batches.iter().for_each(|batch| encoder.batch(batch, &mut bytes).expect("valid"));
        encoder.end(&mut bytes).expect("valid");
        assert_eq!(String::from_utf8(bytes).as_deref(), Ok(expected));
    }

    const ONE_AND_A_HALF: i128 = 1_500_000_000_000_000_000;

    #[test]
    fn csv_has_a_header_once_and_every_digit() {
        let two = [batch(vec![Some(ONE_AND_A_HALF)]), batch(vec![None]), batch(vec![Some(-1)])];
        let rows = "q,t,n\n1.5,\"a,\"\"0\"\"\n\",0\n,\"a,\"\"0\"\"\n\",0\n-0.000000000000000001,\"a,\"\"0\"\"\n\",0\n";
        check(Format::Csv, &two, rows);
        check(Format::Csv, &[], "q,t,n\n");
    }

    #[test]
    fn json_is_an_array_with_decimals_as_strings() {
        let two = [batch(vec![Some(ONE_AND_A_HALF), None]), batch(vec![Some(0)])];
        let rows = "[{\"q\":\"1.5\",\"t\":\"a,\\\"0\\\"\\n\",\"n\":0},\n{\"q\":null,\"t\":\"a,\\\"1\\\"\\n\",\"n\":1},\n{\"q\":\"0\",\"t\":\"a,\\\"0\\\"\\n\",\"n\":0}]\n";
        check(Format::Json, &two, rows);
        check(Format::Json, &[], "[]\n");
    }

    #[test]
    fn a_table_says_what_it_leaves_out() {
        let schema = batch(vec![]).schema();
        let mut encoder = Encoder::new(Format::Table, &schema).expect("valid");
        let mut bytes = Vec::new();
        encoder.batch(&batch(vec![None; TABLE_ROWS_MAX + 5]), &mut bytes).expect("valid");
        encoder.end(&mut bytes).expect("valid");
        let text = String::from_utf8(bytes).expect("text");
        assert!(text.ends_with("1005 rows, the first 1000 shown; the other formats have all\n"), "{text}");
    }

    #[test]
    fn arrow_comes_back_as_it_was() {
        let sent = [batch(vec![Some(7)]), batch(vec![None, Some(8)])];
        let mut encoder = Encoder::new(Format::Arrow, &sent[0].schema()).expect("valid");
        let mut bytes = Vec::new();
        sent.iter().for_each(|batch| encoder.batch(batch, &mut bytes).expect("valid"));
        encoder.end(&mut bytes).expect("valid");
        let reader = datafusion::arrow::ipc::reader::StreamReader::try_new(&bytes[..], None).expect("a stream");
        assert_eq!(reader.collect::<Result<Vec<_>, _>>().expect("whole"), sent);
    }
}
