//! Routes and connections.
//!
//! Promise: the number of connections is bounded, and who comes when it is reached is
//! told to come again; each must get to the point in time, and a stop lets every
//! request under way finish before it returns.

mod stall;
mod tls;
mod turned_away;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, head, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};

use crate::limits::{TURNED_AWAY_MAX, TURNED_AWAY_WAIT_MAX};
use crate::uploads::requests;
use crate::{Intake, Limits, Metrics, files, influx, readings};
use stall::Stall;
use tls::Handshakes;

pub use tls::{PEM_BYTES_MAX, Tls, TlsError};

/// Out of descriptors or memory: the next try comes after this.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// hyper panics below this.
const HEADER_BYTES_MIN: usize = 8 << 10;

/// What became of the connections that were open at the stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Closed by themselves, their last request answered.
    pub finished: usize,
    /// Cut because they took longer than `drain_wait_max`.
    pub cut: usize,
}

/// The requests of this door. The caller adds its own routes and the fallbacks
/// for methods and paths nobody serves.
pub fn router(intake: Arc<Intake>) -> Router {
    Router::new()
        .route("/v1/readings", post(readings::post))
        .route("/v1/files", post(files::post))
        .route("/v1/uploads", post(requests::create).options(requests::describe))
        .route(
            "/v1/uploads/{id}",
            head(requests::look).patch(requests::send).delete(requests::end).options(requests::describe),
        )
        .route("/write", post(influx::write_v1))
        .route("/api/v2/write", post(influx::write_v2))
        .route("/query", post(influx::query))
        .route("/ping", get(influx::ping))
        .route("/health", get(influx::health))
        .with_state(intake)
}

/// Answers with `router` whoever connects, with `tls` or plainly, until `stop` ends; then no one new,
/// and returns when the last request is answered or `drain_wait_max` is over.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: &Limits,
    tls: Option<Tls>,
    metrics: Arc<Metrics>,
    stop: impl Future<Output = ()>,
) -> Drained {
    let places = Places::new(limits);
    let turning_away = turned_away::router(limits);
    let handshakes = tls.map(|tls| Handshakes::new(tls, limits));
    let (closing, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, place) = tokio::select! {
            () = &mut stop => break,
            Some(ended) = connections.join_next() => {
                note(ended);
                continue;
            }
            accepted = accept(&listener, &places) => accepted,
        };
        let answers = if place.is_aside { &turning_away } else { &router };
        let (stream, metrics) = (Stall::new(stream, limits.write_wait_max), metrics.clone());
        let (answers, builder, closing, handshakes) =
            (answers.clone(), builder(limits), closing.subscribe(), handshakes.clone());
        connections.spawn(async move {
            let _counted = Counted::new(metrics);
            let is_aside = place.is_aside;
            let answered = answer_over(stream, handshakes, answers, builder, closing);
            if is_aside {
                // Whoever does not say what it wants by then is left without a word.
                let _ = tokio::time::timeout(2 * TURNED_AWAY_WAIT_MAX, answered).await;
            } else {
                answered.await;
            }
            drop(place);
        });
    }
    drop(listener);
    closing.send_replace(true);
    let drained = drain(connections, limits.drain_wait_max).await;
    metrics.cut(drained.cut as u64);
    drained
}

/// Where connections are served, and where they are told that there is no room.
struct Places {
    free: Arc<Semaphore>,
    aside: Arc<Semaphore>,
}

/// Free again when dropped.
struct Place {
    is_aside: bool,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    fn new(limits: &Limits) -> Places {
        let [free, aside] = [limits.connections_max, TURNED_AWAY_MAX].map(|most| Arc::new(Semaphore::new(most)));
        Places { free, aside }
    }

    async fn next(&self) -> Place {
        let never = "the semaphore is never closed";
        let (is_aside, permit) = tokio::select! {
            biased;
            permit = self.free.clone().acquire_owned() => (false, permit.expect(never)),
            permit = self.aside.clone().acquire_owned() => (true, permit.expect(never)),
        };
        Place { is_aside, _permit: permit }
    }
}

/// The next connection, once there is a place for it, be it to tell it that there
/// is none; until then it waits in the kernel's queue, which is bounded too.
async fn accept(listener: &TcpListener, places: &Places) -> (TcpStream, Place) {
    let place = places.next().await;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are single writes; waiting to fill a packet only delays them.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "connection gone before it began");
                }
                return (stream, place);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                host::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_wait_max)
        .max_buf_size(limits.header_bytes_max.max(HEADER_BYTES_MIN))
        .max_headers(limits.headers_max);
    builder
}

/// Over TLS, where there is any.
async fn answer_over(
    stream: Stall<TcpStream>,
    handshakes: Option<Handshakes>,
    router: Router,
    builder: http1::Builder,
    closing: watch::Receiver<bool>,
) {
    match handshakes {
        None => answer(stream, router, builder, closing).await,
        Some(handshakes) => match handshakes.shake(stream).await {
            Ok(stream) => answer(stream, router, builder, closing).await,
            Err(error) => tracing::debug!(%error, "no handshake"),
        },
    }
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    router: Router,
    builder: http1::Builder,
    mut closing: watch::Receiver<bool>,
) {
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        // The stop first, so that an answer given after it says `Connection: close`.
        biased;
        () = told(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        ended = connection.as_mut() => ended,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// Ends when the server closes; a server that is gone closes too.
async fn told(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

async fn drain(mut connections: JoinSet<()>, wait_max: Duration) -> Drained {
    let mut finished = 0;
    let all = async {
        while let Some(ended) = connections.join_next().await {
            note(ended);
            finished += 1;
        }
    };
    if tokio::time::timeout(wait_max, all).await.is_ok() {
        return Drained { finished, cut: 0 };
    }
    let cut = connections.len();
    tracing::warn!(cut, "connections cut after the time to drain");
    connections.shutdown().await;
    Drained { finished, cut }
}

fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task ended early");
    }
}

/// A connection as the metrics see it.
struct Counted(Arc<Metrics>);

impl Counted {
    fn new(metrics: Arc<Metrics>) -> Counted {
        metrics.connected();
        Counted(metrics)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.disconnected();
    }
}
