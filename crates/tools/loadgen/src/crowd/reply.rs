//! An answer off the wire, as far as anyone here looks at it.

use anyhow::Context;
use tokio::io::{AsyncRead, AsyncReadExt};

/// No answer of these doors is longer.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

pub struct Reply {
    pub status: u16,
    head: String,
    body: String,
}

impl Reply {
    /// Of a connection that closes behind it; none if it closed without a word.
    pub async fn read(from: &mut (impl AsyncRead + Unpin)) -> Option<Reply> {
        let mut answer = Vec::new();
        // A reset behind the answer takes nothing away from it.
        let _ = from.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Reply { status, head: head.to_owned(), body: body.to_owned() })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().filter_map(|line| line.split_once(':'));
        pairs.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// To be sent again later.
    pub fn is_busy(&self) -> bool {
        matches!(self.status, 429 | 503)
    }

    pub fn retry_after_s(&self) -> Option<u64> {
        self.header("retry-after")?.parse().ok()
    }

    /// Of a body, or of the last piece of a file.
    pub fn sequence(&self) -> anyhow::Result<u64> {
        if let Some(said) = self.header("meterhouse-sequence") {
            return Ok(said.parse()?);
        }
        let receipt: serde_json::Value = serde_json::from_str(&self.body).context("a receipt")?;
        receipt["sequence"].as_u64().with_context(|| format!("a sequence in {}", self.body))
    }

    /// `code` of a problem, for people.
    pub fn code(&self) -> String {
        let problem: Option<serde_json::Value> = serde_json::from_str(&self.body).ok();
        problem.and_then(|problem| problem["code"].as_str().map(str::to_owned)).unwrap_or_default()
    }
}
