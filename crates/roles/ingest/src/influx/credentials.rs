//! Where clients of InfluxDB put the token: four places, one secret.

use axum::extract::Query;
use axum::http::{HeaderMap, Uri, header};
use serde::Deserialize;

use crate::base64;

/// What InfluxDB 1 takes in the query; a name is not needed, the token says who it is.
#[derive(Default, Deserialize)]
#[serde(default)]
struct InQuery {
    p: Option<String>,
}

/// The same as an `Authorization` header of our own kind. As with InfluxDB, the
/// query counts for more than the header.
pub(super) fn authorization(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let in_query = Query::<InQuery>::try_from_uri(uri).ok().and_then(|Query(found)| found.p);
    let said = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = in_query.filter(|token| !token.is_empty()).or_else(|| said.and_then(in_header))?;
    Some(format!("Bearer {token}"))
}

fn in_header(said: &str) -> Option<String> {
    let (scheme, rest) = said.split_once(' ')?;
    let rest = rest.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(rest.to_owned()),
        // Clients that speak both versions write `name:password`.
        "token" => Some(password(rest).to_owned()),
        "basic" => Some(password(&String::from_utf8(base64::decode(rest)?).ok()?).to_owned()),
        _ => None,
    }
}

fn password(pair: &str) -> &str {
    pair.split_once(':').map_or(pair, |(_, password)| password)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn check(said: &str, uri: &str, expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        if !said.is_empty() {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(said).expect("a header"));
        }
        let found = authorization(&headers, &uri.parse().expect("a path"));
        assert_eq!(found.as_deref(), expected, "{said:?} {uri}");
    }

    #[test]
    fn the_token_is_found_wherever_a_client_puts_it() {
        check("Bearer mh_1", "/write", Some("Bearer mh_1"));
        check("Token mh_1", "/api/v2/write?org=a", Some("Bearer mh_1"));
        check("Token someone:mh_1", "/write", Some("Bearer mh_1"));
        check("Basic c29tZW9uZTptaF8x", "/write", Some("Bearer mh_1"));
        check("", "/write?u=someone&p=mh_1", Some("Bearer mh_1"));
        check("Bearer mh_2", "/write?p=mh_1", Some("Bearer mh_1"));
        check("Bearer mh_2", "/write?p=", Some("Bearer mh_2"));
        check("", "/write?u=someone", None);
        check("Basic ????", "/write", None);
        check("Digest mh_1", "/write", None);
    }
}
