//! The two stages before the loop: one reads the journal, one understands.
//!
//! Promise: records go through in order, and what waits between the stages is
//! bounded: a slow lake slows the reading, never fills the memory.

use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::time::Duration;

use host::{Spans, Step};
use journal::{Archive, Content, Journal, Record};
use meter::Sequence;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::at_hand::AtHand;
use crate::chunk::{Chunk, Source};
use crate::input::Input;
use crate::understand::{Chunks, Understander};
use crate::{Error, Until};

/// Bytes of records read at a time.
const READ_BYTES_MAX: usize = 4 << 20;
/// Waited before the next read where there was less than half of that to read: small
/// records are cheaper understood and judged together than one by one. The first
/// after a pause goes through at once.
const GATHER: Duration = Duration::from_millis(200);
/// Batches of records waiting to be understood: with the one in hand, 12 MiB.
const RECORDS_WAITING: usize = 2;
/// Chunks are judged together until they have so many items: what a group takes, in
/// the order it came and in that of its keys, lies in a core's own cache.
const GROUP_ITEMS: usize = 1 << 14;
/// Groups of chunks waiting to be judged. A group has fewer than [`GROUP_ITEMS`] items
/// and a chunk's; with the ones in hand they stay below 200 MiB.
const GROUPS_WAITING: usize = 4;
/// Read ahead in an archived file.
const ARCHIVE_BUFFER_BYTES: usize = 1 << 20;

pub struct Stages {
    /// In the journal's order; none is empty.
    pub groups: mpsc::Receiver<Vec<Chunk>>,
    reading: JoinHandle<Result<(), Error>>,
    understanding: JoinHandle<Result<(), Error>>,
}

impl Stages {
    pub fn start(
        journal: Arc<dyn Journal>,
        archive: Arc<Archive>,
        understander: Understander,
        from: Sequence,
        at_hand: AtHand,
        spans: Spans,
        stop: watch::Receiver<Until>,
    ) -> Stages {
        let (records_in, records) = mpsc::channel(RECORDS_WAITING);
        let (groups_in, groups) = mpsc::channel(GROUPS_WAITING);
        let reading = tokio::spawn(read(journal, from, stop, records_in));
        let understanding = tokio::task::spawn_blocking(move || {
            understand(understander, &archive, &at_hand, &spans, records, groups_in)
        });
        Stages { groups, reading, understanding }
    }

    /// The first error of either stage. What they have not handed on is dropped:
    /// it is in the journal.
    pub async fn finish(self) -> Result<(), Error> {
        drop(self.groups);
        let understood = self.understanding.await.map_err(|e| Error::Stage(e.to_string()))?;
        let read = self.reading.await.map_err(|e| Error::Stage(e.to_string()))?;
        match (understood, read) {
            (Ok(()) | Err(Error::Gone), Err(Error::Gone)) => Ok(()),
            (Err(Error::Gone), read) => read,
            (understood, read) => understood.and(read),
        }
    }
}

async fn read(
    journal: Arc<dyn Journal>,
    from: Sequence,
    mut stop: watch::Receiver<Until>,
    out: mpsc::Sender<Vec<Record>>,
) -> Result<(), Error> {
    let mut next = from;
    loop {
        // Asked before the read: what was acknowledged before the stop is in it.
        let until = *stop.borrow_and_update();
        if until == Until::Now {
            return Ok(());
        }
        let records = journal.read(next, READ_BYTES_MAX).await?;
        if let Some(last) = records.last() {
            next = Sequence(last.sequence.0 + 1);
            let bytes: u64 = records.iter().map(|record| record.body.content.size()).sum();
            out.send(records).await.map_err(|_| Error::Gone)?;
            if until == Until::Told && bytes < READ_BYTES_MAX as u64 / 2 {
                tokio::select! {
                    () = host::sleep(GATHER) => {}
                    // What was told, the loop asks.
                    _ = stop.changed() => {}
                }
            }
            continue;
        }
        if until == Until::Applied {
            return Ok(());
        }
        tokio::select! {
            waited = journal.wait(Sequence(next.0 - 1)) => waited?,
            told = stop.changed() => {
                // Nobody is left who could say stop: the house is coming down.
                if told.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

fn understand(
    mut understander: Understander,
    archive: &Archive,
    at_hand: &AtHand,
    spans: &Spans,
    mut records: mpsc::Receiver<Vec<Record>>,
    groups: mpsc::Sender<Vec<Chunk>>,
) -> Result<(), Error> {
    let mut out = ToLoop { groups, group: Vec::new(), items: 0 };
    while let Some(batch) = records.blocking_recv() {
        for record in batch {
            let sequence = record.sequence;
            let from = spans.begin(sequence);
            let (source, input) = open(record, archive, at_hand)?;
            understander.record(source, input, &mut out)?;
            spans.tell(sequence, Step::Understand, from, Vec::new);
        }
        out.hand_on()?;
    }
    Ok(())
}

fn open(record: Record, archive: &Archive, at_hand: &AtHand) -> Result<(Source, Input<impl BufRead>), Error> {
    let body = record.body;
    let (sha256, size, input) = match body.content {
        Content::Archived { sha256, size } => {
            let file = at_hand.counting(archive.reader(&sha256)?);
            at_hand.begin(record.sequence, 0);
            (Some(sha256), size, Input::Streamed(BufReader::with_capacity(ARCHIVE_BUFFER_BYTES, file)))
        }
        Content::Bytes(bytes) => {
            at_hand.begin(record.sequence, bytes.len() as u64);
            let is_file = Source::is_of_file(body.door.code() as i8, &body.object);
            let sha256 = is_file.then(|| Sha256::digest(&bytes).into());
            (sha256, bytes.len() as u64, Input::Held(bytes))
        }
    };
    let source = Source {
        sequence: record.sequence,
        tenant: body.tenant,
        door: body.door.code() as i8,
        format: body.format,
        object: body.object,
        message_id: body.message_id,
        sha256,
        bytes: size as i64,
        received_at: record.received_at,
    };
    Ok((source, input))
}

/// Gathers the chunks of many small records; a large one is handed on at once.
struct ToLoop {
    groups: mpsc::Sender<Vec<Chunk>>,
    group: Vec<Chunk>,
    items: usize,
}

impl ToLoop {
    fn hand_on(&mut self) -> Result<(), Error> {
        self.items = 0;
        let group = std::mem::take(&mut self.group);
        if group.is_empty() {
            return Ok(());
        }
        self.groups.blocking_send(group).map_err(|_| Error::Gone)
    }
}

impl Chunks for ToLoop {
    fn take(&mut self, chunk: Chunk) -> Result<(), Error> {
        self.items += chunk.items();
        self.group.push(chunk);
        if self.items < GROUP_ITEMS {
            return Ok(());
        }
        self.hand_on()
    }
}
