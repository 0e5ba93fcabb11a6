//! CSV, as a mapping profile says it is to be read.
//!
//! Promise: a profile is data, and the same file under the same name of a
//! profile always says the same. Every data cell becomes a reading, an event
//! `csv.missing`, or a refusal with line, column and reason; a line that cannot
//! be taken apart is one refusal. Memory is bounded by one line and by the
//! streams that have times standing twice.
//!
//! Read: `profile.rs` (what a profile says), `mapping.rs` (checked, and named), `name.rs`,
//! `cells.rs`, `stamp.rs`, `zone.rs` (which instant a local time means),
//! `fault.rs`, `columns.rs` (a header), `rows.rs`, then [`csv`] below; `trial.rs` (what a
//! profile would read).

mod profile;
mod mapping;
pub mod name;
mod cells;
mod stamp;
mod zone;
mod fault;
mod columns;
mod rows;
pub mod trial;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead};

use meter::Sink;

use crate::lines::{LINE_BYTES_MAX, Lines};
use crate::protobuf::Limits;
use cells::Cells;
use columns::Columns;
use fault::{Fault, What};
use mapping::Interval;
use profile::Column;
use rows::{Line, Rows};

pub use mapping::{Mapping, NAME_BYTES_MAX, PROFILE_BYTES_MAX, ProfileError, built_in_text, names};
pub(crate) use mapping::{PREFIX, commodity, fixed_interval, flow, wrong};
pub use name::ProfileName;

/// Point, device, register, unit, quality and reason: what a `meter::Words` keeps.
pub const TEXT_BYTES_MAX: usize = 256;
const _: () = assert!(TEXT_BYTES_MAX <= meter::Words::BYTES_MAX);

/// In a profile's `recognise`: any number of columns whose registers it names.
const AND_REGISTERS: &str = "...";

/// Reads a file into `sink`; fails only where `input` does. `file_name` is for
/// profiles that take a name from it.
pub fn csv<S: Sink + ?Sized>(
    mapping: &Mapping,
    file_name: &str,
    input: impl BufRead,
    limits: Limits,
    sink: &mut S,
) -> io::Result<()> {
    let checked = &*mapping.0;
    let mut lines = Lines::new(input);
    let mut cells = Cells::default();
    let mut header = Vec::new();
    let mut rows = None;
    if !checked.profile.header {
        match Columns::find(checked, Vec::new(), file_name) {
            Ok(columns) => rows = Some(Rows::new(checked, columns, limits)),
            Err(fault) => {
                fault.refuse(0, b"", sink);
                return Ok(());
            }
        }
    }
    while !sink.stopped() {
        let Some(line) = lines.next()? else { break };
        let (number, raw) = (line.number, line.bytes);
        // Files put together have their header several times.
        if number <= checked.profile.skip_lines || is_blank(raw, checked.delimiter) || raw == header {
            continue;
        }
        let split = if line.too_long { Err(too_long()) } else { cells.split(raw, checked.delimiter) };
        match (&mut rows, split) {
            (Some(rows), Ok(())) => rows.row(Line { number, raw, cells: &cells }, sink),
            (Some(_), Err(fault)) => fault.refuse(number, raw, sink),
            (None, split) => match split.and_then(|()| Columns::find(checked, headings(raw, &cells), file_name)) {
                Ok(columns) => {
                    columns.unread.iter().for_each(|fault| fault.refuse(number, raw, sink));
                    header = raw.to_vec();
                    rows = Some(Rows::new(checked, columns, limits));
                }
                // Without its columns, no cell means anything.
                Err(fault) => {
                    fault.refuse(number, raw, sink);
                    return Ok(());
                }
            },
        }
    }
    if rows.is_none() && !sink.stopped() {
        Fault::new(What::Header, "the file ends before its header".into()).refuse(0, b"", sink);
    }
    Ok(())
}

/// A row of delimiters alone is a spreadsheet's blank line.
fn is_blank(line: &[u8], delimiter: u8) -> bool {
    line.iter().all(|byte| byte.is_ascii_whitespace() || *byte == delimiter)
}

fn too_long() -> Fault {
    let reason = format!("the line is longer than the {LINE_BYTES_MAX} bytes that are read");
    Fault::new(What::LineTooLong, reason)
}

/// The built-in profile whose header `head` begins with, if one is without doubt.
pub(crate) fn recognise(head: &[u8]) -> Option<Mapping> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let end = head.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    let (line, rows) = head.split_at(end.unwrap_or(head.len()));
    let is_of = |mapping: &&Mapping| is_header_of(mapping, line, end.is_some()) && is_step_of(mapping, line, rows);
    mapping::built_in().iter().find(is_of).cloned()
}

fn is_header_of(mapping: &Mapping, line: &[u8], is_whole: bool) -> bool {
    let checked = &*mapping.0;
    let wanted = &checked.profile.recognise;
    let mut cells = Cells::default();
    if wanted.is_empty() || cells.split(line, checked.delimiter).is_err() {
        return false;
    }
    let mut found = headings(line, &cells);
    if !is_whole {
        found.pop();
    }
    match wanted.split_last() {
        Some((last, first)) if last == AND_REGISTERS => {
            let registers = &found[first.len().min(found.len())..];
            let is_known = |heading: &String| checked.meaning(checked.profile.register.part(heading)).is_some();
            found.starts_with(first) && !registers.is_empty() && registers.iter().all(is_known)
        }
        _ => is_whole && found == *wanted,
    }
}

/// Whether rows stand as far apart as the profile says an interval is long:
/// days under the header of hours are something else.
fn is_step_of(mapping: &Mapping, header: &[u8], rows: &[u8]) -> bool {
    let checked = &*mapping.0;
    let (Some(Interval::Fixed(interval)), Column::Name(name)) = (checked.interval, &checked.profile.time.column) else {
        return true;
    };
    let mut cells = Cells::default();
    let Some(column) = cells
        .split(header, checked.delimiter)
        .ok()
        .and_then(|()| headings(header, &cells).iter().position(|heading| heading == name))
    else {
        return false;
    };
    // The last line may go on behind the head.
    let whole = &rows[..rows.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(0)];
    let mut seconds = Vec::new();
    for row in whole.split(|byte| matches!(byte, b'\n' | b'\r')) {
        if cells.split(row, checked.delimiter).is_ok()
            && let Some(stamp) = checked.form.stamp(cells.cell(row, column))
        {
            seconds.push(stamp.seconds());
        }
    }
    let steps = seconds.windows(2).map(|pair| pair[0].abs_diff(pair[1])).filter(|step| *step > 0);
    steps.min().is_none_or(|step| i64::try_from(step) == Ok(interval.0 / 1_000_000))
}

/// The header's cells, without blank ones at its end.
fn headings(line: &[u8], cells: &Cells) -> Vec<String> {
    let mut headings: Vec<_> =
        (0..cells.count()).map(|at| String::from_utf8_lossy(cells.cell(line, at)).into_owned()).collect();
    while headings.len() > 1 && headings.last().is_some_and(String::is_empty) {
        headings.pop();
    }
    headings
}
