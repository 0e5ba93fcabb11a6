//! From a header to what stands in which column.
//!
//! Promise: a column that the profile needs is there once, or the file is
//! refused by the name of the column; none is taken for another.

use super::fault::{Fault, What, shown};
use super::mapping::{Checked, Meaning};
use super::profile::{Column, Layout, Text};
use super::{TEXT_BYTES_MAX, stamp};

/// Endings that are no part of a file's name, however many there are.
const ENDINGS: [&str; 6] = [".csv", ".txt", ".tsv", ".gz", ".zst", ".zip"];

/// Where a row's texts and times stand.
pub(super) struct Columns {
    pub(super) headings: Vec<String>,
    /// As many cells as a row needs.
    pub(super) width: usize,
    pub(super) time: usize,
    pub(super) end: Option<usize>,
    pub(super) changed: Option<usize>,
    pub(super) point: Source,
    pub(super) device: Source,
    pub(super) register: Source,
    pub(super) unit: Source,
    pub(super) quality: Source,
    pub(super) reason: Source,
    pub(super) values: Vec<ValueColumn>,
    /// Columns with a register that the profile does not know.
    pub(super) unread: Vec<Fault>,
}

pub(super) enum Source {
    Fixed(String),
    Cell(usize),
    /// Each value's column says it.
    Heading,
}

/// A column that readings stand in.
pub(super) struct ValueColumn {
    pub(super) index: usize,
    /// What its heading says; empty where that is not what the profile takes.
    pub(super) point: String,
    pub(super) register: String,
    /// `None` where a cell names the register.
    pub(super) meaning: Option<Meaning>,
    /// Time of day, in the day layout.
    pub(super) minute: i16,
}

/// What a file's name says, without folders and endings.
pub(super) fn stem(file_name: &str) -> &str {
    let mut stem = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    while let Some(ending) = ENDINGS.iter().find(|ending| stem.to_ascii_lowercase().ends_with(**ending)) {
        stem = &stem[..stem.len() - ending.len()];
    }
    stem
}

impl Columns {
    /// `headings` are those of the file; none where it has no header.
    pub(super) fn find(checked: &Checked, headings: Vec<String>, file_name: &str) -> Result<Columns, Fault> {
        let profile = &checked.profile;
        let finder = Finder { headings: &headings, optional: &profile.optional, has_header: profile.header };
        let source = |what: &str, text: &Text| finder.source(what, text, file_name);
        let time = finder.needed(&profile.time.column)?;
        let mut columns = Columns {
            width: headings.len(),
            time,
            end: finder.wanted(profile.time.end_column.as_ref())?,
            changed: finder.wanted(profile.time.changed_column.as_ref())?,
            point: source("point", &profile.point)?,
            device: source("device", &profile.device)?,
            register: source("register", &profile.register)?,
            unit: source("unit", &profile.unit)?,
            quality: source("quality", &profile.quality)?,
            reason: source("reason", &profile.reason)?,
            values: Vec::new(),
            unread: Vec::new(),
            headings: Vec::new(),
        };
        if columns.end.is_none() && checked.interval.is_none() && checked.needs_interval() {
            let name = profile.time.end_column.as_ref().map(named).unwrap_or_default();
            let reason = format!(
                "no column {name}, and nothing says how long an interval is: add it to the format's name, such as {}?interval=15m",
                checked.name
            );
            return Err(Fault::new(What::Header, reason));
        }
        let indexes = match &profile.value.column {
            Some(column) => vec![finder.needed(column)?],
            None => columns.left_over(&headings, &profile.value.ignore),
        };
        for index in indexes {
            columns.add_value(checked, index, headings.get(index).map_or("", String::as_str))?;
        }
        if columns.values.is_empty() {
            let reason = "no column with values that the profile knows; ".to_owned() + &listed(&headings);
            return Err(Fault::new(What::Header, reason));
        }
        if !profile.header {
            let last = columns.taken().into_iter().chain(columns.values.iter().map(|value| value.index)).max();
            columns.width = last.map_or(0, |last| last + 1);
        }
        columns.headings = headings;
        Ok(columns)
    }

    /// What a message calls a column.
    pub(super) fn heading(&self, index: usize) -> String {
        self.headings.get(index).cloned().unwrap_or_else(|| (index + 1).to_string())
    }

    fn taken(&self) -> Vec<usize> {
        let sources = [&self.point, &self.device, &self.register, &self.unit, &self.quality, &self.reason];
        let cells = sources.into_iter().filter_map(|source| match source {
            Source::Cell(index) => Some(*index),
            Source::Fixed(_) | Source::Heading => None,
        });
        cells.chain([self.time]).chain(self.end).chain(self.changed).collect()
    }

    fn left_over(&self, headings: &[String], ignored: &[String]) -> Vec<usize> {
        let taken = self.taken();
        let is_ignored = |heading: &String| ignored.iter().any(|ignored| ignored.eq_ignore_ascii_case(heading));
        (0..headings.len()).filter(|index| !taken.contains(index) && !is_ignored(&headings[*index])).collect()
    }

    fn add_value(&mut self, checked: &Checked, index: usize, heading: &str) -> Result<(), Fault> {
        let profile = &checked.profile;
        let fault = |why: &str| Fault::new(What::Header, format!("column {}: {why}", shown(heading.as_bytes())));
        let mut minute = 0;
        if profile.layout == Layout::Day {
            minute = stamp::minute_of_day(heading).ok_or_else(|| fault("is no time of day such as 0:30"))?;
        }
        let of_heading = |source: &Source, text: &Text| match source {
            Source::Heading => text.part(heading).to_owned(),
            Source::Fixed(_) | Source::Cell(_) => String::new(),
        };
        let point = of_heading(&self.point, &profile.point);
        let register = of_heading(&self.register, &profile.register);
        let is_headed = matches!(self.point, Source::Heading) || matches!(self.register, Source::Heading);
        if matches!(self.point, Source::Heading) && point.is_empty() {
            return Err(fault("names no point"));
        }
        let twin = |value: &&ValueColumn| (&value.point, &value.register) == (&point, &register);
        if is_headed && self.values.iter().any(|value| twin(&value)) {
            return Err(fault("stands there twice"));
        }
        let meaning = match &self.register {
            Source::Cell(_) => None,
            Source::Fixed(register) => checked.meaning(register).cloned(),
            Source::Heading => checked.meaning(&register).cloned(),
        };
        if meaning.is_none() && !matches!(self.register, Source::Cell(_)) {
            let reason = format!("column {}: {}", shown(heading.as_bytes()), checked.unknown_register(&register));
            self.unread.push(Fault::new(What::Register, reason));
            return Ok(());
        }
        self.values.push(ValueColumn { index, point, register, meaning, minute });
        Ok(())
    }
}

impl Checked {
    /// What a register's numbers are; `None` for one the profile does not list.
    pub(super) fn meaning(&self, register: &str) -> Option<&Meaning> {
        if self.registers.is_empty() {
            return Some(&self.defaults);
        }
        self.registers.iter().find(|(name, _)| name == register).map(|(_, meaning)| meaning)
    }

    pub(super) fn unknown_register(&self, register: &str) -> String {
        let known: Vec<_> = self.registers.iter().take(8).map(|(name, _)| name.as_str()).collect();
        format!("register {} is none that the profile knows: {}", shown(register.as_bytes()), known.join(", "))
    }
}

struct Finder<'a> {
    headings: &'a [String],
    optional: &'a [String],
    has_header: bool,
}

impl Finder<'_> {
    fn source(&self, what: &str, text: &Text, file_name: &str) -> Result<Source, Fault> {
        if let Some(column) = &text.column {
            return Ok(self.wanted(Some(column))?.map_or(Source::Fixed(String::new()), Source::Cell));
        }
        if text.heading {
            return Ok(Source::Heading);
        }
        let fixed = if text.file_name { text.part(stem(file_name)) } else { text.constant.as_deref().unwrap_or("") };
        if fixed.is_empty() && text.file_name {
            let reason = format!(
                "the {what} stands in the file's name, and {} says none; add ?{what}=NAME to the format's name",
                shown(file_name.as_bytes())
            );
            return Err(Fault::new(What::FileName, reason));
        }
        if fixed.len() > TEXT_BYTES_MAX {
            let reason = format!("a {what} of {} bytes; at most {TEXT_BYTES_MAX} are read", fixed.len());
            return Err(Fault::new(What::FileName, reason));
        }
        Ok(Source::Fixed(fixed.to_owned()))
    }

    /// `None` where an optional column is not there.
    fn wanted(&self, column: Option<&Column>) -> Result<Option<usize>, Fault> {
        let Some(column) = column else { return Ok(None) };
        let is_optional = |name: &String| self.optional.iter().any(|optional| optional.eq_ignore_ascii_case(name));
        match column {
            Column::Name(name) if is_optional(name) && !self.headings.iter().any(|h| h.eq_ignore_ascii_case(name)) => {
                Ok(None)
            }
            column => self.needed(column).map(Some),
        }
    }

    fn needed(&self, column: &Column) -> Result<usize, Fault> {
        let missing = || Fault::new(What::Header, format!("no column {}; {}", named(column), listed(self.headings)));
        match column {
            Column::Number(number) if !self.has_header || *number <= self.headings.len() => Ok(number - 1),
            Column::Number(_) => Err(missing()),
            Column::Name(name) => {
                let mut found = (0..self.headings.len()).filter(|at| self.headings[*at].eq_ignore_ascii_case(name));
                let first = found.next().ok_or_else(missing)?;
                if found.next().is_some() {
                    return Err(Fault::new(What::Header, format!("column {} stands there twice", named(column))));
                }
                Ok(first)
            }
        }
    }
}

fn named(column: &Column) -> String {
    match column {
        Column::Name(name) => format!("{name:?}"),
        Column::Number(number) => number.to_string(),
    }
}

fn listed(headings: &[String]) -> String {
    let some: Vec<_> = headings.iter().take(8).map(|heading| shown(heading.as_bytes())).collect();
    let more = headings.len().saturating_sub(8);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("the header has {}{more}", some.join(", "))
}
