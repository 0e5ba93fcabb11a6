//! Whether the house lives, whether it is ready, and its counters.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ingest::Problem;
use registry::Scope;

use crate::Shared;
use crate::api::Refusals;

/// The process answers: nothing more is promised.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()),
    responses((status = 200, content_type = "text/plain", body = String, description = "It lives")))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Ready: what is sent is taken, it becomes visible, and all that was
/// acknowledged before the start is visible already.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()),
    responses((status = 200, content_type = "text/plain", body = String, description = "It is ready"),
        (status = 503, content_type = "text/plain", body = String, description = "What it waits for")))]
pub(crate) async fn readyz(State(parts): State<Arc<Shared>>) -> Response {
    match waits_for(&parts).await {
        None => "ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response(),
    }
}

/// The first part that is not ready, and what it waits for. Anyone may ask, so
/// it names no file.
async fn waits_for(parts: &Shared) -> Option<String> {
    match parts.journal.check_open().await {
        Ok(()) => {}
        Err(journal::Error::Closed) => return Some("the journal is closed, the server is stopping".to_owned()),
        Err(_) => return Some("the journal has stopped and waits for a restart; the server's log says why".to_owned()),
    }
    if parts.seen.has_changed().is_err() {
        return Some("the process role has stopped and waits for a restart; the server's log says why".to_owned());
    }
    let (below, held) = (parts.seen.borrow().below, parts.held_at_start);
    (below < held)
        .then(|| format!("the process role waits for records {below} to {} of the journal to be applied", held.0 - 1))
}

/// Prometheus text. Any token may read it: it names no person and no meter.
#[utoipa::path(get, path = "/metrics", tag = "health",
    responses((status = 200, content_type = "text/plain", body = String, description = "Counters"), Refusals))]
pub(crate) async fn metrics(State(parts): State<Arc<Shared>>, headers: HeaderMap) -> Result<Response, Problem> {
    ingest::identify(&parts.authenticator, &headers, Scope::Read).await.map_err(Problem::from)?;
    let mut text = String::new();
    parts.engine.render_metrics(&mut text);
    for render in &parts.metrics {
        render(&mut text);
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
