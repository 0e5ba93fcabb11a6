//! The loop: chunks in, rounds out.

use std::sync::Arc;
use std::time::Duration;

use host::{Clock, Disk};
use journal::{Archive, Journal};
use store::{Lake, Position};
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

use crate::chunk::Chunk;
use crate::coverage::Coverage;
use crate::judge::{Counts, judge};
use crate::names::Lessor;
use crate::restore::{Restored, restore};
use crate::round::{Everything, Round, committed};
use crate::stages::Stages;
use crate::understand::SharedWords;
use crate::{Error, MaintainSettings, checkpoint, maintain};

/// A query sees what waits here, so the wait costs nobody an answer; it only
/// bounds what a restart repeats.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A round is committed when it is this old.
    pub commit_wait_max_ms: u32,
    /// A round is committed when it holds this many rows: about 100 bytes each, twice.
    pub commit_rows_max: usize,
    pub maintain: MaintainSettings,
}

/// Chunks of many tiny records make many tiny batches; a round of more is committed.
const ROUND_CHUNKS_MAX: usize = 20_000;
/// Corrections in a round: with a chunk more, and those waiting before a fold is
/// due, they stay below what the overlay holds.
const ROUND_VERSIONS_MAX: usize = 1 << 18;
/// One commit opens at most this many partitions (D6); a single chunk never has more.
const ROUND_MONTHS_MAX: usize = crate::CHUNK_MONTHS_MAX;
/// Tables without news are brought along every so many rounds.
const ROUNDS_TO_BRING_ALONG: u32 = 32;

/// A vacuum lists every directory of the lake: seldom enough not to be noticed.
const ROUNDS_TO_VACUUM: u32 = 256;

/// How far the role is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Everything before it is visible to queries.
    pub applied: Position,
    /// Everything before it is in the lake, in every table.
    pub committed: Position,
    pub accepted: i64,
    pub duplicate: i64,
    pub corrected: i64,
    pub refused: i64,
    pub commits: u64,
    pub folds: u64,
    pub compactions: u64,
}

impl Progress {
    /// As `/metrics` shows it.
    pub fn render(&self) -> String {
        let gauges = [
            ("meterhouse_process_applied_sequence", "gauge", self.applied.sequence().0 as i64),
            ("meterhouse_process_committed_sequence", "gauge", self.committed.sequence().0 as i64),
            ("meterhouse_process_accepted_readings_total", "counter", self.accepted),
            ("meterhouse_process_duplicate_readings_total", "counter", self.duplicate),
            ("meterhouse_process_corrected_readings_total", "counter", self.corrected),
            ("meterhouse_process_refused_items_total", "counter", self.refused),
            ("meterhouse_process_commits_total", "counter", self.commits as i64),
            ("meterhouse_process_folds_total", "counter", self.folds as i64),
            ("meterhouse_process_compactions_total", "counter", self.compactions as i64),
        ];
        gauges.iter().map(|(name, kind, value)| format!("# TYPE {name} {kind}\n{name} {value}\n")).collect()
    }
}

/// What the role works with; it gives the lake back when it stops.
pub struct Parts {
    pub journal: Arc<dyn Journal>,
    pub archive: Arc<Archive>,
    pub lake: Lake,
    pub lessor: Box<dyn Lessor>,
    pub disk: Arc<dyn Disk>,
    pub clock: Arc<dyn Clock>,
    pub progress: watch::Sender<Progress>,
    pub settings: Settings,
}

/// Applies the journal until `stop` is set and everything in it is applied.
pub async fn run(parts: Parts, stop: watch::Receiver<bool>) -> Result<Lake, Error> {
    let Parts { journal, archive, mut lake, lessor, disk, clock, progress, settings } = parts;
    let Restored { understander, coverage, from } = restore(&lake, disk.as_ref(), lessor)?;
    info!(%from, channels = coverage.channel_count(), "process starts");
    let words = understander.words.clone();
    let mut stages = Stages::start(journal.clone(), archive, understander, from.sequence(), stop);
    let mut role = Role { coverage, words, round: Round::starting_at(from), progress, rounds: 0, deadline: None };
    role.publish(&mut lake);

    while let Some(chunk) = role.next(&mut stages.chunks, clock.as_ref(), &settings).await {
        match chunk {
            Next::Chunk(chunk) => {
                if role.must_commit_before(&chunk) {
                    role.commit(&mut lake, false).await?;
                }
                role.take(chunk, &mut lake)?;
                if stages.chunks.is_empty() || role.is_full(&settings) {
                    role.publish(&mut lake);
                }
            }
            Next::Due => role.commit(&mut lake, false).await?,
        }
        if role.is_full(&settings) {
            role.commit(&mut lake, false).await?;
        }
        if role.round.is_empty() {
            role.maintain(&mut lake, &settings.maintain).await?;
            role.trim(journal.as_ref(), &lake).await;
        }
    }
    let finished = stages.finish().await;
    role.commit(&mut lake, finished.is_ok()).await?;
    finished?;
    role.maintain(&mut lake, &settings.maintain).await?;
    role.publish(&mut lake);
    checkpoint::write(disk.as_ref(), &lake, &role.coverage)?;
    role.trim(journal.as_ref(), &lake).await;
    Ok(lake)
}

enum Next {
    Chunk(Chunk),
    /// The round has waited long enough.
    Due,
}

struct Role {
    coverage: Coverage,
    words: SharedWords,
    round: Round,
    progress: watch::Sender<Progress>,
    rounds: u32,
    /// On the monotonic clock; none while the round is empty.
    deadline: Option<Duration>,
}

impl Role {
    /// The next chunk, or word that the round is due; `None` once there will be no more.
    async fn next(
        &mut self,
        chunks: &mut mpsc::Receiver<Chunk>,
        clock: &dyn Clock,
        settings: &Settings,
    ) -> Option<Next> {
        if self.round.is_empty() {
            self.deadline = None;
            return chunks.recv().await.map(Next::Chunk);
        }
        let now = clock.monotonic();
        let wait_max = Duration::from_millis(u64::from(settings.commit_wait_max_ms));
        let left = self.deadline.get_or_insert(now + wait_max).saturating_sub(now);
        tokio::select! {
            biased;
            () = host::sleep(left), if left.is_zero() => Some(Next::Due),
            chunk = chunks.recv() => chunk.map(Next::Chunk),
            () = host::sleep(left) => Some(Next::Due),
        }
    }

    fn must_commit_before(&self, chunk: &Chunk) -> bool {
        let months = self.round.months();
        let more = chunk.rows.iter().map(|row| row.key.start.month()).filter(|month| !months.contains(month));
        let mut new: Vec<i32> = more.collect();
        new.sort_unstable();
        new.dedup();
        !months.is_empty() && months.len() + new.len() > ROUND_MONTHS_MAX
    }

    fn is_full(&self, settings: &Settings) -> bool {
        self.round.rows() >= settings.commit_rows_max
            || self.round.versions() >= ROUND_VERSIONS_MAX
            || self.round.chunks() >= ROUND_CHUNKS_MAX
    }

    fn take(&mut self, mut chunk: Chunk, lake: &mut Lake) -> Result<(), Error> {
        let rows = std::mem::take(&mut chunk.rows);
        let mut words = self.words.write().expect("no holder of the words panics");
        let everything = Everything { lake, round: &self.round };
        let judged = judge(rows, &mut self.coverage, &everything, &mut words)?;
        let counts = judged.counts;
        self.round.add(&chunk, judged, lake, &words)?;
        self.count(&chunk, counts);
        Ok(())
    }

    fn count(&self, chunk: &Chunk, counts: Counts) {
        if chunk.refused_count > 0 {
            warn!(sequence = chunk.source.sequence.0, refused = chunk.refused_count, "source partly refused");
        }
        self.progress.send_modify(|progress| {
            progress.accepted += counts.accepted;
            progress.duplicate += counts.duplicate;
            progress.corrected += counts.corrected;
            progress.refused += chunk.refused_count;
        });
    }

    fn publish(&self, lake: &mut Lake) {
        lake.publish(self.round.tail());
        self.progress.send_modify(|progress| progress.applied = self.round.to);
    }

    async fn commit(&mut self, lake: &mut Lake, every: bool) -> Result<(), Error> {
        self.rounds += 1;
        let every = every || self.rounds.is_multiple_of(ROUNDS_TO_BRING_ALONG);
        if self.round.is_empty() && !every {
            return Ok(());
        }
        debug!(phase = "commit", "begins");
        self.round.commit(lake, every).await?;
        debug!(phase = "commit", "ends");
        self.deadline = None;
        self.publish(lake);
        self.progress.send_modify(|progress| {
            progress.commits += 1;
            progress.committed = committed(lake);
        });
        Ok(())
    }

    async fn maintain(&mut self, lake: &mut Lake, settings: &MaintainSettings) -> Result<(), Error> {
        let done = maintain::run(lake, settings).await?;
        self.progress.send_modify(|progress| {
            progress.folds += done.folds;
            progress.compactions += done.compactions;
        });
        if self.rounds.is_multiple_of(ROUNDS_TO_VACUUM) {
            maintain::vacuum(lake, settings).await?;
        }
        Ok(())
    }

    /// Only behind what every table has; a failure costs space, nothing else.
    async fn trim(&self, journal: &dyn Journal, lake: &Lake) {
        if let Err(error) = journal.trim(committed(lake).sequence()).await {
            warn!(%error, "journal not trimmed");
        }
    }
}
