//! REST over the query engine, health and metrics.
//!
//! Promise: a question is answered for the tenant of its token only, at one
//! moment of the lake, and a question that asked to see record N is answered
//! with it in sight or told to come back.
//!
//! Read: `problem.rs` (how errors are told), `asked.rs` (what every question
//! shares), `sql.rs` (`/v1/sql`), `queries.rs` (those that run), `paged.rs` (lists, page by page), `rows.rs`
//! (their rows), `lists.rs` (readings, channels, latest, refused), `sources.rs`
//! (raw bytes), `imports.rs`, `profiles.rs`,
//! `live.rs` (what is new), `health.rs` (`/healthz`, `/readyz`, `/metrics`),
//! `page.rs` (the first page), `api.rs` (all of it described).

mod problem;
mod asked;
mod sql;
mod queries;
mod paged;
mod rows;
mod lists;
mod sources;
mod imports;
mod profiles;
mod live;
mod health;
mod page;
mod api;

pub use api::description;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use host::Clock;
use journal::{Archive, Journal};
use meter::Sequence;
use query::Engine;
use registry::{Authenticator, Profiles};
use store::Reader;
use tokio::sync::{Semaphore, watch};

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
    /// What came in as files.
    pub archive: Arc<Archive>,
    /// The journal's end at the start: what stands before it was acknowledged in
    /// an earlier run and is applied again before the house is ready.
    pub held_at_start: Sequence,
    /// Runs the queries.
    pub engine: Engine,
    /// Gives the snapshots they run on.
    pub reader: Reader,
    /// Says who asks.
    pub authenticator: Arc<Authenticator>,
    /// How files of tables are read.
    pub profiles: Arc<Profiles>,
    /// Dates what is added.
    pub clock: Arc<dyn Clock>,
    /// Says how far the record at hand is read.
    pub at_hand: process::AtHand,
    /// Shows readings as they are applied.
    pub live: process::Live,
    /// True once the server stops: whoever watches is let go.
    pub closing: watch::Receiver<bool>,
    /// Moves as records become visible; closed once the process role is gone.
    pub seen: watch::Receiver<Seen>,
    /// What `/metrics` shows, in this order.
    pub metrics: Vec<Render>,
    /// How long `?wait=` waits.
    pub wait_max: Duration,
}

/// The parts, and what the requests share besides.
struct Shared {
    parts: Parts,
    /// Places of those who watch.
    watchers: Arc<Semaphore>,
    /// Places of those who try a profile out.
    trials: Semaphore,
}

impl std::ops::Deref for Shared {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// The requests of this role. The caller merges it with the doors' and sets the fallbacks.
pub fn router(parts: Parts) -> Router {
    let (watchers, trials) = (Arc::new(Semaphore::new(live::WATCHERS_MAX)), Semaphore::new(profiles::TRIALS_MAX));
    let parts = Arc::new(Shared { parts, watchers, trials });
    Router::new()
        .route("/", get(page::index))
        .route("/page/page.css", get(page::style))
        .route("/page/page.js", get(page::script))
        .route("/v1/sql", get(sql::get).post(sql::post))
        .route("/v1/queries", get(queries::list))
        .route("/v1/queries/{id}", get(queries::one).delete(queries::cancel))
        .route("/v1/readings", get(lists::readings))
        .route("/v1/channels", get(lists::channels))
        .route("/v1/latest", get(lists::latest))
        .route("/v1/refused", get(lists::refused))
        .route("/v1/imports", get(imports::list))
        .route("/v1/imports/{seq}", get(imports::one))
        .route("/v1/profiles", get(profiles::list).post(profiles::add))
        .route("/v1/profiles/test", post(profiles::test))
        .route("/v1/profiles/{name}", get(profiles::one))
        .route("/v1/sources/{seq}", get(sources::raw))
        .route("/v1/live", get(live::watch))
        .route("/v1/openapi.json", get(api::openapi))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .with_state(parts)
}
