//! What the tags of a line mean for all its fields.

use meter::{Commodity, Flow, Identity, Kind, Phase, Quality};

use super::TEXT_BYTES_MAX;
use super::fault::{Fault, What, shown};
use super::mapping::{Checked, kind_of};
use super::parts::{Parts, Tag};
use crate::protobuf::quality_rank;

/// A line's tags, understood.
#[derive(Debug)]
pub(super) struct Series<'a> {
    pub(super) point: &'a str,
    pub(super) device: &'a str,
    pub(super) identity: Identity,
    pub(super) commodity: Commodity,
    pub(super) flow: Flow,
    pub(super) phase: Phase,
    /// `None`: the unit says it.
    pub(super) kind: Option<Kind>,
    pub(super) unit: Option<&'a str>,
    pub(super) quality: &'a str,
    pub(super) canonical: Quality,
    pub(super) reason: &'a str,
    /// What the register's name begins with, and ends in.
    name: String,
    others: String,
}

impl<'a> Series<'a> {
    pub(super) fn read(checked: &'a Checked, parts: &'a Parts<'_>) -> Result<Series<'a>, Fault> {
        let profile = &checked.profile;
        let found = profile.point.iter().find_map(|key| Some((key, parts.tag(key)?)));
        let (point_tag, point) = match (&profile.defaults.point, found) {
            (Some(point), _) => ("", point.as_str()),
            (None, Some((key, point))) => (key.as_str(), point),
            (None, None) => {
                let reason = format!(
                    "no tag names the point: {} would; point_tag=NAME in the format's name says another",
                    profile.point.join(", ")
                );
                return Err(Fault::new(What::NoPoint, 0, reason));
            }
        };
        let device = if point_tag == profile.device { "" } else { parts.tag(&profile.device).unwrap_or_default() };
        let quality = parts.tag(&profile.quality).unwrap_or_default();
        let word = |tag: &str| parts.tag(tag).unwrap_or_default();
        let series = Series {
            point,
            device,
            // Two devices at one point are two series.
            identity: if device.is_empty() { Identity::Point } else { Identity::Device },
            commodity: commodity(word(&profile.commodity)).unwrap_or(checked.commodity),
            flow: flow(word(&profile.flow)).unwrap_or(checked.flow),
            phase: phase(word(&profile.phase)).unwrap_or_default(),
            kind: kind(checked, parts)?,
            unit: parts.tag(&profile.unit),
            quality,
            canonical: quality_rank(quality),
            reason: word(&profile.reason),
            name: marked(parts.tag(&profile.register).unwrap_or(&parts.measurement), "\\/,="),
            others: others(checked, parts, point_tag),
        };
        for (what, text) in [("point", point), ("device", device), ("quality", quality), ("reason", series.reason)] {
            check_text(what, text)?;
        }
        Ok(series)
    }

    /// The register of a field: `measurement/field,tag=value`.
    pub(super) fn register(&self, checked: &Checked, field: &str, out: &mut String) {
        out.clear();
        out.push_str(&self.name);
        if field != checked.profile.value {
            out.push('/');
            out.push_str(&marked(field, "\\,="));
        }
        out.push_str(&self.others);
    }
}

/// Tags that tell series apart and have no place of their own in a reading.
fn others(checked: &Checked, parts: &Parts<'_>, point_tag: &str) -> String {
    let profile = &checked.profile;
    let placed = [&profile.device, &profile.register, &profile.unit, &profile.kind, &profile.quality, &profile.reason];
    let is_other = |tag: &&Tag<'_>| {
        let key = &*tag.key;
        key != point_tag && !placed.iter().any(|placed| *placed == key) && !profile.ignore.iter().any(|i| i == key)
    };
    let mut tags: Vec<_> = parts.tags.iter().filter(is_other).collect();
    tags.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    let spelled = |tag: &Tag<'_>| format!(",{}={}", marked(&tag.key, "\\,="), marked(&tag.value, "\\,="));
    tags.into_iter().map(spelled).collect()
}

fn kind(checked: &Checked, parts: &Parts<'_>) -> Result<Option<Kind>, Fault> {
    let Some(tag) = parts.tags.iter().find(|tag| *tag.key == checked.profile.kind) else { return Ok(checked.kind) };
    match kind_of(&tag.value) {
        Some(Kind::Interval) if checked.interval.is_none() => {
            let reason = "an interval, and nothing says how long it is; add interval=15m to the format's name";
            Err(Fault::new(What::Interval, tag.column, reason))
        }
        Some(kind) => Ok(Some(kind)),
        None => {
            let reason = format!("kind {} is none of interval, register and spot", shown(&tag.value));
            Err(Fault::new(What::Kind, tag.column, reason))
        }
    }
}

/// One of our words; others say nothing that we understand.
fn commodity(word: &str) -> Option<Commodity> {
    (0..=u8::MAX).map_while(Commodity::from_code).find(|known| known.word().eq_ignore_ascii_case(word))
}

fn flow(word: &str) -> Option<Flow> {
    (0..=u8::MAX).map_while(Flow::from_code).find(|known| known.word().eq_ignore_ascii_case(word))
}

fn phase(word: &str) -> Option<Phase> {
    (0..=u8::MAX).map_while(Phase::from_code).find(|known| known.word().eq_ignore_ascii_case(word))
}

/// With a backslash before each of `marks`, so that no two series share a name.
fn marked(text: &str, marks: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for character in text.chars() {
        if marks.contains(character) {
            written.push('\\');
        }
        written.push(character);
    }
    written
}

pub(super) fn check_text(what: &str, text: &str) -> Result<(), Fault> {
    let fault = |why: String| Err(Fault::new(What::Text, 0, format!("{what} {why}")));
    if text.len() > TEXT_BYTES_MAX {
        return fault(format!("of {} bytes; at most {TEXT_BYTES_MAX} are kept", text.len()));
    }
    if text.chars().any(char::is_control) {
        return fault(format!("{} has a control character", shown(text)));
    }
    Ok(())
}
