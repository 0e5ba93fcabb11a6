//! The papers of the house: there, true to the listing, and free of the
//! machine they were written on.
//!
//! Promise: what a newcomer needs exists, every relative link leads somewhere,
//! every crate stands on the map, and no file names a folder of somebody's
//! machine or an address to take packages from.

use super::Finding;
use super::house::House;

const REQUIRED: [&str; 8] = [
    "README.md",
    "LICENSE",
    "docs/ARCHITECTURE.md",
    "docs/reference/errors.md",
    "rustfmt.toml",
    "clippy.toml",
    ".cargo/config.toml",
    ".ci/run",
];
const MAP: &str = "docs/ARCHITECTURE.md";
const DECISIONS: &str = "docs/decisions/";
/// The README's command that passes the tests; `.ci/run` runs the same.
const TEST_COMMAND: &str = "cargo test --workspace";

/// Folders that exist on one machine.
const MACHINE_FOLDERS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// Where packages come from is the reader's choice, never ours.
const REGISTRIES: [&str; 6] = [
    concat!("index", "-url"),
    concat!("[sou", "rce."),
    concat!("[regis", "tries"),
    concat!("regis", "try = \""),
    concat!("regis", "try=http"),
    concat!("\"resolved\": ", "\"http"),
];

/// Where files that are not text may lie: what tests read, and what the binary serves.
const NOT_TEXT: [&str; 3] = ["/tests/", "/testdata/", "ui/dist/"];

pub fn check(house: &House) -> Vec<Finding> {
    let mut findings = required(house);
    for path in house.not_texts.iter().filter(|path| !NOT_TEXT.iter().any(|place| path.contains(place))) {
        findings.push(Finding::new(path, 0, "is not text; take it out, or move it below tests/".to_owned()));
    }
    for (path, text) in &house.texts {
        findings.extend(addresses(path, text));
        if path.ends_with(".md") {
            findings.extend(dead_links(house, path, text));
        }
    }
    findings
}

fn required(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in REQUIRED.iter().filter(|path| !house.texts.contains_key(**path)) {
        findings.push(Finding::new(path, 0, "is missing; write it".to_owned()));
    }
    if !house.texts.keys().any(|path| path.starts_with(DECISIONS)) {
        findings.push(Finding::new(DECISIONS, 0, "holds no decision; write down what was decided and why".to_owned()));
    }
    let map = house.texts.get(MAP).map_or("", String::as_str);
    for missing in house.crates.iter().filter(|c| !map.contains(&c.place)) {
        findings.push(Finding::new(MAP, 0, format!("does not show {}; add it to the map", missing.place)));
    }
    for path in ["README.md", ".ci/run"] {
        if house.texts.get(path).is_some_and(|text| !text.contains(TEST_COMMAND)) {
            findings.push(Finding::new(path, 0, format!("does not say `{TEST_COMMAND}`; README and CI run the same")));
        }
    }
    findings
}

fn addresses(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let settings = [".lock", ".json", ".toml", ".yml", ".yaml", ".sh", ".cfg", ".txt", ".ci/run"];
    for (at, line) in text.lines().enumerate() {
        for folder in MACHINE_FOLDERS.iter().filter(|folder| names_folder(line, folder)) {
            findings.push(Finding::new(
                path,
                at + 1,
                format!("names `{folder}`, a folder of one machine; take it out"),
            ));
        }
        if settings.iter().any(|end| path.ends_with(end)) && REGISTRIES.iter().any(|word| line.contains(word)) {
            let what = "says where packages come from; that is the reader's choice, take it out".to_owned();
            findings.push(Finding::new(path, at + 1, what));
        }
    }
    findings
}

/// `folder` at the start of a path, not inside a longer one or a URL.
fn names_folder(line: &str, folder: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || "._-~}".contains(c);
    line.match_indices(folder).any(|(at, _)| !line[..at].ends_with(inside))
}

/// `](target)` where the target is a path in the house.
fn dead_links(house: &House, path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for (start, _) in line.match_indices("](") {
            let target = line[start + 2..].split([')', '#', ' ']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let place = resolve(path, target);
            let below = format!("{place}/");
            if !house.texts.keys().any(|other| *other == place || other.starts_with(&below)) {
                findings.push(Finding::new(
                    path,
                    at + 1,
                    format!("links to {target}, which does not exist; mend the link"),
                ));
            }
        }
    }
    findings
}

/// `target` as seen from the folder of `path`.
fn resolve(path: &str, target: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(changed: &[(&str, &str)]) -> House {
        let mut files: Vec<(&str, &str)> = REQUIRED.iter().map(|path| (*path, TEST_COMMAND)).collect();
        files.push(("docs/decisions/0001-a.md", ""));
        files.extend(changed);
        House::of(&files)
    }

    fn check_changed(changed: &[(&str, &str)], expected: &[&str]) {
        let found: Vec<String> = check(&house(changed)).iter().map(Finding::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found:?} does not say {expected:?}");
        }
    }

    #[test]
    fn a_missing_paper_is_found() {
        check_changed(&[], &[]);
        let findings = check(&House::of(&[]));
        assert_eq!(findings.len(), REQUIRED.len() + 1, "{findings:?}");
    }

    #[test]
    fn a_file_that_is_not_text_is_found() {
        let mut house = house(&[]);
        house.not_texts = vec!["some.whl".to_owned(), "crates/core/parse/tests/frame.bin".to_owned()];
        assert_eq!(
            check(&house),
            [Finding::new("some.whl", 0, "is not text; take it out, or move it below tests/".to_owned())]
        );
    }

    #[test]
    fn a_crate_that_is_not_on_the_map_is_found() {
        let manifest = ("crates/core/meter/Cargo.toml", "[package]\nname = \"meter\"\n");
        check_changed(&[manifest], &["docs/ARCHITECTURE.md: does not show core/meter"]);
        check_changed(&[manifest, (MAP, "core/meter: the words")], &[]);
    }

    #[test]
    fn readme_and_ci_run_the_same_tests() {
        check_changed(&[(".ci/run", "cargo test")], &[".ci/run: does not say"]);
    }

    #[test]
    fn a_folder_of_one_machine_is_found() {
        for folder in MACHINE_FOLDERS {
            check_changed(&[("docs/a.md", &format!("a\nsee `{folder}x`"))], &["docs/a.md:2: names"]);
            check_changed(&[("docs/a.md", &format!("https://example.org{folder}x ${{A}}{folder}x"))], &[]);
        }
    }

    #[test]
    fn a_place_to_take_packages_from_is_found() {
        for word in REGISTRIES {
            check_changed(&[("python/a.toml", word)], &["python/a.toml:1: says where packages come from"]);
        }
    }

    #[test]
    fn a_dead_link_is_found() {
        check_changed(&[("docs/a.md", "[x](gone.md)")], &["docs/a.md:1: links to gone.md"]);
        let alive = "[a](ARCHITECTURE.md#top) [b](../README.md) [c](decisions/) [d](https://example.org/x) [e](#here)";
        check_changed(&[("docs/a.md", alive)], &[]);
    }
}
