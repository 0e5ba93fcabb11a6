//! A directory in which servers live, one after the other, with senders on every way in.
//!
//! Promise: what befalls a server is its trial's own; how it is set, who sends to it, and
//! the last life, which nothing befalls, are the same in all of them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::compared::{Compared, compare};
use crate::doors;
use crate::ingest::{Ledger, Senders, Sending};
use crate::server::{Binary, Server};

/// Everything small, so that each phase comes several times a second.
const SETTINGS: &str = "[log]
json = true
[journal]
segment_bytes = 16_777_216
[process]
commit_wait_max_ms = 30
commit_rows_max = 400
[maintain]
fold_rows = 30
fold_files = 4
compact_files = 3
vacuum_after_ms = 0
[inbox]
quiet_ms = 60
";
/// Senders at once: at nearly any moment someone waits for an answer.
const SENDERS: usize = 4;
/// The last server has the whole inbox to take, in the dev profile too.
const INBOX_WAIT_MAX: Duration = Duration::from_secs(120);

/// The binary, its inbox, and what its senders send.
pub(crate) struct Lives {
    pub(crate) binary: Binary,
    pub(crate) inbox: PathBuf,
    pub(crate) salt: u64,
}

impl Lives {
    /// Settings and an inbox in `dir`; the data goes below `data_below`.
    pub(crate) fn new(path: PathBuf, dir: &Path, data_below: &Path, salt: u64) -> anyhow::Result<Lives> {
        let (settings, inbox) = (dir.join("settings.toml"), dir.join("inbox"));
        std::fs::create_dir(&inbox)?;
        std::fs::write(&settings, format!("{SETTINGS}dir = {:?}\n", inbox.display().to_string()))?;
        Ok(Lives { binary: Binary::new(path, data_below.join("data"), settings), inbox, salt })
    }

    /// They talk to nobody yet.
    pub(crate) fn senders(&self, disk_may_fail: bool) -> anyhow::Result<Senders> {
        let (token, inbox) = (self.binary.token()?, self.inbox.clone());
        Ok(Senders::start(SENDERS, Sending { token, inbox, salt: self.salt, disk_may_fail }))
    }

    /// One more life, which is let finish; then what is stored against what the senders know.
    pub(crate) fn end(&self, senders: Senders) -> anyhow::Result<(Ledger, Compared)> {
        let server = Server::start(&self.binary).context("the last start")?;
        senders.talk_to(Some(server.address));
        std::thread::sleep(Duration::from_millis(200));
        senders.talk_to(None);
        senders.quiet();
        let ledger = senders.finish();
        let until = Instant::now() + INBOX_WAIT_MAX;
        while !doors::left_in(&self.inbox)?.is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
        }
        server.stop().context("SIGTERM")?;
        let compared = compare(&self.binary, &self.inbox, self.salt, &ledger)?;
        Ok((ledger, compared))
    }
}
