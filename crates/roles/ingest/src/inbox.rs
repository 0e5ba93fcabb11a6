//! Files that somebody lays into a folder.
//!
//! Promise: a file is taken once it stands still, and moved only after it is in the
//! journal and applied: to `done/`, or to `refused/` with a text that says why if
//! nothing in it could be read. A crash in between brings it again, and then it
//! is known by its hash. Half a file is never taken, and none is ever removed.
//!
//! Read: `Inbox` and [`watch`] (the loop), then what it does with one file.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use host::{Folder, Found};
use journal::{Archive, Content, Door, RECORD_BYTES_MAX, Stored};
use meter::{Sequence, TenantId};

use crate::intake::{Intake, Label};
use crate::{Error, Result};

/// Folders inside the inbox.
pub const DONE: &str = "done";
/// As [`DONE`], for what could not be read.
pub const REFUSED: &str = "refused";

/// How names end that senders use until a file is whole.
const UNFINISHED: [&str; 3] = [".part", ".tmp", ".filepart"];
/// Taken in before the first of them is waited for: one commit serves all.
const TAKEN_MAX: usize = 64;
/// Between two looks; a quarter of the quiet time, within these.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// A folder that is watched for files.
pub struct Inbox {
    /// With [`DONE`] and [`REFUSED`] in it.
    pub folder: Folder,
    /// Whose readings lie there.
    pub tenant: TenantId,
    /// Of all files; empty: found from the content.
    pub format: String,
    /// A file that has not changed for so long is whole.
    pub quiet: Duration,
    /// Says what became of a record.
    pub outcomes: Arc<dyn Outcomes>,
}

/// What a role behind the journal knows of a record.
#[async_trait]
pub trait Outcomes: Send + Sync {
    /// Once the record is applied. Of a file that came before, what became of that.
    async fn of(&self, tenant: TenantId, sequence: Sequence) -> Result<Outcome, String>;
}

/// What became of a file.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Readings and events, whether they were new or not.
    pub read: u64,
    /// Parts of it that could not be read.
    pub refused: u64,
    /// The first of them: place, code and reason.
    pub first_refused: Vec<String>,
}

/// What is known of the files in the folder.
#[derive(Default)]
struct Watched {
    /// Since when a file has looked like this.
    still: HashMap<String, (Found, Duration)>,
    /// In the journal, waiting to be moved.
    taken: Vec<(Found, Sequence)>,
    /// Of these it has been said that they are left.
    told: HashSet<String>,
}

/// Takes files in for as long as the server runs.
pub async fn watch(inbox: Inbox, intake: Arc<Intake>) {
    let inbox = Arc::new(inbox);
    let mut watched = Watched::default();
    let pause = (inbox.quiet / 4).clamp(LOOK_EVERY.0, LOOK_EVERY.1);
    loop {
        let folder = inbox.folder.clone();
        match apart(move || folder.list()).await {
            Ok(found) => {
                for found in watched.quiet(found, intake.parts.clock.monotonic(), inbox.quiet) {
                    take(&inbox, &intake, &mut watched, found).await;
                }
                put_away(&inbox, &mut watched).await;
            }
            Err(error) => watched.tell("", &error),
        }
        host::sleep(pause).await;
    }
}

impl Watched {
    /// Those that have stood still for long enough and are not taken yet.
    fn quiet(&mut self, found: Vec<Found>, now: Duration, quiet: Duration) -> Vec<Found> {
        let before = std::mem::take(&mut self.still);
        for found in found {
            let Some(name) = found.name().map(str::to_owned) else {
                self.tell(&found.shown(), &"its name is not UTF-8");
                continue;
            };
            if is_unfinished(&name) {
                continue;
            }
            let since = before.get(&name).filter(|(known, _)| *known == found).map_or(now, |(_, since)| *since);
            self.still.insert(name, (found, since));
        }
        self.told.retain(|name| name.is_empty() || self.still.contains_key(name));
        let is_taken = |found: &Found| self.taken.iter().any(|(taken, _)| taken == found);
        let ready = self.still.values().filter(|(found, since)| now - *since >= quiet && !is_taken(found));
        let mut ready: Vec<Found> = ready.map(|(found, _)| found.clone()).collect();
        ready.sort_by_key(Found::shown);
        ready.truncate(TAKEN_MAX.saturating_sub(self.taken.len()));
        ready
    }

    /// Once for each file, until it is gone: it is tried again at every look.
    fn tell(&mut self, name: &str, error: &dyn std::fmt::Display) {
        if self.told.insert(name.to_owned()) {
            tracing::warn!(file = name, %error, "a file in the inbox is left there");
        }
    }
}

fn is_unfinished(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    name.starts_with('.') || UNFINISHED.iter().any(|ending| lower.ends_with(ending))
}

/// Into the journal; what cannot be read or has moved stays for the next look.
async fn take(inbox: &Arc<Inbox>, intake: &Arc<Intake>, watched: &mut Watched, found: Found) {
    let name = found.shown();
    if name.chars().any(char::is_control) {
        return watched.tell(&name, &"its name has control characters");
    }
    let (folder, archive, wanted) = (inbox.folder.clone(), intake.parts.archive.clone(), found.clone());
    let (content, _held) = match apart(move || read(&folder, &archive, &wanted)).await {
        Ok(Some(read)) => read,
        Ok(None) => return,
        Err(error) => return watched.tell(&name, &error),
    };
    let tenant = inbox.tenant;
    let format = match intake.in_force(tenant, inbox.format.clone()).await {
        Ok(format) => format,
        Err(error) => return watched.tell(&name, &error),
    };
    let label =
        Label { tenant, door: Door::File, format, object: name.clone(), message_id: String::new(), since: None };
    match intake.append(label, content).await {
        Ok(appended) => {
            intake.metrics().file();
            watched.told.remove(&name);
            watched.taken.push((found, appended.sequence));
        }
        Err(error) => {
            watched.tell(&name, &error);
            if error.is_fatal() {
                intake.refuse(error);
            }
        }
    }
}

/// `None` if it changed while it was read.
fn read(folder: &Folder, archive: &Archive, found: &Found) -> io::Result<Option<(Content, Option<Stored>)>> {
    let mut reader = folder.reader(found)?;
    if reader.found()? != *found {
        return Ok(None);
    }
    let (content, held) = if found.size <= RECORD_BYTES_MAX as u64 {
        let mut bytes = Vec::new();
        // A file that grows is noticed below.
        io::Read::read_to_end(&mut io::Read::take(&mut reader, found.size + 1), &mut bytes)?;
        (Content::Bytes(Bytes::from(bytes)), None)
    } else {
        let stored = archive.put(&mut reader).map_err(io::Error::other)?;
        (stored.content(), Some(stored))
    };
    let stood_still = reader.found()? == *found && content.size() == found.size;
    Ok(stood_still.then_some((content, held)))
}

/// Moves what is applied, in the order it came.
async fn put_away(inbox: &Arc<Inbox>, watched: &mut Watched) {
    for (found, sequence) in std::mem::take(&mut watched.taken) {
        let outcome = match inbox.outcomes.of(inbox.tenant, sequence).await {
            Ok(outcome) => outcome,
            Err(error) => {
                watched.tell(&found.shown(), &error);
                watched.taken.push((found, sequence));
                continue;
            }
        };
        let (folder, moving) = (inbox.folder.clone(), found.clone());
        if let Err(error) = apart(move || moved(&folder, &moving, sequence, &outcome)).await {
            watched.tell(&found.shown(), &error);
            watched.taken.push((found, sequence));
        }
    }
}

fn moved(folder: &Folder, found: &Found, sequence: Sequence, outcome: &Outcome) -> io::Result<()> {
    let is_refused = outcome.read == 0 && outcome.refused > 0;
    let to = if is_refused { REFUSED } else { DONE };
    let Some(name) = folder.put_away(found, to)? else {
        // Another file stands there by now; it is taken in its turn.
        return Ok(());
    };
    tracing::info!(file = name, to, %sequence, read = outcome.read, refused = outcome.refused, "file of the inbox");
    if is_refused {
        folder.write(to, &format!("{name}.why.txt"), &why(sequence, outcome))?;
    }
    Ok(())
}

fn why(sequence: Sequence, outcome: &Outcome) -> String {
    let mut text = format!("Nothing in this file could be read. It is kept as source {sequence}.\n\n");
    for refused in &outcome.first_refused {
        text.push_str(refused);
        text.push('\n');
    }
    let more = outcome.refused.saturating_sub(outcome.first_refused.len() as u64);
    if more > 0 {
        text.push_str(&format!("and {more} more: meterhouse refused show {sequence}\n"));
    }
    text
}

/// Work that blocks, off the runtime.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| Error::Task(error.to_string()))?;
    done.map_err(Error::Disk)
}
