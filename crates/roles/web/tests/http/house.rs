//! A small server with two tenants, and a client that sees every byte.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int8Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray};
use host::{SeededEntropy, SimDisk, SystemClock};
use journal::{Archive, Local, Settings};
use meter::{Sequence, TenantId, Unit};
use query::{Engine, Limits};
use registry::{Authenticator, Registry, Scope, Scopes, Sqlite, issue};
use store::{Lake, Position, Table, Tail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use web::{Parts, Seen};

pub(crate) struct House {
    address: std::net::SocketAddr,
    pub reader: String,
    pub neighbour: String,
    pub writer: String,
    /// What is visible; `None` once the process role is gone.
    pub seen: Option<watch::Sender<Seen>>,
    pub journal: Arc<Local>,
    pub disk: SimDisk,
    _registry: tempfile::TempDir,
    _lake: Lake,
}

pub(crate) struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
    /// Whether the body ended as its head says.
    pub whole: bool,
}

impl House {
    pub(crate) async fn new() -> House {
        House::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> House {
        let directory = tempfile::tempdir().expect("a directory");
        let registry = Arc::new(Sqlite::open(directory.path()).expect("opens"));
        let clock = Arc::new(SystemClock::new());
        let neighbour = registry.add_tenant("neighbour").expect("is added");
        let entropy = SeededEntropy::new(7);
        let token = |tenant: TenantId, scope: Scope| {
            let issued = issue(registry.as_ref(), &entropy, clock.as_ref(), tenant, Scopes::of(&[scope]), "test");
            issued.expect("is issued").text.reveal().to_owned()
        };
        let lake = lake(neighbour.id).await;
        let (moves, seen) = watch::channel(Seen { below: Sequence(5) });
        let disk = SimDisk::new(5);
        let small = Settings { segment_bytes: 4 << 20, record_bytes_max: 1 << 20, ..Settings::default() };
        let opened = Local::open(Arc::new(disk.clone()), clock.clone(), Arc::new(SeededEntropy::new(8)), small);
        let journal = Arc::new(opened.expect("opens"));
        let (reader, writer) = (token(TenantId(1), Scope::Read), token(TenantId(1), Scope::Write));
        let neighbour = token(neighbour.id, Scope::Read);
        let router = web::router(Parts {
            journal: journal.clone(),
            archive: Arc::new(Archive::open(Arc::new(disk.clone())).expect("opens")),
            held_at_start: Sequence(5),
            engine: Engine::new(Limits { threads: NonZeroUsize::MIN, ..limits }).expect("starts"),
            reader: lake.reader(),
            authenticator: Arc::new(Authenticator::new(registry.clone(), clock.clone())),
            profiles: registry::Profiles::new(registry.clone()),
            clock: clock.clone(),
            at_hand: process::AtHand::default(),
            live: process::Live::default(),
            closing: watch::channel(false).1,
            seen,
            metrics: vec![Box::new(|text| text.push_str("meterhouse_test_calls_total 1\n"))],
            wait_max: Duration::from_millis(300),
        })
        .method_not_allowed_fallback(async || ingest::Problem::method());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("is bound");
        tokio::spawn(async move { axum::serve(listener, router).await });
        let seen = Some(moves);
        House { address, reader, neighbour, writer, seen, journal, disk, _registry: directory, _lake: lake }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connects")
    }

    /// Sends one request and reads until the server closes.
    pub(crate) async fn ask(&self, method: &str, path: &str, token: &str, headers: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        let token = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n{token}{headers}\r\n"
        );
        // The answer may come before all of it is written.
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(body).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        Answer::of(&bytes)
    }

    pub(crate) async fn post(&self, path: &str, sql: &str) -> Answer {
        self.ask("POST", path, &self.reader, "", sql.as_bytes()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &self.reader, "", b"").await
    }
}

impl Answer {
    fn of(bytes: &[u8]) -> Answer {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(bytes[..end].to_vec()).expect("text");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let rest = &bytes[end + 4..];
        let (body, whole) = match head.to_lowercase().contains("transfer-encoding: chunked") {
            true => unchunked(rest),
            false => (rest.to_vec(), true),
        };
        Answer { status, head, body, whole }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    #[track_caller]
    pub(crate) fn expect_rows(&self, rows: &str) {
        assert_eq!((self.status, self.text()), (200, rows), "{}", self.head);
        assert!(self.whole);
    }

    #[track_caller]
    pub(crate) fn expect_problem(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem: serde_json::Value = serde_json::from_slice(&self.body).expect("is JSON");
        assert_eq!(problem["code"], code, "{problem}");
        assert!(problem["next"].as_str().is_some_and(|next| !next.is_empty()), "{problem}");
        assert_eq!(self.header("retry-after").is_some(), status == 503, "{problem}");
        problem["detail"].as_str().expect("a cause").to_owned()
    }
}

fn unchunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let Some(size) = size.filter(|size| rest.len() >= end + 2 + size) else { return (body, false) };
        if size == 0 {
            return (body, true);
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = rest.get(end + 4 + size..).unwrap_or_default();
    }
    (body, false)
}

/// One channel of each tenant.
async fn lake(neighbour: TenantId) -> Lake {
    let clock = Arc::new(SystemClock::new());
    let mut lake = Lake::open(Arc::new(SimDisk::new(3)), clock, "lake", "0123456789abcdef").await.expect("opens");
    let codes = || -> ArrayRef { Arc::new(Int8Array::from(vec![0, 0])) };
    let longs = |numbers: [i64; 2]| -> ArrayRef { Arc::new(Int64Array::from(numbers.to_vec())) };
    let texts = |texts: [&str; 2]| -> ArrayRef { Arc::new(StringArray::from(texts.to_vec())) };
    let columns = vec![
        longs([64, 128]),
        Arc::new(Int32Array::from(vec![1, neighbour.0])),
        texts(["OURS", "THEIRS"]),
        texts(["", ""]),
        texts(["E1", "E1"]),
        codes(),
        codes(),
        codes(),
        Arc::new(Int16Array::from(vec![i16::from(Unit::WattHour.code()); 2])),
        codes(),
        Arc::new(Int32Array::from(vec![0, 0])),
        longs([1, 1]),
    ];
    let channels = RecordBatch::try_new(Table::Channels.schema(), columns).expect("as the schema says");
    let to = Position::done(Sequence(1));
    lake.append(Table::Channels, vec![channels], to).await.expect("commits");
    lake.publish(Tail { applied: Position::done(Sequence(4)), ..Tail::default() });
    lake
}
