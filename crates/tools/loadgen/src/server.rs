//! The server that is measured: a process of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::line::Line;

/// Half a second each: a round that is not full is committed after ten seconds, and belongs to it.
const QUIET_LOOKS: u32 = 24;
const READY_WITHIN: Duration = Duration::from_secs(600);

/// What is measured, and how it is set.
#[derive(clap::Args)]
pub struct Tested {
    /// The binary to measure
    #[arg(long, default_value = "target/release/meterhouse")]
    binary: PathBuf,
    /// Settings of the server; by default its own, but that the comparison may read everything
    #[arg(long)]
    config: Option<PathBuf>,
}

/// All of a scenario is read back in one answer.
const SETTINGS: &str = "[query]\nrows_max = 1_000_000_000_000\ntime_max_ms = 7_200_000\n";

/// What a process used up since its start.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub cpu_s: f64,
    pub peak_bytes: u64,
    /// Held now, without the pages of files it has mapped or read.
    pub held_bytes: u64,
    /// Given to files and sockets. What proc(5) counts as written to the disk are whole large
    /// pages of the cache, some twenty times of what reaches it.
    pub written_bytes: u64,
}

pub struct Server {
    child: Child,
    dir: PathBuf,
    pub address: String,
    pub token: String,
}

impl Cost {
    pub fn of(process: u32) -> anyhow::Result<Cost> {
        let told = |name: &str| std::fs::read_to_string(format!("/proc/{process}/{name}"));
        let stat = told("stat")?;
        // Behind the name, which may hold anything: fields 14 and 15 of proc(5).
        let (_, fields) = stat.rsplit_once(") ").context("a process's state")?;
        let ticks: u64 = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        let (status, io) = (told("status")?, told("io")?);
        let number = |text: &str, name: &str| -> anyhow::Result<u64> {
            let said = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| name.to_owned())?;
            Ok(said.trim().trim_end_matches(" kB").parse()?)
        };
        Ok(Cost {
            cpu_s: ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
            peak_bytes: number(&status, "VmHWM:")? << 10,
            held_bytes: number(&status, "RssAnon:")? << 10,
            written_bytes: number(&io, "wchar:")?,
        })
    }
}

impl Server {
    pub fn start(tested: &Tested, dir: &Path) -> anyhow::Result<Server> {
        let made = tested.command(dir)?.args(["token", "create", "--scopes", "read,write"]).output();
        let made = made.with_context(|| format!("{}: build it first", tested.binary.display()))?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Server::start_with(tested, dir, String::from_utf8(made.stdout)?.trim().to_owned())
    }

    /// The same with a token that was made before.
    pub fn start_with(tested: &Tested, dir: &Path, token: String) -> anyhow::Result<Server> {
        let mut child = tested
            .command(dir)?
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("RUST_LOG", "info")
            .stderr(Stdio::piped())
            .spawn()
            .context("the server")?;
        let mut lines = BufReader::new(child.stderr.take().context("its log")?).lines();
        let address = loop {
            let line = lines.next().context("the server ended before it listened")??;
            if let Some((_, rest)) = line.split_once("address=") {
                break rest.split_whitespace().next().context("an address")?.to_owned();
            }
        };
        // Its log must go on being read, or the server waits for room in the pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("{line}")));
        Ok(Server { child, dir: dir.to_owned(), address, token })
    }

    pub fn cost(&self) -> anyhow::Result<Cost> {
        Cost::of(self.child.id())
    }

    /// Returns once it answers questions.
    pub async fn ready(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while let Err(error) = Line::ask(&self.address, &self.token, "/readyz").await {
            ensure!(begun.elapsed() < READY_WITHIN, "not ready after {READY_WITHIN:?}: {error}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Returns once everything up to `last` is applied, nothing waits to be committed and nothing is merged any more.
    pub async fn settled(&self, last: u64) -> anyhow::Result<()> {
        let mut quiet = 0;
        let (mut before, mut used) = (String::new(), 0.0);
        for _ in 0..3_600 {
            let metrics = Line::ask(&self.address, &self.token, "/metrics").await?;
            let value = |name: &str| -> Option<u64> {
                metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
            };
            let applied = value("meterhouse_process_applied_sequence ").context("a metric")?;
            let state: Vec<&str> = metrics.lines().filter(|line| line.starts_with("meterhouse_process_")).collect();
            let state = state.join("\n");
            let cpu_s = self.cost()?.cpu_s;
            // A merge of a large file counts nothing for a while, but works.
            let idle = cpu_s - used < 0.1;
            quiet = if applied > last && state == before && idle { quiet + 1 } else { 0 };
            if quiet >= QUIET_LOOKS {
                return Ok(());
            }
            (before, used) = (state, cpu_s);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        bail!("the server does not come to rest in half an hour")
    }

    /// Bytes of what lies in the data directory, by its first level.
    pub fn sizes(&self) -> anyhow::Result<Vec<(String, u64)>> {
        let mut sizes = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            sizes.push((entry.file_name().to_string_lossy().into_owned(), bytes_below(&entry.path())?));
        }
        sizes.sort();
        Ok(sizes)
    }

    /// The sum of a counter of `/metrics`.
    pub async fn counter(&self, name: &str) -> anyhow::Result<u64> {
        let metrics = Line::ask(&self.address, &self.token, "/metrics").await?;
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("a counter {name}"))?.trim().parse()?)
    }

    /// Ends it as a failing machine would.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Lets it drain; an error if it does not end well.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Where it was stopped already, there is nothing to kill.
        let _ = self.child.kill();
    }
}

impl Tested {
    fn command(&self, dir: &Path) -> anyhow::Result<Command> {
        let mut command = Command::new(&self.binary);
        command.arg("--data-dir").arg(dir);
        let config = match &self.config {
            Some(config) => config.clone(),
            None => {
                let config = dir.with_extension("toml");
                std::fs::write(&config, SETTINGS).with_context(|| config.display().to_string())?;
                config
            }
        };
        command.arg("--config").arg(config);
        Ok(command)
    }
}

fn bytes_below(path: &Path) -> anyhow::Result<u64> {
    let held = std::fs::symlink_metadata(path)?;
    if !held.is_dir() {
        return Ok(held.len());
    }
    let mut bytes = 0;
    for entry in std::fs::read_dir(path)? {
        bytes += bytes_below(&entry?.path())?;
    }
    Ok(bytes)
}
