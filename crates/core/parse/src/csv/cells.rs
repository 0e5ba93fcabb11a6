//! The cells of a line, as RFC 4180 quotes them; a quoted line end is not read.
//!
//! Promise: blanks around a cell are no part of it, within quotes they are.

use std::ops::Range;

use memchr::{memchr, memchr_iter};

use super::fault::{Fault, What};

/// Buffers for the cells of one line after the other.
#[derive(Default)]
pub(super) struct Cells {
    ranges: Vec<Range<usize>>,
    /// Cells without their quotes, where a line has any.
    unquoted: Option<Vec<u8>>,
    spare: Vec<u8>,
}

impl Cells {
    /// Finds the cells of `line`; [`Cells::cell`] gives them.
    pub(super) fn split(&mut self, line: &[u8], delimiter: u8) -> Result<(), Fault> {
        self.ranges.clear();
        if let Some(spare) = self.unquoted.take() {
            self.spare = spare;
        }
        if memchr(b'"', line).is_some() {
            return self.split_quoted(line, delimiter);
        }
        let mut from = 0;
        for end in memchr_iter(delimiter, line) {
            self.ranges.push(trimmed(line, from..end));
            from = end + 1;
        }
        self.ranges.push(trimmed(line, from..line.len()));
        Ok(())
    }

    fn split_quoted(&mut self, line: &[u8], delimiter: u8) -> Result<(), Fault> {
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.clear();
        let mut at = 0;
        loop {
            let blanks = |byte: &u8| byte.is_ascii_whitespace() && *byte != delimiter;
            let start = at + line[at..].iter().take_while(|byte| blanks(byte)).count();
            let from = bytes.len();
            if line.get(start) == Some(&b'"') {
                at = unquote(line, start + 1, &mut bytes).ok_or_else(open_quote)?;
                at += line[at..].iter().take_while(|byte| blanks(byte)).count();
                if at < line.len() && line[at] != delimiter {
                    return Err(open_quote());
                }
                self.ranges.push(from..bytes.len());
            } else {
                at += memchr(delimiter, &line[at..]).unwrap_or(line.len() - at);
                bytes.extend_from_slice(line.get(start..at).unwrap_or_default());
                self.ranges.push(trimmed(&bytes, from..bytes.len()));
            }
            if at >= line.len() {
                break;
            }
            at += 1;
        }
        self.unquoted = Some(bytes);
        Ok(())
    }

    pub(super) fn count(&self) -> usize {
        self.ranges.len()
    }

    /// The cell of that index in `line`, the line last split; blank where the
    /// line has fewer.
    pub(super) fn cell<'a>(&'a self, line: &'a [u8], index: usize) -> &'a [u8] {
        let bytes = self.unquoted.as_deref().unwrap_or(line);
        self.ranges.get(index).and_then(|range| bytes.get(range.clone())).unwrap_or_default()
    }
}

fn open_quote() -> Fault {
    Fault::new(What::Quote, "a quote that does not end with its cell".into())
}

/// Copies up to the closing quote; where it goes on behind that.
fn unquote(line: &[u8], from: usize, into: &mut Vec<u8>) -> Option<usize> {
    let mut at = from;
    loop {
        let end = at + memchr(b'"', line.get(at..)?)?;
        into.extend_from_slice(&line[at..end]);
        if line.get(end + 1) != Some(&b'"') {
            return Some(end + 1);
        }
        into.push(b'"');
        at = end + 2;
    }
}

fn trimmed(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let Range { mut start, mut end } = range;
    while start < end && bytes[start].is_ascii_whitespace() {
        start += 1;
    }
    while end > start && bytes[end - 1].is_ascii_whitespace() {
        end -= 1;
    }
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(line: &str, expected: Option<&[&str]>) {
        let mut cells = Cells::default();
        let split = cells.split(line.as_bytes(), b',').ok();
        let found = split.map(|()| (0..cells.count()).map(|at| cells.cell(line.as_bytes(), at)).collect::<Vec<_>>());
        let expected = expected.map(|cells| cells.iter().map(|cell| cell.as_bytes()).collect::<Vec<_>>());
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn cells_are_trimmed_and_unquoted() {
        check("a, b ,,c", Some(&["a", "b", "", "c"]));
        check("\"a\", \"b \" ,\"c,d\",\"e\"\"f\"", Some(&["a", "b ", "c,d", "e\"f"]));
        check("a\"b,c", Some(&["a\"b", "c"]));
        check("", Some(&[""]));
        check("\"\"", Some(&[""]));
        check("x,\"\",", Some(&["x", "", ""]));
        check(" , \"a\" ", Some(&["", "a"]));
    }

    #[test]
    fn a_quote_that_does_not_end_is_a_fault() {
        check("\"a,b", None);
        check("\"a\"b,c", None);
        check("a,\"", None);
    }

    proptest! {
        #[test]
        fn what_is_quoted_reads_back(texts in proptest::collection::vec("[ a,\";\t]{0,6}", 1..6)) {
            let line = texts.iter().map(|text| format!("\"{}\"", text.replace('"', "\"\""))).collect::<Vec<_>>().join(",");
            let texts: Vec<_> = texts.iter().map(String::as_str).collect();
            check(&line, Some(&texts));
        }
    }
}
