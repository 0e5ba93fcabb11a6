//! The profiles inside `registry.sqlite`: versions that are only ever added.

use meter::TenantId;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};

use super::schema::{self, PROFILE_COLUMNS};
use super::{Refused, count};
use crate::{Error, NewProfile, PROFILES_BYTES_MAX, PROFILES_MAX, Profile};

pub(super) fn add(change: &Transaction<'_>, new: &NewProfile<'_>) -> Result<Profile, Refused> {
    let newest = find(change, new.tenant, new.name, None)?;
    if let Some(newest) = &newest
        && newest.toml == new.toml
    {
        return Ok(newest.clone());
    }
    let known: bool =
        change.query_row("select exists (select 1 from tenants where id = ?1)", [new.tenant.0], |row| row.get(0))?;
    if !known {
        return Err(Error::NoSuchTenant(new.tenant).into());
    }
    let held = count(change, &format!("select count(*) from profiles where tenant = {}", new.tenant.0))?;
    let bytes = count(change, "select coalesce(sum(length(cast(toml as blob))), 0) from profiles")?;
    if held >= PROFILES_MAX || bytes + new.toml.len() > PROFILES_BYTES_MAX {
        return Err(Error::ProfilesFull.into());
    }
    let sha256: [u8; 32] = Sha256::digest(new.toml).into();
    let version = newest.map_or(1, |newest| newest.version + 1);
    let insert = format!(
        "insert into profiles (tenant, name, version, toml, sha256, added_us, added_by)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7) returning {PROFILE_COLUMNS}"
    );
    let by = new.by.map(|token| token.0);
    let values = params![new.tenant.0, new.name, version, new.toml, sha256, new.added.0, by];
    Ok(change.query_row(&insert, values, schema::profile)?)
}

pub(super) fn find(
    connection: &Connection,
    tenant: TenantId,
    name: &str,
    version: Option<u32>,
) -> rusqlite::Result<Option<Profile>> {
    let select = format!(
        "select {PROFILE_COLUMNS} from profiles
         where tenant = ?1 and name = ?2 and version = coalesce(?3, version) order by version desc limit 1"
    );
    let mut rows = connection.prepare_cached(&select)?;
    rows.query_row(params![tenant.0, name, version], schema::profile).optional()
}

pub(super) fn all(connection: &Connection, tenant: TenantId) -> rusqlite::Result<Vec<Profile>> {
    let select = format!("select {PROFILE_COLUMNS} from profiles where tenant = ?1 order by name, version");
    let mut rows = connection.prepare_cached(&select)?;
    rows.query_map([tenant.0], schema::profile)?.collect()
}
