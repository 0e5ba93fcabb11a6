//! Messages seen lately, by the names their senders gave them (promise 2).
//!
//! Promise: a message counts as seen only if every byte of it was: a name used
//! again for something else loses nothing. It is a short cut: beneath it rows are
//! compared, with the same result, so what falls out of the window, or was
//! forgotten at a restart, is found there.

use std::collections::HashSet;

use foldhash::fast::FixedState;
use meter::{Message, TenantId};

use crate::secret::Secret;

/// Names remembered at least; twice as many at most, 34 bytes each in a hash set just grown: below 36 MB.
const NAMES_MIN: usize = 1 << 19;

/// A message under its name, whole.
type MessageHash = u128;

/// See the module.
#[derive(Debug)]
pub struct MessagesSeen {
    new: HashSet<MessageHash, FixedState>,
    old: HashSet<MessageHash, FixedState>,
    names_min: usize,
    secret: Secret,
}

impl MessagesSeen {
    /// None was seen yet.
    pub fn new(secret: Secret) -> MessagesSeen {
        MessagesSeen::remembering(NAMES_MIN, secret)
    }

    fn remembering(names_min: usize, secret: Secret) -> MessagesSeen {
        MessagesSeen { new: HashSet::default(), old: HashSet::default(), names_min, secret }
    }

    /// Whether this message came before, and takes it in. One that does not say
    /// when it was made asserts something anew each time it comes.
    pub fn seen(&mut self, tenant: TenantId, message: &Message<'_>) -> bool {
        if !message.stamped {
            return false;
        }
        let hash = self.hash(tenant, message);
        if self.old.contains(&hash) || !self.new.insert(hash) {
            return true;
        }
        if self.new.len() >= self.names_min {
            self.old = std::mem::take(&mut self.new);
        }
        false
    }

    fn hash(&self, tenant: TenantId, message: &Message<'_>) -> MessageHash {
        let said = self.secret.hash(message.bytes).to_le_bytes();
        let whose = u64::from(tenant.0.cast_unsigned()).to_le_bytes();
        let mut all = [0; 32];
        for (part, bytes) in
            all.chunks_exact_mut(8).zip([&said[..8], &said[8..], &whose, &message.context.to_le_bytes()])
        {
            part.copy_from_slice(bytes);
        }
        self.secret.hash(&all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen_of(names_min: usize) -> MessagesSeen {
        MessagesSeen::remembering(names_min, Secret::of_tests())
    }

    fn message(bytes: &[u8]) -> Message<'_> {
        Message { id: "m", stamped: true, bytes, context: 0 }
    }

    #[test]
    fn a_message_is_seen_again_only_if_all_of_it_is_the_same() {
        let (mut seen, ours, theirs) = (seen_of(NAMES_MIN), TenantId(1), TenantId(2));
        assert!(!seen.seen(ours, &message(b"one")));
        assert!(seen.seen(ours, &message(b"one")));
        assert!(!seen.seen(theirs, &message(b"one")));
        assert!(!seen.seen(ours, &message(b"two")));
        assert!(!seen.seen(ours, &Message { context: 1, ..message(b"one") }));
        let unstamped = Message { stamped: false, ..message(b"three") };
        assert!(!seen.seen(ours, &unstamped) && !seen.seen(ours, &unstamped));
    }

    #[test]
    fn the_window_is_bounded_and_holds_the_newest() {
        let (mut seen, ours) = (seen_of(10), TenantId(1));
        for number in 0_u32..1_000 {
            assert!(!seen.seen(ours, &message(&number.to_le_bytes())));
            assert!(seen.new.len() + seen.old.len() <= 20);
            assert!(seen.seen(ours, &message(&number.saturating_sub(9).to_le_bytes())));
        }
    }
}
