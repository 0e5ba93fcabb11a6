//! A lake in memory: two tenants, some rows in files, some corrected, some not yet committed.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int8Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, SchemaRef};
use host::{ManualClock, SimDisk};
use meter::{
    ChannelId, Decimal, DeviceId, Flags, Quality, Row, RowKey, Sequence, Span, TenantId, Timestamp, Unit, Words,
};
use query::{Engine, Error, Format, Limits, Principal};
use store::{Lake, Position, Snapshot, Table, Tail, rows_to_batch};

/// The tenant most tests ask as.
pub(crate) const HOME: TenantId = TenantId(1);
pub(crate) const STRANGER: TenantId = TenantId(2);

/// One channel: id, whose, point, register, unit.
pub(crate) type Named = (i64, i32, &'static str, &'static str, Unit);

/// Readings to be stored.
pub(crate) struct Told {
    words: Words,
    rows: Vec<Row>,
}

impl Told {
    pub(crate) fn new() -> Told {
        Told { words: Words::new(), rows: Vec::new() }
    }

    /// Half an hour from `start`, said at `said` seconds of 2030.
    pub(crate) fn at(mut self, (channel, tenant): (i64, i32), start: &str, value: &str, unit: &str, said: i64) -> Told {
        let value = Decimal::parse(value).expect("a number");
        let start = Timestamp::parse(start).expect("a time");
        let message_time = Timestamp::from_seconds(1_893_456_000 + said).expect("in range");
        self.rows.push(Row {
            key: RowKey { tenant: TenantId(tenant), channel: ChannelId(channel), start, span: Span::from_minutes(30) },
            value,
            unit: self.words.intern(unit).expect("fits"),
            quality: self.words.intern("A").expect("fits"),
            canonical: Quality::Measured,
            reason: self.words.intern("").expect("fits"),
            flags: Flags::default(),
            device: DeviceId(if channel == 64 { 7 } else { 0 }),
            message_time,
            issued_at: message_time,
            sequence: Sequence(1),
        });
        self
    }

    pub(crate) fn batches(mut self) -> Vec<RecordBatch> {
        self.rows.sort_by_key(|row| row.key);
        if self.rows.is_empty() { Vec::new() } else { vec![rows_to_batch(&self.rows, &self.words)] }
    }
}

pub(crate) fn channels(named: &[Named]) -> RecordBatch {
    let count = named.len();
    let longs =
        |of: &dyn Fn(&Named) -> i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values(named.iter().map(of))) };
    let texts = |of: &dyn Fn(&Named) -> &'static str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(named.iter().map(of)))
    };
    let codes = |code: i8| -> ArrayRef { Arc::new(Int8Array::from(vec![code; count])) };
    let columns: Vec<ArrayRef> = vec![
        longs(&|n| n.0),
        Arc::new(Int32Array::from_iter_values(named.iter().map(|n| n.1))),
        texts(&|n| n.2),
        texts(&|_| ""),
        texts(&|n| n.3),
        codes(0),
        codes(1),
        codes(1),
        Arc::new(Int16Array::from_iter_values(named.iter().map(|n| i16::from(n.4.code())))),
        codes(0),
        Arc::new(Int32Array::from(vec![0; count])),
        longs(&|_| 1),
    ];
    RecordBatch::try_new(Table::Channels.schema(), columns).expect("as the schema says")
}

fn devices() -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![7, 8])),
        Arc::new(Int32Array::from(vec![1, 2])),
        Arc::new(StringArray::from(vec!["METER-7", "SECRET-8"])),
        Arc::new(Int32Array::from(vec![0, 0])),
        Arc::new(Int64Array::from(vec![1, 1])),
    ];
    RecordBatch::try_new(Table::Devices.schema(), columns).expect("as the schema says")
}

/// A row of a table for each tenant, texts named after whose they are.
pub(crate) fn one_each(table: Table) -> RecordBatch {
    let schema: SchemaRef = table.schema();
    let column = |(place, field): (usize, &Arc<arrow::datatypes::Field>)| -> ArrayRef {
        match field.data_type() {
            DataType::Int32 if place == table.tenant_column() => Arc::new(Int32Array::from(vec![1, 2])),
            DataType::Utf8 => Arc::new(StringArray::from(vec!["own", "SECRET"])),
            DataType::Binary => Arc::new(arrow::array::BinaryArray::from_vec(vec![b"own\xff", b"SECRET"])),
            other => {
                let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 1]));
                arrow::compute::cast(&numbers, other).expect("a number of some kind")
            }
        }
    };
    let columns = schema.fields().iter().enumerate().map(column).collect();
    RecordBatch::try_new(schema, columns).expect("as the schema says")
}

/// What is committed, and the tail beyond it.
pub(crate) struct Stored {
    pub named: Vec<Named>,
    pub readings: Vec<Told>,
    pub overlay: Vec<Told>,
    pub tail_readings: Told,
    pub tail_overlay: Told,
}

impl Stored {
    pub(crate) fn of(named: &[Named], readings: Told) -> Stored {
        Stored {
            named: named.to_vec(),
            readings: vec![readings],
            overlay: Vec::new(),
            tail_readings: Told::new(),
            tail_overlay: Told::new(),
        }
    }

    pub(crate) async fn snapshot(self) -> Arc<Snapshot> {
        let clock = Arc::new(ManualClock::new(Timestamp(1_900_000_000_000_000)));
        let disk = Arc::new(SimDisk::new(1));
        let mut lake = Lake::open(disk, clock, "lake", "0123456789abcdef").await.expect("opens");
        let once = Position::done(Sequence(1));
        lake.append(Table::Sources, vec![one_each(Table::Sources)], once).await.expect("commits");
        lake.append(Table::Channels, vec![channels(&self.named)], once).await.expect("commits");
        lake.append(Table::Devices, vec![devices()], once).await.expect("commits");
        lake.append(Table::Refused, vec![one_each(Table::Refused)], once).await.expect("commits");
        lake.append(Table::Events, vec![one_each(Table::Events)], once).await.expect("commits");
        for (round, told) in self.readings.into_iter().enumerate() {
            let to = Position::done(Sequence(round as u64 + 1));
            lake.append(Table::Readings, told.batches(), to).await.expect("commits");
        }
        for (round, told) in self.overlay.into_iter().enumerate() {
            let to = Position::done(Sequence(round as u64 + 1));
            lake.append(Table::Overlay, told.batches(), to).await.expect("commits");
        }
        lake.publish(Tail {
            readings: self.tail_readings.batches().into_iter().map(Into::into).collect(),
            overlay: self.tail_overlay.batches(),
            applied: Position::done(Sequence(9)),
            ..Tail::default()
        });
        lake.snapshot()
    }
}

/// Two meters of HOME, one of STRANGER; files of two months, a correction, a tail.
pub(crate) async fn town() -> Arc<Snapshot> {
    let named = [
        (64, 1, "NMI1", "E1", Unit::WattHour),
        (65, 1, "NMI1", "B1", Unit::WattHour),
        (128, 1, "NMI2", "E1", Unit::WattHour),
        (192, 2, "SECRET", "E1", Unit::WattHour),
    ];
    let first = Told::new()
        .at((64, 1), "2024-01-01T00:00:00Z", "1.5", "kWh", 0)
        .at((64, 1), "2024-01-01T00:30:00Z", "250", "Wh", 0)
        .at((65, 1), "2024-01-01T00:00:00Z", "0.125", "kWh", 0)
        .at((192, 2), "2024-01-01T00:00:00Z", "666", "kWh", 0);
    let second = Told::new()
        .at((64, 1), "2024-02-01T00:00:00Z", "3", "kWh", 0)
        .at((128, 1), "2024-02-01T00:00:00Z", "0.000000000000000001", "Wh", 0)
        .at((192, 2), "2024-02-01T00:00:00Z", "667", "kWh", 0);
    let mut stored = Stored::of(&named, first);
    stored.readings.push(second);
    stored.overlay.push(Told::new().at((64, 1), "2024-01-01T00:30:00Z", "260", "Wh", 5));
    stored.tail_readings = Told::new().at((128, 1), "2024-02-01T00:30:00Z", "4", "Wh", 0).at(
        (192, 2),
        "2024-02-01T00:30:00Z",
        "668",
        "kWh",
        0,
    );
    stored.tail_overlay = Told::new().at((64, 1), "2024-02-01T00:00:00Z", "2", "kWh", -5);
    stored.snapshot().await
}

pub(crate) fn limits() -> Limits {
    Limits { threads: NonZeroUsize::new(2).expect("not zero"), time_max: Duration::from_secs(60), ..Limits::default() }
}

/// The answer as CSV without its header, lines in the order they came.
pub(crate) async fn ask_under(
    limits: Limits,
    snapshot: &Arc<Snapshot>,
    tenant: TenantId,
    sql: &str,
) -> Result<String, Error> {
    let engine = Engine::new(limits).expect("starts");
    let session = engine.session(Principal { tenant }, snapshot.clone());
    let mut bytes = Vec::new();
    session.query(sql).await?.write(Format::Csv, &mut bytes).await?;
    let text = String::from_utf8(bytes).expect("text");
    Ok(text.split_once('\n').map_or("", |(_, rows)| rows).to_owned())
}

pub(crate) async fn ask(snapshot: &Arc<Snapshot>, sql: &str) -> Result<String, Error> {
    ask_under(limits(), snapshot, HOME, sql).await
}

pub(crate) async fn check(snapshot: &Arc<Snapshot>, sql: &str, expected: &str) {
    match ask(snapshot, sql).await {
        Ok(rows) => assert_eq!(rows.trim_end().replace('\n', " | "), expected, "{sql}"),
        Err(error) => panic!("{sql}: {error}"),
    }
}

/// The message of the error a query ends with.
pub(crate) async fn refused(snapshot: &Arc<Snapshot>, sql: &str) -> String {
    match ask(snapshot, sql).await {
        Ok(rows) => panic!("{sql} was answered: {rows}"),
        Err(error) => error.to_string(),
    }
}
