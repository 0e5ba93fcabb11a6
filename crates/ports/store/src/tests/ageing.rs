//! What tells of records goes by the month in which they came, whatever crashes; and
//! what went and what stays are together what came.

use std::collections::{BTreeSet, HashSet};

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Int8Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::Int64Type;
use proptest::prelude::*;

use super::*;
use crate::{LookedThrough, Retain, Retention, RetiredSources};

const DAY: i64 = 86_400_000_000;
/// 2025-06-15.
const NOW: i64 = 1_749_945_600_000_000;
const TENANTS: [TenantId; 2] = [TenantId(1), TenantId(2)];

/// A record: whose, how many days ago it came, its body's number where it is a file, how
/// many events it had and how many refusals.
#[derive(Clone, Debug)]
struct Came {
    tenant: usize,
    days_ago: i64,
    body: Option<u8>,
    events: usize,
    refused: usize,
}

fn came() -> impl Strategy<Value = Came> {
    (0..2_usize, 0..400_i64, proptest::option::of(0..3_u8), 0..3_usize, 0..3_usize)
        .prop_map(|(tenant, days_ago, body, events, refused)| Came { tenant, days_ago, body, events, refused })
}

/// In the order in which they came: the journal's clock does not go back.
fn records() -> impl Strategy<Value = Vec<Came>> {
    proptest::collection::vec(came(), 1..12).prop_map(|mut all| {
        all.sort_by_key(|came| std::cmp::Reverse(came.days_ago));
        all
    })
}

/// Of nobody in particular, of the first tenant, of the second; in days.
type Ages = (Option<i64>, Option<Option<i64>>, Option<Option<i64>>);

fn ages() -> impl Strategy<Value = Ages> {
    let age = || proptest::option::of(1..400_i64);
    (age(), proptest::option::of(age()), proptest::option::of(age()))
}

fn retain((others, first, second): Ages) -> Retain {
    let span = |age: Option<i64>| age.map(|days| Span(days * DAY));
    let named = TENANTS.into_iter().zip([first, second]);
    let tenants = named.filter_map(|(tenant, age)| Some((tenant, span(age?)))).collect();
    Retain { others: span(others), tenants }
}

fn hash(body: u8) -> [u8; 32] {
    [body; 32]
}

fn batch(table: Table, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(table.schema(), columns).expect("columns of the table")
}

fn longs(count: usize, value: i64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![value; count]))
}

fn texts(count: usize) -> ArrayRef {
    Arc::new(StringArray::from(vec![""; count]))
}

fn source(sequence: i64, came: &Came) -> RecordBatch {
    let time = TimestampMicrosecondArray::from(vec![NOW - came.days_ago * DAY]).with_timezone("UTC");
    let sha256 = came.body.map(hash);
    batch(
        Table::Sources,
        vec![
            longs(1, sequence),
            Arc::new(Int32Array::from(vec![0])),
            Arc::new(BooleanArray::from(vec![true])),
            Arc::new(Int32Array::from(vec![TENANTS[came.tenant].0])),
            Arc::new(Int8Array::from(vec![1])),
            texts(1),
            texts(1),
            texts(1),
            Arc::new(BinaryArray::from(vec![sha256.as_ref().map(|sha256| &sha256[..])])),
            longs(1, 9),
            Arc::new(time),
            longs(1, 5),
            longs(1, 0),
            longs(1, 2),
            longs(1, came.refused as i64),
            longs(1, came.events as i64),
            Arc::new(Int64Array::from(vec![None::<i64>])),
        ],
    )
}

fn refused(sequence: i64, came: &Came) -> Vec<RecordBatch> {
    let rows = came.refused;
    let columns = vec![
        longs(rows, sequence),
        Arc::new(Int32Array::from(vec![TENANTS[came.tenant].0; rows])) as ArrayRef,
        longs(rows, 0),
        Arc::new(Int8Array::from(vec![0; rows])),
        longs(rows, 0),
        texts(rows),
        texts(rows),
        Arc::new(BinaryArray::from(vec![&b""[..]; rows])),
    ];
    if rows == 0 { Vec::new() } else { vec![batch(Table::Refused, columns)] }
}

fn events(sequence: i64, came: &Came) -> Vec<RecordBatch> {
    let rows = came.events;
    let columns = vec![
        longs(rows, sequence),
        Arc::new(Int32Array::from(vec![TENANTS[came.tenant].0; rows])) as ArrayRef,
        longs(rows, 0),
        texts(rows),
        texts(rows),
        texts(rows),
        // What a meter says of the time does not count.
        Arc::new(TimestampMicrosecondArray::from(vec![0; rows]).with_timezone("UTC")),
        longs(rows, 0),
        texts(rows),
        texts(rows),
        texts(rows),
        Arc::new(Int8Array::from(vec![0; rows])),
        longs(rows, 0),
    ];
    if rows == 0 { Vec::new() } else { vec![batch(Table::Events, columns)] }
}

async fn open(disk: &SimDisk) -> Result<Lake> {
    Lake::open(Arc::new(disk.clone()), Arc::new(ManualClock::new(Timestamp(NOW))), "lake", "e1").await
}

/// All records, a round each, and every second time all small files merged into one.
async fn filled(records: &[Came], merged: bool) -> SimDisk {
    let disk = SimDisk::new(4);
    let mut lake = open(&disk).await.expect("an empty disk");
    for (sequence, came) in (1..).zip(records) {
        let to = Position::done(Sequence(sequence));
        let sequence = sequence.cast_signed();
        for table in Table::OF_LANE {
            let rows = match table {
                Table::Sources => vec![source(sequence, came)],
                Table::Refused => refused(sequence, came),
                Table::Events => events(sequence, came),
                _ => Vec::new(),
            };
            lake.append(table, rows, to).await.expect("room enough");
        }
    }
    let limits = crate::CompactLimits { files_min: 2, ..crate::CompactLimits::default() };
    while merged && lake.compact(limits).await.expect("merges").files_before > 0 {}
    disk
}

/// As the process role does, to the end.
async fn retire(lake: &mut Lake, retention: &Retention, bodies: &HashSet<[u8; 32]>) -> Result<()> {
    lake.publish(Tail::default());
    let mut looked_through = LookedThrough::new();
    while let Some(job) = lake.retire_job(retention, &looked_through) {
        let work = job.run(&|sha256| bodies.contains(sha256))?;
        let looked = work.looked_through();
        if lake.finish_retirement(work).await?.expect("no corrections wait").gone.is_empty() {
            looked_through.extend([looked]);
        }
    }
    Ok(())
}

/// Sequence numbers of the rows of a table, one each.
fn numbers(lake: &Lake, table: ScanTable) -> Vec<i64> {
    let request = ScanRequest { columns: vec![0], ..ScanRequest::all(table) };
    let parts = lake.snapshot().scan(&request).expect("readable");
    let batches = parts.into_iter().flatten().map(|batch| batch.expect("readable"));
    let mut all: Vec<i64> =
        batches.flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
    all.sort_unstable();
    all
}

/// Whether a record is over, told by the calendar alone.
fn is_over(came: &Came, retain: &Retain) -> bool {
    let tenant = TENANTS[came.tenant];
    let age = retain.tenants.get(&tenant).copied().unwrap_or(retain.others);
    age.is_some_and(|age| Timestamp(NOW - came.days_ago * DAY).month() < Timestamp(NOW - age.0).month())
}

/// What is to stay of a table, as [`numbers`] gives it.
fn stays(records: &[Came], retain: &Retain, rows: impl Fn(&Came) -> usize) -> Vec<i64> {
    let numbered = (1..).zip(records).filter(|(_, came)| !is_over(came, retain));
    numbered.flat_map(|(sequence, came)| vec![sequence; rows(came)]).collect()
}

async fn agrees(lake: &mut Lake, records: &[Came], retention: &Retention, bodies: &HashSet<[u8; 32]>) {
    let refused = stays(records, &retention.refused, |came| came.refused);
    let events = stays(records, &retention.events, |came| came.events);
    assert_eq!(numbers(lake, ScanTable::Refused), refused);
    assert_eq!(numbers(lake, ScanTable::Events), events);
    let has_body = |came: &Came| came.body.is_some_and(|body| bodies.contains(&hash(body)));
    let numbered = (1..).zip(records).filter(|(_, came)| !is_over(came, &retention.sources) || has_body(came));
    assert_eq!(numbers(lake, ScanTable::Sources), numbered.map(|(sequence, _)| sequence).collect::<Vec<i64>>());
    accounts(lake, records).await;
}

/// Nothing is there and gone at once, or neither.
async fn accounts(lake: &mut Lake, records: &[Came]) {
    for (place, tenant) in TENANTS.into_iter().enumerate() {
        let of = |number: &i64| {
            let place_of = usize::try_from(number - 1).expect("from 1");
            records[place_of].tenant == place
        };
        let own: Vec<&Came> = records.iter().filter(|came| came.tenant == place).collect();
        let there = |lake: &Lake, table| numbers(lake, table).iter().filter(|number| of(number)).count() as u64;
        let gone = lake.retired(Table::Refused, tenant).await.expect("readable");
        assert_eq!(there(lake, ScanTable::Refused) + gone, own.iter().map(|came| came.refused as u64).sum::<u64>());
        let gone = lake.retired(Table::Events, tenant).await.expect("readable");
        assert_eq!(there(lake, ScanTable::Events) + gone, own.iter().map(|came| came.events as u64).sum::<u64>());
        let left: BTreeSet<i64> = numbers(lake, ScanTable::Sources).into_iter().filter(of).collect();
        let went = (1..).zip(records).filter(|(number, came)| came.tenant == place && !left.contains(number));
        let mut expected = RetiredSources::default();
        for (_, came) in went {
            expected.records += 1;
            expected.accepted += 5;
            expected.corrected += 2;
            expected.refused += came.refused as u64;
            expected.events += came.events as u64;
        }
        assert_eq!(lake.retired_sources(tenant).await.expect("readable"), expected);
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime").block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_younger_than_its_tenant_keeps_it_never_goes_and_the_rest_does(
        records in records(),
        of_refused in ages(),
        of_events in ages(),
        of_sources in ages(),
        bodies in proptest::collection::hash_set(0..3_u8, 0..3),
        merged in any::<bool>(),
    ) {
        let [refused, events, sources] = [of_refused, of_events, of_sources].map(retain);
        let retention = Retention { refused, events, sources, ..Retention::default() };
        let bodies: HashSet<[u8; 32]> = bodies.into_iter().map(hash).collect();
        block_on(async {
            let disk = filled(&records, merged).await;
            let mut lake = open(&disk).await.expect("opens");
            retire(&mut lake, &retention, &bodies).await.expect("room enough");
            agrees(&mut lake, &records, &retention, &bodies).await;
            drop(lake);
            let mut again = open(&disk.restart()).await.expect("opens");
            again.publish(Tail::default());
            agrees(&mut again, &records, &retention, &bodies).await;
        });
    }

    #[test]
    fn a_body_goes_only_if_every_record_that_brought_it_is_over(
        records in records(),
        of_archive in ages(),
        below in 1..14_u64,
    ) {
        let retain = retain(of_archive);
        block_on(async {
            let disk = filled(&records, false).await;
            let lake = open(&disk).await.expect("opens");
            let over = lake.snapshot().bodies_over(&retain, Timestamp(NOW), Sequence(below)).expect("readable");
            for body in 0..3 {
                let mut of_it = (1..).zip(&records).filter(|(_, came)| came.body == Some(body)).peekable();
                let came = of_it.peek().is_some();
                let all = of_it.all(|(number, came)| number < below && is_over(came, &retain));
                assert_eq!(over.contains(&hash(body)), came && all, "body {body} of {records:?}");
            }
        });
    }
}

/// Some of every kind, most of them over.
fn mostly_over() -> (Vec<Came>, Retention) {
    let came = |days_ago, tenant, body| Came { tenant, days_ago, body, events: 2, refused: 1 };
    let records =
        vec![came(300, 0, Some(1)), came(200, 1, None), came(190, 0, None), came(3, 0, Some(2)), came(1, 1, None)];
    let all = || Retain { others: Some(Span(60 * DAY)), ..Retain::default() };
    let retention = Retention { refused: all(), events: all(), sources: all(), ..Retention::default() };
    (records, retention)
}

#[tokio::test]
async fn a_power_cut_anywhere_counts_what_went_of_records_once() {
    let (records, retention) = mostly_over();
    let bodies = HashSet::new();
    let before = filled(&records, true).await;
    let whole = before.restart();
    let mut lake = open(&whole).await.expect("opens");
    let opened = whole.operations();
    retire(&mut lake, &retention, &bodies).await.expect("room enough");
    agrees(&mut lake, &records, &retention, &bodies).await;
    let operations = whole.operations() - opened;
    assert!(operations > 20, "{operations}");
    for at in 0..operations {
        for survival in [0, 11] {
            let disk = before.restart();
            let mut lake = open(&disk).await.expect("opens");
            disk.crash_at(opened + at);
            let _ = retire(&mut lake, &retention, &bodies).await;
            drop(lake);
            let mut lake = open(&disk.power_cycle(survival)).await.expect("opens again");
            lake.publish(Tail::default());
            accounts(&mut lake, &records).await;
            retire(&mut lake, &retention, &bodies).await.expect("goes on");
            agrees(&mut lake, &records, &retention, &bodies).await;
        }
    }
    println!("retirement of records: {operations} operations, {} trials", 2 * operations);
}

#[tokio::test]
async fn a_source_stays_while_the_archive_has_its_body_and_goes_after_it() {
    let (records, retention) = mostly_over();
    let disk = filled(&records, false).await;
    let mut lake = open(&disk).await.expect("opens");
    let bodies = HashSet::from([hash(1), hash(2)]);
    retire(&mut lake, &retention, &bodies).await.expect("room enough");
    assert_eq!(numbers(&lake, ScanTable::Sources), [1, 4, 5]);
    retire(&mut lake, &retention, &HashSet::from([hash(2)])).await.expect("room enough");
    assert_eq!(numbers(&lake, ScanTable::Sources), [4, 5]);
    agrees(&mut lake, &records, &retention, &HashSet::new()).await;
}

#[tokio::test]
async fn what_a_tenant_keeps_for_ever_does_not_go_because_another_kind_of_it_does() {
    let records = [Came { tenant: 1, days_ago: 319, body: None, events: 1, refused: 1 }];
    let others = Some(Span(288 * DAY));
    let events = Retain { others, ..Retain::default() };
    let sources = Retain { others, tenants: [(TENANTS[1], None)].into() };
    let retention = Retention { events, sources, ..Retention::default() };
    let mut lake = open(&filled(&records, false).await).await.expect("opens");
    retire(&mut lake, &retention, &HashSet::new()).await.expect("room enough");
    agrees(&mut lake, &records, &retention, &HashSet::new()).await;
    assert_eq!(numbers(&lake, ScanTable::Sources), [1]);
}
