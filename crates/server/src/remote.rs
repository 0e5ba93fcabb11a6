//! A running server, over HTTP: what `--server` works with.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use futures::{FutureExt, Stream, TryStreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::{Method, Request, StatusCode, http};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Notify;

use crate::connect::{Connector, connector};
use crate::exit::{Taken, Usage};

/// Servers that do not know the question whether to send at all are sent to
/// after this (RFC 9110, 10.1.1).
const GO_AHEAD_WAIT_MAX: Duration = Duration::from_secs(1);

type Outgoing = UnsyncBoxBody<Bytes, io::Error>;

pub struct Remote {
    client: Client<Connector, Outgoing>,
    base: String,
    token: String,
}

pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

/// What was sent cannot be taken, whoever sends it and however often.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(String);

impl Remote {
    /// `ca_file` as [`connector`] takes it.
    pub fn new(base: &str, token: Option<&str>, ca_file: Option<&Path>) -> anyhow::Result<Remote> {
        let Some(token) = token else {
            bail!(Usage("a server wants a token: --token or METERHOUSE_TOKEN".into()));
        };
        let base = base.trim_end_matches('/').to_owned();
        if !["http://", "https://"].iter().any(|scheme| base.starts_with(scheme)) {
            bail!(Usage(format!("--server {base}: give a URL such as http://127.0.0.1:8780")));
        }
        let client = Client::builder(TokioExecutor::new()).build(connector(&base, ca_file)?);
        Ok(Remote { client, base, token: token.to_owned() })
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        let request = self.request(Method::GET, path, "").body(whole(Bytes::new()));
        self.send(request).await
    }

    pub async fn post(&self, path: &str, content_type: &str, body: Bytes) -> anyhow::Result<Answer> {
        self.send(self.request(Method::POST, path, content_type).body(whole(body))).await
    }

    /// Posts `length` bytes that come in pieces; only those on their way are in
    /// memory. The server is asked before the first: a refusal costs no bytes.
    pub async fn post_pieces(
        &self,
        path: &str,
        content_type: &str,
        length: u64,
        pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> anyhow::Result<Answer> {
        let go_ahead = Arc::new(Notify::new());
        let body = StreamBody::new(after(go_ahead.clone(), pieces).map_ok(Frame::data));
        let request = self.request(Method::POST, path, content_type);
        let request = request.header("content-length", length).header("expect", "100-continue");
        let request = request.body(body.boxed_unsync()).map(|mut request| {
            hyper::ext::on_informational(&mut request, move |_| go_ahead.notify_one());
            request
        });
        self.send(request).await
    }

    fn request(&self, method: Method, path: &str, content_type: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", content_type)
    }

    async fn send(&self, request: http::Result<Request<Outgoing>>) -> anyhow::Result<Answer> {
        let request = request.with_context(|| format!("address or token of server {}", self.base))?;
        let uri = request.uri().clone();
        let response = self.client.request(request).await.map_err(|error| self.unanswered(error))?;
        let status = response.status();
        let body = response.into_body().collect().await.with_context(|| format!("answer of {uri} broke off"))?;
        Ok(Answer { status, body: body.to_bytes() })
    }

    fn unanswered(&self, error: hyper_util::client::legacy::Error) -> anyhow::Error {
        let never_met = error.is_connect();
        let error = anyhow::Error::new(error);
        if never_met {
            return error.context(format!("no answer from {}; is the server running there?", self.base));
        }
        // A server that refuses half a file may close before its answer is read.
        Taken(format!("the connection to {} broke off ({error:#}); try again, the server's log may say why", self.base))
            .into()
    }
}

impl Answer {
    /// The body of a good answer; otherwise the server's own words as an error.
    pub fn good(self) -> anyhow::Result<Bytes> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        let said = format!("the server answered {}: {}", self.status, String::from_utf8_lossy(&self.body).trim());
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => bail!(Taken(said)),
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => bail!(Unfit(said)),
            _ => bail!(said),
        }
    }
}

fn whole(body: Bytes) -> Outgoing {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

/// The pieces, once the server wants them.
fn after<S: Stream + Send>(go_ahead: Arc<Notify>, pieces: S) -> impl Stream<Item = S::Item> + Send {
    let asked = async move {
        let _ = tokio::time::timeout(GO_AHEAD_WAIT_MAX, go_ahead.notified()).await;
        pieces
    };
    asked.flatten_stream()
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
