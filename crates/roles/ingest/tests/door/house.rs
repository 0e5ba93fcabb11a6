//! A door over a real journal, on a real socket, and a plain client for it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use host::{Disk, OsEntropy, SeededEntropy, SimDisk, SystemClock};
use ingest::http::{self, Drained, Tls};
use ingest::{Intake, Limits, Parts, UploadSettings, Uploads};
use journal::{Archive, Journal, Local, Record, Settings};
use meter::{Kind, Sequence, Span, TenantId, Timestamp};
use parse::protobuf::{Container, Measurement, Stream, Value, Writer};
use registry::{Authenticator, Profiles, Scope, Scopes, Sqlite, issue};
use serde_json::Value as Json;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// No test waits longer for a byte.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct House {
    pub runtime: Runtime,
    pub address: SocketAddr,
    pub intake: Arc<Intake>,
    pub journal: Arc<Local>,
    pub archive: Arc<Archive>,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<Drained>>,
}

/// Two tenants' tokens; making them costs a few syncs, so all tests share them.
pub struct Keys {
    authenticator: Arc<Authenticator>,
    profiles: Arc<Profiles>,
    pub writer: String,
    pub reader: String,
    pub revoked: String,
    pub neighbour: String,
    _dir: tempfile::TempDir,
}

pub fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let registry = Arc::new(Sqlite::open(dir.path()).expect("opens"));
        let clock = Arc::new(SystemClock::new());
        let authenticator = Arc::new(Authenticator::new(registry.clone(), clock.clone()));
        let north = registry::Registry::add_tenant(&*registry, "north").expect("adds").id;
        let make = |tenant, scope| {
            issue(&*registry, &OsEntropy, &*clock, tenant, Scopes::of(&[scope]), "test").expect("issues")
        };
        let [writer, reader, revoked] = [Scope::Write, Scope::Read, Scope::Write].map(|scope| make(TenantId(1), scope));
        let neighbour = make(north, Scope::Write);
        authenticator.revoke(revoked.token.id).expect("revokes");
        let [writer, reader, revoked, neighbour] =
            [writer, reader, revoked, neighbour].map(|issued| issued.text.reveal().to_owned());
        Keys { authenticator, profiles: Profiles::new(registry), writer, reader, revoked, neighbour, _dir: dir }
    })
}

/// Segments of 4 MiB, so that a simulated disk stays small.
pub fn small() -> Settings {
    Settings { segment_bytes: 4 << 20, record_bytes_max: 1 << 20, ..Settings::default() }
}

/// Fast enough for tests; everything else as in earnest.
pub fn limits() -> Limits {
    Limits { drain_wait_max: Duration::from_secs(5), ..Limits::default() }
}

/// Few and small, so that tests meet their ends.
pub fn upload_settings() -> UploadSettings {
    UploadSettings { open_max: 4, bytes_max: 8 << 20, expire_after: Duration::from_secs(3600) }
}

pub fn open(disk: Arc<dyn Disk>, settings: Settings) -> Local {
    Local::open(disk, Arc::new(SystemClock::new()), Arc::new(SeededEntropy::new(1)), settings).expect("opens")
}

impl House {
    pub fn new() -> House {
        House::on(Arc::new(SimDisk::new(1)), small(), limits())
    }

    pub fn with(limits: Limits) -> House {
        House::on(Arc::new(SimDisk::new(1)), small(), limits)
    }

    pub fn on(disk: Arc<dyn Disk>, settings: Settings, limits: Limits) -> House {
        House::serving(disk, settings, limits, |router| router)
    }

    pub fn with_tls(tls: Tls, limits: Limits) -> House {
        House::open(Arc::new(SimDisk::new(1)), small(), limits, upload_settings(), Some(tls), |router| router)
    }

    pub fn uploading(disk: Arc<dyn Disk>, settings: Settings, limits: Limits, uploads: UploadSettings) -> House {
        House::open(disk, settings, limits, uploads, None, |router| router)
    }

    pub fn serving(
        disk: Arc<dyn Disk>,
        settings: Settings,
        limits: Limits,
        more: impl FnOnce(Router) -> Router,
    ) -> House {
        House::open(disk, settings, limits, upload_settings(), None, more)
    }

    fn open(
        disk: Arc<dyn Disk>,
        settings: Settings,
        limits: Limits,
        uploads: UploadSettings,
        tls: Option<Tls>,
        more: impl FnOnce(Router) -> Router,
    ) -> House {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let archive = Arc::new(Archive::open(disk.clone()).expect("opens"));
        let (entropy, clock) = (Arc::new(SeededEntropy::new(2)), Arc::new(SystemClock::new()));
        let uploads = Uploads::open(disk.clone(), entropy, clock, uploads).expect("opens");
        let journal = Arc::new(open(disk, settings));
        let intake = Intake::new(Parts {
            journal: journal.clone(),
            archive: archive.clone(),
            authenticator: keys().authenticator.clone(),
            profiles: keys().profiles.clone(),
            uploads,
            clock: Arc::new(SystemClock::new()),
            limits: limits.clone(),
            spans: host::Spans::default(),
        });
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port is free");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = oneshot::channel::<()>();
        let (router, metrics) = (
            more(http::router(intake.clone()).method_not_allowed_fallback(async || ingest::Problem::method())),
            intake.metrics().clone(),
        );
        let serving = runtime.spawn(async move {
            let stopped = async { stopped.await.unwrap_or_default() };
            http::serve(listener, router, &limits, tls, metrics, stopped).await
        });
        House { runtime, address, intake, journal, archive, stop: Some(stop), serving: Some(serving) }
    }

    /// One request on a connection of its own.
    pub fn ask(&self, request: &Request) -> Answer {
        let mut stream = self.connect();
        stream.write_all(&request.bytes()).expect("the door takes it in");
        let answer = match request.method {
            "HEAD" => Answer::read_head(&mut stream),
            _ => Answer::read(&mut stream),
        };
        answer.expect("an answer")
    }

    pub fn readings(&self, body: &[u8]) -> Answer {
        self.ask(&Request::readings(body))
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time-out");
        stream
    }

    pub fn records(&self) -> Vec<Record> {
        records(&self.runtime, &self.journal)
    }

    pub fn ask_to_stop(&mut self) {
        let _ = self.stop.take().expect("asked once").send(());
    }

    pub fn stopped(&mut self) -> Drained {
        self.runtime.block_on(self.serving.take().expect("waited for once")).expect("ends well")
    }

    /// The value of a line of `/metrics`.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.intake.render_metrics();
        let start = format!("meterhouse_ingest_{name} ");
        let line = text.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("{name} in\n{text}"));
        line[start.len()..].parse().expect("a number")
    }

    pub fn wait_until(&self, what: &str, holds: impl Fn(&House) -> bool) {
        let start = std::time::Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < PATIENCE, "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// All records of a journal, whatever their number.
pub fn records(runtime: &Runtime, journal: &Local) -> Vec<Record> {
    runtime.block_on(async {
        let (mut found, mut from) = (Vec::new(), Sequence(1));
        loop {
            let more = journal.read(from, 16 << 20).await.expect("reads");
            let Some(last) = more.last() else { return found };
            from = Sequence(last.sequence.0 + 1);
            found.extend(more);
        }
    })
}

/// What is sent; the default is a good body of readings.
pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub chunked: bool,
}

impl Request {
    pub fn readings(body: &[u8]) -> Request {
        let headers = vec![
            ("Authorization".to_owned(), format!("Bearer {}", keys().writer)),
            ("Content-Type".to_owned(), "application/x-protobuf".to_owned()),
        ];
        Request { method: "POST", path: "/v1/readings".to_owned(), headers, body: body.to_vec(), chunked: false }
    }

    pub fn file(query: &str, body: &[u8]) -> Request {
        Request { path: format!("/v1/files?{query}"), ..Request::readings(body) }
    }

    /// Sets or, with an empty value, removes a header.
    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    pub fn token(self, token: &str) -> Request {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub fn chunked(self) -> Request {
        Request { chunked: true, ..self }
    }

    /// Everything up to the body.
    pub fn head(&self, declared_bytes: usize) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: test\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &match self.chunked {
            true => "Transfer-Encoding: chunked\r\n\r\n".to_owned(),
            false => format!("Content-Length: {declared_bytes}\r\n\r\n"),
        };
        head.into_bytes()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head(self.body.len());
        if self.chunked {
            for piece in self.body.chunks(10_000) {
                bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                bytes.extend_from_slice(piece);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
        } else {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Json,
}

impl Answer {
    /// `None` if the connection ended without one.
    pub fn read(stream: &mut TcpStream) -> Option<Answer> {
        let answer = Answer::read_head(stream)?;
        let size = answer.header("content-length").map_or(0, |size| size.parse().expect("a number"));
        let mut body = vec![0; size];
        stream.read_exact(&mut body).expect("as much as was said");
        let body = if body.is_empty() { Json::Null } else { serde_json::from_slice(&body).expect("JSON") };
        Some(Answer { body, ..answer })
    }

    /// All that comes before the body.
    pub fn read_head(stream: &mut TcpStream) -> Option<Answer> {
        let (mut bytes, mut byte) = (Vec::new(), [0]);
        while !bytes.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(1) => bytes.push(byte[0]),
                _ => return None,
            }
        }
        let head = String::from_utf8(bytes).expect("text");
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Some(Answer { status, headers, body: Json::Null })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub fn sequence(&self) -> u64 {
        self.body["sequence"].as_u64().unwrap_or_else(|| panic!("a sequence in {self:?}"))
    }

    /// A refusal says its code, its cause, the next step, and whether to come again.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str, again: bool) {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.body["status"].as_u64(), Some(u64::from(status)), "{self:?}");
        for text in ["detail", "next"] {
            assert!(self.body[text].as_str().is_some_and(|text| text.len() > 10), "{text} in {self:?}");
        }
        assert_eq!(self.header("retry-after").is_some(), again, "{self:?}");
        assert_eq!(self.body["retry_after_s"].as_u64().is_some(), again, "{self:?}");
    }
}

/// Quarter-hours of one point, `count` of them, differing by `seed`.
pub fn body(seed: i64, count: i64) -> Vec<u8> {
    let measurements: Vec<Measurement<'_>> = (0..count)
        .map(|at| Measurement {
            at: Span::from_minutes(15 * at),
            value: Some(Value::Digits(seed * 1000 + at)),
            ..Measurement::default()
        })
        .collect();
    written(&measurements)
}

/// A request with one container.
pub fn written(measurements: &[Measurement<'_>]) -> Vec<u8> {
    let base = Timestamp::parse("2026-01-01T00:00:00Z").expect("a time");
    let stream = Stream {
        register: "1-0:1.29.0",
        kind: Some(Kind::Interval),
        unit: "kWh",
        scale: 3,
        span: Span::from_minutes(15),
        ..Stream::default()
    };
    let mut writer = Writer::new();
    writer.container(&Container {
        point: "point-1",
        device: "device-1",
        message_id: "m-1",
        created_at: Some(base),
        base_time: Some(base),
        streams: &[stream],
        measurements,
        ..Container::default()
    });
    writer.into_body()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("writes to memory");
    encoder.finish().expect("writes to memory")
}
