//! What a profile would read of a sample, before anyone relies on it.

use std::io;

use meter::{Event, Reading, Refusal, Sink};

use super::{Mapping, csv};
use crate::export::{HEADER, Line};
use crate::protobuf::Limits;

/// Of what is refused, and of the readings that are shown, so many are told one by one.
pub const TOLD_MAX: usize = 100;
/// A sample is the beginning of a file: at two bytes a reading, in a line of 100 bytes
/// each, it stays below 60 MB.
pub const SAMPLE_BYTES_MAX: usize = 1 << 20;

/// What came of a sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    /// How many there are of each.
    pub readings: u64,
    /// Missing values and the like.
    pub events: u64,
    /// Cells and lines that could not be read.
    pub refused: u64,
    /// All readings, each as a line of the export.
    pub lines: Vec<String>,
    /// The first [`TOLD_MAX`], with line, code and reason.
    pub refusals: Vec<String>,
}

/// Where a trial and what was expected of it part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Expected and not read; empty if there is nothing of the kind.
    pub missing: String,
    /// Read and not expected.
    pub unexpected: String,
}

/// Reads a sample.
pub fn try_out(mapping: &Mapping, file_name: &str, sample: &[u8]) -> Trial {
    let mut trial = Trial::default();
    let read: io::Result<()> = csv(mapping, file_name, sample, Limits::default(), &mut trial);
    read.expect("a slice is read to its end");
    trial
}

impl Trial {
    /// The first line that only one of them has; `expected` is an export, its lines in any order.
    pub fn difference(&self, expected: &str) -> Option<Difference> {
        let mut expected: Vec<&str> = expected.lines().filter(|line| !line.is_empty() && *line != HEADER).collect();
        let mut found: Vec<&str> = self.lines.iter().map(String::as_str).collect();
        expected.sort_unstable();
        found.sort_unstable();
        let at = expected.iter().zip(&found).take_while(|(expected, found)| expected == found).count();
        let (expected, found) = (expected.get(at).copied(), found.get(at).copied());
        let (missing, unexpected) = match (expected, found) {
            (None, None) => return None,
            (Some(expected), Some(found)) if expected < found => (expected, ""),
            (Some(_), Some(found)) => ("", found),
            (expected, found) => (expected.unwrap_or_default(), found.unwrap_or_default()),
        };
        Some(Difference { missing: missing.to_owned(), unexpected: unexpected.to_owned() })
    }
}

impl Sink for Trial {
    fn reading(&mut self, reading: Reading<'_>) {
        self.readings += 1;
        let mut line = Vec::new();
        Line::from(reading).write(&mut line).expect("memory takes it");
        let line = String::from_utf8(line).expect("texts and numbers are text");
        self.lines.push(line.trim_end_matches('\n').to_owned());
    }

    fn event(&mut self, _: Event<'_>) {
        self.events += 1;
    }

    fn refused(&mut self, refusal: Refusal<'_>) {
        self.refused += 1;
        if self.refusals.len() < TOLD_MAX {
            self.refusals.push(format!("{}: {} ({})", refusal.place, refusal.reason, refusal.code));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_the_expectation_is_found_in_any_order() {
        let mapping = Mapping::named("csv/generic-long?interval=1h&unit=kWh").expect("is built in");
        let sample = "point,start,value\na,2026-05-01T00:00:00Z,1\nb,2026-05-01T00:00:00Z,2\nc,never,3\n";
        let trial = try_out(&mapping, "", sample.as_bytes());
        assert_eq!((trial.readings, trial.refused), (2, 1), "{trial:?}");
        assert!(trial.refusals[0].starts_with("line 4: "), "{:?}", trial.refusals);
        let export = |lines: &[&String]| lines.iter().fold(format!("{HEADER}\n"), |all, line| format!("{all}{line}\n"));
        let (a, b) = (&trial.lines[0], &trial.lines[1]);
        assert_eq!(trial.difference(&export(&[b, a])), None);
        let more = trial.difference(&export(&[a, b, b])).expect("differs");
        assert_eq!((more.missing.as_str(), more.unexpected.as_str()), (b.as_str(), ""));
        let less = trial.difference(&export(&[b])).expect("differs");
        assert_eq!((less.missing.as_str(), less.unexpected.as_str()), ("", a.as_str()));
    }
}
