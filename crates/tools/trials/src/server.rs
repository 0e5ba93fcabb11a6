//! The real binary: started, watched through its log, killed, and asked.
//!
//! Promise: a server that is dropped is dead; what its log said is read to the
//! last line before anyone judges what it was doing.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::phases::Machine;

/// A start reads every segment; in the dev profile that takes a second or two.
const START_WAIT_MAX: Duration = Duration::from_secs(60);
/// A stop applies what the journal holds, which after many kills is much.
const STOP_WAIT_MAX: Duration = Duration::from_secs(300);
/// Lines of its log that a failure shows.
const LINES_KEPT: usize = 30;

/// Where the binary is, and a data directory with settings for it.
#[derive(Clone, Debug)]
pub struct Binary {
    /// The meterhouse binary.
    pub path: PathBuf,
    /// Where its data lies.
    pub data_dir: PathBuf,
    /// The file of settings it is given.
    pub settings: PathBuf,
    /// A program that starts it, with its arguments, when it serves.
    pub around: Vec<String>,
    /// Of all it is asked.
    pub environment: Vec<(OsString, OsString)>,
}

impl Binary {
    /// Started as it is.
    pub fn new(path: PathBuf, data_dir: PathBuf, settings: PathBuf) -> Binary {
        Binary { path, data_dir, settings, around: Vec::new(), environment: Vec::new() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let words = self.around.iter().map(OsString::from).filter(|_| arguments.first() == Some(&"serve"));
        let mut words = words.chain([self.path.clone().into()]);
        let mut command = Command::new(words.next().expect("at least the binary"));
        command.args(words).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.arg("--data-dir").arg(&self.data_dir).arg("--config").arg(&self.settings).args(arguments);
        command.env_remove("METERHOUSE_SERVER").env("RUST_BACKTRACE", "0");
        command
    }

    /// Begins a command whose output is kept.
    pub fn begin(&self, arguments: &[&str]) -> anyhow::Result<Child> {
        let mut command = self.command(arguments);
        command.env("RUST_LOG", "error").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().with_context(|| format!("{} does not start", self.path.display()))
    }

    /// Runs a command to its end: exit code and what it printed.
    pub fn ask(&self, arguments: &[&str]) -> anyhow::Result<Answer> {
        let output = self.command(arguments).env("RUST_LOG", "error").stdin(Stdio::null()).output();
        let output = output.with_context(|| format!("{} does not start", self.path.display()))?;
        Ok(Answer {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// A token for this directory, which is made if it is not there.
    pub fn token(&self) -> anyhow::Result<String> {
        let made: serde_json::Value = serde_json::from_str(&self.ask(&["--json", "token", "create"])?.good()?)?;
        Ok(made["token"].as_str().context("the answer holds no token")?.to_owned())
    }
}

/// What a command said.
#[derive(Debug)]
pub struct Answer {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Answer {
    /// What it printed, if it ended well.
    pub fn good(self) -> anyhow::Result<String> {
        if self.code != Some(0) {
            bail!("exit code {:?}: {}{}", self.code, self.out, self.err);
        }
        Ok(self.out)
    }
}

/// A running `meterhouse serve`.
pub struct Server {
    child: Child,
    watched: Arc<Watched>,
    reader: Option<JoinHandle<()>>,
    /// Where it listens.
    pub address: SocketAddr,
}

/// What the log has said so far.
#[derive(Default)]
struct Watched {
    said: Mutex<Said>,
    news: Condvar,
}

#[derive(Default)]
struct Said {
    address: Option<SocketAddr>,
    /// Those that have begun and not ended; a fold and a commit may be at once.
    open: Vec<Machine>,
    /// How often each machine has begun.
    begun: [u64; Machine::ALL.len()],
    last: VecDeque<String>,
    ended: bool,
}

impl Server {
    /// Starts it and waits until it listens; an error with its last words where it does not.
    pub fn start(binary: &Binary) -> anyhow::Result<Server> {
        let mut command = binary.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.env("RUST_LOG", "process=debug,meterhouse=info").stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().context("the server does not start")?;
        let watched = Arc::new(Watched::default());
        let (log, listener) = (child.stderr.take().context("its log is piped")?, watched.clone());
        let reader = std::thread::spawn(move || listener.read(log));
        let until = Instant::now() + START_WAIT_MAX;
        let address = watched.wait(until, |said| said.address);
        let mut server =
            Server { child, watched, reader: Some(reader), address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        match address {
            Some(address) => server.address = address,
            None => bail!("the server did not come up: {}", server.kill().1),
        }
        Ok(server)
    }

    /// Waits until this machine begins once more, counted from now; false if it
    /// did not in time.
    pub fn wait_for(&self, machine: Machine, wait_max: Duration) -> bool {
        let place = Machine::ALL.iter().position(|other| *other == machine).expect("all of them stand there");
        let before = self.watched.said.lock().expect("no holder of this lock panics").begun[place];
        let begun = |said: &Said| (said.begun[place] > before || said.ended).then_some(!said.ended);
        self.watched.wait(Instant::now() + wait_max, begun).unwrap_or(false)
    }

    /// Seconds of processor it has used.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // After the name in brackets: state is field 3, user and system time 14 and 15.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / 100.0
    }

    /// SIGSTOP, and SIGCONT after a while.
    pub fn stand_still(&self, wait: Duration) -> anyhow::Result<()> {
        self.signal(Signal::STOP)?;
        std::thread::sleep(wait);
        self.signal(Signal::CONT)
    }

    /// Whether it is dead already.
    pub fn has_ended(&self) -> bool {
        self.watched.said.lock().expect("no holder of this lock panics").ended
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.context("a process has a number")?, signal)?)
    }

    /// SIGKILL; then the machines it was in, and the end of its log.
    pub fn kill(mut self) -> (Vec<Machine>, String) {
        // It may have ended by itself, which the log then tells.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.read_out();
        let said = self.watched.said.lock().expect("no holder of this lock panics");
        (said.open.clone(), said.last.iter().cloned().collect::<Vec<_>>().join("\n"))
    }

    /// SIGTERM, and a good end.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        let until = Instant::now() + STOP_WAIT_MAX;
        let ended: ExitStatus = loop {
            match self.child.try_wait()? {
                Some(ended) => break ended,
                None if Instant::now() > until => bail!("it does not stop: {}", self.kill().1),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        self.read_out();
        if !ended.success() {
            bail!("it stopped with {ended}: {}", self.kill().1);
        }
        Ok(())
    }

    fn read_out(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reading lines does not panic");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.read_out();
    }
}

impl Watched {
    fn read(&self, log: ChildStderr) {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            let mut said = self.said.lock().expect("no holder of this lock panics");
            said.hear(&line);
            self.news.notify_all();
        }
        self.said.lock().expect("no holder of this lock panics").ended = true;
        self.news.notify_all();
    }

    fn wait<T>(&self, until: Instant, found: impl Fn(&Said) -> Option<T>) -> Option<T> {
        let mut said = self.said.lock().expect("no holder of this lock panics");
        loop {
            if let Some(found) = found(&said) {
                return Some(found);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || said.ended {
                return None;
            }
            said = self.news.wait_timeout(said, left).expect("no holder of this lock panics").0;
        }
    }
}

impl Said {
    /// One line of JSON.
    fn hear(&mut self, line: &str) {
        if self.last.len() == LINES_KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
        let Ok(event) = serde_json::from_str::<serde_json::Value>(line) else { return };
        let field = |name: &str| event["fields"][name].as_str().unwrap_or_default();
        if field("message") == "meterhouse serves" {
            self.address = field("address").parse().ok();
        }
        let Some(place) = Machine::ALL.iter().position(|machine| machine.name() == field("phase")) else { return };
        self.open.retain(|machine| *machine != Machine::ALL[place]);
        if field("message") == "begins" {
            self.begun[place] += 1;
            self.open.push(Machine::ALL[place]);
        }
    }
}

/// The binary beside this one: `target/<profile>/meterhouse`.
pub fn beside_us() -> anyhow::Result<PathBuf> {
    let ours = std::env::current_exe()?;
    let places = ours.ancestors().skip(1).take(2).map(|dir: &Path| dir.join("meterhouse"));
    let found = places.into_iter().find(|path| path.is_file());
    found.context("there is no meterhouse beside this program; run `cargo build -p meterhouse` or give --binary")
}
