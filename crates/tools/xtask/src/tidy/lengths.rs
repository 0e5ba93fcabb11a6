//! A file is one idea, a function one thought: both stop somewhere.
//!
//! Promise: counts what an editor shows; a function from `fn` to its closing
//! brace, tests not counted.

use super::Finding;
use super::house::House;
use super::source::Source;

/// Above this a file has two ideas.
const FILE_LINES_MAX: usize = 600;
/// Above this it is worth a look.
const FILE_LINES_AIM: usize = 300;
const FUNCTION_LINES_MAX: usize = 60;
/// Longer tests move out of the way of the code they test.
const INLINE_TESTS_LINES_MAX: usize = 120;

pub fn check(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    let code = |path: &str| [".rs", ".py", ".ts", ".svelte"].iter().any(|end| path.ends_with(end));
    for (path, text) in house.texts.iter().filter(|(path, _)| code(path)) {
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            findings.push(Finding::new(
                path,
                0,
                format!("has {lines} lines, at most {FILE_LINES_MAX}; split it by idea"),
            ));
        }
    }
    for source in &house.sources {
        findings.extend(long_functions(source));
        findings.extend(long_tests(source));
    }
    findings
}

/// Files within the limit that are longer than a file should be.
pub fn worth_splitting(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &house.sources {
        let lines = source.text.lines().count();
        if (FILE_LINES_AIM + 1..=FILE_LINES_MAX).contains(&lines) {
            findings.push(Finding::new(&source.path, 0, format!("{lines} lines; the aim is {FILE_LINES_AIM}")));
        }
    }
    findings
}

fn long_functions(source: &Source) -> Vec<Finding> {
    let functions = source.functions().into_iter();
    let long = functions.filter(|f| f.lines > FUNCTION_LINES_MAX && !source.in_test(f.at));
    long.map(|f| {
        let what =
            format!("`{}` has {} lines, at most {FUNCTION_LINES_MAX}; take a thought out of it", f.name, f.lines);
        Finding::new(&source.path, source.line(f.at), what)
    })
    .collect()
}

fn long_tests(source: &Source) -> Vec<Finding> {
    if source.is_test {
        return Vec::new();
    }
    let modules = source.modules().into_iter();
    let long = modules.filter(|m| m.for_tests && m.lines > INLINE_TESTS_LINES_MAX);
    long.map(|m| {
        let folder = super::house::module_folder(&source.path);
        let what = format!(
            "the tests inside have {} lines, at most {INLINE_TESTS_LINES_MAX}; move them to {folder}/{}.rs",
            m.lines, m.name
        );
        Finding::new(&source.path, source.line(m.at), what)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "crates/core/meter/src/row.rs";

    fn check_text(text: &str, expected: &[&str]) {
        let findings = check(&House::of(&[(PLACE, text)]));
        assert_eq!(findings.iter().map(Finding::to_string).collect::<Vec<_>>(), expected);
    }

    fn function(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    step();\n".repeat(lines - 2))
    }

    #[test]
    fn a_file_stops_at_600_lines() {
        check_text(&"\n".repeat(600), &[]);
        check_text(&"\n".repeat(601), &["crates/core/meter/src/row.rs: has 601 lines, at most 600; split it by idea"]);
    }

    #[test]
    fn a_file_over_300_lines_is_worth_a_look() {
        let aim = |lines: usize| worth_splitting(&House::of(&[(PLACE, &"\n".repeat(lines))])).len();
        assert_eq!([300, 301, 600, 601].map(aim), [0, 1, 1, 0]);
    }

    #[test]
    fn a_function_stops_at_60_lines_unless_it_is_a_test() {
        check_text(&function(60), &[]);
        check_text(
            &format!("\n{}", function(61)),
            &["crates/core/meter/src/row.rs:2: `long` has 61 lines, at most 60; take a thought out of it"],
        );
        check_text(&format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function(90)), &[]);
    }

    #[test]
    fn inline_tests_stop_at_120_lines() {
        let tests = |lines: usize| format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(lines - 2));
        check_text(&tests(120), &[]);
        check_text(
            &tests(121),
            &[
                "crates/core/meter/src/row.rs:2: the tests inside have 121 lines, at most 120; move them to crates/core/meter/src/row/tests.rs",
            ],
        );
    }
}
