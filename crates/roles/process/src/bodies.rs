//! Bodies in the archive that are kept no longer.
//!
//! Promise: a body goes only if all its records are over, none of them is left in the
//! journal, and none waits to be applied or to be appended. Its sources stay until it is
//! gone, for they are what finds it: it goes first, and a crash in between leaves a source
//! without a body, which is what is wanted, never a body that nobody finds again.

use std::collections::HashSet;
use std::sync::Arc;

use journal::{Archive, Content, Journal};
use meter::{Sequence, Timestamp};
use store::{Retain, Snapshot};
use tracing::{info, warn};

use crate::Error;

/// Read of the journal at a time.
const READ_BYTES: usize = 4 << 20;

/// How many went. A failure costs space, nothing else: it is told, and tried again later.
pub async fn remove_over(
    archive: Arc<Archive>,
    journal: Arc<dyn Journal>,
    snapshot: Arc<Snapshot>,
    retain: Retain,
    now: Timestamp,
) -> u64 {
    match remove(archive, journal.as_ref(), snapshot, retain, now).await {
        Ok(0) => 0,
        Ok(bodies) => {
            info!(bodies, "bodies went from the archive: older than the settings keep them");
            bodies
        }
        Err(error) => {
            warn!(%error, "not all bodies that are over went from the archive");
            0
        }
    }
}

async fn remove(
    archive: Arc<Archive>,
    journal: &dyn Journal,
    snapshot: Arc<Snapshot>,
    retain: Retain,
    now: Timestamp,
) -> Result<u64, Error> {
    // First of all: what is put after this stays.
    let removing = archive.removing();
    let applied = snapshot.applied().sequence();
    let waiting = named(journal, applied).await?;
    let below = applied.min(journal.start().await);
    let remove = move || {
        let over = match archive.list()? {
            bodies if bodies.is_empty() => return Ok(0),
            _ => snapshot.bodies_over(&retain, now, below)?,
        };
        let mut gone = 0;
        for sha256 in over.difference(&waiting) {
            gone += u64::from(removing.remove(sha256)?);
        }
        Ok(gone)
    };
    tokio::task::spawn_blocking(remove).await.map_err(|error| Error::Stage(error.to_string()))?
}

/// Bodies that records from here on name.
async fn named(journal: &dyn Journal, from: Sequence) -> Result<HashSet<[u8; 32]>, Error> {
    let (mut next, mut named) = (from, HashSet::new());
    loop {
        let records = journal.read(next, READ_BYTES).await?;
        let Some(last) = records.last() else { return Ok(named) };
        next = Sequence(last.sequence.0 + 1);
        named.extend(records.iter().filter_map(|record| match record.body.content {
            Content::Archived { sha256, .. } => Some(sha256),
            Content::Bytes(_) => None,
        }));
    }
}

#[cfg(test)]
mod tests;
