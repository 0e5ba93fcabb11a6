//! Spans on their way to a collector: OTLP over HTTP, in JSON (decision 9).
//!
//! Promise: a collector that is slow, wrong or gone costs spans and a line in
//! the log, never a reading nor an acknowledgement.
//!
//! Read: `traces/otlp.rs` (the words), then this file (the way).

mod otlp;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use host::{Clock, Span, Spans};
use http_body_util::Full;
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::connect::{Connector, connector};
use crate::exit::Usage;
use crate::settings;

/// Spans that wait to be sent, about 300 bytes each.
const WAITING_MAX: usize = 16_384;
/// In one request: some 150 KB.
const BATCH_MAX: usize = 512;
/// A span is sent after so long, however few they are.
const SEND_EVERY: Duration = Duration::from_secs(2);
/// An answer is waited for so long; at the end, for all of them.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(5);

/// Sends spans until it is finished.
pub struct Exporter {
    finish: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// As the settings say; without an endpoint nothing is told and nothing runs.
pub fn start(
    settings: &settings::Traces,
    epoch: &str,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<(Spans, Option<Exporter>)> {
    if settings.otlp_endpoint.is_empty() {
        return Ok((Spans::default(), None));
    }
    let wrong = |what: String| Usage(format!("settings traces.otlp_endpoint {:?}: {what}", settings.otlp_endpoint));
    let uri: Uri = settings.otlp_endpoint.parse().map_err(|error| wrong(format!("{error}")))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
        return Err(wrong("give a URL such as http://127.0.0.1:4318/v1/traces".into()).into());
    }
    let client = Client::builder(TokioExecutor::new()).build(connector(&settings.otlp_endpoint, None)?);
    let (spans, receiver) = Spans::new(clock, settings.one_in, WAITING_MAX);
    let (finish, finished) = oneshot::channel();
    info!(endpoint = %uri, one_in = settings.one_in, "records are followed");
    let to = Collector { client, uri, writer: otlp::Writer::new(epoch), spans: spans.clone(), failing: false };
    let task = tokio::spawn(to.send_all(receiver, finished));
    Ok((spans, Some(Exporter { finish, task })))
}

impl Exporter {
    /// Sends what is there, for a while.
    pub async fn finish(mut self) {
        let _ = self.finish.send(());
        if tokio::time::timeout(ANSWER_WAIT_MAX, &mut self.task).await.is_err() {
            warn!("the collector is not waited for any longer");
            self.task.abort();
        }
    }
}

struct Collector {
    client: Client<Connector, Full<Bytes>>,
    uri: Uri,
    writer: otlp::Writer,
    spans: Spans,
    /// Told once, until it answers again.
    failing: bool,
}

impl Collector {
    async fn send_all(mut self, mut receiver: mpsc::Receiver<Span>, mut finished: oneshot::Receiver<()>) {
        let mut ends = false;
        while !ends {
            tokio::select! {
                _ = &mut finished => ends = true,
                () = host::sleep(SEND_EVERY) => {}
            }
            let mut batch = Vec::new();
            while let Ok(span) = receiver.try_recv() {
                batch.push(span);
                if batch.len() == BATCH_MAX {
                    self.send(&std::mem::take(&mut batch)).await;
                }
            }
            if !batch.is_empty() {
                self.send(&batch).await;
            }
        }
    }

    async fn send(&mut self, batch: &[Span]) {
        let sent = tokio::time::timeout(ANSWER_WAIT_MAX, self.post(batch)).await;
        let sent = sent.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} s", ANSWER_WAIT_MAX.as_secs())));
        match sent {
            Ok(()) if self.failing => {
                info!(lost = self.spans.lost(), "the collector answers again");
                self.failing = false;
            }
            Ok(()) => {}
            Err(error) if !self.failing => {
                warn!(error = %format!("{error:#}"), spans = batch.len(), "spans are lost");
                self.failing = true;
            }
            Err(_) => {}
        }
    }

    async fn post(&self, batch: &[Span]) -> anyhow::Result<()> {
        let body = Full::new(Bytes::from(self.writer.request(batch)));
        let request = Request::post(self.uri.clone()).header("content-type", "application/json").body(body)?;
        let response = self.client.request(request).await.with_context(|| format!("collector {}", self.uri))?;
        anyhow::ensure!(response.status().is_success(), "collector {} answers {}", self.uri, response.status());
        Ok(())
    }
}
