//! Bytes of an upload, from the wire to the disk.
//!
//! Promise: whatever came is kept, also of a sender that breaks off, up to the
//! last byte that the disk has synced.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::facts::bytes_path;
use super::{Hold, Upload, Uploads};
use crate::body::Incoming;
use crate::{Error, Result};

/// Pieces between the wire and the disk: four of at most 32 KiB (hyper's buffer).
const PIECES_WAITING_MAX: usize = 4;
/// A crash costs a sender at most so much of what it has sent.
const SYNC_BYTES: u64 = 16 << 20;

/// Takes in all that comes, and gives back how far the file is then. What comes
/// first of the two, a word of the disk or the end of the body, decides.
pub(super) async fn receive(
    uploads: &Arc<Uploads>,
    upload: &Arc<Upload>,
    hold: Hold,
    place: OwnedSemaphorePermit,
    incoming: &mut Incoming,
) -> Result<(u64, Hold)> {
    let facts = upload.facts();
    let (pieces, waiting) = mpsc::channel(PIECES_WAITING_MAX);
    let (uploads, upload) = (uploads.clone(), upload.clone());
    // Goes on by itself if the request is dropped, and holds the upload until it is done.
    let writing = tokio::task::spawn_blocking(move || {
        let written = write(&uploads, &upload, waiting);
        drop(place);
        (written, hold)
    });
    let mut total = facts.offset;
    let outcome = loop {
        let piece = match incoming.next().await {
            Ok(Some(piece)) => piece,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        total += piece.len() as u64;
        if total > facts.length {
            break Err(Error::UploadTooLong { length: facts.length });
        }
        // A writer that is gone has the error to tell.
        if pieces.send(piece).await.is_err() {
            break Ok(());
        }
    };
    drop(pieces);
    let (written, hold) = writing.await.map_err(|error| Error::Task(error.to_string()))?;
    let offset = written.map_err(Error::Disk)?;
    outcome?;
    Ok((offset, hold))
}

/// After a failed sync nobody knows what is on the disk: the upload is given up.
/// Without room, what was synced stays and the sender may go on later.
fn write(uploads: &Uploads, upload: &Upload, mut pieces: mpsc::Receiver<Bytes>) -> io::Result<u64> {
    let path = bytes_path(&upload.id);
    let mut at = upload.facts().offset;
    while let Some(piece) = pieces.blocking_recv() {
        if let Err(error) = uploads.disk.write_at(&path, at, &piece) {
            if !host::is_full(&error) {
                uploads.forget(upload);
            }
            return Err(error);
        }
        at += piece.len() as u64;
        if at - upload.facts().offset >= SYNC_BYTES {
            reached(uploads, upload, at)?;
        }
    }
    reached(uploads, upload, at)?;
    Ok(at)
}

fn reached(uploads: &Uploads, upload: &Upload, at: u64) -> io::Result<()> {
    if upload.facts().offset == at {
        return Ok(());
    }
    if let Err(error) = uploads.disk.sync(&bytes_path(&upload.id)) {
        uploads.forget(upload);
        return Err(error);
    }
    uploads.note(upload, |facts| facts.offset = at)
}
