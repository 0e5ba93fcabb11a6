//! What befalls a machine beside a kill: the power, its clock, its memory, its time.
//!
//! Promise: the real binary works for senders on every way in while it happens again and
//! again on one directory; then the directory is verified and compared with what the
//! senders know, as after kills. A hardship that this machine cannot make is an error
//! that says what it takes.
//!
//! Read: `hardships/volume.rs` (a disk whose power fails), `hardships/skew.rs` (a clock
//! that jumps).

mod volume;
mod skew;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use host::Seeded;

use self::skew::Skew;
use self::volume::Volume;
use crate::ingest::{Ledger, Senders};
use crate::lives::Lives;
use crate::server::Server;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hardship {
    /// A real file system loses all that was not synced.
    PowerCut,
    /// The process stands still, and goes on.
    Standstill,
    /// The wall clock jumps, forward by hours and back by years.
    ClockJump,
    /// The process is refused memory.
    ShortMemory,
}

impl Hardship {
    /// In the order of the reports.
    pub const ALL: [Hardship; 4] =
        [Hardship::PowerCut, Hardship::Standstill, Hardship::ClockJump, Hardship::ShortMemory];

    /// As commands and reports call it.
    pub fn name(self) -> &'static str {
        match self {
            Hardship::PowerCut => "power",
            Hardship::Standstill => "standstill",
            Hardship::ClockJump => "clock",
            Hardship::ShortMemory => "memory",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Hardship> {
        Hardship::ALL.into_iter().find(|hardship| hardship.name() == name)
    }
}

/// Lives between two comparisons, on one directory.
const LIVES_PER_HOUSE: u64 = 20;
/// A life lasts at most so long.
const LIFE_MAX_MS: u64 = 2_000;
/// What a process may hold: from too little for a start to enough for a while.
const MEMORY_MIN_MIB: u64 = 80;
const MEMORY_MAX_MIB: u64 = 400;

/// How much is tried.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The meterhouse to try.
    pub binary: PathBuf,
    /// Names the run: the same seed sends and strikes alike, as far as threads allow.
    pub seed: u64,
    /// What happens.
    pub hardship: Hardship,
    /// How often.
    pub times: u64,
}

/// What was tried.
#[derive(Clone, Debug)]
pub struct Report {
    /// As the plan says.
    pub seed: u64,
    /// What happened.
    pub hardship: Hardship,
    /// How often.
    pub times: u64,
    /// Lives that ended by it, not by us: a start or a server that did not bear it.
    pub ended_by_it: u64,
    /// Bodies the server said it has.
    pub acknowledged: u64,
    /// Sent without an answer: each of them may be there or not.
    pub in_doubt: u64,
    /// How often what is stored was compared with what was sent.
    pub comparisons: u64,
    /// Standing at the end.
    pub readings: u64,
    /// What was lost, doubled or changed, in words.
    pub failures: Vec<String>,
    /// By the wall clock.
    pub took: Duration,
}

/// Strikes until the plan is fulfilled or something is wrong.
pub fn run(plan: &Plan, on_strike: &mut dyn FnMut(&Report)) -> anyhow::Result<Report> {
    let started = Instant::now();
    let mut report = Report::new(plan);
    let mut seed = Seeded::new(plan.seed);
    while report.failures.is_empty() && report.times < plan.times {
        let dir = tempfile::Builder::new().prefix("meterhouse-trials-").tempdir()?;
        let salt = seed.draw();
        let mut house = House::new(plan, dir.path(), salt)?;
        if let Err(error) = house.live(plan, &mut seed, &mut report, on_strike) {
            let said = format!("salt {salt}, {} {}: {error:#}", plan.hardship.name(), report.times);
            // What lies on a volume goes with it.
            let kept = house.volume.is_none().then(|| dir.keep());
            let kept = kept.map_or_else(String::new, |dir| format!("; kept in {}", dir.display()));
            report.failures.push(said + &kept);
        }
    }
    report.took = started.elapsed();
    Ok(report)
}

/// One directory, and what it takes to strike it.
struct House {
    lives: Lives,
    volume: Option<Volume>,
    skew: Option<Skew>,
}

impl House {
    fn new(plan: &Plan, dir: &Path, salt: u64) -> anyhow::Result<House> {
        let volume = (plan.hardship == Hardship::PowerCut).then(|| Volume::new(dir)).transpose()?;
        let skew = (plan.hardship == Hardship::ClockJump).then(|| Skew::new(dir)).transpose()?;
        let data_below = volume.as_ref().map_or(dir, Volume::path);
        let mut lives = Lives::new(plan.binary.clone(), dir, data_below, salt)?;
        if let Some(skew) = &skew {
            lives.binary.environment.extend(skew.environment());
        }
        Ok(House { lives, volume, skew })
    }

    fn live(
        &mut self,
        plan: &Plan,
        seed: &mut Seeded,
        report: &mut Report,
        on_strike: &mut dyn FnMut(&Report),
    ) -> anyhow::Result<()> {
        let senders = self.lives.senders(self.volume.is_some())?;
        for _ in 0..LIVES_PER_HOUSE {
            if report.times == plan.times {
                break;
            }
            let ended_by_it = self.life(plan.hardship, &senders, seed)?;
            report.times += 1;
            report.ended_by_it += u64::from(ended_by_it);
            on_strike(report);
        }
        // The last one has no hardship.
        self.lives.binary.around.clear();
        let (ledger, compared) = self.lives.end(senders)?;
        report.tell(&ledger, compared.readings);
        Ok(())
    }

    /// Starts a server, strikes, and sees it dead; true if the strike was its end.
    fn life(&mut self, hardship: Hardship, senders: &Senders, seed: &mut Seeded) -> anyhow::Result<bool> {
        if hardship == Hardship::ShortMemory {
            let mib = MEMORY_MIN_MIB + seed.below(MEMORY_MAX_MIB - MEMORY_MIN_MIB);
            self.lives.binary.around = vec!["prlimit".into(), format!("--data={}", mib << 20)];
        }
        let server = match Server::start(&self.lives.binary) {
            Ok(server) => server,
            // Too little even for a start: nothing was acknowledged by it.
            Err(_) if hardship == Hardship::ShortMemory => return Ok(true),
            Err(error) => return Err(error).context("a start after a hardship"),
        };
        senders.talk_to(Some(server.address));
        let wait = |seed: &mut Seeded, most: u64| std::thread::sleep(Duration::from_millis(seed.below(most)));
        wait(seed, LIFE_MAX_MS);
        match hardship {
            Hardship::PowerCut => {
                senders.believe(false);
                self.volume.as_mut().context("its volume")?.cut()?;
            }
            Hardship::Standstill => {
                for _ in 0..=seed.below(3) {
                    server.stand_still(Duration::from_millis(seed.below(LIFE_MAX_MS)))?;
                    wait(seed, 300);
                }
            }
            Hardship::ClockJump => {
                for _ in 0..=seed.below(3) {
                    self.skew.as_mut().context("its clock")?.jump(seed)?;
                    wait(seed, 300);
                }
            }
            Hardship::ShortMemory => wait(seed, LIFE_MAX_MS),
        }
        let ended_by_it = server.has_ended();
        let (_, log) = server.kill();
        senders.talk_to(None);
        senders.quiet();
        senders.believe(true);
        if let Some(volume) = &mut self.volume {
            volume.power_on()?;
        }
        // A thread that the system refuses is told of by a panic of the library that asked for it.
        let may_panic = hardship == Hardship::ShortMemory;
        ensure!(may_panic || !log.contains("panicked"), "the server panicked: {log}");
        Ok(ended_by_it)
    }
}

/// Runs a program to its end; an error with what it said if it does not end well.
fn done(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output = std::process::Command::new(program).args(arguments).output();
    let output = output.with_context(|| format!("{program} does not start; is it installed?"))?;
    if !output.status.success() {
        bail!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

impl Report {
    fn new(plan: &Plan) -> Report {
        Report {
            seed: plan.seed,
            hardship: plan.hardship,
            times: 0,
            ended_by_it: 0,
            acknowledged: 0,
            in_doubt: 0,
            comparisons: 0,
            readings: 0,
            failures: Vec::new(),
            took: Duration::ZERO,
        }
    }

    fn tell(&mut self, ledger: &Ledger, readings: u64) {
        self.acknowledged += (ledger.acknowledged.len() + ledger.dropped.len()) as u64;
        self.in_doubt += ledger.unanswered.len() as u64;
        self.comparisons += 1;
        self.readings += readings;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { seed, times, ended_by_it, acknowledged, in_doubt, comparisons, readings, .. } = self;
        writeln!(f, "seed {seed}, {:.0} s", self.took.as_secs_f64())?;
        writeln!(f, "{} {times:>6}, of which {ended_by_it} ended the server", self.hardship.name())?;
        writeln!(f, "{acknowledged} bodies acknowledged, {in_doubt} in doubt")?;
        writeln!(f, "{comparisons} comparisons: {readings} readings")?;
        writeln!(f, "failures: {}", self.failures.len())
    }
}
