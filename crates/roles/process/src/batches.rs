//! Chunks as columns: what the five tables beside the readings get of one.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Int8Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use meter::Place;
use store::Table;

use crate::Error;
use crate::chunk::{Chunk, KeptEvent, KeptRefusal};
use crate::judge::Counts;

/// Names are stored plainly until a registry key seals them (D16).
const KEY_ID_PLAIN: i32 = 0;

pub fn source(chunk: &Chunk, counts: &Counts) -> Result<RecordBatch, Error> {
    let source = &chunk.source;
    let sha256 = source.sha256.as_ref().map(|hash| hash.as_slice());
    batch(
        Table::Sources,
        vec![
            long(source.sequence.0 as i64),
            Arc::new(Int32Array::from(vec![chunk.index as i32])),
            Arc::new(BooleanArray::from(vec![chunk.last])),
            Arc::new(Int32Array::from(vec![source.tenant.0])),
            Arc::new(Int8Array::from(vec![source.door])),
            text([source.format.as_str()]),
            text([source.object.as_str()]),
            text([source.message_id.as_str()]),
            Arc::new(BinaryArray::from_opt_vec(vec![sha256])),
            long(source.bytes),
            times([source.received_at.0]),
            long(counts.accepted),
            long(counts.duplicate),
            long(counts.corrected),
            long(chunk.refused_count),
            long(chunk.events.len() as i64),
            Arc::new(Int64Array::from(vec![chunk.duplicate_of.map(|sequence| sequence.0 as i64)])),
        ],
    )
}

pub fn channels(chunk: &Chunk) -> Result<RecordBatch, Error> {
    let new = &chunk.channels;
    let types = || new.iter().map(|c| c.reading_type);
    batch(
        Table::Channels,
        vec![
            longs(new.iter().map(|c| c.channel.0)),
            ints(new.iter().map(|c| c.tenant.0)),
            text(new.iter().map(|c| c.point.as_str())),
            text(new.iter().map(|c| c.device.as_str())),
            text(new.iter().map(|c| c.register.as_str())),
            bytes(types().map(|t| t.kind.code())),
            bytes(types().map(|t| t.commodity.code())),
            bytes(types().map(|t| t.flow.code())),
            Arc::new(types().map(|t| i16::from(t.unit.code())).collect::<Int16Array>()),
            bytes(types().map(|t| t.phase.code())),
            ints(new.iter().map(|_| KEY_ID_PLAIN)),
            longs(new.iter().map(|_| chunk.source.sequence.0 as i64)),
        ],
    )
}

pub fn devices(chunk: &Chunk) -> Result<RecordBatch, Error> {
    let new = &chunk.devices;
    batch(
        Table::Devices,
        vec![
            longs(new.iter().map(|d| d.device.0)),
            ints(new.iter().map(|d| d.tenant.0)),
            text(new.iter().map(|d| d.name.as_str())),
            ints(new.iter().map(|_| KEY_ID_PLAIN)),
            longs(new.iter().map(|_| chunk.source.sequence.0 as i64)),
        ],
    )
}

pub fn refused(chunk: &Chunk) -> Result<RecordBatch, Error> {
    let kept = &chunk.refused;
    let places = || kept.iter().map(|r: &KeptRefusal| place_of(r.place));
    batch(
        Table::Refused,
        vec![
            longs(kept.iter().map(|_| chunk.source.sequence.0 as i64)),
            ints(kept.iter().map(|_| chunk.source.tenant.0)),
            longs((0..kept.len()).map(|at| chunk.first_ordinal + at as i64)),
            Arc::new(places().map(|(kind, _)| kind).collect::<Int8Array>()),
            longs(places().map(|(_, at)| at)),
            text(kept.iter().map(|r| r.code.as_str())),
            text(kept.iter().map(|r| r.reason.as_str())),
            Arc::new(kept.iter().map(|r| Some(r.excerpt.as_slice())).collect::<BinaryArray>()),
        ],
    )
}

pub fn events(chunk: &Chunk) -> Result<RecordBatch, Error> {
    let kept = &chunk.events;
    let places = || kept.iter().map(|e: &KeptEvent| place_of(e.place));
    batch(
        Table::Events,
        vec![
            longs(kept.iter().map(|_| chunk.source.sequence.0 as i64)),
            ints(kept.iter().map(|_| chunk.source.tenant.0)),
            longs((0..kept.len()).map(|at| chunk.first_ordinal + at as i64)),
            text(kept.iter().map(|e| e.point.as_str())),
            text(kept.iter().map(|e| e.device.as_str())),
            text(kept.iter().map(|e| e.register.as_str())),
            times(kept.iter().map(|e| e.at.0)),
            longs(kept.iter().map(|e| e.span.0)),
            text(kept.iter().map(|e| e.kind.as_str())),
            text(kept.iter().map(|e| e.code.as_str())),
            text(kept.iter().map(|e| e.text.as_str())),
            Arc::new(places().map(|(kind, _)| kind).collect::<Int8Array>()),
            longs(places().map(|(_, at)| at)),
        ],
    )
}

fn place_of(place: Place) -> (i8, i64) {
    match place {
        Place::Line(line) => (0, line as i64),
        Place::Byte(byte) => (1, byte as i64),
        Place::Whole => (2, 0),
    }
}

fn batch(table: Table, columns: Vec<ArrayRef>) -> Result<RecordBatch, Error> {
    RecordBatch::try_new(table.schema(), columns).map_err(|source| Error::Columns { table: table.name(), source })
}

fn long(value: i64) -> ArrayRef {
    longs([value])
}

fn longs(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn ints(values: impl IntoIterator<Item = i32>) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(values))
}

/// Codes of vocabularies: all below 128, except units, which are shorts.
fn bytes(codes: impl IntoIterator<Item = u8>) -> ArrayRef {
    Arc::new(Int8Array::from_iter_values(codes.into_iter().map(|code| code as i8)))
}

fn times(micros: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone("UTC"))
}

fn text<'a>(texts: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(texts))
}
