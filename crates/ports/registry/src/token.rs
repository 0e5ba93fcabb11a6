//! Tokens: a secret text shown once, of which only the SHA-256 is kept.
//!
//! 32 random bytes cannot be guessed, so a plain hash is enough: a slow one
//! (argon2) protects words people choose, and would cost every request.

use host::{Clock, Entropy};
use meter::{TenantId, Timestamp};
use sha2::{Digest, Sha256};

use crate::{Error, LABEL_BYTES_MAX, Registry, Result};

const PREFIX: &str = "mh_";
const SECRET_BYTES: usize = 32;

/// What a bearer may do within the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Scope {
    /// Ask: SQL, exports, refusals.
    Read = 1,
    /// Send readings and files.
    Write = 2,
    /// Everything, including metrics and maintenance.
    Admin = 4,
}

/// A set of [`Scope`]s; never empty in a stored token. Bits are stored: never reuse one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

/// Numbers a token for people; says nothing about its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub i64);

/// SHA-256 of a token's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

/// The secret itself. Printing it by accident shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText(String);

/// A token as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its number, for people.
    pub id: TokenId,
    /// Whose data it opens.
    pub tenant: TenantId,
    /// What its bearer may do.
    pub scopes: Scopes,
    /// One line by the person who made it.
    pub label: String,
    /// When it was made.
    pub created: Timestamp,
    /// From then on nobody comes in with it.
    pub revoked: Option<Timestamp>,
}

/// What a token is made from, besides chance.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whose data it opens.
    pub tenant: TenantId,
    /// What its bearer may do; at least one.
    pub scopes: Scopes,
    /// One line by the person who makes it.
    pub label: String,
    /// When it is made.
    pub created: Timestamp,
}

/// A token just made, with its text: the only moment both exist together.
#[derive(Debug)]
pub struct Issued {
    /// As stored.
    pub token: Token,
    /// The secret, to be shown once.
    pub text: TokenText,
}

/// Makes a token's text and stores its hash.
pub fn issue(
    registry: &dyn Registry,
    entropy: &dyn Entropy,
    clock: &dyn Clock,
    tenant: TenantId,
    scopes: Scopes,
    label: &str,
) -> Result<Issued> {
    let mut secret = [0; SECRET_BYTES];
    entropy.random_bytes(&mut secret).map_err(Error::Entropy)?;
    let text = TokenText(format!("{PREFIX}{}", hex(&secret)));
    let new = NewToken { tenant, scopes, label: label.to_owned(), created: clock.now() };
    let token = registry.add_token(&text.hash(), &new)?;
    Ok(Issued { token, text })
}

impl Scope {
    /// As people write it.
    pub const fn word(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Write => "write",
            Scope::Admin => "admin",
        }
    }
}

impl Scopes {
    const ALL: [Scope; 3] = [Scope::Read, Scope::Write, Scope::Admin];

    /// These scopes and no others.
    pub fn of(scopes: &[Scope]) -> Scopes {
        Scopes(scopes.iter().fold(0, |bits, scope| bits | *scope as u8))
    }

    /// Reads `read,write`; [`std::fmt::Display`] writes it.
    pub fn parse(text: &str) -> Result<Scopes> {
        let mut found = Vec::new();
        for word in text.split(',') {
            let scope = Self::ALL.into_iter().find(|scope| scope.word() == word.trim());
            found.push(scope.ok_or_else(|| Error::Scope(word.chars().take(40).collect()))?);
        }
        Ok(Self::of(&found))
    }

    /// Admin may do everything.
    pub fn allow(self, scope: Scope) -> bool {
        self.0 & (scope as u8 | Scope::Admin as u8) != 0
    }

    /// Whether it allows nothing.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is stored.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The meaning of stored bits; `None` for ones a newer version wrote.
    pub fn from_bits(bits: u8) -> Option<Scopes> {
        (bits != 0 && bits < 8).then_some(Scopes(bits))
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<&str> =
            Self::ALL.into_iter().filter(|scope| self.0 & *scope as u8 != 0).map(Scope::word).collect();
        f.write_str(&words.join(","))
    }
}

impl TokenText {
    /// The text, if it has a token's form; nothing else is worth a look-up.
    pub fn parse(text: &str) -> Option<TokenText> {
        let secret = text.strip_prefix(PREFIX)?;
        let plain = secret.len() == 2 * SECRET_BYTES && secret.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        plain.then(|| TokenText(text.to_owned()))
    }

    /// The text from an `Authorization` header: `Bearer mh_…`.
    pub fn from_authorization(header: &str) -> Option<TokenText> {
        let (scheme, rest) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        Self::parse(rest.trim())
    }

    /// What is stored in its place.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The secret: to show it once, or to send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl TokenHash {
    /// Takes as long for hashes that differ in the first bit as for equal ones.
    pub fn same(&self, other: &TokenHash) -> bool {
        let differing = self.0.iter().zip(&other.0).fold(0, |bits, (ours, theirs)| bits | (ours ^ theirs));
        std::hint::black_box(differing) == 0
    }
}

impl std::fmt::Debug for TokenText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenText(mh_…)")
    }
}

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

impl NewToken {
    /// The rules every adapter applies before it stores.
    pub(crate) fn check(&self) -> Result<()> {
        if self.scopes.is_empty() {
            return Err(Error::NoScope);
        }
        if self.label.len() > LABEL_BYTES_MAX || self.label.chars().any(char::is_control) {
            return Err(Error::Label(self.label.len()));
        }
        Ok(())
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_are_printed() {
        for text in ["read", "write", "admin", "read,write", "read,write,admin"] {
            assert_eq!(Scopes::parse(text).expect("valid").to_string(), text);
        }
        assert!(matches!(Scopes::parse("read,fly"), Err(Error::Scope(word)) if word == "fly"));
        assert!(Scopes::parse("").is_err());
    }

    #[test]
    fn a_writer_may_not_read_and_an_admin_may_do_everything() {
        let writer = Scopes::of(&[Scope::Write]);
        assert!(writer.allow(Scope::Write) && !writer.allow(Scope::Read) && !writer.allow(Scope::Admin));
        let admin = Scopes::of(&[Scope::Admin]);
        assert!(admin.allow(Scope::Write) && admin.allow(Scope::Read) && admin.allow(Scope::Admin));
    }

    #[test]
    fn only_the_form_of_a_token_is_taken_for_one() {
        let good = format!("mh_{}", "0f".repeat(32));
        assert!(TokenText::parse(&good).is_some());
        assert!(TokenText::from_authorization(&format!("bearer {good}")).is_some());
        assert!(TokenText::from_authorization(&format!("Basic {good}")).is_none());
        for bad in ["", "mh_", &good[1..], &good[..good.len() - 1], &good.to_uppercase(), &format!("{good}0")] {
            assert!(TokenText::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_secret_does_not_reach_the_log() {
        let text = TokenText::parse(&format!("mh_{}", "ab".repeat(32))).expect("valid");
        assert!(!format!("{text:?} {:?}", text.hash()).contains("abab"));
    }
}
