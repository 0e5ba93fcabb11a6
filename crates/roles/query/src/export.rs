//! `export readings`: standing readings as the export CSV (§6 of the design).
//!
//! Promise: sorted by point, device, register and start; a value has the
//! digits it came in with, unit and quality are as the source wrote them. Never
//! more than a query's memory is used: what does not fit is sorted on disk.

use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{Int8Type, Int64Type, TimestampMicrosecondType};
use futures::StreamExt;
use meter::Timestamp;
use parse::export::Line;

use crate::engine::Session;
use crate::error::{Error, Result};
use crate::quantity::decimal;

/// Which readings to export. Nothing said is all of them.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only those of this point.
    pub point: Option<String>,
    /// Readings that start at or after it.
    pub from: Option<Timestamp>,
    /// Readings that start before it.
    pub before: Option<Timestamp>,
}

impl Selection {
    /// The question an export asks; [`write_lines`] takes its answer.
    pub fn sql(&self) -> String {
        let mut conditions = Vec::new();
        if let Some(point) = &self.point {
            conditions.push(format!("point = '{}'", point.replace('\'', "''")));
        }
        if let Some(from) = self.from {
            conditions.push(format!("start >= '{from}'"));
        }
        if let Some(before) = self.before {
            conditions.push(format!("start < '{before}'"));
        }
        let filter = if conditions.is_empty() { String::new() } else { format!("where {}", conditions.join(" and ")) };
        // After start: so that one lake has one export.
        format!(
            "select point, device, register, start, \"end\", value, scale, unit, quality, reason, channel \
             from readings {filter} order by point, device, register, start, \"end\", channel"
        )
    }
}

impl Session {
    /// Writes the readings with a header line; gives their number. `out` may block.
    pub async fn export_readings(self, selection: &Selection, out: &mut (dyn Write + Send)) -> Result<u64> {
        let unwritten = |cause| Error::Write { path: "export".into(), cause: Arc::new(cause) };
        let mut answer = self.for_export().query(&selection.sql()).await?;
        let mut out = std::io::BufWriter::new(out);
        parse::export::write_header(&mut out).map_err(unwritten)?;
        let mut rows = 0;
        while let Some(batch) = answer.next().await {
            let batch = batch?;
            write_lines(&batch, &mut out)?;
            rows += batch.num_rows() as u64;
        }
        out.flush().map_err(unwritten)?;
        Ok(rows)
    }
}

/// Writes rows of the answer to [`Selection::sql`] as lines of the export.
pub fn write_lines(batch: &RecordBatch, out: &mut impl Write) -> Result<()> {
    for row in 0..batch.num_rows() {
        let unwritten = |cause| Error::Write { path: "export".into(), cause: Arc::new(cause) };
        Columns::of(batch).line(row)?.write(out).map_err(unwritten)?;
    }
    Ok(())
}

/// The columns in the order [`Selection::sql`] names them.
struct Columns<'a>(&'a RecordBatch);

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Columns<'a> {
        Columns(batch)
    }

    fn line(&self, row: usize) -> Result<Line<'a>> {
        let text = |place: usize| -> &'a str {
            let texts: &'a StringArray = self.0.column(place).as_string();
            texts.value(row)
        };
        let long = |place: usize| self.0.column(place).as_primitive::<Int64Type>().value(row);
        let time = |place: usize| Timestamp(self.0.column(place).as_primitive::<TimestampMicrosecondType>().value(row));
        let scale = self.0.column(6).as_primitive::<Int8Type>().value(row);
        Ok(Line {
            point: text(0),
            device: text(1),
            register: text(2),
            start: time(3),
            end: time(4),
            value: decimal(long(5), scale, long(10))?,
            unit: text(7),
            quality: text(8),
            reason: text(9),
        })
    }
}
