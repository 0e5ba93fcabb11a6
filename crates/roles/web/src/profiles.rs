//! `/v1/profiles`: how files of tables are read; added and tried out while the server runs.
//!
//! Promise: a version that is told never changes, and what cannot be read is told with
//! its line before it is kept. A trial keeps nothing.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use ingest::Problem;
use meter::TenantId;
use parse::csv::trial::{self, SAMPLE_BYTES_MAX, TOLD_MAX, Trial};
use parse::csv::{Mapping, PROFILE_BYTES_MAX, ProfileName, built_in_text, names};
use registry::{NewProfile, Profile, Profiles, Scope};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::Refusals;
use crate::asked::{self, Asked};
use crate::{Shared, problem};

/// A sample, a profile and what is expected, every character of them escaped.
const TRIAL_BYTES_MAX: usize = 6 * (SAMPLE_BYTES_MAX + PROFILE_BYTES_MAX);

/// At a time: one holds a few ten MB.
pub(crate) const TRIALS_MAX: usize = 2;

/// A profile, or one version of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProfileRow {
    /// What `format` of a file says; without the version it means the newest.
    format: String,
    /// Null where it comes with the program.
    version: Option<u32>,
    /// Of its file, hexadecimal; null where it comes with the program.
    sha256: Option<String>,
    #[schema(format = DateTime)]
    added_at: Option<String>,
    /// The token that added it; null also for one that was added on the machine itself.
    added_by: Option<i64>,
}

/// A profile with its file.
#[derive(Serialize, ToSchema)]
pub(crate) struct WholeProfile {
    #[serde(flatten)]
    row: ProfileRow,
    /// The file, as it was added.
    toml: String,
}

/// A profile as TOML.
#[derive(ToSchema)]
#[schema(min_length = 1)]
#[expect(dead_code, reason = "said in the description of the interface")]
pub(crate) struct InToml(String);

/// What is to be tried out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrialAsked {
    /// The profile.
    #[schema(min_length = 1)]
    toml: String,
    /// What would stand behind the question mark of the format, such as `unit=kWh`.
    #[serde(default)]
    options: String,
    /// The beginning of a file, at most 1 MiB.
    sample: String,
    /// What the file is called, where that says something.
    #[serde(default)]
    file_name: String,
    /// What must be read of it: lines as `meterhouse export` writes them.
    expect: Option<String>,
}

/// What would be read.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tried {
    readings: u64,
    events: u64,
    refused: u64,
    /// The first hundred readings, as `meterhouse export` writes them.
    rows: Vec<String>,
    /// The first hundred refusals.
    refusals: Vec<String>,
    /// Where it is not what was expected.
    difference: Option<TrialDifference>,
}

/// The first line that only one of them has.
#[derive(Serialize, ToSchema)]
pub(crate) struct TrialDifference {
    /// Expected and not read.
    missing: String,
    /// Read and not expected.
    unexpected: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Called {
    /// Without `csv/`.
    #[param(pattern = "^[a-z0-9][a-z0-9-]{0,39}$")]
    name: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Version {
    /// The newest, if nothing is said.
    #[param(minimum = 1, maximum = 2147483647)]
    version: Option<u32>,
}

/// The profiles there are.
///
/// Those of the program, then every version of the tenant's own.
#[utoipa::path(get, path = "/v1/profiles", tag = "intake",
    responses((status = 200, body = Vec<ProfileRow>, description = "The profiles"), Refusals))]
pub(crate) async fn list(
    State(parts): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<Json<Vec<ProfileRow>>, Problem> {
    let tenant = asked::asker(&parts, &headers).await?;
    let own = apart(&parts, move |profiles| profiles.all(tenant)).await?;
    let built_in = names().into_iter().map(ProfileRow::built_in);
    Ok(Json(built_in.chain(own.iter().map(ProfileRow::of)).collect()))
}

/// One of them, with its file.
#[utoipa::path(get, path = "/v1/profiles/{name}", tag = "intake",
    params(("name" = String, Path, description = "Without `csv/`"), Version),
    responses((status = 200, body = WholeProfile, description = "The profile"), Refusals))]
pub(crate) async fn one(
    State(parts): State<Arc<Shared>>,
    Path(name): Path<String>,
    version: Asked<Version>,
    headers: HeaderMap,
) -> Result<Json<WholeProfile>, Problem> {
    let version = asked::known(version, "version")?.version;
    let tenant = asked::asker(&parts, &headers).await?;
    if let Some(toml) = built_in_text(&name).filter(|_| version.is_none()) {
        let row = ProfileRow::built_in(format!("csv/{name}"));
        return Ok(Json(WholeProfile { row, toml: toml.to_owned() }));
    }
    let found = apart(&parts, move |profiles| profiles.find(tenant, &name, version)).await?;
    Ok(Json(WholeProfile { row: ProfileRow::of(&found), toml: found.toml }))
}

/// Add a profile, or its next version.
///
/// The newest version is given back as it is where it says the same. Files that came before
/// are read as they were.
#[utoipa::path(post, path = "/v1/profiles", tag = "intake", params(Called),
    request_body(content = inline(InToml), content_type = "text/plain"),
    responses((status = 200, body = ProfileRow, description = "It is kept"), Refusals))]
pub(crate) async fn add(
    State(parts): State<Arc<Shared>>,
    called: Asked<Called>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ProfileRow>, Problem> {
    let Called { name } = asked::known(called, "name")?;
    let writer = ingest::identify(&parts.authenticator, &headers, Scope::Write).await.map_err(Problem::from)?;
    let toml = text(body, PROFILE_BYTES_MAX).await?;
    let added = parts.clock.now();
    let kept = apart(&parts, move |profiles| {
        let (tenant, by) = (writer.tenant, Some(writer.token));
        profiles.add(&NewProfile { tenant, name: &name, toml: &toml, added, by })
    });
    Ok(Json(ProfileRow::of(&kept.await?)))
}

/// Try a profile out.
///
/// What would be read of a sample; nothing is kept.
#[utoipa::path(post, path = "/v1/profiles/test", tag = "intake", request_body = TrialAsked,
    responses((status = 200, body = Tried, description = "What would be read"), Refusals))]
pub(crate) async fn test(
    State(parts): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Tried>, Problem> {
    let _: TenantId = asked::asker(&parts, &headers).await?;
    let _place = parts.trials.try_acquire().map_err(|_| problem::trials(TRIALS_MAX))?;
    let body = text(body, TRIAL_BYTES_MAX).await?;
    let asked: TrialAsked = serde_json::from_str(&body).map_err(|error| {
        problem::parameter(format!("the body is no trial: {error}"), "send {\"toml\": \"…\", \"sample\": \"…\"}")
    })?;
    if asked.sample.len() > SAMPLE_BYTES_MAX {
        return Err(problem::body_too_large(SAMPLE_BYTES_MAX));
    }
    apart(&parts, move |_| Ok(Json(asked.tried()?))).await
}

impl TrialAsked {
    fn tried(&self) -> registry::Result<Tried> {
        let question = if self.options.is_empty() { "" } else { "?" };
        let mapping = Mapping::own(&format!("csv/trial{question}{}", self.options), &self.toml)?;
        let trial = trial::try_out(&mapping, &self.file_name, self.sample.as_bytes());
        let difference = self.expect.as_deref().and_then(|expected| trial.difference(expected));
        let Trial { readings, events, refused, mut lines, refusals } = trial;
        lines.truncate(TOLD_MAX);
        let difference =
            difference.map(|trial::Difference { missing, unexpected }| TrialDifference { missing, unexpected });
        Ok(Tried { readings, events, refused, rows: lines, refusals, difference })
    }
}

impl ProfileRow {
    fn built_in(format: String) -> ProfileRow {
        ProfileRow { format, version: None, sha256: None, added_at: None, added_by: None }
    }

    fn of(profile: &Profile) -> ProfileRow {
        let name = ProfileName { plain: &profile.name, version: None, options: "" };
        ProfileRow {
            format: name.at(profile.version),
            version: Some(profile.version),
            sha256: Some(profile.sha256_hex()),
            added_at: Some(profile.added.to_string()),
            added_by: profile.by.map(|token| token.0),
        }
    }
}

async fn text(body: Body, bytes_max: usize) -> Result<String, Problem> {
    let bytes = axum::body::to_bytes(body, bytes_max).await.map_err(|_| problem::body_too_large(bytes_max))?;
    let text = std::str::from_utf8(&bytes);
    let text =
        text.map_err(|error| problem::parameter(format!("the body is not UTF-8: {error}"), "send it in UTF-8"))?;
    Ok(text.to_owned())
}

/// Asks the registry, off the runtime.
async fn apart<T: Send + 'static>(
    parts: &Shared,
    ask: impl FnOnce(&Profiles) -> registry::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    let profiles = parts.profiles.clone();
    let asked = tokio::task::spawn_blocking(move || ask(&profiles)).await.map_err(|error| problem::task(&error))?;
    asked.map_err(Problem::from)
}
