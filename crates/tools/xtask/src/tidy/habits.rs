//! Habits that do not belong into code that is handed on.
//!
//! Promise: nothing unfinished, switched off or vaguely named is merged
//! unnoticed, and outside tests a panic says why it cannot happen.

use super::Finding;
use super::house::House;
use super::source::{Source, occurrences};

struct Habit {
    word: &'static str,
    in_tests_too: bool,
    advice: &'static str,
}

const HABITS: [Habit; 6] = [
    Habit { word: ".unwrap()", in_tests_too: false, advice: "return an error, or `expect(\"why it holds\")`" },
    Habit { word: "todo!", in_tests_too: true, advice: "finish it, or leave it out" },
    Habit { word: "unimplemented!", in_tests_too: true, advice: "finish it, or leave it out" },
    Habit { word: "dbg!", in_tests_too: true, advice: "take it out" },
    Habit { word: "macro_rules!", in_tests_too: true, advice: "we write no macros of our own; a function will do" },
    Habit { word: "#[ignore]", in_tests_too: true, advice: "say why: `#[ignore = \"reason and how to run it\"]`" },
];

/// Marks of unfinished work, in comments of Rust and anywhere in other texts.
const MARKS: [&str; 4] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX"), concat!("HA", "CK")];

/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 7] = ["common", "util", "utils", "manager", "impl", "misc", "stuff"];

pub fn check(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &house.sources {
        findings.extend(habits(source));
        findings.extend(marks(&source.path, &source.comments));
        for module in source.modules() {
            findings.extend(empty_name(&source.path, source.line(module.at), &module.name));
        }
    }
    for (path, text) in &house.texts {
        if !path.ends_with(".rs") && path != "Cargo.lock" && path != "LICENSE" {
            findings.extend(marks(path, text));
        }
        let parts = path.strip_prefix("crates/").into_iter().flat_map(|inside| inside.split('/'));
        for part in parts {
            findings.extend(empty_name(path, 0, part.split('.').next().unwrap_or(part)));
        }
    }
    findings
}

fn habits(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for habit in &HABITS {
        for at in occurrences(&source.code, habit.word) {
            if habit.in_tests_too || !source.in_test(at) {
                let what = format!("`{}`: {}", habit.word, habit.advice);
                findings.push(Finding::new(&source.path, source.line(at), what));
            }
        }
    }
    findings
}

fn marks(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for mark in MARKS.iter().filter(|mark| !occurrences(line, mark).is_empty()) {
            findings.push(Finding::new(
                path,
                at + 1,
                format!("`{mark}`: finish it, or write an issue and leave it out"),
            ));
        }
    }
    findings
}

fn empty_name(path: &str, line: usize, name: &str) -> Option<Finding> {
    let part = name.split(['_', '-']).find(|part| EMPTY_NAMES.contains(part))?;
    Some(Finding::new(path, line, format!("`{part}` in a name says nothing; name the idea inside")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_file(path: &str, text: &str, expected: &[&str]) {
        let findings = check(&House::of(&[(path, text)]));
        let found: Vec<String> = findings.iter().map(Finding::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found:?} does not say {expected:?}");
        }
    }

    const PLACE: &str = "crates/core/meter/src/row.rs";

    #[test]
    fn an_unwrap_outside_tests_is_found() {
        check_file(PLACE, "fn f() {\n    g().unwrap();\n    g().unwrap_or(1);\n}", &["row.rs:2: `.unwrap()`"]);
        check_file(PLACE, "#[cfg(test)]\nmod tests { fn f() { g().unwrap(); } }", &[]);
        check_file(PLACE, "/// `x.unwrap()`\nconst A: &str = \".unwrap()\";", &[]);
    }

    #[test]
    fn unfinished_and_switched_off_code_is_found_in_tests_too() {
        for habit in HABITS.iter().filter(|habit| habit.in_tests_too) {
            let line = format!("#[cfg(test)]\nmod tests {{ {} () }}", habit.word);
            check_file(PLACE, &line, &[habit.word]);
        }
        check_file(PLACE, "#[ignore = \"an hour; run with --ignored\"]\nfn f() {}", &[]);
    }

    #[test]
    fn marks_are_found_in_comments_and_other_files() {
        for mark in MARKS {
            check_file(PLACE, &format!("// {mark}: later\nconst A: &str = \"{mark}\";"), &["row.rs:1"]);
            check_file("docs/start.md", &format!("a\n{mark} b"), &["docs/start.md:2"]);
        }
    }

    #[test]
    fn names_that_say_nothing_are_found() {
        for name in EMPTY_NAMES {
            check_file(&format!("crates/core/{name}/src/lib.rs"), "", &[name]);
            check_file(&format!("crates/core/meter/src/time_{name}.rs"), "", &[name]);
        }
        check_file(PLACE, "mod lock_manager {}", &["row.rs:1: `manager`"]);
        check_file("crates/core/meter/src/commonplace.rs", "mod utility;", &[]);
    }
}
