//! Reading every byte to see that it is still what was written.
//!
//! Promise: whatever byte of whatever file of the journal changed since it was
//! closed, it is found and named.

use std::collections::BTreeMap;
use std::io;

use host::Disk;

use crate::{Damage, Error};

use super::frame::Flaw;
use super::index::SegmentIndex;
use super::segment::{HEADER_BYTES, SegmentHeader, file_name, first_of, walk};
use super::writer::path_of;
use super::{JOURNAL_DIR, SEGMENT_BYTES_READ, Shared, recover, torn};

/// How far a segment is to be trusted while someone writes to it.
struct Live {
    durable: u64,
    claimed: u64,
}

/// Reads a journal that nobody has open. A write that a crash cut short is
/// reported too: the next start sets it aside, and only then is all of it good.
pub fn scrub(disk: &dyn Disk) -> Result<Vec<Damage>, Error> {
    scrub_files(disk, &|_| None)
}

impl Shared {
    /// As [`scrub`], beside the writer.
    pub(super) fn scrub(&self) -> Result<Vec<Damage>, Error> {
        let ends: BTreeMap<u64, u64> =
            self.index().segments.iter().map(|segment| (segment.first, segment.end)).collect();
        let mut found = scrub_files(&*self.disk, &|first| {
            // Asked after the file was read: whatever was written by then is claimed.
            let index = self.index();
            let now: &SegmentIndex = index.segments.iter().find(|segment| segment.first == first)?;
            Some(Live { durable: ends.get(&first).copied().unwrap_or(HEADER_BYTES as u64), claimed: now.claimed })
        })?;
        let there = recover::segments(&*self.disk)?;
        for segment in &self.index().segments {
            // Those made since the directory was listed are in `there` but not in `ends`.
            if ends.contains_key(&segment.first) && !there.contains(&segment.first) {
                let (path, what) = (path_of(&file_name(segment.first)), "the segment is gone".to_owned());
                found.push(Damage { path, byte: 0, what });
            }
        }
        Ok(found)
    }
}

fn scrub_files(disk: &dyn Disk, live: &dyn Fn(u64) -> Option<Live>) -> Result<Vec<Damage>, Error> {
    let mut found = Vec::new();
    let mut expected = None;
    for entry in disk.list(JOURNAL_DIR)? {
        let path = path_of(&entry.name);
        let whole = |byte, what: &str| Damage { path: path.clone(), byte, what: what.to_owned() };
        if let Some(first) = first_of(&entry.name) {
            let bytes = match disk.read(&path, 0, SEGMENT_BYTES_READ) {
                // Trimmed since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                bytes => bytes?,
            };
            if expected.is_some_and(|expected| expected != first) {
                found.push(whole(16, "the records between this segment and the one before are missing"));
            }
            let (next, flaw) = scrub_segment(first, &bytes, live(first));
            expected = next;
            found.extend(flaw.map(|(byte, what)| whole(byte, &what)));
        } else if torn::segment_of(&entry.name).is_some() {
            match torn::check(disk, &path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                checked => found.extend(checked?),
            }
        } else if !host::is_temporary(&entry.name) {
            found.push(whole(0, "not a file of the journal"));
        }
    }
    Ok(found)
}

/// The sequence that follows, if it can be told, and the first flaw.
fn scrub_segment(first: u64, bytes: &[u8], live: Option<Live>) -> (Option<u64>, Option<(u64, String)>) {
    let said = |flaw: Flaw| match flaw {
        Flaw::Damaged(what) => what.to_owned(),
        Flaw::Newer(what) => format!("{what}, which this version cannot read"),
    };
    let header = match SegmentHeader::decode(bytes) {
        Err(flaw) => return (None, Some((0, said(flaw)))),
        Ok(header) if header.first != first => {
            return (None, Some((16, format!("the segment {} under the name {}", header.first, file_name(first)))));
        }
        Ok(header) => header,
    };
    let Some(live) = live else {
        let walked = walk(&header, bytes);
        let flaw = walked.flaw.map(|(at, flaw)| (at, said(flaw)));
        return (flaw.is_none().then_some(walked.next), flaw);
    };
    let durable = usize::try_from(live.durable).expect("a place in a segment");
    let claimed = usize::try_from(live.claimed).expect("a place in a segment");
    let walked = walk(&header, &bytes[..durable]);
    let mut flaw = walked.flaw.map(|(at, flaw)| (at, said(flaw)));
    if flaw.is_none() && walked.end != live.durable {
        flaw = Some((walked.end, "the frames stop before the durable end".to_owned()));
    }
    if let Some(at) = bytes[claimed..].iter().position(|byte| *byte != 0) {
        flaw = flaw.or(Some(((claimed + at) as u64, "bytes that are not zero after the last frame".to_owned())));
    }
    // Opening has seen that the segments join; those that are gone are looked for apart.
    (None, flaw)
}
