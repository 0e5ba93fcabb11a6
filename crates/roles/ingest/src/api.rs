//! The requests of the doors, as the description of the interface has them.

use std::collections::BTreeMap;

use utoipa::openapi::{RefOr, Response};
use utoipa::{IntoResponses, OpenApi};

use crate::refusals::refusals;
use crate::uploads::requests;
use crate::{Problem, files, influx, readings};

/// The part of the description that is about the doors; the web role adds its own.
#[derive(OpenApi)]
#[openapi(
    paths(
        readings::post,
        files::post,
        influx::write_v1,
        influx::write_v2,
        influx::query,
        influx::ping,
        influx::health,
        requests::create,
        requests::look,
        requests::send,
        requests::end,
        requests::describe
    ),
    components(schemas(Problem, influx::Told))
)]
pub struct Doors;

/// Of bodies and files.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refusals(&[
            (404, "There is no profile of this name."),
            (408, "The body came too slowly."),
            (413, "The body is too large."),
            (415, "The body is in no form that is taken here."),
            (429, "This tenant sends too much at once; `Retry-After` says when to go on."),
        ])
    }
}

/// Of files that come in pieces.
pub(crate) struct UploadRefusals;

impl IntoResponses for UploadRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refusals(&[
            (404, "There is no such upload for this tenant."),
            (408, "The body came too slowly."),
            (409, "The piece does not begin where the file ends."),
            (412, "Another version of tus than 1.0.0."),
            (413, "The file is too large, or longer than it was to be."),
            (415, "The piece is in no form that is taken here."),
            (423, "Another request is at work on the upload."),
            (429, "This tenant has as many open as it may."),
        ])
    }
}
