//! The real binary, killed while it works, until every phase was hit often.
//!
//! Promise: after each few kills the directory is verified and compared with
//! what the senders know; a failure keeps the directory and says where it is.
//! A kill counts as inside a phase if the log told of its beginning and never of
//! its end; as inside an append if a request was without its answer.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use host::Seeded;

use crate::compared::Compared;
use crate::doors::Door;
use crate::ingest::Ledger;
use crate::lives::Lives;
use crate::phases::Machine;
use crate::server::Server;

/// Kills between two comparisons, on one directory.
const KILLS_PER_HOUSE: u64 = 25;
/// A phase that does not come in this time is not waited for.
const PHASE_WAIT_MAX: Duration = Duration::from_secs(15);
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
        let lives = Lives::new(plan.binary.clone(), dir.path(), dir.path(), seed.draw())?;
        let lived = live(plan, &lives, &mut seed, &mut report, on_kill);
        if let Err(error) = lived {
            let kept = dir.keep();
            let (salt, kept) = (lives.salt, kept.display());
            report.failures.push(format!("salt {salt}, kill {}: {error:#}; kept in {kept}", report.kills));
        }
    }
    report.took = started.elapsed();
    Ok(report)
}

/// One directory: killed and started again and again, then compared.
fn live(
    plan: &Plan,
    lives: &Lives,
    seed: &mut Seeded,
    report: &mut Report,
    on_kill: &mut dyn FnMut(&Report),
) -> anyhow::Result<()> {
    let senders = lives.senders(false)?;
    for _ in 0..KILLS_PER_HOUSE {
        let Some(target) = report.wants(plan) else { break };
        let server = Server::start(&lives.binary).context("a start after a kill")?;
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
    let (ledger, compared) = lives.end(senders)?;
    report.comparisons += 1;
    report.tell(&ledger, lives.salt, &compared);
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
