//! The real binary, killed while it works, until every phase was hit often.
//!
//! Promise: after each few kills the directory is verified and compared with
//! what the senders know; a failure keeps the directory and says where it is.
//! A kill counts as inside a phase if the log told of its beginning and never of
//! its end; as inside an append if a request was without its answer.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use host::Seeded;

use crate::compared::{Compared, compare};
use crate::doors::{self, Door};
use crate::ingest::{Ledger, Senders, Sending};
use crate::phases::Machine;
use crate::server::{Binary, Server};

/// Everything small, so that each phase comes several times a second.
pub(crate) const SETTINGS: &str = "[log]
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
/// Kills between two comparisons, on one directory.
const KILLS_PER_HOUSE: u64 = 25;
/// A phase that does not come in this time is not waited for.
const PHASE_WAIT_MAX: Duration = Duration::from_secs(15);
/// The last server has the whole inbox to take, in the dev profile too.
const INBOX_WAIT_MAX: Duration = Duration::from_secs(120);
/// How long a phase is thought to take before one was seen.
const PHASE_GUESS: Duration = Duration::from_millis(60);
/// A server that is killed at random lives at most so long.
const LIFE_MAX_MS: u64 = 2_500;
const PHASES: [Machine; 4] = [Machine::Append, Machine::Commit, Machine::Fold, Machine::Compaction];

/// How much is tried.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The meterhouse to try.
    pub binary: PathBuf,
    /// Names the run: the same seed sends and kills alike, as far as threads allow.
    pub seed: u64,
    /// Kills inside each of append, commit, fold and compaction.
    pub kills_per_phase: u64,
    /// The server's own processor time to be spent under kills at random moments.
    pub cpu_minutes: f64,
}

/// What was tried.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// As the plan says.
    pub seed: u64,
    /// Of both kinds.
    pub kills: u64,
    /// Kills inside each phase; a kill may be inside an append and another.
    pub inside: BTreeMap<Machine, u64>,
    /// Kills at random moments.
    pub random: u64,
    /// The server's own processor time under those.
    pub random_cpu_seconds: f64,
    /// How often what is stored was compared with what was sent.
    pub comparisons: u64,
    /// Bodies the server said it has, by the way they came in, and those sent
    /// without an answer: each of them may be there or not.
    pub doors: BTreeMap<&'static str, (u64, u64)>,
    /// Uploads that went on after a kill.
    pub resumed: u64,
    /// Standing at the end.
    pub readings: u64,
    /// Earlier versions kept at the end.
    pub earlier: u64,
    /// What was lost, doubled or changed, in words.
    pub failures: Vec<String>,
    /// By the wall clock.
    pub took: Duration,
}

/// Kills until the plan is fulfilled or something is wrong.
pub fn run(plan: &Plan, on_kill: &mut dyn FnMut(&Report)) -> anyhow::Result<Report> {
    let started = Instant::now();
    let mut report = Report { seed: plan.seed, ..Report::default() };
    let mut seed = Seeded::new(plan.seed);
    while report.failures.is_empty() && report.wants(plan).is_some() {
        let dir = tempfile::Builder::new().prefix("meterhouse-trials-").tempdir()?;
        let (settings, inbox) = (dir.path().join("settings.toml"), dir.path().join("inbox"));
        std::fs::create_dir(&inbox)?;
        std::fs::write(&settings, format!("{SETTINGS}dir = {:?}\n", inbox.display().to_string()))?;
        let binary = Binary::new(plan.binary.clone(), dir.path().join("data"), settings);
        let salt = seed.draw();
        let lived = live(plan, &binary, &inbox, salt, &mut seed, &mut report, on_kill);
        if let Err(error) = lived {
            let kept = dir.keep();
            report.failures.push(format!("salt {salt}, kill {}: {error:#}; kept in {}", report.kills, kept.display()));
        }
    }
    report.took = started.elapsed();
    Ok(report)
}

/// One directory: killed and started again and again, then compared.
fn live(
    plan: &Plan,
    binary: &Binary,
    inbox: &Path,
    salt: u64,
    seed: &mut Seeded,
    report: &mut Report,
    on_kill: &mut dyn FnMut(&Report),
) -> anyhow::Result<()> {
    let senders = Senders::start(
        SENDERS,
        Sending { token: binary.token()?, inbox: inbox.to_owned(), salt, disk_may_fail: false },
    );
    for _ in 0..KILLS_PER_HOUSE {
        let Some(target) = report.wants(plan) else { break };
        let server = Server::start(binary).context("a start after a kill")?;
        senders.talk_to(Some(server.address));
        wait_for(&server, target, seed);
        let waiting = senders.in_flight();
        let cpu_seconds = server.cpu_seconds();
        let (phases, log) = server.kill();
        senders.talk_to(None);
        senders.quiet();
        ensure!(!log.contains("panicked"), "the server panicked: {log}");
        report.count(target, phases, waiting, cpu_seconds);
        on_kill(report);
    }
    // The last one is let finish.
    let server = Server::start(binary).context("the last start")?;
    senders.talk_to(Some(server.address));
    std::thread::sleep(Duration::from_millis(200));
    senders.talk_to(None);
    senders.quiet();
    let ledger = senders.finish();
    let until = Instant::now() + INBOX_WAIT_MAX;
    while !doors::left_in(inbox)?.is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    server.stop().context("SIGTERM")?;
    report.comparisons += 1;
    report.tell(&ledger, salt, &compare(binary, inbox, salt, &ledger)?);
    Ok(())
}

/// Lets the server work until the moment to die has come.
fn wait_for(server: &Server, target: Target, seed: &mut Seeded) {
    let below = |seed: &mut Seeded, most: Duration| Duration::from_micros(seed.below(most.as_micros().max(1) as u64));
    match target {
        Target::Inside(Machine::Append) => std::thread::sleep(below(seed, Duration::from_millis(300))),
        Target::Inside(phase) => {
            // Some of the first, some of later ones.
            for _ in 0..=seed.below(3) {
                server.wait_for(phase, PHASE_WAIT_MAX);
            }
            std::thread::sleep(below(seed, PHASE_GUESS));
        }
        Target::Anytime => std::thread::sleep(Duration::from_millis(seed.below(LIFE_MAX_MS))),
    }
}

#[derive(Clone, Copy, Debug)]
enum Target {
    Inside(Machine),
    Anytime,
}

impl Report {
    /// What the next kill should hit; none when all is done.
    fn wants(&self, plan: &Plan) -> Option<Target> {
        let hit = |phase: &Machine| self.inside.get(phase).copied().unwrap_or(0);
        let rarest = PHASES.into_iter().min_by_key(hit).filter(|phase| hit(phase) < plan.kills_per_phase);
        let more = self.random_cpu_seconds < plan.cpu_minutes * 60.0;
        rarest.map(Target::Inside).or(more.then_some(Target::Anytime))
    }

    fn count(&mut self, target: Target, phases: Vec<Machine>, waiting: usize, cpu_seconds: f64) {
        self.kills += 1;
        for phase in phases {
            *self.inside.entry(phase).or_default() += 1;
        }
        if waiting > 0 {
            *self.inside.entry(Machine::Append).or_default() += 1;
        }
        if let Target::Anytime = target {
            self.random += 1;
            self.random_cpu_seconds += cpu_seconds;
        }
    }

    fn tell(&mut self, ledger: &Ledger, salt: u64, compared: &Compared) {
        for number in ledger.acknowledged.values().chain(&ledger.dropped) {
            self.doors.entry(Door::of(*number, salt).name()).or_default().0 += 1;
        }
        for number in &ledger.unanswered {
            self.doors.entry(Door::of(*number, salt).name()).or_default().1 += 1;
        }
        self.resumed += ledger.resumed;
        self.readings += compared.readings;
        self.earlier += compared.earlier;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {:.0} s, {} kills", self.seed, self.took.as_secs_f64(), self.kills)?;
        for phase in PHASES {
            let inside = self.inside.get(&phase).copied().unwrap_or(0);
            writeln!(f, "inside {:<12} {inside:>6}", phase.name())?;
        }
        let minutes = self.random_cpu_seconds / 60.0;
        writeln!(f, "at random: {} kills over {minutes:.1} CPU-minutes", self.random)?;
        for door in Door::ALL.map(Door::name) {
            let (acknowledged, in_doubt) = self.doors.get(door).copied().unwrap_or_default();
            writeln!(f, "through {door:<18} {acknowledged:>6} acknowledged, {in_doubt:>3} in doubt")?;
        }
        let Report { comparisons, resumed, readings, earlier, .. } = self;
        writeln!(
            f,
            "{comparisons} comparisons: {readings} readings, {earlier} earlier versions, {resumed} uploads resumed"
        )?;
        writeln!(f, "failures: {}", self.failures.len())
    }
}
