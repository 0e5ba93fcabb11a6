//! The records of a round that someone follows.

use host::{Spans, Step};
use meter::{Sequence, Timestamp};

use crate::chunk::Chunk;

/// Of a round that is followed whole; the rest is told of earlier steps only.
const RECORDS_MAX: usize = 20_000;

/// See the module.
#[derive(Default)]
pub struct Followed {
    spans: Spans,
    /// Judged and not shown yet, with the time of that.
    unseen: Vec<(Sequence, Option<Timestamp>)>,
    /// Shown or not, and not committed yet.
    uncommitted: Vec<Sequence>,
}

impl Followed {
    pub fn new(spans: Spans) -> Followed {
        Followed { spans, ..Followed::default() }
    }

    /// The time, if anyone follows.
    pub fn now(&self) -> Option<Timestamp> {
        self.spans.now()
    }

    /// Chunks went into the round; their judging began at `from`.
    pub fn judged(&mut self, from: Option<Timestamp>, chunks: &[Chunk]) {
        if from.is_none() {
            return;
        }
        for chunk in chunks.iter().filter(|chunk| self.spans.follows(chunk.source.sequence)) {
            let sequence = chunk.source.sequence;
            self.spans.tell(sequence, Step::Judge, from, || notes(chunk));
            if chunk.last && self.uncommitted.len() < RECORDS_MAX {
                self.unseen.push((sequence, self.spans.now()));
                self.uncommitted.push(sequence);
            }
        }
    }

    /// Queries see what was judged.
    pub fn shown(&mut self) {
        for (sequence, from) in std::mem::take(&mut self.unseen) {
            self.spans.tell(sequence, Step::Show, from, Vec::new);
        }
    }

    /// The round is in the lake; its commit began at `from`.
    pub fn committed(&mut self, from: Option<Timestamp>) {
        for sequence in std::mem::take(&mut self.uncommitted) {
            self.spans.tell(sequence, Step::Commit, from, Vec::new);
        }
    }
}

fn notes(chunk: &Chunk) -> Vec<(&'static str, String)> {
    let source = &chunk.source;
    let mut notes = vec![
        ("meterhouse.chunk", chunk.index.to_string()),
        ("meterhouse.format", source.format.clone()),
        ("meterhouse.readings", chunk.rows.len().to_string()),
        ("meterhouse.refused", chunk.refused_count.to_string()),
    ];
    if !source.message_id.is_empty() {
        notes.push(("meterhouse.message_id", source.message_id.clone()));
    }
    notes
}
