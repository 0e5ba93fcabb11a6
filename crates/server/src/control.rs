//! The socket in the data directory through which commands on the same machine
//! ask a running server for what only it can do.
//!
//! Promise: only the user who runs the server, and root, is answered; a request
//! is bounded in size and time, and the next is answered after the one before.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use host::RealDisk;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tracing::{info, warn};

use crate::backup::{self, Alive, Taking};
use crate::exit;

const SOCKET: &str = "control.sock";
/// A path and a few words.
const LINE_BYTES_MAX: u64 = 64 << 10;
/// Of a request that one program writes at once.
const REQUEST_WAIT_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Request {
    /// Into this directory, whole path.
    Backup(PathBuf),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Taken(Taking),
    /// Why not, and the exit code that says so.
    Failed {
        error: String,
        exit_code: u8,
    },
}

/// Whether a socket below `data_dir` can have a name.
pub fn fits(data_dir: &Path) -> bool {
    std::os::unix::net::SocketAddr::from_pathname(data_dir.join(SOCKET)).is_ok()
}

/// A socket below `data_dir`, whose lock the caller holds. A server can do
/// without one, where the path is too long for a socket: then that is logged.
pub fn open(data_dir: &Path) -> Option<UnixListener> {
    let path = data_dir.join(SOCKET);
    let opened = (|| {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    })();
    opened.inspect_err(|error| warn!(%error, path = %path.display(), "no backup while the server runs")).ok()
}

/// Answers until it is dropped.
pub async fn answer(listener: UnixListener, house: Arc<Alive>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = serve(stream, house.clone()).await {
                    warn!(error = %format!("{error:#}"), "a request at the control socket");
                }
            }
            Err(error) => {
                warn!(%error, "the control socket");
                host::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn serve(stream: UnixStream, house: Arc<Alive>) -> anyhow::Result<()> {
    let user = stream.peer_cred()?.uid();
    if user != 0 && user != rustix::process::geteuid().as_raw() {
        bail!("user {user} is not the one who runs the server");
    }
    let (from, mut to) = stream.into_split();
    let mut line = String::new();
    let mut from = BufReader::new(from.take(LINE_BYTES_MAX));
    tokio::time::timeout(REQUEST_WAIT_MAX, from.read_line(&mut line)).await.context("nothing was asked")??;
    let Request::Backup(dir) = serde_json::from_str(&line).context("it is not understood")?;
    let at = dir.clone();
    let taken = tokio::task::spawn_blocking(move || take(&house, &at)).await?;
    let answer = match taken {
        Ok(taking) => {
            info!(to = %dir.display(), files = taking.files, files_new = taking.files_new, "backup taken");
            Answer::Taken(taking)
        }
        Err(error) => {
            warn!(to = %dir.display(), error = %format!("{error:#}"), "no backup was taken");
            Answer::Failed { error: format!("{error:#}"), exit_code: exit::code_of(&error) }
        }
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    to.write_all(&line).await.context("the answer")
}

/// A backup of a house into a directory of the machine, which is made. Blocks.
pub fn take(house: &Alive, dir: &Path) -> anyhow::Result<Taking> {
    let about = || format!("backup directory {}", dir.display());
    std::fs::create_dir_all(dir).with_context(about)?;
    backup::take(house, &RealDisk::open(dir).with_context(about)?)
}

/// Has the server that works on `data_dir` take a backup.
pub async fn ask(data_dir: &Path, to: &Path) -> anyhow::Result<Taking> {
    let path = data_dir.join(SOCKET);
    let stream = UnixStream::connect(&path).await;
    let stream = stream.with_context(|| format!("no server answers at {}", path.display()))?;
    let (from, mut into) = stream.into_split();
    let mut line = serde_json::to_vec(&Request::Backup(to.to_owned()))?;
    line.push(b'\n');
    into.write_all(&line).await.context("the server")?;
    let mut said = String::new();
    BufReader::new(from.take(LINE_BYTES_MAX)).read_line(&mut said).await.context("the server")?;
    if said.is_empty() {
        bail!("the server gave no answer; its log says why");
    }
    match serde_json::from_str(&said).context("the server's answer")? {
        Answer::Taken(taking) => Ok(taking),
        Answer::Failed { error, exit_code } => Err(exit::Told { error, exit_code }.into()),
    }
}
