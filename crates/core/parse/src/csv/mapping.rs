//! A profile, checked and ready for reading; and its name with its options.
//!
//! Promise: what is wrong with a profile or an option is said before a file is
//! read, by its key. The same name means the same mapping as long as the
//! profile of that name stays.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use meter::{Commodity, Flow, Quality, Span, Unit};

use super::profile::{BUILT_IN, Column, Kind, Layout, Profile, Register, Text};
use super::stamp::Form;

/// What a name of ours begins with: `csv/esb-hdf`, `csv/opendsm?unit=kWh`.
pub(crate) const PREFIX: &str = "csv/";
/// A name is stored with each record; all nine options with long names fit.
pub const NAME_BYTES_MAX: usize = 400;
/// A profile of two thousand registers, with 100 bytes for each, fits.
pub const PROFILE_BYTES_MAX: usize = 256 << 10;
/// A year of one interval is more than any meter says.
const INTERVAL_SECONDS_MAX: i64 = 366 * 86_400;

/// A profile with its options, ready for reading. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Mapping(pub(super) Arc<Checked>);

/// Why a profile or its name cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what happened, and to what")]
pub enum ProfileError {
    #[error("there is no profile {name:?}; {} are there", names().join(", "))]
    Unknown { name: String },
    #[error(
        "no profile can be called {name:?}; csv/ and 1 to 40 of a-z, 0-9 and hyphens can, but csv/test, and behind it a version such as @3"
    )]
    Name { name: String },
    #[error("{option:?} is no option of it; {known} are")]
    Option { option: String, known: &'static str },
    #[error("the profile's name and options have {length} bytes; at most {NAME_BYTES_MAX} are read")]
    NameTooLong { length: usize },
    #[error("a profile of {length} bytes; at most {PROFILE_BYTES_MAX} are read")]
    TooLong { length: usize },
    #[error("the profile cannot be read: {0}")]
    Toml(String),
    #[error("{key} {text:?}: {wrong}")]
    Key { key: &'static str, text: String, wrong: String },
    #[error("the profile cannot be used: line {line}: {error}")]
    At { line: usize, error: Box<ProfileError> },
}

const OPTIONS: &str = "point, device, register, unit, quality, commodity, flow, zone and interval";

#[derive(Debug)]
pub(super) struct Checked {
    pub(super) name: String,
    pub(super) profile: Profile,
    pub(super) delimiter: u8,
    pub(super) decimal: u8,
    pub(super) form: Form,
    pub(super) zone: TimeZone,
    pub(super) interval: Option<Interval>,
    pub(super) defaults: Meaning,
    pub(super) registers: Vec<(String, Meaning)>,
    pub(super) quality_words: Vec<(String, Quality)>,
    pub(super) other_qualities: Option<Quality>,
}

/// How long an interval is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interval {
    Fixed(Span),
    /// Calendar days of the profile's zone, of 23 to 25 hours.
    Days(i64),
}

/// What the numbers of a register are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) kind: Kind,
    pub(super) commodity: Commodity,
    pub(super) flow: Flow,
    /// Instead of what the profile says of units.
    pub(super) unit: Option<(String, Unit)>,
}

/// Checked when first asked for; that they are right is tested.
static CHECKED: LazyLock<Vec<Mapping>> = LazyLock::new(|| {
    let built_in = BUILT_IN.iter().map(|(name, text)| Mapping::from_toml(name, text).expect("tested with each build"));
    built_in.collect()
});

/// The built-in profiles.
pub(super) fn built_in() -> &'static [Mapping] {
    &CHECKED
}

/// Those of the built-in profiles.
pub(super) const BUILT_IN_NAMES: [&str; BUILT_IN.len()] = {
    let (mut names, mut at) = ([""; BUILT_IN.len()], 0);
    while at < names.len() {
        names[at] = BUILT_IN[at].0;
        at += 1;
    }
    names
};

/// The file of a built-in profile, by its name without `csv/`.
pub fn built_in_text(plain: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(name, _)| *name == plain).map(|(_, text)| *text)
}

/// As typed by people, such as `csv/esb-hdf`.
pub fn names() -> Vec<String> {
    BUILT_IN.iter().map(|(name, _)| format!("{PREFIX}{name}")).collect()
}

impl Mapping {
    /// The built-in profile of a name such as `csv/opendsm?unit=kWh&zone=Europe/London`.
    pub fn named(name: &str) -> Result<Mapping, ProfileError> {
        if name.len() > NAME_BYTES_MAX {
            return Err(ProfileError::NameTooLong { length: name.len() });
        }
        let (plain, options) = name.split_once('?').unwrap_or((name, ""));
        let unknown = || ProfileError::Unknown { name: name.to_owned() };
        let found = built_in().iter().find(|mapping| mapping.name() == plain).ok_or_else(unknown)?;
        found.with(name, options)
    }

    /// A profile of somebody's own, from its file and its whole name.
    pub fn own(name: &str, text: &str) -> Result<Mapping, ProfileError> {
        if name.len() > NAME_BYTES_MAX {
            return Err(ProfileError::NameTooLong { length: name.len() });
        }
        let (plain, options) = name.split_once('?').unwrap_or((name, ""));
        Mapping::from_toml(plain.strip_prefix(PREFIX).unwrap_or(plain), text)?.with(name, options)
    }

    /// The same under a name with options, as if the profile said them.
    fn with(&self, name: &str, options: &str) -> Result<Mapping, ProfileError> {
        if options.is_empty() {
            return Ok(self.clone());
        }
        let mut profile = self.0.profile.clone();
        for option in options.split('&') {
            set(&mut profile, option)?;
        }
        Mapping::checked(name.to_owned(), profile)
    }

    /// A profile of a name without `csv/`, from its file.
    pub fn from_toml(name: &str, text: &str) -> Result<Mapping, ProfileError> {
        if text.len() > PROFILE_BYTES_MAX {
            return Err(ProfileError::TooLong { length: text.len() });
        }
        let profile = toml::from_str(text).map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            ProfileError::Toml(format!("line {line}: {}", error.message()))
        })?;
        let checked = Mapping::checked(format!("{PREFIX}{name}"), profile);
        checked.map_err(|error| match error {
            ProfileError::Key { key, .. } => ProfileError::At { line: line_of(text, key), error: Box::new(error) },
            other => other,
        })
    }

    /// What is stored, and typed by people.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether a file's name says something that stands in its readings.
    pub fn reads_file_name(&self) -> bool {
        let Profile { point, device, register, unit, quality, reason, .. } = &self.0.profile;
        [point, device, register, unit, quality, reason].iter().any(|text| text.file_name)
    }

    fn checked(name: String, profile: Profile) -> Result<Mapping, ProfileError> {
        let delimiter = mark("delimiter", profile.delimiter)?;
        let decimal = mark("decimal", profile.decimal)?;
        if delimiter == decimal || decimal.is_ascii_alphanumeric() || matches!(delimiter, b'"' | b'\n' | b'\r') {
            return Err(wrong("delimiter", profile.delimiter, "cannot be told from numbers, quotes and line ends"));
        }
        check_columns(&profile)?;
        let value = &profile.value;
        let defaults = Meaning {
            kind: value.kind,
            commodity: commodity("value.commodity", &value.commodity)?,
            flow: flow("value.flow", &value.flow)?,
            unit: None,
        };
        let mut registers = Vec::new();
        for (register, said) in &profile.registers {
            registers.push((register.clone(), said.meaning(&defaults)?));
        }
        let interval = profile.time.interval.as_deref().map(interval).transpose()?;
        let mut quality_words = Vec::new();
        for (word, meaning) in &profile.quality_words {
            quality_words.push((word.clone(), quality("quality_words", meaning)?));
        }
        let other = profile.other_qualities.as_deref();
        let other_qualities = other.map(|word| quality("other_qualities", word)).transpose()?;
        let form = Form::read(&profile.time.form).map_err(|why| wrong("time.form", &profile.time.form, why))?;
        let zone = zone(&profile.time.zone)?;
        let has_end = profile.time.end_column.is_some();
        let checked = Checked {
            name,
            delimiter,
            decimal,
            form,
            zone,
            interval,
            defaults,
            registers,
            quality_words,
            other_qualities,
            profile,
        };
        if interval.is_none() && !has_end && checked.needs_interval() {
            return Err(wrong("time.interval", "", "intervals need this key, or time.end_column"));
        }
        Ok(Mapping(Arc::new(checked)))
    }
}

impl Checked {
    /// Whether any value stands for a length of time.
    pub(super) fn needs_interval(&self) -> bool {
        let kinds = self.registers.iter().map(|(_, meaning)| meaning.kind).chain([self.defaults.kind]);
        kinds.into_iter().any(|kind| matches!(kind, Kind::Interval | Kind::IntervalOrRegister))
    }
}

/// The line of a key such as `time.zone`, or of its table, or the first.
fn line_of(text: &str, key: &str) -> usize {
    let (table, last) = key.rsplit_once('.').unwrap_or(("", key));
    let (mut inside, mut place) = (table.is_empty(), 1);
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if let Some(header) = line.strip_prefix('[') {
            inside = !table.is_empty() && header.starts_with(table);
            place = if inside && place == 1 { number } else { place };
        } else if inside && line.strip_prefix(last).is_some_and(|rest| rest.trim_start().starts_with(['=', '.'])) {
            return number;
        }
    }
    place
}

/// One option, as if the profile said it.
fn set(profile: &mut Profile, option: &str) -> Result<(), ProfileError> {
    let unknown = || ProfileError::Option { option: option.to_owned(), known: OPTIONS };
    let (key, text) = option.split_once('=').ok_or_else(unknown)?;
    let registers = profile.registers.values_mut();
    match key {
        "point" => profile.point = Text::constant(text),
        "device" => profile.device = Text::constant(text),
        "register" => profile.register = Text::constant(text),
        "quality" => profile.quality = Text::constant(text),
        "unit" => {
            profile.unit = Text::constant(text);
            registers.for_each(|register| register.unit = None);
        }
        "commodity" => {
            profile.value.commodity = text.to_owned();
            registers.for_each(|register| register.commodity = None);
        }
        "flow" => {
            profile.value.flow = text.to_owned();
            registers.for_each(|register| register.flow = None);
        }
        "zone" => profile.time.zone = text.to_owned(),
        "interval" => profile.time.interval = Some(text.to_owned()),
        _ => return Err(unknown()),
    }
    Ok(())
}

fn check_columns(profile: &Profile) -> Result<(), ProfileError> {
    let texts = [
        ("point", &profile.point),
        ("device", &profile.device),
        ("register", &profile.register),
        ("unit", &profile.unit),
        ("quality", &profile.quality),
        ("reason", &profile.reason),
    ];
    for (key, text) in texts {
        let sources = [text.column.is_some(), text.constant.is_some(), text.file_name, text.heading];
        if sources.iter().filter(|there| **there).count() > 1 {
            return Err(wrong(key, "", "comes from one of column, constant, file_name and heading"));
        }
        if text.heading && profile.layout != Layout::Wide {
            return Err(wrong(key, "heading", "is for the wide layout"));
        }
        if [&text.before, &text.after].into_iter().flatten().any(String::is_empty) {
            return Err(wrong(key, "", "before and after need a mark"));
        }
    }
    let point = &profile.point;
    if point.column.is_none()
        && !point.file_name
        && !point.heading
        && point.constant.as_deref().unwrap_or("").is_empty()
    {
        return Err(wrong("point", "", "comes from one of column, constant, file_name and heading"));
    }
    let time = &profile.time;
    if (profile.layout == Layout::Long) != profile.value.column.is_some() {
        return Err(wrong("value.column", "", "is there in the long layout, and only there"));
    }
    if profile.layout != Layout::Long && !profile.header {
        return Err(wrong("header", "false", "is for the long layout: the others take names from it"));
    }
    if profile.layout == Layout::Day && time.end_column.is_some() {
        return Err(wrong("time.end_column", "", "is not for the day layout"));
    }
    let columns = texts.iter().filter_map(|(key, text)| Some((*key, text.column.as_ref()?)));
    let times = [&time.end_column, &time.changed_column].into_iter().flatten().map(|column| ("time", column));
    let ends = [("time.column", &time.column)].into_iter().chain(profile.value.column.as_ref().map(|c| ("value", c)));
    for (key, column) in columns.chain(times).chain(ends) {
        match column {
            Column::Number(0) => return Err(wrong(key, 0, "columns are counted from 1")),
            Column::Name(name) if !profile.header => {
                return Err(wrong(key, name, "without a header, columns have numbers"));
            }
            _ => {}
        }
    }
    Ok(())
}

impl Register {
    fn meaning(&self, defaults: &Meaning) -> Result<Meaning, ProfileError> {
        Ok(Meaning {
            kind: self.kind.unwrap_or(defaults.kind),
            commodity: match &self.commodity {
                Some(word) => commodity("registers.commodity", word)?,
                None => defaults.commodity,
            },
            flow: match &self.flow {
                Some(word) => flow("registers.flow", word)?,
                None => defaults.flow,
            },
            unit: self.unit.as_ref().map(|unit| (unit.clone(), Unit::from_spelling(unit))),
        })
    }
}

fn mark(key: &'static str, mark: char) -> Result<u8, ProfileError> {
    u8::try_from(mark).ok().filter(u8::is_ascii).ok_or_else(|| wrong(key, mark, "is no character of ASCII"))
}

pub(crate) fn commodity(key: &'static str, word: &str) -> Result<Commodity, ProfileError> {
    let all = (0..=u8::MAX).map_while(Commodity::from_code);
    let found =
        all.into_iter().find(|commodity| commodity.word() == word || (word.is_empty() && commodity.code() == 0));
    found.ok_or_else(|| wrong(key, word, "is none of electricity, gas, water, heat, cooling and unknown"))
}

pub(crate) fn flow(key: &'static str, word: &str) -> Result<Flow, ProfileError> {
    let all = (0..=u8::MAX).map_while(Flow::from_code);
    let found = all.into_iter().find(|flow| flow.word() == word || (word.is_empty() && flow.code() == 0));
    found.ok_or_else(|| wrong(key, word, "is none of delivered, received, net and none"))
}

fn quality(key: &'static str, word: &str) -> Result<Quality, ProfileError> {
    let of_word = |quality: &Quality| format!("{quality:?}").eq_ignore_ascii_case(word);
    Quality::ALL.into_iter().find(of_word).ok_or_else(|| {
        let words = "missing, questionable, estimated, derived, measured, validated, edited and final";
        wrong(key, word, format!("is none of {words}"))
    })
}

/// `30m`, `1h`, `900s`, `1d`.
fn interval(text: &str) -> Result<Interval, ProfileError> {
    let seconds = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3_600,
        Some(b'd') => 86_400,
        _ => 0,
    };
    let count = text.get(..text.len().saturating_sub(1)).and_then(|count| count.parse::<u32>().ok()).unwrap_or(0);
    let length = i64::from(count) * seconds;
    if !(1..=INTERVAL_SECONDS_MAX).contains(&length) {
        return Err(wrong("time.interval", text, "is no length such as 15m, 1h, 900s or 1d"));
    }
    Ok(if text.ends_with('d') { Interval::Days(count.into()) } else { Interval::Fixed(Span::from_seconds(length)) })
}

/// As [`interval`], but for days, which need a zone.
pub(crate) fn fixed_interval(text: &str) -> Result<Span, ProfileError> {
    match interval(text)? {
        Interval::Fixed(span) => Ok(span),
        Interval::Days(_) => Err(wrong("interval", text, "is no length such as 15m, 1h or 24h")),
    }
}

/// `UTC`, `+10:00`, or a place of the time zone database.
fn zone(text: &str) -> Result<TimeZone, ProfileError> {
    if text == "UTC" {
        return Ok(TimeZone::UTC);
    }
    if let Some(seconds) = super::stamp::offset_seconds(text.as_bytes()) {
        let offset = Offset::from_seconds(seconds).map_err(|_| wrong("time.zone", text, "is too far from UTC"))?;
        return Ok(TimeZone::fixed(offset));
    }
    let known = TimeZoneDatabase::bundled().get(text);
    known.map_err(|_| {
        wrong("time.zone", text, "is none of UTC, an offset such as +10:00, or a place such as Europe/Berlin")
    })
}

pub(crate) fn wrong(key: &'static str, text: impl ToString, why: impl Into<String>) -> ProfileError {
    ProfileError::Key { key, text: text.to_string(), wrong: why.into() }
}

impl PartialEq for Mapping {
    fn eq(&self, other: &Mapping) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Mapping {}

impl Hash for Mapping {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}
