//! One question on a connection of its own, and how long its answer took.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::Server;

pub struct Answer {
    pub body: Vec<u8>,
    /// From connecting to the last byte.
    pub took: Duration,
}

/// A GET of this path.
pub async fn get(server: &Server, path: &str) -> anyhow::Result<Answer> {
    exchange(server, &format!("GET {path}"), "").await
}

/// A query; `format` is one of `/v1/sql`.
pub async fn sql(server: &Server, format: &str, sql: &str) -> anyhow::Result<Answer> {
    exchange(server, &format!("POST /v1/sql?format={format}"), sql).await
}

async fn exchange(server: &Server, what: &str, body: &str) -> anyhow::Result<Answer> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(&server.address).await?;
    stream.set_nodelay(true)?;
    // HTTP/1.0: the answer comes without chunks and ends with the connection.
    let request = format!(
        "{what} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{body}",
        server.address,
        server.token,
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::with_capacity(1 << 20);
    stream.read_to_end(&mut answer).await?;
    let took = begun.elapsed();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("an answer with a head")?;
    let rest = answer.split_off(end + 4);
    let status = answer.split(|byte| *byte == b' ').nth(1);
    ensure!(status == Some(b"200"), "{what}: {} {}", String::from_utf8_lossy(&answer), String::from_utf8_lossy(&rest));
    Ok(Answer { body: rest, took })
}

/// The rows of an answer in CSV, without their header.
pub fn rows(answer: &Answer) -> anyhow::Result<Vec<Vec<&str>>> {
    let text = std::str::from_utf8(&answer.body)?;
    Ok(text.lines().skip(1).map(|line| line.split(',').collect()).collect())
}
