//! A fleet of meters whose truth is known: for the demo, load and tests.
//!
//! Promise: everything follows from a seed, by integer arithmetic alone. What a
//! meter shows is a function of its home and the instant, so the same message
//! comes out whichever period is asked for, and two reads of a counter differ by
//! exactly what was used between them.
//!
//! Read: `draw.rs` (chance), `supply.rs` (what a home uses), `fleet.rs`,
//! `message.rs` (what its meter sends), `hub.rs` and `plugs.rs` (the two kinds
//! of home), `nem12.rs` (a home's days as a file); `town.rs` (a whole town).

mod draw;
mod supply;
mod message;
mod hub;
mod plugs;
mod fleet;
mod nem12;
mod town;
#[cfg(test)]
mod tests;

pub use fleet::{Fleet, Messages};
pub use hub::Use;
pub use message::{Message, Sample, Streams};
pub use nem12::{Nem12Days, nem12};
pub use supply::{INSTALLED, Meter, Supply};
pub use town::{
    BEGIN, Befallen, END, Gauge, HALF_HOUR, Home, Measured, Medium, Mishap, Parcel, Premises, Read, Reader, STREAMS,
    Slot, Town, Transformer, Weather, declare, point, request,
};
