//! Rows in key order into one file a month.
//!
//! Promise: rows become columns a page at a time, so that memory holds no more than
//! some thousands of a month a second time; the files are written side by side.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use meter::{InKeyOrder, Months, RowKey, Run, Runs, Timestamp, Words};

use crate::delta::FileEntry;
use crate::error::{Error, Result};
use crate::latest::SharedWords;
use crate::position::Position;
use crate::rows::RowColumns;
use crate::schema::Table;
use crate::waiting::Waiting;
use crate::write::{FileWriter, PAGE_ROWS_MAX, Shelf};

/// Columns made before they are written, and that a run may add to: some megabytes.
const PAGES_WAITING: usize = 8;

/// As [`Shelf::write`], for a table of readings in partitions.
pub(crate) fn write(
    shelf: &Shelf,
    table: Table,
    rows: Vec<Waiting>,
    name: &str,
    through: Position,
) -> Result<Vec<FileEntry>> {
    let (rows, words) = Waiting::all_in_runs(rows)?;
    let runs: Vec<&Runs> = rows.iter().map(|rows| rows.runs().expect("are in runs now")).collect();
    let mut order = InKeyOrder::of(&runs);
    let mut files = Files { shelf, table, of_month: BTreeMap::new(), months: Months::default(), pages: Vec::new() };
    let mut last = None;
    while let Some(rows) = order.next_rows() {
        if table == Table::Readings {
            each_key_once(rows, &mut last)?;
        }
        let mut taken = 0;
        while taken < rows.run_count() {
            taken += files.take(rows, taken, &words)?;
        }
    }
    files.finish(name, through)
}

/// The base has one row per key: two in one commit are a mistake of ours.
fn each_key_once(rows: &Runs, last: &mut Option<RowKey>) -> Result<()> {
    for run in rows.runs() {
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
    /// Whole pages, by month, that are in no file yet.
    pages: Vec<(i32, RecordBatch)>,
}

struct File {
    writer: FileWriter,
    /// Fewer rows than a page.
    columns: RowColumns,
}

impl Files<'_> {
    /// Takes in the rows of some runs, from one on; how many runs. The words are
    /// locked once for all of them, and free again when something is written.
    fn take(&mut self, rows: &Runs, from: usize, words: &SharedWords) -> Result<usize> {
        let mut next = from;
        {
            let words = words.read().expect("no holder panics");
            while next < rows.run_count() && self.pages.len() < PAGES_WAITING {
                self.push(&rows.run_at(next), &words)?;
                next += 1;
            }
        }
        for (month, page) in self.pages.drain(..) {
            self.of_month.get_mut(&month).expect("has a page").writer.write(&page)?;
        }
        Ok(next - from)
    }

    /// The rows of a run, each to its month and page.
    fn push(&mut self, run: &Run<'_>, words: &Words) -> Result<()> {
        let mut left = *run;
        while left.len() > 0 {
            let (starts, months) = (left.starts(), &mut self.months);
            let mut month_of = |start: i64| months.of(Timestamp(start));
            let month = month_of(starts[0]);
            let count = match month_of(starts[starts.len() - 1]) == month {
                true => starts.len(),
                false => starts.partition_point(|start| month_of(*start) <= month),
            };
            if !self.of_month.contains_key(&month) {
                let writer = FileWriter::create(self.shelf, self.table, month)?;
                self.of_month.insert(month, File { writer, columns: RowColumns::with_capacity(PAGE_ROWS_MAX) });
            }
            let columns = &mut self.of_month.get_mut(&month).expect("is there now").columns;
            let taken = count.min(PAGE_ROWS_MAX - columns.len());
            columns.push(&left.part(0, taken), words);
            if columns.len() == PAGE_ROWS_MAX {
                let page = std::mem::replace(columns, RowColumns::with_capacity(PAGE_ROWS_MAX));
                self.pages.push((month, page.finish()));
            }
            left = left.part(taken, left.len() - taken);
        }
        Ok(())
    }

    fn finish(self, name: &str, through: Position) -> Result<Vec<FileEntry>> {
        let file = |File { mut writer, columns }: File| {
            if columns.len() > 0 {
                writer.write(&columns.finish())?;
            }
            writer.finish(name, through)
        };
        self.of_month.into_values().map(file).collect()
    }
}
