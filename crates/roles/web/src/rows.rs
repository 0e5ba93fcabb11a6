//! The rows of the lists, as the description of the interface has them.
//!
//! They are written by the engine, straight from columns; a test holds what it
//! writes to these types.

#![expect(dead_code, reason = "said in the description of the interface, written by the engine")]

use serde::Deserialize;
use utoipa::ToSchema;

/// The forms of a page. CSV and Arrow hold the rows alone; where the next page
/// begins stands in the header `Link` in every form.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PageForm {
    Json,
    Csv,
    Arrow,
}

/// Rows in a form that is no text.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(crate) struct Octets(Vec<u8>);

/// A page of readings.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Readings {
    rows: Vec<Reading>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// The standing version of a reading.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reading {
    /// Where it is measured.
    point: String,
    /// What measured it; empty if the source did not say.
    device: String,
    /// The register as the source names it.
    register: String,
    /// The stream it belongs to.
    channel: i64,
    /// Start of the interval, or the instant of the read.
    #[schema(format = DateTime)]
    start: String,
    /// End of the interval; the start for reads and spot values.
    #[schema(format = DateTime)]
    end: String,
    /// Length in microseconds.
    span_us: i64,
    /// The value in `quantity_unit`, exact: a decimal in a string. Null where its own unit
    /// has none, such as kW in a channel of kWh.
    quantity: Option<String>,
    /// The unit that its family is summed in.
    quantity_unit: String,
    /// The digits as they came in, without their point.
    value: i64,
    /// How many of them stand behind the point.
    scale: i8,
    /// As the source spells it.
    unit: String,
    /// The source's own word.
    quality: String,
    /// What that word is worth: 0 missing to 7 final.
    rank: i8,
    /// The source's reason code.
    reason: String,
    /// Bits, as the reference lists them.
    flags: i32,
    commodity: String,
    kind: String,
    flow: String,
    phase: String,
    /// Which version stands: the newest.
    #[schema(format = DateTime)]
    message_time: String,
    #[schema(format = DateTime)]
    issued_at: String,
    /// The record it came in with: `/v1/sources/{seq}`.
    seq: i64,
}

/// A page of channels.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Channels {
    rows: Vec<Channel>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// A stream of readings.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Channel {
    channel: i64,
    point: String,
    device: String,
    register: String,
    kind: String,
    commodity: String,
    flow: String,
    /// What it is measured in.
    unit: String,
    phase: String,
    /// The record that named it first.
    seq: i64,
}

/// A page of refusals.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefusedRows {
    rows: Vec<Refused>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// Something not understood.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refused {
    /// The record it stands in.
    seq: i64,
    /// Its place among the refusals and events of the record.
    ordinal: i64,
    /// What `place` counts.
    place_kind: String,
    /// Where it stands.
    place: Option<i64>,
    /// Listed in the reference.
    code: String,
    /// What is wrong, for a person.
    reason: String,
    /// The first bytes of it, hexadecimal.
    excerpt: String,
}

/// A page of imports, the newest first.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Imports {
    rows: Vec<Import>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// A body or file, and what came of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Import {
    /// Its place in the journal.
    seq: i64,
    /// `waiting` in the journal, `reading` as far as the counts say, or `read`.
    state: String,
    #[schema(format = DateTime)]
    received_at: String,
    door: String,
    /// What it was said or found to be; empty while that is not known.
    format: String,
    /// The file's name at its source; empty for a body.
    object: String,
    bytes: i64,
    /// Of these, what went to its parser so far.
    bytes_read: i64,
    /// Hexadecimal; of files only.
    sha256: Option<String>,
    /// The record that held the same file before: nothing of this one is counted.
    duplicate_of: Option<i64>,
    /// Readings that are new.
    accepted: i64,
    /// Readings that were there already.
    duplicate: i64,
    /// Further versions of readings that were there.
    corrected: i64,
    /// Not understood: `/v1/refused?seq=`.
    refused: i64,
    events: i64,
}
