//! `/v1/readings`, `/v1/channels`, `/v1/latest`, `/v1/refused`: tables as lists.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use ingest::Problem;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::Refusals;
use crate::asked::{self, Asked};
use crate::paged::{self, Key, List, Wanted, quoted};
use crate::rows::{Channels, PageForm, Readings, RefusedRows};
use crate::{Parts, Shared, problem};

const READING: &str = "point, device, register, channel, start, \"end\", span_us, quantity, quantity_unit, value, scale, \
    unit, quality, rank, reason, flags, commodity, kind, flow, phase, message_time, issued_at, seq";
const CHANNEL: &str = "channel, point, device, register, kind, commodity, flow, unit, phase, seq";
const REFUSED: &str = "seq, ordinal, place_kind, place, code, reason, excerpt";

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadingsAsked {
    /// The point whose readings; this or `channel` must be given.
    point: Option<String>,
    /// The channel whose readings.
    channel: Option<i64>,
    /// Only those of this register of the point.
    register: Option<String>,
    /// Readings that start at or after it: RFC 3339, or a day in UTC.
    #[param(example = "2026-05-01T00:00:00Z")]
    from: Option<String>,
    /// Readings that start before it.
    #[param(example = "2026-06-01")]
    to: Option<String>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    limit: Option<usize>,
    /// `next` of the page before.
    after: Option<String>,
    /// How the page is written.
    #[param(value_type = Option<PageForm>)]
    format: Option<String>,
    /// Answer once the record of this sequence is visible.
    wait: Option<u64>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelsAsked {
    /// Only those of this point.
    point: Option<String>,
    /// Only this channel.
    channel: Option<i64>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    limit: Option<usize>,
    /// `next` of the page before.
    after: Option<String>,
    /// How the page is written.
    #[param(value_type = Option<PageForm>)]
    format: Option<String>,
    /// Answer once the record of this sequence is visible.
    wait: Option<u64>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefusedAsked {
    /// Only what was refused in this record.
    seq: Option<u64>,
    /// Only refusals with this code.
    code: Option<String>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    limit: Option<usize>,
    /// `next` of the page before.
    after: Option<String>,
    /// How the page is written.
    #[param(value_type = Option<PageForm>)]
    format: Option<String>,
    /// Answer once the record of this sequence is visible.
    wait: Option<u64>,
}

/// The readings of a point or a channel.
///
/// The standing version of each, by channel and time, page by page.
#[utoipa::path(get, path = "/v1/readings", tag = "questions", params(ReadingsAsked),
    responses((status = 200, body = Readings, description = "A page of readings"), Refusals))]
pub(crate) async fn readings(
    State(parts): State<Arc<Shared>>,
    parameters: Asked<ReadingsAsked>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let names = "point, channel, register, from, to, limit, after, format and wait";
    let asked = asked::known(parameters, names)?;
    let tenant = asked::asker(&parts, &headers).await?;
    let mut conditions = named(asked.point.as_deref(), asked.channel);
    if conditions.is_empty() {
        let cause = "neither point nor channel is given".to_owned();
        return Err(problem::parameter(cause, "name one; /v1/channels lists them, /v1/sql asks over all"));
    }
    conditions.extend(asked.register.as_deref().map(|register| format!("register = {}", quoted(register))));
    if let Some(from) = &asked.from {
        conditions.push(format!("start >= '{}'", asked::moment("from", from)?));
    }
    if let Some(to) = &asked.to {
        conditions.push(format!("start < '{}'", asked::moment("to", to)?));
    }
    let key = &[Key::Number("channel"), Key::Time("start"), Key::Number("span_us")];
    let list = List { columns: READING, from: "readings", conditions, key, descending: false };
    paged::answer(&parts, tenant, list, Wanted::of(asked.limit, &asked.after, &asked.format, asked.wait), &uri).await
}

/// The streams of readings there are.
#[utoipa::path(get, path = "/v1/channels", tag = "questions", params(ChannelsAsked),
    responses((status = 200, body = Channels, description = "A page of channels"), Refusals))]
pub(crate) async fn channels(
    State(parts): State<Arc<Shared>>,
    parameters: Asked<ChannelsAsked>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    by_channel(&parts, parameters, &uri, &headers, (CHANNEL, "channels")).await
}

/// The newest reading of each channel.
///
/// By `start`; answered from memory, however many readings are stored.
#[utoipa::path(get, path = "/v1/latest", tag = "questions", params(ChannelsAsked),
    responses((status = 200, body = Readings, description = "A page of readings, one a channel"), Refusals))]
pub(crate) async fn latest(
    State(parts): State<Arc<Shared>>,
    parameters: Asked<ChannelsAsked>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    by_channel(&parts, parameters, &uri, &headers, (READING, "latest")).await
}

async fn by_channel(
    parts: &Parts,
    parameters: Asked<ChannelsAsked>,
    uri: &Uri,
    headers: &HeaderMap,
    (columns, from): (&'static str, &'static str),
) -> Result<Response, Problem> {
    let asked = asked::known(parameters, "point, channel, limit, after, format and wait")?;
    let tenant = asked::asker(parts, headers).await?;
    let conditions = named(asked.point.as_deref(), asked.channel);
    let list = List { columns, from, conditions, key: &[Key::Number("channel")], descending: false };
    paged::answer(parts, tenant, list, Wanted::of(asked.limit, &asked.after, &asked.format, asked.wait), uri).await
}

/// What was sent and not understood.
///
/// With its place and reason, in the order of arrival.
#[utoipa::path(get, path = "/v1/refused", tag = "intake", params(RefusedAsked),
    responses((status = 200, body = RefusedRows, description = "A page of refusals"), Refusals))]
pub(crate) async fn refused(
    State(parts): State<Arc<Shared>>,
    parameters: Asked<RefusedAsked>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = asked::known(parameters, "seq, code, limit, after, format and wait")?;
    let tenant = asked::asker(&parts, &headers).await?;
    let mut conditions = Vec::new();
    conditions.extend(asked.seq.map(|seq| format!("seq = {seq}")));
    conditions.extend(asked.code.as_deref().map(|code| format!("code = {}", quoted(code))));
    let key = &[Key::Number("seq"), Key::Number("ordinal")];
    let list = List { columns: REFUSED, from: "refused", conditions, key, descending: false };
    paged::answer(&parts, tenant, list, Wanted::of(asked.limit, &asked.after, &asked.format, asked.wait), &uri).await
}

fn named(point: Option<&str>, channel: Option<i64>) -> Vec<String> {
    let mut conditions = Vec::new();
    conditions.extend(point.map(|point| format!("point = {}", quoted(point))));
    conditions.extend(channel.map(|channel| format!("channel = {channel}")));
    conditions
}
