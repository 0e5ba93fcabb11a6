//! Lists, page by page, as questions to the engine.
//!
//! Promise: a page holds at most [`ROWS_MAX`] rows; following `next` from the
//! first page on shows each row that stood all the while once.

use std::borrow::Cow;

use axum::extract::Query;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use ingest::Problem;
use meter::{TenantId, Timestamp};
use query::{Cursor, Format, Page, Principal};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::queries::QUERY_ID;
use crate::rows::PageForm;
use crate::{Parts, asked, problem};

/// Rows of a page where nothing is said.
pub(crate) const ROWS: usize = 1_000;

/// 10,000 readings are about 3 MB of JSON.
pub(crate) const ROWS_MAX: usize = 10_000;

/// The forms a page comes in.
pub(crate) const FORMATS: [Format; 3] = [Format::Json, Format::Csv, Format::Arrow];

/// A column of a key, and how its numbers are written in SQL.
#[derive(Clone, Copy)]
pub(crate) enum Key {
    Number(&'static str),
    Time(&'static str),
}

/// Which rows, in which order.
pub(crate) struct List {
    pub columns: &'static str,
    pub from: Cow<'static, str>,
    pub conditions: Vec<String>,
    pub key: &'static [Key],
    /// The greatest first.
    pub descending: bool,
    /// Where rows may lie that the conditions leave out: the place after the last of these.
    pub beyond: Option<Cursor>,
}

/// Which page of a list, and how: every list takes it.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    /// Rows of a page, at most.
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    limit: Option<usize>,
    /// `next` of the page before; each list describes its own.
    #[param(ignore)]
    after: Option<String>,
    /// How the page is written.
    #[param(value_type = Option<PageForm>)]
    format: Option<String>,
    /// Answer once the record of this sequence is visible.
    #[param(maximum = 9223372036854775807_i64)]
    pub(crate) wait: Option<u64>,
}

const PAGING: [&str; 4] = ["limit", "after", "format", "wait"];

/// What narrows a list, and which page of it. Both stand in one query string;
/// `names` are those that narrow it, told to who sends others.
pub(crate) fn asked<T: DeserializeOwned>(uri: &Uri, names: &str) -> Result<(T, Paging), Problem> {
    let is_paging = |pair: &&str| PAGING.contains(&pair.split('=').next().unwrap_or_default());
    let pairs = || uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let paging: Vec<&str> = pairs().filter(is_paging).collect();
    let narrowing: Vec<&str> = pairs().filter(|pair| !is_paging(pair)).collect();
    let names = format!("{names}, {}", PAGING.join(", "));
    let narrowing = asked::known(read(&narrowing), &names)?;
    Ok((narrowing, asked::known(read(&paging), &names)?))
}

fn read<T: DeserializeOwned>(pairs: &[&str]) -> asked::Asked<T> {
    let uri: Uri = format!("/?{}", pairs.join("&")).parse().expect("parts of a query are one");
    Query::try_from_uri(&uri)
}

impl Key {
    fn name(self) -> &'static str {
        match self {
            Key::Number(name) | Key::Time(name) => name,
        }
    }

    /// Whether a cursor may say this.
    fn holds(self, number: i64) -> bool {
        match self {
            Key::Number(_) => true,
            Key::Time(_) => Timestamp::checked(number).is_ok(),
        }
    }

    fn literal(self, number: i64) -> String {
        match self {
            Key::Number(_) => number.to_string(),
            Key::Time(_) => format!("'{}'", Timestamp(number)),
        }
    }
}

/// A text as SQL has it.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Answers with a page; `uri` is that of the request, for the link to the next.
pub(crate) async fn answer(
    parts: &Parts,
    tenant: TenantId,
    list: List,
    paging: &Paging,
    uri: &Uri,
) -> Result<Response, Problem> {
    let format = asked::format_of(paging.format.as_deref(), &FORMATS)?;
    let limit = paging.rows()?;
    let sql = list.sql(paging.place(list.key)?.as_ref(), limit + 1);
    asked::wait_for(parts, paging.wait).await?;
    let page = page_of(parts, tenant, &sql, limit, list.key).await?;
    let next = page.next.as_ref().or(list.beyond.as_ref());
    let body = written(&page, next, format).map_err(|error| problem::of_query(&error))?;
    let headers = [(header::CONTENT_TYPE, format.content_type().to_owned()), (QUERY_ID, page.query.to_string())];
    let mut response = (headers, body).into_response();
    if let Some(link) = next.and_then(|next| link(uri, next)) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// Rows by `key`, of which the question asks for one more than `limit`.
pub(crate) async fn page_of(
    parts: &Parts,
    tenant: TenantId,
    sql: &str,
    limit: usize,
    key: &[Key],
) -> Result<Page, Problem> {
    let session = parts.engine.session(Principal { tenant }, parts.reader.snapshot()).for_lists();
    let names: Vec<&str> = key.iter().map(|key| key.name()).collect();
    let failed = |error: query::Error| problem::of_query(&error);
    session.query(sql).await.map_err(failed)?.page(limit, &names).await.map_err(failed)
}

/// In JSON the rows stand beside the place of the next page.
fn written(page: &Page, next: Option<&Cursor>, format: Format) -> query::Result<Vec<u8>> {
    if format != Format::Json {
        return page.encode(format, Vec::new());
    }
    let mut body = page.encode(format, b"{\"rows\":".to_vec())?;
    body.truncate(body.trim_ascii_end().len());
    let next = next.map_or("null".to_owned(), |next| format!("\"{next}\""));
    body.extend_from_slice(format!(",\"next\":{next}}}\n").as_bytes());
    Ok(body)
}

/// The request again, with another `after`; relative, for a proxy may stand in front.
fn link(uri: &Uri, next: &Cursor) -> Option<HeaderValue> {
    let query = uri.query().unwrap_or_default();
    let mut kept: Vec<&str> = query.split('&').filter(|one| !one.is_empty() && !one.starts_with("after=")).collect();
    let after = format!("after={next}");
    kept.push(&after);
    HeaderValue::from_str(&format!("<{}?{}>; rel=\"next\"", uri.path(), kept.join("&"))).ok()
}

impl Paging {
    /// Of a page, at most.
    pub(crate) fn rows(&self) -> Result<usize, Problem> {
        let limit = self.limit.unwrap_or(ROWS);
        if !(1..=ROWS_MAX).contains(&limit) {
            return Err(problem::parameter(format!("limit {limit} is not 1 to {ROWS_MAX}"), "ask page by page"));
        }
        Ok(limit)
    }

    /// What the page begins after.
    pub(crate) fn place(&self, key: &[Key]) -> Result<Option<Cursor>, Problem> {
        let Some(after) = self.after.as_deref() else { return Ok(None) };
        let fits = |place: &Cursor| key.iter().zip(&place.0).all(|(key, number)| key.holds(*number));
        let place = Cursor::parse(after, key.len()).filter(fits).ok_or_else(|| {
            let cause = format!("after {:?} is not a place in this list", asked::short(after));
            problem::parameter(cause, "send the `next` of the page before")
        })?;
        Ok(Some(place))
    }
}

impl List {
    fn sql(&self, after: Option<&Cursor>, limit: usize) -> String {
        let mut conditions = self.conditions.clone();
        conditions.extend(after.map(|place| self.behind(&place.0)));
        let filter = if conditions.is_empty() { String::new() } else { format!("where {}", conditions.join(" and ")) };
        let direction = if self.descending { " desc" } else { "" };
        let order: Vec<String> = self.key.iter().map(|key| format!("\"{}\"{direction}", key.name())).collect();
        format!("select {} from {} {filter} order by {} limit {limit}", self.columns, self.from, order.join(", "))
    }

    /// What comes after a place in the order of several columns.
    fn behind(&self, place: &[i64]) -> String {
        let sign = if self.descending { "<" } else { ">" };
        let mut steps = Vec::new();
        for (depth, key) in self.key.iter().enumerate() {
            let equal =
                self.key[..depth].iter().zip(place).map(|(k, n)| format!("\"{}\" = {}", k.name(), k.literal(*n)));
            let mut all: Vec<String> = equal.collect();
            all.push(format!("\"{}\" {sign} {}", key.name(), key.literal(place[depth])));
            steps.push(format!("({})", all.join(" and ")));
        }
        // The first column alone is what the lake narrows by.
        let first = format!("\"{}\" {sign}= {}", self.key[0].name(), self.key[0].literal(place[0]));
        format!("{first} and ({})", steps.join(" or "))
    }
}
