//! The contract of [`Journal`] as a test that every adapter passes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use meter::{Sequence, TenantId};

use crate::{Body, Content, Door, Error, Journal, MESSAGE_ID_BYTES_MAX, RECORD_BYTES_MAX, Record};

/// Panics where `journal`, which must be empty, does not keep the contract.
pub async fn check(journal: Arc<dyn Journal>) {
    an_empty_journal_ends_where_it_starts(&*journal).await;
    bodies_come_back_as_they_went_in(&*journal).await;
    reads_stop_at_their_limit(&*journal).await;
    what_does_not_fit_is_refused(&*journal).await;
    waiting_ends_with_the_record(journal.clone()).await;
    many_appends_at_once_get_one_number_each(journal.clone()).await;
    trimming_keeps_what_it_must(&*journal).await;
}

fn body(number: usize, content: &[u8]) -> Body {
    Body {
        tenant: TenantId(7),
        door: Door::File,
        format: "nem12".to_owned(),
        object: format!("file-{number}.csv"),
        message_id: String::new(),
        content: Content::Bytes(Bytes::copy_from_slice(content)),
    }
}

async fn read_all(journal: &dyn Journal, limit_bytes: usize) -> Vec<Record> {
    let mut records = Vec::new();
    let mut from = journal.start().await;
    loop {
        let more = journal.read(from, limit_bytes).await.expect("reads");
        let Some(last) = more.last() else { return records };
        from = Sequence(last.sequence.0 + 1);
        records.extend(more);
    }
}

async fn an_empty_journal_ends_where_it_starts(journal: &dyn Journal) {
    journal.check_open().await.expect("takes bodies");
    assert_eq!((journal.start().await, journal.end().await), (Sequence(1), Sequence(1)));
    assert_eq!(journal.read(Sequence(1), 1_000).await.expect("reads"), []);
    assert!(matches!(journal.read(Sequence(2), 1_000).await, Err(Error::Ahead { .. })));
    assert!(matches!(journal.read(Sequence(0), 1_000).await, Err(Error::Trimmed { .. })));
    journal.trim(Sequence(1)).await.expect("trims nothing");
}

async fn bodies_come_back_as_they_went_in(journal: &dyn Journal) {
    let mut bodies: Vec<Body> = [0, 1, 7, 8, 9, 1_000].iter().map(|len| body(*len, &vec![b'x'; *len])).collect();
    let archived = Content::Archived { sha256: [9; 32], size: 2_000_000_000 };
    bodies.push(Body { content: archived, message_id: "é-1".to_owned(), door: Door::Http, ..body(8, b"") });
    let mut receipts = Vec::new();
    for body in &bodies {
        receipts.push(journal.append(body.clone()).await.expect("appends"));
    }
    let records = read_all(journal, 1 << 20).await;
    assert_eq!(records.len(), bodies.len());
    for (number, record) in records.iter().enumerate() {
        assert_eq!(record.sequence, Sequence(number as u64 + 1));
        assert_eq!((record.sequence, record.received_at), (receipts[number].sequence, receipts[number].received_at));
        assert_eq!(record.body, bodies[number]);
    }
    assert!(records.is_sorted_by(|one, other| one.received_at < other.received_at));
    assert_eq!(journal.end().await, Sequence(bodies.len() as u64 + 1));
}

async fn reads_stop_at_their_limit(journal: &dyn Journal) {
    let all = read_all(journal, 1 << 20).await;
    for limit_bytes in [0, 1, 200, 1_500] {
        assert_eq!(read_all(journal, limit_bytes).await, all);
        for from in all.iter().map(|record| record.sequence) {
            let read = journal.read(from, limit_bytes).await.expect("reads");
            // A frame is never shorter than the content in it.
            let held = |record: &Record| if let Content::Bytes(bytes) = &record.body.content { bytes.len() } else { 0 };
            assert!(read.len() == 1 || read.iter().map(held).sum::<usize>() <= limit_bytes);
        }
    }
    assert_eq!(journal.read(Sequence(1), 0).await.expect("reads").len(), 1);
    let third = journal.read(Sequence(3), 1 << 20).await.expect("reads");
    assert_eq!(third, all[2..]);
}

async fn what_does_not_fit_is_refused(journal: &dyn Journal) {
    let end = journal.end().await;
    let large = body(0, &vec![0; RECORD_BYTES_MAX + 1]);
    assert!(matches!(journal.append(large).await, Err(Error::TooLarge { .. })));
    let long = Body { message_id: "m".repeat(MESSAGE_ID_BYTES_MAX + 1), ..body(0, b"") };
    assert!(matches!(journal.append(long).await, Err(Error::TooLong { what: "message id", .. })));
    assert_eq!(journal.end().await, end);
}

async fn waiting_ends_with_the_record(journal: Arc<dyn Journal>) {
    let last = Sequence(journal.end().await.0 - 1);
    journal.wait(Sequence(last.0 - 1)).await.expect("it is there");
    let waiting = tokio::spawn({
        let journal = journal.clone();
        async move { journal.wait(last).await }
    });
    host::sleep(Duration::from_millis(20)).await;
    assert!(!waiting.is_finished());
    journal.append(body(0, b"wake up")).await.expect("appends");
    waiting.await.expect("does not panic").expect("the record came");
}

async fn many_appends_at_once_get_one_number_each(journal: Arc<dyn Journal>) {
    let before = journal.end().await;
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let journal = journal.clone();
            tokio::spawn(async move {
                let content = format!("body {number}");
                (content.clone(), journal.append(body(number, content.as_bytes())).await.expect("appends"))
            })
        })
        .collect();
    let mut sent = Vec::new();
    for task in tasks {
        sent.push(task.await.expect("does not panic"));
    }
    sent.sort_by_key(|(_, receipt)| receipt.sequence);
    let mut from = before;
    for (content, receipt) in sent {
        let record = journal.read(from, 0).await.expect("reads").pop().expect("one at least");
        assert_eq!((record.sequence, record.received_at), (receipt.sequence, receipt.received_at));
        assert_eq!(record.body.content, Content::Bytes(content.into()));
        from = Sequence(from.0 + 1);
    }
    assert_eq!(journal.end().await, from);
}

async fn trimming_keeps_what_it_must(journal: &dyn Journal) {
    let end = journal.end().await;
    let kept = Sequence(end.0 - 3);
    let all = journal.read(kept, 1 << 20).await.expect("reads");
    journal.trim(kept).await.expect("trims");
    let start = journal.start().await;
    assert!(start <= kept);
    assert_eq!(journal.read(kept, 1 << 20).await.expect("reads"), all);
    if start > Sequence(1) {
        let below = journal.read(Sequence(start.0 - 1), 1_000).await;
        assert!(matches!(below, Err(Error::Trimmed { .. })));
    }
    journal.trim(end).await.expect("trims");
    assert_eq!(journal.end().await, end);
    let next = journal.append(body(0, b"after trimming")).await.expect("appends");
    assert_eq!(next.sequence, end);
}
