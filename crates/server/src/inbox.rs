//! The inbox folder of a server, and what it asks the lake about its files.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use host::Folder;
use ingest::inbox::{DONE, Inbox, Outcome, Outcomes, REFUSED};
use meter::{Sequence, TenantId};
use process::Progress;
use store::Reader;
use tokio::sync::watch;

use crate::ask::{self, Asked};
use crate::cli::Common;
use crate::import::in_force;
use crate::refused::sentence;
use crate::settings::Settings;
use crate::wire::{self, Front};

/// Of each refused file so many refusals stand in the text beside it.
const LISTED_MAX: usize = 1_000;

/// The folder of the settings, if they name one.
pub fn open(
    front: &Front,
    progress: &watch::Receiver<Progress>,
    common: &Common,
    settings: &Settings,
) -> anyhow::Result<Option<Inbox>> {
    let asked = &settings.inbox;
    if asked.dir.as_os_str().is_empty() {
        return Ok(None);
    }
    let tenant = wire::tenant(front.registry.as_ref(), &common.tenant)?;
    let format = asked.format.clone();
    if !format.is_empty() {
        // Only whether it is there: a file is read by the version in force when it comes.
        in_force(&front.profiles, tenant, &format).context("setting inbox.format")?;
    }
    let folder = Folder::open(&asked.dir, &[DONE, REFUSED]).context("setting inbox.dir")?;
    let (reader, progress) = (front.reader.clone(), progress.clone());
    let outcomes = Arc::new(Applied { reader, progress, common: common.clone(), settings: settings.clone() });
    Ok(Some(Inbox { folder, tenant, format, quiet: Duration::from_millis(asked.quiet_ms), outcomes }))
}

/// Asks what is applied, in SQL like anyone.
struct Applied {
    reader: Reader,
    progress: watch::Receiver<Progress>,
    common: Common,
    settings: Settings,
}

#[async_trait]
impl Outcomes for Applied {
    async fn of(&self, tenant: TenantId, sequence: Sequence) -> Result<Outcome, String> {
        let mut progress = self.progress.clone();
        let applied = progress.wait_for(|progress| progress.applied.sequence() > sequence).await;
        applied.map_err(|_| "the process role has stopped".to_owned())?;
        self.read(tenant, sequence).await.map_err(|error| format!("{error:#}"))
    }
}

impl Applied {
    async fn read(&self, tenant: TenantId, sequence: Sequence) -> anyhow::Result<Outcome> {
        let first = self.counts(tenant, sequence).await?;
        let Some(earlier) = first.number("duplicate_of") else { return self.outcome(tenant, &first).await };
        let earlier = self.counts(tenant, Sequence(u64::try_from(earlier)?)).await?;
        self.outcome(tenant, &earlier).await
    }

    async fn counts(&self, tenant: TenantId, sequence: Sequence) -> anyhow::Result<Asked> {
        let sql = format!(
            "select seq, sum(accepted + duplicate + corrected + events) as read, sum(refused) as refused, \
             max(duplicate_of) as duplicate_of from sources where seq = {sequence} group by seq"
        );
        let rows = self.ask(tenant, &sql).await?;
        rows.into_iter().next().with_context(|| format!("record {sequence} is not applied"))
    }

    async fn outcome(&self, tenant: TenantId, counts: &Asked) -> anyhow::Result<Outcome> {
        let count = |name: &str| u64::try_from(counts.number(name).unwrap_or(0)).unwrap_or(0);
        let outcome = Outcome { read: count("read"), refused: count("refused"), first_refused: Vec::new() };
        if outcome.read > 0 || outcome.refused == 0 {
            return Ok(outcome);
        }
        let sql = format!(
            "select place_kind, place, code, reason from refused where seq = {} order by ordinal limit {LISTED_MAX}",
            count("seq")
        );
        let rows = self.ask(tenant, &sql).await?;
        Ok(Outcome { first_refused: rows.iter().map(sentence).collect(), ..outcome })
    }

    async fn ask(&self, tenant: TenantId, sql: &str) -> anyhow::Result<Vec<Asked>> {
        ask::lake(&self.common, self.reader.snapshot(), tenant, &self.settings, sql).await
    }
}
