//! The bytes of a JSON body: tokens as they stand, and values to step into.
//!
//! Promise: nothing is read beyond the bytes at hand; a token's text stays text.

use memchr::{memchr, memchr2};

use super::check::EnvelopeFault;

/// How far a body has been read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'a> {
    body: &'a [u8],
    pub(super) at: usize,
}

/// A value of a body that has been checked, and where it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    pub(super) at: usize,
    pub(super) raw: &'a [u8],
}

/// A text between its quotes, escapes and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) &'a [u8]);

/// What Python and JavaScript write for a number that is none. Read as a value,
/// so that one of them costs its measurement and not the body.
const NO_NUMBERS: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];

impl<'a> Scan<'a> {
    pub(super) fn new(body: &'a [u8]) -> Scan<'a> {
        let at = if body.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        Scan { body, at }
    }

    /// The next byte that is no blank.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let rest = self.rest();
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.at += blanks;
        rest.get(blanks).copied()
    }

    /// Steps over the next byte that is no blank, if it is this one.
    pub(super) fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.body.get(self.at..).unwrap_or_default()
    }

    fn since(&self, start: usize) -> &'a [u8] {
        self.body.get(start..self.at).unwrap_or_default()
    }

    /// A text; the next byte is its quote. On a fault, stands at it.
    pub(super) fn text(&mut self) -> Result<Text<'a>, EnvelopeFault> {
        self.at += 1;
        let start = self.at;
        loop {
            let Some(stop) = memchr2(b'"', b'\\', self.rest()) else {
                self.refuse_control(self.rest())?;
                self.at = self.body.len();
                return Err(EnvelopeFault::Ends);
            };
            self.refuse_control(&self.rest()[..stop])?;
            self.at += stop;
            match self.rest() {
                [b'"', ..] => {
                    let text = self.since(start);
                    self.at += 1;
                    return Ok(Text(text));
                }
                [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => self.at += 2,
                [_, b'u', digits @ ..] if digits.iter().take(4).filter(|d| d.is_ascii_hexdigit()).count() == 4 => {
                    self.at += 6;
                }
                [_, b'u', digits @ ..] if digits.len() < 4 => return Err(EnvelopeFault::Ends),
                [_] => return Err(EnvelopeFault::Ends),
                _ => return Err(EnvelopeFault::Escape),
            }
        }
    }

    fn refuse_control(&mut self, part: &[u8]) -> Result<(), EnvelopeFault> {
        match part.iter().position(|byte| *byte < b' ') {
            None => Ok(()),
            Some(place) => {
                self.at += place;
                Err(EnvelopeFault::Control)
            }
        }
    }

    /// A number, `true`, `false` or `null`. On a fault, stands at its beginning.
    pub(super) fn scalar(&mut self) -> Result<(), EnvelopeFault> {
        let rest = self.rest();
        let words = [&b"true"[..], b"false", b"null"];
        if let Some(word) = words.iter().chain(&NO_NUMBERS).find(|word| rest.starts_with(word)) {
            self.at += word.len();
            return Ok(());
        }
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
        match length {
            0 if rest.is_empty() => Err(EnvelopeFault::Ends),
            0 => Err(EnvelopeFault::NoValue),
            _ if is_number(&rest[..length]) => {
                self.at += length;
                Ok(())
            }
            _ => Err(EnvelopeFault::NoValue),
        }
    }

    /// The next value of a body that has been checked; `None` where there is none.
    fn value(&mut self) -> Option<Value<'a>> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'"' => self.text().map(drop).ok()?,
            b'{' | b'[' => self.nested()?,
            _ => self.scalar().ok()?,
        }
        Some(Value { at: start, raw: self.since(start) })
    }

    /// Steps over brackets and all between them.
    fn nested(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            let next = self.rest().iter().position(|byte| b"{}[]\"".contains(byte))?;
            self.at += next;
            match self.rest().first()? {
                b'"' => {
                    self.text().ok()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                _ => depth = depth.checked_sub(1)?,
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// The top-level values of a body that has been checked.
    pub(super) fn requests(mut self) -> impl Iterator<Item = Value<'a>> {
        std::iter::from_fn(move || self.value())
    }
}

impl<'a> Value<'a> {
    /// What it is, for a sentence.
    pub(super) fn kind(self) -> &'static str {
        match self.raw.first() {
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b'"') => "a text",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        }
    }

    pub(super) fn is_null(self) -> bool {
        self.raw == b"null"
    }

    pub(super) fn text(self) -> Option<Text<'a>> {
        self.raw.strip_prefix(b"\"")?.strip_suffix(b"\"").map(Text)
    }

    /// A number as it is spelled; `NaN` and its like are among them.
    pub(super) fn number(self) -> Option<&'a [u8]> {
        matches!(self.raw.first(), Some(b'0'..=b'9' | b'-' | b'N' | b'I')).then_some(self.raw)
    }

    /// An object's keys and values; `None` where it is no object.
    pub(super) fn members(self) -> Option<impl Iterator<Item = (Text<'a>, Value<'a>)>> {
        let mut scan = self.inside(b'{')?;
        Some(std::iter::from_fn(move || {
            scan.takes(b',');
            if scan.peek()? != b'"' {
                return None;
            }
            let key = scan.text().ok()?;
            scan.takes(b':');
            // Places count from the body's beginning.
            scan.value().map(|value| (key, Value { at: self.at + value.at, ..value }))
        }))
    }

    /// A list's elements; `None` where it is no list.
    pub(super) fn elements(self) -> Option<impl Iterator<Item = Value<'a>>> {
        let mut scan = self.inside(b'[')?;
        Some(std::iter::from_fn(move || {
            scan.takes(b',');
            scan.value().map(|value| Value { at: self.at + value.at, ..value })
        }))
    }

    fn inside(self, bracket: u8) -> Option<Scan<'a>> {
        (self.raw.first() == Some(&bracket)).then_some(Scan { body: self.raw, at: 1 })
    }
}

impl<'a> Text<'a> {
    /// Adds the text without its escapes. What is no character, such as half a
    /// surrogate pair, becomes bytes that are no UTF-8, for whoever reads them.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let mut left = self.0;
        while let Some(stop) = memchr(b'\\', left) {
            out.extend_from_slice(&left[..stop]);
            left = match &left[stop..] {
                [_, b'u', rest @ ..] => unicode(rest, out),
                [_, escaped, rest @ ..] => {
                    out.push(match escaped {
                        b'b' => 8,
                        b'f' => 12,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        other => *other,
                    });
                    rest
                }
                _ => &[],
            };
        }
        out.extend_from_slice(left);
    }

    /// Whether it says so, escapes taken away.
    pub(super) fn is(self, word: &str) -> bool {
        if !self.0.contains(&b'\\') {
            return self.0 == word.as_bytes();
        }
        let mut text = Vec::new();
        self.write(&mut text);
        text == word.as_bytes()
    }
}

/// Adds what `\u` and the digits before `rest` stand for.
fn unicode<'a>(digits: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let (unit, mut rest) = hex(digits);
    let mut code = unit;
    if (0xd800..0xdc00).contains(&unit)
        && let [b'\\', b'u', behind @ ..] = rest
    {
        let (low, behind) = hex(behind);
        if (0xdc00..0xe000).contains(&low) {
            code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            rest = behind;
        }
    }
    match char::from_u32(code) {
        Some(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.push(0xff),
    }
    rest
}

fn hex(text: &[u8]) -> (u32, &[u8]) {
    let (digits, rest) = text.split_at(text.len().min(4));
    let number = digits.iter().fold(0, |number, digit| number * 16 + char::from(*digit).to_digit(16).unwrap_or(0));
    (number, rest)
}

/// Whether JSON has numbers of this form; `NaN` and its like are none.
pub(super) fn is_number(token: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut left = token.strip_prefix(b"-").unwrap_or(token);
    let whole = digits(left);
    if whole == 0 || (whole > 1 && left[0] == b'0') {
        return false;
    }
    left = &left[whole..];
    if let [b'.', rest @ ..] = left {
        let count = digits(rest);
        if count == 0 {
            return false;
        }
        left = &rest[count..];
    }
    if let [b'e' | b'E', rest @ ..] = left {
        let rest = rest.strip_prefix(b"+").or(rest.strip_prefix(b"-")).unwrap_or(rest);
        let count = digits(rest);
        if count == 0 {
            return false;
        }
        left = &rest[count..];
    }
    left.is_empty()
}
