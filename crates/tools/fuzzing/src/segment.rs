//! The journal's segment and frame reader, on bytes that nobody wrote.
//!
//! Whatever stands in a segment, opening it either names what is wrong or gives records
//! in order, and gives the same ones when it is opened again.

use std::sync::Arc;

use bytes::Bytes;
use host::{Disk, ManualClock, SeededEntropy, SimDisk};
use journal::{Body, Content, Door, Error, Journal, Local, Record, Settings};
use meter::{Sequence, TenantId};

use crate::parsers::ARRIVAL;
use crate::{Met, met};

const PATH: &str = "journal/00000000000000000001.seg";
const HEADER_BYTES: usize = 64;
const FRAME_BYTES: usize = 48;
const SEGMENT_BYTES: usize = 32 << 10;

/// A segment as it is given, and with its checksums made right, so that what stands
/// behind them is reached.
pub fn segment(data: &[u8]) -> Met {
    met((opened(data.to_vec()), opened(mended(data))))
}

fn opened(bytes: Vec<u8>) -> Met {
    let disk = SimDisk::new(1);
    let put = disk.make_dir("journal").and_then(|()| disk.write_durable(PATH, &bytes, false));
    put.expect("a simulated disk takes it");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let first = match all(&disk).await {
            Ok(records) => records,
            Err(error) => return met(error.to_string().replace(|c: char| c.is_ascii_digit(), "")),
        };
        for (record, number) in first.iter().zip(1..) {
            assert_eq!(record.sequence, Sequence(number), "numbers without a gap");
        }
        assert!(first.is_sorted_by(|one, other| one.received_at < other.received_at), "times in order");
        let again = all(&disk.restart()).await.expect("what was opened once is opened again");
        assert_eq!(again, first, "opened again");
        met(first.len())
    })
}

async fn all(disk: &SimDisk) -> Result<Vec<Record>, Error> {
    let journal = open(disk)?;
    let records = journal.read(Sequence(1), SEGMENT_BYTES).await;
    let damage = journal.scrub().await?;
    assert!(damage.is_empty() || records.is_err(), "read without a word, and damaged: {damage:?}");
    journal.close().await?;
    records
}

fn open(disk: &SimDisk) -> Result<Local, Error> {
    let settings = Settings {
        segment_bytes: SEGMENT_BYTES as u64,
        record_bytes_max: 2 << 10,
        group_bytes: 4 << 10,
        ..Settings::default()
    };
    let clock = Arc::new(ManualClock::new(ARRIVAL));
    Local::open(Arc::new(disk.clone()), clock, Arc::new(SeededEntropy::new(7)), settings)
}

/// Sizes and checksums as the headers ask (`local/segment.rs`, `local/frame.rs` of the
/// journal); all else as it is given.
fn mended(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    bytes.resize(SEGMENT_BYTES, 0);
    bytes[24..32].copy_from_slice(&(SEGMENT_BYTES as u64).to_le_bytes());
    sum(&mut bytes, 0..60, 60, 0);
    let salt: [u8; 8] = bytes[40..48].try_into().expect("eight bytes");
    let mut at = HEADER_BYTES;
    while at + FRAME_BYTES <= bytes.len() && bytes[at..at + FRAME_BYTES].iter().any(|byte| *byte != 0) {
        let length: [u8; 4] = bytes[at + 12..at + 16].try_into().expect("four bytes");
        let end = at + FRAME_BYTES + u32::from_le_bytes(length) as usize;
        if end > bytes.len() {
            break;
        }
        sum(&mut bytes, at + FRAME_BYTES..end, at + 40, 0);
        sum(&mut bytes, at..at + 44, at + 44, crc32c::crc32c(&salt));
        at = end.next_multiple_of(8);
    }
    bytes
}

fn sum(bytes: &mut [u8], of: std::ops::Range<usize>, into: usize, begun: u32) {
    let sum = crc32c::crc32c_append(begun, &bytes[of]);
    bytes[into..into + 4].copy_from_slice(&sum.to_le_bytes());
}

/// A segment with a few records, as the journal writes it, without the zeros behind.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let disk = SimDisk::new(1);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let written = runtime.block_on(async {
        let journal = open(&disk)?;
        for (number, text) in ["", "100,NEM12,200401010000,A,B\n", "{\"containers\":[]}"].into_iter().enumerate() {
            journal.append(body(number, Content::Bytes(Bytes::from_static(text.as_bytes())))).await?;
        }
        journal.append(body(3, Content::Archived { sha256: [9; 32], size: 1 << 31 })).await?;
        journal.close().await
    });
    written.expect("a simulated disk takes it");
    let mut bytes = disk.files().remove(PATH).expect("the first segment");
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
    vec![bytes]
}

fn body(number: usize, content: Content) -> Body {
    Body {
        tenant: TenantId(1),
        door: Door::File,
        format: "nem12".to_owned(),
        object: format!("file-{number}.csv"),
        message_id: format!("m{number}"),
        content,
    }
}
