//! What sources write again and again beside a reading: its register, unit,
//! quality and reason, as numbers.
//!
//! Promise: the same as asking for each, at the price of a comparison. Readings
//! come in rounds (a day of one register, a message of eleven), so what was
//! written last, or what came after it the time before, is nearly always right.

use meter::{Reading, Word, same_word};
use store::SharedWords;

use crate::Error;
use crate::names::{Names, RegisterNumber};

/// Kept at most: more than a meter has registers.
const ENTRIES_MAX: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub struct Spelled {
    entries: Vec<Entry>,
    /// The one found last.
    at: usize,
}

/// One combination of texts, and what they are by number.
#[derive(Debug)]
pub struct Entry {
    texts: [Box<str>; 4],
    /// The register's name.
    pub register: RegisterNumber,
    pub unit: Word,
    pub quality: Word,
    pub reason: Word,
}

impl Spelled {
    /// The numbers of a reading's texts, and their place here until something
    /// new is met. An error if there are too many words, or too long ones.
    pub fn find(&mut self, reading: &Reading<'_>, names: &mut Names, words: &SharedWords) -> Result<usize, Error> {
        let texts = [reading.register, reading.unit, reading.quality, reading.reason];
        let next = if self.at + 1 < self.entries.len() { self.at + 1 } else { 0 };
        let likely = [self.at, next];
        let is = |place: &usize| self.entries.get(*place).is_some_and(|entry| entry.is(texts));
        let found = likely.into_iter().find(is).or_else(|| (0..self.entries.len()).find(is));
        self.at = match found {
            Some(place) => place,
            None => {
                let entry = Entry::of(texts, names, words)?;
                if self.entries.len() < ENTRIES_MAX {
                    self.entries.push(entry);
                    self.entries.len() - 1
                } else {
                    self.entries[next] = entry;
                    next
                }
            }
        };
        Ok(self.at)
    }

    /// What was found at a place.
    pub fn get(&self, place: usize) -> &Entry {
        &self.entries[place]
    }
}

impl Entry {
    fn is(&self, texts: [&str; 4]) -> bool {
        self.texts.iter().zip(texts).all(|(ours, text)| same_word(ours.as_bytes(), text))
    }

    fn of(texts: [&str; 4], names: &mut Names, words: &SharedWords) -> Result<Entry, Error> {
        let [register, unit, quality, reason] = texts;
        let mut words = words.write().expect("no holder panics");
        Ok(Entry {
            texts: texts.map(Box::from),
            register: names.register(register),
            unit: words.intern(unit)?,
            quality: words.intern(quality)?,
            reason: words.intern(reason)?,
        })
    }
}
