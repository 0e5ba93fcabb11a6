//! Pruned scans against filtered full ones, on files of many pages.

use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::*;
use crate::{ScanStats, column};

const CHANNELS: i64 = 30;
const SLOTS: i64 = 1_000;

/// 30 channels of two tenants over three weeks of two months, in one file a
/// month that has several pages, with corrections and a tail on top.
fn lake() -> (tokio::runtime::Runtime, World) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a thread");
    let world = runtime.block_on(async {
        let mut world = World::open(SimDisk::new(1)).await.expect("an empty disk");
        let say = |channel, slot, message| Said {
            channel,
            slot,
            message,
            issued: message,
            value: slot % 17,
            trailing_zero: false,
            unit: "kWh",
            quality: "A",
        };
        let all: Vec<Said> =
            (0..CHANNELS).flat_map(|channel| (0..SLOTS).map(move |slot| say(channel, slot, 1))).collect();
        world.record(1, &all).await.expect("room enough");
        let corrected: Vec<Said> = (0..CHANNELS).map(|channel| say(channel, channel * 7, 2)).collect();
        world.record(2, &corrected).await.expect("room enough");
        let mut last: Vec<Said> = (0..CHANNELS).map(|channel| say(channel, SLOTS + channel, 1)).collect();
        last.extend((0..CHANNELS).map(|channel| say(channel, channel * 11, 3)));
        let round = world.understand(3, &last).expect("readable");
        world.show(world.tail_of(&round));
        world
    });
    (runtime, world)
}

fn check(world: &World, request: &ScanRequest) -> Arc<ScanStats> {
    let full = seen(&world.lake.snapshot(), &ScanRequest::all(request.table));
    let inside = |key: &RowKey| {
        request.tenant.is_none_or(|tenant| key.tenant == tenant)
            && request.channels.as_ref().is_none_or(|channels| channels.contains(&key.channel))
            && request.channel_from.is_none_or(|first| key.channel >= first)
            && request.start_from.is_none_or(|from| key.start >= from)
            && request.start_before.is_none_or(|before| key.start < before)
    };
    let expected: Vec<RowKey> = full.iter().map(|row| row.0).filter(inside).collect();
    let stats = Arc::new(ScanStats::default());
    let snapshot = world.lake.snapshot();
    let (mut keys, mut counted) = (Vec::new(), 0);
    for part in snapshot.scan_counted(request, &stats).expect("readable") {
        assert_eq!(part.schema().fields().len(), request.columns.len());
        for batch in part {
            let batch = batch.expect("readable");
            assert!(batch.num_rows() <= request.batch_rows);
            counted += batch.num_rows();
            if request.columns.len() == column::COUNT {
                let rows = batch_to_rows(&batch, &mut Words::new()).expect("ours");
                keys.extend(rows.into_iter().map(|row| row.key));
            }
        }
    }
    keys.sort_unstable();
    assert_eq!(counted, expected.len(), "{request:?}");
    if request.columns.len() == column::COUNT {
        assert_eq!(keys, expected, "{request:?}");
    }
    assert_eq!(stats.rows.load(Ordering::Relaxed), counted as u64);
    stats
}

#[test]
fn one_channels_rows_are_found_without_reading_the_others() {
    let (_runtime, world) = lake();
    let everything = check(&world, &ScanRequest::all(ScanTable::Readings));
    let mut one = ScanRequest::all(ScanTable::Readings);
    one.channels = Some(vec![ChannelId(4)]);
    one.start_from = Some(Timestamp(BEGIN + 500 * HALF_HOUR));
    let little = check(&world, &one);
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    assert_eq!(count(&little.files_pruned), 1, "January");
    assert_eq!((count(&everything.files), count(&little.files)), (2, 1));
    assert!(count(&little.pages) * 3 <= count(&everything.pages), "{little:?} of {everything:?}");
    assert!(count(&little.bytes) * 2 <= count(&everything.bytes), "{little:?} of {everything:?}");
}

#[test]
fn columns_come_in_the_order_asked_for_and_may_be_none() {
    let (_runtime, world) = lake();
    for columns in [vec![], vec![column::SEQ, column::VALUE], vec![column::START]] {
        let mut request = ScanRequest { columns, ..ScanRequest::all(ScanTable::Readings) };
        check(&world, &request);
        request.tenant = Some(TenantId(2));
        check(&world, &request);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1, ..ProptestConfig::default() })]

    #[test]
    fn a_pruned_scan_is_a_filtered_full_scan(requests in prop::collection::vec(any_request(), 60)) {
        let (_runtime, world) = lake();
        for request in requests {
            check(&world, &request);
        }
    }
}

fn any_request() -> impl Strategy<Value = ScanRequest> {
    let time = || prop::option::of((-5..SLOTS + 40).prop_map(|slot| Timestamp(BEGIN + slot * HALF_HOUR)));
    let channels = prop::option::of(prop::collection::btree_set(-1..CHANNELS + 2, 0..4));
    let table = prop::sample::select(&[ScanTable::Readings, ScanTable::ReadingsHistory][..]);
    let tenant = prop::option::of((0..4).prop_map(TenantId));
    let first = prop::option::of((-1..CHANNELS + 2).prop_map(ChannelId));
    (table, (tenant, first), channels, time(), time(), any::<bool>()).prop_map(
        |(table, (tenant, first), channels, from, before, count)| {
            let mut request = ScanRequest::all(table);
            request.tenant = tenant;
            request.channel_from = first;
            request.channels = channels.map(|channels| channels.into_iter().map(ChannelId).collect());
            request.start_from = from;
            request.start_before = before;
            request.batch_rows = 100;
            if count {
                request.columns.clear();
            }
            request
        },
    )
}
