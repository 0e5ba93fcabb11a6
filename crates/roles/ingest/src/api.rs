//! The requests of the doors, as the description of the interface has them.

use utoipa::{IntoResponses, OpenApi};

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

/// Whatever is refused is told like this.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "said in the description of the interface")]
pub(crate) enum Refusals {
    /// The request cannot be read.
    #[response(status = 400, content_type = "application/problem+json")]
    BadInput(Problem),
    /// There is no token, or nobody knows it.
    #[response(status = 401, content_type = "application/problem+json")]
    Stranger(Problem),
    /// The token may not.
    #[response(status = 403, content_type = "application/problem+json")]
    NotAllowed(Problem),
    /// There is no profile of this name.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// The body came too slowly.
    #[response(status = 408, content_type = "application/problem+json")]
    Slow(Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The body is in no form that is taken here.
    #[response(status = 415, content_type = "application/problem+json")]
    Form(Problem),
    /// This tenant sends too much at once; `Retry-After` says when to go on.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMuch(Problem),
    /// The server failed; its log says why.
    #[response(status = 500, content_type = "application/problem+json")]
    Failed(Problem),
    /// Busy: the same may work after `Retry-After`.
    #[response(status = 503, content_type = "application/problem+json")]
    Busy(Problem),
}

/// Whatever is refused of an upload is told like this.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "said in the description of the interface")]
pub(crate) enum UploadRefusals {
    /// A header or the body cannot be read.
    #[response(status = 400, content_type = "application/problem+json")]
    BadInput(Problem),
    /// There is no token, or nobody knows it.
    #[response(status = 401, content_type = "application/problem+json")]
    Stranger(Problem),
    /// The token may not.
    #[response(status = 403, content_type = "application/problem+json")]
    NotAllowed(Problem),
    /// There is no such upload for this tenant.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// The body came too slowly.
    #[response(status = 408, content_type = "application/problem+json")]
    Slow(Problem),
    /// The piece does not begin where the file ends.
    #[response(status = 409, content_type = "application/problem+json")]
    Offset(Problem),
    /// Another version of tus than 1.0.0.
    #[response(status = 412, content_type = "application/problem+json")]
    Version(Problem),
    /// The file is too large, or longer than it was to be.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The piece is in no form that is taken here.
    #[response(status = 415, content_type = "application/problem+json")]
    Form(Problem),
    /// Another request is at work on the upload.
    #[response(status = 423, content_type = "application/problem+json")]
    Locked(Problem),
    /// This tenant has as many open as it may.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMuch(Problem),
    /// The server failed; its log says why.
    #[response(status = 500, content_type = "application/problem+json")]
    Failed(Problem),
    /// Busy: the same may work after `Retry-After`.
    #[response(status = 503, content_type = "application/problem+json")]
    Busy(Problem),
}
