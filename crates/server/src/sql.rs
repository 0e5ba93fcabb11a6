//! `meterhouse sql`: a question and its answer.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use meter::TenantId;
use process::Until;
use query::{Engine, Format, Principal, Spill};
use store::Snapshot;

use crate::ask::{self, Asked};
use crate::cli::{Common, SqlFormat};
use crate::remote::{Remote, escaped};
use crate::settings::Settings;
use crate::wire;

pub async fn sql(common: Common, settings: Settings, query: &str, format: SqlFormat) -> anyhow::Result<ExitCode> {
    let format = match format {
        _ if common.json => Format::Json,
        SqlFormat::Table => Format::Table,
        SqlFormat::Csv => Format::Csv,
        SqlFormat::Json => Format::Json,
        SqlFormat::Arrow => Format::Arrow,
    };
    let mut out = std::io::stdout();
    if let Some(server) = &common.server {
        let remote = Remote::new(server, common.token.as_deref(), common.ca_file.as_deref())?;
        let path = format!("/v1/sql?format={}&q={}", format.name(), escaped(query));
        out.write_all(&remote.get(&path).await?.good()?)?;
    } else {
        let (snapshot, tenant) = local(&common, &settings).await?;
        answer(&common, snapshot, tenant, &settings, query, format, &mut out).await?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// The local lake with everything in the journal applied, and the tenant asked for.
pub async fn local(common: &Common, settings: &Settings) -> anyhow::Result<(Arc<Snapshot>, TenantId)> {
    let house = wire::open(&common.data_dir, settings).await?;
    let tenant = wire::tenant(house.registry.as_ref(), &common.tenant)?;
    let (front, running) = wire::start(house, settings, Until::Applied);
    let lake = running.finish().await?;
    front.journal.close().await?;
    Ok((lake.snapshot(), tenant))
}

/// Asks where the command line says: a server or the local lake.
pub async fn ask(common: &Common, settings: &Settings, query: &str) -> anyhow::Result<Vec<Asked>> {
    if let Some(server) = &common.server {
        return ask::server(&Remote::new(server, common.token.as_deref(), common.ca_file.as_deref())?, query, None)
            .await;
    }
    let (snapshot, tenant) = local(common, settings).await?;
    ask::lake(common, snapshot, tenant, settings, query).await
}

/// Answers from a snapshot into `out`, piece by piece.
pub async fn answer(
    common: &Common,
    snapshot: Arc<Snapshot>,
    tenant: TenantId,
    settings: &Settings,
    query: &str,
    format: Format,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let engine = Engine::new(limits(settings, &common.data_dir))?;
    let session = engine.session(Principal { tenant }, snapshot);
    session.query(query).await?.write(format, out).await?;
    Ok(())
}

/// What queries may cost, as the settings say.
pub fn limits(settings: &Settings, data_dir: &Path) -> query::Limits {
    let at_least_one = |count: usize| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
    query::Limits {
        queries_max: at_least_one(settings.query.concurrent_max),
        memory_bytes_max: settings.query.memory_bytes_max,
        rows_max: settings.query.rows_max,
        time_max: Duration::from_millis(settings.query.time_max_ms),
        spill: Some(Spill { directory: data_dir.join(wire::SPILL_DIR), bytes_max: settings.query.spill_bytes_max }),
        ..query::Limits::default()
    }
}
