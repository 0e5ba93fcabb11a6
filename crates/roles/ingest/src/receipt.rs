//! What is told about a body that was taken in: how much of it can be read,
//! and what in it is refused and why.

use meter::{Event, Reading, Refusal, Sink};
use serde::Serialize;

use crate::limits::REFUSED_LISTED_MAX;

/// The answer to a body of readings.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Receipt {
    /// Where it stands in the journal; a query can wait for it.
    pub(crate) sequence: u64,
    #[schema(format = DateTime)]
    received_at: String,
    /// Measurements that can be read. Duplicates of stored ones are among them.
    pub(crate) accepted_measurements: u64,
    /// The first [`REFUSED_LISTED_MAX`].
    refused: Vec<RefusedPart>,
    /// Measurements; a container refused as a whole counts all of its own.
    pub(crate) refused_total: u64,
}

/// A part of it that is not taken.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RefusedPart {
    place: String,
    code: String,
    reason: String,
}

impl Receipt {
    /// For a body of which the journal says where it stands.
    pub(crate) fn new(appended: &journal::Receipt, listing: Listing) -> Receipt {
        Receipt {
            sequence: appended.sequence.0,
            received_at: appended.received_at.to_string(),
            accepted_measurements: listing.accepted,
            refused: listing.refused,
            refused_total: listing.refused_total,
        }
    }
}

/// Counts, forgets readings and keeps the first refusals.
#[derive(Default)]
pub(crate) struct Listing {
    pub(crate) accepted: u64,
    events: u64,
    refused: Vec<RefusedPart>,
    pub(crate) refused_total: u64,
}

impl Listing {
    /// Whether nothing could be read.
    pub(crate) fn is_nothing(&self) -> bool {
        self.accepted + self.events == 0
    }
}

impl Sink for Listing {
    fn reading(&mut self, _: Reading<'_>) {
        self.accepted += 1;
    }

    fn event(&mut self, _: Event<'_>) {
        self.events += 1;
    }

    fn refused(&mut self, refusal: Refusal<'_>) {
        self.refused_total += 1;
        if self.refused.len() < REFUSED_LISTED_MAX {
            let (place, code, reason) = (refusal.place.to_string(), refusal.code.to_owned(), refusal.reason.to_owned());
            self.refused.push(RefusedPart { place, code, reason });
        }
    }
}
