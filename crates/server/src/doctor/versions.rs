//! Which meterhouse this is, and whether it reads what is there.

use super::finding::Finding;
use super::{Life, Patient};
use crate::formats::{self, Found, OnDisk};

const CHECK: &str = "versions";

pub fn look(patient: &Patient) -> Vec<Finding> {
    let mut findings = vec![binary()];
    if patient.life == Life::Unborn {
        return findings;
    }
    match formats::found(&patient.dir) {
        Ok(found) => findings.extend(found.iter().map(judge)),
        Err(error) => {
            let advice = "run doctor as the user who runs the server";
            findings.push(Finding::bad(CHECK, error.to_string(), "the data directory cannot be read", advice));
        }
    }
    findings
}

fn binary() -> Finding {
    let said = formats::ALL.map(|OnDisk { name, writes, reads_from, .. }| match reads_from == writes {
        true => format!("{name} {writes}"),
        false => format!("{name} {writes} (reads from {reads_from})"),
    });
    Finding::good(CHECK, concat!("meterhouse ", env!("CARGO_PKG_VERSION")), format!("writes {}", said.join(", ")))
}

fn judge(Found { of, version }: &Found) -> Finding {
    let OnDisk { name, place, writes, reads_from, derived } = *of;
    let version = match version {
        Ok(version) => *version,
        Err(error) => {
            let advice = "see what `meterhouse verify` says, and restore from a backup";
            return Finding::bad(CHECK, format!("{place}: {error}"), format!("the {name} cannot be read"), advice);
        }
    };
    let seen = format!("{place} is of version {version}");
    if version == writes {
        return Finding::good(CHECK, seen, format!("the {name} that this binary writes"));
    }
    if derived {
        return Finding::good(CHECK, seen, format!("another {name} than this binary's: it is made anew at the start"));
    }
    if version > writes {
        let means = format!("this binary reads the {name} up to {writes} and refuses to start");
        let advice = "use the newer meterhouse that wrote it, or restore a backup that was taken before the upgrade";
        return Finding::bad(CHECK, seen, means, advice);
    }
    if version >= reads_from {
        let means = format!("the next start brings the {name} up to {writes}, which an older binary refuses");
        return Finding::watch(
            CHECK,
            seen,
            means,
            "take a backup with the meterhouse that wrote it before the first start of this one",
        );
    }
    let means = format!("this binary reads the {name} from {reads_from} on");
    Finding::bad(CHECK, seen, means, "start once with a meterhouse between the two versions")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_version_of_the_future_is_bad_and_one_of_the_past_asks_for_a_backup() {
        let of = OnDisk { name: "x", place: "y", writes: 4, reads_from: 2, derived: false };
        let check = |of, version, expected| {
            let finding = judge(&Found { of, version: Ok(version) });
            assert_eq!(finding.verdict, expected, "{finding:?}");
        };
        check(of, 5, Verdict::Bad);
        check(of, 4, Verdict::Good);
        check(of, 2, Verdict::Watch);
        check(of, 1, Verdict::Bad);
        check(OnDisk { derived: true, ..of }, 9, Verdict::Good);
        assert_eq!(judge(&Found { of, version: Err("torn".into()) }).verdict, Verdict::Bad);
    }
}
