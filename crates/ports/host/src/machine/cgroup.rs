//! What the process's control group lets it use: a container's limits.

use std::fs;
use std::path::Path;

const ROOT: &str = "/sys/fs/cgroup";
/// Version 1 writes nearly 2^63 where there is no limit.
const NO_LIMIT_BYTES: u64 = 1 << 60;

/// Limits of a control group and of those above it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Memory in bytes; `None`: no limit.
    pub memory_bytes_max: Option<u64>,
    /// Processors in thousandths; `None`: no limit.
    pub processors_max_milli: Option<u64>,
}

/// That of this process; no limit where there are no control groups.
pub fn share() -> Share {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    share_at(Path::new(ROOT), &own)
}

fn share_at(root: &Path, own: &str) -> Share {
    let mut share = Share::default();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let memory = controllers.split(',').any(|name| name == "memory");
        let processors = controllers.split(',').any(|name| name == "cpu");
        let tree = if controllers.is_empty() { root.to_owned() } else { root.join(controllers) };
        // Inside a container the group's own path may not be visible: then its root is.
        for dir in tree.join(group.trim_start_matches('/')).ancestors().take_while(|dir| dir.starts_with(&tree)) {
            let number = |name: &str| fs::read_to_string(dir.join(name)).ok()?.trim().parse::<u64>().ok();
            if controllers.is_empty() {
                share.memory(number("memory.max"));
                share.processors(fs::read_to_string(dir.join("cpu.max")).ok().and_then(|text| quota(&text)));
            }
            if memory {
                share.memory(number("memory.limit_in_bytes").filter(|bytes| *bytes < NO_LIMIT_BYTES));
            }
            if processors && let (Some(used), Some(of)) = (number("cpu.cfs_quota_us"), number("cpu.cfs_period_us")) {
                share.processors((used * 1_000).checked_div(of));
            }
        }
    }
    share
}

impl Share {
    fn memory(&mut self, found: Option<u64>) {
        self.memory_bytes_max = least(self.memory_bytes_max, found);
    }

    fn processors(&mut self, found: Option<u64>) {
        self.processors_max_milli = least(self.processors_max_milli, found);
    }
}

fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

/// `150000 100000` is a processor and a half, `max 100000` no limit.
fn quota(text: &str) -> Option<u64> {
    let (used, of) = text.trim().split_once(' ')?;
    (used.parse::<u64>().ok()?.checked_mul(1_000)?).checked_div(of.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], own: &str, memory: Option<u64>, processors: Option<u64>) {
        let root = tempfile::tempdir().expect("a temporary directory");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("below the root")).expect("made");
            fs::write(path, text).expect("writes");
        }
        let expected = Share { memory_bytes_max: memory, processors_max_milli: processors };
        assert_eq!(share_at(root.path(), own), expected, "{own}");
    }

    #[test]
    fn the_tightest_limit_on_the_way_up_counts() {
        let files = [
            ("a/memory.max", "5000\n"),
            ("a/b/memory.max", "max\n"),
            ("a/b/cpu.max", "150000 100000\n"),
            ("cpu.max", "max 100000\n"),
        ];
        check(&files, "0::/a/b\n", Some(5_000), Some(1_500));
        check(&files, "0::/", None, None);
    }

    #[test]
    fn the_first_version_is_read_too_and_its_no_limit_is_none() {
        let files = [
            ("memory/memory.limit_in_bytes", "9223372036854771712"),
            ("memory/x/memory.limit_in_bytes", "7000"),
            ("cpu,cpuacct/cpu.cfs_quota_us", "-1"),
            ("cpu,cpuacct/cpu.cfs_period_us", "100000"),
            ("cpu,cpuacct/x/cpu.cfs_quota_us", "50000"),
            ("cpu,cpuacct/x/cpu.cfs_period_us", "100000"),
        ];
        check(&files, "4:memory:/x\n3:cpu,cpuacct:/x\n", Some(7_000), Some(500));
        check(&files, "4:memory:/\n3:cpu,cpuacct:/\n", None, None);
    }

    #[test]
    fn a_group_that_cannot_be_seen_has_the_limits_of_its_root() {
        check(&[("memory.max", "900")], "0::/../../elsewhere", Some(900), None);
        check(&[], "nothing\n", None, None);
    }
}
