//! What a request may be refused with, as the description of the interface has it.

use std::collections::BTreeMap;

use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};

/// What every request meets that shows a token.
const OF_ALL: [(u16, &str); 5] = [
    (400, "The request cannot be read, or cannot be meant."),
    (401, "There is no token, or nobody knows it."),
    (403, "The token may not."),
    (500, "The server failed; its log says why."),
    (503, "Busy: the same may work after `Retry-After`."),
];

/// Those, and a family's `own`, by status: each a [`crate::Problem`].
pub fn refusals(own: &[(u16, &str)]) -> BTreeMap<String, RefOr<Response>> {
    told_as("application/problem+json", "Problem", own)
}

/// The same in another form, by the name of its schema.
pub(crate) fn told_as(content_type: &str, schema: &str, own: &[(u16, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let told = |(status, when): &(u16, &str)| {
        let content = Content::new(Some(Ref::from_schema_name(schema)));
        let response = ResponseBuilder::new().description(*when).content(content_type, content).build();
        (status.to_string(), response.into())
    };
    OF_ALL.iter().chain(own).map(told).collect()
}
