//! Keeping the lake in shape: folds, retirement, compaction, vacuum.
//!
//! Promise: at most one job at a time, its files written beside the rounds and
//! committed between two of them; so a fold and a commit cannot meet, and a
//! round waits for neither unless corrections come faster than they are folded.

use std::sync::Arc;
use std::time::Duration;

use host::Clock;
use journal::{Archive, Journal};
use store::{
    CompactLimits, CompactWork, FoldWork, Lake, LookedThrough, OVERLAY_ROWS_MAX, Retention, RetireWork, Table,
};
use tokio::task::JoinHandle;
use tracing::{debug, info};

use crate::{Error, bodies};

/// When the lake is put in order.
#[derive(Clone, Debug)]
pub struct MaintainSettings {
    /// Corrections waiting in the overlay before a fold rewrites what they correct.
    pub fold_rows: u64,
    /// Files of the overlay before a fold.
    pub fold_files: usize,
    /// Small files in one partition before they are merged.
    pub compact_files: usize,
    /// How long what is kept.
    pub retain: Retention,
    /// What has become old enough to go is looked for this often where nothing comes.
    pub look_every: Duration,
    /// Files that no table refers to any more are kept this long.
    pub vacuum_after: Duration,
    /// A vacuum lists every directory of the lake: seldom enough not to be noticed.
    pub rounds_between_vacuums: u32,
    /// For trials: files are written at once and committed after the next round,
    /// so that what happens in which order does not depend on the machine.
    #[doc(hidden)]
    pub in_step: bool,
}

/// From here on a round waits for the fold: with a round more the overlay is not full yet.
const OVERLAY_ROWS_TO_WAIT: u64 = OVERLAY_ROWS_MAX / 2;

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    pub folds: u64,
    pub compactions: u64,
    /// Files that lost rows which are over.
    pub retirements: u64,
    /// Bodies that went from the archive.
    pub bodies: u64,
}

impl Done {
    fn add(&mut self, more: Done) {
        self.folds += more.folds;
        self.compactions += more.compactions;
        self.retirements += more.retirements;
        self.bodies += more.bodies;
    }
}

enum Work {
    Fold(FoldWork),
    Compaction(CompactWork),
    Retirement(Box<RetireWork>),
    /// So many bodies were removed; that needs no commit.
    Bodies(u64),
}

impl Work {
    /// What the debug events call it.
    fn phase(&self) -> &'static str {
        match self {
            Work::Fold(_) => "fold",
            Work::Compaction(_) => "compaction",
            Work::Retirement(_) => "retirement",
            Work::Bodies(_) => "bodies",
        }
    }
}

enum Job {
    Running(JoinHandle<Result<Work, Error>>),
    Written(Work),
}

/// The one task that does all of it.
pub struct Maintenance {
    settings: MaintainSettings,
    archive: Arc<Archive>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    job: Option<Job>,
    /// When bodies that are over are looked for, on the monotonic clock.
    bodies_due: Duration,
    /// Counted in rounds.
    next_vacuum: u32,
    /// Files that hold nothing that is over, though their bounds say they may.
    looked_through: LookedThrough,
}

/// Paths that are remembered; past that all are looked through again.
const LOOKED_THROUGH_MAX: usize = 100_000;
/// All sources are read for it. Far more than a journal takes to write what it was given,
/// as the archive asks.
const BODIES_EVERY: Duration = Duration::from_secs(3_600);

impl Maintenance {
    pub fn new(
        settings: MaintainSettings,
        archive: Arc<Archive>,
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
    ) -> Maintenance {
        let next_vacuum = settings.rounds_between_vacuums;
        let (bodies_due, looked_through) = (clock.monotonic(), LookedThrough::new());
        Maintenance { settings, archive, journal, clock, job: None, bodies_due, next_vacuum, looked_through }
    }

    /// Ends when the files of the job at work are written; never if there is none.
    pub async fn written(&mut self) -> Result<(), Error> {
        let Some(Job::Running(running)) = &mut self.job else { return std::future::pending().await };
        let work = running.await.map_err(|e| Error::Stage(e.to_string()))??;
        debug!(phase = work.phase(), "ends");
        self.job = Some(Job::Written(work));
        Ok(())
    }

    /// Between two rounds: commits what is written, and begins what is due.
    pub async fn step(&mut self, lake: &mut Lake) -> Result<Done, Error> {
        if matches!(&self.job, Some(Job::Running(running)) if running.is_finished()) {
            self.written().await?;
        }
        let mut done = self.commit(lake).await?;
        self.begin(lake);
        if self.settings.in_step && matches!(self.job, Some(Job::Running(_))) {
            self.written().await?;
        }
        while lake.corrections_waiting() >= OVERLAY_ROWS_TO_WAIT {
            done.add(self.finish_one(lake).await?);
        }
        Ok(done)
    }

    /// Does all that is due, to its end.
    pub async fn settle(&mut self, lake: &mut Lake) -> Result<Done, Error> {
        let mut done = Done::default();
        loop {
            self.begin(lake);
            if self.job.is_none() {
                return Ok(done);
            }
            done.add(self.finish_one(lake).await?);
        }
    }

    /// Lets the job at work end early; what it wrote is swept away later.
    pub async fn give_up(&mut self, lake: &Lake) {
        lake.give_up_jobs();
        if let Some(Job::Running(running)) = self.job.take()
            && let Ok(Err(error)) = running.await
        {
            debug!(%error, "maintenance given up");
        }
    }

    /// Takes away what nothing refers to any more, if it is time after so many rounds.
    pub async fn vacuum(&mut self, lake: &mut Lake, rounds: u32) -> Result<(), Error> {
        // What a job has written belongs to no table yet.
        if rounds < self.next_vacuum || self.job.is_some() {
            return Ok(());
        }
        self.next_vacuum = rounds.saturating_add(self.settings.rounds_between_vacuums);
        debug!(phase = "vacuum", "begins");
        let report = lake.vacuum(self.settings.vacuum_after).await?;
        debug!(phase = "vacuum", "ends");
        if report.files > 0 {
            info!(?report, "vacuumed");
        }
        Ok(())
    }

    /// Waits for the job at work, or the next one due, and commits it.
    async fn finish_one(&mut self, lake: &mut Lake) -> Result<Done, Error> {
        if self.job.is_none() {
            self.begin(lake);
        }
        if let Some(Job::Running(_)) = self.job {
            self.written().await?;
        }
        self.commit(lake).await
    }

    /// The debug events mark where a phase begins and ends, for whoever wants to
    /// break it there: once while its files are written, once while they are committed.
    fn begin(&mut self, lake: &Lake) {
        if self.job.is_some() {
            return;
        }
        let limits = CompactLimits { files_min: self.settings.compact_files, ..CompactLimits::default() };
        let running = if let Some(job) = lake.fold_job().filter(|_| self.fold_due(lake)) {
            debug!(phase = "fold", "begins");
            tokio::task::spawn_blocking(move || Ok(Work::Fold(job.run()?)))
        } else if self.is_time_for_bodies() {
            debug!(phase = "bodies", "begins");
            let (archive, journal) = (self.archive.clone(), self.journal.clone());
            let (snapshot, retain, now) = (lake.snapshot(), self.settings.retain.archive.clone(), self.clock.now());
            tokio::spawn(
                async move { Ok(Work::Bodies(bodies::remove_over(archive, journal, snapshot, retain, now).await)) },
            )
        } else if let Some(job) = lake.retire_job(&self.settings.retain, &self.looked_through) {
            debug!(phase = "retirement", "begins");
            let archive = self.archive.clone();
            // What cannot be looked for may be there.
            let has_body = move |sha256: &[u8; 32]| archive.has(sha256).unwrap_or(true);
            tokio::task::spawn_blocking(move || Ok(Work::Retirement(Box::new(job.run(&has_body)?))))
        } else if let Some(job) = lake.compact_job(limits) {
            debug!(phase = "compaction", "begins");
            tokio::task::spawn_blocking(move || Ok(Work::Compaction(job.run()?)))
        } else {
            return;
        };
        self.job = Some(Job::Running(running));
    }

    async fn commit(&mut self, lake: &mut Lake) -> Result<Done, Error> {
        let written = self.job.take_if(|job| matches!(job, Job::Written(_)));
        let Some(Job::Written(work)) = written else { return Ok(Done::default()) };
        let phase = work.phase();
        debug!(phase, "begins");
        let done = match work {
            Work::Fold(work) => {
                let report = lake.finish_fold(work).await?;
                info!(?report, "corrections folded");
                Done { folds: 1, ..Done::default() }
            }
            Work::Compaction(work) => {
                let report = lake.finish_compaction(work).await?;
                info!(?report, "files merged");
                Done { compactions: 1, ..Done::default() }
            }
            Work::Retirement(work) => self.retire(lake, *work).await?,
            Work::Bodies(bodies) => Done { bodies, ..Done::default() },
        };
        debug!(phase, "ends");
        Ok(done)
    }

    async fn retire(&mut self, lake: &mut Lake, work: RetireWork) -> Result<Done, Error> {
        let looked_through = work.looked_through();
        let Some(report) = lake.finish_retirement(work).await? else { return Ok(Done::default()) };
        if report.gone.is_empty() {
            if self.looked_through.len() >= LOOKED_THROUGH_MAX {
                self.looked_through.clear();
            }
            self.looked_through.extend([looked_through]);
            return Ok(Done::default());
        }
        let (table, month) = (report.table.name(), report.month);
        for (tenant, rows) in &report.gone {
            info!(tenant = tenant.0, table, month, rows, "rows are over: older than the settings keep them");
        }
        Ok(Done { retirements: 1, ..Done::default() })
    }

    /// Whether bodies that are over should be looked for now; not again for a while then.
    fn is_time_for_bodies(&mut self) -> bool {
        let now = self.clock.monotonic();
        if now < self.bodies_due {
            return false;
        }
        self.bodies_due = now + BODIES_EVERY;
        let goes = self.settings.retain.archive != Default::default();
        if !goes {
            // Else what was put would be remembered for a removal that never comes.
            drop(self.archive.removing());
        }
        goes
    }

    /// Whether corrections should be folded now.
    fn fold_due(&self, lake: &Lake) -> bool {
        let overlay = lake.snapshot().files(Table::Overlay).len();
        lake.retirement_needs_fold(&self.settings.retain, &self.looked_through)
            || lake.fold_due()
            || lake.corrections_waiting() >= self.settings.fold_rows
            || overlay >= self.settings.fold_files
    }
}
