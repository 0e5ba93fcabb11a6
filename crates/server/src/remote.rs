//! A running server, over HTTP: what `--server` works with.

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::exit::Usage;

pub struct Remote {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    token: String,
}

pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

impl Remote {
    pub fn new(base: &str, token: Option<&str>) -> anyhow::Result<Remote> {
        let Some(token) = token else {
            bail!(Usage("a server wants a token: --token or METERHOUSE_TOKEN".into()));
        };
        let base = base.trim_end_matches('/').to_owned();
        if !base.starts_with("http://") {
            bail!(Usage(format!("--server {base}: give a URL such as http://127.0.0.1:8780")));
        }
        let client = Client::builder(TokioExecutor::new()).build_http();
        Ok(Remote { client, base, token: token.to_owned() })
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, "", Bytes::new()).await
    }

    pub async fn post(&self, path: &str, content_type: &str, body: Bytes) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, content_type, body).await
    }

    async fn send(&self, method: Method, path: &str, content_type: &str, body: Bytes) -> anyhow::Result<Answer> {
        let uri = format!("{}{path}", self.base);
        let request = Request::builder()
            .method(method)
            .uri(&uri)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", content_type)
            .body(Full::new(body))
            .with_context(|| format!("address {uri}"))?;
        let response = self
            .client
            .request(request)
            .await
            .with_context(|| format!("no answer from {}; is the server running there?", self.base))?;
        let status = response.status();
        let body = response.into_body().collect().await.with_context(|| format!("answer of {uri} broke off"))?;
        Ok(Answer { status, body: body.to_bytes() })
    }
}

impl Answer {
    /// The body of a good answer; otherwise the server's own words as an error.
    pub fn good(self) -> anyhow::Result<Bytes> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        bail!("the server answered {}: {}", self.status, String::from_utf8_lossy(&self.body).trim())
    }
}

/// Escapes a text for use in a query string (RFC 3986 unreserved stays).
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
