//! Readings as CSV: `point,device,register,start,end,value,unit,quality,reason`
//! (§6 of the design).
//!
//! Promise: times are RFC 3339 in UTC, `end` is `start` for register reads and
//! spot values, a value has the digits it came in with, texts are as the source
//! wrote them. Fields are quoted as RFC 4180 asks, and only where it does.

use std::io::{self, Write};

use meter::{Decimal, Reading, Timestamp};

/// The first line of an export.
pub const HEADER: &str = "point,device,register,start,end,value,unit,quality,reason";

/// One line of the export.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The place that is metered.
    pub point: &'a str,
    /// Serial of the device; empty where the source names none.
    pub device: &'a str,
    /// The register's name in the source's words.
    pub register: &'a str,
    /// Start of the interval, or the instant of the read.
    pub start: Timestamp,
    /// Equals `start` for register reads and spot values.
    pub end: Timestamp,
    /// In `unit`, digit for digit.
    pub value: Decimal,
    /// As the source spells it.
    pub unit: &'a str,
    /// The source's quality word.
    pub quality: &'a str,
    /// The source's reason code; empty where there is none.
    pub reason: &'a str,
}

impl<'a> From<Reading<'a>> for Line<'a> {
    fn from(reading: Reading<'a>) -> Self {
        let Reading { point, device, register, start, span, value, unit, quality, reason, .. } = reading;
        Line { point, device, register, start, end: start.plus(span), value, unit, quality, reason }
    }
}

impl<'a> Line<'a> {
    /// What the export is sorted by. Sort stably: of readings with one key the
    /// last of the source stays last.
    pub fn key(&self) -> (&'a str, &'a str, &'a str, Timestamp, Timestamp) {
        (self.point, self.device, self.register, self.start, self.end)
    }

    /// Writes the line with its end; fails only as `out` does.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for text in [self.point, self.device, self.register] {
            field(out, text)?;
            out.write_all(b",")?;
        }
        write!(out, "{},{},{}", self.start, self.end, self.value)?;
        for text in [self.unit, self.quality, self.reason] {
            out.write_all(b",")?;
            field(out, text)?;
        }
        out.write_all(b"\n")
    }
}

/// Writes [`HEADER`] as a line; fails only as `out` does.
pub fn write_header(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{HEADER}")
}

fn field(out: &mut impl Write, text: &str) -> io::Result<()> {
    if !text.contains([',', '"', '\n', '\r']) {
        return out.write_all(text.as_bytes());
    }
    write!(out, "\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: Line<'_>, expected: &str) {
        let mut out = Vec::new();
        line.write(&mut out).expect("memory never fails");
        assert_eq!(String::from_utf8(out).as_deref(), Ok(expected));
    }

    #[test]
    fn a_line_keeps_every_digit_and_quotes_what_must_be() {
        let start = Timestamp::parse("2004-04-17T00:00:00+10:00").expect("valid");
        let end = Timestamp::parse("2004-04-17T00:30:00+10:00").expect("valid");
        let value = Decimal::parse("1.50").expect("a number");
        let line = Line {
            point: "NMI 1",
            device: "a,b",
            register: "E\"1",
            start,
            end,
            value,
            unit: "kWh",
            quality: "S14",
            reason: "",
        };
        check(line, "NMI 1,\"a,b\",\"E\"\"1\",2004-04-16T14:00:00Z,2004-04-16T14:30:00Z,1.50,kWh,S14,\n");
    }
}
