//! What a sync costs here, and whether that can be true.
//!
//! Written as the journal writes: into reserved space, one page, then fdatasync.
//! Only a power cut proves that a disk keeps what it says; but one that answers
//! faster than any can, does not.

use std::time::Duration;

use host::machine;
use host::{Clock, Disk, RealDisk};

use super::Patient;
use super::finding::Finding;

const CHECK: &str = "sync";
const NAME: &str = "doctor";
const FILE_BYTES: u64 = 1 << 20;
const PAGE_BYTES: u64 = 4 << 10;
const SYNCS_MAX: usize = 400;
const TIME_MAX: Duration = Duration::from_secs(2);
/// A command to the fastest flash behind PCIe takes some ten microseconds.
const TRUE_MIN: Duration = Duration::from_micros(10);
/// Faster only with a cache that outlives a power loss.
const PLAIN_MIN: Duration = Duration::from_micros(60);
/// Senders wait for it: the journal's group commits hide up to so much.
const SLOW: Duration = Duration::from_millis(50);

pub fn look(patient: &Patient) -> Vec<Finding> {
    let measured = RealDisk::open(&patient.place).and_then(|disk| measure(&disk, &patient.clock));
    let cache = machine::mount_of(&patient.place).ok().and_then(|mount| mount.has_volatile_cache());
    match measured {
        Ok(times) => judge(times, cache),
        Err(error) => vec![Finding::bad(
            CHECK,
            format!("no file can be written in {}: {error}", patient.place.display()),
            "the server could not write there either",
            "give its user the directory, or choose another --data-dir",
        )],
    }
}

fn measure(disk: &dyn Disk, clock: &dyn Clock) -> std::io::Result<Vec<Duration>> {
    // Of a doctor that was killed.
    for entry in disk.list("")? {
        if host::is_temporary(&entry.name) && entry.name.starts_with(&format!(".{NAME}.")) {
            disk.remove(&entry.name)?;
        }
    }
    let file = disk.create_temporary(NAME)?;
    let times = write(disk, clock, &file);
    disk.remove(&file)?;
    times
}

fn write(disk: &dyn Disk, clock: &dyn Clock, file: &str) -> std::io::Result<Vec<Duration>> {
    let whole = usize::try_from(FILE_BYTES).expect("it is small");
    disk.write_at(file, 0, &vec![1; whole])?;
    disk.sync(file)?;
    let page = vec![2; usize::try_from(PAGE_BYTES).expect("it is small")];
    let begin = clock.monotonic();
    let mut times = Vec::new();
    while times.len() < SYNCS_MAX && clock.monotonic() - begin < TIME_MAX {
        let at = times.len() as u64 * PAGE_BYTES % FILE_BYTES;
        let before = clock.monotonic();
        disk.write_at(file, at, &page)?;
        disk.sync(file)?;
        times.push(clock.monotonic() - before);
    }
    Ok(times)
}

fn judge(mut times: Vec<Duration>, volatile_cache: Option<bool>) -> Vec<Finding> {
    times.sort_unstable();
    let part = |percent: usize| times.get(times.len() * percent / 100).or(times.last()).copied().unwrap_or_default();
    let (median, slow) = (part(50), part(99));
    let longest = times.last().copied().unwrap_or_default();
    let millis = |time: Duration| format!("{:.3}", time.as_secs_f64() * 1e3);
    let seen = format!(
        "{} pages written and synced: p50 {} ms, p99 {} ms, longest {} ms",
        times.len(),
        millis(median),
        millis(slow),
        millis(longest)
    );
    vec![judge_truth(seen, median, volatile_cache), judge_speed(&format!("p99 {} ms", millis(slow)), slow)]
}

fn judge_truth(seen: String, median: Duration, volatile_cache: Option<bool>) -> Finding {
    let cache = match volatile_cache {
        Some(true) => ", and the device says that its cache is volatile",
        Some(false) => ", and the device says that it has no volatile cache",
        None => "",
    };
    let seen = format!("{seen}{cache}");
    if median < TRUE_MIN {
        let means =
            "no disk answers in so few microseconds: a sync is not carried out, and what is acknowledged may be lost";
        let advice =
            "look for memory file systems, libeatmydata, `cache=unsafe` of a virtual machine, mounts without barriers";
        return Finding::bad(CHECK, seen, means, advice);
    }
    if median < PLAIN_MIN && volatile_cache != Some(false) {
        let means = "faster than flash without a protected cache can be: the drive has one, or it does not flush";
        let advice =
            "see in the drive's papers that its cache outlives a power loss (PLP), or test by cutting the power";
        return Finding::watch(CHECK, seen, means, advice);
    }
    Finding::good(CHECK, seen, "as long as a real sync takes; only a power cut proves that the drive keeps it")
}

fn judge_speed(seen: &str, slow: Duration) -> Finding {
    if slow <= SLOW {
        return Finding::good(CHECK, seen, "fast enough for the journal, which syncs for many senders at once");
    }
    let means = format!("one sync in a hundred takes more than {} ms, and senders wait for it", SLOW.as_millis());
    Finding::watch(CHECK, seen, means, "look what else writes to this disk, or use flash")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn check(micros: u64, cache: Option<bool>, truth: Verdict, speed: Verdict) {
        let found = judge(vec![Duration::from_micros(micros); 10], cache);
        assert_eq!([found[0].verdict, found[1].verdict], [truth, speed], "{micros} us: {found:?}");
    }

    #[test]
    fn a_sync_that_is_too_fast_to_be_true_is_told() {
        check(2, None, Verdict::Bad, Verdict::Good);
        check(2, Some(false), Verdict::Bad, Verdict::Good);
        check(30, Some(true), Verdict::Watch, Verdict::Good);
        check(30, Some(false), Verdict::Good, Verdict::Good);
        check(900, Some(true), Verdict::Good, Verdict::Good);
        check(80_000, None, Verdict::Good, Verdict::Watch);
    }

    #[test]
    fn measuring_leaves_nothing_behind_also_of_one_that_was_killed() {
        let dir = tempfile::tempdir().expect("a temp directory");
        let disk = RealDisk::open(dir.path()).expect("opens");
        disk.create_temporary(NAME).expect("made");
        let other = disk.create_temporary("other").expect("made");
        assert!(!measure(&disk, &host::SystemClock::new()).expect("measures").is_empty());
        let left: Vec<String> = disk.list("").expect("lists").into_iter().map(|entry| entry.name).collect();
        assert_eq!(left, [other]);
    }
}
