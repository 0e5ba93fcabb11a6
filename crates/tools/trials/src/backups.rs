//! The real server and the real backup command, killed while a backup is taken.
//!
//! Promise: whoever dies and when, what lies in the backup's directory is one moment of
//! the house, whole, or `restore` refuses it and says so. A moment that was whole before
//! stands until a later one does. Restored, it holds every record below the one it names
//! and nothing else, and what was acknowledged before it was asked for is among them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use host::Seeded;

use crate::compared::stored;
use crate::ingest::Senders;
use crate::lives::Lives;
use crate::server::{Binary, Server};

/// Lives on one directory, all with one place for their backups.
const LIVES_PER_HOUSE: usize = 12;
/// A life goes on for at most so long before a backup is asked for.
const LIFE_MAX_MS: u64 = 800;
/// How long a backup is thought to take before one was seen.
const BACKUP_GUESS: Duration = Duration::from_millis(400);

/// How much is tried.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The meterhouse to try.
    pub binary: PathBuf,
    /// Names the run: the same seed sends and kills alike, as far as threads allow.
    pub seed: u64,
    /// Backups asked for.
    pub times: u64,
}

/// What was tried.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// As the plan says.
    pub seed: u64,
    /// Backups asked for.
    pub times: u64,
    /// Of those, how often the command, the server or both were killed meanwhile.
    pub killed: [u64; 3],
    /// The command said that it was done.
    pub done: u64,
    /// Restored, and found to be one moment.
    pub whole: u64,
    /// Refused by `restore`, for no backup had come to its end yet.
    pub refused: u64,
    /// Standing in the houses themselves at their end.
    pub readings: u64,
    /// What was lost, doubled, changed or silently short, in words.
    pub failures: Vec<String>,
    /// By the wall clock.
    pub took: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dies {
    Command,
    Server,
    Both,
    Nobody,
}

/// Life after life: first while no backup is whole yet, and then over one that is.
const DIES: [Dies; 4] = [Dies::Server, Dies::Nobody, Dies::Command, Dies::Both];

/// Asks for backups until the plan is fulfilled or something is wrong.
pub fn run(plan: &Plan, on_backup: &mut dyn FnMut(&Report)) -> anyhow::Result<Report> {
    let started = Instant::now();
    let mut report = Report { seed: plan.seed, ..Report::default() };
    let mut seed = Seeded::new(plan.seed);
    while report.failures.is_empty() && report.times < plan.times {
        let dir = tempfile::Builder::new().prefix("meterhouse-trials-").tempdir()?;
        let lives = Lives::new(plan.binary.clone(), dir.path(), dir.path(), seed.draw())?;
        let house = House { backup: dir.path().join("backup"), restored: dir.path().join("restored"), lives };
        if let Err(error) = house.live(plan, &mut seed, &mut report, on_backup) {
            let (salt, kept) = (house.lives.salt, dir.keep());
            report.failures.push(format!(
                "salt {salt}, backup {}: {error:#}; kept in {}",
                report.times,
                kept.display()
            ));
        }
    }
    report.took = started.elapsed();
    Ok(report)
}

struct House {
    lives: Lives,
    backup: PathBuf,
    restored: PathBuf,
}

impl House {
    fn live(
        &self,
        plan: &Plan,
        seed: &mut Seeded,
        report: &mut Report,
        on_backup: &mut dyn FnMut(&Report),
    ) -> anyhow::Result<()> {
        let senders = self.lives.senders(false)?;
        let (mut least, mut takes) = (0, BACKUP_GUESS);
        for dies in DIES.into_iter().cycle().take(LIVES_PER_HOUSE) {
            if report.times == plan.times {
                break;
            }
            let said = self.asked(dies, &senders, seed, &mut takes, &mut least)?;
            report.times += 1;
            if let Some(killed) = report.killed.get_mut(dies as usize) {
                *killed += 1;
            }
            report.done += u64::from(said.is_some());
            self.look(said, &senders, &mut least, report).with_context(|| format!("{dies:?} killed"))?;
            on_backup(report);
        }
        let (_, compared) = self.lives.end(senders)?;
        report.readings += compared.readings;
        Ok(())
    }

    /// A life in which a backup is asked for; which moment it is of, where the command
    /// said that it is done. `least` grows to what a done one must hold.
    fn asked(
        &self,
        dies: Dies,
        senders: &Senders,
        seed: &mut Seeded,
        takes: &mut Duration,
        least: &mut u64,
    ) -> anyhow::Result<Option<u64>> {
        let server = Server::start(&self.lives.binary).context("a start after a kill")?;
        senders.talk_to(Some(server.address));
        std::thread::sleep(Duration::from_millis(seed.below(LIFE_MAX_MS)));
        let before = senders.acknowledged().keys().last().copied().unwrap_or(0);
        let begun = Instant::now();
        let mut command = self.lives.binary.begin(&["--json", "backup", "--to", path(&self.backup)?])?;
        // Sometimes it is done by then.
        let after = Duration::from_micros(seed.below(u64::try_from(takes.as_micros() * 5 / 4)?.max(1)));
        if dies != Dies::Nobody {
            std::thread::sleep(after);
        }
        if matches!(dies, Dies::Command | Dies::Both) {
            // It may have ended by itself, which its answer tells.
            let _ = command.kill();
        }
        let server = match dies {
            Dies::Server | Dies::Both => {
                killed(server)?;
                None
            }
            _ => Some(server),
        };
        let said = answered(command)?;
        if dies == Dies::Nobody {
            *takes = begun.elapsed();
            ensure!(said.is_some(), "nobody was killed, and the backup was not done");
        }
        server.map_or(Ok(()), killed)?;
        senders.talk_to(None);
        senders.quiet();
        if let Some(next) = said {
            ensure!(next > before, "done with records below {next}, and {before} was acknowledged before");
            *least = next;
        }
        Ok(said)
    }

    /// What lies there, restored.
    fn look(&self, said: Option<u64>, senders: &Senders, least: &mut u64, report: &mut Report) -> anyhow::Result<()> {
        let manifest = std::fs::read(self.backup.join("manifest.json")).ok();
        let manifest = manifest.map(|bytes| moment(&bytes)).transpose().context("manifest")?;
        let house =
            Binary::new(self.lives.binary.path.clone(), self.restored.clone(), self.lives.binary.settings.clone());
        let answer = house.ask(&["restore", "--from", path(&self.backup)?])?;
        let Some(next_sequence) = manifest else {
            ensure!(said.is_none() && *least == 0, "a backup was whole, and its manifest is gone");
            ensure!(answer.code.is_some_and(|code| code != 0), "no manifest, and restored: {}", answer.out);
            ensure!(!answer.err.trim().is_empty(), "refused without a word");
            ensure!(!self.restored.join("format.json").exists(), "refused, and left a data directory");
            report.refused += 1;
            return Ok(());
        };
        answer.good().context("restore")?;
        ensure!(next_sequence >= *least, "of {next_sequence}, and one of {least} was whole before");
        ensure!(said.is_none_or(|said| said == next_sequence), "said {said:?}, and is of {next_sequence}");
        *least = next_sequence;
        stored(&house, self.lives.salt, &senders.until(next_sequence)).context("restored")?;
        let records =
            house.ask(&["sql", "--format", "csv", "select count(distinct seq), max(seq) from sources"])?.good()?;
        let last = next_sequence - 1;
        let expected = if last == 0 { "0,".to_owned() } else { format!("{last},{last}") };
        ensure!(records.lines().nth(1) == Some(&expected), "of {next_sequence}, and its records are {records:?}");
        std::fs::remove_dir_all(&self.restored)?;
        report.whole += 1;
        Ok(())
    }
}

fn killed(server: Server) -> anyhow::Result<()> {
    let (_, log) = server.kill();
    ensure!(!log.contains("panicked"), "the server panicked: {log}");
    Ok(())
}

/// Which moment the command says the backup is of; none where it did not end well.
fn answered(command: Child) -> anyhow::Result<Option<u64>> {
    let output = command.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("panicked") {
        bail!("the command panicked: {said}");
    }
    if !output.status.success() {
        return Ok(None);
    }
    Ok(Some(moment(&output.stdout).context("the command's answer")?))
}

/// Which moment it is of: the command's answer tells it, and the manifest in its envelope.
fn moment(json: &[u8]) -> anyhow::Result<u64> {
    let said: serde_json::Value = serde_json::from_slice(json)?;
    said.get("backup").unwrap_or(&said)["next_sequence"].as_u64().context("no next_sequence")
}

fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a temporary directory has a plain name")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { seed, times, killed: [command, server, both], done, whole, refused, readings, .. } = self;
        writeln!(f, "seed {seed}, {:.0} s", self.took.as_secs_f64())?;
        writeln!(f, "{times} backups; killed meanwhile: {command} commands, {server} servers, {both} times both")?;
        writeln!(f, "{done} said to be done; {whole} restored whole, {refused} refused")?;
        writeln!(f, "{readings} readings in the houses at their end")?;
        writeln!(f, "failures: {}", self.failures.len())
    }
}
