//! The files of the journal for whoever copies them beside the writer.
//!
//! Promise: while a [`Hold`] lives nothing is trimmed, and of each segment it
//! names only bytes that are durable and are never written again.

use std::sync::Arc;

use meter::Sequence;

use super::segment::file_name;
use super::writer::path_of;
use super::{Local, Shared};
use crate::Error;

/// One segment as far as it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFile {
    /// Below the data directory.
    pub path: String,
    /// So many bytes from its beginning are durable; zeros follow.
    pub durable_bytes: u64,
    /// Of the whole file, with what is reserved.
    pub file_bytes: u64,
}

/// Keeps the journal from being trimmed until it is dropped.
pub struct Hold {
    shared: Arc<Shared>,
    _held: Arc<()>,
}

impl Local {
    /// Blocks while a trim is under way.
    pub fn hold(&self) -> Hold {
        let _no_trim = self.shared.trimming.lock().expect("no holder of this lock panics");
        Hold { shared: self.shared.clone(), _held: self.shared.held.clone() }
    }
}

impl Hold {
    /// The segments of one moment, oldest first, and the sequence number that
    /// comes next: every record below it that was not trimmed before is in them.
    /// Blocks.
    pub fn segments(&self) -> Result<(Sequence, Vec<SegmentFile>), Error> {
        let (next, ends) = {
            let index = self.shared.index();
            let ends: Vec<(u64, u64)> = index.segments.iter().map(|segment| (segment.first, segment.end)).collect();
            (Sequence(index.next), ends)
        };
        let mut files = Vec::with_capacity(ends.len());
        for (first, durable_bytes) in ends {
            let path = path_of(&file_name(first));
            files.push(SegmentFile { file_bytes: self.shared.disk.size(&path)?, path, durable_bytes });
        }
        Ok((next, files))
    }
}
