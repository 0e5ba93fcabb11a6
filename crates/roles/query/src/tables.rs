//! The eight tables SQL knows, column by column.
//!
//! Promise: a column has its unit in its name where it is a plain number; ids
//! of tenants and of encryption keys are not shown at all; nothing is null but
//! `sources.sha256` and `sources.duplicate_of`, an absent text is empty.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use meter::{Commodity, Flow, Kind, Phase, Unit};
use store::{ScanTable, column};

use crate::quantity;

/// How a column comes about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fill {
    /// As stored at this place.
    Stored(usize),
    /// The word for the code stored at this place.
    Word(usize, fn(i16) -> &'static str),
    /// Bytes stored at this place, made readable.
    Excerpt(usize),
    /// The rest is made for readings, from the channel's and the device's names.
    Point,
    Register,
    Device,
    End,
    Quantity,
    QuantityUnit,
    Kind,
    Commodity,
    Flow,
    Phase,
}

/// One table as SQL sees it.
#[derive(Debug)]
pub(crate) struct SqlTable {
    pub name: &'static str,
    pub source: ScanTable,
    pub fills: Vec<Fill>,
    pub schema: SchemaRef,
}

impl Fill {
    /// Places in the stored table it is made from.
    pub(crate) fn needs(self) -> &'static [usize] {
        match self {
            Fill::Stored(_) | Fill::Word(..) | Fill::Excerpt(_) => &[],
            Fill::Device => &[column::DEVICE],
            Fill::End => &[column::START, column::SPAN],
            Fill::Quantity => &[column::CHANNEL, column::VALUE, column::SCALE, column::UNIT_CODE],
            Fill::Point
            | Fill::Register
            | Fill::QuantityUnit
            | Fill::Kind
            | Fill::Commodity
            | Fill::Flow
            | Fill::Phase => &[column::CHANNEL],
        }
    }

    /// The one place it is made from, where that is known by number only.
    pub(crate) fn place(self) -> Option<usize> {
        match self {
            Fill::Stored(place) | Fill::Word(place, _) | Fill::Excerpt(place) => Some(place),
            _ => None,
        }
    }

    /// Whether the tenant's names are needed to make it.
    pub(crate) fn named(self) -> bool {
        !matches!(self, Fill::Stored(_) | Fill::Word(..) | Fill::Excerpt(_) | Fill::End)
    }

    fn kind(self, stored: &Schema) -> DataType {
        match self {
            Fill::Stored(place) => stored.field(place).data_type().clone(),
            Fill::End => stored.field(column::START).data_type().clone(),
            Fill::Quantity => DataType::Decimal128(quantity::PRECISION, quantity::SCALE),
            _ => DataType::Utf8,
        }
    }
}

/// All of them, in the order people meet them.
pub(crate) static TABLES: LazyLock<Vec<SqlTable>> = LazyLock::new(|| {
    vec![
        table("readings", ScanTable::Readings, readings()),
        table("readings_history", ScanTable::ReadingsHistory, readings()),
        table("latest", ScanTable::Latest, readings()),
        table("channels", ScanTable::Channels, channels()),
        table(
            "devices",
            ScanTable::Devices,
            vec![("device_id", Fill::Stored(0)), ("device", Fill::Stored(2)), ("seq", Fill::Stored(4))],
        ),
        table("sources", ScanTable::Sources, sources()),
        table("refused", ScanTable::Refused, refused()),
        table("events", ScanTable::Events, events()),
    ]
});

fn table(name: &'static str, source: ScanTable, columns: Vec<(&'static str, Fill)>) -> SqlTable {
    let stored = source.schema();
    let field = |(name, fill): &(&'static str, Fill)| {
        // A quantity is null in lists only; a query ends with an error instead.
        let stored_null = fill.place().is_some_and(|place| stored.field(place).is_nullable());
        let nullable = stored_null || matches!(fill, Fill::Quantity);
        Field::new(*name, fill.kind(&stored), nullable)
    };
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    SqlTable { name, source, fills: columns.into_iter().map(|(_, fill)| fill).collect(), schema }
}

fn readings() -> Vec<(&'static str, Fill)> {
    vec![
        ("point", Fill::Point),
        ("device", Fill::Device),
        ("register", Fill::Register),
        ("channel", Fill::Stored(column::CHANNEL)),
        ("start", Fill::Stored(column::START)),
        ("end", Fill::End),
        ("span_us", Fill::Stored(column::SPAN)),
        ("quantity", Fill::Quantity),
        ("quantity_unit", Fill::QuantityUnit),
        ("value", Fill::Stored(column::VALUE)),
        ("scale", Fill::Stored(column::SCALE)),
        ("unit", Fill::Stored(column::UNIT)),
        ("quality", Fill::Stored(column::QUALITY)),
        ("rank", Fill::Stored(column::RANK)),
        ("reason", Fill::Stored(column::REASON)),
        ("flags", Fill::Stored(column::FLAGS)),
        ("commodity", Fill::Commodity),
        ("kind", Fill::Kind),
        ("flow", Fill::Flow),
        ("phase", Fill::Phase),
        ("message_time", Fill::Stored(column::MESSAGE_TIME)),
        ("issued_at", Fill::Stored(column::ISSUED_AT)),
        ("seq", Fill::Stored(column::SEQ)),
    ]
}

fn channels() -> Vec<(&'static str, Fill)> {
    vec![
        ("channel", Fill::Stored(0)),
        ("point", Fill::Stored(2)),
        ("device", Fill::Stored(3)),
        ("register", Fill::Stored(4)),
        ("kind", Fill::Word(5, |code| small(code).and_then(Kind::from_code).map_or(NEWER, Kind::word))),
        ("commodity", Fill::Word(6, |code| small(code).and_then(Commodity::from_code).map_or(NEWER, Commodity::word))),
        ("flow", Fill::Word(7, |code| small(code).and_then(Flow::from_code).map_or(NEWER, Flow::word))),
        ("unit", Fill::Word(8, |code| small(code).map_or(NEWER, |code| Unit::from_code(code).symbol()))),
        ("phase", Fill::Word(9, |code| small(code).and_then(Phase::from_code).map_or(NEWER, Phase::word))),
        ("seq", Fill::Stored(11)),
    ]
}

fn sources() -> Vec<(&'static str, Fill)> {
    let mut columns = vec![("seq", Fill::Stored(0)), ("chunk", Fill::Stored(1)), ("last", Fill::Stored(2))];
    columns.push(("door", Fill::Word(4, door)));
    let rest = [
        ("format", 5),
        ("object", 6),
        ("message_id", 7),
        ("sha256", 8),
        ("bytes", 9),
        ("received_at", 10),
        ("accepted", 11),
        ("duplicate", 12),
        ("corrected", 13),
        ("refused", 14),
        ("events", 15),
        ("duplicate_of", 16),
    ];
    columns.extend(rest.map(|(name, place)| (name, Fill::Stored(place))));
    columns
}

fn refused() -> Vec<(&'static str, Fill)> {
    vec![
        ("seq", Fill::Stored(0)),
        ("ordinal", Fill::Stored(2)),
        ("place_kind", Fill::Word(3, place_kind)),
        ("place", Fill::Stored(4)),
        ("code", Fill::Stored(5)),
        ("reason", Fill::Stored(6)),
        ("excerpt", Fill::Excerpt(7)),
    ]
}

fn events() -> Vec<(&'static str, Fill)> {
    vec![
        ("seq", Fill::Stored(0)),
        ("ordinal", Fill::Stored(2)),
        ("point", Fill::Stored(3)),
        ("device", Fill::Stored(4)),
        ("register", Fill::Stored(5)),
        ("at", Fill::Stored(6)),
        ("span_us", Fill::Stored(7)),
        ("kind", Fill::Stored(8)),
        ("code", Fill::Stored(9)),
        ("text", Fill::Stored(10)),
        ("place_kind", Fill::Word(11, place_kind)),
        ("place", Fill::Stored(12)),
    ]
}

/// Written by a newer version than this one.
const NEWER: &str = "?";

fn small(code: i16) -> Option<u8> {
    u8::try_from(code).ok()
}

/// As the journal numbers its doors.
fn door(code: i16) -> &'static str {
    match code {
        1 => "http",
        2 => "file",
        _ => NEWER,
    }
}

fn place_kind(code: i16) -> &'static str {
    match code {
        0 => "line",
        1 => "byte",
        2 => "whole",
        _ => NEWER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stored_column_is_shown_under_a_fitting_name() {
        for table in TABLES.iter() {
            let stored = table.source.schema();
            for (field, fill) in table.schema.fields().iter().zip(&table.fills) {
                let Some(place) = fill.place() else { continue };
                let original = stored.field(place).name();
                let fits = field.name() == original
                    || matches!(
                        (field.name().as_str(), original.as_str()),
                        ("span_us", "span") | ("device_id", "device") | ("device", "name")
                    );
                assert!(fits, "{}: {} shows {original}", table.name, field.name());
            }
        }
    }

    #[test]
    fn no_table_shows_whose_it_is() {
        for table in TABLES.iter() {
            assert!(
                table.schema.column_with_name("tenant").is_none() && table.schema.column_with_name("key_id").is_none()
            );
        }
    }
}
