//! The loop: chunks in, rounds out.

use std::sync::Arc;
use std::time::Duration;

use host::{Clock, Disk, Entropy, Spans};
use journal::{Archive, Journal};
use store::{Lake, Position, SharedWords};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::at_hand::AtHand;
use crate::checkpoint::{self, Channels};
use crate::chunk::Chunk;
use crate::followed::Followed;
use crate::intake::{Intake, Room};
use crate::judge::{Counts, judge, read};
use crate::live::{self, Fresh, Live};
use crate::maintain::{Done, Maintenance};
use crate::names::Lessor;
use crate::restore::{Restored, restore};
use crate::round::{Everything, Missing, Round};
use crate::secret::Secret;
use crate::stages::Stages;
use crate::understand::Formats;
use crate::{Error, MaintainSettings, Until};

/// A query sees what waits here, so the wait costs nobody an answer; it only
/// bounds what a restart repeats.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A round is committed when it is this old.
    pub commit_wait_max_ms: u32,
    /// A round is committed when it holds this many rows, or as many as fit its memory.
    pub commit_rows_max: usize,
    /// When the lake is put in order between rounds.
    pub maintain: MaintainSettings,
}

/// Chunks of many tiny records make many tiny batches; a round of more is committed.
const ROUND_CHUNKS_MAX: usize = 20_000;
/// Memory for the readings of a round: 120 bytes a reading of its own, 20 a reading in a day of half-hours.
const ROUND_BYTES_MAX: usize = 192 << 20;
/// Corrections in a round: with a group more they stay below half of what the overlay holds.
const ROUND_VERSIONS_MAX: usize = 1 << 18;
/// Tables without news are brought along every so many rounds.
const ROUNDS_TO_BRING_ALONG: u32 = 32;

/// How far the role is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Everything before it is visible to queries.
    pub applied: Position,
    /// Everything before it is in the lake, in every table.
    pub committed: Position,
    /// New readings since the start.
    pub accepted: i64,
    /// Readings that said nothing new.
    pub duplicate: i64,
    /// Further versions of stored readings.
    pub corrected: i64,
    /// Records and measurements that were not understood.
    pub refused: i64,
    /// Rounds committed.
    pub commits: u64,
    /// Folds done.
    pub folds: u64,
    /// Merges of small files.
    pub compactions: u64,
    /// Files that lost rows which are over.
    pub retirements: u64,
    /// Bodies that went from the archive.
    pub bodies: u64,
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
            ("meterhouse_process_retirements_total", "counter", self.retirements as i64),
            ("meterhouse_process_retired_bodies_total", "counter", self.bodies as i64),
        ];
        gauges.iter().map(|(name, kind, value)| format!("# TYPE {name} {kind}\n{name} {value}\n")).collect()
    }
}

/// What the role works with; it gives the lake back when it stops.
pub struct Parts {
    /// What came in.
    pub journal: Arc<dyn Journal>,
    /// The bodies too large for it.
    pub archive: Arc<Archive>,
    /// Where readings go.
    pub lake: Lake,
    /// Gives ids to new channels and devices.
    pub lessor: Box<dyn Lessor>,
    /// Says what the names of formats mean.
    pub formats: Formats,
    /// Holds the checkpoint.
    pub disk: Arc<dyn Disk>,
    /// For what no sender may foresee.
    pub entropy: Arc<dyn Entropy>,
    /// Ages rounds.
    pub clock: Arc<dyn Clock>,
    /// Tells how far the role is.
    pub progress: watch::Sender<Progress>,
    /// Shows what is being read.
    pub at_hand: AtHand,
    /// Shows what is new to those who watch.
    pub live: Live,
    /// Told of records that are followed.
    pub spans: Spans,
    /// When rounds end.
    pub settings: Settings,
}

/// Applies the journal until `stop` says that it is enough.
pub async fn run(parts: Parts, stop: watch::Receiver<Until>) -> Result<Lake, Error> {
    let Parts { journal, archive, lake, lessor, formats, disk, entropy, clock, progress, .. } = parts;
    let Parts { at_hand, live, spans, settings, .. } = parts;
    let secret = Secret::new(entropy.as_ref()).map_err(Error::Entropy)?;
    let Restored { understander, channels, from } = restore(&lake, disk.as_ref(), lessor, formats, secret)?;
    info!(%from, channels = channels.latest.channel_count(), "process starts");
    lake.show_latest(channels.latest.clone());
    let words = understander.words.clone();
    let maintenance = Maintenance::new(settings.maintain.clone(), archive.clone(), journal.clone(), clock.clone());
    let stages =
        Stages::start(journal.clone(), archive, understander, from.sequence(), at_hand, spans.clone(), stop.clone());
    let mut role = Role {
        lake,
        channels,
        round: Round::starting_at(from),
        words,
        maintenance,
        settings,
        journal,
        clock,
        progress,
        live,
        unseen: Vec::new(),
        followed: Followed::new(spans),
        disk,
        rounds: 0,
        rows_since_checkpoint: 0,
        deadline: None,
    };
    role.publish();
    let mut intake = Intake::new(stages);
    let mut told = stop;
    while let Some(next) = role.next(&mut intake, &mut told).await? {
        match next {
            Next::Chunks(chunks) => role.take(chunks, intake.is_empty()).await?,
            Next::Full | Next::Due => role.commit(false).await?,
            Next::Written => {}
            // Counted as one, so that what went is vacuumed.
            Next::Nothing => role.rounds += 1,
        }
        if role.round.is_empty() {
            role.maintain().await?;
        }
    }
    let finished = intake.finish().await;
    role.commit(finished.is_ok()).await?;
    finished?;
    let until = *told.borrow();
    role.settle(until).await?;
    role.publish();
    role.checkpoint().await?;
    role.trim().await;
    Ok(role.lake)
}

enum Next {
    Chunks(Vec<Chunk>),
    /// The round has no room for what comes next.
    Full,
    /// The round has waited long enough.
    Due,
    /// Maintenance has something to commit.
    Written,
    /// Nothing came for a while.
    Nothing,
}

struct Role {
    lake: Lake,
    channels: Channels,
    round: Round,
    words: SharedWords,
    maintenance: Maintenance,
    settings: Settings,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    progress: watch::Sender<Progress>,
    live: Live,
    /// Applied and not published yet.
    unseen: Vec<Fresh>,
    followed: Followed,
    disk: Arc<dyn Disk>,
    rounds: u32,
    rows_since_checkpoint: u64,
    /// On the monotonic clock; none while the round is empty.
    deadline: Option<Duration>,
}

impl Role {
    /// What to do next; `None` once there will be nothing more.
    async fn next(&mut self, intake: &mut Intake, told: &mut watch::Receiver<Until>) -> Result<Option<Next>, Error> {
        let round = &self.round;
        let left = if round.is_empty() {
            self.deadline = None;
            None
        } else {
            let now = self.clock.monotonic();
            let wait_max = Duration::from_millis(u64::from(self.settings.commit_wait_max_ms));
            Some(self.deadline.get_or_insert(now + wait_max).saturating_sub(now))
        };
        let due = async {
            match left {
                Some(left) => host::sleep(left).await,
                None => host::sleep(self.settings.maintain.look_every).await,
            }
        };
        let now = async {
            if told.wait_for(|until| *until == Until::Now).await.is_err() {
                std::future::pending().await
            }
        };
        tokio::select! {
            biased;
            () = now => Ok(None),
            () = std::future::ready(()), if left.is_some_and(|left| left.is_zero()) => Ok(Some(Next::Due)),
            ready = intake.ready() => Ok(ready.then(|| match intake.take(&room(round, &self.settings)) {
                chunks if chunks.is_empty() => Next::Full,
                chunks => Next::Chunks(chunks),
            })),
            written = self.maintenance.written() => written.map(|()| Some(Next::Written)),
            () = due => Ok(Some(if left.is_some() { Next::Due } else { Next::Nothing })),
        }
    }

    /// Judges chunks into the round. `last` says that none are waiting behind them.
    async fn take(&mut self, mut chunks: Vec<Chunk>, last: bool) -> Result<(), Error> {
        let from = self.followed.now();
        // They go to a thread that may wait for the disk, and come back.
        let (mut coverage, mut round) = (std::mem::take(&mut self.channels.coverage), std::mem::take(&mut self.round));
        let (lookup, words, latest) = (self.lake.lookup(), self.words.clone(), self.channels.latest.clone());
        let missing = Missing::of(&chunks, &self.lake);
        let watched = self.live.is_watched();
        let work = move || -> Result<_, Error> {
            let everything = Everything { lake: &lookup, round: &round };
            let judged = judge(&mut chunks, missing.wanted(), &mut coverage, &everything, &words)?;
            let counts = judged.counts.clone();
            let unseen = if watched { live::fresh(&judged, &read(&words)) } else { Vec::new() };
            latest.tell(&judged.latest);
            round.add(&chunks, judged, &missing, &words)?;
            Ok((coverage, round, chunks, counts, unseen))
        };
        let done = tokio::task::spawn_blocking(work).await.map_err(|e| Error::Stage(e.to_string()))?;
        let (coverage, round, chunks, counts, unseen) = done?;
        self.unseen.extend(unseen);
        (self.channels.coverage, self.round) = (coverage, round);
        self.count(&chunks, &counts);
        self.followed.judged(from, &chunks);
        let Room { rows, bytes, .. } = room(&self.round, &self.settings);
        if rows == 0 || bytes == 0 {
            return self.commit(false).await;
        }
        if last {
            self.publish();
        }
        Ok(())
    }

    fn count(&self, chunks: &[Chunk], counts: &[Counts]) {
        for chunk in chunks.iter().filter(|chunk| chunk.refused_count > 0) {
            warn!(sequence = chunk.source.sequence.0, refused = chunk.refused_count, "source partly refused");
        }
        self.progress.send_modify(|progress| {
            for counts in counts {
                progress.accepted += counts.accepted;
                progress.duplicate += counts.duplicate;
                progress.corrected += counts.corrected;
            }
            progress.refused += chunks.iter().map(|chunk| chunk.refused_count).sum::<i64>();
        });
    }

    fn publish(&mut self) {
        self.lake.publish(self.round.tail());
        self.progress.send_modify(|progress| progress.applied = self.round.to);
        self.live.show(std::mem::take(&mut self.unseen));
        self.followed.shown();
    }

    async fn commit(&mut self, every: bool) -> Result<(), Error> {
        self.rounds += 1;
        let every = every || self.rounds.is_multiple_of(ROUNDS_TO_BRING_ALONG);
        if self.round.is_empty() && !every {
            return Ok(());
        }
        self.rows_since_checkpoint += self.round.rows() as u64;
        let from = self.followed.now();
        debug!(phase = "commit", "begins");
        self.round.commit(&mut self.lake, every).await?;
        debug!(phase = "commit", "ends");
        self.followed.committed(from);
        self.deadline = None;
        self.publish();
        self.progress.send_modify(|progress| {
            progress.commits += 1;
            progress.committed = self.lake.resume();
        });
        Ok(())
    }

    /// Between two rounds.
    async fn maintain(&mut self) -> Result<(), Error> {
        let done = self.maintenance.step(&mut self.lake).await?;
        self.tell(done);
        self.maintenance.vacuum(&mut self.lake, self.rounds).await?;
        if self.rows_since_checkpoint >= rows_between_checkpoints(self.channels.latest.channel_count()) {
            self.checkpoint().await?;
        }
        self.trim().await;
        Ok(())
    }

    /// What a restart need not read again: all that is committed. A failure
    /// costs the next start time, nothing else.
    async fn checkpoint(&mut self) -> Result<(), Error> {
        self.rows_since_checkpoint = 0;
        let coverage = std::mem::take(&mut self.channels.coverage);
        let channels = Channels { coverage, latest: self.channels.latest.clone() };
        let (disk, words, position) = (self.disk.clone(), self.words.clone(), self.lake.resume());
        let work = move || (checkpoint::write(disk.as_ref(), position, &channels, &words), channels);
        let done = tokio::task::spawn_blocking(work).await.map_err(|e| Error::Stage(e.to_string()))?;
        let (written, channels) = done;
        self.channels = channels;
        if let Err(error) = written {
            warn!(%error, "no checkpoint written; the next start reads more files");
        }
        Ok(())
    }

    /// At the end: all that is due is done, unless there is no time.
    async fn settle(&mut self, until: Until) -> Result<(), Error> {
        if until == Until::Now {
            self.maintenance.give_up(&self.lake).await;
            return Ok(());
        }
        let done = self.maintenance.settle(&mut self.lake).await?;
        self.tell(done);
        // Runs of a few rounds would never come to it, and leave files behind each time.
        let done = *self.progress.borrow();
        let rewrote = done.folds + done.compactions + done.retirements > 0;
        if rewrote { self.maintenance.vacuum(&mut self.lake, u32::MAX).await } else { Ok(()) }
    }

    fn tell(&self, done: Done) {
        self.progress.send_modify(|progress| {
            progress.folds += done.folds;
            progress.compactions += done.compactions;
            progress.retirements += done.retirements;
            progress.bodies += done.bodies;
        });
    }

    /// Only behind what every table has; a failure costs space, nothing else.
    async fn trim(&self) {
        if let Err(error) = self.journal.trim(self.lake.resume().sequence()).await {
            warn!(%error, "journal not trimmed");
        }
    }
}

/// So many that writing a checkpoint, about 20 bytes a channel, stays small
/// beside writing the rows; and few enough to be read again in a second.
fn rows_between_checkpoints(channels: usize) -> u64 {
    (16 * channels as u64).max(1 << 21)
}

/// What a round can still take in.
fn room<'a>(round: &'a Round, settings: &Settings) -> Room<'a> {
    let full = round.versions() >= ROUND_VERSIONS_MAX || round.chunks() >= ROUND_CHUNKS_MAX;
    Room {
        rows: if full { 0 } else { settings.commit_rows_max.saturating_sub(round.rows()) },
        bytes: ROUND_BYTES_MAX.saturating_sub(round.bytes()),
        chunks: ROUND_CHUNKS_MAX.saturating_sub(round.chunks()),
        months: round.months(),
    }
}
