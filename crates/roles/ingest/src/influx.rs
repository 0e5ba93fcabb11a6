//! What Telegraf and the client libraries of InfluxDB send, taken in as they send it.
//!
//! Promise: 204 is said only after all that was sent is in the journal. These
//! clients throw a batch away on 400, so 400 is said only of a body that cannot be
//! read as a whole; a line that cannot is kept as refused, and counted in a
//! header of the 204. Which database, bucket or organisation is meant makes no
//! difference: the token names the tenant.
//!
//! Read: `credentials.rs` (where these clients put the token), `told.rs` (how they
//! are told what is wrong), then the requests below.

mod credentials;
mod told;

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::body::{Incoming, declared_bytes};
use crate::form::Form;
use crate::gather::Gathered;
use crate::intake::Intake;
use crate::limits::STATEMENT_BYTES_MAX;
use crate::receipt::Receipt;
use crate::whole::{self, Announced};
use crate::{Error, Result};
pub(crate) use told::Told;
use told::{Dialect, Refusals};

/// Where a body stands in the journal.
pub(crate) const SEQUENCE: &str = "meterhouse-sequence";
/// How much in it is refused: lines, or fields of lines.
const REFUSED: &str = "meterhouse-refused";
/// What these clients ask a server for. It is not theirs, and says so.
const VERSION: (&str, &str) = ("x-influxdb-version", concat!("meterhouse-", env!("CARGO_PKG_VERSION")));

/// Their words for what a time counts, and ours; Unicode has two characters for `µ`.
const PRECISIONS: [(&str, &str); 11] = [
    ("", "ns"),
    ("n", "ns"),
    ("ns", "ns"),
    ("u", "us"),
    ("us", "us"),
    ("\u{b5}", "us"),
    ("\u{3bc}", "us"),
    ("ms", "ms"),
    ("s", "s"),
    ("m", "m"),
    ("h", "h"),
];

#[derive(Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct Asked {
    /// What times count: `ns` if nothing is said.
    #[param(schema_with = precisions, required = false)]
    precision: Option<String>,
}

fn precisions() -> utoipa::openapi::Object {
    let words = PRECISIONS.map(|(theirs, _)| theirs);
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
}

/// Lines, at least one of which is not blank.
#[derive(utoipa::ToSchema)]
#[schema(pattern = r"[^\u0009\u000a\u000c\u000d\u0020]", example = "power,point=home kWh=1.5")]
#[expect(dead_code, reason = "said in the description of the interface")]
struct Lines(String);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Statement {
    q: Option<String>,
}

/// Hand in lines, as clients of InfluxDB 1 do.
///
/// Line protocol; acknowledged once it is synced to disk. The header `Meterhouse-Refused`
/// of the answer counts what in it is refused, `Meterhouse-Sequence` says where it stands.
/// The token may also be the password of HTTP Basic or the parameter `p`; `db`, `rp`,
/// `consistency` and `u` are read over.
#[utoipa::path(post, path = "/write", tag = "intake", params(Asked),
    request_body(content = inline(Lines), content_type = "text/plain"),
    responses((status = 204, description = "It is kept"), Refusals))]
pub(crate) async fn write_v1(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    write(&intake, request, Dialect::V1).await
}

/// Hand in lines, as clients of InfluxDB 2 do.
///
/// As `/write`; `org` and `bucket` are read over. The token may also come as
/// `Authorization: Token mh_…`.
#[utoipa::path(post, path = "/api/v2/write", tag = "intake", params(Asked),
    request_body(content = inline(Lines), content_type = "text/plain"),
    responses((status = 204, description = "It is kept"), Refusals))]
pub(crate) async fn write_v2(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    write(&intake, request, Dialect::V2).await
}

async fn write(intake: &Arc<Intake>, request: Request, dialect: Dialect) -> Response {
    let (head, body) = request.into_parts();
    let announced = look_at(intake, &head).await;
    let outcome = whole::take_in(intake, &head.headers, body, announced).await;
    intake.answer_in(outcome.map(|receipt| kept(&receipt)), |problem| dialect.tell(problem))
}

async fn look_at(intake: &Intake, head: &Parts) -> Result<Announced> {
    let writer = intake.bearer(credentials::authorization(&head.headers, &head.uri)).await?;
    let found = parameters::<Asked>(&head.uri)?.precision.unwrap_or_default();
    let Some((_, precision)) = PRECISIONS.iter().find(|(theirs, _)| *theirs == found) else {
        return Err(Error::Precision { found: found.chars().take(20).collect() });
    };
    Announced::of(intake, &head.headers, writer.tenant, Form::Line { precision })
}

fn kept(receipt: &Receipt) -> Response {
    let counted = [(SEQUENCE, receipt.sequence.to_string()), (REFUSED, receipt.refused_total.to_string())];
    (StatusCode::NO_CONTENT, counted).into_response()
}

/// Never says what stands there: it may hold a token.
fn parameters<T: serde::de::DeserializeOwned>(uri: &Uri) -> Result<T> {
    Query::try_from_uri(uri).map(|Query(found)| found).map_err(|_| Error::Parameters)
}

/// Make a database.
///
/// Telegraf does so first. There are none: the answer to `CREATE DATABASE` is that it is
/// done, and any other statement is refused. `q` may come in a form as well, as the body.
#[utoipa::path(post, path = "/query", tag = "intake",
    params(("q" = String, Query, description = "The statement", example = "CREATE DATABASE telegraf",
        pattern = r#"^ *[Cc][Rr][Ee][Aa][Tt][Ee] +[Dd][Aa][Tt][Aa][Bb][Aa][Ss][Ee] +("[^"]+"|[A-Za-z0-9_]+) *;?$"#)),
    responses((status = 200, content_type = "application/json", body = serde_json::Value, description = "Done"), Refusals))]
pub(crate) async fn query(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let outcome = make_database(&intake, &head, body).await;
    intake.answer_in(outcome, |problem| Dialect::V1.tell(problem))
}

async fn make_database(intake: &Intake, head: &Parts, body: Body) -> Result<Response> {
    let writer = intake.bearer(credentials::authorization(&head.headers, &head.uri)).await?;
    let mut statement = parameters::<Statement>(&head.uri)?.q;
    if statement.is_none() {
        if declared_bytes(&head.headers).unwrap_or_default() > STATEMENT_BYTES_MAX {
            return Err(Error::TooLarge { limit: STATEMENT_BYTES_MAX });
        }
        let mut permit = intake.admit(writer.tenant, STATEMENT_BYTES_MAX)?;
        let clock = intake.parts.clock.clone();
        let mut incoming = Incoming::readings(body, &head.headers, &intake.parts.limits, clock);
        let form = whole::receive(&mut incoming, Gathered::default(), STATEMENT_BYTES_MAX, &mut permit).await?;
        let as_query = format!("/?{}", String::from_utf8_lossy(&form)).parse().map_err(|_| Error::Parameters)?;
        statement = parameters::<Statement>(&as_query)?.q;
    }
    let statement = statement.unwrap_or_default();
    if !makes_database(&statement) {
        return Err(Error::Statement { found: statement.chars().take(100).collect() });
    }
    Ok(([VERSION], Json(json!({ "results": [{ "statement_id": 0 }] }))).into_response())
}

/// `CREATE DATABASE name` and nothing else; a name is a word, or anything in quotes.
fn makes_database(statement: &str) -> bool {
    let statement = statement.trim().trim_end_matches(';').trim_end();
    let Some(name) = after(statement, "create").and_then(|rest| after(rest, "database")) else { return false };
    let quoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    match quoted {
        Some(inner) => !inner.is_empty() && !inner.contains('"'),
        None => !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_'),
    }
}

/// What follows a word and blanks.
fn after<'a>(statement: &'a str, word: &str) -> Option<&'a str> {
    let (first, rest) = statement.split_once(char::is_whitespace)?;
    first.eq_ignore_ascii_case(word).then(|| rest.trim_start())
}

/// Whether there is a server.
///
/// As clients of InfluxDB ask before they send.
#[utoipa::path(method(get, head), path = "/ping", tag = "health", security(()),
    responses((status = 204, description = "There is")))]
pub(crate) async fn ping() -> Response {
    (StatusCode::NO_CONTENT, [VERSION]).into_response()
}

/// Whether the server takes in what is sent.
///
/// As clients of InfluxDB 2 ask; the whole of it stands at `/readyz`.
#[utoipa::path(get, path = "/health", tag = "health", security(()),
    responses((status = 200, content_type = "application/json", body = serde_json::Value, description = "It does"),
        (status = 503, content_type = "application/json", body = serde_json::Value, description = "It does not")))]
pub(crate) async fn health(State(intake): State<Arc<Intake>>) -> Response {
    let open = intake.parts.journal.check_open().await.is_ok();
    let (status, word, message) = match open {
        true => (StatusCode::OK, "pass", "ready for writes"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "fail", "the journal takes in nothing; see /readyz"),
    };
    let about = json!({
        "name": "meterhouse", "status": word, "message": message, "checks": [], "version": env!("CARGO_PKG_VERSION"),
    });
    (status, [VERSION], Json(about)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_database_is_made() {
        for good in
            ["CREATE DATABASE telegraf", "create database \"my db\" ;", " CREATE  DATABASE x", "CREATE DATABASE \"ü\""]
        {
            assert!(makes_database(good), "{good}");
        }
        for bad in [
            "",
            "CREATE DATABASE",
            "CREATE DATABASE \"\"",
            "CREATE DATABASE a; DROP DATABASE b",
            "CREATE DATABASE a WITH DURATION 1d",
            "CREATE DATABASE \"a\" \"b\"",
            "SHOW DATABASES",
            "DROP DATABASE a",
            "SELECT * FROM a",
        ] {
            assert!(!makes_database(bad), "{bad}");
        }
    }

    #[test]
    fn each_precision_is_one_the_parser_knows() {
        for (_, precision) in PRECISIONS {
            assert_eq!(Form::Line { precision }.format().name(), format!("line?precision={precision}"));
        }
    }
}
