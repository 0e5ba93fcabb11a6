//! The HTTP door: what a client writes on a connection, through the service itself.
//!
//! Nothing a client writes makes the door fail (500), hang, or take something into the
//! journal without saying so.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use host::{Disk, ManualClock, SeededEntropy, SimDisk};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use ingest::{Intake, Limits, Parts, Problem, UploadSettings, Uploads};
use journal::{Archive, Journal, Local, Settings};
use meter::TenantId;
use registry::{Authenticator, Profiles, Scope, Scopes, Sqlite, issue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

use crate::parsers::ARRIVAL;
use crate::{Met, met};

/// In an input, where the token of one who may write stands.
const TOKEN: &[u8] = b"@TOKEN@";
/// In an input, where the id of an upload that was begun stands.
const UPLOAD: &[u8] = b"@UPLOAD@";
/// After so many inputs the door is opened anew, on an empty disk.
const INPUTS_MAX: u32 = 256;
/// The connection buffers as much of an answer.
const PIPE_BYTES: usize = 1 << 20;
/// Well below what an input may take.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(4);

/// Made once: issuing a token costs a few syncs.
struct Keys {
    authenticator: Arc<Authenticator>,
    profiles: Arc<Profiles>,
    token: String,
    _dir: tempfile::TempDir,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let registry = Arc::new(Sqlite::open(dir.path()).expect("an empty registry opens"));
    let clock = Arc::new(ManualClock::new(ARRIVAL));
    let scopes = Scopes::of(&[Scope::Write, Scope::Read]);
    let issued = issue(&*registry, &SeededEntropy::new(1), &*clock, TenantId(1), scopes, "fuzzing");
    let token = issued.expect("a token is issued").text.reveal().to_owned();
    let authenticator = Arc::new(Authenticator::new(registry.clone(), clock));
    Keys { authenticator, profiles: Profiles::new(registry), token, _dir: dir }
});

struct Open {
    runtime: Runtime,
    router: Router,
    journal: Arc<Local>,
    upload: String,
    inputs: u32,
}

static DOOR: Mutex<Option<Open>> = Mutex::new(None);

/// Requests as bytes on a connection, one after the other.
pub fn door(data: &[u8]) -> Met {
    // After a panic the door that had it is thrown away.
    let mut place = DOOR.lock().unwrap_or_else(PoisonError::into_inner);
    let mut door = place.take().filter(|door| door.inputs < INPUTS_MAX).unwrap_or_else(Open::new);
    door.inputs += 1;
    let sent = replaced(&replaced(data, TOKEN, KEYS.token.as_bytes()), UPLOAD, door.upload.as_bytes());
    let before = door.runtime.block_on(door.journal.end());
    let answer = door.answer(&sent);
    let taken_in = door.runtime.block_on(door.journal.end()).0 - before.0;
    let statuses = statuses(&answer);
    assert!(!statuses.contains(&500), "an error of ours: {}", String::from_utf8_lossy(&answer));
    let acknowledged = statuses.iter().filter(|status| (200..300).contains(*status)).count() as u64;
    assert!(taken_in <= acknowledged, "{taken_in} bodies taken in, {statuses:?} answered");
    *place = Some(door);
    met((statuses, taken_in, answer.len() / 32))
}

impl Open {
    fn new() -> Open {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
        let clock = Arc::new(ManualClock::new(ARRIVAL));
        let settings = Settings { segment_bytes: 4 << 20, record_bytes_max: 1 << 20, ..Settings::default() };
        let journal = Local::open(disk.clone(), clock.clone(), Arc::new(SeededEntropy::new(1)), settings);
        let journal = Arc::new(journal.expect("an empty journal opens"));
        let uploads = UploadSettings { open_max: 8, bytes_max: 8 << 20, expire_after: Duration::from_secs(3_600) };
        let uploads = Uploads::open(disk.clone(), Arc::new(SeededEntropy::new(2)), clock.clone(), uploads);
        let intake = Intake::new(Parts {
            journal: journal.clone(),
            archive: Arc::new(Archive::open(disk).expect("an empty archive opens")),
            authenticator: KEYS.authenticator.clone(),
            profiles: KEYS.profiles.clone(),
            uploads: uploads.expect("no uploads open"),
            clock,
            limits: Limits::default(),
            spans: host::Spans::default(),
        });
        let router = ingest::http::router(intake).method_not_allowed_fallback(async || Problem::method());
        let mut door = Open { runtime, router, journal, upload: String::new(), inputs: 0 };
        door.upload = door.begin_upload();
        door
    }

    fn begin_upload(&self) -> String {
        let asked = "POST /v1/uploads HTTP/1.1\r\nhost: a\r\ntus-resumable: 1.0.0\r\nupload-length: 40\r\n\
                     upload-metadata: filename bWF5LmNzdg==\r\nauthorization: Bearer @TOKEN@\r\n\r\n";
        let answer = self.answer(&replaced(asked.as_bytes(), TOKEN, KEYS.token.as_bytes()));
        let answer = String::from_utf8_lossy(&answer);
        let (_, id) = answer.split_once("/v1/uploads/").unwrap_or_else(|| panic!("no upload begins: {answer}"));
        id.chars().take_while(char::is_ascii_alphanumeric).collect()
    }

    /// All that the door says to it before it closes the connection.
    fn answer(&self, sent: &[u8]) -> Vec<u8> {
        let answered = self.runtime.block_on(async {
            let (mut client, server) = tokio::io::duplex(PIPE_BYTES);
            let service = TowerToHyperService::new(self.router.clone());
            // A client that has said all is still answered.
            let serving = http1::Builder::new().half_close(true).serve_connection(TokioIo::new(server), service);
            let asking = async {
                let mut answer = Vec::new();
                // The door may close before it has read all; what it said is there all the same.
                let _ = client.write_all(sent).await;
                let _ = client.shutdown().await;
                let _ = client.read_to_end(&mut answer).await;
                answer
            };
            tokio::time::timeout(ANSWER_WAIT_MAX, async { tokio::join!(serving, asking).1 }).await
        });
        answered.expect("the door answers in time")
    }
}

/// Of all answers: a client that asks in HTTP/1.0 is answered in it.
fn statuses(answer: &[u8]) -> Vec<u16> {
    const START: &[u8] = b"HTTP/1.1 ";
    let starts = answer.windows(START.len() + 3).filter(|window| window.starts_with(b"HTTP/1."));
    starts.filter_map(|window| std::str::from_utf8(&window[START.len()..]).ok()?.parse().ok()).collect()
}

fn replaced(data: &[u8], mark: &[u8], with: &[u8]) -> Vec<u8> {
    let mut all = Vec::with_capacity(data.len() + with.len());
    let mut rest = data;
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark) {
        all.extend_from_slice(&rest[..at]);
        all.extend_from_slice(with);
        rest = &rest[at + mark.len()..];
    }
    all.extend_from_slice(rest);
    all
}
