//! More never costs less, and sums are sums.

use proptest::prelude::*;

use super::*;
use crate::size::prices;

fn fleet() -> impl Strategy<Value = Fleet> {
    (1..10_000_000_u32, 1..100_u32, 1..1_000_000_u64, 1..6_000_000_000_u64, any::<bool>()).prop_map(
        |(homes, registers, every, retain, direct)| Fleet {
            homes,
            registers,
            every: Length { seconds: every },
            retain: Length { seconds: retain },
            direct,
        },
    )
}

fn allowed() -> impl Strategy<Value = Allowed> {
    (0..1_u64 << 40, 0..1_000_u64, 0..1_u64 << 40, 0..1_u64 << 40).prop_map(
        |(query_memory_bytes, queries, spill_bytes, journal_bytes)| Allowed {
            query_memory_bytes,
            queries,
            spill_bytes,
            journal_bytes,
        },
    )
}

fn sheet() -> impl Strategy<Value = Prices> {
    (0..1_000_000_u32, 0..1_000_000_u32, 0..1_000_000_u32, 0..1_000_000_u32).prop_map(|(core, memory, disk, backup)| {
        Prices {
            date: String::new(),
            core_month_cents: core,
            memory_gib_month_cents: memory,
            disk_gib_month_cents: disk,
            backup_gib_month_cents: backup,
        }
    })
}

/// Everything that grows with a fleet.
fn numbers(estimate: &Estimate) -> [u64; 8] {
    [
        estimate.readings_a_day,
        estimate.readings_kept,
        estimate.cores_average_micro,
        estimate.cores,
        estimate.memory_gib,
        estimate.disk_gib,
        estimate.backup_gib,
        estimate.year_cents,
    ]
}

fn no_smaller(one: &Estimate, other: &Estimate) -> bool {
    numbers(one).iter().zip(numbers(other)).all(|(one, other)| *one <= other)
}

#[test]
fn two_million_homes_come_out_as_by_hand() {
    let fleet = Fleet {
        homes: 2_000_000,
        registers: 3,
        every: "15m".parse().expect("a length"),
        retain: "5y".parse().expect("a length"),
        direct: false,
    };
    let allowed =
        Allowed { query_memory_bytes: 256 << 20, queries: 8, spill_bytes: 16 << 30, journal_bytes: 192 << 20 };
    let found = estimate(&fleet, &allowed, &prices::example()).expect("fits");
    assert_eq!((found.channels, found.readings_a_day), (6_000_000, 576_000_000));
    // 5 × 365.25 days of 576 million.
    assert_eq!(found.readings_kept, 1_051_920_000_000);
    // 6,667 a second at 0.81 s a million.
    assert_eq!(found.cores_average_micro, 5_400);
    assert_eq!((found.cores_readings, found.cores), (1, 2));
    // 530 MB + 6 M × 199 B + 2 GiB = 3.61 GiB.
    assert_eq!(found.memory_gib, 4);
    assert_eq!(found.disk_lake_bytes, 1_598_918_400_000);
    // (1,489.11 + 0.19 + 16 GiB) × 1.25.
    assert_eq!((found.disk_gib, found.backup_gib), (1_882, 1_490));
}

proptest! {
    #[test]
    fn more_of_anything_never_comes_out_smaller(
        fleet in fleet(), allowed in allowed(), sheet in sheet(), more in 1..1_000_u32, which in 0..9
    ) {
        let (mut larger, mut dearer, mut roomier) = (fleet, sheet.clone(), allowed);
        match which {
            0 => larger.homes += more,
            1 => larger.registers += more,
            2 => larger.every.seconds = larger.every.seconds.saturating_sub(u64::from(more)).max(1),
            3 => larger.retain.seconds += u64::from(more),
            4 => larger.direct = true,
            5 => dearer.core_month_cents += more,
            6 => (dearer.disk_gib_month_cents, dearer.backup_gib_month_cents) =
                (sheet.disk_gib_month_cents + more, sheet.backup_gib_month_cents + more),
            7 => dearer.memory_gib_month_cents += more,
            _ => (roomier.queries, roomier.journal_bytes, roomier.spill_bytes) = (
                allowed.queries + u64::from(more),
                allowed.journal_bytes + u64::from(more),
                allowed.spill_bytes + u64::from(more),
            ),
        }
        let before = estimate(&fleet, &allowed, &sheet);
        let after = estimate(&larger, &roomier, &dearer);
        match (before, after) {
            (Some(before), Some(after)) => prop_assert!(no_smaller(&before, &after), "{before:?}\n{after:?}"),
            (None, Some(_)) => prop_assert!(false, "less was too much"),
            _ => {}
        }
    }

    #[test]
    fn every_total_is_the_sum_of_its_lines(fleet in fleet(), allowed in allowed(), sheet in sheet()) {
        if let Some(found) = estimate(&fleet, &allowed, &sheet) {
            prop_assert_eq!(found.cores, found.cores_readings + found.cores_queries);
            let year = found.year_cores_cents + found.year_memory_cents + found.year_disk_cents;
            prop_assert_eq!(found.year_cents, year + found.year_backup_cents);
            let used = found.disk_lake_bytes + found.disk_journal_bytes + found.disk_spill_bytes;
            prop_assert_eq!(found.disk_gib, (used + found.disk_free_bytes).div_ceil(GIB));
            prop_assert!(found.disk_free_bytes * 100 >= (used + found.disk_free_bytes) * FREE_PERCENT);
            let memory = found.memory_channels_bytes + found.memory_queries_bytes + measured::MEMORY_BYTES_BASE;
            prop_assert_eq!(found.memory_gib, memory.div_ceil(GIB));
        }
    }
}
