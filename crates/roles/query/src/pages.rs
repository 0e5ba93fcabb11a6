//! One page of an answer: so many rows, and where the next page begins.
//!
//! Promise: pages of one question together hold each row once, if the question
//! is ordered by the page's key, the key is unique and no row changes in between.

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType};
use futures::StreamExt;

use crate::answer::Answer;
use crate::error::{Error, Result};
use crate::results::{Encoder, Format};

/// The values of the key in a page's last row: what the next page begins after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub Vec<i64>);

/// Some rows of an answer.
#[derive(Debug)]
pub struct Page {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// What the query that found them is listed by.
    pub query: u64,
    /// Where the next page begins; none if this is the last.
    pub next: Option<Cursor>,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(i64::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

impl Cursor {
    /// As it is printed; `None` if that cannot be a place in a key of so many columns.
    pub fn parse(text: &str, columns: usize) -> Option<Cursor> {
        let numbers: Option<Vec<i64>> = text.split('.').map(|number| number.parse().ok()).collect();
        numbers.filter(|numbers| numbers.len() == columns).map(Cursor)
    }
}

impl Answer {
    /// The first `rows_max` rows, held in memory. `key` names columns of integers
    /// or times; the question asks for one row more, by which it is known whether
    /// there is a next page.
    pub async fn page(mut self, rows_max: usize, key: &[&str]) -> Result<Page> {
        let mut page = Page { schema: self.schema(), batches: Vec::new(), query: self.id(), next: None };
        let mut left = rows_max;
        while let Some(batch) = self.next().await {
            let batch = batch?;
            let taken = batch.num_rows().min(left);
            left -= taken;
            if taken > 0 {
                page.batches.push(batch.slice(0, taken));
            }
            if taken < batch.num_rows() {
                page.next = page.batches.last().map(|last| place(last, key)).transpose()?;
                break;
            }
        }
        Ok(page)
    }
}

impl Page {
    /// All of it in one piece, behind what stands in `bytes`.
    pub fn encode(&self, format: Format, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
        let mut encoder = Encoder::new(format, &self.schema)?;
        for batch in &self.batches {
            encoder.batch(batch, &mut bytes)?;
        }
        encoder.end(&mut bytes)?;
        Ok(bytes)
    }
}

/// The key of the last row.
fn place(batch: &RecordBatch, key: &[&str]) -> Result<Cursor> {
    let row = batch.num_rows() - 1;
    let number = |name: &&str| {
        let column = batch.column_by_name(name).ok_or_else(|| Error::Engine(format!("there is no column {name}")))?;
        match column.data_type() {
            DataType::Int64 => Ok(column.as_primitive::<Int64Type>().value(row)),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Ok(column.as_primitive::<TimestampMicrosecondType>().value(row))
            }
            other => Err(Error::Engine(format!("column {name} of {other} cannot be part of a page's key"))),
        }
    };
    key.iter().map(number).collect::<Result<_>>().map(Cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_printed_and_nothing_else_is() {
        let cursor = Cursor(vec![7, -3, 0]);
        assert_eq!(Cursor::parse(&cursor.to_string(), 3), Some(cursor));
        for wrong in ["", "7", "7.", "7.1.2.3", "a.b.c", "7.1.99999999999999999999", "7.1. 2"] {
            assert_eq!(Cursor::parse(wrong, 3), None, "{wrong}");
        }
    }
}
