//! A record's bytes on their way to a parser.
//!
//! Promise: what is in memory already is not copied; what is on the disk comes piece by piece.

use std::io::{self, BufRead};

use bytes::Bytes;

/// A record's bytes.
pub enum Input<R> {
    /// In memory.
    Held(Bytes),
    /// As they come off the disk.
    Streamed(R),
}

impl<R: BufRead> Input<R> {
    /// Its beginning.
    pub fn head(&mut self) -> io::Result<&[u8]> {
        match self {
            Input::Held(bytes) => Ok(bytes),
            Input::Streamed(input) => input.fill_buf(),
        }
    }
}
