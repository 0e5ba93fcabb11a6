//! From a fleet to a machine and its price, in whole numbers.
//!
//! Promise: more homes, registers, readings or years never come out smaller or
//! cheaper, and every total is the sum of the lines above it. Divisions round up.

use serde::Serialize;

use super::measured::{self, Way};
use super::prices::Prices;
use crate::length::{DAY_SECONDS, Length, YEAR_SECONDS};

/// What is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fleet {
    pub homes: u32,
    pub registers: u32,
    pub every: Length,
    pub retain: Length,
    /// Each meter sends for itself, instead of a gateway for many.
    pub direct: bool,
}

/// What the settings let the server take beside the fleet's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    pub query_memory_bytes: u64,
    pub queries: u64,
    pub spill_bytes: u64,
    pub journal_bytes: u64,
}

/// Meters send at the full hour and after an outage: the busiest hour against the average one.
pub const PEAK: u64 = 4;
/// So much of a core is used at the peak, in a hundred: what waits must become fewer.
pub const BUSY_PERCENT: u64 = 60;
/// Merges and what comes late need room: so much of the disk stays free, in a hundred.
pub const FREE_PERCENT: u64 = 20;
const MONTHS: u64 = 12;
const GIB: u64 = 1 << 30;

/// Bytes are exact, prices in hundredths of a euro a year.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Estimate {
    pub channels: u64,
    pub readings_a_day: u64,
    pub readings_kept: u64,
    /// That readings keep busy on average, in millionths.
    pub cores_average_micro: u64,
    /// For readings at the peak.
    pub cores_readings: u64,
    /// For queries, at least one.
    pub cores_queries: u64,
    pub cores: u64,
    pub memory_channels_bytes: u64,
    pub memory_queries_bytes: u64,
    pub memory_gib: u64,
    pub disk_lake_bytes: u64,
    pub disk_journal_bytes: u64,
    pub disk_spill_bytes: u64,
    pub disk_free_bytes: u64,
    pub disk_gib: u64,
    pub backup_gib: u64,
    pub year_cores_cents: u64,
    pub year_memory_cents: u64,
    pub year_disk_cents: u64,
    pub year_backup_cents: u64,
    pub year_cents: u64,
}

/// `None` where a number would not fit into 64 bits.
pub fn estimate(fleet: &Fleet, allowed: &Allowed, prices: &Prices) -> Option<Estimate> {
    let way = way(fleet);
    let channels = u64::from(fleet.homes) * u64::from(fleet.registers);
    let readings_a_day = ratio(channels, DAY_SECONDS, fleet.every.seconds)?;
    let readings_kept = ratio(channels, fleet.retain.seconds, fleet.every.seconds)?;
    // Microseconds a million readings are millionths of a core at a million a second.
    let cores_average_micro = ratio(readings_a_day, way.cpu_micros_a_million, DAY_SECONDS * 1_000_000)?;
    let cores_readings = ratio(cores_average_micro, PEAK * 100, BUSY_PERCENT * 1_000_000)?.max(1);
    let cores_queries = ratio(cores_readings, 1, 2)?;
    let cores = cores_readings.checked_add(cores_queries)?;
    let memory_channels_bytes = channels.checked_mul(measured::MEMORY_BYTES_A_CHANNEL)?;
    let memory_queries_bytes = allowed.query_memory_bytes.checked_mul(allowed.queries)?;
    let memory = measured::MEMORY_BYTES_BASE.checked_add(memory_channels_bytes)?.checked_add(memory_queries_bytes)?;
    let disk_lake_bytes = ratio(readings_kept, way.bytes_a_hundred, 100)?;
    let (disk_journal_bytes, disk_spill_bytes) = (allowed.journal_bytes, allowed.spill_bytes);
    let used = disk_lake_bytes.checked_add(disk_journal_bytes)?.checked_add(disk_spill_bytes)?;
    let disk_free_bytes = ratio(used, FREE_PERCENT, 100 - FREE_PERCENT)?;
    let disk_gib = used.checked_add(disk_free_bytes)?.div_ceil(GIB);
    let backup_gib = disk_lake_bytes.checked_add(disk_journal_bytes)?.div_ceil(GIB);
    let memory_gib = memory.div_ceil(GIB);
    let year = |count: u64, cents: u32| count.checked_mul(u64::from(cents))?.checked_mul(MONTHS);
    let year_cores_cents = year(cores, prices.core_month_cents)?;
    let year_memory_cents = year(memory_gib, prices.memory_gib_month_cents)?;
    let year_disk_cents = year(disk_gib, prices.disk_gib_month_cents)?;
    let year_backup_cents = year(backup_gib, prices.backup_gib_month_cents)?;
    let machine = year_cores_cents.checked_add(year_memory_cents)?;
    let year_cents = machine.checked_add(year_disk_cents)?.checked_add(year_backup_cents)?;
    Some(Estimate {
        channels,
        readings_a_day,
        readings_kept,
        cores_average_micro,
        cores_readings,
        cores_queries,
        cores,
        memory_channels_bytes,
        memory_queries_bytes,
        memory_gib,
        disk_lake_bytes,
        disk_journal_bytes,
        disk_spill_bytes,
        disk_free_bytes,
        disk_gib,
        backup_gib,
        year_cores_cents,
        year_memory_cents,
        year_disk_cents,
        year_backup_cents,
        year_cents,
    })
}

/// How the fleet's readings come in.
pub fn way(fleet: &Fleet) -> Way {
    if fleet.direct { measured::DIRECT } else { measured::GATEWAY }
}

/// `count × times ÷ by`, rounded up.
fn ratio(count: u64, times: u64, by: u64) -> Option<u64> {
    u64::try_from((u128::from(count) * u128::from(times)).div_ceil(u128::from(by))).ok()
}

const _: () = assert!(YEAR_SECONDS > DAY_SECONDS && FREE_PERCENT < 100 && BUSY_PERCENT > 0);

#[cfg(test)]
mod tests;
