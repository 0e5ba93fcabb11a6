//! What was understood and waits for a round, taken out as much as fits.
//!
//! Promise: a round ends with the same chunk however many of them are there at a
//! time, so that a replay commits what the first try did.

use std::collections::{HashSet, VecDeque};

use crate::Error;
use crate::chunk::{CHUNK_MONTHS_MAX, Chunk};
use crate::stages::Stages;

/// What a round can still take in.
pub struct Room<'a> {
    /// Rows it may have more; 0 where it is full.
    pub rows: usize,
    /// Memory that they may take.
    pub bytes: usize,
    pub chunks: usize,
    /// Calendar months it has: one commit opens at most [`CHUNK_MONTHS_MAX`]
    /// partitions (D6); a single chunk never has more.
    pub months: &'a HashSet<i32>,
}

pub struct Intake {
    stages: Stages,
    waiting: VecDeque<Chunk>,
}

impl Intake {
    pub fn new(stages: Stages) -> Intake {
        Intake { stages, waiting: VecDeque::new() }
    }

    /// Whether nothing waits behind what was taken.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.stages.groups.is_empty()
    }

    /// Waits until there is a chunk to take; false if there will be none.
    pub async fn ready(&mut self) -> bool {
        if self.waiting.is_empty() {
            self.waiting.extend(self.stages.groups.recv().await.into_iter().flatten());
        }
        !self.waiting.is_empty()
    }

    /// What is there already, as far as it fits: none if not even the first
    /// does. The last chunk of a round is the first that fills it.
    pub fn take(&mut self, room: &Room<'_>) -> Vec<Chunk> {
        let (mut taken, mut rows, mut bytes, mut months) = (Vec::new(), 0, 0, room.months.clone());
        while rows < room.rows && bytes < room.bytes && taken.len() < room.chunks {
            if self.waiting.is_empty() {
                self.waiting.extend(self.stages.groups.try_recv().into_iter().flatten());
            }
            let Some(chunk) = self.waiting.pop_front() else { break };
            let before = months.len();
            months.extend(&chunk.months);
            if before > 0 && months.len() > CHUNK_MONTHS_MAX {
                self.waiting.push_front(chunk);
                break;
            }
            (rows, bytes) = (rows + chunk.rows.len(), bytes + chunk.rows.bytes());
            taken.push(chunk);
        }
        taken
    }

    /// Ends the stages; see [`Stages::finish`].
    pub async fn finish(self) -> Result<(), Error> {
        self.stages.finish().await
    }
}
