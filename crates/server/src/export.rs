//! `meterhouse export readings`: what stands, as CSV.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use arrow::ipc::reader::StreamReader;
use meter::Timestamp;
use query::{Engine, Principal, Selection};

use crate::cli::{Common, ExportReadings};
use crate::exit::Usage;
use crate::remote::{Remote, escaped};
use crate::settings::Settings;
use crate::sql;

pub async fn readings(common: Common, settings: Settings, command: ExportReadings) -> anyhow::Result<ExitCode> {
    let selection = selection(&command)?;
    let mut out = std::io::BufWriter::new(std::io::stdout());
    if let Some(server) = &common.server {
        let remote = Remote::new(server, common.token.as_deref(), common.ca_file.as_deref())?;
        let path = format!("/v1/sql?format=arrow&q={}", escaped(&selection.sql()));
        let body = remote.get(&path).await?.good()?;
        parse::export::write_header(&mut out)?;
        for batch in StreamReader::try_new(body.as_ref(), None).context("the server's answer")? {
            query::write_lines(&batch.context("the server's answer")?, &mut out)?;
        }
    } else {
        let (snapshot, tenant) = sql::local(&common, &settings).await?;
        let engine = Engine::new(sql::limits(&settings, &common.data_dir))?;
        engine.session(Principal { tenant }, snapshot).export_readings(&selection, &mut out).await?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn selection(command: &ExportReadings) -> anyhow::Result<Selection> {
    let time = |text: &Option<String>| {
        let read = text.as_deref().map(Timestamp::parse).transpose();
        read.map_err(|error| Usage(format!("{error}; give a time such as 2026-01-31T00:00:00Z")))
    };
    Ok(Selection { point: command.point.clone(), from: time(&command.from)?, before: time(&command.to)? })
}
