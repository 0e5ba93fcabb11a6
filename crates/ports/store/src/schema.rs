//! The eight tables, column by column, as any engine sees them.
//!
//! Delta knows no unsigned numbers: scales and codes are signed bytes, flags an
//! `int`, sequence numbers a `long`. No column may be null unless said so.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::DataType::{self, Binary, Boolean, Int8, Int16, Int32, Int64, Utf8};
use arrow::datatypes::{Field, Schema, SchemaRef, TimeUnit};

/// The tables, in the order in which a round commits those of the lane: names before
/// what uses them, `sources` first so that a row's `seq` always leads somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// What arrived, one row per record and chunk.
    Sources,
    /// Streams of readings, by their names.
    Channels,
    /// Devices that readings name.
    Devices,
    /// What was not understood.
    Refused,
    /// What was said besides quantities.
    Events,
    /// Base: exactly one row per key ever stored. Corrected by the overlay.
    Readings,
    /// Versions of keys that stood in `readings` already, until a fold.
    Overlay,
    /// Earlier versions, written by folds.
    History,
}

/// Columns of `readings`, `overlay` and `history` by place.
pub mod column {
    /// Whose reading it is.
    pub const TENANT: usize = 0;
    /// The stream it belongs to.
    pub const CHANNEL: usize = 1;
    /// Start of the interval, or the instant of the read.
    pub const START: usize = 2;
    /// Length in microseconds; zero for register reads and spot values.
    pub const SPAN: usize = 3;
    /// The digits without their point.
    pub const VALUE: usize = 4;
    /// Digits after the point.
    pub const SCALE: usize = 5;
    /// As spelled by the source.
    pub const UNIT: usize = 6;
    /// What the spelling means ([`meter::Unit::code`]): part of a version's content.
    pub const UNIT_CODE: usize = 7;
    /// The source's own word.
    pub const QUALITY: usize = 8;
    /// What that word means ([`meter::Quality::code`]).
    pub const RANK: usize = 9;
    /// The source's reason code.
    pub const REASON: usize = 10;
    /// Bits of [`meter::Flags`].
    pub const FLAGS: usize = 11;
    /// The device that measured; 0 if none is named.
    pub const DEVICE: usize = 12;
    /// When the source last changed it.
    pub const MESSAGE_TIME: usize = 13;
    /// When the file or message around it was made.
    pub const ISSUED_AT: usize = 14;
    /// The journal record it came in with.
    pub const SEQ: usize = 15;
    /// How many columns there are.
    pub const COUNT: usize = 16;
}

/// Of all tables: their columns, what a log entry carries of ours (tags, positions)
/// and how logs are summed. Raised whenever an older binary could misread them.
pub const FORMAT_VERSION: u32 = 1;

/// The group of every tenant that has none of its own.
pub const GROUP_SHARED: &str = "shared";

impl Table {
    /// In the order in which a round commits them.
    pub const ALL: [Table; 8] = [
        Table::Sources,
        Table::Channels,
        Table::Devices,
        Table::Refused,
        Table::Events,
        Table::Readings,
        Table::Overlay,
        Table::History,
    ];

    /// Those of the journal's lane, each with a position of its own. `history` has
    /// none: it is written by folds.
    pub const OF_LANE: [Table; 7] = [
        Table::Sources,
        Table::Channels,
        Table::Devices,
        Table::Refused,
        Table::Events,
        Table::Readings,
        Table::Overlay,
    ];

    /// Its directory under the lake.
    pub fn name(self) -> &'static str {
        match self {
            Table::Sources => "sources",
            Table::Channels => "channels",
            Table::Devices => "devices",
            Table::Refused => "refused",
            Table::Events => "events",
            Table::Readings => "readings",
            Table::Overlay => "overlay",
            Table::History => "history",
        }
    }

    /// Its columns in the files; partition columns live in paths and the log.
    pub fn schema(self) -> SchemaRef {
        SCHEMAS[self.index()].clone()
    }

    /// By (tenant group, month of `start`); the others by nothing.
    pub fn partitioned(self) -> bool {
        matches!(self, Table::Readings | Table::History)
    }

    /// Whether its rows are readings, sorted by key.
    pub fn holds_readings(self) -> bool {
        matches!(self, Table::Readings | Table::Overlay | Table::History)
    }

    /// Place in [`Table::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// The column that tells whose a row is.
    pub fn tenant_column(self) -> usize {
        match self {
            Table::Sources => source_column::TENANT,
            Table::Channels | Table::Devices | Table::Refused | Table::Events => 1,
            Table::Readings | Table::Overlay | Table::History => column::TENANT,
        }
    }
}

/// Places of what is counted and aged in the table `sources`. Of the tables that tell of a
/// record the sequence comes first.
pub(crate) mod source_column {
    pub(crate) const SEQ: usize = 0;
    pub(crate) const LAST: usize = 2;
    pub(crate) const TENANT: usize = 3;
    pub(crate) const SHA256: usize = 8;
    pub(crate) const RECEIVED_AT: usize = 10;
    pub(crate) const ACCEPTED: usize = 11;
    pub(crate) const CORRECTED: usize = 13;
    pub(crate) const REFUSED: usize = 14;
    pub(crate) const EVENTS: usize = 15;
}

static SCHEMAS: LazyLock<[SchemaRef; 8]> = LazyLock::new(|| Table::ALL.map(schema_of));

/// A column's name and type.
type Column = (&'static str, DataType);

fn schema_of(table: Table) -> SchemaRef {
    let columns = match table {
        Table::Sources => sources(),
        Table::Channels => channels(),
        Table::Devices => devices(),
        Table::Refused => refused(),
        Table::Events => events(),
        Table::Readings | Table::Overlay | Table::History => readings(),
    };
    let may_be_null = |name: &str| table == Table::Sources && matches!(name, "sha256" | "duplicate_of");
    let fields = columns.into_iter().map(|(name, kind)| Field::new(name, kind, may_be_null(name)));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn time() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn sources() -> Vec<Column> {
    vec![
        ("seq", Int64),
        ("chunk", Int32),
        ("last", Boolean),
        ("tenant", Int32),
        ("door", Int8),
        ("format", Utf8),
        ("object", Utf8),
        ("message_id", Utf8),
        ("sha256", Binary),
        ("bytes", Int64),
        ("received_at", time()),
        ("accepted", Int64),
        ("duplicate", Int64),
        ("corrected", Int64),
        ("refused", Int64),
        ("events", Int64),
        ("duplicate_of", Int64),
    ]
}

fn channels() -> Vec<Column> {
    vec![
        ("channel", Int64),
        ("tenant", Int32),
        ("point", Utf8),
        ("device", Utf8),
        ("register", Utf8),
        ("kind", Int8),
        ("commodity", Int8),
        ("flow", Int8),
        ("unit", Int16),
        ("phase", Int8),
        ("key_id", Int32),
        ("seq", Int64),
    ]
}

fn devices() -> Vec<Column> {
    vec![("device", Int64), ("tenant", Int32), ("name", Utf8), ("key_id", Int32), ("seq", Int64)]
}

fn refused() -> Vec<Column> {
    vec![
        ("seq", Int64),
        ("tenant", Int32),
        ("ordinal", Int64),
        ("place_kind", Int8),
        ("place", Int64),
        ("code", Utf8),
        ("reason", Utf8),
        ("excerpt", Binary),
    ]
}

fn events() -> Vec<Column> {
    vec![
        ("seq", Int64),
        ("tenant", Int32),
        ("ordinal", Int64),
        ("point", Utf8),
        ("device", Utf8),
        ("register", Utf8),
        ("at", time()),
        ("span", Int64),
        ("kind", Utf8),
        ("code", Utf8),
        ("text", Utf8),
        ("place_kind", Int8),
        ("place", Int64),
    ]
}

fn readings() -> Vec<Column> {
    vec![
        ("tenant", Int32),
        ("channel", Int64),
        ("start", time()),
        ("span", Int64),
        ("value", Int64),
        ("scale", Int8),
        ("unit", Utf8),
        ("unit_code", Int16),
        ("quality", Utf8),
        ("rank", Int8),
        ("reason", Utf8),
        ("flags", Int32),
        ("device", Int64),
        ("message_time", time()),
        ("issued_at", time()),
        ("seq", Int64),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_knows_its_place_and_whose_its_rows_are() {
        for (place, table) in Table::ALL.into_iter().enumerate() {
            assert_eq!(table.index(), place);
            assert_eq!(table.schema().field(table.tenant_column()).name(), "tenant", "{}", table.name());
        }
    }

    #[test]
    fn what_is_counted_of_a_source_stands_where_its_name_says() {
        use source_column::*;
        let named = [
            (SEQ, "seq"),
            (LAST, "last"),
            (TENANT, "tenant"),
            (SHA256, "sha256"),
            (RECEIVED_AT, "received_at"),
            (ACCEPTED, "accepted"),
            (CORRECTED, "corrected"),
            (REFUSED, "refused"),
            (EVENTS, "events"),
        ];
        for (place, name) in named {
            assert_eq!(Table::Sources.schema().field(place).name(), name);
        }
        for table in [Table::Refused, Table::Events] {
            assert_eq!(table.schema().field(SEQ).name(), "seq");
        }
    }

    #[test]
    fn the_columns_of_a_reading_stand_where_their_names_say() {
        let schema = Table::Readings.schema();
        let named = [
            (column::TENANT, "tenant"),
            (column::CHANNEL, "channel"),
            (column::START, "start"),
            (column::SPAN, "span"),
            (column::VALUE, "value"),
            (column::SCALE, "scale"),
            (column::UNIT, "unit"),
            (column::UNIT_CODE, "unit_code"),
            (column::QUALITY, "quality"),
            (column::RANK, "rank"),
            (column::REASON, "reason"),
            (column::FLAGS, "flags"),
            (column::DEVICE, "device"),
            (column::MESSAGE_TIME, "message_time"),
            (column::ISSUED_AT, "issued_at"),
            (column::SEQ, "seq"),
        ];
        assert_eq!(named.len(), column::COUNT);
        for (place, name) in named {
            assert_eq!(schema.field(place).name(), name);
        }
    }
}
