//! What can go wrong in a registry, and what kind of trouble it is.

use std::io;
use std::path::{Path, PathBuf};

use host::Kind;
use meter::TenantId;
use parse::UnknownFormat;
use parse::csv::ProfileError;

use crate::{
    LABEL_BYTES_MAX, LEASE_BLOCKS_MAX, PROFILES_BYTES_MAX, PROFILES_MAX, TENANT_NAME_BYTES_MAX, TENANTS_MAX,
    TOKENS_MAX, TokenId,
};

/// What every call of a registry gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a registry refused.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what happened, and to what")]
pub enum Error {
    #[error("tenant name {0:?} must be 1 to {TENANT_NAME_BYTES_MAX} of a-z, 0-9, '-' and '_'; choose another")]
    TenantName(String),
    #[error("tenant {0:?} exists already; choose another name or use it")]
    TenantExists(String),
    #[error("there is no tenant {}; list the tenants and choose one", .0.0)]
    NoSuchTenant(TenantId),
    #[error("there is no token {}; list the tokens and choose one", .0.0)]
    NoSuchToken(TokenId),
    #[error("scope {0:?} is not one of read, write, admin")]
    Scope(String),
    #[error("a token needs at least one scope of read, write, admin")]
    NoScope,
    #[error(
        "a token's label is one line of at most {LABEL_BYTES_MAX} bytes, this one has {0} bytes or holds control characters"
    )]
    Label(usize),
    #[error("{0} id blocks asked for, a lease holds 1 to {LEASE_BLOCKS_MAX}")]
    LeaseSize(u32),
    #[error("the registry holds {TENANTS_MAX} tenants, its limit; use an existing one")]
    TenantsFull,
    #[error("the registry holds {TOKENS_MAX} tokens, its limit; use an existing one")]
    TokensFull,
    #[error("this tenant has no profile {name:?}; `profile list` shows those there are, `profile add` takes a new one")]
    NoSuchProfile { name: String },
    #[error("{name:?} comes with the program and cannot be another; add it under another name")]
    ProfileBuiltIn { name: String },
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Format(#[from] UnknownFormat),
    #[error(
        "the registry holds {PROFILES_MAX} versions of profiles of this tenant, or {PROFILES_BYTES_MAX} bytes of all, its limit; use one that is there"
    )]
    ProfilesFull,
    #[error("all id blocks are leased")]
    BlocksFull,
    #[error("the token is missing or malformed; send `Authorization: Bearer mh_…`")]
    TokenMissing,
    #[error("the token is unknown or revoked; ask for a new one (`meterhouse token`)")]
    TokenUnknown,
    #[error("the token has scope {has}, this needs {needs}; ask for a token that has it")]
    TokenScope { has: String, needs: &'static str },
    #[error(
        "registry {path} has format {found}, this program knows up to {known}; use the newer program, or restore a backup made before it"
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("registry {path}: {what}; restore registry.sqlite and registry.sum together from a backup")]
    Damaged { path: PathBuf, what: String },
    #[error("the disk under registry {path} is full; free space and try again")]
    DiskFull { path: PathBuf },
    #[error("registry {path} stopped after a failed write ({what}); look at the disk, then restart")]
    Stopped { path: PathBuf, what: String },
    #[error("registry {path} is in use by another process; stop that one first")]
    InUse { path: PathBuf },
    #[error("no random bytes for a token ({0}); look at the machine's /dev/urandom")]
    Entropy(io::Error),
    #[error("registry {path} cannot be read: {cause}; look at the disk and the file's owner")]
    Io { path: PathBuf, cause: io::Error },
    #[error("registry {path} failed a statement: {cause}")]
    Sql { path: PathBuf, cause: rusqlite::Error },
}

impl Error {
    /// The error of a disk that may be full.
    pub(crate) fn of_disk(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
        move |cause| match host::is_full(&cause) {
            true => Error::DiskFull { path: path.to_owned() },
            false => Error::Io { path: path.to_owned(), cause },
        }
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> Kind {
        match self {
            Error::TenantName(_)
            | Error::Scope(_)
            | Error::NoScope
            | Error::Label(_)
            | Error::LeaseSize(_)
            | Error::Profile(_)
            | Error::Format(_) => Kind::BadInput,
            Error::TokenMissing | Error::TokenUnknown | Error::TokenScope { .. } => Kind::NotAllowed,
            Error::NoSuchTenant(_) | Error::NoSuchToken(_) | Error::NoSuchProfile { .. } => Kind::NotFound,
            Error::TenantExists(_)
            | Error::TenantsFull
            | Error::TokensFull
            | Error::BlocksFull
            | Error::ProfilesFull
            | Error::ProfileBuiltIn { .. }
            | Error::Newer { .. } => Kind::Conflict,
            Error::DiskFull { .. } | Error::InUse { .. } => Kind::Busy,
            Error::Damaged { .. } => Kind::Corrupt,
            Error::Entropy(_) | Error::Stopped { .. } | Error::Io { .. } | Error::Sql { .. } => Kind::Bug,
        }
    }
}
