//! Chunks as columns: what the five tables beside the readings get of them.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Int8Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use meter::Place;
use store::Table;

use crate::Error;
use crate::chunk::Chunk;
use crate::judge::Counts;

/// Names are stored plainly until a registry key seals them (D16).
const KEY_ID_PLAIN: i32 = 0;

/// One row a chunk.
pub fn sources(chunks: &[Chunk], counts: &[Counts]) -> Result<RecordBatch, Error> {
    let each = || chunks.iter().map(|chunk| &chunk.source);
    batch(
        Table::Sources,
        vec![
            longs(each().map(|source| source.sequence.0 as i64)),
            ints(chunks.iter().map(|chunk| chunk.index as i32)),
            Arc::new(BooleanArray::from_iter(chunks.iter().map(|chunk| Some(chunk.last)))),
            ints(each().map(|source| source.tenant.0)),
            Arc::new(Int8Array::from_iter_values(each().map(|source| source.door))),
            text(each().map(|source| source.format.as_str())),
            text(each().map(|source| source.object.as_str())),
            text(each().map(|source| source.message_id.as_str())),
            Arc::new(each().map(|source| source.sha256.as_ref()).collect::<BinaryArray>()),
            longs(each().map(|source| source.bytes)),
            times(each().map(|source| source.received_at.0)),
            longs(counts.iter().map(|counts| counts.accepted)),
            longs(counts.iter().map(|counts| counts.duplicate)),
            longs(counts.iter().map(|counts| counts.corrected)),
            longs(chunks.iter().map(|chunk| chunk.refused_count)),
            longs(chunks.iter().map(|chunk| chunk.events.len() as i64)),
            Arc::new(Int64Array::from_iter(chunks.iter().map(|c| c.duplicate_of.map(|sequence| sequence.0 as i64)))),
        ],
    )
}

pub fn channels(chunks: &[Chunk]) -> Result<RecordBatch, Error> {
    let new = || each(chunks, |chunk| &chunk.channels).map(|(_, channel)| channel);
    let types = || new().map(|c| c.reading_type);
    batch(
        Table::Channels,
        vec![
            longs(new().map(|c| c.channel.0)),
            ints(new().map(|c| c.tenant.0)),
            text(new().map(|c| c.point.as_str())),
            text(new().map(|c| c.device.as_str())),
            text(new().map(|c| c.register.as_str())),
            bytes(types().map(|t| t.kind.code())),
            bytes(types().map(|t| t.commodity.code())),
            bytes(types().map(|t| t.flow.code())),
            Arc::new(types().map(|t| i16::from(t.unit.code())).collect::<Int16Array>()),
            bytes(types().map(|t| t.phase.code())),
            ints(new().map(|_| KEY_ID_PLAIN)),
            longs(each(chunks, |chunk| &chunk.channels).map(|(chunk, _)| chunk.source.sequence.0 as i64)),
        ],
    )
}

pub fn devices(chunks: &[Chunk]) -> Result<RecordBatch, Error> {
    let new = || each(chunks, |chunk| &chunk.devices);
    batch(
        Table::Devices,
        vec![
            longs(new().map(|(_, d)| d.device.0)),
            ints(new().map(|(_, d)| d.tenant.0)),
            text(new().map(|(_, d)| d.name.as_str())),
            ints(new().map(|_| KEY_ID_PLAIN)),
            longs(new().map(|(chunk, _)| chunk.source.sequence.0 as i64)),
        ],
    )
}

pub fn refused(chunks: &[Chunk]) -> Result<RecordBatch, Error> {
    let kept = || each(chunks, |chunk| &chunk.refused);
    let places = || kept().map(|(_, r)| place_of(r.place));
    batch(
        Table::Refused,
        vec![
            longs(kept().map(|(chunk, _)| chunk.source.sequence.0 as i64)),
            ints(kept().map(|(chunk, _)| chunk.source.tenant.0)),
            longs(ordinals(chunks, |chunk| chunk.refused.len())),
            Arc::new(places().map(|(kind, _)| kind).collect::<Int8Array>()),
            longs(places().map(|(_, at)| at)),
            text(kept().map(|(_, r)| r.code.as_str())),
            text(kept().map(|(_, r)| r.reason.as_str())),
            Arc::new(BinaryArray::from_vec(kept().map(|(_, r)| r.excerpt.as_slice()).collect())),
        ],
    )
}

pub fn events(chunks: &[Chunk]) -> Result<RecordBatch, Error> {
    let kept = || each(chunks, |chunk| &chunk.events);
    let places = || kept().map(|(_, e)| place_of(e.place));
    batch(
        Table::Events,
        vec![
            longs(kept().map(|(chunk, _)| chunk.source.sequence.0 as i64)),
            ints(kept().map(|(chunk, _)| chunk.source.tenant.0)),
            longs(ordinals(chunks, |chunk| chunk.events.len())),
            text(kept().map(|(_, e)| e.point.as_str())),
            text(kept().map(|(_, e)| e.device.as_str())),
            text(kept().map(|(_, e)| e.register.as_str())),
            times(kept().map(|(_, e)| e.at.0)),
            longs(kept().map(|(_, e)| e.span.0)),
            text(kept().map(|(_, e)| e.kind.as_str())),
            text(kept().map(|(_, e)| e.code.as_str())),
            text(kept().map(|(_, e)| e.text.as_str())),
            Arc::new(places().map(|(kind, _)| kind).collect::<Int8Array>()),
            longs(places().map(|(_, at)| at)),
        ],
    )
}

/// Every item of every chunk, with its chunk.
fn each<'a, T: 'a>(
    chunks: &'a [Chunk],
    items: impl Fn(&'a Chunk) -> &'a Vec<T>,
) -> impl Iterator<Item = (&'a Chunk, &'a T)> {
    chunks.iter().flat_map(move |chunk| items(chunk).iter().map(move |item| (chunk, item)))
}

fn ordinals(chunks: &[Chunk], count: impl Fn(&Chunk) -> usize) -> impl Iterator<Item = i64> {
    chunks.iter().flat_map(move |chunk| (0..count(chunk)).map(|at| chunk.first_ordinal + at as i64))
}

fn place_of(place: Place) -> (i8, i64) {
    match place {
        Place::Line(line) => (0, line as i64),
        Place::Byte(byte) => (1, byte as i64),
        Place::Whole => (2, 0),
    }
}

fn batch(table: Table, columns: Vec<ArrayRef>) -> Result<RecordBatch, Error> {
    RecordBatch::try_new(table.schema(), columns).map_err(|cause| Error::Columns { table: table.name(), cause })
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
    // Arrow wants to know how many there are.
    Arc::new(StringArray::from_iter_values(texts.into_iter().collect::<Vec<_>>()))
}
