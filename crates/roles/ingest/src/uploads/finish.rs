//! A whole upload into the archive and the journal, exactly once.
//!
//! Before the append stands on disk where the journal ended. Whoever finds that
//! without a sequence, after a crash, looks from there on for the upload's own
//! message id before it appends (again).

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use host::Disk;
use journal::{Journal, Stored};
use meter::Sequence;

use super::facts::{Facts, bytes_path};
use super::{Hold, Upload};
use crate::intake::{Intake, Label};
use crate::{Error, Result};

/// Between two looks for what is left alone.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Of the journal, read at once.
const READ_BYTES: usize = 1 << 20;

/// Finishes what an earlier run or request could not, and removes what is left
/// alone, for as long as the server runs.
pub async fn tend(intake: Arc<Intake>) {
    let uploads = intake.parts.uploads.clone();
    loop {
        for upload in uploads.unfinished() {
            let Ok(hold) = upload.hold() else { continue };
            if let Err(error) = finish(&intake, &upload, hold).await {
                tracing::warn!(%error, upload = upload.id, "an upload is not finished");
            }
        }
        let expiring = uploads.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || expiring.expire()).await {
            tracing::error!(%error, "uploads are not looked after");
        }
        host::sleep(LOOK_EVERY).await;
    }
}

/// Where the file stands; whoever asks again is told the same. Goes on by itself
/// if the request is dropped: an append under way must be noted.
pub(super) async fn finish(intake: &Arc<Intake>, upload: &Arc<Upload>, hold: Hold) -> Result<u64> {
    let (intake, upload) = (intake.clone(), upload.clone());
    let finishing = tokio::spawn(async move {
        let outcome = to_journal(&intake, &upload).await;
        drop(hold);
        outcome
    });
    finishing.await.map_err(|error| Error::Task(error.to_string()))?
}

async fn to_journal(intake: &Arc<Intake>, upload: &Arc<Upload>) -> Result<u64> {
    let facts = upload.facts();
    if let Some(sequence) = facts.sequence {
        apart(intake, upload, remove_bytes).await?;
        return Ok(sequence);
    }
    let message_id = format!("upload/{}", upload.id);
    let appended = match facts.appending_from {
        Some(from) => find(&*intake.parts.journal, from, &message_id).await?,
        None => None,
    };
    let sequence = match appended {
        Some(sequence) => sequence,
        None => {
            let stored = apart(intake, upload, to_archive).await??;
            let end = intake.parts.journal.end().await.0;
            apart(intake, upload, move |intake, upload| {
                intake.parts.uploads.note(upload, |facts| facts.appending_from = Some(end))
            })
            .await?
            .map_err(Error::Disk)?;
            append(intake, facts, message_id, stored).await?
        }
    };
    apart(intake, upload, move |intake, upload| {
        let noted = intake.parts.uploads.note(upload, |facts| facts.sequence = Some(sequence));
        if let Err(error) = noted {
            // The journal has it: after a start it is found there.
            tracing::warn!(%error, "a finished upload is not noted");
            super::lock(&upload.facts).sequence = Some(sequence);
            return;
        }
        remove_bytes(intake, upload);
    })
    .await?;
    Ok(sequence)
}

async fn append(intake: &Intake, facts: Facts, message_id: String, stored: Stored) -> Result<u64> {
    let label = Label { message_id, ..Label::of_http(facts.tenant(), facts.format, facts.name, None) };
    let appended = intake.append(label, stored.content()).await?;
    intake.metrics().file();
    Ok(appended.sequence.0)
}

/// The record that an earlier run appended, if it did.
async fn find(journal: &dyn Journal, from: u64, message_id: &str) -> Result<Option<u64>> {
    let mut from = Sequence(from.max(journal.start().await.0));
    let end = journal.end().await;
    while from < end {
        let records = journal.read(from, READ_BYTES).await?;
        let Some(last) = records.last() else { break };
        from = Sequence(last.sequence.0 + 1);
        if let Some(found) = records.iter().find(|record| record.body.message_id == message_id) {
            return Ok(Some(found.sequence.0));
        }
    }
    Ok(None)
}

fn to_archive(intake: &Intake, upload: &Upload) -> Result<Stored> {
    let facts = upload.facts();
    let disk = intake.parts.uploads.disk.clone();
    let bytes = UploadReader { disk, path: bytes_path(&upload.id), at: 0, left: facts.length };
    let stored = intake.parts.archive.put(bytes)?;
    if stored.size != facts.length {
        return Err(Error::Task(format!("upload of {} bytes has {} on disk", facts.length, stored.size)));
    }
    Ok(stored)
}

/// The archive has them.
fn remove_bytes(intake: &Intake, upload: &Upload) {
    match intake.parts.uploads.disk.remove(&bytes_path(&upload.id)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "the bytes of a finished upload stay until it expires");
        }
        _ => {}
    }
}

/// Work that blocks, off the runtime.
async fn apart<T: Send + 'static>(
    intake: &Arc<Intake>,
    upload: &Arc<Upload>,
    work: impl FnOnce(&Intake, &Upload) -> T + Send + 'static,
) -> Result<T> {
    let (intake, upload) = (intake.clone(), upload.clone());
    let done = tokio::task::spawn_blocking(move || work(&intake, &upload));
    done.await.map_err(|error| Error::Task(error.to_string()))
}

struct UploadReader {
    disk: Arc<dyn Disk>,
    path: String,
    at: u64,
    /// Nothing beyond the last byte that is synced.
    left: u64,
}

impl Read for UploadReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(into.len(), |left| left.min(into.len()));
        let bytes = self.disk.read(&self.path, self.at, most)?;
        into[..bytes.len()].copy_from_slice(&bytes);
        self.at += bytes.len() as u64;
        self.left -= bytes.len() as u64;
        Ok(bytes.len())
    }
}
