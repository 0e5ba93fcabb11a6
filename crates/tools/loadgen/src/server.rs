//! The server that is measured: a process of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use crate::line::Line;

/// What the server used up since its start.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub cpu_s: f64,
    pub peak_bytes: u64,
}

pub struct Server {
    child: Child,
    dir: PathBuf,
    pub address: String,
    pub token: String,
}

impl Server {
    pub fn start(binary: &Path, dir: &Path, config: Option<&Path>) -> anyhow::Result<Server> {
        let command = || {
            let mut command = Command::new(binary);
            command.arg("--data-dir").arg(dir);
            if let Some(config) = config {
                command.arg("--config").arg(config);
            }
            command
        };
        let made = command().args(["token", "create", "--scopes", "read,write"]).output();
        let made = made.with_context(|| format!("{}: build it first", binary.display()))?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let token = String::from_utf8(made.stdout)?.trim().to_owned();
        let mut child = command()
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
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Behind the name, which may hold anything: fields 14 and 15 of proc(5).
        let (_, fields) = stat.rsplit_once(") ").context("a process's state")?;
        let ticks: u64 = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("a peak of memory")?;
        let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse()?;
        Ok(Cost { cpu_s: ticks as f64 / rustix::param::clock_ticks_per_second() as f64, peak_bytes: peak_kib << 10 })
    }

    /// Returns once everything up to `last` is applied, nothing waits to be committed and nothing is merged any more.
    pub async fn settled(&self, last: u64) -> anyhow::Result<()> {
        let mut quiet = 0;
        let mut before = String::new();
        for _ in 0..1_200 {
            let metrics = Line::ask(&self.address, &self.token, "/metrics").await?;
            let value = |name: &str| -> Option<u64> {
                metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
            };
            let applied = value("meterhouse_process_applied_sequence ").context("a metric")?;
            let state: Vec<&str> = metrics.lines().filter(|line| line.starts_with("meterhouse_process_")).collect();
            let state = state.join("\n");
            quiet = if applied > last && state == before { quiet + 1 } else { 0 };
            if quiet >= 10 {
                return Ok(());
            }
            before = state;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        bail!("the server does not come to rest in ten minutes")
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
