//! What is new, for those who watch.
//!
//! Promise: whoever subscribes is shown each reading and each correction applied
//! from then on once, in the order of application and not before a query can see
//! it; one who is too slow is told how much was missed. Nothing is made while
//! nobody watches.

use std::sync::Arc;

use meter::{ChannelId, Decimal, DeviceId, Flags, Quality, Row, Sequence, Span, TenantId, Timestamp, Words};
use tokio::sync::broadcast;

use crate::judge::Judged;

/// Groups of readings that wait for the slowest; it then misses the oldest.
const GROUPS_WAITING_MAX: usize = 64;

/// A reading as it was applied, its names still ids.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// Whose it is.
    pub tenant: TenantId,
    /// The stream it belongs to.
    pub channel: ChannelId,
    /// What measured it, if that is said.
    pub device: DeviceId,
    /// Start of the interval, or the instant of the read.
    pub start: Timestamp,
    /// Zero for a register read or a spot value.
    pub span: Span,
    /// In `unit`, digit for digit.
    pub value: Decimal,
    /// As spelled by the source.
    pub unit: Arc<str>,
    /// The source's own word.
    pub quality: Arc<str>,
    /// The rank of `quality`.
    pub canonical: Quality,
    /// Circumstances.
    pub flags: Flags,
    /// Whether an earlier version of it is stored.
    pub correction: bool,
    /// The record it came in with.
    pub sequence: Sequence,
}

/// Where those who watch subscribe.
#[derive(Clone, Debug)]
pub struct Live {
    sender: broadcast::Sender<Arc<[Fresh]>>,
}

impl Default for Live {
    fn default() -> Self {
        Live { sender: broadcast::Sender::new(GROUPS_WAITING_MAX) }
    }
}

impl Live {
    /// What is applied from now on, of all tenants: the caller shows each their own.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<[Fresh]>> {
        self.sender.subscribe()
    }

    /// Whether anyone would see it.
    pub(crate) fn is_watched(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    pub(crate) fn show(&self, fresh: Vec<Fresh>) {
        if !fresh.is_empty() {
            // Whoever watched may be gone by now.
            let _ = self.sender.send(fresh.into());
        }
    }
}

/// What was judged to be new.
pub(crate) fn fresh(judged: &Judged, words: &Words) -> Vec<Fresh> {
    let mut texts = Texts { words, last: [("".into(), None), ("".into(), None)] };
    let new = judged.new.rows().map(|row| (row, false));
    let all = new.chain(judged.versions.iter().map(|row| (*row, true)));
    all.map(|(row, correction)| texts.fresh(&row, correction)).collect()
}

/// Texts shared by the readings that have them, as long as they follow each other.
struct Texts<'a> {
    words: &'a Words,
    last: [(Arc<str>, Option<meter::Word>); 2],
}

impl Texts<'_> {
    fn text(&mut self, slot: usize, word: meter::Word) -> Arc<str> {
        if self.last[slot].1 != Some(word) {
            self.last[slot] = (self.words.text(word).into(), Some(word));
        }
        self.last[slot].0.clone()
    }

    fn fresh(&mut self, row: &Row, correction: bool) -> Fresh {
        Fresh {
            tenant: row.key.tenant,
            channel: row.key.channel,
            device: row.device,
            start: row.key.start,
            span: row.key.span,
            value: row.value,
            unit: self.text(0, row.unit),
            quality: self.text(1, row.quality),
            canonical: row.canonical,
            flags: row.flags,
            correction,
            sequence: row.sequence,
        }
    }
}
