//! `meterhouse verify`: every stored byte is read again, and what the tables
//! say of each other must agree.
//!
//! Promise: a changed byte in any file of the data directory is found and its
//! file named. Bytes are checked before anything is opened that could write.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use host::Disk;
use journal::Archive;
use meter::TenantId;
use process::Until;
use registry::{Registry, Sqlite};
use serde::Serialize;
use store::{Lake, RetiredSources, Snapshot, Table};

use crate::cli::Common;
use crate::exit::{self, Usage};
use crate::settings::Settings;
use crate::{ask, format, names, output, wire};

#[derive(Debug, Serialize)]
struct Damage {
    path: String,
    what: String,
}

#[derive(Debug, Default, Serialize)]
struct Report {
    files: u64,
    bytes: u64,
    /// Waiting for a vacuum; no harm.
    unreferenced: usize,
    damage: Vec<Damage>,
    /// What the tables say of each other, where it does not agree.
    disagreement: Vec<String>,
    sources: i64,
    readings: i64,
    earlier_versions: i64,
    /// Readings and versions that went, because they were older than they are kept.
    retired: i64,
    /// Records of which nothing is known any more, for the same reason.
    retired_sources: i64,
    /// Of every reading and version; does not depend on the order of arrival.
    state_hash: String,
}

pub async fn verify(common: Common, settings: Settings) -> anyhow::Result<ExitCode> {
    if common.server.is_some() {
        return Err(Usage("verify reads the files themselves: stop the server and leave --server out".into()).into());
    }
    if !common.data_dir.exists() {
        return Err(Usage(format!("there is no data directory {}", common.data_dir.display())).into());
    }
    let mut report = Report::default();
    scrub(&common, &mut report).await?;
    if report.damage.is_empty() {
        agree(&common, &settings, &mut report).await?;
    }
    print(&report, common.json)?;
    let sound = report.damage.is_empty() && report.disagreement.is_empty();
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(exit::DAMAGED) })
}

async fn scrub(common: &Common, report: &mut Report) -> anyhow::Result<()> {
    let (disk, _lock) = wire::enter(&common.data_dir)?;
    let format = match format::read(disk.as_ref()) {
        Ok(format) => Some(format),
        Err(error) => {
            report.found("format.json", error.to_string());
            None
        }
    };
    if disk.size("lock").unwrap_or(0) > 0 {
        report.found("lock", "holds bytes; it is always empty".into());
    }
    match Sqlite::scrub_closed(&common.data_dir) {
        Ok(damage) => damage.into_iter().for_each(|d| report.found(&d.path, d.what)),
        Err(error) => report.found("registry.sqlite", error.to_string()),
    }
    for damage in journal::scrub(disk.as_ref()).context("journal")? {
        report.found(&damage.path, format!("{} (byte {})", damage.what, damage.byte));
    }
    let archive = Archive::open(disk.clone()).context("archive")?;
    for damage in archive.scrub().context("archive")? {
        report.found(&damage.path, format!("{} (byte {})", damage.what, damage.byte));
    }
    if process::checkpoint_damaged(disk.as_ref()) {
        report.found(process::CHECKPOINT_PATH, "is not as written; delete it, it is made anew".into());
    }
    if let Some(format) = format {
        scrub_lake(disk, &format.epoch, report).await;
    }
    Ok(())
}

async fn scrub_lake(disk: Arc<dyn Disk>, epoch: &str, report: &mut Report) {
    let bar = output::progress(0, "scrubbing");
    let clock = Arc::new(host::SystemClock::new());
    let scrubbed = match Lake::open(disk, clock, wire::LAKE_DIR, epoch).await {
        Ok(lake) => lake.scrub(&mut |_| bar.inc(1)).await,
        Err(error) => Err(error),
    };
    bar.finish_and_clear();
    match scrubbed {
        Ok(found) => {
            report.files += found.files;
            report.bytes += found.bytes;
            report.unreferenced = found.unreferenced.len();
            found.damage.into_iter().for_each(|d| report.found(&d.path, d.what));
        }
        Err(error) => report.found(wire::LAKE_DIR, error.to_string()),
    }
}

impl Report {
    fn found(&mut self, path: &str, what: String) {
        self.damage.push(Damage { path: path.into(), what });
    }
}

/// What one tenant's tables say.
#[derive(Default)]
struct Counts {
    sources: i64,
    accepted: i64,
    corrected: i64,
    refused: i64,
    events: i64,
    readings: i64,
    earlier: i64,
    events_kept: i64,
    refused_kept: i64,
    refused_cut: i64,
    nameless: i64,
    /// Older than the settings keep them.
    retired: i64,
    retired_earlier: i64,
    retired_refused: i64,
    retired_events: i64,
    /// What went from the sources themselves.
    before: RetiredSources,
}

async fn agree(common: &Common, settings: &Settings, report: &mut Report) -> anyhow::Result<()> {
    let house = wire::open(&common.data_dir, settings).await?;
    let tenants = house.registry.tenants()?;
    let (front, running) = wire::start(house, settings, Until::Applied);
    let mut lake = running.finish().await?;
    let end = journal::Journal::end(front.journal.as_ref()).await;
    let mut sources = 0;
    for tenant in tenants {
        let mut counts = counts(common, lake.snapshot(), tenant.id, settings).await?;
        counts.retired = i64::try_from(lake.retired(Table::Readings, tenant.id).await?)?;
        counts.retired_earlier = i64::try_from(lake.retired(Table::History, tenant.id).await?)?;
        counts.retired_refused = i64::try_from(lake.retired(Table::Refused, tenant.id).await?)?;
        counts.retired_events = i64::try_from(lake.retired(Table::Events, tenant.id).await?)?;
        counts.before = lake.retired_sources(tenant.id).await?;
        sources += counts.sources;
        report.retired_sources += counts.before.records.cast_signed();
        counts.compare(&tenant.name, report);
        report.readings += counts.readings;
        report.earlier_versions += counts.earlier;
        report.retired += counts.retired + counts.retired_earlier;
    }
    report.sources = sources;
    report.state_hash = names::state_hash(&lake.snapshot())?;
    let records = end.0 as i64 - 1;
    if sources + report.retired_sources != records {
        let found = format!("{sources} are in sources, {} went", report.retired_sources);
        report.disagreement.push(format!("the journal gave out {records} sequence numbers, {found}"));
    }
    front.journal.close().await?;
    Ok(())
}

async fn counts(
    common: &Common,
    snapshot: Arc<Snapshot>,
    tenant: TenantId,
    settings: &Settings,
) -> anyhow::Result<Counts> {
    let sql = "select (select count(distinct seq) from sources) as sources, \
        (select sum(accepted) from sources) as accepted, (select sum(corrected) from sources) as corrected, \
        (select sum(refused) from sources) as refused, (select sum(events) from sources) as events, \
        (select count(*) from readings) as readings, (select count(*) from readings_history) as earlier, \
        (select count(*) from events) as events_kept, (select count(*) from refused) as refused_kept, \
        (select count(*) from refused where code = 'more') as refused_cut, \
        (select count(*) from (select distinct channel from readings) r left join channels c \
         on r.channel = c.channel where c.channel is null) as nameless";
    let rows = ask::lake(common, snapshot, tenant, settings, sql).await?;
    let row = rows.first().context("counts have one row")?;
    let number = |name: &str| row.number(name).unwrap_or(0);
    Ok(Counts {
        sources: number("sources"),
        accepted: number("accepted"),
        corrected: number("corrected"),
        refused: number("refused"),
        events: number("events"),
        readings: number("readings"),
        earlier: number("earlier"),
        events_kept: number("events_kept"),
        refused_kept: number("refused_kept"),
        refused_cut: number("refused_cut"),
        nameless: number("nameless"),
        ..Counts::default()
    })
}

impl Counts {
    fn compare(&self, tenant: &str, report: &mut Report) {
        let mut differs = |what: &str, said: i64, found: i64| {
            if said != found {
                report.disagreement.push(format!("tenant {tenant}: {what}: sources say {said}, stored are {found}"));
            }
        };
        let said = |sources: i64, before: u64| sources + before.cast_signed();
        differs("accepted readings", said(self.accepted, self.before.accepted), self.readings + self.retired);
        differs("corrected readings", said(self.corrected, self.before.corrected), self.earlier + self.retired_earlier);
        differs("events", said(self.events, self.before.events), self.events_kept + self.retired_events);
        // One row may stand for many, which nobody can count once it went.
        if self.refused_cut == 0 && self.retired_refused == 0 {
            differs("refusals", said(self.refused, self.before.refused), self.refused_kept);
        }
        differs("readings of channels without a name", 0, self.nameless);
    }
}

fn print(report: &Report, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    for damage in &report.damage {
        println!("damaged: {}: {}", damage.path, damage.what);
    }
    for what in &report.disagreement {
        println!("disagrees: {what}");
    }
    println!(
        "{} lake files, {} bytes read; {} sources, {} readings, {} earlier versions; {} damaged, {} disagreements",
        report.files,
        report.bytes,
        report.sources,
        report.readings,
        report.earlier_versions,
        report.damage.len(),
        report.disagreement.len()
    );
    if report.retired > 0 {
        println!("{} readings and versions went: older than the settings keep them", report.retired);
    }
    if report.retired_sources > 0 {
        println!("{} sources went: older than the settings keep them", report.retired_sources);
    }
    if report.damage.is_empty() {
        println!("state {}", report.state_hash);
    } else {
        println!("restore the named files from a backup, or move them away and import their sources again");
    }
    Ok(())
}
