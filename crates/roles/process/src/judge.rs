//! Judging: which rows are new, which are further versions of a stored key, and
//! which were there already (promises 2 and 3 of the design).
//!
//! Promise: the set of versions that ends up stored depends on what arrived,
//! not on when or how often; and each row is counted once, as accepted,
//! duplicate or corrected.

use meter::{Flags, Row, RowKey, Words};

use crate::Error;
use crate::coverage::Coverage;

/// What became of the readings of a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub accepted: i64,
    pub duplicate: i64,
    pub corrected: i64,
}

/// A chunk's rows, sorted into where they go.
#[derive(Debug, Default)]
pub struct Judged {
    /// First of their key: for `readings`.
    pub new: Vec<Row>,
    /// Further versions of a stored key: for `overlay`.
    pub versions: Vec<Row>,
    pub counts: Counts,
}

/// Where stored versions are looked up.
pub trait Stored {
    /// Every version of these sorted keys, standing or earlier, committed or not.
    fn versions_of(&self, keys: &[RowKey], words: &mut Words) -> Result<Vec<Row>, Error>;
}

/// Judges `rows`, all of one chunk, and takes their keys into `coverage`.
pub fn judge(
    mut rows: Vec<Row>,
    coverage: &mut Coverage,
    stored: &impl Stored,
    words: &mut Words,
) -> Result<Judged, Error> {
    // Stable: versions of one key stay in the order in which they came.
    rows.sort_by_key(|row| row.key);
    let doubtful: Vec<RowKey> = distinct(&rows).filter(|key| coverage.may_hold(key)).collect();
    let known = Known::read(&doubtful, stored, words)?;

    let mut judged = Judged::default();
    for group in rows.chunk_by(|a, b| a.key == b.key) {
        let mut versions = known.versions(&group[0].key);
        if versions.is_empty() {
            coverage.insert(&group[0].key);
        }
        for row in group {
            place(*row, &mut versions, &mut judged, words);
        }
    }
    Ok(judged)
}

/// Decides about one row, given every stored version of its key.
fn place(mut row: Row, versions: &mut Vec<Row>, judged: &mut Judged, words: &Words) {
    let Some(standing) = versions.iter().max_by(|a, b| a.standing_order(b, words)).copied() else {
        versions.push(row);
        judged.new.push(row);
        judged.counts.accepted += 1;
        return;
    };
    let equal = versions.iter().filter(|version| row.same_version(version, words));
    if let Some(issued_at) = equal.map(|version| version.issued_at).max() {
        judged.counts.duplicate += 1;
        // A newer file says it again: that decides between equal message times.
        if row.issued_at > issued_at {
            row.flags = row.flags.with(Flags::REISSUED);
            versions.push(row);
            judged.versions.push(row);
        }
        return;
    }
    // Without a message time of its own, what says nothing new is no version.
    if row.flags.has(Flags::ARRIVAL_TIME) && row.same_content(&standing, words) {
        judged.counts.duplicate += 1;
        return;
    }
    versions.push(row);
    judged.versions.push(row);
    judged.counts.corrected += 1;
}

/// Stored versions, sorted by key.
struct Known {
    rows: Vec<Row>,
}

impl Known {
    fn read(keys: &[RowKey], stored: &impl Stored, words: &mut Words) -> Result<Known, Error> {
        let mut rows = if keys.is_empty() { Vec::new() } else { stored.versions_of(keys, words)? };
        rows.sort_by_key(|row| row.key);
        Ok(Known { rows })
    }

    fn versions(&self, key: &RowKey) -> Vec<Row> {
        let from = self.rows.partition_point(|row| row.key < *key);
        let to = from + self.rows[from..].partition_point(|row| row.key == *key);
        self.rows[from..to].to_vec()
    }
}

fn distinct(rows: &[Row]) -> impl Iterator<Item = RowKey> + '_ {
    rows.chunk_by(|a, b| a.key == b.key).map(|group| group[0].key)
}

#[cfg(test)]
mod tests;
