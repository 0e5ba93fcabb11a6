//! A module opens with its promise and a reading order.
//!
//! Promise: every Rust file says first what it is for; a crate root of several
//! files says in which order to read them, and a file named there exists.

use super::Finding;
use super::house::{House, module_folder};
use super::source::Source;

pub fn check(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in house.sources.iter().filter(|s| s.path.starts_with("crates/")) {
        if source.opening().trim().is_empty() {
            let what = "does not open with its promise; begin with `//! What this is, and what it promises`".to_owned();
            findings.push(Finding::new(&source.path, 1, what));
            continue;
        }
        findings.extend(reading_order(house, source));
    }
    findings
}

fn reading_order(house: &House, source: &Source) -> Vec<Finding> {
    let opening = source.opening();
    let Some((_, order)) = opening.split_once("Read:") else {
        let is_root = source.path.ends_with("/lib.rs") || source.path.ends_with("/main.rs");
        let files = source.modules().iter().filter(|m| !m.for_tests && m.lines == 0).count();
        let what = format!("declares {files} modules and no reading order; add `//! Read: …` with them in order");
        return if is_root && files > 1 { vec![Finding::new(&source.path, 1, what)] } else { Vec::new() };
    };
    let order = order.split("\n\n").next().unwrap_or(order);
    let mut findings = Vec::new();
    for name in order.split('`').skip(1).step_by(2).filter(|name| name.ends_with(".rs")) {
        let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let places = [format!("{folder}/{name}"), format!("{}/{name}", module_folder(&source.path))];
        if !places.iter().any(|place| house.texts.contains_key(place)) {
            let what = format!("the reading order names `{name}`, which does not exist; mend the order");
            findings.push(Finding::new(&source.path, 1, what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_root(text: &str, expected: &[&str]) {
        let house = House::of(&[
            ("crates/core/a/src/lib.rs", text),
            ("crates/core/a/src/one.rs", "//! One.\n//!\n//! Read: `two.rs`, `one/in.rs`."),
            ("crates/core/a/src/one/two.rs", "//! Two."),
            ("crates/core/a/src/one/in.rs", "//! In."),
        ]);
        let found: Vec<String> = check(&house).iter().map(Finding::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found:?} does not say {expected:?}");
        }
    }

    #[test]
    fn a_file_without_an_opening_is_found() {
        check_root("", &["crates/core/a/src/lib.rs:1: does not open"]);
        check_root("// not this\nfn f() {}", &["does not open"]);
        check_root("//!\n", &["does not open"]);
        check_root("//! The whole.\nfn f() {}", &[]);
    }

    #[test]
    fn a_crate_of_several_files_says_how_to_read_it() {
        check_root("//! The whole.\nmod one;\nmod two;", &["declares 2 modules"]);
        check_root("//! The whole.\nmod one;\n#[cfg(test)]\nmod tests;", &[]);
        check_root("//! The whole.\n//!\n//! Read: `one.rs`,\n//! `one/two.rs`.\nmod one;\nmod two;", &[]);
    }

    #[test]
    fn a_reading_order_names_files_that_exist() {
        check_root("//! The whole.\n//!\n//! Read: `gone.rs`, `one.rs`.\n//!\n//! See `other.rs`.", &["`gone.rs`"]);
    }
}
