//! The server's certificate, and its change while the server runs.
//!
//! Promise: a pair that cannot be used is told once and leaves the one before in
//! place; at the start it stops the start.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use ingest::http::{PEM_BYTES_MAX, Tls};
use tracing::{info, warn};

use crate::exit::Usage;
use crate::settings;

/// Two files of a few KB are read this often; their times may not move when they change.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A certificate in use, and where the next one will lie.
pub struct Certificate {
    pub tls: Tls,
    files: Files,
    /// What was tried last, good or not.
    tried: Pair,
}

#[derive(Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Clone, PartialEq, Eq)]
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// As the settings say; none where they name no files.
pub fn open(settings: &settings::Server) -> anyhow::Result<Option<Certificate>> {
    let files = Files { certificate: settings.tls_cert.clone(), key: settings.tls_key.clone() };
    match (files.certificate.as_os_str().is_empty(), files.key.as_os_str().is_empty()) {
        (true, true) => return Ok(None),
        (false, false) => {}
        _ => return Err(Usage("settings server.tls_cert and server.tls_key go together: give both".into()).into()),
    }
    let tried = files.read().context("settings server.tls_cert and server.tls_key")?;
    let tls = Tls::new(&tried.certificate, &tried.key);
    let tls = tls.map_err(|error| Usage(format!("settings server.tls_cert and server.tls_key: {error}")))?;
    Ok(Some(Certificate { tls, files, tried }))
}

/// Looks for a new pair for as long as the server runs.
pub async fn follow(mut certificate: Certificate) {
    let mut told = None;
    loop {
        host::sleep(LOOK_EVERY).await;
        let files = certificate.files.clone();
        let read = tokio::task::spawn_blocking(move || files.read()).await;
        let found = match read.map_err(io::Error::other).and_then(|read| read) {
            Ok(found) => found,
            Err(error) => {
                // Once, not at every look.
                if told.replace(error.to_string()) != Some(error.to_string()) {
                    warn!(%error, "the certificate cannot be read; the one before stays");
                }
                continue;
            }
        };
        told = None;
        if found == certificate.tried {
            continue;
        }
        match certificate.tls.replace(&found.certificate, &found.key) {
            Ok(()) => info!("new connections are shown a new certificate"),
            // Perhaps one of the two is still to come.
            Err(error) => warn!(%error, "the new certificate cannot be used; the one before stays"),
        }
        certificate.tried = found;
    }
}

impl Files {
    fn read(&self) -> io::Result<Pair> {
        Ok(Pair { certificate: read(&self.certificate)?, key: read(&self.key)? })
    }
}

/// A PEM file; the error names it.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(PEM_BYTES_MAX).read_to_end(&mut bytes)).map_err(named)?;
    Ok(bytes)
}
