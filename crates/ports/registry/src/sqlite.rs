//! The embedded registry: one SQLite file and a sum beside it.
//!
//! Promise: a change is committed with `synchronous=EXTRA` before its call
//! returns; the file's BLAKE3 stands in `registry.sum` whenever no change is
//! under way; opening refuses a file that differs from it.
//!
//! SQLite does its own file I/O. It is therefore *not* on `host::Disk`, and the
//! simulated disk does not tear it: what a power loss does to it is SQLite's
//! promise (a rollback journal, tested by its authors), and killing a real
//! process in the middle is tested here. Only `registry.sum` and the reading of
//! whole files for their hash go through `host::RealDisk`. SQLite's locks are
//! POSIX ones, dropped when *any* descriptor of the file is closed; so the file
//! is only read for its hash while our one connection is idle.
//!
//! One window stays: after a crash between a commit and the writing of its sum,
//! the next opening can check the file only by SQLite's own `integrity_check`
//! and then takes its hash as it is. A flip in these milliseconds is not found.
//!
//! Read: this file (opening, a change, the queries), `sqlite/sum.rs`,
//! `sqlite/rest.rs` (checks while nothing changes), `sqlite/schema.rs`, `sqlite/profiles.rs`.

mod sum;
mod rest;
mod schema;
mod profiles;
mod glance;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use host::{Disk, RealDisk};
use meter::{ChannelId, TenantId, Timestamp};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::{
    Error, LEASE_BLOCKS_MAX, NewProfile, NewToken, Profile, Registry, Result, TENANT_NAME_BYTES_MAX, TENANTS_MAX,
    TOKENS_MAX, Tenant, Token, TokenHash, TokenId, Which,
};
use schema::TOKEN_COLUMNS;
use sum::{FileSum, State};

pub use glance::{Glance, glance};
pub use rest::Damage;
pub use schema::FORMAT as FORMAT_VERSION;
pub use sum::VERSION as SUM_VERSION;

const FILE_NAME: &str = "registry.sqlite";

/// Blocks end where `block × slots` would leave an `i64`.
const BLOCK_MAX: i64 = i64::MAX / ChannelId::SLOTS - 1;

/// Another process inside (a person with the sqlite3 shell) is waited for this long.
const BUSY_WAIT: Duration = Duration::from_secs(2);

/// See the module.
pub struct Sqlite {
    path: PathBuf,
    disk: RealDisk,
    inner: Mutex<Inner>,
}

struct Inner {
    connection: Connection,
    /// What `registry.sum` says.
    sum: FileSum,
    /// Set by a failed write: disk and memory may disagree, so nothing more is written.
    stopped: Option<String>,
}

impl Sqlite {
    /// Opens the registry in a data directory, or makes one if there is none;
    /// finishes or undoes what a crash left. The caller holds the data
    /// directory's lock.
    pub fn open(dir: &Path) -> Result<Sqlite> {
        let path = dir.join(FILE_NAME);
        let disk = RealDisk::open(dir).map_err(Error::of_disk(&path))?;
        let said = rest::said(&path, &disk)?;
        if let Some(State::Clean(sum)) = &said {
            rest::check(&path, &disk, sum)?;
        }
        let mut connection = connect(&path, said.is_none())?;
        // The first look inside plays back the journal of an interrupted change.
        let format = schema::format_of(&connection).map_err(|cause| sql(&path, cause))?;
        if format > schema::FORMAT {
            return Err(Error::Newer { path, found: format, known: schema::FORMAT });
        }
        if let Some(State::Changing(before)) = &said {
            rest::check_interrupted(&path, &disk, &connection, before.as_ref())?;
        }
        if format == 0 {
            make(&mut connection, schema::create).map_err(|cause| sql(&path, cause))?;
        } else if format < schema::FORMAT {
            let before = if let Some(State::Clean(sum)) = &said { Some(sum.clone()) } else { None };
            State::Changing(before).write(&disk).map_err(Error::of_disk(&path))?;
            make(&mut connection, schema::upgrade).map_err(|cause| sql(&path, cause))?;
        }
        let sum = match said {
            Some(State::Clean(sum)) if format == schema::FORMAT => sum,
            _ => rest::settle(&path, &disk)?,
        };
        Ok(Sqlite { path, disk, inner: Mutex::new(Inner { connection, sum, stopped: None }) })
    }

    /// Reads every byte of both files and compares; blocks changes meanwhile.
    pub fn scrub(&self) -> Result<Vec<Damage>> {
        let _idle = self.idle();
        rest::scrub(&self.path, &self.disk)
    }

    /// The same for a registry nobody has open, such as one that refuses to.
    pub fn scrub_closed(dir: &Path) -> Result<Vec<Damage>> {
        let path = dir.join(FILE_NAME);
        let disk = RealDisk::open(dir).map_err(Error::of_disk(&path))?;
        rest::scrub(&path, &disk)
    }

    /// Both files by name, as they stand between two changes: a registry opened
    /// on them is this one. A file that is not as written is [`Error::Damaged`].
    pub fn image(&self) -> Result<[(&'static str, Vec<u8>); 2]> {
        let inner = self.idle();
        if let Some(what) = &inner.stopped {
            return Err(Error::Stopped { path: self.path.clone(), what: what.clone() });
        }
        let whole = || {
            self.disk.read(FILE_NAME, 0, usize::try_from(self.disk.size(FILE_NAME)?).map_err(std::io::Error::other)?)
        };
        let bytes = whole().map_err(Error::of_disk(&self.path))?;
        if blake3::hash(&bytes).to_hex().as_str() != inner.sum.hash {
            return Err(damaged(&self.path, "does not match its checksum".to_owned()));
        }
        let said = State::Clean(inner.sum.clone()).text().into_bytes();
        Ok([(FILE_NAME, bytes), (sum::SUM_NAME, said)])
    }

    fn idle(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look<T>(&self, look: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        look(&self.idle().connection).map_err(|cause| sql(&self.path, cause))
    }

    /// One change: say so, commit it, write the new sum. A refusal by `work`
    /// rolls back, which leaves the file as it was, byte for byte.
    fn change<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Refused>) -> Result<T> {
        let mut inner = self.idle();
        if let Some(what) = &inner.stopped {
            return Err(Error::Stopped { path: self.path.clone(), what: what.clone() });
        }
        if let Err(error) = State::Changing(Some(inner.sum.clone())).write(&self.disk) {
            if host::is_full(&error) {
                return Err(Error::DiskFull { path: self.path.clone() });
            }
            return Err(self.stop(&mut inner, error.to_string()));
        }
        let outcome = transact(&mut inner.connection, work);
        let outcome = match outcome {
            Err(Refused::Sql(error)) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
                Err(Error::DiskFull { path: self.path.clone() })
            }
            Err(Refused::Sql(error)) if is_writing(&error) => return Err(self.stop(&mut inner, error.to_string())),
            Err(Refused::Sql(error)) => Err(sql(&self.path, error)),
            Err(Refused::Ours(error)) => Err(error),
            Ok(done) => Ok(done),
        };
        let summed = FileSum::of(&self.disk, FILE_NAME)
            .and_then(|sum| State::Clean(sum.clone()).write(&self.disk).map(|()| sum));
        match summed {
            Ok(sum) => inner.sum = sum,
            Err(error) => {
                // The change may be in: only a restart finds out, also when there is room again.
                let stopped = self.stop(&mut inner, error.to_string());
                return Err(if host::is_full(&error) { Error::DiskFull { path: self.path.clone() } } else { stopped });
            }
        }
        outcome
    }

    fn stop(&self, inner: &mut Inner, what: String) -> Error {
        inner.stopped = Some(what.clone());
        Error::Stopped { path: self.path.clone(), what }
    }
}

impl Registry for Sqlite {
    fn tenants(&self) -> Result<Vec<Tenant>> {
        self.look(|connection| {
            let mut rows = connection.prepare_cached("select id, name from tenants order by id")?;
            let tenants = rows.query_map([], |row| Ok(Tenant { id: TenantId(row.get(0)?), name: row.get(1)? }))?;
            tenants.collect()
        })
    }

    fn add_tenant(&self, name: &str) -> Result<Tenant> {
        let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        if name.is_empty() || name.len() > TENANT_NAME_BYTES_MAX || !name.bytes().all(plain) {
            return Err(Error::TenantName(name.chars().take(TENANT_NAME_BYTES_MAX).collect()));
        }
        self.change(|change| {
            if count(change, "select count(*) from tenants")? >= TENANTS_MAX {
                return Err(Error::TenantsFull.into());
            }
            let taken: bool =
                change.query_row("select exists (select 1 from tenants where name = ?1)", [name], |row| row.get(0))?;
            if taken {
                return Err(Error::TenantExists(name.to_owned()).into());
            }
            let id =
                change.query_row("insert into tenants (name) values (?1) returning id", [name], |row| row.get(0))?;
            Ok(Tenant { id: TenantId(id), name: name.to_owned() })
        })
    }

    fn add_token(&self, hash: &TokenHash, new: &NewToken) -> Result<Token> {
        new.check()?;
        self.change(|change| {
            if count(change, "select count(*) from tokens")? >= TOKENS_MAX {
                return Err(Error::TokensFull.into());
            }
            let known: bool =
                change.query_row("select exists (select 1 from tenants where id = ?1)", [new.tenant.0], |row| {
                    row.get(0)
                })?;
            if !known {
                return Err(Error::NoSuchTenant(new.tenant).into());
            }
            let insert = format!(
                "insert into tokens (hash, tenant, scopes, label, created_us) values (?1, ?2, ?3, ?4, ?5)
                 returning {TOKEN_COLUMNS}"
            );
            let values = params![hash.0, new.tenant.0, new.scopes.bits(), new.label, new.created.0];
            Ok(change.query_row(&insert, values, schema::token)?)
        })
    }

    fn revoke_token(&self, id: TokenId, at: Timestamp) -> Result<Token> {
        self.change(|change| {
            let update = format!(
                "update tokens set revoked_us = coalesce(revoked_us, ?2) where id = ?1 returning {TOKEN_COLUMNS}"
            );
            let revoked = change.query_row(&update, params![id.0, at.0], schema::token).optional()?;
            revoked.ok_or_else(|| Error::NoSuchToken(id).into())
        })
    }

    fn tokens(&self, which: Which<'_>) -> Result<Vec<Token>> {
        let select = |rest: &str| format!("select {TOKEN_COLUMNS} from tokens {rest}");
        self.look(|connection| match which {
            Which::All => connection.prepare_cached(&select("order by id"))?.query_map([], schema::token)?.collect(),
            Which::Of(tenant) => {
                let mut rows = connection.prepare_cached(&select("where tenant = ?1 order by id"))?;
                rows.query_map([tenant.0], schema::token)?.collect()
            }
            Which::Hash(hash) => by_hash(connection, &select("where substr(hash, 1, 8) = ?1"), hash),
        })
    }

    fn add_profile(&self, new: &NewProfile<'_>) -> Result<Profile> {
        self.change(|change| profiles::add(change, new))
    }

    fn profile(&self, tenant: TenantId, name: &str, version: Option<u32>) -> Result<Option<Profile>> {
        self.look(|connection| profiles::find(connection, tenant, name, version))
    }

    fn profiles(&self, tenant: TenantId) -> Result<Vec<Profile>> {
        self.look(|connection| profiles::all(connection, tenant))
    }

    fn lease_blocks(&self, blocks: u32) -> Result<Range<i64>> {
        if blocks == 0 || blocks > LEASE_BLOCKS_MAX {
            return Err(Error::LeaseSize(blocks));
        }
        self.change(|change| {
            let start: i64 = change.query_row("select next from leases where space = 'block'", [], |row| row.get(0))?;
            let end = start + i64::from(blocks);
            if end > BLOCK_MAX {
                return Err(Error::BlocksFull.into());
            }
            change.execute("update leases set next = ?1 where space = 'block'", [end])?;
            Ok(start..end)
        })
    }
}

/// Why a change was rolled back.
enum Refused {
    Ours(Error),
    Sql(rusqlite::Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused::Ours(error)
    }
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Refused::Sql(error)
    }
}

fn connect(path: &Path, new: bool) -> Result<Connection> {
    let make = if new { OpenFlags::SQLITE_OPEN_CREATE } else { OpenFlags::empty() };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | make;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_WAIT)?;
        // EXTRA also syncs the directory after the journal is deleted: without
        // it a power loss can bring the journal back and undo the commit.
        connection.pragma_update(None, "synchronous", "EXTRA")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        Ok(connection)
    };
    open().map_err(|cause| sql(path, cause))
}

fn make(
    connection: &mut Connection,
    tables: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tables(&change)?;
    change.commit()
}

fn transact<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, Refused>,
) -> Result<T, Refused> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = work(&change)?;
    change.commit()?;
    Ok(done)
}

/// The index finds candidates by a quarter of the hash, the rest is compared in
/// constant time. Timing could tell at most those 64 bits of a hash, and a hash
/// does not lead to the 256 random bits it was made from.
fn by_hash(connection: &Connection, select: &str, hash: &TokenHash) -> rusqlite::Result<Vec<Token>> {
    let mut rows = connection.prepare_cached(select)?;
    let mut candidates = rows.query([&hash.0[..8]])?;
    let mut found = Vec::new();
    while let Some(row) = candidates.next()? {
        let stored = TokenHash(row.get(6)?);
        if stored.same(hash) {
            found.push(schema::token(row)?);
        }
    }
    Ok(found)
}

fn count(change: &Transaction<'_>, select: &str) -> rusqlite::Result<usize> {
    let rows: i64 = change.query_row(select, [], |row| row.get(0))?;
    Ok(usize::try_from(rows).unwrap_or(usize::MAX))
}

fn damaged(path: &Path, what: String) -> Error {
    Error::Damaged { path: path.to_owned(), what }
}

fn sql(path: &Path, cause: rusqlite::Error) -> Error {
    let path = path.to_owned();
    match cause.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::Damaged { path, what: cause.to_string() },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::InUse { path },
        Some(ErrorCode::DiskFull) => Error::DiskFull { path },
        _ => Error::Sql { path, cause },
    }
}

/// After these the file may or may not hold the change.
fn is_writing(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::CannotOpen | ErrorCode::ReadOnly)
    )
}

#[cfg(test)]
mod tests;
