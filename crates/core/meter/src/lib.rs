//! The words of metering, shared by every other crate.
//!
//! Promise: a quantity is an integer with a decimal scale from the parser to
//! the bill, time is a UTC instant, an interval is half-open `[start, end)`,
//! and nothing here reads a clock, a disk or a network.
//!
//! Read: `time.rs`, `decimal.rs`, `unit.rs`, `obis.rs`, `ids.rs`,
//! `channel_map.rs`, `reading_type.rs`, `quality.rs`, `reading.rs` (what a source said),
//! `words.rs`, `row.rs` (what is stored, and which version stands), `runs.rs`
//! (many of them), `order.rs` (sorted).

mod time;
mod decimal;
mod unit;
mod obis;
mod ids;
mod channel_map;
mod reading_type;
mod quality;
mod reading;
mod words;
mod row;
mod runs;
mod order;

pub use channel_map::ChannelMap;
pub use decimal::{Decimal, DecimalError};
pub use ids::{ChannelId, DeviceId, Sequence, TenantId};
pub use obis::{Obis, ObisError};
pub use order::InKeyOrder;
pub use quality::{Flags, Quality};
pub use reading::{Event, Identity, Message, Place, Reading, Refusal, Sink};
pub use reading_type::{Commodity, Flow, Kind, Phase, ReadingType};
pub use row::{Row, RowKey};
pub use runs::{Delivery, Run, Runs, SPOT_SLACK_MICROS};
pub use time::{Months, Span, TimeError, Timestamp};
pub use unit::{ConversionError, Unit};
pub use words::{Word, Words, WordsError, same_word};
