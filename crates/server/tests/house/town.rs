//! The town written as files: what the lake makes of them is the truth beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::street::{House, path};

/// The town in one format: imports it into a house of its own.
struct Written {
    house: House,
    dir: PathBuf,
}

impl Written {
    fn new(format: &str, import: &str, arguments: &[&str]) -> Written {
        let house = House::new();
        let dir = house.dir.path().join("town");
        let mut all = vec!["demo", "--homes", "4", "--months", "1", "--write", path(&dir), "--format", format];
        all.extend(arguments);
        let said = house.says(&all);
        assert!(said.contains("meterhouse import --format"), "{said}");
        house.says(&["import", "--format", import, path(&dir.join("readings"))]);
        Written { house, dir }
    }

    /// Sums of half-hours in the last digit, by point and medium.
    fn stored(&self, registers: &[(&str, &str)]) -> BTreeMap<(String, String), i64> {
        let sql = "select point, register, cast(sum(quantity) * 1000 as bigint) as digits from readings \
                   where kind = 'interval' and point like 'home-%' group by point, register";
        let said = self.house.says(&["sql", sql, "--format", "csv"]);
        let rows = said.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
        let medium = |register: &str| registers.iter().find(|(_, name)| *name == register).expect("one of ours").0;
        rows.map(|row| ((row[0].to_owned(), medium(row[1]).to_owned()), row[2].parse().expect("a number"))).collect()
    }

    fn truth(&self, file: &str) -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(self.dir.join("truth").join(file)).expect("written");
        text.lines().skip(1).map(|line| line.split(',').map(String::from).collect()).collect()
    }

    /// What meters counted on all days but those of missed messages.
    fn metered(&self, registers: &[(&str, &str)]) -> BTreeMap<(String, String), i64> {
        let missed = self.truth("mishaps.csv").into_iter().filter(|row| row[0] == "missed");
        let missed: BTreeSet<_> = missed.map(|row| (row[1].clone(), row[2].clone(), row[3].clone())).collect();
        let mut sums = BTreeMap::new();
        for row in self.truth("used.csv") {
            let (point, medium, from) = (row[0].clone(), row[1].clone(), row[2].clone());
            if registers.iter().any(|(name, _)| *name == medium)
                && !missed.contains(&(row[0].clone(), medium.clone(), from))
            {
                *sums.entry((point, medium)).or_insert(0) += row[5].parse::<i64>().expect("a number");
            }
        }
        sums
    }

    /// All readings that stand, without when they were sent.
    fn standing(&self) -> BTreeSet<String> {
        let said = self.house.says(&["export", "readings", "--format", "csv"]);
        said.lines().skip(1).filter(|line| line.starts_with("home-")).map(String::from).collect()
    }
}

const OURS: [(&str, &str); 4] =
    [("electricity", "1-0:1.29.0"), ("feed_in", "1-0:2.29.0"), ("water", "8-0:1.29.0"), ("heat", "6-0:1.29.0")];
const MARKET: [(&str, &str); 2] = [("electricity", "E1"), ("feed_in", "B1")];

#[test]
fn a_town_imported_in_any_format_sums_to_its_truth() {
    let formats = [
        ("nem12", "nem12", &MARKET[..]),
        ("csv", "csv/generic-long", &OURS),
        ("json", "json", &OURS),
        ("protobuf", "protobuf", &OURS),
        ("line", "line?interval=30m", &OURS),
    ];
    for (format, import, registers) in formats {
        let written = Written::new(format, import, &[]);
        assert_eq!(written.stored(registers), written.metered(registers), "{format}");
    }
}

#[test]
fn faults_on_the_way_change_nothing_in_the_lake_but_what_is_missed() {
    let clean = Written::new("protobuf", "protobuf", &[]);
    let faulted = Written::new("protobuf", "protobuf", &["--faults"]);
    assert_eq!(faulted.stored(&OURS), faulted.metered(&OURS));
    let happened: BTreeSet<_> = faulted.truth("mishaps.csv").into_iter().map(|row| row[0].clone()).collect();
    for mishap in ["missed", "late", "repeated", "shuffled"] {
        assert!(happened.contains(mishap), "{happened:?} has no {mishap}");
    }
    let (clean, faulted) = (clean.standing(), faulted.standing());
    assert!(faulted.is_subset(&clean), "nothing is there that a clean delivery does not bring");
    assert!(faulted.len() > clean.len() * 9 / 10 && faulted.len() < clean.len());
}

#[test]
fn files_are_never_written_among_others() {
    let house = House::new();
    let dir = house.dir.path().join("town");
    let arguments = ["demo", "--homes", "1", "--months", "1", "--write", path(&dir)];
    house.says(&arguments);
    assert_eq!(house.run(&arguments).status.code(), Some(2));
}
