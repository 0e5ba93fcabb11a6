//! A Rust file as the rules see it: what is code, what is comment, what is test.
//!
//! Promise: texts in strings, characters and comments are never taken for
//! code, and every place keeps its line. A parser would know more; this much is
//! enough for the rules, and needs no parser to build.

use std::ops::Range;

/// One Rust file. `code` and `comments` have the length and the lines of the
/// text, with everything else blanked out.
pub struct Source {
    pub path: String,
    pub text: String,
    pub code: String,
    pub comments: String,
    /// The whole file is compiled for tests only.
    pub is_test: bool,
    /// Byte ranges of items under `#[cfg(test)]`.
    test_items: Vec<Range<usize>>,
    line_starts: Vec<usize>,
}

/// A `fn` with a body, from its keyword to its closing brace.
pub struct Function {
    pub name: String,
    pub at: usize,
    pub lines: usize,
}

/// A module declared in this file.
pub struct Module {
    pub name: String,
    pub at: usize,
    /// Lines from `mod` to its closing brace; zero if it lives in its own file.
    pub lines: usize,
    pub for_tests: bool,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        let (code, comments) = split(text);
        let line_starts =
            std::iter::once(0).chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1));
        let is_test = path.contains("/tests/") || path.contains("/benches/") || path.ends_with("/tests.rs");
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
            is_test,
            test_items: test_items(&code),
            line_starts: line_starts.collect(),
            code,
            comments,
        }
    }

    /// Line of a byte offset, counted from 1.
    pub fn line(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at)
    }

    pub fn in_test(&self, at: usize) -> bool {
        self.is_test || self.test_items.iter().any(|item| item.contains(&at))
    }

    /// The comment that opens the file, without its `//!`.
    pub fn opening(&self) -> String {
        let lines = self.text.lines().map(str::trim_start).take_while(|line| line.starts_with("//!"));
        lines.map(|line| line[3..].trim()).collect::<Vec<_>>().join("\n")
    }

    pub fn functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        for (at, name) in self.declared("fn") {
            let Some(end) = item_end(&self.code, at) else { continue };
            if self.code.as_bytes()[end - 1] == b'}' {
                found.push(Function { name, at, lines: self.line(end - 1) - self.line(at) + 1 });
            }
        }
        found
    }

    pub fn modules(&self) -> Vec<Module> {
        let mut found = Vec::new();
        for (at, name) in self.declared("mod") {
            let Some(end) = item_end(&self.code, at) else { continue };
            let inline = self.code.as_bytes()[end - 1] == b'}';
            let lines = if inline { self.line(end - 1) - self.line(at) + 1 } else { 0 };
            found.push(Module { name, at, lines, for_tests: self.in_test(at) });
        }
        found
    }

    /// `keyword name`, where it is code: a function pointer type has no name.
    fn declared(&self, keyword: &str) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for at in occurrences(&self.code, keyword) {
            let rest = self.code[at + keyword.len()..].trim_start();
            let name: String = rest.chars().take_while(|c| is_name(*c)).collect();
            if !name.is_empty() {
                found.push((at, name));
            }
        }
        found
    }
}

/// Where `pattern` stands in `code` as whole words.
pub fn occurrences(code: &str, pattern: &str) -> Vec<usize> {
    let first_is_name = pattern.starts_with(is_name);
    let last_is_name = pattern.ends_with(is_name);
    let stands_alone = |at: &usize| {
        let before = code[..*at].chars().next_back().is_some_and(is_name);
        let after = code[*at + pattern.len()..].chars().next().is_some_and(is_name);
        !(first_is_name && before || last_is_name && after)
    };
    code.match_indices(pattern).map(|(at, _)| at).filter(stands_alone).collect()
}

fn is_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut items = Vec::new();
    for at in occurrences(code, "#[cfg(") {
        let Some(end) = closing(code.as_bytes(), at + 1) else { continue };
        let condition = &code[at..end];
        let for_tests = !occurrences(condition, "test").is_empty() && !condition.contains("not(test)");
        if let (true, Some(item)) = (for_tests, item_end(code, end)) {
            items.push(at..item);
        }
    }
    items
}

/// End of the item that starts at or after `from`: behind its `;` or its
/// closing brace, whatever attributes, parameters and array types come before.
fn item_end(code: &str, from: usize) -> Option<usize> {
    let bytes = code.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b';' => return Some(at + 1),
            b'{' => return closing(bytes, at),
            b'(' | b'[' => at = closing(bytes, at)?,
            b'}' => return Some(at), // a field or an arm: the item around it ends here
            _ => at += 1,
        }
    }
    None
}

/// Behind the bracket that closes the one at `open`.
fn closing(bytes: &[u8], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate().skip(open) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth = depth.checked_sub(1)?,
            _ => continue,
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Code,
    Comment,
    Literal,
}

/// The text as code alone and as comments alone, each with the rest blanked.
fn split(text: &str) -> (String, String) {
    let (mut code, mut comments) = (String::with_capacity(text.len()), String::with_capacity(text.len()));
    let mut at = 0;
    while at < text.len() {
        let (length, piece) = next_piece(&text[at..]);
        for c in text[at..at + length].chars() {
            push(&mut code, c, piece == Piece::Code);
            push(&mut comments, c, piece == Piece::Comment);
        }
        at += length;
    }
    (code, comments)
}

fn push(out: &mut String, c: char, keep: bool) {
    if keep || c == '\n' {
        out.push(c);
        return;
    }
    out.extend(std::iter::repeat_n(' ', c.len_utf8()));
}

/// Length and kind of what `rest`, not empty, starts with.
fn next_piece(rest: &str) -> (usize, Piece) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), Piece::Comment);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), Piece::Comment);
    }
    if let Some(length) = raw_string(rest) {
        return (length, Piece::Literal);
    }
    let first = rest.chars().next().expect("rest is not empty");
    match first {
        '"' => (quoted(rest, '"'), Piece::Literal),
        '\'' => character(rest).map_or((1, Piece::Code), |length| (length, Piece::Literal)),
        c if is_name(c) => (rest.find(|c| !is_name(c)).unwrap_or(rest.len()), Piece::Code),
        c => (c.len_utf8(), Piece::Code),
    }
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let (mut at, mut depth) = (0, 0);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            (at, depth) = (at + 2, depth + 1);
        } else if bytes[at..].starts_with(b"*/") {
            (at, depth) = (at + 2, depth - 1);
        } else {
            at += 1;
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// `r"…"`, `br#"…"#` and the like; `r#name` is a name.
fn raw_string(rest: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"].iter().find(|p| rest.starts_with(**p) && rest[p.len()..].starts_with(['#', '"']))?;
    let hashes = rest[prefix.len()..].bytes().take_while(|b| *b == b'#').count();
    let open = prefix.len() + hashes;
    if !rest[open..].starts_with('"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let length = rest[open + 1..].find(&end).map(|at| open + 1 + at + end.len());
    Some(length.unwrap_or(rest.len()))
}

/// From an opening quote to behind its closing one.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    rest.len()
}

/// A character literal; `None` for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut chars = rest.chars().skip(1);
    let first = chars.next()?;
    if first == '\\' {
        return Some(quoted(rest, '\''));
    }
    (chars.next() == Some('\'')).then(|| 2 + first.len_utf8())
}

#[cfg(test)]
mod tests;
