//! What this process may use: open files, address space, memory, processors.

use host::machine;
use rustix::process::{Resource, getrlimit};

use super::Patient;
use super::finding::{Finding, bytes_in_words};
use crate::descriptors;

const CHECK: &str = "limits";
/// Of the allocator, the threads' stacks and mapped files, most of it never touched.
const ADDRESSES_MIN: u64 = 8 << 30;
/// A server with a million channels that is not asked anything (benches/RESULTS.md, `loadgen lake`).
const MEMORY_BASE: u64 = 512 << 20;

pub fn look(patient: &Patient) -> Vec<Finding> {
    let share = machine::share();
    let memory = share.memory_bytes_max.into_iter().chain(machine::memory_bytes()).min();
    let queries = &patient.settings.query;
    let asked = queries.memory_bytes_max.saturating_mul(queries.concurrent_max) as u64;
    let mut findings = vec![
        judge_files(getrlimit(Resource::Nofile).maximum),
        judge_addresses(getrlimit(Resource::As).current),
        judge_file_size(getrlimit(Resource::Fsize).current, patient.settings.journal.segment_bytes),
    ];
    findings.extend(memory.map(|memory| judge_memory(memory, share.memory_bytes_max.is_some(), asked)));
    findings.extend(machine::processors().map(|count| judge_processors(count, share.processors_max_milli)));
    findings
}

fn judge_files(allowed: Option<u64>) -> Finding {
    let wanted = ingest::Limits::default().connections_max;
    let seen = allowed.map_or("no limit of open files".to_owned(), |files| format!("{files} open files at most"));
    let advice = "raise the limit (`ulimit -Hn`, `LimitNOFILE=` of systemd)";
    match descriptors::within(wanted, allowed) {
        Err(error) => Finding::bad(CHECK, seen, error.0, advice),
        Ok(most) if most < wanted => {
            Finding::watch(CHECK, seen, format!("room for {most} connections, usual are {wanted}"), advice)
        }
        Ok(most) => Finding::good(CHECK, seen, format!("room for {most} connections")),
    }
}

fn judge_addresses(allowed: Option<u64>) -> Finding {
    match allowed {
        None => Finding::good(CHECK, "no limit of address space", "the allocator takes what it needs"),
        Some(bytes) if bytes < ADDRESSES_MIN => Finding::bad(
            CHECK,
            format!("{} of address space at most", bytes_in_words(bytes)),
            "the allocator reserves more than it uses: a thread or a query fails in the middle of its work",
            "lift it (`ulimit -v unlimited`) and limit memory by a control group",
        ),
        Some(bytes) => {
            Finding::good(CHECK, format!("{} of address space at most", bytes_in_words(bytes)), "more than is reserved")
        }
    }
}

fn judge_file_size(allowed: Option<u64>, segment_bytes: u64) -> Finding {
    match allowed {
        Some(bytes) if bytes < segment_bytes => Finding::bad(
            CHECK,
            format!("files of at most {}", bytes_in_words(bytes)),
            format!("a segment of the journal has {}: it cannot be made", bytes_in_words(segment_bytes)),
            "lift it (`ulimit -f unlimited`, `LimitFSIZE=` of systemd)",
        ),
        _ => Finding::good(CHECK, "files may be as long as needed", "a segment of the journal can be made"),
    }
}

fn judge_memory(memory: u64, by_group: bool, asked: u64) -> Finding {
    let whose = if by_group { "of the control group" } else { "of the machine" };
    let seen = format!("{} of memory, {whose}", bytes_in_words(memory));
    let needed = format!("{} and {} for queries", bytes_in_words(MEMORY_BASE), bytes_in_words(asked));
    let advice = "give it more, or lower query.memory_bytes_max or query.concurrent_max";
    if memory < MEMORY_BASE {
        return Finding::bad(CHECK, seen, format!("the server takes up to {needed}: it will be killed"), advice);
    }
    if memory < MEMORY_BASE + asked {
        return Finding::watch(CHECK, seen, format!("the server takes up to {needed}"), advice);
    }
    Finding::good(CHECK, seen, format!("enough for {needed}"))
}

fn judge_processors(count: u64, allowed_milli: Option<u64>) -> Finding {
    let milli = allowed_milli.map_or(count * 1_000, |allowed| allowed.min(count * 1_000));
    let seen = format!("{}.{:03} processors", milli / 1_000, milli % 1_000);
    if milli < 1_000 {
        let means = "rounds, merges and queries take turns on a part of one";
        return Finding::watch(CHECK, seen, means, "give it a whole one (`cpu.max`, `--cpus`)");
    }
    Finding::good(CHECK, seen, "`meterhouse size` tells how many a fleet needs")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_limit_that_would_stop_the_server_is_bad() {
        let verdicts = [
            judge_files(Some(100)),
            judge_addresses(Some(1 << 30)),
            judge_file_size(Some(1 << 20), 64 << 20),
            judge_memory(256 << 20, true, 2 << 30),
        ]
        .map(|finding| finding.verdict);
        assert_eq!(verdicts, [Verdict::Bad; 4]);
    }

    #[test]
    fn a_limit_that_is_tight_is_worth_a_look_and_a_wide_one_is_good() {
        let tight = [judge_files(Some(2_000)), judge_memory(1 << 30, true, 2 << 30), judge_processors(4, Some(500))];
        assert_eq!(tight.map(|finding| finding.verdict), [Verdict::Watch; 3]);
        let wide = [
            judge_files(None),
            judge_addresses(None),
            judge_file_size(None, 1),
            judge_memory(8 << 30, false, 2 << 30),
            judge_processors(4, None),
        ];
        assert_eq!(wide.map(|finding| finding.verdict), [Verdict::Good; 5]);
    }
}
