//! `meterhouse demo`: a simulated street through the real HTTP door, three
//! questions with their answers, and the server left running on loopback.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use meter::{Span, Timestamp};
use parse::protobuf::Writer;
use registry::{Scope, Scopes};
use simulate::{Fleet, Streams, Use};
use tokio::sync::oneshot;

use crate::cli::{Common, Demo};
use crate::exit::Usage;
use crate::remote::{Remote, escaped};
use crate::serve::Server;
use crate::settings::Settings;
use crate::{ask, output, wire};

const STEP: Span = Span::from_minutes(15);
const DAY: Span = Span::from_minutes(24 * 60);
const DEMO_DIR: &str = "meterhouse-demo";
/// Containers a request: about 60 bytes each measurement, 150 KiB in all.
const MESSAGES_A_REQUEST: usize = 500;

pub async fn demo(mut common: Common, settings: Settings, command: Demo) -> anyhow::Result<ExitCode> {
    if common.server.is_some() {
        return Err(Usage("the demo runs a server of its own: leave --server out".into()).into());
    }
    if command.homes == 0 || command.days == 0 {
        return Err(Usage("a demo needs at least one home and one day".into()).into());
    }
    if common.data_dir == Path::new(crate::cli::DATA_DIR) {
        common.data_dir = PathBuf::from(DEMO_DIR);
    }
    let house = wire::open(&common.data_dir, &settings).await?;
    let tenant = wire::tenant(house.registry.as_ref(), &common.tenant)?;
    let scopes = Scopes::of(&[Scope::Read, Scope::Write]);
    let issued =
        registry::issue(house.registry.as_ref(), house.entropy.as_ref(), house.clock.as_ref(), tenant, scopes, "demo")?;
    let token = issued.text.reveal().to_owned();
    let now = house.clock.now();
    let server = Server::start(house, &settings, &common.data_dir, command.listen).await?;
    let url = format!("http://{}", server.address);
    println!("meterhouse listens on {url}, data in {}", common.data_dir.display());

    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async move {
        tokio::select! {
            _ = stopped => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    }));
    let remote = Arc::new(Remote::new(&url, Some(&token), None)?);
    let street = Street::new(&command, now);
    let told = async {
        let last = street.send(&remote).await?;
        street.ask(&remote, last).await
    };
    let told = told.await;
    if command.exit || told.is_err() {
        let _ = stop.send(());
        serving.await.context("server")??;
        told?;
        return Ok(ExitCode::SUCCESS);
    }
    println!("\nThe server goes on until Ctrl-C. Look at it:\n  {url}/#token={token}");
    println!("Ask it yourself:");
    println!("  export METERHOUSE_SERVER={url} METERHOUSE_TOKEN={token}");
    println!("  meterhouse sql \"select register, count(*) from readings group by register\"");
    println!(
        "  curl -H \"Authorization: Bearer $METERHOUSE_TOKEN\" --data \"select count(*) from readings\" {url}/v1/sql"
    );
    serving.await.context("server")??;
    Ok(ExitCode::SUCCESS)
}

/// Some days of some homes, ending with the last full quarter of an hour.
struct Street {
    fleet: Fleet,
    from: Timestamp,
    to: Timestamp,
}

impl Street {
    fn new(command: &Demo, now: Timestamp) -> Street {
        let to = Timestamp(now.0 - now.0.rem_euclid(STEP.0));
        let from = Timestamp(to.0 - i64::from(command.days) * DAY.0);
        Street { fleet: Fleet::new(command.seed, command.homes), from, to }
    }

    /// Sends everything; gives the sequence of the last request.
    async fn send(&self, remote: &Remote) -> anyhow::Result<u64> {
        let steps = (self.to.0 - self.from.0) / STEP.0 * i64::from(self.fleet.homes());
        let bar = output::progress(steps as u64, "sending");
        // The first message is at the end of the first quarter of an hour.
        let messages = self.fleet.messages(self.from.plus(STEP), self.to.plus(STEP), STEP);
        let (mut last, mut sent) = (0, 0);
        let mut request = Writer::new();
        let mut waiting = 0;
        for message in messages {
            if waiting == 0 {
                message.declare(&mut request);
            }
            message.write(&mut request, Streams::Shared);
            waiting += 1;
            sent += message.samples().len();
            if waiting == MESSAGES_A_REQUEST {
                last = post(remote, std::mem::replace(&mut request, Writer::new())).await?;
                bar.inc(waiting as u64);
                waiting = 0;
            }
        }
        if waiting > 0 {
            last = post(remote, request).await?;
        }
        bar.finish_and_clear();
        println!("{} homes sent {sent} measurements, each acknowledged after it was on disk", self.fleet.homes());
        Ok(last)
    }

    async fn ask(&self, remote: &Remote, last: u64) -> anyhow::Result<()> {
        let period = format!("start >= '{}' and start < '{}'", self.from, self.to);
        let questions = [
            (
                "What is stored?",
                "select register, kind, count(*) as readings, min(start) as first, max(start) as last \
              from readings group by register, kind order by register, kind"
                    .to_owned(),
            ),
            (
                "Which five homes used the most electricity?",
                format!(
                    "select point, sum(quantity) as kwh \
              from readings where register = '1-0:1.29.0' and {period} group by point order by kwh desc limit 5"
                ),
            ),
            (
                "When does the street use it?",
                format!(
                    "select date_part('hour', start) as hour_utc, \
              sum(quantity) as kwh from readings where register = '1-0:1.29.0' and {period} group by hour_utc order by hour_utc"
                ),
            ),
        ];
        for (question, sql) in questions {
            println!("\n{question}\n  {sql}\n");
            let path = format!("/v1/sql?format=table&wait={last}&q={}", escaped(&sql));
            println!("{}", String::from_utf8_lossy(&remote.get(&path).await?.good()?));
        }
        self.compare(remote, &period).await
    }

    /// The simulator knows the truth: every watt-hour must be there, none twice.
    async fn compare(&self, remote: &Remote, period: &str) -> anyhow::Result<()> {
        let sql = format!(
            "select cast(sum(quantity) * 1000 as bigint) as wh from readings where register = '1-0:1.29.0' and {period}"
        );
        let rows = ask::server(remote, &sql, None).await?;
        let stored = rows.first().and_then(|row| row.number("wh")).context("the sum is missing")?;
        let truth: i64 = (0..self.fleet.homes())
            .filter_map(|home| self.fleet.truth(home, Use::Electricity, self.from, self.to))
            .sum();
        println!("The simulator delivered {truth} Wh, the lake holds {stored} Wh.");
        ensure!(stored == truth, "the lake and the simulator disagree: please report this");
        Ok(())
    }
}

async fn post(remote: &Remote, request: Writer) -> anyhow::Result<u64> {
    let body = request.into_body();
    let answer = remote.post("/v1/readings", "application/x-protobuf", body.into()).await?;
    let receipt: serde_json::Value = serde_json::from_slice(&answer.good()?)?;
    ensure!(receipt["refused_total"] == 0, "the server refused part of a request: {receipt}");
    receipt["sequence"].as_u64().context("the receipt has no sequence")
}
