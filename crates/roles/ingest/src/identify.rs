//! Who asks: the bearer token of a request, checked off the runtime if need be.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use registry::{Authenticator, Principal, Scope};

use crate::{Error, Result};

/// The bearer of a request, if it may do what `needs` says. For every role that
/// answers HTTP.
pub async fn identify(authenticator: &Arc<Authenticator>, headers: &HeaderMap, needs: Scope) -> Result<Principal> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    identify_text(authenticator, authorization, needs).await
}

/// As [`identify`], with the header's text.
pub(crate) async fn identify_text(
    authenticator: &Arc<Authenticator>,
    authorization: Option<&str>,
    needs: Scope,
) -> Result<Principal> {
    if let Some(known) = authenticator.cached(authorization, needs) {
        return Ok(known?);
    }
    let (authenticator, authorization) = (authenticator.clone(), authorization.map(str::to_owned));
    let asked = tokio::task::spawn_blocking(move || authenticator.authenticate(authorization.as_deref(), needs));
    Ok(asked.await.map_err(|error| Error::Task(error.to_string()))??)
}
