//! Whether what is stored is what was sent: by count and hash, in any order.

use anyhow::{Context, ensure};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::sent::{Sent, hash};
use crate::server::Server;

/// As [`Sent::note`] writes a reading.
const QUERY: &str = "select point, register, cast(start as bigint), value, scale from readings";

/// Reads every reading back over the public door.
pub async fn stored(server: &Server, sent: &Sent) -> anyhow::Result<()> {
    stored_where(server, sent, "true").await
}

/// The same of those readings for which a condition holds.
pub async fn stored_where(server: &Server, sent: &Sent, condition: &str) -> anyhow::Result<()> {
    let query = format!("{QUERY} where {condition}");
    let stream = TcpStream::connect(&server.address).await?;
    let mut stream = BufReader::with_capacity(1 << 20, stream);
    // HTTP/1.0: the answer comes without chunks and ends with the connection.
    let head = format!(
        "POST /v1/sql?format=csv HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{query}",
        server.address,
        server.token,
        query.len()
    );
    stream.get_mut().write_all(head.as_bytes()).await?;
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).await?;
    ensure!(line.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&line));
    while line.trim_ascii_end() != b"" {
        line.clear();
        ensure!(stream.read_until(b'\n', &mut line).await? > 0, "the answer ends in its head");
    }
    line.clear();
    stream.read_until(b'\n', &mut line).await.context("the names of the columns")?;
    let (mut count, mut sum) = (0_u64, 0_u128);
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            break;
        }
        count += 1;
        sum = sum.wrapping_add(hash(line.trim_ascii_end()));
    }
    ensure!(count == sent.measurements, "{count} readings are stored, {} were sent", sent.measurements);
    ensure!(sum == sent.hash, "what is stored is not what was sent, though as many");
    Ok(())
}
