//! What was taken comes back, value for value, through the library's reader:
//! any columns, cut anywhere, all of it or some rows of some columns.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Int8Array, Int16Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use host::Seeded;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector};
use parquet::arrow::{ArrowSchemaConverter, ProjectionMask};
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::writer::SerializedFileWriter;
use proptest::prelude::*;

use super::Group;

const PAGE: usize = 4_096;

/// How the values of a column follow each other.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Constant,
    /// Runs of about so many rows, each of a value of its own.
    Runs(u32),
    /// The same so many values over and over.
    Turns(u32),
    /// A fixed step, with a jump back now and then.
    Steps(u32),
    /// Small numbers without order.
    Small,
    /// Any number at all, the extremes among them.
    Any,
    /// Constant at first, then any.
    Breaks,
    /// Registers of a device, 4,200 rows each: a counter, then some that jump between few values.
    Registers,
}

fn any_shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Constant),
        (1_u32..3_000).prop_map(Shape::Runs),
        (1_u32..3_000).prop_map(Shape::Turns),
        (1_u32..3_000).prop_map(Shape::Steps),
        Just(Shape::Small),
        Just(Shape::Any),
        Just(Shape::Breaks),
        Just(Shape::Registers),
    ]
}

fn numbers(shape: Shape, rows: usize, chance: &mut Seeded) -> Vec<i64> {
    let extremes = [i64::MIN, i64::MAX, 0, -1, i64::MIN + 1, i64::MAX - 1];
    let any = |chance: &mut Seeded| match chance.below(8) {
        0 => extremes[chance.below(6) as usize],
        1 => -(chance.below(100) as i64),
        _ => (chance.below(1 << 32) << 32 | chance.below(1 << 32)) as i64,
    };
    let base = any(chance);
    let mut last = base;
    (0..rows)
        .map(|row| {
            last = match shape {
                Shape::Constant => base,
                Shape::Runs(long) => {
                    if chance.below(u64::from(long)) == 0 {
                        any(chance)
                    } else {
                        last
                    }
                }
                Shape::Turns(count) => base.wrapping_add(row as i64 % i64::from(count) * 60_000_000),
                Shape::Steps(long) => base.wrapping_add(row as i64 % i64::from(long) * 1_800_000_000),
                Shape::Small => chance.below(1_000) as i64,
                Shape::Registers if row / 4_200 % 3 == 0 => last.wrapping_add(chance.below(12) as i64),
                Shape::Registers => (chance.below(3) / 2 * chance.below(90) * (60 + row as u64 / 4_200)).cast_signed(),
                Shape::Breaks if row < 5_000 => base,
                Shape::Any | Shape::Breaks => any(chance),
            };
            last
        })
        .collect()
}

/// One column of each type that our tables have, some of them with nulls.
fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let field = |name: &str, kind, nulls| Field::new(name, kind, nulls);
    Arc::new(Schema::new(vec![
        field("key", DataType::Int64, false),
        field("key_narrow", DataType::Int32, false),
        field("at", time, false),
        field("long", DataType::Int64, false),
        field("tiny", DataType::Int8, false),
        field("short", DataType::Int16, false),
        field("text", DataType::Utf8, false),
        field("truth", DataType::Boolean, false),
        field("bytes_or_null", DataType::Binary, true),
        field("long_or_null", DataType::Int64, true),
    ]))
}

fn batch_of(shapes: &[Shape; 10], rows: usize, chance: &mut Seeded) -> RecordBatch {
    let mut of = |place: usize| numbers(shapes[place], rows, chance);
    let texts: Vec<String> =
        of(6).iter().map(|n| "x".repeat((n % 7).unsigned_abs() as usize) + &n.to_string()).collect();
    let gaps = of(8);
    let some = |n: &i64| (n % 3 != 0).then_some(*n);
    let bytes: Vec<Option<Vec<u8>>> =
        gaps.iter().map(|n| some(n).map(|n| n.to_le_bytes()[..(n & 7) as usize].to_vec())).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(of(0))),
        Arc::new(Int32Array::from_iter_values(of(1).iter().map(|n| *n as i32))),
        Arc::new(TimestampMicrosecondArray::from(of(2)).with_timezone("UTC")),
        Arc::new(Int64Array::from(of(3))),
        Arc::new(Int8Array::from_iter_values(of(4).iter().map(|n| *n as i8))),
        Arc::new(Int16Array::from_iter_values(of(5).iter().map(|n| *n as i16))),
        Arc::new(StringArray::from_iter_values(texts)),
        Arc::new(BooleanArray::from_iter(of(7).iter().map(|n| Some(n & 1 == 1)))),
        Arc::new(BinaryArray::from_iter(bytes)),
        Arc::new(Int64Array::from_iter(of(9).iter().map(some))),
    ];
    RecordBatch::try_new(schema(), columns).expect("as the schema says")
}

/// A file of groups of so many pages.
fn written(batch: &RecordBatch, group_pages: usize) -> Bytes {
    let descriptor = ArrowSchemaConverter::new().convert(&batch.schema()).expect("types of ours");
    let mut file = SerializedFileWriter::new(Vec::new(), descriptor.root_schema_ptr(), Arc::default()).expect("memory");
    let mut group = Group::new(&descriptor, &[0, 1]);
    let mut at = 0;
    while at < batch.num_rows() {
        let count = PAGE.min(batch.num_rows() - at);
        group.take(&batch.slice(at, count));
        at += count;
        if group.rows() >= group_pages * PAGE || at == batch.num_rows() {
            group.end(&mut file).expect("memory");
        }
    }
    file.into_inner().expect("memory").into()
}

fn read(file: &Bytes, wanted: Option<RowSelection>, columns: &[usize]) -> (RecordBatch, Arc<ParquetMetaData>) {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required).with_schema(schema());
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file.clone(), options).expect("a footer");
    let metadata = builder.metadata().clone();
    let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
    let mut builder = builder.with_projection(mask).with_batch_size(1_000);
    if let Some(wanted) = wanted {
        builder = builder.with_row_selection(wanted);
    }
    let reader = builder.build().expect("pages");
    let projected = Arc::new(schema().project(columns).expect("columns there are"));
    let batches: Vec<RecordBatch> = reader.map(|batch| batch.expect("readable")).collect();
    (concat_batches(&projected, &batches).expect("of one schema"), metadata)
}

/// Rows taken and left in turns of these lengths, up to the end.
fn turns(lengths: &[usize], rows: usize) -> (RowSelection, Vec<bool>) {
    let (mut selectors, mut taken, mut skip) = (Vec::new(), Vec::new(), true);
    for length in lengths.iter().cycle() {
        let count = (*length).min(rows - taken.len());
        selectors.push(if skip { RowSelector::skip(count) } else { RowSelector::select(count) });
        taken.resize(taken.len() + count, !skip);
        skip = !skip;
        if taken.len() == rows {
            break;
        }
    }
    (selectors.into(), taken)
}

fn check(shapes: &[Shape; 10], rows: usize, group_pages: usize, lengths: &[usize], columns: &[usize], seed: u64) {
    let batch = batch_of(shapes, rows, &mut Seeded::new(seed));
    let file = written(&batch, group_pages);
    let all: Vec<usize> = (0..10).collect();
    let (found, metadata) = read(&file, None, &all);
    assert!(found == batch, "all of {shapes:?}");
    pages_tell_the_truth(&batch, &metadata);
    let (selection, taken) = turns(lengths, rows);
    let wanted = arrow::compute::filter_record_batch(&batch, &BooleanArray::from(taken)).expect("as long");
    let (found, _) = read(&file, Some(selection), columns);
    assert!(found == wanted.project(columns).expect("columns there are"), "{columns:?} of {shapes:?}");
}

/// Keys' pages agree, and bounds are those of the values.
fn pages_tell_the_truth(batch: &RecordBatch, metadata: &ParquetMetaData) {
    let mut group_at = 0;
    for (number, group) in metadata.row_groups().iter().enumerate() {
        let rows = group.num_rows() as usize;
        let keys = batch.column(0).slice(group_at, rows);
        let keys = keys.as_any().downcast_ref::<Int64Array>().expect("longs").values().to_vec();
        let locations = |place: usize| metadata.offset_index().expect("asked for")[number][place].page_locations();
        let firsts = |place| locations(place).iter().map(|page| page.first_row_index as usize).collect::<Vec<_>>();
        assert_eq!(firsts(0), (0..rows).step_by(PAGE).collect::<Vec<_>>());
        assert_eq!(firsts(0), firsts(1));
        let index = &metadata.column_index().expect("asked for")[number][0];
        let parquet::file::page_index::column_index::ColumnIndexMetaData::INT64(index) = index else { panic!("longs") };
        for (page, keys) in keys.chunks(PAGE).enumerate() {
            assert_eq!(index.min_value(page), keys.iter().min());
            assert_eq!(index.max_value(page), keys.iter().max());
        }
        let statistics = group.column(0).statistics().expect("integers have some");
        let bounds = [keys.iter().min(), keys.iter().max()].map(|key| key.expect("rows").to_le_bytes().to_vec());
        assert_eq!(statistics.min_bytes_opt().map(<[u8]>::to_vec).as_ref(), Some(&bounds[0]));
        assert_eq!(statistics.max_bytes_opt().map(<[u8]>::to_vec).as_ref(), Some(&bounds[1]));
        group_at += rows;
    }
    assert_eq!(group_at, batch.num_rows());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 24 } else { 200 }))]
    #[test]
    fn what_was_taken_comes_back(
        shapes in proptest::array::uniform10(any_shape()),
        rows in prop_oneof![1_usize..70, Just(PAGE), PAGE - 1..PAGE + 2, 1..12 * PAGE],
        group_pages in 1_usize..16,
        lengths in proptest::collection::vec(prop_oneof![1_usize..40, 1_usize..9_000], 1..6),
        columns in proptest::sample::subsequence((0..10).collect::<Vec<usize>>(), 1..10),
        seed in any::<u64>(),
    ) {
        check(&shapes, rows, group_pages, &lengths, &columns, seed);
    }
}

#[test]
fn what_changes_its_nature_comes_back() {
    // Long enough for every way to be settled, and for a dictionary to fill up after that.
    let all: Vec<usize> = (0..10).collect();
    check(&[Shape::Breaks; 10], 24 * PAGE, 30, &[100, 5_000, 3], &all, 1);
    check(&[Shape::Runs(9); 10], 24 * PAGE, 30, &[4_000, 200], &all, 2);
    check(&[Shape::Small; 10], 12 * PAGE + 7, 5, &[1, 1, 9_000], &all, 3);
}

/// How the column `long` is written, and in how many bytes.
fn how(shape: Shape, rows: usize) -> (Vec<Encoding>, Compression, i64) {
    let batch = batch_of(&[shape; 10], rows, &mut Seeded::new(4));
    let (_, metadata) = read(&written(&batch, 100), None, &[3]);
    let chunk = metadata.row_group(0).column(3);
    let encodings = chunk.encodings().filter(|e| !matches!(e, Encoding::RLE | Encoding::PLAIN)).collect();
    (encodings, chunk.compression(), chunk.compressed_size())
}

#[test]
fn each_shape_is_written_in_the_way_that_suits_it() {
    let rows = 20 * PAGE;
    let (ways, compression, bytes) = how(Shape::Constant, rows);
    assert_eq!((ways, compression), (vec![Encoding::RLE_DICTIONARY], Compression::UNCOMPRESSED));
    assert!(bytes < 70, "one page for all: {bytes}");
    let (ways, _, bytes) = how(Shape::Steps(1_488), rows);
    assert_eq!(ways, [Encoding::DELTA_BINARY_PACKED]);
    assert!(bytes < rows as i64 / 20, "{bytes}");
    let (ways, _, bytes) = how(Shape::Small, rows);
    assert_eq!(ways, [Encoding::RLE_DICTIONARY]);
    assert!(bytes < rows as i64 * 13 / 10, "{bytes}");
    let (_, compression, bytes) = how(Shape::Any, rows);
    assert!(bytes < rows as i64 * 33 / 4, "noise takes little more than its own size: {bytes}, {compression}");
    let (ways, _, bytes) = how(Shape::Registers, rows);
    assert!(ways.is_empty() && bytes < rows as i64 * 5 / 4, "only the first is calm: {ways:?}, {bytes}");
    let (ways, _, _) = how(Shape::Breaks, rows);
    assert!(ways.contains(&Encoding::RLE_DICTIONARY), "numbers first, then without");
}
