//! A line as comma-separated fields, and fields as texts and numbers.

use meter::{Decimal, Words};

use super::fault::{Fault, What, shown};

/// The NMI has 10 characters, a serial 12; some senders use longer ones of their own.
pub const NAME_BYTES_MAX: usize = 120;
/// Quality methods and reason codes have 3 characters, units 5.
pub const CODE_BYTES_MAX: usize = 24;
const _: () = assert!(CODE_BYTES_MAX <= Words::BYTES_MAX);

/// No 18 digits overflow an `i64`, nor the scale of a `Decimal`.
const PLAIN_DIGITS_MAX: u8 = Decimal::SCALE_MAX;

/// Stands between fields once quotes are resolved; a text never holds it.
const UNIT_SEPARATOR: u8 = 0x1f;

/// One record; the bytes are the line's own unless it has quotes.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    bytes: &'a [u8],
    separator: u8,
}

/// Fields without the spaces around them.
#[derive(Clone)]
pub(super) struct Fields<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Row<'a> {
    /// `scratch` takes the record if it has quotes to be resolved.
    pub(super) fn new(line: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<Row<'a>, Fault> {
        if memchr::memchr(b'"', line).is_none() {
            return Ok(Row { bytes: line, separator: b',' });
        }
        scratch.clear();
        if !resolve_quotes(line, scratch) {
            return Err(Fault::new(What::Quote, "an opening quote is never closed on its line".into()));
        }
        Ok(Row { bytes: scratch, separator: UNIT_SEPARATOR })
    }

    pub(super) fn fields(self) -> Fields<'a> {
        Fields { rest: Some(self.bytes), separator: self.separator }
    }

    pub(super) fn indicator(self) -> &'a [u8] {
        self.fields().next().unwrap_or_default()
    }

    /// Only commas and spaces, as spreadsheets write an empty row.
    pub(super) fn is_blank(self) -> bool {
        self.bytes.iter().all(|b| *b == self.separator || b.is_ascii_whitespace())
    }

    /// The first `N` fields, blank where the record ends earlier. More than `N`
    /// are refused unless blank: some senders pad every row with commas.
    pub(super) fn first<const N: usize>(self) -> Result<[&'a [u8]; N], Fault> {
        let mut first = [&b""[..]; N];
        let mut fields = self.fields();
        for (slot, field) in first.iter_mut().zip(fields.by_ref()) {
            *slot = field;
        }
        fields.expect_blank(N)?;
        Ok(first)
    }

    /// May this refused record hold a 200 record, one that was damaged or that
    /// lost the line end before it? No other has 7 to 11 fields; and behind
    /// another's fields a 200 is told by the interval length eight fields on.
    pub(super) fn hides_details(self) -> bool {
        let mut fields: Vec<_> = self.fields().collect();
        fields.truncate(fields.iter().rposition(|field| !field.is_empty()).map_or(0, |last| last + 1));
        let glued = fields.windows(9).enumerate().skip(1).any(|(at, window)| {
            let is_length = matches!(window[8], b"5" | b"05" | b"10" | b"15" | b"30");
            window[0].ends_with(b"200") && is_length && fields.len() <= at + 10
        });
        glued || (7..=11).contains(&fields.len())
    }
}

impl<'a> Fields<'a> {
    /// The next field if it is a number in its plainest form, such as `1.234`,
    /// read in the pass that finds its end. Otherwise the field stays.
    #[inline]
    pub(super) fn plain_number(&mut self) -> Option<Decimal> {
        let rest = self.rest?;
        let (mut value, mut digits, mut point) = (0_i64, 0, None);
        for (at, byte) in rest.iter().enumerate() {
            match byte {
                b'0'..=b'9' if digits < PLAIN_DIGITS_MAX => {
                    value = value * 10 + i64::from(byte - b'0');
                    digits += 1;
                }
                b'.' if point.is_none() => point = Some(digits),
                end if *end == self.separator && digits > 0 => {
                    self.rest = Some(&rest[at + 1..]);
                    return Some(Decimal { value, scale: digits - point.unwrap_or(digits) });
                }
                _ => return None,
            }
        }
        None
    }

    pub(super) fn expect_blank(&mut self, known: usize) -> Result<(), Fault> {
        match self.find(|field| !field.is_empty()) {
            None => Ok(()),
            Some(extra) => Err(Fault::new(
                What::FieldCount,
                format!("more than the {known} fields this record has: {} is left over", shown(extra)),
            )),
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let field = match rest.iter().position(|b| *b == self.separator) {
            Some(end) => {
                self.rest = Some(&rest[end + 1..]);
                &rest[..end]
            }
            None => self.rest.take()?,
        };
        let padded = |b: Option<&u8>| b.is_some_and(u8::is_ascii_whitespace);
        if padded(field.first()) || padded(field.last()) {
            return Some(field.trim_ascii());
        }
        Some(field)
    }
}

/// RFC 4180 on one line. False where a quote stays open.
fn resolve_quotes(line: &[u8], out: &mut Vec<u8>) -> bool {
    let (mut quoted, mut at_start) = (false, true);
    let mut bytes = line.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if quoted && bytes.peek() == Some(&b'"') => {
                bytes.next();
                out.push(b'"');
            }
            b'"' if quoted => quoted = false,
            b'"' if at_start => quoted = true,
            b',' if !quoted => {
                out.push(UNIT_SEPARATOR);
                at_start = true;
                continue;
            }
            UNIT_SEPARATOR => out.push(b' '),
            b' ' if at_start => continue,
            other => out.push(other),
        }
        at_start = false;
    }
    !quoted
}

/// A name or code as text: bounded, and nothing a terminal would act on.
pub(super) fn text<'a>(name: &str, field: &'a [u8], bytes_max: usize) -> Result<&'a str, Fault> {
    if field.len() > bytes_max {
        let length = field.len();
        return Err(Fault::new(What::Name, format!("{name} of {length} bytes; at most {bytes_max} are kept")));
    }
    match std::str::from_utf8(field) {
        Ok(text) if !text.chars().any(char::is_control) => Ok(text),
        _ => Err(Fault::new(What::Name, format!("{name} {} is not plain text", shown(field)))),
    }
}

/// As [`text`], for a name that must be there.
pub(super) fn required<'a>(name: &str, field: &'a [u8]) -> Result<&'a str, Fault> {
    if field.is_empty() {
        return Err(Fault::new(What::Name, format!("{name} is blank")));
    }
    text(name, field, NAME_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &[&str]) {
        let mut scratch = Vec::new();
        let row = Row::new(line.as_bytes(), &mut scratch).expect("quotes are closed");
        let fields: Vec<_> = row.fields().map(|f| String::from_utf8_lossy(f).into_owned()).collect();
        assert_eq!(fields, expected);
    }

    #[test]
    fn fields_lose_the_spaces_and_quotes_around_them() {
        check("300, 1.5 ,,A ", &["300", "1.5", "", "A"]);
        check("400,1,2,F14,0,\"gate, locked\"", &["400", "1", "2", "F14", "0", "gate, locked"]);
        check("\"400\",\"say \"\"no\"\"\",a\"b", &["400", "say \"no\"", "a\"b"]);
        check("", &[""]);
    }

    #[test]
    fn a_plain_number_is_what_decimal_reads() {
        for field in ["1.234", ".07", "7.", "0", "006342.8", "123456789012345678", ".123456789012345678"] {
            let line = format!("{field},next");
            let mut fields = Fields { rest: Some(line.as_bytes()), separator: b',' };
            let read = fields.plain_number().map(|d| d.to_string());
            assert_eq!(read, Decimal::parse(field).ok().map(|d| d.to_string()), "{field}");
            assert_eq!(fields.next(), Some(&b"next"[..]));
        }
        for field in ["", ".", "-1", "1.2.3", " 1", "1e3", "A", "1234567890123456789", "NaN"] {
            let line = format!("{field},next");
            let mut fields = Fields { rest: Some(line.as_bytes()), separator: b',' };
            assert!(fields.plain_number().is_none(), "{field}");
            assert_eq!(fields.next(), Some(field.trim().as_bytes()));
        }
    }

    #[test]
    fn an_open_quote_is_refused() {
        assert!(Row::new(b"400,\"open", &mut Vec::new()).is_err());
    }

    #[test]
    fn blank_fields_at_the_end_are_no_surplus() {
        let mut scratch = Vec::new();
        let row = Row::new(b"900,, ,,", &mut scratch).expect("no quotes");
        assert!(row.first::<1>().is_ok());
        assert!(Row::new(b"900,1", &mut Vec::new()).is_ok_and(|row| row.first::<1>().is_err()));
    }
}
