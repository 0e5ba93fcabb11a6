//! A mapping profile as its TOML file says it, unchecked; and the built-in ones.
//!
//! Promise: an unknown key is an error that names it. `docs/reference/profiles.md`
//! says what each key means.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The profiles that come with the binary, by name.
pub(super) const BUILT_IN: [(&str, &str); 6] = [
    ("generic-long", include_str!("../../profiles/generic-long.toml")),
    ("generic-wide", include_str!("../../profiles/generic-wide.toml")),
    ("esb-hdf", include_str!("../../profiles/esb-hdf.toml")),
    ("simbench", include_str!("../../profiles/simbench.toml")),
    ("ausgrid", include_str!("../../profiles/ausgrid.toml")),
    ("opendsm", include_str!("../../profiles/opendsm.toml")),
];

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    #[expect(dead_code, reason = "for whoever reads the file")]
    about: String,
    pub(super) layout: Layout,
    #[serde(default = "comma")]
    pub(super) delimiter: char,
    #[serde(default = "point")]
    pub(super) decimal: char,
    #[serde(default = "yes")]
    pub(super) exponents: bool,
    #[serde(default)]
    pub(super) skip_lines: u64,
    #[serde(default = "yes")]
    pub(super) header: bool,
    /// The headings that only files of this profile have.
    #[serde(default)]
    pub(super) recognise: Vec<String>,
    /// Columns that need not be there.
    #[serde(default)]
    pub(super) optional: Vec<String>,
    pub(super) point: Text,
    #[serde(default)]
    pub(super) device: Text,
    #[serde(default)]
    pub(super) register: Text,
    #[serde(default)]
    pub(super) unit: Text,
    #[serde(default)]
    pub(super) quality: Text,
    #[serde(default)]
    pub(super) reason: Text,
    pub(super) time: Time,
    pub(super) value: Value,
    #[serde(default)]
    pub(super) quality_words: BTreeMap<String, String>,
    /// Whether the market's quality methods rank as they do in its own files.
    #[serde(default)]
    pub(super) nem_qualities: bool,
    /// The rank of any other quality word; without it they are refused.
    pub(super) other_qualities: Option<String>,
    #[serde(default)]
    pub(super) registers: BTreeMap<String, Register>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Layout {
    /// One value a row.
    Long,
    /// One time a row, one column a point or register.
    Wide,
    /// One day a row, one column a time of day.
    Day,
}

/// By its heading, or counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Column {
    Name(String),
    Number(usize),
}

/// Where a text comes from: one of the four, or nowhere.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Text {
    pub(super) column: Option<Column>,
    pub(super) constant: Option<String>,
    /// The file's name without its endings.
    pub(super) file_name: bool,
    /// The heading of the column that the value stands in.
    pub(super) heading: bool,
    /// Only what stands before the last of these.
    pub(super) before: Option<String>,
    /// Only what stands behind the last of these.
    pub(super) after: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Time {
    pub(super) column: Column,
    pub(super) end_column: Option<Column>,
    pub(super) changed_column: Option<Column>,
    pub(super) form: String,
    pub(super) stamps: Stamps,
    pub(super) interval: Option<String>,
    pub(super) zone: String,
    pub(super) repeated: Repeated,
}

/// Which end of the interval a time names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stamps {
    Start,
    End,
}

/// Which of the two instants is meant by a time that the clock shows twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Repeated {
    /// Rows run forwards: the later from where they go back.
    Ascending,
    /// Rows run backwards: the earlier from where they go forward.
    Descending,
    /// The first row of that time is the earlier, the second the later.
    Count,
    Refuse,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Value {
    pub(super) column: Option<Column>,
    /// Columns of a wide layout that hold no values.
    #[serde(default)]
    pub(super) ignore: Vec<String>,
    pub(super) kind: Kind,
    #[serde(default)]
    pub(super) commodity: String,
    #[serde(default)]
    pub(super) flow: String,
    #[serde(default = "blank")]
    pub(super) missing: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Interval,
    Register,
    Spot,
    /// A register read where the end is the start.
    IntervalOrRegister,
}

/// What a register's name means, where that differs from `value`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Register {
    pub(super) unit: Option<String>,
    pub(super) commodity: Option<String>,
    pub(super) flow: Option<String>,
    pub(super) kind: Option<Kind>,
}

fn comma() -> char {
    ','
}

fn point() -> char {
    '.'
}

fn yes() -> bool {
    true
}

fn blank() -> Vec<String> {
    vec![String::new()]
}

impl Text {
    pub(super) fn constant(text: &str) -> Text {
        Text { constant: Some(text.to_owned()), ..Text::default() }
    }

    /// What `before` and `after` leave of a text.
    pub(super) fn part<'a>(&self, text: &'a str) -> &'a str {
        let mut part = text;
        if let Some(mark) = &self.before {
            part = part.rsplit_once(mark.as_str()).map_or(part, |(before, _)| before);
        }
        if let Some(mark) = &self.after {
            part = part.rsplit_once(mark.as_str()).map_or("", |(_, after)| after);
        }
        part
    }
}
