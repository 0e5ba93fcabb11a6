//! Meters whose truth is known: a town for the demo and for tests of what is found in
//! readings, and a fleet for load.
//!
//! Promise: everything follows from a seed, by integer arithmetic alone. What a
//! meter shows is a function of its home and the instant, so the same message
//! comes out whichever period is asked for, and two reads of a counter differ by
//! exactly what was used between them.
//!
//! Read: `draw.rs` (chance); of the fleet `supply.rs` (what a home uses), `message.rs`
//! (what its meter sends), `plugs.rs` (a home), `fleet.rs`; then `town.rs`.

mod draw;
mod supply;
mod message;
mod plugs;
mod fleet;
mod town;
#[cfg(test)]
mod tests;

pub use fleet::{Fleet, Messages};
pub use message::{Message, Sample, Streams};
pub use town::{
    BEFALLEN_HEADER, BEGIN, Befallen, Deliveries, Delivery, END, FileFormat, Gauge, HALF_HOUR, Home, Measured, Medium,
    Mishap, Parcel, Premises, Read, Reader, STREAMS, Slot, Town, Transformer, USED_HEADER, Weather, befallen_rows,
    declare, point, request, used_rows,
};
