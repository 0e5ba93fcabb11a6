//! The real binary, killed while it works, until every phase was hit often.
//!
//! Promise: after each few kills the directory is verified and compared with
//! what the senders know; a failure keeps the directory and says where it is.
//! A kill counts as inside a phase if the log told of its beginning and never of
//! its end; as inside an append if a request was without its answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use host::Seeded;
use meter::{Decimal, Timestamp};

use crate::ingest::{self, Ledger, MARKS, Senders};
use crate::oracle::{Heard, Oracle, Version};
use crate::phases::Machine;
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
";
/// Senders at once: at nearly any moment someone waits for an answer.
const SENDERS: usize = 4;
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
    /// Bodies the server said it has.
    pub acknowledged: u64,
    /// Bodies sent without an answer: each may be there or not.
    pub in_doubt: u64,
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
        let settings = dir.path().join("settings.toml");
        std::fs::write(&settings, SETTINGS)?;
        let binary = Binary { path: plan.binary.clone(), data_dir: dir.path().join("data"), settings };
        let salt = seed.draw();
        let lived = live(plan, &binary, salt, &mut seed, &mut report, on_kill);
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
    salt: u64,
    seed: &mut Seeded,
    report: &mut Report,
    on_kill: &mut dyn FnMut(&Report),
) -> anyhow::Result<()> {
    let senders = Senders::start(SENDERS, binary.token()?, salt);
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
    server.stop().context("SIGTERM")?;
    report.comparisons += 1;
    compare(binary, salt, &ledger, report)
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
}

/// Verifies the directory and compares it with what the senders know.
fn compare(binary: &Binary, salt: u64, ledger: &Ledger, report: &mut Report) -> anyhow::Result<()> {
    if let Some(broken) = &ledger.broken {
        bail!("{broken}");
    }
    binary.ask(&["--json", "verify"])?.good().context("verify")?;
    let standing = binary.ask(&["export", "readings"])?.good().context("export")?;
    let standing = lines(&standing, exported)?;
    let asked = binary.ask(&["sql", "--format", "csv", HISTORY])?.good().context("sql")?;
    let earlier = lines(&asked, earlier)?;
    let stored: BTreeSet<u64> = lines(
        &binary.ask(&["sql", "--format", "csv", "select distinct seq from sources"])?.good().context("sql")?,
        |line| line.parse().ok(),
    )?
    .into_iter()
    .collect();
    if let Some((lost, number)) = ledger.acknowledged.iter().find(|(sequence, _)| !stored.contains(sequence)) {
        bail!("record {lost} (body {number}) was acknowledged and is not in sources");
    }

    let present: BTreeSet<usize> =
        standing.iter().filter(|said| said.point == MARKS).filter_map(|said| ingest::marked(said.start)).collect();
    let said_by = |numbers: &mut dyn Iterator<Item = usize>| -> BTreeSet<usize> {
        numbers.map(|number| ingest::said_by(number, salt)).collect()
    };
    let acknowledged = said_by(&mut ledger.acknowledged.values().copied());
    let in_doubt = said_by(&mut ledger.unanswered.iter().copied());
    if let Some(lost) = acknowledged.difference(&present).next() {
        bail!("body {lost} was acknowledged and its mark is not there");
    }
    if let Some(made_up) = present.iter().find(|number| !acknowledged.contains(number) && !in_doubt.contains(number)) {
        bail!("body {made_up} is there and nobody sent it");
    }
    let mut oracle = Oracle::default();
    for number in &present {
        let sent = ingest::body(*number, salt);
        oracle.hears(&Heard { sequence: *number as u64 + 1, received_at: RECEIVED, sent: &sent });
    }
    let (expected_standing, expected_earlier) = oracle.tables();
    same("standing", standing, expected_standing.iter().map(|version| Line::of(version, false)))?;
    same("earlier", earlier, expected_earlier.iter().map(|version| Line::of(version, true)))?;
    report.acknowledged += ledger.acknowledged.len() as u64;
    report.in_doubt += ledger.unanswered.len() as u64;
    report.readings += expected_standing.len() as u64;
    report.earlier += expected_earlier.len() as u64;
    Ok(())
}

/// 2025-12-01T00:00:00Z: later than all that is sent, and nothing depends on it.
const RECEIVED: Timestamp = Timestamp(1_764_547_200_000_000);
const HISTORY: &str = "select point, cast(start as bigint) as start, value, scale, \
    cast(message_time as bigint) as message_time, cast(issued_at as bigint) as issued_at from readings_history";

/// A reading as both sides tell of it; times of messages only where both do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    point: String,
    start: Timestamp,
    value: i128,
    said: Option<(Timestamp, Timestamp)>,
}

impl Line {
    fn of(version: &Version, with_times: bool) -> Line {
        Line {
            point: version.key.point.clone(),
            start: version.key.start,
            value: version.content.value,
            said: with_times.then_some((version.message_time, version.issued_at)),
        }
    }
}

fn lines<T>(csv: &str, read: impl Fn(&str) -> Option<T>) -> anyhow::Result<Vec<T>> {
    let read = |line: &str| read(line).with_context(|| format!("a line nobody expects: {line:?}"));
    csv.lines().skip(1).map(read).collect()
}

/// A line of the export: `point,device,register,start,end,value,…`.
fn exported(line: &str) -> Option<Line> {
    let fields: Vec<&str> = line.split(',').collect();
    let [point, _, _, start, _, value, ..] = fields[..] else { return None };
    let value = Decimal::parse(value).ok()?.at_scale_18();
    Some(Line { point: point.into(), start: Timestamp::parse(start).ok()?, value, said: None })
}

/// A line of the answer to [`HISTORY`].
fn earlier(line: &str) -> Option<Line> {
    let (point, numbers) = line.split_once(',')?;
    let numbers: Vec<i64> = numbers.split(',').map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let [start, value, scale, message_time, issued_at] = numbers[..] else { return None };
    let value = Decimal::new(value, u8::try_from(scale).ok()?).at_scale_18();
    let said = Some((Timestamp(message_time), Timestamp(issued_at)));
    Some(Line { point: point.into(), start: Timestamp(start), value, said })
}

fn same(what: &str, mut seen: Vec<Line>, expected: impl Iterator<Item = Line>) -> anyhow::Result<()> {
    let mut expected: Vec<Line> = expected.collect();
    seen.sort();
    expected.sort();
    if seen == expected {
        return Ok(());
    }
    let difference = seen.iter().zip(&expected).find(|(seen, expected)| seen != expected);
    bail!("{} {what} readings, should be {}; the first that differs: {difference:?}", seen.len(), expected.len())
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
        writeln!(
            f,
            "{} comparisons: {} acknowledged, {} in doubt, {} readings, {} earlier versions",
            self.comparisons, self.acknowledged, self.in_doubt, self.readings, self.earlier
        )?;
        writeln!(f, "failures: {}", self.failures.len())
    }
}
