//! A profile, checked and ready for reading; and its name with its options.
//!
//! Promise: what is wrong with an option is said before a line is read. The same
//! name means the same mapping as long as the profile stays.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use meter::{Commodity, Flow, Kind, Span, Unit};

use super::profile::{BUILT_IN, Profile};
use crate::csv::{self, NAME_BYTES_MAX, ProfileError};

/// The format's name, without its options.
pub(crate) const NAME: &str = "line";
const OPTIONS: &str =
    "precision, point, point_tag, device_tag, ignore, unit, commodity, flow, kind, interval and stamps";

/// How lines are read: the built-in profile with its options. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Mapping(Arc<Checked>);

#[derive(Debug)]
pub(super) struct Checked {
    name: String,
    pub(super) profile: Profile,
    pub(super) precision: Precision,
    pub(super) commodity: Commodity,
    pub(super) flow: Flow,
    pub(super) kind: Option<Kind>,
    pub(super) interval: Option<Span>,
    pub(super) stamps_end: bool,
    pub(super) counters: Vec<Unit>,
}

/// What a timestamp counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    Nanoseconds,
    /// So many microseconds each.
    Microseconds(i64),
}

/// That it is right is tested.
static PLAIN: LazyLock<Mapping> = LazyLock::new(|| {
    let profile = toml::from_str(BUILT_IN).expect("tested with each build");
    Mapping::new(NAME.to_owned(), profile).expect("tested with each build")
});

impl Default for Mapping {
    fn default() -> Mapping {
        PLAIN.clone()
    }
}

impl Mapping {
    /// The built-in profile with the options of a name such as
    /// `line?precision=s&unit=kWh`.
    pub fn named(name: &str) -> Result<Mapping, ProfileError> {
        if name.len() > NAME_BYTES_MAX {
            return Err(ProfileError::NameTooLong { length: name.len() });
        }
        let Some((_, options)) = name.split_once('?').filter(|(_, options)| !options.is_empty()) else {
            return Ok(Mapping::default());
        };
        let mut profile = PLAIN.checked().profile.clone();
        for option in options.split('&') {
            set(&mut profile, option)?;
        }
        Mapping::new(name.to_owned(), profile)
    }

    /// What is stored, and typed by people.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn checked(&self) -> &Checked {
        &self.0
    }

    fn new(name: String, profile: Profile) -> Result<Mapping, ProfileError> {
        let said = &profile.defaults;
        let precision = precision(&profile.precision)?;
        let commodity = csv::commodity("commodity", said.commodity.as_deref().unwrap_or_default())?;
        let flow = csv::flow("flow", said.flow.as_deref().unwrap_or_default())?;
        let kind = match said.kind.as_deref() {
            None => None,
            Some(word) => {
                let unknown = || csv::wrong("kind", word, "is none of interval, register and spot");
                Some(kind_of(word).ok_or_else(unknown)?)
            }
        };
        let interval = said.interval.as_deref().map(csv::fixed_interval).transpose()?;
        if kind == Some(Kind::Interval) && interval.is_none() {
            return Err(csv::wrong("kind", "interval", "needs its length: add interval=15m"));
        }
        let stamps_end = match said.stamps.as_deref() {
            None | Some("start") => false,
            Some("end") => true,
            Some(other) => return Err(csv::wrong("stamps", other, "is neither start nor end")),
        };
        let counters = profile.counters.iter().map(|unit| Unit::from_spelling(unit)).collect();
        let checked = Checked { name, precision, commodity, flow, kind, interval, stamps_end, counters, profile };
        Ok(Mapping(Arc::new(checked)))
    }
}

impl Precision {
    /// Microseconds since 1970; below that is cut off.
    pub(super) fn microseconds(self, count: i64) -> Option<i64> {
        match self {
            Precision::Nanoseconds => Some(count.div_euclid(1_000)),
            Precision::Microseconds(each) => count.checked_mul(each),
        }
    }
}

/// One of our words for a kind.
pub(super) fn kind_of(word: &str) -> Option<Kind> {
    [Kind::Interval, Kind::Register, Kind::Spot].into_iter().find(|kind| kind.word().eq_ignore_ascii_case(word))
}

fn precision(word: &str) -> Result<Precision, ProfileError> {
    Ok(match word {
        "ns" => Precision::Nanoseconds,
        "us" => Precision::Microseconds(1),
        "ms" => Precision::Microseconds(1_000),
        "s" => Precision::Microseconds(1_000_000),
        "m" => Precision::Microseconds(60_000_000),
        "h" => Precision::Microseconds(3_600_000_000),
        _ => return Err(csv::wrong("precision", word, "is none of ns, us, ms, s, m and h")),
    })
}

/// One option, as if the profile said it.
fn set(profile: &mut Profile, option: &str) -> Result<(), ProfileError> {
    let unknown = || ProfileError::Option { option: option.to_owned(), known: OPTIONS };
    let (key, text) = option.split_once('=').ok_or_else(unknown)?;
    if text.is_empty() {
        return Err(csv::wrong("option", key, "says nothing"));
    }
    let said = Some(text.to_owned());
    let defaults = &mut profile.defaults;
    match key {
        "precision" => profile.precision = text.to_owned(),
        "point" => defaults.point = said,
        "point_tag" => profile.point = vec![text.to_owned()],
        "device_tag" => profile.device = text.to_owned(),
        "ignore" => profile.ignore.extend(text.split(',').map(str::to_owned)),
        "unit" => defaults.unit = said,
        "commodity" => defaults.commodity = said,
        "flow" => defaults.flow = said,
        "kind" => defaults.kind = said,
        "interval" => defaults.interval = said,
        "stamps" => defaults.stamps = said,
        _ => return Err(unknown()),
    }
    Ok(())
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
