//! All that a parser said, as counts and a hash, and what holds of each word of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher};

use meter::{Decimal, Event, Message, Reading, Refusal, Sink, Timestamp, Words};
use parse::export::Line;

use crate::{Met, met};

/// The longest reason a person is asked to read; the table `refused` keeps all of it.
const REASON_BYTES_MAX: usize = 1_024;
/// Readings that are kept as export; more say nothing new.
const EXPORTED_MAX: usize = 200;

/// Equal where a parser said the same in the same order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) readings: u64,
    pub(crate) events: u64,
    pub(crate) refused: u64,
    said: u64,
    codes: BTreeSet<String>,
    /// The first readings that survive being a line of text, as our export writes them.
    pub(crate) exported: Vec<String>,
}

impl Heard {
    /// How many of each there were, roughly, and which refusals.
    pub(crate) fn met(&self) -> Met {
        let roughly = [self.readings, self.events, self.refused].map(|count| count.checked_ilog2());
        met((roughly, &self.codes))
    }

    fn say(&mut self, what: std::fmt::Arguments<'_>) {
        let mut hashed = Hashed(DefaultHasher::new());
        hashed.write_fmt(what).expect("hashing never fails");
        self.said = self.said.rotate_left(5) ^ hashed.0.finish();
    }
}

impl Sink for Heard {
    fn reading(&mut self, reading: Reading<'_>) {
        let Reading { point, device, register, unit, quality, reason, .. } = reading;
        for text in [point, device, register, unit, quality, reason] {
            assert!(text.len() <= Words::BYTES_MAX, "a text of {} bytes", text.len());
        }
        assert!(reading.span.0 >= 0, "an interval that ends before it starts: {reading:?}");
        assert!(Timestamp::checked(reading.start.0).is_ok(), "a start that no time has: {reading:?}");
        assert!(Timestamp::checked(reading.start.0 + reading.span.0).is_ok(), "an end that no time has: {reading:?}");
        assert!(reading.value.scale <= Decimal::SCALE_MAX, "more digits than are kept: {reading:?}");
        self.readings += 1;
        self.say(format_args!("{reading:?}"));
        let survives = |text: &str| text.trim() == text && !text.contains(char::is_control);
        if self.exported.len() < EXPORTED_MAX
            && !point.is_empty()
            && [point, device, register, unit, quality, reason].into_iter().all(survives)
        {
            let mut line = Vec::new();
            Line::from(reading).write(&mut line).expect("memory never fails");
            self.exported.push(String::from_utf8(line).expect("texts are text"));
        }
    }

    fn event(&mut self, event: Event<'_>) {
        assert!(!event.kind.is_empty(), "an event of no kind");
        self.events += 1;
        self.say(format_args!("{event:?}"));
    }

    fn refused(&mut self, refusal: Refusal<'_>) {
        assert!(!refusal.code.is_empty() && !refusal.reason.is_empty(), "a refusal without a reason");
        assert!(refusal.reason.len() <= REASON_BYTES_MAX, "a reason of {} bytes", refusal.reason.len());
        assert!(refusal.excerpt.len() <= Refusal::EXCERPT_BYTES_MAX, "a long excerpt");
        self.refused += 1;
        if !self.codes.contains(refusal.code) {
            self.codes.insert(refusal.code.to_owned());
        }
        self.say(format_args!("{refusal:?}"));
    }

    fn message(&mut self, message: Message<'_>) {
        self.say(format_args!("{message:?}"));
    }
}

struct Hashed(DefaultHasher);

impl std::fmt::Write for Hashed {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}
