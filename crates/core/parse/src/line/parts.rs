//! One line taken apart: measurement, tags, fields, time.
//!
//! As InfluxDB reads it: a backslash before a comma, a blank or, but in the
//! measurement, an equals sign stands for that; before anything else it is itself.
//! Within the quotes of a text it escapes quotes and backslashes.

use std::borrow::Cow;

use super::fault::{Fault, What, shown};
use super::{FIELDS_MAX, TAGS_MAX};

/// A line's parts, unescaped, and the columns they begin in.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) measurement: Cow<'a, str>,
    pub(super) tags: Vec<Tag<'a>>,
    pub(super) fields: Vec<Field<'a>>,
    pub(super) time: Option<(usize, &'a str)>,
}

#[derive(Debug)]
pub(super) struct Tag<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) value: Cow<'a, str>,
    pub(super) column: usize,
}

#[derive(Debug)]
pub(super) struct Field<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) value: Raw<'a>,
    pub(super) column: usize,
}

/// A field's value as spelled.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Raw<'a> {
    Text(Cow<'a, str>),
    Bare(&'a str),
}

struct Scan<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Parts<'a> {
    pub(super) fn read(raw: &'a [u8]) -> Result<Parts<'a>, Fault> {
        let line = std::str::from_utf8(raw).map_err(|error| {
            let column = String::from_utf8_lossy(&raw[..error.valid_up_to()]).chars().count() + 1;
            Fault::new(What::Utf8, column, "the line is not UTF-8")
        })?;
        let mut scan = Scan { line, at: 0 };
        scan.blanks();
        let measurement = scan.token(b", ");
        if measurement.is_empty() {
            return Err(scan.fault("no measurement stands before the tags"));
        }
        let measurement = unescaped(measurement, b", ");
        let tags = scan.tags()?;
        if !scan.blanks() || scan.rest().is_empty() {
            return Err(scan.fault("the line ends before its fields: `name,tag=value field=1 time`"));
        }
        let fields = scan.fields()?;
        scan.blanks();
        let (column, rest) = (scan.column(), scan.rest().trim_end());
        let time = (!rest.is_empty()).then_some((column, rest));
        Ok(Parts { measurement, tags, fields, time })
    }

    /// The value of a tag.
    pub(super) fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|tag| tag.key == key).map(|tag| &*tag.value)
    }
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        self.line.get(self.at..).unwrap_or_default()
    }

    fn column(&self) -> usize {
        self.line.get(..self.at).unwrap_or_default().chars().count() + 1
    }

    fn fault(&self, reason: impl Into<String>) -> Fault {
        Fault::new(What::Syntax, self.column(), reason)
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.rest().as_bytes().first() == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Steps over blanks; whether there were any.
    fn blanks(&mut self) -> bool {
        let start = self.at;
        while self.takes(b' ') || self.takes(b'\t') {}
        self.at > start
    }

    /// Up to one of these marks, or the end; a backslash takes what follows along.
    fn token(&mut self, ends: &[u8]) -> &'a str {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let mut length = 0;
        while let Some(byte) = bytes.get(length) {
            match byte {
                b'\\' => length += 2,
                byte if ends.contains(byte) => break,
                _ => length += 1,
            }
        }
        // A backslash before a character of several bytes: the rest of it follows.
        let mut length = length.min(bytes.len());
        while !rest.is_char_boundary(length) {
            length += 1;
        }
        self.at += length;
        &rest[..length]
    }

    fn tags(&mut self) -> Result<Vec<Tag<'a>>, Fault> {
        let mut tags: Vec<Tag<'_>> = Vec::new();
        while self.takes(b',') {
            let column = self.column();
            let key = self.key("a tag")?;
            let value = self.token(b",= ");
            if value.is_empty() {
                return Err(self.fault(format!("tag {} has no value", shown(&key))));
            }
            if self.rest().starts_with('=') {
                return Err(self.fault(format!("an equals sign in the value of tag {}; write \\=", shown(&key))));
            }
            if tags.len() == TAGS_MAX {
                return Err(Fault::new(What::TooMany, column, format!("more than {TAGS_MAX} tags")));
            }
            if tags.iter().any(|tag| tag.key == key) {
                return Err(Fault::new(What::RepeatedTag, column, format!("tag {} stands there twice", shown(&key))));
            }
            tags.push(Tag { key, value: unescaped(value, b",= "), column });
        }
        Ok(tags)
    }

    fn fields(&mut self) -> Result<Vec<Field<'a>>, Fault> {
        let mut fields = Vec::new();
        loop {
            let column = self.column();
            let key = self.key("a field")?;
            let value = if self.takes(b'"') { self.text(&key)? } else { Raw::Bare(self.token(b", ")) };
            if value == Raw::Bare("") {
                return Err(self.fault(format!("field {} has no value", shown(&key))));
            }
            if fields.len() == FIELDS_MAX {
                return Err(Fault::new(What::TooMany, column, format!("more than {FIELDS_MAX} fields")));
            }
            fields.push(Field { key, value, column });
            match self.rest().as_bytes().first() {
                None | Some(b' ' | b'\t') => return Ok(fields),
                Some(b',') => self.at += 1,
                Some(_) => return Err(self.fault("a comma or a blank is missing behind a text")),
            }
        }
    }

    fn key(&mut self, what: &str) -> Result<Cow<'a, str>, Fault> {
        let column = self.column();
        let key = self.token(b",= ");
        if key.is_empty() || !self.takes(b'=') {
            let reason = format!("{what} is name=value; {} is not", shown(key));
            return Err(Fault::new(What::Syntax, column, reason));
        }
        Ok(unescaped(key, b",= "))
    }

    /// A text behind its opening quote.
    fn text(&mut self, key: &str) -> Result<Raw<'a>, Fault> {
        let text = self.token(b"\"");
        if !self.takes(b'"') {
            let reason = format!("the text of field {} does not end on its line", shown(key));
            return Err(self.fault(reason));
        }
        Ok(Raw::Text(unescaped(text, b"\"\\")))
    }
}

fn unescaped<'a>(text: &'a str, marks: &[u8]) -> Cow<'a, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let escaped = characters.peek().copied().filter(|next| u8::try_from(*next).is_ok_and(|b| marks.contains(&b)));
        match escaped {
            Some(mark) if character == '\\' => {
                plain.push(mark);
                characters.next();
            }
            _ => plain.push(character),
        }
    }
    Cow::Owned(plain)
}
