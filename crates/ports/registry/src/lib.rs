//! The registry: tenants, the tokens that let someone in, the profiles by which
//! their files are read, and the id blocks that have been handed out.
//!
//! Promise: a version of a profile never changes and is never removed; an id
//! block is never handed out twice, whatever crashes; of a token only its SHA-256
//! is stored; a change that returned survives power loss; and one byte flipped in
//! a registry at rest is found and named.
//!
//! Calls block (as on `host::Disk`): an async role calls them off its runtime,
//! except [`Authenticator::cached`], which only looks into memory.
//!
//! Read: `lib.rs` (the contract), `error.rs`, `token.rs`, `authenticator.rs`,
//! `profiles.rs` (which version a name means, and what it says),
//! `sqlite.rs` (the embedded adapter), `sqlite/sum.rs` (how its bytes are
//! checked), `contract.rs` (what every adapter passes).

use std::ops::Range;

use meter::{TenantId, Timestamp};

mod error;
mod token;
mod authenticator;
mod profiles;
mod sqlite;
pub mod contract;

pub use authenticator::{Authenticator, Principal};
pub use error::{Error, Result};
pub use profiles::Profiles;
pub use sqlite::{Damage, FORMAT_VERSION, Glance, SUM_VERSION, Sqlite, glance};
pub use token::{Issued, NewToken, Scope, Scopes, Token, TokenHash, TokenId, TokenText, issue};

/// The tenant every new registry starts with, numbered 1.
pub const HOME: &str = "home";

/// A tenant's name stands in paths, settings and URLs: short and plain.
pub const TENANT_NAME_BYTES_MAX: usize = 64;

/// A label is one line for a person's eye.
pub const LABEL_BYTES_MAX: usize = 200;

/// [`Registry::tenants`] answers with all of them: 10,000 of 100 bytes are 1 MB.
pub const TENANTS_MAX: usize = 10_000;

/// [`Registry::tokens`] can answer with all of them: 50,000 of 300 bytes are 15 MB.
pub const TOKENS_MAX: usize = 50_000;

/// Versions of all profiles of one tenant.
pub const PROFILES_MAX: usize = 1_000;

/// Of all tenants together: each change reads the whole registry for its hash, and
/// 16 MiB take it 10 ms.
pub const PROFILES_BYTES_MAX: usize = 16 << 20;

/// One lease: 2^20 blocks of 64 slots name 67 million channels, and a crash
/// that loses the whole lease costs a millionth of the 2^57 blocks there are.
pub const LEASE_BLOCKS_MAX: u32 = 1 << 20;

/// Whose readings they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its number, never used again.
    pub id: TenantId,
    /// Lower-case letters, digits, `-` and `_`, at most [`TENANT_NAME_BYTES_MAX`].
    pub name: String,
}

/// A profile to be added.
#[derive(Clone, Debug)]
pub struct NewProfile<'a> {
    /// Whose files it reads.
    pub tenant: TenantId,
    /// Without `csv/`.
    pub name: &'a str,
    /// The profile's file, which can be read.
    pub toml: &'a str,
    /// When it is added.
    pub added: Timestamp,
    /// The token that adds it; none on the machine itself.
    pub by: Option<TokenId>,
}

/// One version of a profile: how files of one kind are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Without `csv/`.
    pub name: String,
    /// Counted from 1.
    pub version: u32,
    /// Its file, byte for byte.
    pub toml: String,
    /// Of the file.
    pub sha256: [u8; 32],
    /// When it was added.
    pub added: Timestamp,
    /// The token that added it; none on the machine itself.
    pub by: Option<TokenId>,
}

/// Which tokens [`Registry::tokens`] is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// Every token.
    All,
    /// Those of one tenant.
    Of(TenantId),
    /// The one whose text has this hash.
    Hash(&'a TokenHash),
}

/// Who may come in, and which ids are taken.
///
/// Every method may block on disk or network. What a call returned holds after
/// power loss; a call that failed has either changed nothing or, if the error
/// is [`Error::Stopped`], everything it was asked to: the caller then starts
/// again from an opened registry.
pub trait Registry: Send + Sync {
    /// All tenants by id. A new registry holds exactly [`HOME`] with id 1.
    fn tenants(&self) -> Result<Vec<Tenant>>;

    /// Adds a tenant under the next free id; ids are never used again.
    /// A name that is taken is [`Error::TenantExists`], one that is not plain
    /// [`Error::TenantName`].
    fn add_tenant(&self, name: &str) -> Result<Tenant>;

    /// Adds a token by its hash (use [`issue`], which makes the text). Its id is
    /// never used again. An unknown tenant is [`Error::NoSuchTenant`].
    fn add_token(&self, hash: &TokenHash, new: &NewToken) -> Result<Token>;

    /// Revokes a token for good and returns it. Revoking twice keeps the first
    /// time; an unknown id is [`Error::NoSuchToken`].
    fn revoke_token(&self, id: TokenId, at: Timestamp) -> Result<Token>;

    /// Tokens by id, revoked ones too. [`Which::Hash`] gives at most one, and
    /// takes no longer for a hash that is nearly right.
    fn tokens(&self, which: Which<'_>) -> Result<Vec<Token>>;

    /// Adds the next version of a profile. The newest version is given back as it
    /// is where it says the same, byte for byte.
    fn add_profile(&self, new: &NewProfile<'_>) -> Result<Profile>;

    /// A version of a tenant's profile, or its newest; `None` if it is not there.
    fn profile(&self, tenant: TenantId, name: &str, version: Option<u32>) -> Result<Option<Profile>>;

    /// All versions of a tenant's profiles, by name and version.
    fn profiles(&self, tenant: TenantId) -> Result<Vec<Profile>>;

    /// `count` consecutive blocks (at least 1, at most [`LEASE_BLOCKS_MAX`])
    /// that no one was given before and no one will be given again, starting
    /// at 1. A lease lost in a crash stays unused.
    fn lease_blocks(&self, count: u32) -> Result<Range<i64>>;
}
