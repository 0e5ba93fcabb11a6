//! Opening: what the last run left, made whole again.
//!
//! Promise: every record that was acknowledged is there; a write that was cut
//! short is kept aside in a `.torn` file, never dropped silently; damage to what
//! was once durable stops the start and is named.
//!
//! What is found is synced before anyone sees it: a killed process may have
//! written what the disk does not yet hold.

use std::collections::VecDeque;
use std::io;

use host::Disk;

use crate::Error;

use super::JOURNAL_DIR;
use super::frame::Flaw;
use super::index::{Index, SegmentIndex};
use super::segment::{SegmentHeader, Walk, file_name, first_of, used_end, walk, was_durable};
use super::torn::{self, Torn};
use super::writer::{NotMade, make_segment, path_of};

/// Where the last run stopped.
pub(super) struct Recovered {
    pub(super) index: Index,
    pub(super) header: SegmentHeader,
    pub(super) end: u64,
    pub(super) last_received: i64,
    pub(super) marked: bool,
    pub(super) torn: Option<Torn>,
}

/// First sequences of the segments there are, in order.
pub(super) fn segments(disk: &dyn Disk) -> io::Result<Vec<u64>> {
    let entries = disk.list(JOURNAL_DIR)?;
    Ok(entries.iter().filter(|entry| !entry.is_dir).filter_map(|entry| first_of(&entry.name)).collect())
}

/// `fresh` is the header of the first segment of all, if there is none yet.
pub(super) fn recover(disk: &dyn Disk, fresh: SegmentHeader) -> Result<Recovered, Error> {
    disk.make_dir(JOURNAL_DIR)?;
    host::sweep_temporaries(disk, JOURNAL_DIR)?;
    let mut firsts = segments(disk)?;
    if firsts.is_empty() {
        make_segment(disk, &fresh).map_err(|not_made| match not_made {
            NotMade::Unchanged(error) | NotMade::InDoubt(error) => Error::of_disk(error),
        })?;
        firsts.push(fresh.first);
    }
    let mut index = Index { segments: VecDeque::new(), next: firsts[0] };
    let last = firsts.pop().expect("one was there or was made");
    for first in firsts {
        let (_, header, walked) = read_segment(disk, first, index.next)?;
        if let Some((at, flaw)) = walked.flaw {
            return Err(refusal(first, at, flaw));
        }
        take(&mut index, &header, walked);
    }
    recover_last(disk, last, index)
}

fn recover_last(disk: &dyn Disk, last: u64, mut index: Index) -> Result<Recovered, Error> {
    let (bytes, header, walked) = read_segment(disk, last, index.next)?;
    let mut torn = None;
    if let Some((at, flaw)) = &walked.flaw {
        if matches!(flaw, Flaw::Newer(_)) || was_durable(&header, &bytes, walked.end) {
            return Err(refusal(last, *at, flaw.clone()));
        }
        torn = Some(set_aside(disk, last, walked.end, &bytes)?);
    }
    disk.sync(&path_of(&file_name(last)))?;
    disk.sync_dir(JOURNAL_DIR)?;
    let (end, last_received, marked) = (walked.end, walked.last_received, walked.marked);
    take(&mut index, &header, walked);
    Ok(Recovered { index, header, end, last_received, marked, torn })
}

/// Copies the torn bytes, then makes zeros of them. The caller syncs the zeros
/// before it writes over them, or old frames could show up behind new ones.
fn set_aside(disk: &dyn Disk, segment: u64, from: u64, bytes: &[u8]) -> Result<Torn, Error> {
    let start = usize::try_from(from).expect("a place in a slice");
    let end = usize::try_from(used_end(bytes)).expect("a place in a slice");
    let torn = torn::keep(disk, segment, from, &bytes[start..end])?;
    disk.write_at(&path_of(&file_name(segment)), from, &vec![0; end - start])?;
    Ok(torn)
}

fn read_segment(disk: &dyn Disk, first: u64, expected: u64) -> Result<(Vec<u8>, SegmentHeader, Walk), Error> {
    if first > expected {
        return Err(Error::Missing { from: expected, to: first - 1 });
    }
    let path = path_of(&file_name(first));
    let bytes = disk.read(&path, 0, super::SEGMENT_BYTES_READ)?;
    let header = SegmentHeader::decode(&bytes).map_err(|flaw| refusal(first, 0, flaw))?;
    if header.first != first || first < expected {
        let what = "the segment holds other records than its name and its neighbours say";
        return Err(Error::Damaged { segment: first, offset: 16, what });
    }
    let walked = walk(&header, &bytes);
    Ok((bytes, header, walked))
}

fn take(index: &mut Index, header: &SegmentHeader, walked: Walk) {
    let (end, places) = (walked.end, walked.places);
    index.segments.push_back(SegmentIndex { end, claimed: end, places, ..SegmentIndex::of(header) });
    index.next = walked.next;
}

pub(super) fn refusal(segment: u64, offset: u64, flaw: Flaw) -> Error {
    match flaw {
        Flaw::Damaged(what) => Error::Damaged { segment, offset, what },
        Flaw::Newer(what) => Error::Newer { segment, offset, what },
    }
}
