//! What is code, what is not, and how long a function is.

use super::*;

fn check_code(text: &str, code: &str) {
    let (found, comments) = split(text);
    assert_eq!(found.split_whitespace().collect::<Vec<_>>().join(" "), code);
    assert_eq!((found.len(), comments.len()), (text.len(), text.len()));
    assert_eq!(found.matches('\n').count(), text.matches('\n').count());
}

#[test]
fn strings_characters_and_comments_are_not_code() {
    check_code("let a = \"} // \\\" {\"; b", "let a = ; b");
    check_code("let c = '{'; let d = '\\''; let e = '\\u{7b}'; f", "let c = ; let d = ; let e = ; f");
    check_code("a // {\nb /* { /* { */ } */ c", "a b c");
    check_code("let x = b\"{\"; let y = b'{'; let z = 'ü'; z", "let x = b ; let y = b ; let z = ; z");
}

#[test]
fn a_raw_string_ends_at_its_own_hashes() {
    check_code("r\"\\\" + r##\"x\"# {\"## + br#\"{\"# ; end", "+ + ; end");
    check_code("let r#type = r; bar\"x\"", "let r#type = r; bar");
}

#[test]
fn a_lifetime_is_code() {
    check_code("fn f<'a>(x: &'a str) -> &'static str { x }", "fn f<'a>(x: &'a str) -> &'static str { x }");
    check_code("'outer: loop { break 'outer; }", "'outer: loop { break 'outer; }");
}

#[test]
fn an_unfinished_file_still_ends() {
    for text in ["\"abc", "/* abc", "r#\"abc", "'", "'\\", "fn f(", "#[cfg(test)]", "#[cfg(test", "mod"] {
        let source = Source::new("crates/core/x/src/lib.rs", text);
        assert!(source.functions().is_empty() && source.modules().is_empty());
    }
}

#[test]
fn a_function_runs_from_its_keyword_to_its_brace() {
    let text = r#"/// About.
#[inline]
pub fn long(
    a: [u8; 4],
    b: fn(u8) -> u8,
) -> [u8; 4] {
    // }
    a
}
trait T {
    fn promised(&self);
    fn given(&self) {}
}
"#;
    let functions = Source::new("crates/core/x/src/lib.rs", text).functions();
    let found: Vec<_> = functions.iter().map(|f| (f.name.as_str(), f.lines)).collect();
    assert_eq!(found, [("long", 7), ("given", 1)]);
}

#[test]
fn what_is_for_tests_is_known() {
    let text = r#"fn a() { here(); }
#[cfg(test)]
#[allow(dead_code)]
fn b() { there(); }
#[cfg(not(test))]
fn c() { away(); }
#[cfg(all(test, unix))]
mod tests {
    fn d() { inside(); }
}
#[cfg(feature = "test")]
fn e() { feature(); }
"#;
    let source = Source::new("crates/core/x/src/lib.rs", text);
    let in_test = |word: &str| source.in_test(text.find(word).expect("planted"));
    assert_eq!(["here", "there", "away", "inside", "feature"].map(in_test), [false, true, false, true, false]);
    let modules = source.modules();
    assert_eq!((modules.len(), modules[0].lines, modules[0].for_tests), (1, 3, true));
}

#[test]
fn a_file_in_a_tests_folder_is_for_tests() {
    for path in ["crates/core/x/src/tests.rs", "crates/core/x/tests/end.rs", "crates/core/x/src/a/tests.rs"] {
        assert!(Source::new(path, "").is_test, "{path}");
    }
    assert!(!Source::new("crates/core/x/src/latests.rs", "").is_test);
}

#[test]
fn words_are_found_whole() {
    assert_eq!(occurrences("brand::x; rand::y; rand ::z", "rand::"), [10]);
    assert_eq!(occurrences("x.unwrap(); x.unwrap_or(1)", ".unwrap()"), [1]);
    assert_eq!(occurrences("dbg!(1); my_dbg!(2)", "dbg!"), [0]);
}
