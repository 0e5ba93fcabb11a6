//! The lake for other engines: views that apply the overlay, as text.
//!
//! `outside.sql` says in SQL what `versions.rs` says in Rust; the trials compare
//! the two with corrections waiting.

use meter::{Flags, Unit};

use crate::schema::Table;

const TEXT: &str = include_str!("outside.sql");

// The text names these numbers.
const _: () = assert!(Flags::REISSUED.0 == 1024 && Unit::Unknown as u8 == 255);

/// Views for DuckDB over the Delta tables in `lake`, a path or an address.
pub fn outside_view_sql(lake: &str) -> String {
    let lake = lake.replace('\'', "''");
    outside_view_over(|table| format!("delta_scan('{lake}/{}')", table.name()))
}

/// The same over any expression that reads a table.
pub fn outside_view_over(read: impl Fn(Table) -> String) -> String {
    let schema = Table::Readings.schema();
    let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    // What stands or is earlier is not marked as issued again.
    let cleared = columns.iter().map(|name| if *name == "flags" { "flags & ~1024 AS flags" } else { name });
    let cleared: Vec<&str> = cleared.collect();
    TEXT.replace("{settled columns}", &cleared.join(", "))
        .replace("{columns}", &columns.join(", "))
        .replace("{readings}", &read(Table::Readings))
        .replace("{overlay}", &read(Table::Overlay))
        .replace("{history}", &read(Table::History))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_in_the_text_is_filled() {
        let text = outside_view_sql("s3://it's/lake");
        assert!(!text.contains('{'), "{text}");
        assert!(text.contains("delta_scan('s3://it''s/lake/overlay')"));
    }
}
