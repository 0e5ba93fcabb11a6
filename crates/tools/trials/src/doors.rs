//! The ways into the real binary, and one body on each of them.
//!
//! Promise: which way a body takes is a function of its number. What a sender is
//! told on the way is held against the server: bytes of an upload that it said
//! are there may not go, and a good body may not be turned away.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use host::Seeded;

use crate::bodies::{self, Form};
use crate::client::{Answer, Client};

/// Between the halves of a file that is written into the inbox.
const WRITING: Duration = Duration::from_millis(30);
/// Someone else holds an upload: the writer of a piece that broke off, or the end of it.
const HELD: Duration = Duration::from_millis(20);
/// After so many looks it is left for another time.
const LOOKS_MAX: usize = 100;
const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    Protobuf,
    Json,
    Lines,
    Files,
    Uploads,
    Inbox,
}

/// Why a body is not acknowledged.
#[derive(Debug)]
pub enum Trouble {
    /// No answer, or one that asks for patience: it may be there or not.
    InDoubt,
    /// What must not be.
    Broken(String),
}

/// A file that is sent in pieces.
#[derive(Clone, Debug)]
pub struct Upload {
    pub number: usize,
    /// Its place at the server, once that is told.
    place: Option<String>,
    /// So many bytes are there, as the server said.
    reached: u64,
    /// One piece breaks off halfway, once.
    broke_off: bool,
}

impl Door {
    pub const ALL: [Door; 6] = [Door::Protobuf, Door::Json, Door::Lines, Door::Files, Door::Uploads, Door::Inbox];

    /// As the closing table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Door::Protobuf => "readings, protobuf",
            Door::Json => "readings, JSON",
            Door::Lines => "lines",
            Door::Files => "files",
            Door::Uploads => "uploads",
            Door::Inbox => "inbox",
        }
    }

    /// The way of the body of this number; a repeated one may take another.
    pub fn of(number: usize, salt: u64) -> Door {
        let mut seed = Seeded::new(salt.wrapping_mul(5) ^ (number as u64) << 30);
        match (bodies::form(number, salt), seed.below(4)) {
            (Form::Protobuf, _) => Door::Protobuf,
            (Form::Lines, _) => Door::Lines,
            // A folder takes what tells by itself what it is.
            (Form::Json | Form::Nem12, 0) => Door::Inbox,
            (Form::Json, _) => Door::Json,
            (Form::Nem12, 1) | (Form::Csv, 0 | 1) => Door::Files,
            (Form::Nem12 | Form::Csv, _) => Door::Uploads,
        }
    }

    /// Names the file, where it is one.
    pub fn file_name(self, number: usize) -> Option<String> {
        matches!(self, Door::Files | Door::Uploads | Door::Inbox).then(|| format!("body-{number}.txt"))
    }
}

impl Upload {
    pub fn of(number: usize) -> Upload {
        Upload { number, place: None, reached: 0, broke_off: false }
    }

    /// Whether the server knows of it, so that it can go on.
    pub fn is_begun(&self) -> bool {
        self.place.is_some()
    }
}

/// One sender's way of sending.
pub struct Sender<'a> {
    pub client: Client<'a>,
    pub salt: u64,
    /// The disk under the server fails now and then.
    pub disk_may_fail: bool,
    /// Called around every request whose answer would be the acknowledgement.
    pub waiting: &'a dyn Fn(bool),
}

impl Sender<'_> {
    /// Sends the body of this number in one request.
    pub fn post(&self, number: usize) -> Result<u64, Trouble> {
        let sent = bodies::body(number, self.salt);
        let (asked, kind) = match Door::of(number, self.salt) {
            Door::Json => ("POST /v1/readings".to_owned(), "application/json"),
            Door::Lines => {
                let path = if number.is_multiple_of(3) { "/write" } else { "/api/v2/write" };
                let options = sent.format.split_once('?').map(|(_, options)| options).unwrap_or_default();
                (format!("POST {path}?{options}"), "text/plain")
            }
            Door::Files => {
                let name = Door::Files.file_name(number).unwrap_or_default();
                let format = sent.format.replace('?', "%3F").replace('&', "%26").replace('=', "%3D");
                (format!("POST /v1/files?name={name}&format={format}"), "application/octet-stream")
            }
            _ => ("POST /v1/readings".to_owned(), "application/x-protobuf"),
        };
        let answer = self.wait(|| self.client.ask(&asked, &[("Content-Type", kind)], &sent.bytes))?;
        self.expect(&answer, &[200, 204])?;
        if answer.status == 204 {
            return sequence(&answer).ok_or_else(|| Trouble::Broken("lines taken in without a sequence".into()));
        }
        let receipt: Option<serde_json::Value> = serde_json::from_str(&answer.body).ok();
        let sequence = receipt.and_then(|receipt| receipt["sequence"].as_u64());
        sequence.ok_or_else(|| Trouble::Broken(format!("an answer without a sequence: {}", answer.told())))
    }

    /// Lays a file into the folder: half of it, the other half, then its name.
    pub fn drop_into(&self, inbox: &Path, number: usize) -> std::io::Result<()> {
        let bytes = bodies::body(number, self.salt).bytes;
        let name = Door::Inbox.file_name(number).unwrap_or_default();
        let unfinished = inbox.join(format!("{name}.part"));
        std::fs::write(&unfinished, &bytes[..bytes.len() / 2])?;
        std::thread::sleep(WRITING);
        std::fs::write(&unfinished, &bytes)?;
        std::fs::rename(&unfinished, inbox.join(name))
    }

    /// Begins an upload, or goes on with it, to its end.
    pub fn upload(&self, upload: &mut Upload) -> Result<u64, Trouble> {
        let bytes = bodies::body(upload.number, self.salt).bytes;
        if upload.place.is_none() {
            upload.place = Some(self.begin(upload.number, bytes.len())?);
        } else if let Some(sequence) = self.look(upload)? {
            return Ok(sequence);
        }
        for _ in 0..LOOKS_MAX {
            if let Some(sequence) = self.piece(upload, &bytes)? {
                return Ok(sequence);
            }
        }
        Err(Trouble::InDoubt)
    }

    fn begin(&self, number: usize, length: usize) -> Result<String, Trouble> {
        let name = Door::Uploads.file_name(number).unwrap_or_default();
        let format = bodies::body(number, self.salt).format;
        let metadata = format!("filename {},format {}", base64(name.as_bytes()), base64(format.as_bytes()));
        let length = length.to_string();
        let headers = [TUS, ("Upload-Length", length.as_str()), ("Upload-Metadata", metadata.as_str())];
        let answer = in_doubt(self.client.ask("POST /v1/uploads", &headers, b""))?;
        self.expect(&answer, &[201])?;
        let place = answer.header("location").map(str::to_owned);
        place.ok_or_else(|| Trouble::Broken("an upload without a place".into()))
    }

    /// How far it is by now; where it stands in the journal, if it does.
    fn look(&self, upload: &mut Upload) -> Result<Option<u64>, Trouble> {
        let place = upload.place.clone().unwrap_or_default();
        let answer = in_doubt(self.client.ask(&format!("HEAD {place}"), &[TUS], b""))?;
        self.expect(&answer, &[200])?;
        reached(upload, &answer)
    }

    /// The next of two to four pieces; the first perhaps only half.
    fn piece(&self, upload: &mut Upload, bytes: &[u8]) -> Result<Option<u64>, Trouble> {
        let place = upload.place.clone().unwrap_or_default();
        let mut seed = Seeded::new(self.salt ^ upload.number as u64);
        let size = bytes.len() / (2 + usize::try_from(seed.below(3)).unwrap_or_default()) + 1;
        let from = usize::try_from(upload.reached).unwrap_or(usize::MAX).min(bytes.len());
        let to = (from + size).min(bytes.len());
        let (asked, offset) = (format!("PATCH {place}"), from.to_string());
        let kind = ("Content-Type", "application/offset+octet-stream");
        let headers = [TUS, kind, ("Upload-Offset", offset.as_str())];
        if !upload.broke_off && seed.one_in(3) {
            upload.broke_off = true;
            in_doubt(self.client.break_off(&asked, &headers, &bytes[from..from + (to - from) / 2], to - from))?;
            return self.look(upload);
        }
        let answer = match to == bytes.len() {
            true => self.wait(|| self.client.ask(&asked, &headers, &bytes[from..to]))?,
            false => in_doubt(self.client.ask(&asked, &headers, &bytes[from..to]))?,
        };
        if matches!(answer.status, 409 | 423) {
            // What broke off is still being written, or the end is being made.
            std::thread::sleep(HELD);
            return self.look(upload);
        }
        self.expect(&answer, &[204])?;
        reached(upload, &answer)
    }

    /// A server may ask for patience, and say that its disk failed if it did; a good body is
    /// never turned away.
    fn expect(&self, answer: &Answer, statuses: &[u16]) -> Result<(), Trouble> {
        match answer.status {
            status if statuses.contains(&status) => Ok(()),
            429 | 503 => Err(Trouble::InDoubt),
            500 if self.disk_may_fail && answer.body.contains("\"code\":\"disk\"") => Err(Trouble::InDoubt),
            _ => Err(Trouble::Broken(format!("a good body was answered with {}", answer.told()))),
        }
    }

    fn wait(&self, ask: impl FnOnce() -> anyhow::Result<Answer>) -> Result<Answer, Trouble> {
        (self.waiting)(true);
        let answer = ask();
        (self.waiting)(false);
        in_doubt(answer)
    }
}

fn reached(upload: &mut Upload, answer: &Answer) -> Result<Option<u64>, Trouble> {
    let offset = answer.number("upload-offset").unwrap_or_default();
    if offset < upload.reached {
        let (number, before) = (upload.number, upload.reached);
        return Err(Trouble::Broken(format!("upload of body {number} was at byte {before} and is at {offset}")));
    }
    upload.reached = offset;
    Ok(sequence(answer))
}

fn sequence(answer: &Answer) -> Option<u64> {
    answer.number("meterhouse-sequence")
}

fn in_doubt<T>(answer: anyhow::Result<T>) -> Result<T, Trouble> {
    answer.map_err(|_| Trouble::InDoubt)
}

/// Of RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = char::from(DIGITS[bits >> (18 - 6 * place) & 63]);
            text.push(if place <= three.len() { digit } else { '=' });
        }
    }
    text
}

/// What lies in the folder and is not yet put away.
pub fn left_in(inbox: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(inbox).with_context(|| inbox.display().to_string())?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.is_file()).collect())
}

/// Where a server is and what it is asked as.
pub fn client(address: SocketAddr, token: &str) -> Client<'_> {
    Client { address, token }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_door_is_used_and_base64_is_padded() {
        let mut counted: BTreeMap<Door, u32> = BTreeMap::new();
        (0..300).for_each(|number| *counted.entry(Door::of(number, 31)).or_default() += 1);
        assert!(Door::ALL.iter().all(|door| counted.get(door).is_some_and(|count| *count > 15)), "{counted:?}");
        assert_eq!(
            ["may.csv", "nem12", "a", ""].map(|text| base64(text.as_bytes())),
            ["bWF5LmNzdg==", "bmVtMTI=", "YQ==", ""]
        );
    }
}
