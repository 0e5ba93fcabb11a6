//! The same messages as each of those who run in the race is fed best.

use meter::{Decimal, Span};
use parse::protobuf::{Container, Measurement, Value, Writer};
use simulate::Fleet;

use super::homes::{Homes, Minute};
use super::{BATCH, REQUEST};

pub struct Format {
    /// Of its folder.
    pub name: &'static str,
    pub ending: &'static str,
    /// A file.
    pub messages: usize,
    pub encode: fn(&[Minute], &Homes) -> Vec<u8>,
}

pub const ALL: [Format; 5] = [
    Format { name: "requests", ending: "pb", messages: REQUEST, encode: requests },
    Format { name: "lines", ending: "txt", messages: BATCH, encode: lines },
    Format { name: "decimals", ending: "txt", messages: BATCH, encode: decimals },
    Format { name: "native", ending: "native", messages: BATCH, encode: native },
    Format { name: "copy", ending: "copy", messages: BATCH, encode: copy },
];

/// A request of a gateway to Meterhouse.
fn requests(minutes: &[Minute], homes: &Homes) -> Vec<u8> {
    let mut request = Writer::new();
    for stream in homes.streams() {
        request.stream(stream);
    }
    for minute in minutes {
        let measurements: Vec<Measurement<'_>> = (0..)
            .zip(&minute.digits)
            .map(|(stream, digits)| Measurement {
                stream,
                at: Span::ZERO,
                value: Some(Value::Digits(*digits)),
                ..Measurement::default()
            })
            .collect();
        request.container(&Container {
            point: &Fleet::point(minute.home),
            device: &Fleet::device(minute.home),
            message_id: &format!("{}-{}", minute.home, seconds(minute)),
            created_at: Some(minute.at),
            measurements: &measurements,
            ..Container::default()
        });
    }
    request.into_body()
}

/// Wide lines of InfluxDB: a line a message, a field a register, last digits as integers.
fn lines(minutes: &[Minute], _: &Homes) -> Vec<u8> {
    wide(minutes, |_, digits| format!("{digits}i"))
}

/// The same with the numbers as a display shows them, which InfluxDB keeps as floats.
fn decimals(minutes: &[Minute], homes: &Homes) -> Vec<u8> {
    let scales = homes.scales();
    wide(minutes, |register, digits| Decimal::new(digits, scales[register]).to_string())
}

fn wide(minutes: &[Minute], written: impl Fn(usize, i64) -> String) -> Vec<u8> {
    let mut out = String::new();
    for minute in minutes {
        out.push_str(&format!("m,home={}", minute.home));
        for (register, &digits) in minute.digits.iter().enumerate() {
            let before = if register == 0 { ' ' } else { ',' };
            out.push_str(&format!("{before}r{register:02}={}", written(register, digits)));
        }
        out.push_str(&format!(" {}000000000\n", seconds(minute)));
    }
    out.into_bytes()
}

/// One block of ClickHouse's `Native`: a row a measurement.
fn native(minutes: &[Minute], _: &Homes) -> Vec<u8> {
    let rows: usize = minutes.iter().map(|minute| minute.digits.len()).sum();
    let mut out = Vec::with_capacity(rows * 18 + 64);
    varint(&mut out, 4);
    varint(&mut out, rows);
    column(&mut out, "home", "UInt32");
    for minute in minutes {
        minute.digits.iter().for_each(|_| out.extend_from_slice(&minute.home.to_le_bytes()));
    }
    column(&mut out, "register", "UInt16");
    for minute in minutes {
        (0_u16..).zip(&minute.digits).for_each(|(register, _)| out.extend_from_slice(&register.to_le_bytes()));
    }
    column(&mut out, "ts", "DateTime");
    for minute in minutes {
        let at = u32::try_from(seconds(minute)).expect("the sets lie in this century");
        minute.digits.iter().for_each(|_| out.extend_from_slice(&at.to_le_bytes()));
    }
    column(&mut out, "value", "Int64");
    for minute in minutes {
        minute.digits.iter().for_each(|digits| out.extend_from_slice(&digits.to_le_bytes()));
    }
    out
}

/// PostgreSQL's binary COPY of (home int, register smallint, ts timestamptz, value bigint).
fn copy(minutes: &[Minute], _: &Homes) -> Vec<u8> {
    /// 2000-01-01T00:00:00Z, from which PostgreSQL counts.
    const EPOCH_US: i64 = 946_684_800_000_000;
    let mut out = b"PGCOPY\n\xff\r\n\0".to_vec();
    out.extend_from_slice(&[0; 8]);
    for minute in minutes {
        for (register, digits) in (0_u16..).zip(&minute.digits) {
            out.extend_from_slice(&4_u16.to_be_bytes());
            field(&mut out, &minute.home.to_be_bytes());
            field(&mut out, &register.to_be_bytes());
            field(&mut out, &(minute.at.0 - EPOCH_US).to_be_bytes());
            field(&mut out, &digits.to_be_bytes());
        }
    }
    out.extend_from_slice(&(-1_i16).to_be_bytes());
    out
}

fn seconds(minute: &Minute) -> i64 {
    minute.at.0 / 1_000_000
}

fn column(out: &mut Vec<u8>, name: &str, kind: &str) {
    for text in [name, kind] {
        varint(out, text.len());
        out.extend_from_slice(text.as_bytes());
    }
}

fn field(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers_data::Size;
    use crate::peers_data::homes::FROM;

    fn two() -> (Vec<Minute>, Homes) {
        let minute = |home, digits: [i64; 2]| Minute { home, at: FROM, digits: digits.to_vec() };
        (
            vec![minute(0, [19_150, -3]), minute(300, [7, 2_304])],
            Homes::new(1, Size { homes: 301, registers: 2, minutes: 1 }),
        )
    }

    #[test]
    fn lines_hold_every_digit() {
        let (minutes, homes) = two();
        let expected =
            "m,home=0 r00=19150i,r01=-3i 1777593600000000000\nm,home=300 r00=7i,r01=2304i 1777593600000000000\n";
        assert_eq!(String::from_utf8(lines(&minutes, &homes)).expect("text"), expected);
    }

    #[test]
    fn decimals_are_what_a_display_shows() {
        let (minutes, homes) = two();
        let first = String::from_utf8(decimals(&minutes, &homes)).expect("text");
        assert!(first.starts_with("m,home=0 r00=19.150,r01=-0.3 1777593600000000000\n"), "{first}");
    }

    #[test]
    fn a_native_block_is_as_long_as_its_columns() {
        let (minutes, homes) = two();
        let block = native(&minutes, &homes);
        let names = ["home", "UInt32", "register", "UInt16", "ts", "DateTime", "value", "Int64"];
        let heads: usize = names.iter().map(|name| name.len() + 1).sum();
        assert_eq!(block[..2], [4, 4]);
        assert_eq!(block.len(), 2 + heads + 4 * (4 + 2 + 4 + 8));
        assert_eq!(block[block.len() - 8..], 2_304_i64.to_le_bytes());
    }

    #[test]
    fn a_copy_has_a_head_its_rows_and_an_end() {
        let (minutes, homes) = two();
        let copied = copy(&minutes, &homes);
        assert_eq!(copied.len(), 19 + 4 * (2 + 4 * 4 + 4 + 2 + 8 + 8) + 2);
        assert_eq!(copied[copied.len() - 2..], [0xff, 0xff]);
    }
}
