//! REST over the query engine, health and metrics.
//!
//! Promise: a question is answered for the tenant of its token only, at one
//! moment of the lake, and a question that asked to see record N is answered
//! with it in sight or told to come back.
//!
//! Read: `sql.rs` (`/v1/sql`), `problem.rs` (how errors are told),
//! `health.rs` (`/healthz`, `/readyz`, `/metrics`).

mod problem;
mod sql;
mod health;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use journal::Journal;
use meter::Sequence;
use query::Engine;
use registry::Authenticator;
use store::Reader;
use tokio::sync::watch;

/// How far the house is, as a question can wait for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Every record below this one can be asked for.
    pub below: Sequence,
}

/// Appends one role's counters in Prometheus' text form.
pub type Render = Box<dyn Fn(&mut String) + Send + Sync>;

/// What the questions are answered with.
pub struct Parts {
    /// Where the doors put what comes in.
    pub journal: Arc<dyn Journal>,
    /// The journal's end at the start: what stands before it was acknowledged in
    /// an earlier run and is applied again before the house is ready.
    pub held_at_start: Sequence,
    /// Runs the queries.
    pub engine: Engine,
    /// Gives the snapshots they run on.
    pub reader: Reader,
    /// Says who asks.
    pub authenticator: Arc<Authenticator>,
    /// Moves as records become visible; closed once the process role is gone.
    pub seen: watch::Receiver<Seen>,
    /// What `/metrics` shows, in this order.
    pub metrics: Vec<Render>,
    /// How long `?wait=` waits.
    pub wait_max: Duration,
}

/// The requests of this role. The caller merges it with the doors' and sets the fallback.
pub fn router(parts: Parts) -> Router {
    let parts = Arc::new(parts);
    Router::new()
        .route("/v1/sql", get(sql::get).post(sql::post))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .method_not_allowed_fallback(async || ingest::Problem::method())
        .with_state(parts)
}
