//! What the tests stand on: a directory, the binary, a server, small files.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;

use crate::small_disk::SmallDisk;

/// A data directory of its own, gone with the test.
pub struct House {
    pub dir: TempDir,
    /// Where the data directory lies on a disk that can be filled.
    pub disk: Option<SmallDisk>,
}

impl House {
    pub fn new() -> House {
        House { dir: TempDir::new().expect("a temp directory"), disk: None }
    }

    /// With its data on a disk of so many MiB; none where the machine lets nobody mount.
    pub fn small(mebibytes: u32) -> Option<House> {
        let mut house = House::new();
        let place = house.dir.path().join("disk");
        std::fs::create_dir(&place).expect("made");
        house.disk = Some(SmallDisk::mount(&place, mebibytes)?);
        Some(house)
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join(if self.disk.is_some() { "disk/data" } else { "data" })
    }

    /// Writes a file beside the data directory.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).expect("writes");
        path
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match &self.disk {
            Some(disk) => disk.command(env!("CARGO_BIN_EXE_meterhouse")),
            None => Command::new(env!("CARGO_BIN_EXE_meterhouse")),
        };
        command
            .arg("--data-dir")
            .arg(self.data())
            .args(arguments)
            .env_remove("METERHOUSE_SERVER")
            .env_remove("RUST_LOG");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary starts")
    }

    /// Standard output of a command that must succeed.
    pub fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Imports one file; gives (accepted, duplicate, corrected, refused).
    pub fn import(&self, file: &Path) -> [i64; 4] {
        let output = self.run(&["--json", "import", path(file)]);
        let outcomes: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}: {}", file.display(), text(&output.stderr)));
        ["accepted", "duplicate", "corrected", "refused"].map(|count| outcomes[0][count].as_i64().expect("a count"))
    }

    /// What `verify` reports; it must find nothing wrong.
    pub fn verified(&self) -> serde_json::Value {
        let said = self.says(&["--json", "verify"]);
        serde_json::from_str(&said).expect("verify speaks JSON")
    }

    pub fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    /// Serves with further arguments.
    pub fn serve_with(&self, arguments: &[&str]) -> Server {
        let token = self.says(&["token", "create", "--scopes", "read,write"]).trim().to_owned();
        let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
        all.extend(arguments);
        let mut child =
            self.command(&all).stderr(Stdio::piped()).env("RUST_LOG", "info").spawn().expect("the server starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let address = loop {
            let line = lines.next().expect("the server says where it listens").expect("text");
            if let Some((_, rest)) = line.split_once("address=") {
                break rest.split_whitespace().next().expect("an address").to_owned();
            }
        };
        // Its log must go on being read, or the server waits for room in the pipe.
        let log = std::thread::spawn(move || lines.map_while(Result::ok).map(|line| line + "\n").collect());
        Server { child, url: format!("http://{address}"), token, log: Some(log) }
    }
}

pub struct Server {
    pub child: Child,
    pub url: String,
    pub token: String,
    log: Option<JoinHandle<String>>,
}

impl Server {
    /// Waits until it stops by itself; its exit code and what it logged.
    pub fn ended(mut self) -> (Option<i32>, String) {
        for _ in 0..600 {
            if let Some(status) = self.child.try_wait().expect("waits") {
                let log = self.log.take().expect("taken only here").join().expect("reads to the end");
                return (status.code(), log);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the server did not stop in 30 s");
    }

    /// As if the power failed, for the process at least.
    pub fn kill(mut self) {
        self.child.kill().expect("kills");
        self.child.wait().expect("waits");
    }

    /// Sends SIGTERM and waits for the end.
    pub fn stop(mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("a process has a number"), rustix::process::Signal::TERM)
            .expect("it is our child");
        for _ in 0..600 {
            if let Some(status) = self.child.try_wait().expect("waits") {
                assert!(status.success(), "the server drains: {status}");
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        panic!("the server did not drain in 30 s");
    }

    /// Arguments that make a command talk to this server.
    pub fn with<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["--server", &self.url, "--token", &self.token];
        all.extend(arguments);
        all
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// The most memory a process has had at once; none when it is gone.
pub fn memory_peak_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn path(path: &Path) -> &str {
    path.to_str().expect("test paths are text")
}

/// One day of half-hours of one meter; `updated` is its UpdateDateTime.
pub fn nem12(value: &str, updated: &str) -> String {
    let values = vec![value; 48].join(",");
    format!(
        "100,NEM12,200404201300,MDA1,Ret1\n200,CCCC123456,E1,001,E1,N1,METSER123,kWh,30,\n\
         300,20040417,{values},A,,,{updated},20040419003500\n900\n"
    )
}

/// Files of others, where they are present.
pub fn shared(folder: &str) -> Option<Vec<PathBuf>> {
    shared_as(folder, "csv")
}

/// The same, by the ending of their names.
pub fn shared_as(folder: &str, ending: &str) -> Option<Vec<PathBuf>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(folder);
    let Ok(entries) = std::fs::read_dir(&dir) else {
        eprintln!("skipped: {} is not present", dir.display());
        return None;
    };
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|e| e == ending) && !path.to_string_lossy().contains(".expected."))
        .collect();
    files.sort();
    Some(files)
}
