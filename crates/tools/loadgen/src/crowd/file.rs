//! The large file: a table of one reading a row, made as it is sent.
//!
//! Promise: every byte is a function of the seed, so the file is made twice,
//! once to know its length and sum and once to send it, and never held.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::reply::Reply;
use crate::server::Server;
use crate::shape::{Shape, Total};

/// Quarter-hours of a year, meter after meter.
const READINGS: u32 = 35_040;
const HEADER: &str = "point,start,end,value,unit\n";
const PIECE_BYTES: usize = 256 << 10;
const PIECES_AHEAD: usize = 4;
/// Its connection broke without a word: again after this.
const AGAIN: Duration = Duration::from_secs(1);
const TRIES_MAX: u64 = 300;

/// What will be sent.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    shape: Shape,
    bytes_asked: u64,
    pub bytes: u64,
    /// Of the digits, three of them behind the point.
    pub total: Total,
}

#[derive(Debug)]
pub struct Sent {
    pub sequence: u64,
    pub seconds: f64,
    /// Told to come again, or left without a word, before it was taken.
    pub refused: u64,
}

impl Plan {
    pub fn of(seed: u64, bytes_asked: u64) -> Plan {
        let shape = Shape::long(seed, u64::from(READINGS) * 1_000);
        let mut plan = Plan { shape, bytes_asked, bytes: 0, total: Total::default() };
        let (mut bytes, mut total) = (0, Total::default());
        plan.make(&mut |piece, digits| {
            bytes += piece.len() as u64;
            total.count += digits.count;
            total.digits += digits.digits;
            true
        });
        (plan.bytes, plan.total) = (bytes, total);
        plan
    }

    /// Points of this file, and of nothing else.
    pub const POINTS: &str = "file-%";

    /// Piece by piece, each with what it holds, until `take` has enough.
    fn make(&self, take: &mut dyn FnMut(Vec<u8>, Total) -> bool) {
        let times: Vec<String> =
            (0..READINGS).map(|at| format!(",{},{},", self.shape.at(at), self.shape.at(at + 1))).collect();
        let (mut piece, mut made, mut total) = (HEADER.as_bytes().to_vec(), 0, Total::default());
        for channel in 0_u32.. {
            let point = format!("file-{channel:07}");
            for at in 0..READINGS {
                let digits = self.shape.digits(channel, at);
                piece.extend_from_slice(point.as_bytes());
                piece.extend_from_slice(times[at as usize].as_bytes());
                write_kwh(&mut piece, digits);
                total.add(digits);
                let is_last = made + piece.len() as u64 >= self.bytes_asked;
                if piece.len() >= PIECE_BYTES || is_last {
                    made += piece.len() as u64;
                    let full = std::mem::replace(&mut piece, Vec::with_capacity(PIECE_BYTES + 128));
                    if !take(full, std::mem::take(&mut total)) || is_last {
                        return;
                    }
                }
            }
        }
    }

    fn sent_as_made(self) -> mpsc::Receiver<Bytes> {
        let (give, pieces) = mpsc::channel(PIECES_AHEAD);
        std::thread::spawn(move || self.make(&mut |piece, _| give.blocking_send(Bytes::from(piece)).is_ok()));
        pieces
    }
}

/// Watt-hours as kWh with three decimals, and the end of the row.
fn write_kwh(into: &mut Vec<u8>, digits: i64) {
    let (whole, rest) = (digits / 1_000, digits % 1_000);
    into.extend_from_slice(whole.to_string().as_bytes());
    into.push(b'.');
    into.extend([rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8));
    into.extend_from_slice(b",kWh\n");
}

/// Until it is taken; a server that is busy is asked again when it says.
pub async fn send(server: &Server, plan: &Plan) -> anyhow::Result<Sent> {
    for refused in 0..TRIES_MAX {
        let begun = Instant::now();
        let wait = match once(server, plan).await? {
            Some(reply) if reply.status == 200 => {
                return Ok(Sent { sequence: reply.sequence()?, seconds: begun.elapsed().as_secs_f64(), refused });
            }
            Some(reply) if reply.is_busy() => {
                Duration::from_secs(reply.retry_after_s().context("a busy server says when to come again")?)
            }
            Some(reply) => bail!("the file was answered {} {}", reply.status, reply.code()),
            None => AGAIN,
        };
        tokio::time::sleep(wait).await;
    }
    bail!("the file was not taken in {TRIES_MAX} tries")
}

async fn once(server: &Server, plan: &Plan) -> anyhow::Result<Option<Reply>> {
    let stream = TcpStream::connect(&server.address).await?;
    let (mut from, mut to) = stream.into_split();
    let head = format!(
        "POST /v1/files?name=crowd.csv&format=csv/generic-long HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n",
        server.address, server.token, plan.bytes
    );
    let mut pieces = plan.sent_as_made();
    let writing = async {
        to.write_all(head.as_bytes()).await?;
        while let Some(piece) = pieces.recv().await {
            to.write_all(&piece).await?;
        }
        // Held open: the answer is still to come.
        std::future::pending::<std::io::Result<()>>().await
    };
    tokio::select! {
        reply = Reply::read(&mut from) => Ok(reply),
        // Whoever is refused cannot write on, but may still read why.
        _ = writing => Ok(Reply::read(&mut from).await),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_what_was_planned() {
        let plan = Plan::of(3, 3 << 20);
        let (mut text, mut total) = (Vec::new(), Total::default());
        plan.make(&mut |piece, digits| {
            text.extend(piece);
            total.count += digits.count;
            total.digits += digits.digits;
            true
        });
        assert_eq!((text.len() as u64, total), (plan.bytes, plan.total));
        assert!(plan.bytes >= 3 << 20 && plan.bytes < (3 << 20) + 100);
        let text = String::from_utf8(text).expect("text");
        assert_eq!(text.lines().count() as u64, plan.total.count + 1);
        let values = text.lines().skip(1).map(|line| line.split(',').nth(3).expect("a value").replace('.', ""));
        assert_eq!(values.map(|digits| digits.parse::<i64>().expect("digits")).sum::<i64>(), plan.total.digits);
    }
}
