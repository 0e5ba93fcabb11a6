//! `meterhouse backup`: by the server that works on the data directory, or here
//! if none does.
//!
//! Promise: a backup holds what a directory was, of the version it was. To open
//! an older one is to raise it, and then no backup leads back; so that is left to
//! the binary that wrote it.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crate::backup::Taking;
use crate::cli::Common;
use crate::exit::{Taken, Usage};
use crate::formats::{self, OnDisk};
use crate::settings::Settings;
use crate::{control, wire};

pub async fn backup(common: Common, settings: Settings, to: &Path) -> anyhow::Result<ExitCode> {
    if common.server.is_some() {
        return Err(Usage("backup works with the server's data directory: give --data-dir, not --server".into()).into());
    }
    if !common.data_dir.exists() {
        return Err(Usage(format!("there is no data directory {}", common.data_dir.display())).into());
    }
    refuse_an_older(&common)?;
    let (to, data_dir) = (std::path::absolute(to)?, std::path::absolute(&common.data_dir)?);
    if to.starts_with(&data_dir) {
        return Err(Usage("a backup inside the data directory would be lost with it".into()).into());
    }
    let taking = match wire::open(&common.data_dir, &settings).await {
        Ok(house) => {
            let alive = Arc::new(house.alive());
            let at = to.clone();
            let taking = tokio::task::spawn_blocking(move || control::take(&alive, &at)).await??;
            journal::Local::close(&house.journal).await?;
            taking
        }
        Err(error) if error.is::<Taken>() => control::ask(&common.data_dir, &to).await?,
        Err(error) => return Err(error),
    };
    told(&taking, &to, common.json)?;
    Ok(ExitCode::SUCCESS)
}

fn refuse_an_older(common: &Common) -> anyhow::Result<()> {
    let older = formats::older(&common.data_dir)?;
    let Some(OnDisk { name, writes, .. }) = older.first() else { return Ok(()) };
    Err(Usage(format!(
        "{} is of an older meterhouse: its {name} is before version {writes}, and taking a backup here would raise it; \
         take the backup with the meterhouse that wrote it, then start this one",
        common.data_dir.display()
    ))
    .into())
}

fn told(taking: &Taking, to: &Path, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(taking)?);
        return Ok(());
    }
    println!(
        "{} holds every record below {}: {} files, {} bytes, of which {} files, {} bytes are new; {} are gone",
        to.display(),
        taking.next_sequence,
        taking.files,
        taking.bytes,
        taking.files_new,
        taking.bytes_new,
        taking.removed
    );
    Ok(())
}
