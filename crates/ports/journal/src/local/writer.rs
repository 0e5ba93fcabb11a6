//! The one thread that writes: groups of bodies, one write and one sync each.
//!
//! Promise: nobody hears of a record before it is durable, under a name that is
//! durable too; after a failed write or sync nothing is written any more.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use host::{Disk, Kind, Spans, Step};
use meter::{Sequence, Timestamp};

use crate::{Error, Receipt};

use super::frame::{FRAME_BYTES, Frame, FrameKind};
use super::index::{Places, SegmentIndex};
use super::queue::Waiting;
use super::segment::{HEADER_BYTES, SegmentHeader, file_name};
use super::{JOURNAL_DIR, Shared};

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) header: SegmentHeader,
    /// Where the next frame goes.
    pub(super) end: u64,
    pub(super) next: u64,
    pub(super) last_received: i64,
    /// The last frame is a mark.
    pub(super) marked: bool,
    pub(super) buffer: Vec<u8>,
}

/// Why a new segment could not be made.
pub(super) enum NotMade {
    /// Nothing has changed; it may work later.
    Unchanged(io::Error),
    /// A sync failed: what is stored is not known.
    InDoubt(io::Error),
}

/// Stops the journal if the writer dies.
struct Watch(Arc<Shared>);

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison("the writer thread panicked");
        }
    }
}

impl Writer {
    /// Until closed or poisoned.
    pub(super) fn run(mut self) {
        let _watch = Watch(self.shared.clone());
        let mut expected = 1;
        let mut wait = Duration::ZERO;
        while let Some(group) = self.shared.queue.next_group(expected, wait) {
            let began = self.shared.clock.monotonic();
            let size = group.len();
            expected = self.commit(group, size);
            // Waiting for company pays only while it is shorter than a commit.
            wait = self.shared.clock.monotonic().saturating_sub(began).min(self.shared.settings.group_wait);
        }
        self.finish();
    }

    /// Writes a group, in as many pieces as segments ask for. Returns how many
    /// appenders seem to be at work: those just served and those who came meanwhile.
    fn commit(&mut self, group: Vec<Waiting>, size: usize) -> usize {
        let mut rest = group.into_iter().peekable();
        let mut expected = size;
        while let Some(first) = rest.peek() {
            if self.room() < first.frame_bytes() as u64
                && let Err(not_made) = self.roll()
            {
                self.refuse(rest, not_made);
                return 1;
            }
            let mut piece: Vec<Waiting> = Vec::new();
            let mut left = self.room();
            while let Some(next) = rest.next_if(|next| next.frame_bytes() as u64 <= left) {
                left -= next.frame_bytes() as u64;
                piece.push(next);
            }
            match self.write(&piece) {
                Err(error) => {
                    self.shared.poison(&error.to_string());
                    let poisoned = || Err(Error::Poisoned { why: error.to_string() });
                    piece.into_iter().chain(rest).for_each(|waiting| drop(waiting.reply.send(poisoned())));
                    return 1;
                }
                Ok(receipts) => {
                    expected = size + self.shared.queue.len();
                    for (waiting, receipt) in piece.into_iter().zip(receipts) {
                        // A caller that went away finds its record by reading.
                        let _ = waiting.reply.send(Ok(receipt));
                    }
                }
            }
        }
        expected
    }

    /// Bytes for frames that leave room for a mark.
    fn room(&self) -> u64 {
        self.header.segment_bytes.saturating_sub(self.end + FRAME_BYTES as u64)
    }

    fn refuse(&mut self, group: impl Iterator<Item = Waiting>, not_made: NotMade) {
        let (error, in_doubt) = match not_made {
            NotMade::Unchanged(error) => (error, false),
            NotMade::InDoubt(error) => (error, true),
        };
        let why = error.to_string();
        if in_doubt {
            self.shared.poison(&why);
        }
        for waiting in group {
            let error = match in_doubt {
                true => Error::Poisoned { why: why.clone() },
                false if Kind::of_io(&error) == Kind::Busy => Error::DiskFull { why: why.clone() },
                false => Error::Disk(io::Error::new(error.kind(), why.clone())),
            };
            let _ = waiting.reply.send(Err(error));
        }
    }

    /// One write, one sync; only then may it be read and acknowledged.
    fn write(&mut self, piece: &[Waiting]) -> io::Result<Vec<Receipt>> {
        self.buffer.clear();
        let mut receipts = Vec::with_capacity(piece.len());
        let mut starts = Vec::with_capacity(piece.len());
        let now = self.shared.clock.now().0;
        for waiting in piece {
            // The wall clock may stand still or jump back; this does not.
            self.last_received = now.max(self.last_received + 1);
            let sequence = self.next + receipts.len() as u64;
            starts.push((sequence, self.end + self.buffer.len() as u64));
            self.push_frame(waiting, sequence);
            receipts.push(Receipt { sequence: Sequence(sequence), received_at: Timestamp(self.last_received) });
        }
        let from = self.shared.spans.get().and_then(Spans::now);
        self.write_buffer()?;
        if let (Some(spans), Some(_)) = (self.shared.spans.get(), from) {
            let records = receipts.len();
            let notes = || vec![("meterhouse.group_records", records.to_string())];
            receipts.iter().for_each(|receipt| spans.tell(receipt.sequence, Step::Sync, from, notes));
        }
        self.next += receipts.len() as u64;
        self.marked = false;
        self.shared.publish(self.next, self.end, &starts);
        Ok(receipts)
    }

    fn push_frame(&mut self, waiting: &Waiting, sequence: u64) {
        let frame = Frame {
            kind: FrameKind::Record,
            payload_bytes: u32::try_from(waiting.payload_bytes()).expect("the body was checked"),
            payload_crc: waiting.payload_crc,
            sequence,
            received_at: self.last_received,
            group_offset: self.end,
        };
        let start = self.buffer.len();
        self.buffer.extend(frame.encode(self.header.salt));
        self.buffer.extend(&waiting.head);
        self.buffer.extend(&waiting.content);
        self.buffer.resize(start + frame.padded_bytes(), 0);
    }

    /// Makes the buffer durable at the end.
    fn write_buffer(&mut self) -> io::Result<()> {
        let path = path_of(&file_name(self.header.first));
        let end = self.end + self.buffer.len() as u64;
        self.shared.index().active().claimed = end;
        self.shared.disk.write_at(&path, self.end, &self.buffer)?;
        self.shared.disk.sync(&path)?;
        self.end = end;
        // A single large body must not hold its memory for ever.
        self.buffer.shrink_to(2 * self.shared.settings.group_bytes);
        Ok(())
    }

    /// Goes on in a new segment.
    fn roll(&mut self) -> Result<(), NotMade> {
        let mut salt = [0; 8];
        self.shared.entropy.random_bytes(&mut salt).map_err(NotMade::Unchanged)?;
        let header = SegmentHeader {
            first: self.next,
            segment_bytes: self.shared.settings.segment_bytes,
            received_before: self.last_received,
            salt: u64::from_le_bytes(salt),
        };
        make_segment(&*self.shared.disk, &header)?;
        self.shared.index().segments.push_back(SegmentIndex::of(&header));
        self.header = header;
        self.end = HEADER_BYTES as u64;
        self.marked = false;
        Ok(())
    }

    /// Says durably that everything before is durable, so that whatever is found
    /// wrong later is damage and not a torn write.
    pub(super) fn mark(&mut self) -> io::Result<()> {
        if self.marked {
            return Ok(());
        }
        let mark = Frame {
            kind: FrameKind::Mark,
            payload_bytes: 0,
            payload_crc: 0,
            sequence: self.next - 1,
            received_at: self.last_received,
            group_offset: self.end,
        };
        self.buffer.clear();
        self.buffer.extend(mark.encode(self.header.salt));
        self.write_buffer()?;
        self.marked = true;
        self.shared.publish(self.next, self.end, &[]);
        Ok(())
    }

    fn finish(&mut self) {
        if self.shared.is_poisoned() {
            return;
        }
        match self.mark() {
            Ok(()) => self.shared.closed(),
            Err(error) => self.shared.poison(&error.to_string()),
        }
    }
}

impl SegmentIndex {
    pub(super) fn of(header: &SegmentHeader) -> SegmentIndex {
        let end = HEADER_BYTES as u64;
        SegmentIndex { first: header.first, salt: header.salt, end, claimed: end, places: Places::default() }
    }
}

pub(super) fn path_of(name: &str) -> String {
    format!("{JOURNAL_DIR}/{name}")
}

/// A segment has its name only when its header is durable.
pub(super) fn make_segment(disk: &dyn Disk, header: &SegmentHeader) -> Result<(), NotMade> {
    let path = path_of(&file_name(header.first));
    let temporary = path_of(&format!(".{}{}", file_name(header.first), host::SWEPT_SUFFIX));
    let made = match disk.create(&temporary, header.segment_bytes) {
        // What an earlier attempt could not remove.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(&temporary).and_then(|()| disk.create(&temporary, header.segment_bytes))
        }
        made => made,
    };
    made.and_then(|()| disk.write_at(&temporary, 0, &header.encode())).map_err(NotMade::Unchanged)?;
    disk.sync(&temporary).map_err(NotMade::InDoubt)?;
    disk.rename(&temporary, &path, false).map_err(NotMade::Unchanged)?;
    disk.sync_dir(JOURNAL_DIR).map_err(NotMade::InDoubt)
}
