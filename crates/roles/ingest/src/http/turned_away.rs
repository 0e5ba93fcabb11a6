//! What is told to connections beyond the limit.
//!
//! Without an answer they would wait in the kernel's queue behind a crowd, for as
//! long as its slowest: an ordinary sender could not tell that from a dead server.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;

use crate::limits::{DISCARD_BYTES_MAX, TURNED_AWAY_WAIT_MAX};
use crate::{Error, Limits, Problem};

/// The same to every request.
pub(super) fn router(limits: &Limits) -> Router {
    let limit = limits.connections_max;
    Router::new().fallback(move |request: Request| async move {
        // A peer that is cut off while it writes may never see why.
        let _ = tokio::time::timeout(TURNED_AWAY_WAIT_MAX, read_over(request)).await;
        refused(limit)
    })
}

async fn read_over(request: Request) {
    if request.headers().contains_key(header::EXPECT) {
        return;
    }
    let (mut body, mut left) = (request.into_body(), DISCARD_BYTES_MAX);
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        let Some(rest) = left.checked_sub(bytes) else { return };
        left = rest;
    }
}

fn refused(limit: usize) -> Response {
    let mut response = Problem::from(Error::Connections { limit }).into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
