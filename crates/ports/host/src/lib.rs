//! The machine as the other crates may touch it: disk, clock, randomness.
//!
//! Promise: nothing else in the house asks the operating system for the time,
//! for random bytes or for a file. Each of the three has a twin that a test
//! holds in its hand, and the disk's twin can lose power.
//!
//! Read: `kind.rs` (what an error asks of its caller), `clock.rs`,
//! `entropy.rs`, `disk.rs` (the contract), `contract.rs` (the contract as a
//! test), `real.rs` (a directory of the machine), `sim.rs` (a disk whose power
//! fails when told to), `folder.rs` (one that others write into), `machine.rs`
//! (what the machine gives), `spans.rs` (what happened to a record and when).

mod kind;
mod clock;
mod entropy;
mod disk;
pub mod contract;
mod real;
mod sim;
mod folder;
pub mod machine;
mod spans;

pub use clock::{Clock, ManualClock, SystemClock, sleep};
pub use disk::{Disk, Entry, Lock, SWEPT_SUFFIX, is_full, is_temporary, parent_of, sweep_temporaries};
pub use entropy::{Entropy, OsEntropy, Seeded, SeededEntropy};
pub use folder::{Folder, Found, Reader};
pub use kind::Kind;
pub use real::RealDisk;
pub use sim::{SECTOR_BYTES, SimDisk};
pub use spans::{Span, Spans, Step};
