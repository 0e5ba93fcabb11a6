//! As much of HTTP as the senders speak.
//!
//! Promise: one request, one connection; an answer is whole or there is none.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};

/// An answer that takes longer is taken for none.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(20);

/// Where, and as whom.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    pub address: SocketAddr,
    pub token: &'a str,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&str| line.split(':').next().is_some_and(|found| found.eq_ignore_ascii_case(name));
        self.head.lines().skip(1).find(named).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.parse().ok()
    }

    /// For people.
    pub fn told(&self) -> String {
        format!("{}: {}", self.head.lines().next().unwrap_or_default(), self.body)
    }
}

impl Client<'_> {
    /// Sends a request and waits for the answer. `asked` is method and path.
    pub fn ask(&self, asked: &str, headers: &[(&str, &str)], body: &[u8]) -> anyhow::Result<Answer> {
        let mut stream = self.send(asked, headers, body, body.len())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").context("no whole answer")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no whole answer")?;
        let answer = Answer { status, head: head.to_owned(), body: body.to_owned() };
        let is_whole = answer.number("content-length").is_none_or(|bytes| bytes <= answer.body.len() as u64);
        ensure!(is_whole || asked.starts_with("HEAD"), "no whole answer");
        Ok(answer)
    }

    /// Sends less than it says, and hangs up.
    pub fn break_off(&self, asked: &str, headers: &[(&str, &str)], body: &[u8], said: usize) -> anyhow::Result<()> {
        self.send(asked, headers, body, said).map(drop)
    }

    fn send(&self, asked: &str, headers: &[(&str, &str)], body: &[u8], said: usize) -> anyhow::Result<TcpStream> {
        let mut stream = TcpStream::connect_timeout(&self.address, ANSWER_WAIT_MAX)?;
        stream.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
        stream.set_write_timeout(Some(ANSWER_WAIT_MAX))?;
        let (address, token) = (self.address, self.token);
        let mut request = format!(
            "{asked} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Length: {said}\r\n\
             Connection: close\r\n"
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut request = format!("{request}\r\n").into_bytes();
        request.extend_from_slice(body);
        stream.write_all(&request)?;
        Ok(stream)
    }
}
