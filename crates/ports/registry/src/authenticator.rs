//! Who is asking: from a request's header to a tenant and what it may do.
//!
//! Promise: a revoked token stops working at once for whoever revoked it here,
//! and after [`CACHE_AGE_MAX`] everywhere else; a flood of wrong tokens costs
//! neither memory nor the entries of right ones.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use host::Clock;
use meter::TenantId;

use crate::{Error, Registry, Result, Scope, Scopes, Token, TokenHash, TokenId, TokenText, Which};

/// 4,096 entries of about 100 bytes: 400 kB hold every device gateway of a
/// utility; beyond that one look-up in the registry, about 20 µs.
pub const CACHE_ENTRIES_MAX: usize = 4096;

/// How long another process's revocation may go unnoticed.
pub const CACHE_AGE_MAX: Duration = Duration::from_secs(10);

/// Who came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Whose data they come for.
    pub tenant: TenantId,
    /// The token they showed.
    pub token: TokenId,
    /// What it allows.
    pub scopes: Scopes,
}

/// Checks bearer tokens, with a small memory of the good ones.
pub struct Authenticator {
    registry: Arc<dyn Registry>,
    clock: Arc<dyn Clock>,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    entries: HashMap<TokenHash, (Principal, Duration)>,
    /// Counts revocations here, so that a look-up begun before one is not remembered after it.
    revocations: u64,
}

impl Authenticator {
    /// Looks tokens up in `registry` and remembers good ones for [`CACHE_AGE_MAX`].
    pub fn new(registry: Arc<dyn Registry>, clock: Arc<dyn Clock>) -> Authenticator {
        Authenticator { registry, clock, cache: Mutex::default() }
    }

    /// The bearer of this `Authorization` header, if it may do what `needs`
    /// says. Blocks where the token is not remembered.
    pub fn authenticate(&self, authorization: Option<&str>, needs: Scope) -> Result<Principal> {
        let text = text_of(authorization)?;
        if let Some(principal) = self.remembered(&text.hash()) {
            return principal.allowed(needs);
        }
        self.look_up(&text)?.allowed(needs)
    }

    /// Like [`Authenticator::authenticate`] without ever blocking: `None` means
    /// that only the registry knows.
    pub fn cached(&self, authorization: Option<&str>, needs: Scope) -> Option<Result<Principal>> {
        let text = match text_of(authorization) {
            Ok(text) => text,
            Err(error) => return Some(Err(error)),
        };
        Some(self.remembered(&text.hash())?.allowed(needs))
    }

    /// Revokes a token; when this returns, nobody comes in here with it.
    pub fn revoke(&self, id: TokenId) -> Result<Token> {
        let token = self.registry.revoke_token(id, self.clock.now())?;
        let mut cache = self.cache();
        cache.revocations += 1;
        cache.entries.retain(|_, (principal, _)| principal.token != id);
        Ok(token)
    }

    fn remembered(&self, hash: &TokenHash) -> Option<Principal> {
        let (principal, since) = *self.cache().entries.get(hash)?;
        let fresh = self.clock.monotonic().saturating_sub(since) < CACHE_AGE_MAX;
        fresh.then_some(principal)
    }

    fn look_up(&self, text: &TokenText) -> Result<Principal> {
        let hash = text.hash();
        let (since, revocations) = (self.clock.monotonic(), self.cache().revocations);
        let found = self.registry.tokens(Which::Hash(&hash))?;
        let token = found.into_iter().find(|token| token.revoked.is_none()).ok_or(Error::TokenUnknown)?;
        let principal = Principal { tenant: token.tenant, token: token.id, scopes: token.scopes };
        self.cache().remember(hash, principal, since, revocations);
        Ok(principal)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn remember(&mut self, hash: TokenHash, principal: Principal, since: Duration, revocations: u64) {
        if self.revocations != revocations {
            return;
        }
        if self.entries.len() >= CACHE_ENTRIES_MAX {
            // Only holders of good tokens reach this line, so starting over is rare and cheap.
            self.entries.clear();
        }
        self.entries.insert(hash, (principal, since));
    }
}

impl Principal {
    fn allowed(self, needs: Scope) -> Result<Principal> {
        if self.scopes.allow(needs) {
            return Ok(self);
        }
        Err(Error::TokenScope { has: self.scopes.to_string(), needs: needs.word() })
    }
}

fn text_of(authorization: Option<&str>) -> Result<TokenText> {
    authorization.and_then(TokenText::from_authorization).ok_or(Error::TokenMissing)
}
