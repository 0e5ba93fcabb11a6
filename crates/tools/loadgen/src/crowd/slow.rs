//! The crowd: clients that each bring a few bytes a second, through all three doors.
//!
//! Whoever is cut or refused comes again, after `Retry-After` where it is said,
//! so that as many press at the end as at the beginning.

use std::collections::{BTreeMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use parse::protobuf::{Container, Measurement, Stream, Value, Writer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use super::reply::Reply;
use crate::server::Server;

/// A piece each so often.
const EVERY: Duration = Duration::from_secs(1);
/// Longer than any limit of the server: it did not answer.
const PATIENCE: Duration = Duration::from_secs(120);
/// Of a refusal that says nothing, or a connection that broke.
const AGAIN: Duration = Duration::from_secs(2);
/// 127.0.0.2 and on: each has ports of its own, and those of closed connections rest for a minute.
const ADDRESSES: u32 = 64;
/// 2026-05-01T00:00:00Z.
const AT: meter::Timestamp = meter::Timestamp(1_777_593_600_000_000);
const UNTIL: meter::Timestamp = meter::Timestamp(AT.0 + 900_000_000);

/// Points of the crowd, and of nothing else.
pub const POINTS: &str = "slow-%";

#[derive(Debug, Default)]
pub struct Pressed {
    /// How often each answer was given.
    pub answers: BTreeMap<String, u64>,
    /// Points whose reading was acknowledged.
    pub kept: HashSet<String>,
    /// Those that got no answer at all: they may be stored, or not.
    pub unknown: HashSet<String>,
    pub last: u64,
    pub refused_without_retry_after: u64,
}

struct Target {
    address: SocketAddr,
    token: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Files,
    Uploads,
    Readings,
}

pub async fn press(server: &Server, clients: u32, until: Instant) -> anyhow::Result<Pressed> {
    let target = Arc::new(Target { address: server.address.parse()?, token: server.token.clone() });
    let all: Vec<_> = (0..clients).map(|client| tokio::spawn(come(target.clone(), client, until))).collect();
    let mut pressed = Pressed::default();
    for one in all {
        pressed.add(one.await??);
    }
    Ok(pressed)
}

impl Pressed {
    fn add(&mut self, one: Pressed) {
        for (answer, count) in one.answers {
            *self.answers.entry(answer).or_default() += count;
        }
        self.kept.extend(one.kept);
        self.unknown.extend(one.unknown);
        self.last = self.last.max(one.last);
        self.refused_without_retry_after += one.refused_without_retry_after;
    }

    /// How long to wait before the next one.
    fn note(&mut self, point: String, reply: Option<Reply>) -> anyhow::Result<Duration> {
        let Some(reply) = reply else {
            *self.answers.entry("no answer".to_owned()).or_default() += 1;
            self.unknown.insert(point);
            return Ok(AGAIN);
        };
        let name = format!("{} {}", reply.status, reply.code());
        *self.answers.entry(name.trim().to_owned()).or_default() += 1;
        if matches!(reply.status, 200 | 204) {
            self.last = self.last.max(reply.sequence()?);
            self.kept.insert(point);
            return Ok(Duration::ZERO);
        }
        let after = reply.retry_after_s().map(Duration::from_secs);
        self.refused_without_retry_after += u64::from(reply.is_busy() && after.is_none());
        Ok(after.unwrap_or(AGAIN))
    }
}

/// One client, upload after upload.
async fn come(target: Arc<Target>, client: u32, until: Instant) -> anyhow::Result<Pressed> {
    let door = [Door::Files, Door::Uploads, Door::Files, Door::Readings][client as usize % 4];
    // Bodies have about 90 bytes: from three quarters of a minute down to six seconds.
    let speed = 2 + (client / 4) as usize % 14;
    let mut pressed = Pressed::default();
    for visit in 0_u32.. {
        let point = format!("slow-{client:05}-{visit:04}");
        let reply = tokio::time::timeout(PATIENCE, upload(&target, client, door, &point, speed)).await;
        let reply = reply.with_context(|| format!("{point} got no answer in {PATIENCE:?}"))?;
        let wait = pressed.note(point, reply)?;
        if Instant::now() + wait >= until {
            return Ok(pressed);
        }
        tokio::time::sleep(wait).await;
    }
    Ok(pressed)
}

/// The answer to the last request; none if the connection broke.
async fn upload(target: &Target, client: u32, door: Door, point: &str, speed: usize) -> Option<Reply> {
    let row = format!("point,start,end,value,unit\n{point},{AT},{UNTIL},1.5,kWh\n");
    match door {
        Door::Files => {
            let head = format!("POST /v1/files?name={point}.csv&format=csv/generic-long");
            send(target, client, &head, "", row.as_bytes(), speed).await
        }
        Door::Readings => {
            let head = "Content-Type: application/x-protobuf\r\n";
            send(target, client, "POST /v1/readings", head, &message(point), speed).await
        }
        Door::Uploads => {
            // `slow.csv` and `csv/generic-long` in Base64.
            let head = format!(
                "Tus-Resumable: 1.0.0\r\nUpload-Length: {}\r\n\
                 Upload-Metadata: filename c2xvdy5jc3Y=,format Y3N2L2dlbmVyaWMtbG9uZw==\r\n",
                row.len()
            );
            let begun = send(target, client, "POST /v1/uploads", &head, b"", speed).await?;
            let Some(place) = begun.header("location").filter(|_| begun.status == 201) else { return Some(begun) };
            let head = "Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n";
            let reply = send(target, client, &format!("PATCH {place}"), head, row.as_bytes(), speed).await;
            if reply.as_ref().is_none_or(|reply| reply.status != 204) {
                // Gives its place to another.
                send(target, client, &format!("DELETE {place}"), "Tus-Resumable: 1.0.0\r\n", b"", speed).await;
            }
            reply
        }
    }
}

async fn send(target: &Target, client: u32, what: &str, more: &str, body: &[u8], speed: usize) -> Option<Reply> {
    let stream = connect(target, client).await.ok()?;
    let head = format!(
        "{what} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\nContent-Length: {}\r\n{more}\r\n",
        target.address,
        target.token,
        body.len()
    );
    let (mut from, mut to) = stream.into_split();
    let writing = async {
        to.write_all(head.as_bytes()).await?;
        for piece in body.chunks(speed) {
            tokio::time::sleep(EVERY).await;
            to.write_all(piece).await?;
        }
        std::future::pending::<std::io::Result<()>>().await
    };
    tokio::select! {
        reply = Reply::read(&mut from) => reply,
        _ = writing => Reply::read(&mut from).await,
    }
}

async fn connect(target: &Target, client: u32) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let from = Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + 1 + client % ADDRESSES);
    socket.bind((from, 0).into())?;
    socket.connect(target.address).await
}

fn message(point: &str) -> Vec<u8> {
    let stream = Stream { register: "1-1:1.8.0", kind: Some(meter::Kind::Register), unit: "kWh", ..Stream::default() };
    let mut request = Writer::new();
    request.container(&Container {
        point,
        created_at: Some(AT),
        base_time: Some(AT),
        streams: &[stream],
        measurements: &[Measurement { value: Some(Value::Digits(5)), ..Measurement::default() }],
        ..Container::default()
    });
    request.into_body()
}
