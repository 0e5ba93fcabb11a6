//! Who may read and write: the data directory, its secrets, and its tokens.

use std::path::Path;

use host::machine;

use super::finding::Finding;
use super::{Life, Patient};

const CHECK: &str = "access";
/// Registry: hashes of tokens. Journal: what meters sent.
const SECRETS: [&str; 3] = ["registry.sqlite", journal::JOURNAL_DIR, journal::ARCHIVE_DIR];
const OTHERS_READ: u32 = 0o004;
const OTHERS_ENTER: u32 = 0o001;
const WRITE: u32 = 0o022;

pub fn look(patient: &Patient) -> Vec<Finding> {
    let mut findings = Vec::new();
    if patient.life != Life::Unborn {
        findings.push(judge_owner(patient));
        findings.push(judge_mode(&patient.dir));
        findings.extend(tokens(patient));
    }
    let key = &patient.settings.server.tls_key;
    if !key.as_os_str().is_empty()
        && let Ok(about) = machine::about(key)
    {
        findings.push(judge_key(key, about.mode));
    }
    findings
}

/// A command that was run by another user, such as root, leaves files that the server cannot write.
fn judge_owner(patient: &Patient) -> Finding {
    let whose = |path: &Path| machine::about(path).map(|about| about.owner);
    let Ok(owner) = whose(&patient.dir) else {
        let advice = "run doctor as the user who runs the server";
        return Finding::bad(CHECK, format!("{} cannot be looked at", patient.dir.display()), "not ours", advice);
    };
    let names = ["registry.sqlite", "registry.sum", crate::format::PATH, crate::wire::LOCK, crate::wire::LAKE_DIR];
    let dirs = [journal::JOURNAL_DIR, journal::ARCHIVE_DIR, "state", "uploads"];
    let strange =
        names.iter().chain(&dirs).find(|name| whose(&patient.dir.join(name)).is_ok_and(|other| other != owner));
    match strange {
        Some(name) => Finding::bad(
            CHECK,
            format!("{name} is not of user {owner}, to whom the directory belongs"),
            "a command was run as another user; the server cannot write there",
            format!("chown -R {owner} {}", patient.dir.display()),
        ),
        None => Finding::good(CHECK, format!("all is of user {owner}"), "the server can write if it runs as that user"),
    }
}

fn judge_mode(dir: &Path) -> Finding {
    let mode = |path: &Path| machine::about(path).map_or(0, |about| about.mode);
    let own = mode(dir);
    let seen = format!("{} has mode {own:o}", dir.display());
    let advice = format!("chmod 700 {}", dir.display());
    if own & WRITE != 0 {
        return Finding::bad(CHECK, seen, "others can replace files in it, the registry of tokens too", advice);
    }
    let open = SECRETS.iter().find(|name| mode(&dir.join(name)) & OTHERS_READ != 0);
    if own & OTHERS_ENTER != 0
        && let Some(name) = open
    {
        return Finding::watch(CHECK, seen, format!("every user of this machine can read {name}"), advice);
    }
    Finding::good(CHECK, seen, "nobody else reads what meters sent")
}

fn judge_key(key: &Path, mode: u32) -> Finding {
    let seen = format!("{} has mode {mode:o}", key.display());
    if mode & (OTHERS_READ | WRITE) != 0 {
        let means = "who has the key can pretend to be this server";
        return Finding::bad(CHECK, seen, means, format!("chmod 640 {}", key.display()));
    }
    Finding::good(CHECK, seen, "the key is not for everyone")
}

fn tokens(patient: &Patient) -> Option<Finding> {
    let count = registry::glance(&patient.dir).ok()??.tokens_in_use?;
    Some(match count {
        0 => Finding::watch(
            CHECK,
            "no token is in use",
            "nobody can send to the server or ask it over HTTP",
            "meterhouse token create",
        ),
        count => Finding::good(CHECK, format!("{count} tokens in use"), "`meterhouse token list` tells whose"),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn what_others_can_read_or_write_is_told() {
        let dir = tempfile::tempdir().expect("a temp directory");
        create_dir(dir.path().join(journal::JOURNAL_DIR)).expect("made");
        let check = |mode, expected| {
            set_permissions(dir.path(), Permissions::from_mode(mode)).expect("set");
            set_permissions(dir.path().join(journal::JOURNAL_DIR), Permissions::from_mode(0o755)).expect("set");
            assert_eq!(judge_mode(dir.path()).verdict, expected, "{mode:o}");
        };
        check(0o777, Verdict::Bad);
        check(0o755, Verdict::Watch);
        check(0o700, Verdict::Good);
        assert_eq!(judge_key(dir.path(), 0o644).verdict, Verdict::Bad);
        assert_eq!(judge_key(dir.path(), 0o640).verdict, Verdict::Good);
    }
}
