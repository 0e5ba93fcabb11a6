//! Small questions of our own commands, answered by the lake or by a server.

use std::sync::Arc;

use meter::TenantId;
use store::Snapshot;

use crate::cli::Common;
use crate::remote::{Remote, escaped};
use crate::settings::Settings;

/// One row of an answer, by column name.
pub struct Asked {
    row: serde_json::Map<String, serde_json::Value>,
}

impl Asked {
    /// A whole number, however the answer spells it; none for null.
    pub fn number(&self, column: &str) -> Option<i64> {
        match self.row.get(column)? {
            serde_json::Value::Number(number) => number.as_i64(),
            serde_json::Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// As text; empty for null.
    pub fn text(&self, column: &str) -> String {
        match self.row.get(column) {
            Some(serde_json::Value::String(text)) => text.clone(),
            None | Some(serde_json::Value::Null) => String::new(),
            Some(other) => other.to_string(),
        }
    }
}

impl Asked {
    /// Some of its columns, for a program.
    pub fn json(&self, columns: &[&str]) -> serde_json::Value {
        let column = |name: &&str| ((*name).to_owned(), self.row.get(*name).cloned().unwrap_or_default());
        serde_json::Value::Object(columns.iter().map(column).collect())
    }
}

/// Asks a snapshot of the local lake.
pub async fn lake(
    common: &Common,
    snapshot: Arc<Snapshot>,
    tenant: TenantId,
    settings: &Settings,
    sql: &str,
) -> anyhow::Result<Vec<Asked>> {
    let mut bytes = Vec::new();
    crate::sql::answer(common, snapshot, tenant, settings, sql, query::Format::Json, &mut bytes).await?;
    rows(&bytes)
}

/// Asks a running server, after it has applied record `wait`.
pub async fn server(remote: &Remote, sql: &str, wait: Option<u64>) -> anyhow::Result<Vec<Asked>> {
    let wait = wait.map(|sequence| format!("&wait={sequence}")).unwrap_or_default();
    let path = format!("/v1/sql?format=json{wait}&q={}", escaped(sql));
    rows(&remote.get(&path).await?.good()?)
}

fn rows(json: &[u8]) -> anyhow::Result<Vec<Asked>> {
    let rows: Vec<serde_json::Map<_, _>> = serde_json::from_slice(json)?;
    Ok(rows.into_iter().map(|row| Asked { row }).collect())
}
