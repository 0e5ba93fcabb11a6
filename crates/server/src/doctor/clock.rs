//! The clock: whether it steps, and whether it agrees with what was written.
//!
//! `received_at` of a record is the wall clock, never before the record before
//! it: a clock that was ahead and is set back stamps the same moment until it
//! has caught up.

use std::time::Duration;

use host::{Clock, RealDisk};
use meter::{Span, Timestamp};

use super::finding::Finding;
use super::{Life, Patient};
use crate::wire::LAKE_DIR;

const CHECK: &str = "clock";
/// Both clocks are read one after the other, and a busy machine comes between.
const STEP_MAX: Duration = Duration::from_millis(100);
/// Written by another processor, or by a clock that was slewed since.
const AHEAD_MAX: Span = Span(5_000_000);
/// A source that sends monthly is not silent for so long.
const SILENT_MAX: Span = Span(400 * 86_400_000_000);
/// 2026-01-01: this program did not exist before.
const EARLIEST: Timestamp = Timestamp(1_767_225_600_000_000);

/// Both clocks at one moment.
pub struct Watch {
    wall: Timestamp,
    monotonic: Duration,
}

impl Watch {
    pub fn begin(patient: &Patient) -> Watch {
        Watch { wall: patient.clock.now(), monotonic: patient.clock.monotonic() }
    }

    /// After something that took a while.
    pub fn end(self, patient: &Patient) -> Vec<Finding> {
        let (now, elapsed) = (patient.clock.now(), patient.clock.monotonic() - self.monotonic);
        let mut findings = vec![judge_steps(now.0 - self.wall.0, elapsed), judge_now(now)];
        findings.extend(newest(patient).into_iter().map(|(what, at)| judge_newest(&what, at, now)));
        findings
    }
}

fn judge_steps(wall_us: i64, elapsed: Duration) -> Finding {
    let elapsed_us = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
    let apart_us = wall_us.saturating_sub(elapsed_us);
    let over = format!("over {:.1} s", elapsed.as_secs_f64());
    let by = format!("{:.3} ms", apart_us as f64 / 1e3);
    if Duration::from_micros(apart_us.unsigned_abs()) <= STEP_MAX {
        return Finding::good(
            CHECK,
            format!("wall clock and monotonic clock differ by {by} {over}"),
            "it does not step",
        );
    }
    Finding::bad(
        CHECK,
        format!("the wall clock stepped by {by} {over}"),
        "times of arrival are wrong by as much, and a step back stamps one moment until it is caught up",
        "let one time service slew the clock (chrony, systemd-timesyncd) and stop what sets it",
    )
}

fn judge_now(now: Timestamp) -> Finding {
    if now >= EARLIEST {
        return Finding::good(CHECK, format!("it says {now}"), "later than this program was written");
    }
    Finding::bad(
        CHECK,
        format!("it says {now}, earlier than this program was written"),
        "it is not set: every time of arrival would be wrong",
        "set it, or start the time service, before the server",
    )
}

fn judge_newest(what: &str, at: Timestamp, now: Timestamp) -> Finding {
    let ahead = Span(at.0.saturating_sub(now.0));
    let seen = format!("{what} is of {at}");
    if ahead > AHEAD_MAX {
        return Finding::bad(
            CHECK,
            format!("{seen}, {} s after now", ahead.0 / 1_000_000),
            "the clock was ahead then or is behind now: what comes in gets that time until the clock is past it",
            "compare the clock with another machine's; if it is right now, the times between were wrong",
        );
    }
    if Span(now.0.saturating_sub(at.0)) > SILENT_MAX {
        return Finding::watch(
            CHECK,
            format!("{seen}, {} days before now", now.0.saturating_sub(at.0) / 86_400_000_000),
            "nothing came in for more than a year, or the clock is ahead",
            "compare the clock with another machine's",
        );
    }
    Finding::good(CHECK, seen, "not after now")
}

/// The newest times in the data directory: of a record, and of the newest file.
fn newest(patient: &Patient) -> Vec<(String, Timestamp)> {
    if patient.life == Life::Unborn {
        return Vec::new();
    }
    let mut found = Vec::new();
    if let Ok(disk) = RealDisk::open(&patient.dir)
        && let Ok(glance) = journal::glance(&disk)
        && let Some(at) = glance.last_received
    {
        found.push(("the newest record".to_owned(), at));
    }
    found.extend(newest_file(patient));
    found
}

/// Of the journal and of the lake's logs, to which every commit adds.
fn newest_file(patient: &Patient) -> Option<(String, Timestamp)> {
    let disk = RealDisk::open(&patient.dir).ok()?;
    let tables = host::Disk::list(&disk, LAKE_DIR).unwrap_or_default();
    let logs = tables.iter().map(|table| format!("{LAKE_DIR}/{}/_delta_log", table.name));
    let dirs = std::iter::once(journal::JOURNAL_DIR.to_owned()).chain(logs);
    let files = dirs.flat_map(|dir| {
        let entries = host::Disk::list(&disk, &dir).unwrap_or_default();
        entries.into_iter().filter(|entry| !entry.is_dir).map(move |entry| format!("{dir}/{}", entry.name))
    });
    let changed = files.filter_map(|file| Some((host::machine::about(&disk.path(&file)).ok()?.changed, file)));
    changed.max().map(|(at, file)| (file, at))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    const NOW: Timestamp = Timestamp(EARLIEST.0 + 86_400_000_000);

    #[test]
    fn a_step_either_way_is_bad_and_a_busy_machine_is_not() {
        let check = |wall_us, expected| {
            assert_eq!(judge_steps(wall_us, Duration::from_secs(2)).verdict, expected, "{wall_us}");
        };
        check(2_000_000, Verdict::Good);
        check(2_099_000, Verdict::Good);
        check(2_200_000, Verdict::Bad);
        check(-3_600_000_000, Verdict::Bad);
        check(i64::MAX, Verdict::Bad);
    }

    #[test]
    fn a_record_from_the_future_is_bad_and_one_from_long_ago_is_worth_a_look() {
        let check = |at, expected| assert_eq!(judge_newest("a", Timestamp(at), NOW).verdict, expected, "{at}");
        check(NOW.0, Verdict::Good);
        check(NOW.0 + AHEAD_MAX.0 + 1, Verdict::Bad);
        check(NOW.0 - SILENT_MAX.0 - 1, Verdict::Watch);
        check(i64::MIN, Verdict::Watch);
        assert_eq!(judge_now(Timestamp(0)).verdict, Verdict::Bad);
        assert_eq!(judge_now(NOW).verdict, Verdict::Good);
    }
}
