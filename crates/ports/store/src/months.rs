//! Rows in key order into one file a month.
//!
//! Promise: rows become columns in blocks, so that memory holds no more than some
//! thousands of them a second time; the files are written side by side.

use std::collections::BTreeMap;
use std::sync::Arc;

use meter::{InKeyOrder, Months, Piece, RowKey, Run, Runs, Timestamp, Words};

use crate::delta::FileEntry;
use crate::error::{Error, Result};
use crate::latest::SharedWords;
use crate::position::Position;
use crate::rows::RowColumns;
use crate::schema::Table;
use crate::waiting::Waiting;
use crate::write::{FileWriter, PAGE_ROWS_MAX, Shelf};

/// Rows made columns at a time: some megabytes, and few calls of the encoder.
const COLUMN_ROWS: usize = 8 * PAGE_ROWS_MAX;

/// As [`Shelf::write`], for a table of readings in partitions.
pub(crate) fn write(
    shelf: &Shelf,
    table: Table,
    rows: Vec<Waiting>,
    name: &str,
    through: Position,
) -> Result<Vec<FileEntry>> {
    let rows = rows.into_iter().map(Waiting::into_runs).collect::<Result<Vec<_>>>()?;
    let runs: Vec<&Runs> = rows.iter().map(|(rows, _)| rows.runs().expect("are in runs now")).collect();
    let mut order = InKeyOrder::of(&runs);
    let mut files = Files { shelf, table, of_month: BTreeMap::new(), months: Months::default(), waiting: 0 };
    let mut last = None;
    loop {
        let mut pieces = order.next_pieces();
        if pieces.is_empty() {
            return files.finish(name, through);
        }
        if table == Table::Readings {
            each_key_once(pieces, &runs, &mut last)?;
        }
        while let Some(first) = pieces.first() {
            let words = &rows[first.source as usize].1;
            let alike = pieces.iter().take_while(|piece| Arc::ptr_eq(words, &rows[piece.source as usize].1)).count();
            let left = files.take(&pieces[..alike], &runs, words)?;
            pieces = &pieces[alike - left..];
        }
    }
}

/// The base has one row per key: two in one commit are a mistake of ours.
fn each_key_once(pieces: &[Piece], runs: &[&Runs], last: &mut Option<RowKey>) -> Result<()> {
    for piece in pieces {
        let run = runs[piece.source as usize].piece(*piece);
        let key = run.first_key();
        if *last == Some(key) {
            return Err(Error::KeyTwice { key });
        }
        *last = Some(run.last_key());
    }
    Ok(())
}

/// The files of the months at hand.
struct Files<'a> {
    shelf: &'a Shelf,
    table: Table,
    of_month: BTreeMap<i32, File>,
    months: Months,
    /// Rows that are columns, but in no file yet.
    waiting: usize,
}

struct File {
    writer: FileWriter,
    columns: RowColumns,
}

impl Files<'_> {
    /// Takes in rows of the first pieces; how many pieces are left. The words are
    /// locked once for all of them, and free again when something is written.
    fn take(&mut self, pieces: &[Piece], runs: &[&Runs], words: &SharedWords) -> Result<usize> {
        let mut left = pieces.len();
        {
            let words = words.read().expect("no holder panics");
            for piece in pieces {
                if self.waiting >= COLUMN_ROWS {
                    break;
                }
                self.push(&runs[piece.source as usize].piece(*piece), &words)?;
                left -= 1;
            }
        }
        if self.waiting >= COLUMN_ROWS {
            self.write_columns()?;
        }
        Ok(left)
    }

    /// The rows of a run, each to its month.
    fn push(&mut self, run: &Run<'_>, words: &Words) -> Result<()> {
        let (starts, months) = (run.starts(), &mut self.months);
        let mut month_of = |start: i64| months.of(Timestamp(start));
        self.waiting += starts.len();
        let mut from = 0;
        while from < starts.len() {
            let month = month_of(starts[from]);
            let to = match month_of(starts[starts.len() - 1]) == month {
                true => starts.len(),
                false => from + starts[from..].partition_point(|start| month_of(*start) <= month),
            };
            if !self.of_month.contains_key(&month) {
                let writer = FileWriter::create(self.shelf, self.table, month)?;
                self.of_month.insert(month, File { writer, columns: RowColumns::with_capacity(PAGE_ROWS_MAX) });
            }
            let file = self.of_month.get_mut(&month).expect("is there now");
            file.columns.push(&run.part(from, to - from), words);
            from = to;
        }
        Ok(())
    }

    fn write_columns(&mut self) -> Result<()> {
        self.waiting = 0;
        for File { writer, columns } in self.of_month.values_mut().filter(|file| file.columns.len() > 0) {
            // The next block has as many, about.
            let rows = columns.len();
            writer.write(&std::mem::replace(columns, RowColumns::with_capacity(rows)).finish())?;
        }
        Ok(())
    }

    fn finish(mut self, name: &str, through: Position) -> Result<Vec<FileEntry>> {
        self.write_columns()?;
        self.of_month.into_values().map(|file| file.writer.finish(name, through)).collect()
    }
}
