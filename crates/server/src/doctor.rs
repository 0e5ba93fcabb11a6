//! `meterhouse doctor`: whether this machine can keep what the server promises.
//!
//! Promise: every finding says what was seen, what it means and what to do.
//! Nothing of a data directory is changed but a file of the doctor's own, which
//! goes again; a running server is not disturbed. Exit code 1: something is bad.
//!
//! Read: this file, `doctor/finding.rs`, then one file a question, in the order
//! in which they are asked.

mod finding;
mod clock;
mod storage;
mod sync;
mod limits;
mod versions;
mod access;
mod network;
mod certificate;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use host::{Disk, RealDisk, SystemClock};

use crate::cli::Common;
use crate::exit::{self, Usage};
use crate::settings::Settings;
use crate::wire;
use finding::{Finding, Report, Verdict};

/// What is looked at.
struct Patient<'a> {
    /// The data directory, whole path.
    dir: PathBuf,
    /// It, or what is nearest above it where it is missing.
    place: PathBuf,
    life: Life,
    settings: &'a Settings,
    listen: SocketAddr,
    clock: SystemClock,
}

/// What is known of a server on the data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Life {
    /// There is no data directory yet.
    Unborn,
    /// Nobody holds the lock.
    Asleep,
    /// A process holds the lock.
    Awake,
    /// The lock cannot be tried, and why.
    Unclear(String),
}

pub async fn doctor(common: Common, settings: Settings, listen: Option<SocketAddr>) -> anyhow::Result<ExitCode> {
    if common.server.is_some() {
        let what = "doctor looks at this machine: run it where the server runs and leave --server out";
        return Err(Usage(what.into()).into());
    }
    let report = tokio::task::spawn_blocking(move || examine(&common.data_dir, &settings, listen)).await??;
    report.print(common.json)?;
    Ok(if report.verdict() == Verdict::Bad { ExitCode::from(exit::FAILED) } else { ExitCode::SUCCESS })
}

fn examine(dir: &Path, settings: &Settings, listen: Option<SocketAddr>) -> anyhow::Result<Report> {
    let dir = std::path::absolute(dir)?;
    let place = dir.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/")).to_owned();
    let listen = listen.unwrap_or(settings.server.http_listen);
    let patient = Patient { life: life(&dir), dir, place, settings, listen, clock: SystemClock::new() };
    let mut report = Report::default();
    report.add(asleep_or_awake(&patient));
    let watch = clock::Watch::begin(&patient);
    report.extend(storage::look(&patient));
    report.extend(sync::look(&patient));
    report.extend(watch.end(&patient));
    report.extend(limits::look(&patient));
    report.extend(versions::look(&patient));
    report.extend(access::look(&patient));
    report.extend(network::look(&patient));
    report.extend(certificate::look(&patient));
    Ok(report)
}

/// Tries the lock and lets it go at once.
fn life(dir: &Path) -> Life {
    if !dir.join(wire::LOCK).exists() {
        return if dir.exists() { Life::Asleep } else { Life::Unborn };
    }
    match RealDisk::open(dir).and_then(|disk| disk.lock(wire::LOCK)) {
        Ok(_) => Life::Asleep,
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Life::Awake,
        Err(error) => Life::Unclear(error.to_string()),
    }
}

fn asleep_or_awake(patient: &Patient) -> Finding {
    let (check, dir) = ("data directory", patient.dir.display());
    match &patient.life {
        Life::Unborn => {
            Finding::good(check, format!("{dir} does not exist"), "the first command makes it; looked at above it")
        }
        Life::Asleep => Finding::good(check, format!("{dir} is locked by nobody"), "no server runs on it"),
        Life::Awake => {
            Finding::good(check, format!("{dir} is locked"), "a server or a command works on it; that one is let be")
        }
        Life::Unclear(error) => Finding::bad(
            check,
            format!("the lock of {dir} cannot be tried: {error}"),
            "the server could not take it either",
            "run doctor as the user who runs the server, and give that user the directory",
        ),
    }
}
