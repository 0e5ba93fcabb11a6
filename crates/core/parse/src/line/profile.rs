//! A mapping profile as its TOML file says it, unchecked; and the built-in one.
//!
//! Promise: an unknown key is an error that names it. `docs/reference/formats.md`
//! says what the built-in one means.

use std::collections::BTreeMap;

use serde::Deserialize;

pub(super) const BUILT_IN: &str = include_str!("../../profiles/line.toml");

/// Texts are names of tags, where nothing else is said.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    #[expect(dead_code, reason = "for whoever reads the file")]
    about: String,
    /// The first that a line has names its point.
    pub(super) point: Vec<String>,
    pub(super) device: String,
    pub(super) register: String,
    pub(super) unit: String,
    pub(super) kind: String,
    pub(super) quality: String,
    pub(super) reason: String,
    /// This and the next two are part of the register's name too.
    pub(super) commodity: String,
    pub(super) flow: String,
    pub(super) phase: String,
    /// Not part of the register's name.
    pub(super) ignore: Vec<String>,
    /// The field that adds nothing to the register's name.
    pub(super) value: String,
    pub(super) precision: String,
    /// Units whose values are a counter's state.
    pub(super) counters: Vec<String>,
    /// By what a field's name ends in.
    pub(super) units: BTreeMap<String, String>,
    #[serde(default, rename = "default")]
    pub(super) defaults: Defaults,
}

/// What holds where a line does not say it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Defaults {
    /// Instead of any tag.
    pub(super) point: Option<String>,
    pub(super) unit: Option<String>,
    pub(super) commodity: Option<String>,
    pub(super) flow: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) interval: Option<String>,
    /// `start` or `end`.
    pub(super) stamps: Option<String>,
}
