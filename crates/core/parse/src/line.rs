//! InfluxDB line protocol: `meter,meter_id=M1 import_kwh=19.150 1777777800000000000`.
//!
//! Promise: a profile, which is data, says what tags and fields mean, and the same
//! lines under the same name of it always say the same. Each field becomes a
//! reading, an event where it is a text or a boolean, or a refusal with line,
//! column and reason; a line that cannot be taken apart, or has no point or time,
//! is one refusal and costs no other. What tells two series apart for InfluxDB
//! tells two channels apart here. Memory is bounded by one line.
//!
//! Read: `profile.rs` (what a profile says), `mapping.rs` (checked, and named),
//! `fault.rs`, `parts.rs` (one line taken apart), `series.rs` (what its tags
//! mean), `fields.rs`, then [`line`] below.

mod profile;
mod mapping;
mod fault;
mod parts;
mod series;
mod fields;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead};

use meter::Sink;

use crate::lines::{LINE_BYTES_MAX, Lines};
use crate::protobuf::Limits;
use fault::{Fault, What};
use fields::Reader;
use parts::Parts;

pub use mapping::Mapping;
pub(crate) use mapping::NAME;

/// Point, device, register, unit, quality and reason: what a `meter::Words` keeps.
pub const TEXT_BYTES_MAX: usize = 256;
const _: () = assert!(TEXT_BYTES_MAX <= meter::Words::BYTES_MAX);
/// InfluxDB takes 250 columns by default. Looking for what stands twice compares
/// all with all: half a million short comparisons a line at most.
pub const TAGS_MAX: usize = 128;
/// As [`TAGS_MAX`].
pub const FIELDS_MAX: usize = 1024;

/// Reads lines into `sink`; fails only where `input` does. A line without a time
/// is taken as of the body's arrival, where `limits` knows that.
pub fn line<S: Sink + ?Sized>(mapping: &Mapping, input: impl BufRead, limits: Limits, sink: &mut S) -> io::Result<()> {
    let reader = Reader { checked: mapping.checked(), limits };
    let mut lines = Lines::new(input);
    while !sink.stopped() {
        let Some(next) = lines.next()? else { break };
        let (number, raw) = (next.number, next.bytes);
        if is_nothing(raw) {
            continue;
        }
        if next.too_long {
            let reason = format!("the line is longer than the {LINE_BYTES_MAX} bytes that are read");
            Fault::new(What::LineTooLong, 0, reason).refuse(number, raw, sink);
            continue;
        }
        let read = Parts::read(raw).and_then(|parts| reader.line(number, raw, &parts, sink));
        if let Err(fault) = read {
            fault.refuse(number, raw, sink);
        }
    }
    Ok(())
}

/// Blank, or a comment.
fn is_nothing(line: &[u8]) -> bool {
    matches!(line.trim_ascii_start(), [] | [b'#', ..])
}

/// Whether a body that begins with `head` is without doubt line protocol that
/// the built-in profile reads: its first line has a tag for the point, a number,
/// and a time in nanoseconds that is one of this century.
pub(crate) fn looks_like(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let is_cut = head.len() >= crate::HEAD_BYTES;
    let mut lines = head.split_inclusive(|byte| *byte == b'\n').filter(|line| !is_nothing(line));
    let Some(first) = lines.next().filter(|line| !is_cut || line.ends_with(b"\n")) else { return false };
    let mapping = Mapping::default();
    let reader = Reader { checked: mapping.checked(), limits: Limits::default() };
    Parts::read(first.trim_ascii_end()).is_ok_and(|parts| reader.is_convincing(&parts))
}
