//! Small vocabularies kept once: units as spelled, quality words, reason codes.
//!
//! Promise: the same text gets the same `Word` for the life of a `Words`, and
//! hostile input cannot grow it past its limit.

use std::collections::HashMap;

use crate::Unit;

/// Index of a text in a [`Words`]; 0 is the empty text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(pub u32);

/// The texts met so far, each with its number.
#[derive(Debug)]
pub struct Words {
    /// With the unit that each would be.
    texts: Vec<(Box<str>, Unit)>,
    index: HashMap<Box<str>, Word>,
}

/// Why a text is not taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what happened, and to what")]
pub enum WordsError {
    #[error("{length} bytes in a unit, quality or reason; at most {} are kept", Words::BYTES_MAX)]
    TooLong { length: usize },
    #[error("more than {} different units, qualities and reasons", Words::COUNT_MAX)]
    TooMany,
}

/// Whether two short texts are the same. Words have a few letters: in a loop over
/// readings a call for each comparison costs more than all of them.
#[inline]
pub fn same_word(a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> bool {
    let (a, b) = (a.as_ref(), b.as_ref());
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
}

impl Words {
    /// A reason text fits; a megabyte of nonsense does not.
    pub const BYTES_MAX: usize = 256;
    /// Real vocabularies have dozens; 2^17 × (256 + index) stays below 70 MB.
    pub const COUNT_MAX: usize = 1 << 17;

    /// Holds the empty text alone.
    pub fn new() -> Words {
        Words { texts: vec![("".into(), Unit::from_spelling(""))], index: HashMap::from([("".into(), Word(0))]) }
    }

    /// The text's word, the same each time; an error where the text or their number is above its limit.
    pub fn intern(&mut self, text: &str) -> Result<Word, WordsError> {
        if let Some(word) = self.index.get(text) {
            return Ok(*word);
        }
        if text.len() > Self::BYTES_MAX {
            return Err(WordsError::TooLong { length: text.len() });
        }
        if self.texts.len() >= Self::COUNT_MAX {
            return Err(WordsError::TooMany);
        }
        let word = Word(u32::try_from(self.texts.len()).expect("below COUNT_MAX"));
        self.texts.push((text.into(), Unit::from_spelling(text)));
        self.index.insert(text.into(), word);
        Ok(word)
    }

    /// How many there are, the empty text included.
    #[expect(clippy::len_without_is_empty, reason = "the empty text is always there")]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// All texts, by the numbers of their words.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|(text, _)| &**text)
    }

    /// The text of a word this `Words` gave out.
    pub fn text(&self, word: Word) -> &str {
        &self.texts[word.0 as usize].0
    }

    /// What a word means where it is a unit; understood once, when it was taken in.
    pub fn unit(&self, word: Word) -> Unit {
        self.texts[word.0 as usize].1
    }
}

impl Default for Words {
    fn default() -> Self {
        Words::new()
    }
}
