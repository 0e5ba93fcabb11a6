//! What the lake's files come to once nothing is kept for readers of earlier versions.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

/// Bytes and files that the tables' logs still refer to, all that they ever referred to, and
/// the checkpoint beside them.
///
/// Read from the logs' JSON: they are whole as long as no vacuum shortened them,
/// which takes an hour at least.
pub fn standing(data: &Path) -> anyhow::Result<Value> {
    let (mut files, mut bytes, mut written, mut log_bytes) = (0, 0, 0, 0);
    for table in std::fs::read_dir(data.join("lake"))? {
        let table = table?;
        if !table.file_type()?.is_dir() {
            continue;
        }
        let standing = of_table(&table.path().join("_delta_log"), &mut written, &mut log_bytes)
            .with_context(|| table.path().display().to_string())?;
        files += standing.len();
        bytes += standing.values().sum::<u64>();
    }
    let state_bytes = std::fs::metadata(data.join("state/channels")).map_or(0, |held| held.len());
    Ok(json!({
        "files": files,
        "data_bytes": bytes,
        "data_bytes_written": written,
        "log_bytes": log_bytes,
        "state_bytes": state_bytes,
    }))
}

fn of_table(log: &Path, written: &mut u64, log_bytes: &mut u64) -> anyhow::Result<BTreeMap<String, u64>> {
    let Ok(entries) = std::fs::read_dir(log) else { return Ok(BTreeMap::new()) };
    let mut commits = Vec::new();
    for entry in entries {
        let entry = entry?;
        *log_bytes += entry.metadata()?.len();
        if entry.path().extension().is_some_and(|end| end == "json") {
            commits.push(entry.path());
        }
    }
    commits.sort();
    let mut standing = BTreeMap::new();
    for commit in commits {
        for line in std::fs::read_to_string(&commit)?.lines() {
            let action: Value = serde_json::from_str(line)?;
            let path = |action: &Value| action["path"].as_str().map(str::to_owned);
            if let Some(path) = path(&action["add"]) {
                let size = action["add"]["size"].as_u64().context("a size")?;
                *written += size;
                standing.insert(path, size);
            } else if let Some(path) = path(&action["remove"]) {
                standing.remove(&path);
            }
        }
    }
    Ok(standing)
}
