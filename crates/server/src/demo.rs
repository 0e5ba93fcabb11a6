//! `meterhouse demo`: a simulated town through the real HTTP door, some questions
//! with their answers, and then live readings until Ctrl-C.
//!
//! Read: `demo/past.rs` (which months, and what lies in them), `demo/fill.rs` (how they
//! get into the lake), `demo/questions.rs`, `demo/live.rs`; `demo/write.rs` (the town as
//! files).

mod past;
mod fill;
mod questions;
mod live;
mod write;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use bytes::Bytes;
use registry::{Scope, Scopes};
use simulate::Town;
use tokio::sync::oneshot;

use crate::cli::{Common, Demo};
use crate::exit::Usage;
use crate::remote::Remote;
use crate::serve::Server;
use crate::settings::Settings;
use crate::{control, wire};
use past::Past;

const DEMO_DIR: &str = "meterhouse-demo";

pub async fn demo(mut common: Common, settings: Settings, command: Demo) -> anyhow::Result<ExitCode> {
    if common.server.is_some() {
        return Err(Usage("the demo runs a server of its own: leave --server out".into()).into());
    }
    if command.homes == 0 || command.months == 0 {
        return Err(Usage("a demo needs at least one home and one month".into()).into());
    }
    if let Some(dir) = &command.write {
        return write::write(&command, dir);
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
    let clock = house.clock.clone();
    let (alive, socket) = (house.alive(), control::open(&common.data_dir));
    let mut server = Server::start(house, &settings, &common.data_dir, command.listen).await?;
    server.answer_at(socket, alive);
    let url = format!("http://{}", server.address);
    println!("meterhouse listens on {url}, data in {}", common.data_dir.display());

    let (stop, stopped) = oneshot::channel::<()>();
    let mut serving = tokio::spawn(server.run(async move {
        tokio::select! {
            _ = stopped => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    }));
    let remote = Arc::new(Remote::new(&url, Some(&token), None)?);
    let town = Town::new(command.seed, command.homes);
    let past = Past::until(town, clock.now(), command.months)?;
    let shown = async {
        let last = fill::fill(&past, &remote).await?;
        questions::ask(&past, &remote, last).await?;
        if !command.exit {
            invite(&url, &token);
            live::go_on(town, past.to, clock.as_ref(), &remote).await?;
        }
        anyhow::Ok(())
    };
    let told = tokio::select! {
        told = shown => told,
        // Ctrl-C: whatever was on its way does not matter any more.
        ended = &mut serving => return served(ended),
    };
    let _ = stop.send(());
    let served = served(serving.await);
    told?;
    served
}

fn served(ended: Result<anyhow::Result<()>, tokio::task::JoinError>) -> anyhow::Result<ExitCode> {
    ended.context("server")??;
    Ok(ExitCode::SUCCESS)
}

fn invite(url: &str, token: &str) {
    println!("\nLive readings come in until Ctrl-C. Look at them:\n  {url}/#token={token}");
    println!("Ask yourself:");
    println!("  export METERHOUSE_SERVER={url} METERHOUSE_TOKEN={token}");
    println!("  meterhouse sql \"select register, count(*) from readings group by register\"");
    println!(
        "  curl -H \"Authorization: Bearer $METERHOUSE_TOKEN\" --data \"select count(*) from readings\" {url}/v1/sql\n"
    );
}

/// Sends a request of readings; gives its sequence once it is on disk.
async fn post(remote: &Remote, body: Bytes) -> anyhow::Result<u64> {
    let answer = remote.post("/v1/readings", "application/x-protobuf", body).await?;
    let receipt: serde_json::Value = serde_json::from_slice(&answer.good()?)?;
    ensure!(receipt["refused_total"] == 0, "the server refused part of a request: {receipt}");
    receipt["sequence"].as_u64().context("the receipt has no sequence")
}
