//! `meterhouse serve`: doors, process, SQL and health on one listener.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ingest::inbox::Inbox;
use ingest::{Intake, http};
use journal::Journal;
use process::{Progress, Until};
use registry::Authenticator;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info};
use web::Seen;

use crate::backup::Alive;
use crate::cli::Common;
use crate::exit::{Taken, Usage};
use crate::settings::Settings;
use crate::tls::Certificate;
use crate::traces::Exporter;
use crate::wire::{self, Front, Running};
use crate::{control, descriptors, inbox, sql, tls, traces};

pub async fn serve(common: Common, settings: Settings, listen: Option<SocketAddr>) -> anyhow::Result<ExitCode> {
    if common.server.is_some() {
        return Err(Usage("serve runs a server, it does not work with one: leave --server out".into()).into());
    }
    // Before anything is opened: a start that fails leaves nothing behind.
    let connections_max = descriptors::connections(ingest::Limits::default().connections_max)?;
    let house = wire::open(&common.data_dir, &settings).await?;
    let mut terminate = signal(SignalKind::terminate()).context("signal handler")?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    let (alive, socket) = (house.alive(), control::open(&common.data_dir));
    let mut server =
        Server::start(house, &settings, &common.data_dir, listen.unwrap_or(settings.server.http_listen)).await?;
    server.limits.connections_max = connections_max;
    server.beside.certificate = tls::open(&settings.server)?;
    server.answer_at(socket, alive);
    server.beside.inbox = inbox::open(&server.front, &server.running.progress, &common, &settings)?;
    info!(address = %server.address, data_dir = %common.data_dir.display(), "meterhouse serves");
    server.run(stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// A house with its door open.
pub struct Server {
    pub address: SocketAddr,
    pub front: Front,
    running: Running,
    listener: TcpListener,
    intake: Arc<Intake>,
    limits: ingest::Limits,
    router: axum::Router,
    beside: Beside,
    /// Told at the stop: who watches would else be waited for.
    closes: watch::Sender<bool>,
}

/// What a server may have besides its listener.
#[derive(Default)]
struct Beside {
    inbox: Option<Inbox>,
    /// Where commands on this machine ask, and of what.
    control: Option<(UnixListener, Arc<Alive>)>,
    certificate: Option<Certificate>,
    /// Of records that are followed.
    exporter: Option<Exporter>,
}

impl Server {
    pub async fn start(
        house: wire::House,
        settings: &Settings,
        data_dir: &Path,
        listen: SocketAddr,
    ) -> anyhow::Result<Server> {
        let listener = TcpListener::bind(listen).await.map_err(|error| {
            Taken(format!(
                "cannot listen on {listen}: {error}; stop what listens there or choose another with --listen"
            ))
        })?;
        let address = listener.local_addr()?;
        let (spans, exporter) = traces::start(&settings.traces, &house.epoch, house.clock.clone())?;
        let house = wire::House { spans, ..house };
        let (front, running) = wire::start(house, settings, Until::Told);
        let authenticator = Arc::new(Authenticator::new(front.registry.clone(), front.clock.clone()));
        let limits = ingest::Limits {
            drain_wait_max: Duration::from_millis(u64::from(settings.server.drain_wait_max_ms)),
            ..ingest::Limits::default()
        };
        let intake = Intake::new(ingest::Parts {
            journal: front.journal.clone(),
            archive: front.archive.clone(),
            uploads: wire::uploads(&front, settings)?,
            authenticator: authenticator.clone(),
            profiles: front.profiles.clone(),
            clock: front.clock.clone(),
            limits: limits.clone(),
            spans: front.spans.clone(),
        });
        // Nobody is let in before `run`, so this is what the journal was opened with.
        let held_at_start = front.journal.end().await;
        let (closes, closing) = watch::channel(false);
        let web = web::router(web::Parts {
            journal: front.journal.clone(),
            archive: front.archive.clone(),
            held_at_start,
            engine: query::Engine::new(sql::limits(settings, data_dir))?,
            reader: front.reader.clone(),
            authenticator,
            profiles: front.profiles.clone(),
            clock: front.clock.clone(),
            at_hand: front.at_hand.clone(),
            live: front.live.clone(),
            closing,
            seen: seen(running.progress.clone()),
            metrics: metrics(&intake, running.progress.clone()),
            wait_max: Duration::from_millis(settings.query.wait_max_ms),
        });
        let router = http::router(intake.clone())
            .merge(web)
            .method_not_allowed_fallback(async || ingest::Problem::method())
            .fallback(not_found);
        let beside = Beside { exporter, ..Beside::default() };
        Ok(Server { address, front, running, listener, intake, limits, router, beside, closes })
    }

    /// Commands on this machine are answered at `socket`, of this house.
    pub fn answer_at(&mut self, socket: Option<UnixListener>, alive: Alive) {
        self.beside.control = socket.map(|socket| (socket, Arc::new(alive)));
    }

    /// Serves until `stop`, then lets requests drain and commits the round in hand;
    /// what is acknowledged and not applied yet waits in the journal.
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Server { front, running, listener, intake, limits, router, beside, closes, .. } = self;
        let Beside { inbox, control, certificate, exporter } = beside;
        let Running { stop: role_stop, mut role, .. } = running;
        let (broken_in, broken) = watch::channel(None::<String>);
        let watched = intake.clone();
        let until = async move {
            tokio::select! {
                () = stop => {}
                why = watched.failed() => { broken_in.send_replace(Some(why)); }
            }
            closes.send_replace(true);
        };
        let metrics = intake.metrics().clone();
        let mut tending = JoinSet::new();
        tending.spawn(ingest::tend(intake.clone()));
        if let Some(inbox) = inbox {
            tending.spawn(ingest::inbox::watch(inbox, intake.clone()));
        }
        if let Some((socket, alive)) = control {
            tending.spawn(control::answer(socket, alive));
        }
        let tls = certificate.as_ref().map(|certificate| certificate.tls.clone());
        if let Some(certificate) = certificate {
            tending.spawn(tls::follow(certificate));
        }
        let served = http::serve(listener, router, &limits, tls, metrics, until);
        tokio::select! {
            drained = served => info!(finished = drained.finished, cut = drained.cut, "requests drained"),
            ended = &mut role => {
                let lake = ended.context("process role")?;
                lake.context("the process role stopped")?;
                anyhow::bail!("the process role stopped by itself");
            }
        }
        tending.shutdown().await;
        if let Some(why) = broken.borrow().clone() {
            error!(%why, "the journal stopped; what was acknowledged is kept, restart to go on");
            anyhow::bail!("the journal stopped: {why}");
        }
        role_stop.send_replace(Until::Now);
        role.await.context("process role")??;
        front.journal.close().await.context("journal")?;
        if let Some(exporter) = exporter {
            exporter.finish().await;
        }
        Ok(())
    }
}

/// How far queries see, for those who wait; ends with the process role.
fn seen(mut progress: watch::Receiver<Progress>) -> watch::Receiver<Seen> {
    let below = |progress: &Progress| Seen { below: progress.applied.sequence() };
    let (moves, seen) = watch::channel(below(&progress.borrow_and_update()));
    tokio::spawn(async move {
        while progress.changed().await.is_ok() {
            moves.send_replace(below(&progress.borrow_and_update()));
        }
    });
    seen
}

fn metrics(intake: &Arc<Intake>, progress: watch::Receiver<Progress>) -> Vec<web::Render> {
    let intake = intake.clone();
    vec![
        Box::new(move |text| text.push_str(&intake.render_metrics())),
        Box::new(move |text| text.push_str(&progress.borrow().render())),
    ]
}

async fn not_found(uri: axum::http::Uri) -> ingest::Problem {
    ingest::Problem::not_found(uri.path())
}
