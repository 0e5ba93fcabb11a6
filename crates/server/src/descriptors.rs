//! How many files and connections may be open at once.
//!
//! Promise: a server never finds out in the middle of its work that it may open
//! nothing more: it takes all that its machine allows at the start, holds as many
//! connections as that leaves room for, and does not start where that is too few.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::exit::Usage;

/// Journal, archive, registry, files of queries and merges.
const FILES_APART: u64 = 512;
/// Its socket, and the file that its body is written to.
const EACH_CONNECTION: u64 = 2;
/// With fewer a server serves nobody well.
const CONNECTIONS_MIN: u64 = 128;

/// As many connections as may be open, at most `wanted`.
pub fn connections(wanted: usize) -> Result<usize, Usage> {
    let held = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: held.maximum, maximum: held.maximum };
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => held.maximum,
        // Some systems have a lower bound of their own.
        Err(_) => held.current,
    };
    let most = within(wanted, allowed)?;
    if most < wanted {
        warn!(allowed, wanted, connections = most, "fewer connections than usual: raise the limit of open files");
    }
    Ok(most)
}

/// As many connections as so many open files leave room for, at most `wanted`.
pub fn within(wanted: usize, allowed: Option<u64>) -> Result<usize, Usage> {
    let Some(allowed) = allowed else { return Ok(wanted) };
    let room = allowed.saturating_sub(FILES_APART) / EACH_CONNECTION;
    if room < CONNECTIONS_MIN {
        let needed = FILES_APART + EACH_CONNECTION * CONNECTIONS_MIN;
        return Err(Usage(format!(
            "this process may open {allowed} files and connections, and a server needs {needed} at least: \
             raise the limit (`ulimit -Hn`, `LimitNOFILE=` of systemd)"
        )));
    }
    Ok(usize::try_from(room).map_or(wanted, |room| room.min(wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_into_what_may_be_open() {
        assert_eq!(within(4_096, None).ok(), Some(4_096));
        assert_eq!(within(4_096, Some(65_536)).ok(), Some(4_096));
        assert_eq!(within(4_096, Some(4_096)).ok(), Some(1_792));
        assert_eq!(within(4_096, Some(768)).ok(), Some(128));
        assert!(within(4_096, Some(767)).is_err());
    }
}
