//! The tables inside `registry.sqlite`, and the version they carry.

use rusqlite::{Connection, Row, Transaction};

use meter::{TenantId, Timestamp};

use crate::{HOME, Profile, Scopes, Token, TokenId};

/// Stands in SQLite's `user_version`. A later program may raise it; an earlier
/// one then refuses the file.
pub const FORMAT: i64 = 2;

/// "mhrg" in ASCII: what `file` and the sqlite3 shell show.
const APPLICATION_ID: i64 = 0x6d68_7267;

/// `STRICT`, so that a column holds what it says; `AUTOINCREMENT`, so that an
/// id is never used again.
const TABLES: &str = "
    create table tenants (
        id integer primary key autoincrement,
        name text not null unique
    ) strict;
    create table tokens (
        id integer primary key autoincrement,
        hash blob not null unique check (length(hash) = 32),
        tenant integer not null references tenants (id),
        scopes integer not null,
        label text not null,
        created_us integer not null,
        revoked_us integer
    ) strict;
    create index tokens_by_hash on tokens (substr(hash, 1, 8));
    create table leases (
        space text primary key,
        next integer not null
    ) strict, without rowid;
    insert into leases (space, next) values ('block', 1);
";

/// Since format 2.
const PROFILES: &str = "
    create table profiles (
        tenant integer not null references tenants (id),
        name text not null,
        version integer not null check (version > 0),
        toml text not null,
        sha256 blob not null check (length(sha256) = 32),
        added_us integer not null,
        added_by integer references tokens (id),
        primary key (tenant, name, version)
    ) strict, without rowid;
";

/// Every column a [`Profile`] is read from, in the order [`profile`] takes them.
pub(crate) const PROFILE_COLUMNS: &str = "name, version, toml, sha256, added_us, added_by";

/// Every column a [`Token`] is read from, in the order [`token`] takes them.
pub(crate) const TOKEN_COLUMNS: &str = "id, tenant, scopes, label, created_us, revoked_us, hash";

pub(crate) fn create(change: &Transaction<'_>) -> rusqlite::Result<()> {
    change.execute_batch(TABLES)?;
    change.execute_batch(PROFILES)?;
    change.execute("insert into tenants (name) values (?1)", [HOME])?;
    change.pragma_update(None, "application_id", APPLICATION_ID)?;
    change.pragma_update(None, "user_version", FORMAT)
}

/// From the format before this one.
pub(crate) fn upgrade(change: &Transaction<'_>) -> rusqlite::Result<()> {
    change.execute_batch(PROFILES)?;
    change.pragma_update(None, "user_version", FORMAT)
}

/// 0 for a file in which nothing was made yet.
pub(crate) fn format_of(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

pub(crate) fn profile(row: &Row<'_>) -> rusqlite::Result<Profile> {
    Ok(Profile {
        name: row.get(0)?,
        version: row.get(1)?,
        toml: row.get(2)?,
        sha256: row.get(3)?,
        added: Timestamp(row.get(4)?),
        by: row.get::<_, Option<i64>>(5)?.map(TokenId),
    })
}

pub(crate) fn token(row: &Row<'_>) -> rusqlite::Result<Token> {
    let bits: u8 = row.get(2)?;
    let scopes = Scopes::from_bits(bits).ok_or(rusqlite::Error::IntegralValueOutOfRange(2, i64::from(bits)))?;
    Ok(Token {
        id: TokenId(row.get(0)?),
        tenant: TenantId(row.get(1)?),
        scopes,
        label: row.get(3)?,
        created: Timestamp(row.get(4)?),
        revoked: row.get::<_, Option<i64>>(5)?.map(Timestamp),
    })
}
