//! Clock, randomness, sleep, disk and terminal are touched in few places.
//!
//! Promise: outside `ports/host`, tests and tools, code gets time, chance and
//! files as arguments, so that a trial can repeat what happened (D15). The few
//! exceptions stand in `ALLOWED` with their reasons; one that is no longer
//! needed is a finding too.

use super::Finding;
use super::house::House;
use super::source::{Source, occurrences};

struct Fence {
    name: &'static str,
    words: &'static [&'static str],
    open_to: &'static [&'static str],
    advice: &'static str,
}

const FENCES: [Fence; 5] = [
    Fence {
        name: "clock",
        words: &["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now", "Utc::now"],
        open_to: &["crates/ports/host/", "crates/tools/"],
        advice: "take the time from host::Clock, or as an argument",
    },
    Fence {
        name: "sleep",
        words: &["thread::sleep", "time::sleep", "time::sleep_until", "time::interval"],
        open_to: &["crates/ports/host/", "crates/tools/"],
        advice: "sleep through ports/host, so that trials need not wait",
    },
    Fence {
        name: "randomness",
        words: &["rand::", "fastrand::", "getrandom", "RandomState"],
        open_to: &["crates/ports/host/", "crates/tools/"],
        advice: "take host::Entropy, or a seed as an argument",
    },
    Fence {
        name: "disk",
        words: &["std::fs", "fs::", "File::open", "File::create", "OpenOptions"],
        open_to: &["crates/ports/host/", "crates/tools/"],
        advice: "use host::Disk, so that faults can be planted under it",
    },
    Fence {
        name: "terminal",
        words: &["println!", "print!", "eprintln!", "eprint!"],
        open_to: &["crates/server/", "crates/tools/"],
        advice: "logs are events (`tracing`), answers are return values",
    },
];

/// A file that stands outside one fence.
struct Allowed {
    path: &'static str,
    fence: &'static str,
    /// Why there is no way through `ports/host`.
    reason: &'static str,
}

const ALLOWED: &[Allowed] = &[
    Allowed {
        path: "crates/server/src/settings.rs",
        fence: "disk",
        reason: "the settings say where the data directory is, so there is no Disk yet to read them through",
    },
    Allowed {
        path: "crates/server/src/wire.rs",
        fence: "disk",
        reason: "the data directory is made before there is a Disk rooted in it",
    },
    Allowed {
        path: "crates/server/src/control.rs",
        fence: "disk",
        reason: "removes and guards the name of a socket, which no Disk knows of",
    },
    Allowed {
        path: "crates/server/src/restore.rs",
        fence: "disk",
        reason: "a data directory is made and renamed as a whole, while no Disk is rooted in it",
    },
    Allowed {
        path: "crates/server/src/tls.rs",
        fence: "disk",
        reason: "certificate and key are the operator's own files, which lie outside the data directory",
    },
    Allowed {
        path: "crates/server/src/size/prices.rs",
        fence: "disk",
        reason: "reads the user's own price sheet, which lies outside the data directory",
    },
    Allowed {
        path: "crates/server/src/import.rs",
        fence: "disk",
        reason: "reads the user's own files, which lie outside the data directory",
    },
    Allowed {
        path: "crates/server/src/parse_file.rs",
        fence: "disk",
        reason: "reads the user's own file, which lies outside the data directory",
    },
    Allowed {
        path: "crates/server/src/profile.rs",
        fence: "disk",
        reason: "reads the user's own files, which lie outside the data directory",
    },
];

pub fn check(house: &House) -> Vec<Finding> {
    check_with(house, ALLOWED)
}

fn check_with(house: &House, allowed: &[Allowed]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut needed = vec![false; allowed.len()];
    // Examples are programs that people start: they have a terminal and files of their own.
    let fenced = |source: &&Source| source.path.starts_with("crates/") && !source.path.contains("/examples/");
    for source in house.sources.iter().filter(fenced) {
        for fence in FENCES.iter().filter(|f| !f.open_to.iter().any(|place| source.path.starts_with(place))) {
            let breaches = breaches(source, fence);
            let exception = allowed.iter().position(|a| a.path == source.path && a.fence == fence.name);
            match exception {
                Some(at) => needed[at] |= !breaches.is_empty(),
                None => findings.extend(breaches),
            }
        }
    }
    for (allowed, _) in allowed.iter().zip(needed).filter(|(_, needed)| !needed) {
        let Allowed { fence, reason, .. } = allowed;
        let what =
            format!("no longer needs to stand outside the {fence} fence ({reason}); take it off the list in xtask");
        findings.push(Finding::new(allowed.path, 0, what));
    }
    findings
}

/// At most one a line: `std::fs::read` is one breach, not two.
fn breaches(source: &Source, fence: &Fence) -> Vec<Finding> {
    let mut found: Vec<(usize, &str)> = Vec::new();
    for word in fence.words {
        for at in occurrences(&source.code, word) {
            let line = source.line(at);
            if !source.in_test(at) && found.iter().all(|(other, _)| *other != line) {
                found.push((line, word));
            }
        }
    }
    let finding = |(line, word): (usize, &str)| {
        Finding::new(&source.path, line, format!("`{word}` stands outside the {} fence; {}", fence.name, fence.advice))
    };
    found.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "crates/ports/store/src/lib.rs";

    fn check_line(path: &str, line: &str, expected: usize) {
        let findings = check_with(&House::of(&[(path, line)]), &[]);
        assert_eq!(findings.len(), expected, "{line}: {findings:?}");
    }

    #[test]
    fn every_word_of_every_fence_is_found() {
        for fence in &FENCES {
            for word in fence.words {
                check_line(PLACE, &format!("fn f() {{ let x = {word}(y); }}"), 1);
                check_line(&format!("{}src/lib.rs", fence.open_to[0]), &format!("fn f() {{ {word}(y) }}"), 0);
            }
        }
    }

    #[test]
    fn longer_spellings_are_found_once_a_line() {
        check_line(PLACE, "let a = std::time::Instant::now();", 1);
        check_line(PLACE, "let a = std::fs::File::open(b);", 1);
        check_line(PLACE, "use std::{fs, io};\nfn f() { fs::write(a, b) }", 1);
        check_line(PLACE, "tokio::time::sleep(wait).await;\nstd::thread::sleep(wait);", 2);
    }

    #[test]
    fn tests_comments_and_texts_may_say_it() {
        check_line(PLACE, "// Instant::now\nlet a = \"Instant::now\";", 0);
        check_line(PLACE, "#[cfg(test)]\nmod tests { fn f() { Instant::now(); } }", 0);
        check_line("crates/server/tests/all.rs", "std::fs::read(a)", 0);
        check_line(PLACE, "let brand::x = operand::y;", 0);
    }

    #[test]
    fn an_exception_holds_for_its_file_and_fence_until_it_is_not_needed() {
        let allowed = [Allowed { path: PLACE, fence: "clock", reason: "planted" }];
        let clock = House::of(&[(PLACE, "Instant::now();")]);
        assert_eq!(check_with(&clock, &allowed), []);
        let disk = check_with(&House::of(&[(PLACE, "std::fs::read(a);")]), &allowed);
        assert_eq!(disk.len(), 2, "{disk:?}");
        assert!(disk[1].what.contains("no longer needs"));
    }

    #[test]
    fn every_exception_names_a_fence() {
        assert!(ALLOWED.iter().all(|a| FENCES.iter().any(|f| f.name == a.fence) && !a.reason.is_empty()));
    }
}
