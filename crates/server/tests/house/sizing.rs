//! `size` as a person asks it.

use crate::street::{House, path, text};

const FLEET: [&str; 9] = ["size", "--homes", "2000000", "--registers", "3", "--every", "15m", "--retain", "5y"];

fn asked(house: &House, more: &[&str]) -> serde_json::Value {
    let all: Vec<&str> = ["--json"].iter().chain(&FLEET).chain(more).copied().collect();
    serde_json::from_str(&house.says(&all)).expect("JSON")
}

#[test]
fn every_number_is_told_with_the_sum_it_comes_from() {
    let house = House::new();
    let said = house.says(&FLEET);
    for part in ["2,000,000 homes x 3 registers", "576,000,000", "0.81 CPU-s a million", "1.52 B", "rule of thumb"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.contains("benches/RESULTS.md, 2026-11-21"), "{said}");
    let told = asked(&house, &[]);
    assert_eq!(told["estimate"]["readings_a_day"], 576_000_000);
    assert!(!house.data().exists(), "it only reckons");
}

#[test]
fn prices_are_the_readers_own_if_given_and_a_wrong_sheet_is_refused() {
    let house = House::new();
    let sheet = "date = \"2030-01-01\"\ncore_month_cents = 100\nmemory_gib_month_cents = 0\n\
        disk_gib_month_cents = 0\nbackup_gib_month_cents = 0\n";
    let told = asked(&house, &["--prices", path(&house.file("prices.toml", sheet))]);
    let cores = told["estimate"]["cores"].as_u64().expect("a number");
    assert_eq!(told["estimate"]["year_cents"], cores * 1_200);
    let wrong = house.file("wrong.toml", sheet.replace("core_", "core"));
    let output = house.run(&[&FLEET[..], &["--prices", path(&wrong)]].concat());
    assert!(output.status.code() == Some(2) && text(&output.stderr).contains("wrong.toml"), "{output:?}");
    for bad in [["--homes", "0"], ["--every", "15"], ["--retain", "0d"]] {
        let mut all = vec!["size", "--homes", "5", "--registers", "1"];
        all.retain(|word| bad[0] != "--homes" || !["--homes", "5"].contains(word));
        all.extend(bad);
        assert_eq!(house.run(&all).status.code(), Some(2), "{bad:?}");
    }
}
