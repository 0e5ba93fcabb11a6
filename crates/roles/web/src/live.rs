//! `/v1/live`: readings as they are applied, as server-sent events.
//!
//! Promise: from the first event on, each new reading and correction of what is
//! watched is shown once and in order; where a watcher was too slow or the server
//! stops, the stream says so or ends, and `/v1/readings` has what was missed.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use ingest::Problem;
use meter::{ChannelId, TenantId};
use process::Fresh;
use query::{Format, Principal};
use serde::Deserialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa::IntoParams;

use crate::api::Refusals;
use crate::asked::{self, Asked};
use crate::paged::quoted;
use crate::{Shared, problem};

/// At a time: each holds a connection and looks at every group.
pub(crate) const WATCHERS_MAX: usize = 256;

/// So that proxies and phones do not take silence for the end.
const HEARTBEAT: Duration = Duration::from_secs(15);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct LiveAsked {
    /// The point whose readings; this or `channel` must be given.
    point: Option<String>,
    /// The channel whose readings.
    channel: Option<i64>,
}

/// What a channel is called.
#[derive(Deserialize)]
struct Named {
    channel: i64,
    point: String,
    register: String,
}

/// The tenant's newest channel, if it has one.
#[derive(Deserialize)]
struct Newest {
    channel: Option<i64>,
}

/// Watch readings as they come in.
///
/// Server-sent events: `reading` for each, with the reading as JSON; `missed` with a number of
/// groups where the watcher was too slow.
#[utoipa::path(get, path = "/v1/live", tag = "questions", params(LiveAsked),
    responses((status = 200, content_type = "text/event-stream", body = String, description = "Events until one side ends"), Refusals))]
pub(crate) async fn watch(
    State(parts): State<Arc<Shared>>,
    parameters: Asked<LiveAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = asked::known(parameters, "point and channel")?;
    let tenant = asked::asker(&parts, &headers).await?;
    if asked.point.is_none() && asked.channel.is_none() {
        let cause = "neither point nor channel is given".to_owned();
        return Err(problem::parameter(cause, "name what to watch; /v1/channels lists both"));
    }
    let place = parts.watchers.clone().try_acquire_owned().map_err(|_| problem::watchers(WATCHERS_MAX))?;
    // Subscribed before the names are read: what comes meanwhile waits.
    let groups = parts.live.subscribe();
    let mut watcher = Watcher {
        closing: parts.closing.clone(),
        parts,
        tenant,
        asked,
        names: HashMap::new(),
        newest: ChannelId(i64::MIN),
        groups,
        ready: VecDeque::new(),
        _place: place,
    };
    watcher.learn().await?;
    let events = stream::unfold(watcher, async |mut watcher| {
        let event = watcher.next().await?;
        Some((Ok::<_, std::convert::Infallible>(event), watcher))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response())
}

/// One who watches.
struct Watcher {
    parts: Arc<Shared>,
    closing: watch::Receiver<bool>,
    tenant: TenantId,
    asked: LiveAsked,
    /// The channels that are watched: those of one point at most.
    names: HashMap<ChannelId, Named>,
    /// Of the tenant's channels when their names were read. Those of a point lie in blocks of its own, and
    /// blocks are given out upwards: below it, only a block that is watched can get another.
    newest: ChannelId,
    groups: Receiver<Arc<[Fresh]>>,
    ready: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Watcher {
    /// The next event; `None` once the server stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let group = tokio::select! {
                biased;
                _ = self.closing.wait_for(|closing| *closing) => return None,
                group = self.groups.recv() => group,
            };
            match group {
                Ok(group) => self.take(&group).await?,
                Err(RecvError::Lagged(groups)) => {
                    return Some(Event::default().event("missed").data(groups.to_string()));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// `None` where names cannot be read: the stream ends, and the log says why.
    async fn take(&mut self, group: &[Fresh]) -> Option<()> {
        let ours = || group.iter().filter(|fresh| fresh.tenant == self.tenant);
        if ours().any(|fresh| self.may_be_new(fresh.channel)) {
            self.learn().await.ok()?;
        }
        for fresh in group.iter().filter(|fresh| fresh.tenant == self.tenant) {
            if let Some(named) = self.names.get(&fresh.channel) {
                self.ready.push_back(event(fresh, named));
            }
        }
        Some(())
    }

    /// Whether it may be watched, and came after the names were read.
    fn may_be_new(&self, channel: ChannelId) -> bool {
        let block = |channel: ChannelId| channel.0.div_euclid(ChannelId::SLOTS);
        let shares_block = || self.names.keys().any(|known| block(*known) == block(channel));
        !self.names.contains_key(&channel)
            && (channel > self.newest || (self.asked.channel.is_none() && shares_block()))
    }

    /// Reads which channels are watched, by now.
    async fn learn(&mut self) -> Result<(), Problem> {
        let mut conditions = Vec::new();
        conditions.extend(self.asked.point.as_deref().map(|point| format!("point = {}", quoted(point))));
        conditions.extend(self.asked.channel.map(|channel| format!("channel = {channel}")));
        let sql = format!("select channel, point, register from channels where {}", conditions.join(" and "));
        let failed = |error: query::Error| problem::of_query(&error);
        let session = self.parts.engine.session(Principal { tenant: self.tenant }, self.parts.reader.snapshot());
        let ask = async |sql: &str| -> Result<Vec<u8>, Problem> {
            let page = session.query(sql).await.map_err(failed)?.page(usize::MAX, &[]).await.map_err(failed)?;
            page.encode(Format::Json, Vec::new()).map_err(failed)
        };
        let newest = ask("select max(channel) as channel from channels").await?;
        let rows: Vec<Named> = serde_json::from_slice(&ask(&sql).await?).expect("the engine writes JSON");
        let newest: [Newest; 1] = serde_json::from_slice(&newest).expect("the engine writes JSON, one row of it");
        self.newest = ChannelId(newest[0].channel.unwrap_or(i64::MIN));
        self.names.extend(rows.into_iter().map(|named| (ChannelId(named.channel), named)));
        Ok(())
    }
}

fn event(fresh: &Fresh, named: &Named) -> Event {
    let reading = serde_json::json!({
        "point": named.point,
        "register": named.register,
        "channel": named.channel,
        "start": fresh.start.to_string(),
        "end": fresh.start.plus(fresh.span).to_string(),
        "value": fresh.value.to_string(),
        "unit": &*fresh.unit,
        "quality": &*fresh.quality,
        "rank": fresh.canonical.code(),
        "flags": fresh.flags.0,
        "correction": fresh.correction,
        "seq": fresh.sequence.0,
    });
    Event::default().event("reading").id(fresh.sequence.0.to_string()).data(reading.to_string())
}
