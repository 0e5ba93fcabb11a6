//! Lines in the log that a crowd would write by the thousand.
//!
//! Promise: of each kind one a second, which says how many of it were left out.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// From one line of a kind to the next.
const PAUSE: Duration = Duration::from_secs(1);

/// Kinds are codes of refusals, of which there are few.
#[derive(Default)]
pub(crate) struct Seldom {
    kinds: Mutex<BTreeMap<&'static str, Said>>,
}

struct Said {
    at: Duration,
    left_out: u64,
}

impl Seldom {
    /// How many lines of this kind were left out since the last one, if one may be written
    /// `now`; otherwise it is left out, and counted.
    pub(crate) fn left_out(&self, kind: &'static str, now: Duration) -> Option<u64> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(said) = kinds.get_mut(kind) else {
            kinds.insert(kind, Said { at: now, left_out: 0 });
            return Some(0);
        };
        if now.saturating_sub(said.at) < PAUSE {
            said.left_out += 1;
            return None;
        }
        said.at = now;
        Some(std::mem::take(&mut said.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_crowd_writes_a_line_a_second_of_each_kind_and_each_refusal_is_counted(
            steps in prop::collection::vec((0_u64..400, prop::sample::select(vec!["busy", "disk_full"])), 1..200),
        ) {
            let (seldom, mut now) = (Seldom::default(), Duration::ZERO);
            let mut told: BTreeMap<&str, (Option<Duration>, u64)> = BTreeMap::new();
            for (wait_ms, kind) in steps {
                now += Duration::from_millis(wait_ms);
                let (last, waiting) = told.entry(kind).or_default();
                match seldom.left_out(kind, now) {
                    Some(left_out) => {
                        prop_assert!(last.is_none_or(|last| now - last >= PAUSE));
                        prop_assert_eq!(left_out, *waiting);
                        (*last, *waiting) = (Some(now), 0);
                    }
                    None => {
                        prop_assert!(last.is_some_and(|last| now - last < PAUSE));
                        *waiting += 1;
                    }
                }
            }
        }
    }
}
