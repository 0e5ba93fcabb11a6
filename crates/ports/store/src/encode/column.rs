//! One column of a row group: cuts of values in, a column chunk out.
//!
//! A column of few distinct values is written as runs of numbers of a dictionary,
//! and a page takes in cuts for as long as it stays short. Any other is written in
//! several ways at first, and goes on in the one that was smallest. When values
//! become too many for a dictionary, the column goes on without.

use arrow::array::Array;
use arrow::compute::{filter, is_not_null};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::Result;
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescPtr;

use super::bits::width_of;
use super::delta::write_distances;
use super::distinct::{Integers, Texts};
use super::hybrid::{Run, write_runs};
use super::page::{Bounds, Chunk, DictionaryPage, Page};
use super::press::{Level, Press, Tried};
use super::values::Values;

/// After so many rows the way is settled: enough to tell, little to throw away.
const TRIAL_ROWS: usize = 1 << 15;
/// Or after so many bytes, so that what is not compressed yet stays little.
const TRIAL_BYTES: usize = 1 << 20;
/// Of integers packed to fewer bits a row in the first cut, nothing else is tried.
const TRIED_BITS: usize = 2;
/// Where a value stands this often in the first cut, nothing but numbers is tried.
const CALM_ROWS: usize = 32;
/// A page may take in so many cuts where none is skipped by it: registers of a device come in the
/// same messages one after the other, and compression sees that only within a page.
const WIDE_CUTS: usize = 4;
/// What wide pages must save, as a part of what others take: a reader of few rows reads more.
const WIDE_SAVING: usize = 16;
/// A page of so many runs takes no further cut: what is skipped is looked at run by run.
const PAGE_RUNS: usize = 1_024;

/// A column of the row group that is being written.
pub(crate) struct Column {
    descr: ColumnDescPtr,
    /// Pages follow the cuts and tell their bounds.
    keyed: bool,
    distinct: Distinct,
    /// Whether pages are numbers of distinct values; `direct` is another way beside it, or after it.
    by_number: bool,
    /// Whether one way is chosen and its compression too.
    settled: bool,
    /// How pages are compressed, if they are.
    level: Option<Level>,
    /// The page that still takes cuts.
    open: Open,
    numbered: Vec<Page>,
    direct: Vec<Track>,
    /// Of all pages, before compression.
    gathered_bytes: usize,
    rows: usize,
    nulls: usize,
    /// Of what was written directly; `distinct` knows the others.
    bounds: Bounds,
    /// Room that is used again by every cut.
    longs: Vec<i64>,
    begins: Vec<u32>,
    numbers: Vec<u32>,
}

/// Pages of values as they are, in one way.
struct Track {
    encoding: Encoding,
    /// Cuts a page takes in, and those that the open one has.
    cuts_max: usize,
    cuts: usize,
    /// Integers of the open page.
    open: Vec<i64>,
    bounds: Bounds,
    pages: Vec<Page>,
}

impl Track {
    fn new(encoding: Encoding, cuts_max: usize) -> Track {
        Track { encoding, cuts_max, cuts: 0, open: Vec::new(), bounds: None, pages: Vec::new() }
    }
}

#[derive(Default)]
struct Open {
    runs: Vec<Run>,
    rows: usize,
    bounds: Bounds,
}

enum Distinct {
    Integers(Integers),
    Texts(Texts),
}

impl Distinct {
    fn count(&self) -> usize {
        match self {
            Distinct::Integers(integers) => integers.values.len(),
            Distinct::Texts(texts) => texts.count(),
        }
    }
}

/// At most a page of rows.
struct Cut<'a> {
    /// Those that are not null.
    values: Values<'a>,
    /// Nulls among them.
    rows: usize,
    /// Which are null, where any may be.
    levels: Vec<u8>,
    /// Rows that differ from the one before, if they are to get numbers.
    begins: &'a [u32],
}

impl Column {
    pub(crate) fn new(descr: ColumnDescPtr, keyed: bool) -> Column {
        let kind = descr.physical_type();
        let distinct = match kind {
            Type::INT32 | Type::INT64 => Distinct::Integers(Integers::default()),
            _ => Distinct::Texts(Texts::default()),
        };
        Column {
            descr,
            keyed,
            distinct,
            // Of truths there are two: they are as short as numbers of them would be.
            by_number: kind != Type::BOOLEAN,
            settled: false,
            level: None,
            open: Open::default(),
            numbered: Vec::new(),
            direct: Vec::new(),
            gathered_bytes: 0,
            rows: 0,
            nulls: 0,
            bounds: None,
            longs: Vec::new(),
            begins: Vec::new(),
            numbers: Vec::new(),
        }
    }

    /// The next rows, at least one and at most a page.
    pub(crate) fn take(&mut self, array: &dyn Array, press: &mut Press) {
        let mut longs = std::mem::take(&mut self.longs);
        let mut begins = std::mem::take(&mut self.begins);
        let kept;
        let present = if array.null_count() == 0 {
            array
        } else {
            kept = is_not_null(array).and_then(|kept| filter(array, &kept)).expect("as long as each other");
            kept.as_ref()
        };
        let values = Values::of(present, &mut longs);
        begins.clear();
        if self.by_number {
            values.begins(&mut begins);
        }
        let levels = if self.nullable() { levels_of(array, &mut self.numbers) } else { Vec::new() };
        self.take_cut(&Cut { values, rows: array.len(), levels, begins: &begins }, press);
        (self.longs, self.begins) = (longs, begins);
        self.nulls += array.null_count();
        if !self.settled && self.is_told() {
            self.settle(press);
        }
    }

    fn take_cut(&mut self, cut: &Cut<'_>, press: &mut Press) {
        if self.by_number && !self.number(cut) {
            self.too_many(press);
        }
        let few = self.by_number && self.distinct.count() * CALM_ROWS <= cut.rows;
        if self.rows == 0 && !few || !self.by_number && self.direct.is_empty() {
            self.begin_directly(cut);
        }
        // Those of distinct values are known at the end.
        let bounds = if self.keyed || !self.direct.is_empty() { bounds_of(&cut.values) } else { None };
        if self.by_number {
            self.open.rows += cut.rows;
            self.open.bounds = bounds;
            if self.keyed || self.nullable() || self.open.runs.len() > PAGE_RUNS {
                self.close_open(&cut.levels, press);
            }
        }
        let mut tracks = std::mem::take(&mut self.direct);
        for track in &mut tracks {
            match &cut.values {
                Values::Integers(values) if track.cuts_max > 1 => {
                    track.open.extend_from_slice(values);
                    track.bounds = wider(track.bounds, bounds);
                    track.cuts += 1;
                    if track.cuts == track.cuts_max {
                        self.close_track(track, press);
                    }
                }
                values => {
                    let mut payload = cut.levels.clone();
                    write_as(track.encoding, self.descr.physical_type(), values, &mut payload);
                    track.pages.push(self.page(cut.rows, track.encoding, payload, bounds, press));
                }
            }
        }
        self.direct = tracks;
        self.rows += cut.rows;
        self.bounds = wider(self.bounds, bounds);
    }

    /// The ways that are worth a try for values like these.
    fn begin_directly(&mut self, cut: &Cut<'_>) {
        let kind = self.descr.physical_type();
        // Of narrow integers, distances that wrap are not read alike everywhere.
        let mut ways = vec![if kind == Type::INT64 { Encoding::DELTA_BINARY_PACKED } else { Encoding::PLAIN }];
        if kind == Type::INT64 {
            let mut payload = Vec::new();
            write_as(ways[0], kind, &cut.values, &mut payload);
            // Compression makes little of packed bits: numbers far from their neighbours but often the
            // same or of like size are shorter as they are, compressed. Without it they are not. What
            // comes first may be the calmest of a device's registers, so much is tried where it can be.
            let packed_bits = 8 * payload.len() / cut.rows;
            let worth = if self.settled { self.level.is_some() && packed_bits >= 8 } else { packed_bits >= TRIED_BITS };
            if worth {
                ways.push(Encoding::PLAIN);
            }
        }
        if self.settled {
            ways.drain(..ways.len() - 1);
        }
        let wide = kind == Type::INT64 && !self.settled && !self.keyed && !self.nullable();
        let widths = if wide { &[1, WIDE_CUTS][..] } else { &[1] };
        let of = |encoding| widths.iter().map(move |cuts_max| Track::new(encoding, *cuts_max));
        self.direct = ways.into_iter().flat_map(of).collect();
    }

    /// Ends a track's open page, if it has one.
    fn close_track(&mut self, track: &mut Track, press: &mut Press) {
        if std::mem::take(&mut track.cuts) == 0 {
            return;
        }
        let (values, bounds) = (std::mem::take(&mut track.open), track.bounds.take());
        let mut payload = Vec::new();
        write_as(track.encoding, self.descr.physical_type(), &Values::Integers(&values), &mut payload);
        track.pages.push(self.page(values.len(), track.encoding, payload, bounds, press));
        track.open = values;
        track.open.clear();
    }

    /// Ends the open pages of all tracks.
    fn close_tracks(&mut self, press: &mut Press) {
        let mut tracks = std::mem::take(&mut self.direct);
        tracks.iter_mut().for_each(|track| self.close_track(track, press));
        self.direct = tracks;
    }

    /// Appends the cut's runs to the open page; false if there are too many values.
    fn number(&mut self, cut: &Cut<'_>) -> bool {
        let runs = &mut self.open.runs;
        let kept = runs.len();
        for (place, begin) in cut.begins.iter().enumerate() {
            let row = *begin as usize;
            let number = match (&mut self.distinct, &cut.values) {
                (Distinct::Integers(distinct), Values::Integers(values)) => distinct.number_of(values[row]),
                (Distinct::Texts(distinct), values) => distinct.number_of(values.text(row)),
                _ => unreachable!("a column is of one type"),
            };
            let Some(number) = number else {
                runs.truncate(kept);
                return false;
            };
            let end = cut.begins.get(place + 1).map_or(cut.values.len(), |next| *next as usize);
            runs.push(Run { number, rows: (end - row) as u32 });
        }
        // The open page's last run may go on.
        if let (Some(before), Some(first)) = (kept.checked_sub(1), runs.get(kept).copied())
            && runs[before].number == first.number
        {
            runs[before].rows += first.rows;
            runs.remove(kept);
        }
        true
    }

    /// The dictionary is full: it is given up, or what follows is written without it.
    fn too_many(&mut self, press: &mut Press) {
        self.by_number = false;
        if !self.direct.is_empty() || self.rows == 0 {
            self.numbered.clear();
            self.open = Open::default();
        } else if self.open.rows > 0 {
            self.close_open(&[], press);
        }
    }

    fn close_open(&mut self, levels: &[u8], press: &mut Press) {
        let open = std::mem::take(&mut self.open);
        let mut payload = levels.to_vec();
        // Not every reader knows numbers of no bits, which one value alone would have.
        let largest = open.runs.iter().map(|run| run.number).max().unwrap_or(0).max(1);
        let width = width_of(u64::from(largest));
        payload.push(width as u8);
        write_runs(&open.runs, width, &mut self.numbers, &mut payload);
        let page = self.page(open.rows, Encoding::RLE_DICTIONARY, payload, open.bounds, press);
        self.numbered.push(page);
        self.open.runs = open.runs;
        self.open.runs.clear();
    }

    /// A page, compressed if the chunk is settled to be.
    fn page(&mut self, rows: usize, encoding: Encoding, payload: Vec<u8>, bounds: Bounds, press: &mut Press) -> Page {
        self.gathered_bytes += payload.len();
        let plain_bytes = payload.len();
        let payload = match self.level {
            Some(level) => press.pressed(&payload, level),
            None => payload,
        };
        Page { rows, encoding, payload, plain_bytes, bounds }
    }

    /// Whether it is time to choose. Of one way there is only compression left to choose.
    fn is_told(&self) -> bool {
        let ways = usize::from(self.by_number) + self.direct.len();
        self.gathered_bytes >= TRIAL_BYTES || ways > 1 && self.rows >= TRIAL_ROWS
    }

    /// Chooses the smallest way, and whether to compress it.
    fn settle(&mut self, press: &mut Press) {
        if self.open.rows > 0 {
            self.close_open(&[], press);
        }
        self.close_tracks(press);
        self.settled = true;
        let dictionary = self.dictionary();
        let dictionary = dictionary.as_ref().map(|page| page.payload.as_slice());
        let numbered = payloads(&self.numbered);
        // While numbers are a way, the others are beside them; else they follow.
        let alone = self.by_number.then(|| (None, press.try_on(&numbered, dictionary)));
        let (before, dictionary) = if self.by_number { (Vec::new(), None) } else { (numbered, dictionary) };
        let tracks = self.direct.iter().enumerate().map(|(place, track)| {
            let pages = [before.clone(), payloads(&track.pages)].concat();
            (Some(place), press.try_on(&pages, dictionary))
        });
        let tried: Vec<(Option<usize>, Tried)> = alone.into_iter().chain(tracks).collect();
        let weight = |(place, tried): &(Option<usize>, Tried)| {
            let is_wide = place.is_some_and(|place| self.direct[place].cuts_max > 1);
            tried.bytes + if is_wide { tried.bytes / WIDE_SAVING } else { 0 }
        };
        let Some((chosen, tried)) = tried.into_iter().min_by_key(weight) else { return };
        match chosen {
            None => self.direct.clear(),
            Some(place) => {
                self.direct = vec![self.direct.swap_remove(place)];
                if self.by_number {
                    (self.by_number, self.numbered) = (false, Vec::new());
                }
            }
        }
        if let Some((level, pressed)) = tried.pressed {
            self.level = Some(level);
            let pages = self.numbered.iter_mut().chain(self.direct.iter_mut().flat_map(|track| &mut track.pages));
            pages.zip(pressed).for_each(|(page, pressed)| page.payload = pressed);
        }
    }

    /// The distinct values, if any page has numbers of them.
    fn dictionary(&self) -> Option<DictionaryPage> {
        if self.numbered.is_empty() {
            return None;
        }
        let mut payload = Vec::new();
        match &self.distinct {
            Distinct::Texts(texts) => payload.extend_from_slice(&texts.bytes),
            Distinct::Integers(integers) => {
                Values::Integers(&integers.values).write_plain(width_bytes(self.descr.physical_type()), &mut payload);
            }
        }
        Some(DictionaryPage { values: self.distinct.count(), plain_bytes: payload.len(), payload })
    }

    /// The column chunk of all rows taken: its bytes, and what the footer says of it.
    pub(crate) fn end(mut self, press: &mut Press) -> Result<(Bytes, ColumnCloseResult)> {
        if !self.settled {
            self.settle(press);
        }
        if self.open.rows > 0 {
            self.close_open(&[], press);
        }
        self.close_tracks(press);
        let mut dictionary = self.dictionary();
        if let (Some(dictionary), Some(level)) = (dictionary.as_mut(), self.level) {
            dictionary.payload = press.pressed(&dictionary.payload, level);
        }
        let statistics = self.statistics();
        let mut pages = self.numbered;
        self.direct.iter_mut().for_each(|track| pages.append(&mut track.pages));
        let compression = self.level.map_or(Compression::UNCOMPRESSED, Press::codec);
        Chunk { descr: self.descr, compression, dictionary, pages, statistics, keyed: self.keyed }.close()
    }

    /// Nobody skips by texts; of integers, the least and the greatest.
    fn statistics(&self) -> Option<Statistics> {
        let bounds = self.bounds();
        let (least, greatest) = (bounds.map(|b| b.0), bounds.map(|b| b.1));
        let narrow = |value: i64| i32::try_from(value).expect("widened from no more than 32 bits");
        let nulls = Some(self.nulls as u64);
        match self.descr.physical_type() {
            Type::INT64 => Some(Statistics::int64(least, greatest, None, nulls, false)),
            Type::INT32 => Some(Statistics::int32(least.map(narrow), greatest.map(narrow), None, nulls, false)),
            _ => None,
        }
    }

    /// The least and the greatest integer taken.
    pub(crate) fn bounds(&self) -> Bounds {
        match &self.distinct {
            // Also those that a full dictionary has no numbers for in the end: they were taken.
            Distinct::Integers(integers) => wider(self.bounds, bounds_of(&Values::Integers(&integers.values))),
            Distinct::Texts(_) => None,
        }
    }

    fn nullable(&self) -> bool {
        self.descr.max_def_level() > 0
    }
}

fn write_as(encoding: Encoding, kind: Type, values: &Values<'_>, out: &mut Vec<u8>) {
    match (encoding, values) {
        (Encoding::DELTA_BINARY_PACKED, Values::Integers(values)) => write_distances(values, out),
        (_, values) => values.write_plain(width_bytes(kind), out),
    }
}

fn payloads(pages: &[Page]) -> Vec<&[u8]> {
    pages.iter().map(|page| page.payload.as_slice()).collect()
}

/// Bytes of an integer of this type.
pub(crate) fn width_bytes(kind: Type) -> usize {
    if kind == Type::INT32 { 4 } else { 8 }
}

fn bounds_of(values: &Values<'_>) -> Bounds {
    let Values::Integers(values) = values else { return None };
    let (first, more) = values.split_first()?;
    Some(more.iter().fold((*first, *first), |(least, greatest), value| (least.min(*value), greatest.max(*value))))
}

fn wider(one: Bounds, other: Bounds) -> Bounds {
    match (one, other) {
        (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
        (one, other) => one.or(other),
    }
}

/// Which rows are there, as Parquet writes it before the values.
fn levels_of(array: &dyn Array, spare: &mut Vec<u32>) -> Vec<u8> {
    let mut runs: Vec<Run> = Vec::new();
    for row in 0..array.len() {
        let number = u32::from(array.is_valid(row));
        match runs.last_mut() {
            Some(run) if run.number == number => run.rows += 1,
            _ => runs.push(Run { number, rows: 1 }),
        }
    }
    let mut levels = vec![0; 4];
    write_runs(&runs, 1, spare, &mut levels);
    let length = u32::try_from(levels.len() - 4).expect("a page of bits");
    levels[..4].copy_from_slice(&length.to_le_bytes());
    levels
}
