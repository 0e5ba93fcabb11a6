//! Rows as Parquet's columns: what `write.rs` puts into a file.
//!
//! Promise: any Parquet reader gets back what was taken, value for value. Memory
//! is bounded by the encoded pages of the row group in progress.
//!
//! Written here and not by the library, because nearly all columns of readings
//! are constant over long runs: here a run costs what a row costs there
//! (docs/decisions/0006). The library still writes headers, indexes and footer.
//!
//! Read: `bits.rs`, `hybrid.rs` and `delta.rs` (the encodings), `distinct.rs`
//! (dictionaries), `values.rs` (a cut of a column), `press.rs` (compression),
//! `page.rs` (pages and chunks), `column.rs` (all of it for one column).

mod bits;
mod hybrid;
mod delta;
mod distinct;
mod values;
mod press;
mod page;
mod column;
#[cfg(test)]
mod tests;

use std::io::Write;

use arrow::array::RecordBatch;
use parquet::errors::Result;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescriptor;

use column::Column;
use press::Press;

/// The columns of the row group in progress.
pub(crate) struct Group {
    columns: Vec<Column>,
    keyed: Vec<bool>,
    press: Press,
    rows: usize,
}

impl Group {
    /// Pages of the columns at the places `keys` agree with each other and tell
    /// the least and the greatest value; none of these may be null.
    pub(crate) fn new(schema: &SchemaDescriptor, keys: &[usize]) -> Group {
        let keyed = (0..schema.num_columns()).map(|place| keys.contains(&place)).collect();
        let mut group = Group { columns: Vec::new(), keyed, press: Press::new(), rows: 0 };
        group.begin(schema);
        group
    }

    fn begin(&mut self, schema: &SchemaDescriptor) {
        let columns = schema.columns().iter().zip(&self.keyed);
        self.columns = columns.map(|(column, keyed)| Column::new(column.clone(), *keyed)).collect();
        self.rows = 0;
    }

    /// Rows behind those taken; a page of the keys.
    pub(crate) fn take(&mut self, rows: &RecordBatch) {
        for (column, array) in self.columns.iter_mut().zip(rows.columns()) {
            column.take(array, &mut self.press);
        }
        self.rows += rows.num_rows();
    }

    /// Rows taken and not yet written.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The least and the greatest integer of a column so far.
    pub(crate) fn bounds(&self, place: usize) -> Option<(i64, i64)> {
        self.columns[place].bounds()
    }

    /// Writes what was taken, at least one row, as a row group, and begins the next.
    pub(crate) fn end<W: Write + Send>(&mut self, file: &mut SerializedFileWriter<W>) -> Result<()> {
        let mut group = file.next_row_group()?;
        for column in std::mem::take(&mut self.columns) {
            let (bytes, close) = column.end(&mut self.press)?;
            group.append_column(&bytes, close)?;
        }
        group.close()?;
        self.begin(file.schema_descr());
        Ok(())
    }
}
