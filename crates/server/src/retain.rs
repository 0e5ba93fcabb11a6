//! How long what is kept, as the settings say it: ages by kind, tenants by name.

use anyhow::Context;
use meter::{Span, TenantId};
use registry::Registry;
use store::{Retain, Retention};

use crate::exit::Usage;
use crate::length::Length;
use crate::settings::{self, RetainOf};
use crate::wire;

/// [`Usage`] where an age cannot be read or a tenant is not there.
pub fn retention(registry: &dyn Registry, settings: &settings::Retain) -> anyhow::Result<Retention> {
    let tenant = |of: &RetainOf| wire::tenant(registry, &of.tenant).context("settings retain.tenants");
    let tenants: Vec<TenantId> = settings.tenants.iter().map(tenant).collect::<Result<_, _>>()?;
    let kind = |others: &str, own: fn(&RetainOf) -> &Option<String>| -> anyhow::Result<Retain> {
        let mut retain = Retain { others: age(others)?, ..Retain::default() };
        for (tenant, of) in tenants.iter().zip(&settings.tenants) {
            if let Some(text) = own(of) {
                retain.tenants.insert(*tenant, age(text)?);
            }
        }
        Ok(retain)
    };
    Ok(Retention {
        readings: kind(&settings.readings, |of| &of.readings)?,
        refused: kind(&settings.refused, |of| &of.refused)?,
        events: kind(&settings.events, |of| &of.events)?,
        sources: kind(&settings.sources, |of| &of.sources)?,
        archive: kind(&settings.archive, |of| &of.archive)?,
    })
}

/// Empty: for ever.
fn age(text: &str) -> anyhow::Result<Option<Span>> {
    if text.is_empty() {
        return Ok(None);
    }
    let Length { seconds } = text.parse().map_err(|error| Usage(format!("settings retain: {error}")))?;
    Ok(Some(Span(i64::try_from(seconds).expect("a length is at most 200 years") * 1_000_000)))
}
