//! Whether the house lives, whether it can be asked, and its counters.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ingest::Problem;
use registry::Scope;

use crate::Parts;

/// The process answers: nothing more is promised.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Ready: the process role works, so what is sent becomes visible.
pub(crate) async fn readyz(State(parts): State<Arc<Parts>>) -> Response {
    if parts.seen.has_changed().is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the process role has stopped\n").into_response();
    }
    "ready\n".into_response()
}

/// Prometheus text. Any token may read it: it names no person and no meter.
pub(crate) async fn metrics(State(parts): State<Arc<Parts>>, headers: HeaderMap) -> Result<Response, Problem> {
    ingest::identify(&parts.authenticator, &headers, Scope::Read).await.map_err(Problem::from)?;
    let mut text = String::new();
    parts.engine.render_metrics(&mut text);
    for render in &parts.metrics {
        render(&mut text);
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
