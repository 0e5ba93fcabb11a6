//! Hashes that stand for what they are of, while the house runs.
//!
//! Promise: 128 bits of XXH3 under a secret that nobody has, another each time the
//! house starts. By accident two of a billion meet once in 2^69; to make two meet on
//! purpose a sender would have to know the secret, and could confuse but its own tenant:
//! who hashes puts the tenant in.

use host::Entropy;
use xxhash_rust::xxh3::xxh3_128_with_secret;

/// See the module.
#[derive(Clone)]
pub struct Secret(Box<[u8; 192]>);

impl Secret {
    /// A new one; an error if there is no randomness for it.
    pub fn new(entropy: &dyn Entropy) -> std::io::Result<Secret> {
        let mut secret = Box::new([0; 192]);
        entropy.random_bytes(secret.as_mut_slice())?;
        Ok(Secret(secret))
    }

    /// Of these bytes, the same as long as the house runs.
    #[inline]
    pub fn hash(&self, bytes: &[u8]) -> u128 {
        xxh3_128_with_secret(bytes, self.0.as_slice())
    }
}

/// Whoever holds one may be shown; the secret is not.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
impl Secret {
    /// The same each time.
    pub fn of_tests() -> Secret {
        Secret::new(&host::SeededEntropy::new(1)).expect("seeded")
    }
}
