//! `meterhouse parse`: what would be read from a file, as the export CSV.
//! Nothing is stored; refusals go to standard error with place and reason.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use meter::{Decimal, Event, Reading, Refusal, Sink, Timestamp};
use parse::export::{Line, write_header};
use parse::{Format, Limits};

use crate::exit::{self, Usage};
use crate::import::name_of;

const BUFFER_BYTES: usize = 1 << 20;

/// Readings held at a time: sorted, they are written when the file ends. A
/// larger file is written in sorted stretches of this many.
const HELD_MAX: usize = 4_000_000;

pub fn parse_file(file: &Path, format: Option<&str>) -> anyhow::Result<ExitCode> {
    let about = || format!("{}", file.display());
    let mut input = BufReader::with_capacity(BUFFER_BYTES, File::open(file).with_context(about)?);
    let format = match format {
        Some(named) => Format::named(named).map_err(|error| Usage(error.to_string()))?,
        None => Format::detect(input.fill_buf().with_context(about)?).with_context(about)?,
    };
    let mut printer =
        Printer { out: io::BufWriter::new(io::stdout().lock()), held: Vec::new(), refused: 0, broken: None };
    write_header(&mut printer.out)?;
    let read = parse::read_file(format, &name_of(file), input, Limits::default(), &mut printer).with_context(about);
    printer.write_held();
    printer.out.flush()?;
    if let Some(error) = printer.broken {
        return Err(error.into());
    }
    read?;
    Ok(if printer.refused > 0 { ExitCode::from(exit::REFUSED) } else { ExitCode::SUCCESS })
}

/// A reading with texts of its own.
struct Held {
    texts: [String; 6],
    start: Timestamp,
    end: Timestamp,
    value: Decimal,
}

struct Printer<W: Write> {
    out: W,
    held: Vec<Held>,
    refused: u64,
    /// Standard output went away, as when a pager is closed.
    broken: Option<io::Error>,
}

impl<W: Write> Printer<W> {
    fn write_held(&mut self) {
        let mut held = std::mem::take(&mut self.held);
        held.sort_by(|a, b| a.line().key().cmp(&b.line().key()));
        for reading in &held {
            if let Err(error) = reading.line().write(&mut self.out) {
                self.broken.get_or_insert(error);
                return;
            }
        }
    }
}

impl Held {
    fn line(&self) -> Line<'_> {
        let [point, device, register, unit, quality, reason] = &self.texts;
        let (start, end, value) = (self.start, self.end, self.value);
        Line { point, device, register, start, end, value, unit, quality, reason }
    }
}

impl<W: Write> Sink for Printer<W> {
    fn reading(&mut self, reading: Reading<'_>) {
        let line = Line::from(reading);
        let texts = [line.point, line.device, line.register, line.unit, line.quality, line.reason].map(String::from);
        self.held.push(Held { texts, start: line.start, end: line.end, value: line.value });
        if self.held.len() >= HELD_MAX {
            self.write_held();
        }
    }

    fn event(&mut self, _: Event<'_>) {}

    fn refused(&mut self, refusal: Refusal<'_>) {
        self.refused += 1;
        eprintln!("{}: {} ({})", refusal.place, refusal.reason, refusal.code);
    }

    fn stopped(&self) -> bool {
        self.broken.is_some()
    }
}
