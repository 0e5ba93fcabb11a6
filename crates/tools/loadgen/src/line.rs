//! A connection kept alive, with as little work a request as there can be: what
//! the generator uses up must not be taken for the server's.

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

pub struct Line {
    stream: BufReader<TcpStream>,
    /// Everything of a request's head but the length and the blank line.
    head: String,
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// What became of a body.
pub enum Outcome {
    /// Durable, under this number.
    Kept(u64),
    /// To be sent again.
    Busy,
}

impl Line {
    pub async fn open(address: &str, token: &str) -> anyhow::Result<Line> {
        let stream = TcpStream::connect(address).await.context("connects")?;
        stream.set_nodelay(true)?;
        let head = format!(
            "POST /v1/readings HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/x-protobuf\r\nContent-Length: "
        );
        Ok(Line { stream: BufReader::new(stream), head, request: Vec::new(), answer: Vec::new() })
    }

    /// Sends one body and reads its answer.
    pub async fn send(&mut self, body: &[u8]) -> anyhow::Result<Outcome> {
        self.request.clear();
        self.request.extend_from_slice(self.head.as_bytes());
        self.request.extend_from_slice(format!("{}\r\n\r\n", body.len()).as_bytes());
        self.request.extend_from_slice(body);
        self.stream.get_mut().write_all(&self.request).await?;
        let (status, length) = self.answer_head().await?;
        self.answer.resize(length, 0);
        self.stream.read_exact(&mut self.answer).await?;
        match status {
            200 => Ok(Outcome::Kept(self.sequence()?)),
            429 | 503 => Ok(Outcome::Busy),
            _ => bail!("answered {status}: {}", String::from_utf8_lossy(&self.answer)),
        }
    }

    /// Status and length of the body.
    async fn answer_head(&mut self) -> anyhow::Result<(u16, usize)> {
        let (mut status, mut length) = (0, None);
        loop {
            self.answer.clear();
            ensure!(self.stream.read_until(b'\n', &mut self.answer).await? > 0, "the server closed the connection");
            let line = self.answer.trim_ascii_end();
            if line.is_empty() {
                return Ok((status, length.context("an answer without a length")?));
            }
            if status == 0 {
                status = std::str::from_utf8(line)?.split(' ').nth(1).context("a status")?.parse()?;
            } else if line.len() > 15 && line[..15].eq_ignore_ascii_case(b"content-length:") {
                length = Some(std::str::from_utf8(&line[15..])?.trim().parse()?);
            }
        }
    }

    /// `{"sequence":N,…`, as every receipt begins.
    fn sequence(&self) -> anyhow::Result<u64> {
        let digits = self.answer.strip_prefix(b"{\"sequence\":").context("a receipt")?;
        let end = digits.iter().position(|byte| !byte.is_ascii_digit()).context("a number")?;
        Ok(std::str::from_utf8(&digits[..end])?.parse()?)
    }

    /// One GET on a connection of its own; the whole body.
    pub async fn ask(address: &str, token: &str, path: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(address).await?;
        let head = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("an answer")?;
        ensure!(head.split(' ').nth(1) == Some("200"), "{path}: {head} {body}");
        Ok(body.to_owned())
    }
}
