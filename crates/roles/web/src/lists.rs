//! `/v1/readings`, `/v1/channels`, `/v1/latest`, `/v1/refused`: tables as lists.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use ingest::Problem;
use meter::{TenantId, Timestamp};
use query::Cursor;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::Refusals;
use crate::asked;
use crate::paged::{self, Key, List, Paging, quoted};
use crate::rows::{Channels, Octets, Readings, RefusedRows};
use crate::{Parts, Shared, problem};

const READING: &str = "point, device, register, channel, start, \"end\", span_us, quantity, quantity_unit, value, scale, \
    unit, quality, rank, reason, flags, commodity, kind, flow, phase, message_time, issued_at, seq";
const CHANNEL: &str = "channel, point, device, register, kind, commodity, flow, unit, phase, seq";
const REFUSED: &str = "seq, ordinal, place_kind, place, code, reason, excerpt";

/// Channels that a page is sought among where none are named: a page of theirs is
/// found as fast as one of a home with all its plugs, however many there are besides.
const CHANNELS_AT_ONCE: usize = 64;

const READING_KEY: &[Key] = &[Key::Number("channel"), Key::Time("start"), Key::Number("span_us")];

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadingsAsked {
    /// Only those of this point.
    point: Option<String>,
    /// Only those of this channel.
    channel: Option<i64>,
    /// Only those of this register.
    register: Option<String>,
    /// Readings that start at or after it: RFC 3339, or a day in UTC.
    #[param(schema_with = asked::moment_schema, required = false, example = "2026-05-01T00:00:00Z")]
    from: Option<String>,
    /// Readings that start before it.
    #[param(schema_with = asked::moment_schema, required = false, example = "2026-06-01")]
    to: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelsAsked {
    /// Only those of this point.
    point: Option<String>,
    /// Only this channel.
    channel: Option<i64>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefusedAsked {
    /// Only what was refused in this record.
    #[param(maximum = 9223372036854775807_i64)]
    seq: Option<u64>,
    /// Only refusals with this code.
    code: Option<String>,
}

/// Readings.
///
/// The standing version of each, by channel and time, page by page. Where neither a point nor a
/// channel is named, a page may hold fewer rows than `limit`, or none, and still have a `next`.
#[utoipa::path(get, path = "/v1/readings", tag = "questions",
    params(ReadingsAsked, Paging, ("after" = Option<String>, Query,
        description = "`next` of the page before", pattern = r"^-?[0-9]{1,18}\.([0-9]{1,15}|[1-6][0-9]{15})\.[0-9]{1,18}$")),
    responses((status = 200, description = "A page of readings", content((Readings = "application/json"), (String = "text/csv"),
        (inline(Octets) = "application/vnd.apache.arrow.stream"))), Refusals))]
pub(crate) async fn readings(
    State(parts): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (asked, paging) = paged::asked::<ReadingsAsked>(&uri, "point, channel, register, from, to")?;
    let tenant = asked::asker(&parts, &headers).await?;
    let mut conditions = named(asked.point.as_deref(), asked.channel);
    let beyond = match conditions.is_empty() {
        true => narrow(&parts, tenant, &paging, &mut conditions).await?,
        false => None,
    };
    conditions.extend(asked.register.as_deref().map(|register| format!("register = {}", quoted(register))));
    if let Some(from) = &asked.from {
        conditions.push(format!("start >= '{}'", asked::moment("from", from)?));
    }
    if let Some(to) = &asked.to {
        conditions.push(format!("start < '{}'", asked::moment("to", to)?));
    }
    let list =
        List { columns: READING, from: "readings".into(), conditions, key: READING_KEY, descending: false, beyond };
    paged::answer(&parts, tenant, list, &paging, &uri).await
}

/// Leaves the next few channels; gives the place behind them if there are more.
async fn narrow(
    parts: &Parts,
    tenant: TenantId,
    paging: &Paging,
    conditions: &mut Vec<String>,
) -> Result<Option<Cursor>, Problem> {
    asked::wait_for(parts, paging.wait).await?;
    let from = paging.place(READING_KEY)?.map_or(i64::MIN, |place| place.0[0]);
    let sql =
        format!("select channel from channels where channel >= {from} order by channel limit {}", CHANNELS_AT_ONCE + 1);
    let few = paged::page_of(parts, tenant, &sql, CHANNELS_AT_ONCE, &[Key::Number("channel")]).await?;
    let Some(last) = few.next.map(|place| place.0[0]) else { return Ok(None) };
    conditions.push(format!("channel <= {last}"));
    Ok(Some(Cursor(vec![last, Timestamp::MAX.0, i64::MAX])))
}

/// The streams of readings there are.
#[utoipa::path(get, path = "/v1/channels", tag = "questions",
    params(ChannelsAsked, Paging, ("after" = Option<String>, Query,
        description = "`next` of the page before", pattern = r"^-?[0-9]{1,18}$")),
    responses((status = 200, description = "A page of channels", content((Channels = "application/json"), (String = "text/csv"),
        (inline(Octets) = "application/vnd.apache.arrow.stream"))), Refusals))]
pub(crate) async fn channels(
    State(parts): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    by_channel(&parts, &uri, &headers, (CHANNEL, "channels")).await
}

/// The newest reading of each channel.
///
/// By `start`; answered from memory, however many readings are stored.
#[utoipa::path(get, path = "/v1/latest", tag = "questions",
    params(ChannelsAsked, Paging, ("after" = Option<String>, Query,
        description = "`next` of the page before", pattern = r"^-?[0-9]{1,18}$")),
    responses((status = 200, description = "A page of readings, one a channel", content((Readings = "application/json"), (String = "text/csv"),
        (inline(Octets) = "application/vnd.apache.arrow.stream"))), Refusals))]
pub(crate) async fn latest(
    State(parts): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    by_channel(&parts, &uri, &headers, (READING, "latest")).await
}

async fn by_channel(
    parts: &Parts,
    uri: &Uri,
    headers: &HeaderMap,
    (columns, from): (&'static str, &'static str),
) -> Result<Response, Problem> {
    let (asked, paging) = paged::asked::<ChannelsAsked>(uri, "point, channel")?;
    let tenant = asked::asker(parts, headers).await?;
    let conditions = named(asked.point.as_deref(), asked.channel);
    let list = List {
        columns,
        from: from.into(),
        conditions,
        key: &[Key::Number("channel")],
        descending: false,
        beyond: None,
    };
    paged::answer(parts, tenant, list, &paging, uri).await
}

/// What was sent and not understood.
///
/// With its place and reason, in the order of arrival.
#[utoipa::path(get, path = "/v1/refused", tag = "intake",
    params(RefusedAsked, Paging, ("after" = Option<String>, Query,
        description = "`next` of the page before", pattern = r"^[0-9]{1,18}\.[0-9]{1,18}$")),
    responses((status = 200, description = "A page of refusals", content((RefusedRows = "application/json"), (String = "text/csv"),
        (inline(Octets) = "application/vnd.apache.arrow.stream"))), Refusals))]
pub(crate) async fn refused(
    State(parts): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (asked, paging) = paged::asked::<RefusedAsked>(&uri, "seq, code")?;
    let tenant = asked::asker(&parts, &headers).await?;
    let mut conditions = Vec::new();
    if let Some(seq) = asked.seq {
        let wrong =
            |_| problem::parameter(format!("seq {seq} is none that a record can have"), "ask for one of a record");
        conditions.push(format!("seq = {}", i64::try_from(seq).map_err(wrong)?));
    }
    conditions.extend(asked.code.as_deref().map(|code| format!("code = {}", quoted(code))));
    let key = &[Key::Number("seq"), Key::Number("ordinal")];
    let list = List { columns: REFUSED, from: "refused".into(), conditions, key, descending: false, beyond: None };
    paged::answer(&parts, tenant, list, &paging, &uri).await
}

fn named(point: Option<&str>, channel: Option<i64>) -> Vec<String> {
    let mut conditions = Vec::new();
    conditions.extend(point.map(|point| format!("point = {}", quoted(point))));
    conditions.extend(channel.map(|channel| format!("channel = {channel}")));
    conditions
}
