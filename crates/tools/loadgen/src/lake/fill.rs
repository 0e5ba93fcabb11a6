//! The lake is made through the public door: as fast as the server acknowledges.

use std::time::Instant;

use serde_json::json;

use crate::load::{self, Pace};
use crate::server::Server;
use crate::shape::Shape;
use crate::source::Order;

const CONNECTIONS: u32 = 4;
/// Messages a body: with a day of quarter-hours in each about 90 kB.
const MESSAGES: usize = 100;

/// What it took, for the report.
pub async fn fill(server: &Server, shape: Shape) -> anyhow::Result<serde_json::Value> {
    let before = server.cost()?;
    let begun = Instant::now();
    let bodies = shape.bodies(0..shape.readings, MESSAGES, Order::OldestFirst);
    let sent = load::run(server, bodies, shape.messages(), CONNECTIONS, Pace::AsAcknowledged).await?;
    let acknowledged = server.cost()?;
    eprintln!("filled in {:.0} s; waiting until it is in order", sent.took.as_secs_f64());
    server.settled(sent.last).await?;
    let settled = server.cost()?;
    let millions = shape.rows() as f64 / 1e6;
    Ok(json!({
        "seconds_acknowledged": sent.took.as_secs_f64(),
        "seconds_settled": begun.elapsed().as_secs_f64(),
        "server_cpu_s_per_million_acknowledged": (acknowledged.cpu_s - before.cpu_s) / millions,
        "server_cpu_s_per_million_settled": (settled.cpu_s - before.cpu_s) / millions,
        "wire_bytes_per_measurement": sent.bytes as f64 / shape.rows() as f64,
        "retried": sent.retried,
        "peak_bytes": settled.peak_bytes,
    }))
}
