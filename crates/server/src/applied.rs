//! Waiting until files are read, and showing how far they are.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use indicatif::ProgressBar;
use journal::RECORD_BYTES_MAX;
use meter::Sequence;
use process::{AtHand, Place};

use crate::remote::Remote;

/// A bar that moves this often looks alive; a question so often costs a server nothing.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A small file is read as soon.
const LOOK_FIRST: Duration = Duration::from_millis(8);

/// A file that stands in the journal.
pub struct Taken {
    pub path: PathBuf,
    pub sequence: Sequence,
    pub bytes: u64,
}

/// What `work` gives, with the bar at what was read of the files meanwhile.
pub async fn showing<T>(work: impl Future<Output = T>, taken: &[Taken], at_hand: &AtHand, bar: &ProgressBar) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = host::sleep(LOOK_EVERY) => bar.set_position(read_of(taken, at_hand.place())),
        }
    }
}

fn read_of(taken: &[Taken], place: Place) -> u64 {
    taken.iter().map(|file| place.read_of(file.sequence, file.bytes)).sum()
}

/// Returns once a server has read all of them, however long that takes. It reads them in
/// their order: it is asked for the large ones, which take time, and for the last.
pub async fn by_server(remote: &Remote, taken: &[Taken], bar: &ProgressBar) -> anyhow::Result<()> {
    let mut read_bytes = 0;
    for (place, file) in taken.iter().enumerate() {
        let mut pause = LOOK_FIRST;
        while file.bytes > RECORD_BYTES_MAX as u64 || place + 1 == taken.len() {
            let answer = remote.get(&format!("/v1/imports/{}", file.sequence)).await?.good()?;
            let import: serde_json::Value = serde_json::from_slice(&answer)?;
            if import["state"] == "read" {
                break;
            }
            let of_file = import["bytes_read"].as_u64().context("the server does not say how far it is")?;
            bar.set_position(read_bytes + of_file);
            host::sleep(pause).await;
            pause = LOOK_EVERY.min(2 * pause);
        }
        read_bytes += file.bytes;
        bar.set_position(read_bytes);
    }
    Ok(())
}
