//! Rows come out of runs as they went in.

use super::*;
use crate::{ChannelId, DeviceId, Flags, Quality, Sequence, Span, TenantId, Word};
use proptest::prelude::*;

pub(crate) fn row(channel: i64, start: i64, span: i64, value: i64, unit: u32) -> Row {
    Row {
        key: RowKey { tenant: TenantId(1), channel: ChannelId(channel), start: Timestamp(start), span: Span(span) },
        value: Decimal::new(value, 3),
        unit: Word(unit),
        quality: Word(0),
        canonical: Quality::Measured,
        reason: Word(0),
        flags: Flags::default(),
        device: DeviceId::NONE,
        message_time: Timestamp(0),
        issued_at: Timestamp(0),
        sequence: Sequence(1),
    }
}

pub(crate) fn rows() -> impl Strategy<Value = Vec<Row>> {
    let one = (0_i64..3, 0_i64..12, prop_oneof![Just(0_i64), Just(1), Just(2)], any::<i64>(), 0_u32..2);
    proptest::collection::vec((one, 1_i64..9), 0..30).prop_map(|runs| {
        let mut rows = Vec::new();
        for ((channel, start, span, value, unit), len) in runs {
            rows.extend((0..len).map(|at| row(channel, start + at * span.max(1), span, value.wrapping_add(at), unit)));
        }
        rows
    })
}

pub(crate) fn told(rows: impl IntoIterator<Item = Row>) -> Vec<String> {
    rows.into_iter().map(|row| format!("{row:?}")).collect()
}

#[test]
fn a_day_of_half_hours_is_one_run_and_a_gap_begins_another() {
    let day: Vec<Row> = (0..48).map(|at| row(7, at * 30, 30, at, 0)).collect();
    let runs: Runs = day.iter().filter(|row| row.key.start.0 != 300).collect();
    assert_eq!(runs.runs().map(|run| run.len()).collect::<Vec<_>>(), [10, 37]);
    assert_eq!(runs.find(&day[11].key).map(|row| row.value.value), Some(11));
    assert!(runs.find(&day[10].key).is_none());
}

#[test]
fn messages_of_a_meter_share_what_their_registers_are_like() {
    let of = |minute: i64, register: i64| row(register, minute * 60, 0, minute, u32::try_from(register).expect("few"));
    let rows: Vec<Row> = (0..500).flat_map(|minute| (0..11).map(move |register| of(minute, register))).collect();
    let runs: Runs = rows.iter().collect();
    assert_eq!((runs.likes.len(), runs.deliveries.len(), runs.run_count()), (11, 1, 5_500));
    assert_eq!(told(runs.rows()), told(rows));
}

#[test]
fn more_kinds_of_rows_than_are_searched_come_out_as_they_went_in() {
    let kind = |at: i64| u32::try_from(at * 7_919 % 1_009).expect("small");
    let rows: Vec<Row> = (0..5_000).map(|at| row(at % 3, at, 1, at, kind(at))).collect();
    let runs: Runs = rows.iter().collect();
    assert!(runs.likes.len() <= runs.run_count());
    assert_eq!(told(runs.rows()), told(rows));
}

proptest! {
    #[test]
    fn rows_come_out_as_they_went_in(rows in rows()) {
        let runs: Runs = rows.iter().collect();
        prop_assert_eq!(runs.len(), rows.len());
        prop_assert_eq!(told(runs.rows()), told(rows));
    }

    #[test]
    fn every_row_is_found_by_its_key(rows in rows()) {
        let mut sorted = rows;
        sorted.sort_by_key(|row| row.key);
        sorted.dedup_by_key(|row| row.key);
        let runs: Runs = sorted.iter().collect();
        for row in &sorted {
            prop_assert_eq!(runs.find(&row.key).map(|found| found.value.value), Some(row.value.value));
        }
        prop_assert!(runs.find(&row(9, 0, 0, 0, 0).key).is_none());
    }

    #[test]
    fn of_many_keys_those_are_found_that_are_there(rows in rows(), held in any::<u64>()) {
        let mut sorted = rows;
        sorted.sort_by_key(|row| row.key);
        sorted.dedup_by_key(|row| row.key);
        let is_held = |at: usize| held >> (at % 64) & 1 == 1;
        let there = sorted.iter().enumerate().filter(|(at, _)| is_held(*at)).map(|(_, row)| *row);
        let runs: Runs = there.clone().collect();
        let keys: Vec<RowKey> = sorted.iter().map(|row| row.key).collect();
        prop_assert_eq!(told(runs.find_all(&keys)), told(there));
    }
}
