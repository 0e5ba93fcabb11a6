//! What every question shares: who asks, for which moment, in which form.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::HeaderMap;
use ingest::Problem;
use meter::{Sequence, TenantId, Timestamp};
use query::Format;
use registry::Scope;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use crate::{Parts, problem};

/// A day of the years 1900 to 2199. The 29th of February is taken too, where there is one.
const DAY: &str = "(19|20|21)[0-9]{2}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])\
    |(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))";
const TIME: &str = "T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?Z";

/// Parameters of a request, or why they cannot be read.
pub(crate) type Asked<T> = Result<Query<T>, QueryRejection>;

/// The parameters; `names` are told to who sends others.
pub(crate) fn known<T>(parameters: Asked<T>, names: &str) -> Result<T, Problem> {
    let next = || format!("{names} are known");
    parameters.map(|Query(parameters)| parameters).map_err(|error| problem::parameter(error.body_text(), &next()))
}

/// Whose data is asked for; the token may read.
pub(crate) async fn asker(parts: &Parts, headers: &HeaderMap) -> Result<TenantId, Problem> {
    let principal = ingest::identify(&parts.authenticator, headers, Scope::Read).await.map_err(Problem::from)?;
    Ok(principal.tenant)
}

/// The form an answer is wanted in; JSON if nothing is said.
pub(crate) fn format_of(name: Option<&str>, offered: &[Format]) -> Result<Format, Problem> {
    let name = name.unwrap_or("json");
    let found = Format::from_name(name).filter(|format| offered.contains(format));
    found.ok_or_else(|| {
        let names: Vec<&str> = offered.iter().map(|format| format.name()).collect();
        problem::parameter(format!("format {name:?} is not known here"), &format!("{} are", names.join(", ")))
    })
}

/// Returns once the record can be seen; one that nobody was told of will not be soon.
pub(crate) async fn wait_for(parts: &Parts, wanted: Option<u64>) -> Result<(), Problem> {
    let Some(wanted) = wanted else { return Ok(()) };
    let mut seen = parts.seen.clone();
    let given_out_below = parts.journal.end().await.max(seen.borrow().below);
    if Sequence(wanted) >= given_out_below {
        return Err(problem::not_given_out(wanted, given_out_below.0));
    }
    let visible = seen.wait_for(|seen| seen.below > Sequence(wanted));
    let waited = tokio::select! {
        waited = visible => waited.map(|_| ()).ok(),
        () = host::sleep(parts.wait_max) => None,
    };
    waited.ok_or_else(|| problem::not_yet(wanted, parts.seen.borrow().below.0))
}

/// A moment as RFC 3339, or a day as its first moment in UTC.
pub(crate) fn moment(name: &str, text: &str) -> Result<Timestamp, Problem> {
    let day = text.len() == 10;
    let read = if day { Timestamp::parse(&format!("{text}T00:00:00Z")) } else { Timestamp::parse(text) };
    read.map_err(|error| {
        let next = "send a time as 2026-05-01T00:00:00Z or a day as 2026-05-01; a + in a URL is written %2B";
        problem::parameter(format!("{name} {:?}: {error}", short(text)), next)
    })
}

/// What [`moment`] reads, for the description of the interface.
pub(crate) fn moment_schema() -> Schema {
    let pattern = format!("^{DAY}({TIME})?$");
    let object = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
    object.description(Some("RFC 3339 or a day in UTC")).examples(["2026-05-01T00:00:00Z", "2026-05-01"]).into()
}

/// What is quoted of a parameter.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(100).collect()
}
