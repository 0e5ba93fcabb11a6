//! Lines of bounded length, read without copying where the buffer allows it.
//!
//! Promise: a line ends at LF, CR LF or a lone CR; numbers count from 1 as an
//! editor shows them; a line over [`LINE_BYTES_MAX`] is reported by its
//! beginning and skipped without being held.

use std::io::{self, BufRead, ErrorKind};

use memchr::memchr2;
use meter::Refusal;

/// A day of 288 five-minute values of 20 digits is 6 KiB; ten times that is no meter data.
pub const LINE_BYTES_MAX: usize = 64 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(crate) struct Line<'a> {
    pub(crate) number: u64,
    /// The whole line without its end, or only its beginning if it is too long.
    pub(crate) bytes: &'a [u8],
    pub(crate) too_long: bool,
}

pub(crate) struct Lines<R> {
    input: R,
    number: u64,
    /// Bytes of the last returned line that still stand in the input's buffer.
    taken: usize,
    /// A line that reached over the end of a buffer.
    carry: Vec<u8>,
    too_long: bool,
    after_cr: bool,
}

/// Where the next line was found.
enum Found {
    InBuffer(usize),
    InCarry,
    End,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Lines { input, number: 0, taken: 0, carry: Vec::new(), too_long: false, after_cr: false }
    }

    /// The next line, `None` at the end of the input.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.input.consume(self.taken);
        self.taken = 0;
        self.carry.clear();
        self.too_long = false;
        let found = self.find()?;
        self.number += 1;
        let bytes = match found {
            Found::End => return Ok(None),
            Found::InCarry => self.carry.as_slice(),
            Found::InBuffer(end) => {
                let buffer = self.input.fill_buf()?;
                buffer.get(..end).ok_or_else(|| io::Error::other("a reader took back what it had buffered"))?
            }
        };
        let bytes = match self.number {
            1 => bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes),
            _ => bytes,
        };
        Ok(Some(Line { number: self.number, bytes, too_long: self.too_long }))
    }

    fn find(&mut self) -> io::Result<Found> {
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() {
                let unfinished = self.too_long || !self.carry.is_empty();
                return Ok(if unfinished { Found::InCarry } else { Found::End });
            }
            if std::mem::take(&mut self.after_cr) && buffer[0] == b'\n' {
                self.input.consume(1);
                continue;
            }
            let end = memchr2(b'\n', b'\r', buffer);
            let part = &buffer[..end.unwrap_or(buffer.len())];
            if let Some(end) = end {
                self.after_cr = buffer[end] == b'\r';
                if self.carry.is_empty() && !self.too_long && end <= LINE_BYTES_MAX {
                    self.taken = end + 1;
                    return Ok(Found::InBuffer(end));
                }
            }
            if !self.too_long && self.carry.len() + part.len() > LINE_BYTES_MAX {
                self.too_long = true;
                let room = Refusal::EXCERPT_BYTES_MAX.saturating_sub(self.carry.len());
                self.carry.extend_from_slice(&part[..part.len().min(room)]);
                self.carry.truncate(Refusal::EXCERPT_BYTES_MAX);
            } else if !self.too_long {
                self.carry.extend_from_slice(part);
            }
            let used = end.map_or(buffer.len(), |end| end + 1);
            self.input.consume(used);
            if end.is_some() {
                return Ok(Found::InCarry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn lines(text: &[u8], buffer_bytes: usize) -> Vec<(u64, Vec<u8>, bool)> {
        let mut lines = Lines::new(BufReader::with_capacity(buffer_bytes, text));
        let mut all = Vec::new();
        while let Some(line) = lines.next().expect("memory never fails") {
            all.push((line.number, line.bytes.to_vec(), line.too_long));
        }
        all
    }

    fn check(text: &str, expected: &[&str]) {
        for buffer_bytes in [1, 2, 3, 7, 4096] {
            let read: Vec<_> = lines(text.as_bytes(), buffer_bytes).into_iter().map(|(_, line, _)| line).collect();
            let expected: Vec<_> = expected.iter().map(|line| line.as_bytes().to_vec()).collect();
            assert_eq!(read, expected, "{text:?} in pieces of {buffer_bytes}");
        }
    }

    #[test]
    fn every_kind_of_line_end_counts_once() {
        check("a\nb\r\nc\rd", &["a", "b", "c", "d"]);
        check("a\r\n\r\nb\n\n", &["a", "", "b", ""]);
        check("\r\r\n\n", &["", "", ""]);
        check("", &[]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        check("\u{feff}100\n\u{feff}200", &["100", "\u{feff}200"]);
    }

    #[test]
    fn a_line_too_long_is_cut_and_the_next_one_is_whole() {
        let mut text = vec![b'x'; LINE_BYTES_MAX + 1];
        text.extend_from_slice(b"\r\nnext\n");
        text.extend(vec![b'y'; LINE_BYTES_MAX]);
        for buffer_bytes in [1, 100, 1 << 20] {
            let read = lines(&text, buffer_bytes);
            assert_eq!(read.len(), 3);
            assert_eq!(read[0], (1, vec![b'x'; Refusal::EXCERPT_BYTES_MAX], true));
            assert_eq!(read[1], (2, b"next".to_vec(), false));
            assert_eq!((read[2].1.len(), read[2].2), (LINE_BYTES_MAX, false));
        }
    }
}
