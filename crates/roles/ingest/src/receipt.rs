//! What is told about a body that was taken in: how much of it can be read,
//! and what in it is refused and why.

use meter::{Event, Reading, Refusal, Sequence, Sink, Timestamp};
use parse::protobuf::{self, EnvelopeError, Limits};
use serde::Serialize;

use crate::limits::REFUSED_LISTED_MAX;

/// The answer to a body of readings.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Receipt {
    /// Where it stands in the journal; a query can wait for it.
    sequence: u64,
    #[schema(format = DateTime)]
    received_at: String,
    /// Measurements that can be read. Duplicates of stored ones are among them.
    pub(crate) accepted_measurements: u64,
    /// The first [`REFUSED_LISTED_MAX`].
    refused: Vec<Refused>,
    /// Measurements; a container refused as a whole counts all of its own.
    pub(crate) refused_total: u64,
}

/// A part of it that is not taken.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Refused {
    place: String,
    code: String,
    reason: String,
}

impl Receipt {
    /// Reads the body as `process` will, with the same limits, and keeps nothing.
    pub(crate) fn of(body: &[u8], sequence: Sequence, received_at: Timestamp) -> Result<Receipt, EnvelopeError> {
        let mut listing = Listing::default();
        let tally = protobuf::read(body, Limits::received_at(received_at), &mut listing)?;
        Ok(Receipt {
            sequence: sequence.0,
            received_at: received_at.to_string(),
            accepted_measurements: tally.readings,
            refused: listing.refused,
            refused_total: tally.refused,
        })
    }
}

/// Forgets readings and keeps the first refusals.
#[derive(Default)]
struct Listing {
    refused: Vec<Refused>,
}

impl Sink for Listing {
    fn reading(&mut self, _: Reading<'_>) {}

    fn event(&mut self, _: Event<'_>) {}

    fn refused(&mut self, refusal: Refusal<'_>) {
        if self.refused.len() < REFUSED_LISTED_MAX {
            let (place, code, reason) = (refusal.place.to_string(), refusal.code.to_owned(), refusal.reason.to_owned());
            self.refused.push(Refused { place, code, reason });
        }
    }
}
