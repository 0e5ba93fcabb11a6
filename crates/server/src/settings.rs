//! Settings: strict, and the defaults are a file.
//!
//! `default.toml` is also the reference page: a settings file is laid over it,
//! key by key, and a key that does not stand there stops the start.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

use crate::exit::Usage;

const DEFAULTS: &str = include_str!("default.toml");

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub server: Server,
    pub uploads: Uploads,
    pub inbox: Inbox,
    pub log: Log,
    pub traces: Traces,
    pub journal: Journal,
    pub process: Process,
    pub maintain: Maintain,
    pub retain: Retain,
    pub query: Query,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub http_listen: SocketAddr,
    pub drain_wait_max_ms: u32,
    /// Empty, with the key: plain HTTP.
    pub tls_cert: PathBuf,
    pub tls_key: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uploads {
    pub open_max: usize,
    pub bytes_max: u64,
    pub expire_ms: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inbox {
    /// Empty: none.
    pub dir: PathBuf,
    pub format: String,
    pub quiet_ms: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub json: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traces {
    /// Empty: none.
    pub otlp_endpoint: String,
    pub one_in: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    pub segment_bytes: u64,
    pub keep_bytes: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    pub commit_wait_max_ms: u32,
    pub commit_rows_max: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintain {
    pub fold_rows: u64,
    pub fold_files: usize,
    pub compact_files: usize,
    pub vacuum_after_ms: u64,
    pub look_every_ms: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retain {
    /// Empty: for ever, as all of them.
    pub readings: String,
    pub refused: String,
    pub events: String,
    pub sources: String,
    pub archive: String,
    pub tenants: Vec<RetainOf>,
}

/// What is not said of a tenant is as of the others.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetainOf {
    pub tenant: String,
    pub readings: Option<String>,
    pub refused: Option<String>,
    pub events: Option<String>,
    pub sources: Option<String>,
    pub archive: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    pub memory_bytes_max: usize,
    pub spill_bytes_max: u64,
    pub time_max_ms: u64,
    pub rows_max: u64,
    pub concurrent_max: usize,
    pub wait_max_ms: u64,
}

/// The defaults, with `file` laid over them.
pub fn load(file: Option<&Path>) -> anyhow::Result<Settings> {
    let mut table: toml::Table = DEFAULTS.parse().expect("default.toml is part of the binary and tested");
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).with_context(|| format!("settings file {}", path.display()))?;
        let over: toml::Table =
            text.parse().map_err(|error| Usage(format!("settings file {}: {error}", path.display())))?;
        lay_over(&mut table, over, "").map_err(|what| Usage(format!("settings file {}: {what}", path.display())))?;
    }
    let read = Settings::deserialize(toml::Value::Table(table));
    Ok(read.map_err(|error| Usage(format!("settings: {error}")))?)
}

fn lay_over(base: &mut toml::Table, over: toml::Table, section: &str) -> Result<(), String> {
    for (key, value) in over {
        let name = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
        match (base.get_mut(&key), value) {
            (None, _) => {
                let known: Vec<&str> = base.keys().map(String::as_str).collect();
                return Err(format!("there is no setting {name:?}; here stand {}", known.join(", ")));
            }
            (Some(toml::Value::Table(inner)), toml::Value::Table(value)) => lay_over(inner, value, &name)?,
            (Some(toml::Value::Table(_)), _) => return Err(format!("{name:?} is a section, not a value")),
            (Some(slot), value) if slot.type_str() == value.type_str() => *slot = value,
            (Some(slot), value) => {
                return Err(format!("{name:?} must be a {}, not a {}", slot.type_str(), value.type_str()));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(text: &str) -> Result<(), String> {
        let mut table: toml::Table = DEFAULTS.parse().expect("valid");
        lay_over(&mut table, text.parse().expect("valid toml"), "")
    }

    #[test]
    fn the_defaults_are_complete() {
        assert!(load(None).expect("defaults load").server.http_listen.ip().is_loopback());
    }

    #[test]
    fn a_typo_is_named_with_what_would_have_been_right() {
        let error = over("[process]\ncomit_wait_max_ms = 5").expect_err("a typo");
        assert!(error.contains("process.comit_wait_max_ms") && error.contains("commit_wait_max_ms"), "{error}");
        assert!(over("[process]\ncommit_wait_max_ms = \"5\"").is_err());
        assert!(over("process = 5").is_err());
        assert!(over("[process]\ncommit_wait_max_ms = 5").is_ok());
    }
}
