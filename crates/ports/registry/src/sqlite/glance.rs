//! What a registry shows without being opened, also beside the one who has it.

use std::path::Path;

use host::{Disk, RealDisk};
use rusqlite::{Connection, OpenFlags};

use super::{BUSY_WAIT, FILE_NAME, schema, sql};
use crate::{Error, Result};

/// Every SQLite file begins so.
const SQLITE: &[u8] = b"SQLite format 3\0";
/// Where it keeps `user_version`, four bytes, the greatest first.
const VERSION_AT: usize = 60;

/// What can be told of a registry file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// The format version it says.
    pub version: i64,
    /// Tokens that are not revoked; `None` where they cannot be counted now, as of
    /// a newer format or after a crash, before the next start.
    pub tokens_in_use: Option<u64>,
}

/// Looks at the registry in a data directory; `None` where there is none. From
/// another process than the one that has it open: closing a file drops the locks
/// that a process has on it.
pub fn glance(dir: &Path) -> Result<Option<Glance>> {
    let path = dir.join(FILE_NAME);
    if !path.exists() {
        return Ok(None);
    }
    let disk = RealDisk::open(dir).map_err(Error::of_disk(&path))?;
    let head = disk.read(FILE_NAME, 0, VERSION_AT + 4).map_err(Error::of_disk(&path))?;
    let version = head.get(VERSION_AT..).filter(|_| head.starts_with(SQLITE));
    let Some(version) = version.and_then(|bytes| bytes.try_into().ok()).map(i32::from_be_bytes) else {
        return Err(super::damaged(&path, "is no SQLite file".to_owned()));
    };
    let version = i64::from(version);
    let tokens_in_use = if version == schema::FORMAT { tokens(&path).ok() } else { None };
    Ok(Some(Glance { version, tokens_in_use }))
}

fn tokens(path: &Path) -> Result<u64> {
    let count = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_WAIT)?;
        connection.query_row("select count(*) from tokens where revoked_us is null", [], |row| row.get::<_, i64>(0))
    };
    count().map(i64::cast_unsigned).map_err(|cause| sql(path, cause))
}
