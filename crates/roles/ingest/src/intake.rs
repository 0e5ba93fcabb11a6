//! From a body at hand into the journal: what both requests share.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use host::{Clock, Spans, Step};
use journal::{Archive, Body, Content, Door, Journal};
use meter::{TenantId, Timestamp};
use registry::{Authenticator, Principal, Profiles, Scope};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::admission::{Admission, Permit};
use crate::identify::{identify, identify_text};
use crate::seldom::Seldom;
use crate::{Error, Limits, Metrics, Problem, Result, Uploads};

/// What the doors work with.
pub struct Parts {
    /// Takes bodies in.
    pub journal: Arc<dyn Journal>,
    /// Takes those that are too large for it.
    pub archive: Arc<Archive>,
    /// Says who sends.
    pub authenticator: Arc<Authenticator>,
    /// Say how files of tables are read.
    pub profiles: Arc<Profiles>,
    /// Files that come in pieces.
    pub uploads: Arc<Uploads>,
    /// Times senders.
    pub clock: Arc<dyn Clock>,
    /// What a sender may ask of the house.
    pub limits: Limits,
    /// Told of bodies that are followed.
    pub spans: Spans,
}

/// The HTTP door's state, shared by its requests.
pub struct Intake {
    pub(crate) parts: Parts,
    metrics: Arc<Metrics>,
    admission: Arc<Admission>,
    writers: Arc<Semaphore>,
    failed: watch::Sender<Option<String>>,
    warnings: Seldom,
}

/// What is known of a body besides its content.
pub(crate) struct Label {
    pub(crate) tenant: TenantId,
    pub(crate) door: Door,
    pub(crate) format: String,
    pub(crate) object: String,
    pub(crate) message_id: String,
    /// When it began to come in, where that is known and someone follows.
    pub(crate) since: Option<Timestamp>,
}

fn notes(tenant: TenantId, door: Door, bytes: u64) -> Vec<(&'static str, String)> {
    let door = format!("{door:?}").to_lowercase();
    vec![
        ("meterhouse.tenant", tenant.0.to_string()),
        ("meterhouse.door", door),
        ("meterhouse.bytes", bytes.to_string()),
    ]
}

impl Label {
    /// Of a body that is one request.
    pub(crate) fn of_http(tenant: TenantId, format: String, object: String, since: Option<Timestamp>) -> Label {
        Label { tenant, door: Door::Http, format, object, message_id: String::new(), since }
    }
}

impl Intake {
    /// A door that is open; nothing is listened on yet.
    pub fn new(parts: Parts) -> Arc<Intake> {
        let admission = Admission::new(&parts.limits);
        let writers = Arc::new(Semaphore::new(parts.limits.writers_max));
        let (failed, warnings) = (watch::Sender::new(None), Seldom::default());
        Arc::new(Intake { parts, metrics: Arc::default(), admission, writers, failed, warnings })
    }

    /// Returns, with the reason, once the journal has stopped for good. The
    /// process must then stop too: nothing can be acknowledged any more.
    pub async fn failed(&self) -> String {
        let mut failed = self.failed.subscribe();
        let found = failed.wait_for(Option::is_some).await.expect("the sender lives in self");
        found.clone().expect("waited for")
    }

    /// The counters, for whoever serves connections.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The counters as `/metrics` shows them.
    pub fn render_metrics(&self) -> String {
        self.metrics.render(self.admission.in_flight_bytes(), self.parts.uploads.open_count())
    }

    pub(crate) async fn writer(&self, headers: &HeaderMap) -> Result<Principal> {
        identify(&self.parts.authenticator, headers, Scope::Write).await
    }

    /// As [`Intake::writer`], where the token does not stand in a header of our own kind.
    pub(crate) async fn bearer(&self, authorization: Option<String>) -> Result<Principal> {
        identify_text(&self.parts.authenticator, authorization.as_deref(), Scope::Write).await
    }

    /// The format that a sender names, as the journal keeps it: with the version of a
    /// profile that is in force now. Empty: the content tells.
    pub(crate) async fn in_force(&self, tenant: TenantId, name: String) -> Result<String> {
        if matches!(name.as_str(), "" | "auto") {
            return Ok(String::new());
        }
        let profiles = self.parts.profiles.clone();
        let found = tokio::task::spawn_blocking(move || profiles.in_force(tenant, &name)).await;
        let format = found.map_err(|error| Error::Task(error.to_string()))??;
        Ok(format.name().to_owned())
    }

    pub(crate) fn admit(&self, tenant: TenantId, bytes: u64) -> Result<Permit> {
        self.admission.admit(tenant, bytes)
    }

    /// For a file that is written as it comes: slow ones must not take all threads.
    pub(crate) fn writer_place(&self) -> Result<OwnedSemaphorePermit> {
        let limit = self.parts.limits.writers_max;
        self.writers.clone().try_acquire_owned().map_err(|_| Error::Writers { limit })
    }

    /// Makes a body durable. Only after this may anyone say yes.
    pub(crate) async fn append(&self, label: Label, content: Content) -> Result<journal::Receipt> {
        let (size, start) = (content.size(), self.parts.clock.monotonic());
        let Label { tenant, door, format, object, message_id, since } = label;
        let body = Body { tenant, door, format, object, message_id, content };
        let from = self.parts.spans.now();
        let receipt = self.parts.journal.append(body).await?;
        self.metrics.appended(size, self.parts.clock.monotonic().saturating_sub(start));
        let spans = &self.parts.spans;
        spans.tell(receipt.sequence, Step::Append, from, Vec::new);
        spans.tell(receipt.sequence, Step::Door, since.or(from), || notes(tenant, door, size));
        Ok(receipt)
    }

    /// Counts and logs an answer; notices when the journal is gone.
    pub(crate) fn answer(&self, outcome: Result<Response>) -> Response {
        self.answer_in(outcome, Problem::into_response)
    }

    /// As [`Intake::answer`], for clients that are told in a form of their own.
    pub(crate) fn answer_in(&self, outcome: Result<Response>, tell: impl FnOnce(Problem) -> Response) -> Response {
        let response = outcome.unwrap_or_else(|error| tell(self.refuse(error)));
        self.metrics.answered(response.status());
        response
    }

    pub(crate) fn refuse(&self, error: Error) -> Problem {
        if error.is_fatal() {
            self.failed.send_if_modified(|failed| failed.is_none() && failed.replace(error.to_string()).is_none());
        }
        let (kind, cause) = (error.kind(), error.to_string());
        let problem = Problem::from(error);
        self.warn(kind, &cause, problem.code);
        // The cause may quote what was sent, and that is nobody's business here.
        tracing::debug!(status = problem.status.as_u16(), code = problem.code, "refused");
        problem
    }
    /// A crowd that is refused must not fill the log as well.
    fn warn(&self, kind: host::Kind, error: &str, code: &'static str) {
        let is_ours = matches!(kind, host::Kind::Bug | host::Kind::Corrupt);
        if !is_ours && kind != host::Kind::Busy {
            return;
        }
        let Some(left_out) = self.warnings.left_out(code, self.parts.clock.monotonic()) else { return };
        if is_ours {
            tracing::error!(error, left_out, "body not taken in");
        } else {
            tracing::warn!(error, left_out, "body not taken in");
        }
    }
}
