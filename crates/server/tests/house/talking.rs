//! HTTP as bytes, so that a test can say what no library would.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::street::Server;

/// Longer than any limit of the server.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    /// `None` if the peer left without a word.
    pub fn read(stream: &mut TcpStream) -> Option<Reply> {
        let mut bytes = Vec::new();
        // A reset after the answer takes nothing away from it.
        let _ = stream.read_to_end(&mut bytes);
        let said = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = said.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Reply { status, head: head.to_lowercase(), body: body.to_owned() })
    }

    /// The body as it was before it was cut into chunks for the wire; text only.
    pub fn without_chunks(mut self) -> Reply {
        if self.head.contains("transfer-encoding: chunked") {
            let (mut rest, mut whole) = (self.body.as_str(), String::new());
            while let Some((size, after)) = rest.split_once("\r\n") {
                let size = usize::from_str_radix(size, 16).expect("a chunk's size");
                whole.push_str(&after[..size]);
                rest = after[size..].strip_prefix("\r\n").expect("a chunk's end");
            }
            self.body = whole;
        }
        self
    }

    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let problem: serde_json::Value = serde_json::from_str(&self.body).expect("a problem is JSON");
        assert_eq!(problem["code"], code, "{self:?}");
        for told in ["detail", "next"] {
            assert!(problem[told].as_str().is_some_and(|text| text.len() > 10), "{told} in {self:?}");
        }
    }

    pub fn sequence(&self) -> Option<u64> {
        let receipt: serde_json::Value = serde_json::from_str(&self.body).ok()?;
        receipt["sequence"].as_u64().filter(|_| self.status == 200)
    }
}

impl Server {
    pub fn connect(&self) -> Option<TcpStream> {
        let stream = TcpStream::connect(self.url.strip_prefix("http://").expect("our own")).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time-out");
        Some(stream)
    }

    /// The head of a request that ends the connection; `more` are lines of it.
    pub fn head(&self, request: &str, more: &str) -> String {
        let token = &self.token;
        format!("{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{more}\r\n")
    }

    /// Sends bytes, all that the server takes, and reads what it answers.
    pub fn tell(&self, bytes: &[u8]) -> Option<Reply> {
        let mut stream = self.connect()?;
        // The answer may come before all of it is written.
        let _ = stream.write_all(bytes);
        Reply::read(&mut stream)
    }

    pub fn get(&self, path: &str) -> Option<Reply> {
        self.tell(self.head(&format!("GET {path}"), "").as_bytes())
    }

    pub fn post(&self, path: &str, more: &str, body: &[u8]) -> Option<Reply> {
        let more = format!("Content-Length: {}\r\n{more}", body.len());
        let mut bytes = self.head(&format!("POST {path}"), &more).into_bytes();
        bytes.extend_from_slice(body);
        self.tell(&bytes)
    }
}
