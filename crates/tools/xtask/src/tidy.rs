//! The rules of the house that a machine can see, each with a planted fault.
//!
//! Promise: every finding names file and line and says what to do. A rule that
//! cannot be checked from the text alone does not live here.
//!
//! Read: `source.rs` (what is code), `house.rs` (what is checked), then the
//! rules: `imports.rs`, `fences.rs`, `lengths.rs`, `habits.rs`, `openings.rs`,
//! `papers.rs`.

mod source;
mod house;
mod imports;
mod fences;
mod lengths;
mod habits;
mod openings;
mod papers;

use std::fmt;

use house::House;
pub use house::root;

/// One broken rule at one place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub path: String,
    /// Zero where the whole file, or its absence, is meant.
    pub line: usize,
    pub what: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: String) -> Finding {
        Finding { path: path.to_owned(), line, what }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

const RULES: [fn(&House) -> Vec<Finding>; 6] =
    [imports::check, fences::check, lengths::check, habits::check, openings::check, papers::check];

fn check(house: &House) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(house)).collect();
    findings.sort();
    findings
}

/// Prints what is broken; true if nothing is.
pub fn print() -> anyhow::Result<bool> {
    let house = House::read(&root()?)?;
    for long in lengths::worth_splitting(&house) {
        println!("info: {long}");
    }
    let findings = check(&house);
    for finding in &findings {
        println!("{finding}");
    }
    println!(
        "tidy: {} in {} files, {} crates",
        match findings.len() {
            0 => "nothing to mend".to_owned(),
            n => format!("{n} to mend"),
        },
        house.texts.len(),
        house.crates.len()
    );
    Ok(findings.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() {
        let house = House::read(&root().expect("tests run inside the house")).expect("the house is readable");
        let findings = check(&house);
        let listed: Vec<String> = findings.iter().map(Finding::to_string).collect();
        assert!(listed.is_empty(), "{} to mend:\n{}", listed.len(), listed.join("\n"));
    }

    #[test]
    fn a_finding_is_printed_as_a_place_one_can_jump_to() {
        assert_eq!(Finding::new("a.rs", 7, "too long".to_owned()).to_string(), "a.rs:7: too long");
        assert_eq!(Finding::new("a.rs", 0, "missing".to_owned()).to_string(), "a.rs: missing");
    }
}
