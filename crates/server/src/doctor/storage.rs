//! The file system below the data directory: its kind, and its room.

use host::machine::{self, Mount, Room};

use super::Patient;
use super::finding::{Finding, bytes_in_words};

const CHECK: &str = "disk";
/// Below it a round of commits, a merge and the next segment may not fit.
const FREE_BYTES_MIN: u64 = 2 << 30;
/// Below it is time to do something, in parts of a hundred.
const FREE_PERCENT_LOW: u64 = 10;
/// A day of commits makes some ten thousand names.
const FREE_FILES_MIN: u64 = 100_000;

pub fn look(patient: &Patient) -> Vec<Finding> {
    let mut findings = vec![match machine::mount_of(&patient.place) {
        Ok(mount) => judge_kind(&mount),
        Err(error) => unknown(&error),
    }];
    match machine::room_at(&patient.place) {
        Ok(room) => findings.extend([judge_bytes(&room), judge_files(&room)]),
        Err(error) => findings.push(unknown(&error)),
    }
    findings
}

fn unknown(error: &std::io::Error) -> Finding {
    let advice = "run doctor as the user who runs the server";
    Finding::bad(CHECK, error.to_string(), "nothing is known of the disk below the data directory", advice)
}

fn judge_kind(mount: &Mount) -> Finding {
    let Mount { kind, source, options, .. } = mount;
    let seen = format!("{kind} on {source}");
    let has = |option: &str| options.iter().any(|other| other == option);
    let elsewhere = "put the data directory on a local ext4, xfs, btrfs or zfs";
    if has("ro") {
        return Finding::bad(CHECK, format!("{seen}, read-only"), "nothing can be written there", elsewhere);
    }
    if has("nobarrier") || has("barrier=0") {
        let means = "the file system does not tell the disk to flush: what is acknowledged may be lost with the power";
        return Finding::bad(CHECK, format!("{seen}, mounted without barriers"), means, "mount it with barriers");
    }
    match kind.as_str() {
        "tmpfs" | "ramfs" => {
            let means = "that is memory: everything is gone with the power, whatever was acknowledged";
            Finding::bad(CHECK, seen, means, elsewhere)
        }
        "overlay" | "aufs" => {
            let means = "a container's own layer: it is slow and goes with the container";
            Finding::watch(CHECK, seen, means, "mount a volume for the data directory")
        }
        "ext4" | "ext3" | "xfs" | "btrfs" | "zfs" | "f2fs" => {
            Finding::good(CHECK, seen, "a local file system that keeps what it has synced")
        }
        other if other.starts_with("nfs") || matches!(other, "cifs" | "smb3" | "ceph" | "9p" | "virtiofs") => {
            let means = "a network or host file system: locks, syncs and their speed are another machine's";
            Finding::watch(CHECK, seen, means, format!("{elsewhere}, or test a power cut of that machine"))
        }
        other if other.starts_with("fuse") => {
            let means = "a program stands between: what a sync is worth is up to it";
            Finding::watch(CHECK, seen, means, elsewhere)
        }
        _ => Finding::watch(CHECK, seen, "not a file system that this program is tested on", elsewhere),
    }
}

fn judge_bytes(room: &Room) -> Finding {
    let Room { bytes_free, bytes, .. } = *room;
    let seen = format!("{} of {} are free", bytes_in_words(bytes_free), bytes_in_words(bytes));
    let advice = "free space, or move to a larger disk; `meterhouse size` tells how large";
    if bytes_free < FREE_BYTES_MIN {
        let means =
            format!("senders are told to wait when it is full; a server wants {}", bytes_in_words(FREE_BYTES_MIN));
        return Finding::bad(CHECK, seen, means, advice);
    }
    if bytes_free < bytes / 100 * FREE_PERCENT_LOW {
        return Finding::watch(CHECK, seen, format!("less than {FREE_PERCENT_LOW} in 100"), advice);
    }
    Finding::good(CHECK, seen, "room enough for now")
}

fn judge_files(room: &Room) -> Finding {
    let Room { files_free, files, .. } = *room;
    if files == 0 {
        return Finding::good(CHECK, "no limit of files", "this file system makes inodes as it needs them");
    }
    let seen = format!("{files_free} of {files} inodes are free");
    if files_free < FREE_FILES_MIN {
        let means = "a full table of inodes is a full disk, whatever room is left";
        return Finding::bad(CHECK, seen, means, "remove small files, or make the file system anew with more inodes");
    }
    Finding::good(CHECK, seen, "enough for now")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_nearly_full_disk_is_told_before_it_is_full() {
        let check = |bytes_free, bytes, expected| {
            let room = Room { bytes_free, bytes, files_free: 0, files: 0 };
            assert_eq!(judge_bytes(&room).verdict, expected, "{bytes_free} of {bytes}");
        };
        check(1 << 30, 2 << 30, Verdict::Bad);
        check(50 << 30, 1 << 40, Verdict::Watch);
        check(200 << 30, 1 << 40, Verdict::Good);
        let files = |files_free, files| judge_files(&Room { bytes_free: 0, bytes: 0, files_free, files }).verdict;
        assert_eq!(
            [files(5, 1_000_000), files(0, 0), files(200_000, 300_000)],
            [Verdict::Bad, Verdict::Good, Verdict::Good]
        );
    }
}
