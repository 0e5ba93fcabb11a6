//! Inputs made from inputs: by chance, and the same for the same seed.

use host::Seeded;

/// No input is longer: what a parser gets wrong it gets wrong in a short one.
pub(crate) const LENGTH_MAX: usize = 32 << 10;

/// Numbers at the ends of what fits somewhere, and texts that are read as numbers.
const BOUNDARIES: [&str; 22] = [
    "0",
    "-0",
    "-1",
    "1",
    "127",
    "255",
    "256",
    "32768",
    "65535",
    "65536",
    "2147483647",
    "-2147483648",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551615",
    "0.000000000000000001",
    "1e308",
    "1e-400",
    "NaN",
    "99991231235959",
];
const BYTES: [u8; 12] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'\r', b'"', b',', b' ', b'\\', b'0'];
const SEPARATORS: [u8; 4] = [b'\n', b' ', b',', b'&'];

/// One input made from `input`, with parts of `other` and of `words`.
pub(crate) fn mutated(chance: &mut Seeded, input: &[u8], other: &[u8], words: &[&str]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    // Mostly little: what is far from any sense is refused at once.
    let steps = 1 + chance.below(4) * chance.below(3);
    for _ in 0..steps {
        step(chance, &mut bytes, other, words);
    }
    bytes.truncate(LENGTH_MAX);
    bytes
}

fn step(chance: &mut Seeded, bytes: &mut Vec<u8>, other: &[u8], words: &[&str]) {
    match chance.below(12) {
        0 => flip(chance, bytes),
        1 => overwrite(chance, bytes),
        2 => {
            let (at, byte) = (place(chance, bytes.len() + 1), BYTES[place(chance, BYTES.len())]);
            bytes.insert(at, byte);
        }
        3 => drop(bytes.drain(stretch(chance, bytes.len()))),
        4 => {
            let copied = bytes[stretch(chance, bytes.len())].to_vec();
            insert(chance, bytes, &copied);
        }
        5 => bytes.truncate(place(chance, bytes.len() + 1)),
        6 => {
            let copied = stretch(chance, other.len());
            insert(chance, bytes, &other[copied]);
        }
        7 => number(chance, bytes),
        8 if !words.is_empty() => {
            let word = words[place(chance, words.len())];
            insert(chance, bytes, word.as_bytes());
        }
        8 | 9 => part(chance, bytes, other),
        10 => part(chance, bytes, &bytes.clone()),
        _ => {
            let (from, into) = (place(chance, other.len() + 1), place(chance, bytes.len() + 1));
            bytes.truncate(into);
            bytes.extend_from_slice(&other[from..]);
        }
    }
}

fn flip(chance: &mut Seeded, bytes: &mut [u8]) {
    if !bytes.is_empty() {
        bytes[place(chance, bytes.len())] ^= 1 << chance.below(8);
    }
}

fn overwrite(chance: &mut Seeded, bytes: &mut [u8]) {
    if !bytes.is_empty() {
        let byte = if chance.one_in(2) { BYTES[place(chance, BYTES.len())] } else { chance.draw() as u8 };
        bytes[place(chance, bytes.len())] = byte;
    }
}

/// Another number in the place of one that stands there.
fn number(chance: &mut Seeded, bytes: &mut Vec<u8>) {
    let boundary = BOUNDARIES[place(chance, BOUNDARIES.len())].as_bytes();
    let from = place(chance, bytes.len() + 1);
    let Some(start) = bytes[from..].iter().position(u8::is_ascii_digit).map(|found| from + found) else {
        return insert(chance, bytes, boundary);
    };
    let end = bytes[start..].iter().position(|byte| !byte.is_ascii_digit()).map_or(bytes.len(), |found| start + found);
    bytes.splice(start..end, boundary.iter().copied());
}

/// What stands between two separators, taken from `other` into the place of such a part.
fn part(chance: &mut Seeded, bytes: &mut Vec<u8>, other: &[u8]) {
    let separator = SEPARATORS[place(chance, SEPARATORS.len())];
    let (into, from) = (between(chance, bytes, separator), between(chance, other, separator));
    bytes.splice(into, other[from].iter().copied());
}

fn between(chance: &mut Seeded, bytes: &[u8], separator: u8) -> std::ops::Range<usize> {
    let at = place(chance, bytes.len() + 1);
    let start = bytes[..at].iter().rposition(|byte| *byte == separator).map_or(0, |found| found + 1);
    let end = bytes[at..].iter().position(|byte| *byte == separator).map_or(bytes.len(), |found| at + found);
    start..end
}

fn insert(chance: &mut Seeded, bytes: &mut Vec<u8>, inserted: &[u8]) {
    let at = place(chance, bytes.len() + 1);
    bytes.splice(at..at, inserted.iter().copied());
}

/// Short more often than long.
fn stretch(chance: &mut Seeded, length: usize) -> std::ops::Range<usize> {
    let start = place(chance, length + 1);
    let longest = if chance.one_in(4) { length } else { 16 };
    start..(start + place(chance, longest + 1)).min(length)
}

fn place(chance: &mut Seeded, below: usize) -> usize {
    usize::try_from(chance.below(below as u64)).expect("below a length")
}
