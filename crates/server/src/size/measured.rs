//! What a reading and a channel cost, as measured: the only place of these
//! numbers. Each names its row in benches/RESULTS.md.

/// The section that all of them stand in.
pub const SOURCE: &str = "benches/RESULTS.md, 2026-11-21: the table of issue 3, on a quiet machine";
/// Of that machine, of kind "AMD EPYC, virtual"; beyond it is extrapolated.
pub const CORES: u64 = 2;

/// One way for readings to come in.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Of the server, merges done, for a million readings.
    pub cpu_micros_a_million: u64,
    /// On disk when all is merged: data, log and checkpoint, for a hundred readings.
    pub bytes_a_hundred: u64,
    /// The rows of the table.
    pub rows: &'static str,
}

/// Gateways of many meters: 500 messages a request, the slowest of five runs.
pub const GATEWAY: Way = Way {
    cpu_micros_a_million: 810_000,
    bytes_a_hundred: 152,
    rows: "hdm gateway, server CPU-seconds a million; bytes a measurement, gateway",
};
/// Each meter by itself: one message a request over 1,000 connections.
pub const DIRECT: Way = Way {
    cpu_micros_a_million: 3_120_000,
    bytes_a_hundred: 197,
    rows: "hdm direct, server CPU-seconds a million; the same, direct: a source a message",
};

/// Latest row, coverage and names, with those that queries keep (591cf31: 199).
pub const MEMORY_BYTES_A_CHANNEL: u64 = 199;
/// Peak of the whole server taking readings directly, rounded up: 530 MB.
pub const MEMORY_BYTES_BASE: u64 = 530_000_000;
/// Rows of the table for the two above.
pub const MEMORY_ROWS: &str = "bytes a channel with the names that queries keep; peak memory, direct";
