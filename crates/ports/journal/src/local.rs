//! The journal as segments on a [`Disk`], written by one thread in groups.
//!
//! Promise: that of [`Journal`]. A segment is made with all its space reserved,
//! so that a full disk is met before anything is written; bodies are written
//! only at the end of the last segment, one group at a time; a group is synced
//! before the next is written, and before anyone hears of it.
//!
//! Read: `settings.rs` (limits), `payload.rs`, `frame.rs`, `segment.rs` (the
//! bytes), `queue.rs`, `writer.rs` (appending), `recover.rs`, `torn.rs`
//! (opening), `index.rs`, `reader.rs` (reading), `hold.rs` (for
//! copies), `scrub.rs`.

mod settings;
mod payload;
mod frame;
mod segment;
mod queue;
mod writer;
mod recover;
mod torn;
mod index;
mod reader;
mod hold;
mod scrub;
mod glance;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread::JoinHandle;

use async_trait::async_trait;
use bytes::Bytes;
use host::{Clock, Disk, Entropy, Spans};
use meter::Sequence;
use tokio::sync::{oneshot, watch};

use crate::{Body, Content, Damage, Error, Journal, Receipt, Record};

use index::Index;
use queue::{Queue, Stopped, Waiting};
use recover::recover;
use segment::SegmentHeader;
use writer::{Writer, path_of};

pub use glance::{Glance, glance};
pub use hold::{Hold, SegmentFile};
pub use scrub::scrub;
pub use settings::{GROUP_BYTES, GROUP_WAIT, QUEUE_BYTES, QUEUE_RECORDS, READ_BYTES_MAX, SEGMENT_BYTES, Settings};
pub use torn::Torn;

/// Where the segments lie, below the data directory.
pub const JOURNAL_DIR: &str = "journal";
/// Written into every segment, frame and torn piece; an older binary refuses a newer one.
pub const FORMAT_VERSION: u8 = 1;

/// A segment is read in one piece; one byte more shows that it is too long.
const SEGMENT_BYTES_READ: usize = SEGMENT_BYTES as usize + 1;

/// The local journal. Dropping it closes it.
pub struct Local {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    torn: Option<Torn>,
}

struct Shared {
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    settings: Settings,
    queue: Queue,
    index: Mutex<Index>,
    /// Sequence, segment and place behind the last read.
    cursor: Mutex<Option<(u64, u64, u64)>>,
    trimming: Mutex<()>,
    /// One more holder for each [`Hold`].
    held: Arc<()>,
    spans: OnceLock<Spans>,
    state: watch::Sender<State>,
}

/// What waiting readers wake up for.
#[derive(Clone, Debug)]
struct State {
    next: u64,
    stopped: Option<Stopped>,
}

/// An append on its way.
type Reply = oneshot::Receiver<Result<Receipt, Error>>;

impl Local {
    /// Opens the journal in [`JOURNAL_DIR`] or begins it there. Blocks while it
    /// reads every segment. The caller holds the lock of the data directory.
    pub fn open(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        settings: Settings,
    ) -> Result<Local, Error> {
        settings.check()?;
        let mut salt = [0; 8];
        entropy.random_bytes(&mut salt)?;
        let fresh = SegmentHeader {
            first: 1,
            segment_bytes: settings.segment_bytes,
            received_before: SegmentHeader::NONE_BEFORE,
            salt: u64::from_le_bytes(salt),
        };
        let recovered = recover(&*disk, fresh)?;
        let next = recovered.index.next;
        let shared = Arc::new(Shared {
            queue: Queue::new(&settings),
            disk,
            clock,
            entropy,
            settings,
            index: Mutex::new(recovered.index),
            cursor: Mutex::new(None),
            trimming: Mutex::new(()),
            held: Arc::default(),
            spans: OnceLock::new(),
            state: watch::Sender::new(State { next, stopped: None }),
        });
        let mut writer = Writer {
            shared: shared.clone(),
            header: recovered.header,
            end: recovered.end,
            next,
            last_received: recovered.last_received,
            marked: recovered.marked,
            buffer: Vec::new(),
        };
        // What survived is from now on known to be durable.
        writer.mark()?;
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run())?;
        Ok(Local { shared, writer: Mutex::new(Some(thread)), torn: recovered.torn })
    }

    /// What opening had to set aside: the end of a write cut short by a crash.
    pub fn torn(&self) -> Option<&Torn> {
        self.torn.as_ref()
    }

    /// From now on each followed record's sync is told; the first caller is who it is told.
    pub fn tell(&self, spans: Spans) {
        self.shared.spans.get_or_init(|| spans);
    }

    /// Reads every byte beside the writer and names what is not as written.
    pub async fn scrub(&self) -> Result<Vec<Damage>, Error> {
        let shared = self.shared.clone();
        blocking(move || shared.scrub()).await
    }

    /// Writes what waits, marks the end and stops. Reading goes on working.
    pub async fn close(&self) -> Result<(), Error> {
        self.shared.queue.close();
        let thread = self.writer.lock().expect("no holder of this lock panics").take();
        if let Some(thread) = thread {
            blocking(move || {
                thread.join().map_err(|_| Error::Poisoned { why: "the writer thread panicked".to_owned() })
            })
            .await?;
        }
        self.shared.check_alive()
    }

    /// Puts bodies into the queue next to each other, all or none.
    fn submit(&self, bodies: Vec<Body>) -> Result<Vec<Reply>, Error> {
        let mut replies = Vec::with_capacity(bodies.len());
        let mut waiting = Vec::with_capacity(bodies.len());
        for body in bodies {
            body.check(self.shared.settings.record_bytes_max)?;
            let head = payload::encode_head(&body);
            let content = match body.content {
                Content::Bytes(bytes) => bytes,
                Content::Archived { .. } => Bytes::new(),
            };
            let payload_crc = crc32c::crc32c_append(crc32c::crc32c(&head), &content);
            let (reply, receiver) = oneshot::channel();
            waiting.push(Waiting { head, content, payload_crc, reply });
            replies.push(receiver);
        }
        self.shared.queue.push(waiting)?;
        Ok(replies)
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.shared.queue.close();
        let thread = self.writer.get_mut().expect("no holder of this lock panics").take();
        // A panic of the writer has been reported to whoever waited for it.
        let _ = thread.map(JoinHandle::join);
    }
}

#[async_trait]
impl Journal for Local {
    async fn append(&self, body: Body) -> Result<Receipt, Error> {
        let reply = self.submit(vec![body])?.pop().expect("one for each body");
        match reply.await {
            Ok(result) => result,
            Err(_) => Err(Error::Poisoned { why: "the writer thread is gone".to_owned() }),
        }
    }

    async fn check_open(&self) -> Result<(), Error> {
        self.shared.queue.check_open()
    }

    async fn read(&self, from: Sequence, limit_bytes: usize) -> Result<Vec<Record>, Error> {
        self.shared.check_alive()?;
        let shared = self.shared.clone();
        blocking(move || shared.read(from, limit_bytes)).await
    }

    async fn start(&self) -> Sequence {
        Sequence(self.shared.index().start())
    }

    async fn end(&self) -> Sequence {
        Sequence(self.shared.index().next)
    }

    async fn trim(&self, before: Sequence) -> Result<(), Error> {
        self.shared.check_alive()?;
        let shared = self.shared.clone();
        blocking(move || shared.trim(before.0)).await
    }

    async fn wait(&self, beyond: Sequence) -> Result<(), Error> {
        let mut state = self.shared.state.subscribe();
        let arrived = |state: &State| state.next.saturating_sub(1) > beyond.0;
        let woken = state.wait_for(|state| state.stopped.is_some() || arrived(state)).await;
        let state = woken.expect("the sender lives as long as this journal").clone();
        match state.stopped {
            Some(Stopped::Closed) if arrived(&state) => Ok(()),
            Some(stopped) => Err(stopped.error()),
            None => Ok(()),
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // Cancelled, as the runtime ends; a panic goes on in the caller.
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Closed),
        },
    }
}

impl Shared {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().expect("no holder of this lock panics")
    }

    fn check_alive(&self) -> Result<(), Error> {
        match &self.state.borrow().stopped {
            Some(stopped @ Stopped::Poisoned(_)) => Err(stopped.error()),
            _ => Ok(()),
        }
    }

    fn is_poisoned(&self) -> bool {
        self.check_alive().is_err()
    }

    fn poison(&self, why: &str) {
        self.queue.poison(why);
        self.state.send_modify(|state| state.stopped = Some(Stopped::Poisoned(why.to_owned())));
    }

    fn closed(&self) {
        self.state.send_modify(|state| state.stopped = Some(Stopped::Closed));
    }

    /// Shows readers what has become durable.
    fn publish(&self, next: u64, end: u64, starts: &[(u64, u64)]) {
        let mut index = self.index();
        let active = index.active();
        starts.iter().for_each(|(sequence, at)| active.places.note(*sequence, *at));
        active.end = end;
        index.next = next;
        drop(index);
        self.state.send_modify(|state| state.next = next);
    }

    /// Removes whole segments, oldest first, each durably before the next: a
    /// power loss that undid only the first of two would leave a hole.
    fn trim(&self, before: u64) -> Result<(), Error> {
        let _one_at_a_time = self.trimming.lock().expect("no holder of this lock panics");
        while let Some(first) = self.oldest_below(before) {
            for entry in self.disk.list(JOURNAL_DIR)? {
                if torn::segment_of(&entry.name) == Some(first) {
                    self.disk.remove(&path_of(&entry.name))?;
                }
            }
            // Out of sight first: a reader that finds the file gone looks again.
            let trimmed = self.index().segments.pop_front().expect("the oldest was just seen");
            if let Err(error) = self.disk.remove(&path_of(&segment::file_name(first))) {
                self.index().segments.push_front(trimmed);
                return Err(error.into());
            }
            if let Err(error) = self.disk.sync_dir(JOURNAL_DIR) {
                self.poison(&error.to_string());
                return Err(Error::Poisoned { why: error.to_string() });
            }
        }
        Ok(())
    }

    /// The oldest segment, if nobody holds it, all of it lies below `before` and
    /// enough to keep follows.
    fn oldest_below(&self, before: u64) -> Option<u64> {
        if Arc::strong_count(&self.held) > 1 {
            return None;
        }
        let index = self.index();
        let following = index.segments.get(1)?;
        let kept: u64 = index.segments.iter().skip(1).map(|segment| segment.end).sum();
        (following.first <= before && kept >= self.settings.keep_bytes).then(|| index.start())
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trials;
