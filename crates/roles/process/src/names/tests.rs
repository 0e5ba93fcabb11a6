//! Names under test: no two share an id, and none loses its own.

use super::*;
use meter::{Decimal, Flags, Quality, ReadingType, Span, Timestamp};
use proptest::prelude::*;
use std::collections::HashSet;

struct Counter(i64);

impl Lessor for Counter {
    fn lease(&mut self, blocks: u32) -> Result<Range<i64>, Error> {
        let first = self.0;
        self.0 += i64::from(blocks);
        Ok(first..self.0)
    }
}

/// With blocks from this number on.
fn names_from(block: i64) -> Names {
    Names::new(Box::new(Counter(block)), Secret::of_tests())
}

fn reading<'a>(point: &'a str, register: &'a str) -> Reading<'a> {
    Reading {
        point,
        device: "M1",
        register,
        identity: Identity::Point,
        reading_type: ReadingType::default(),
        start: Timestamp(0),
        span: Span::ZERO,
        value: Decimal::default(),
        unit: "",
        quality: "",
        canonical: Quality::Measured,
        reason: "",
        flags: Flags::default(),
        message_time: None,
        issued_at: None,
    }
}

fn channel(names: &mut Names, tenant: TenantId, reading: &Reading<'_>, new: &mut Vec<NewChannel>) -> ChannelId {
    let (place, register) = (names.place(tenant, reading), names.register(reading.register));
    names.channel(tenant, place, register, reading, new).expect("leased")
}

#[test]
fn the_channels_of_a_point_share_a_block_until_it_is_full() {
    let mut names = names_from(1);
    let mut new = Vec::new();
    let tenant = TenantId(1);
    for register in 0..65 {
        channel(&mut names, tenant, &reading("P", &format!("R{register}")), &mut new);
    }
    let blocks: Vec<i64> = new.iter().map(|c| c.channel.0 / ChannelId::SLOTS).collect();
    assert!(blocks[..64].iter().all(|block| *block == blocks[0]));
    assert_ne!(blocks[64], blocks[0]);
}

#[test]
fn a_name_keeps_its_id_over_a_restart_and_new_ids_never_meet_old_ones() {
    let tenant = TenantId(1);
    let (mut new, mut devices) = (Vec::new(), Vec::new());
    let mut names = names_from(1);
    let first = channel(&mut names, tenant, &reading("P", "E1"), &mut new);
    let device = names.device(tenant, "M1", &mut devices).expect("leased");

    let mut again = names_from(1_000);
    again.know_channel(&new[0]);
    again.know_device(&devices[0]);
    assert_eq!(channel(&mut again, tenant, &reading("P", "E1"), &mut new), first);
    assert_eq!(again.device(tenant, "M1", &mut devices).expect("known"), device);
    let second = channel(&mut again, tenant, &reading("P", "B1"), &mut new);
    assert_eq!(second.0, first.0 + 1);
    let other = channel(&mut again, TenantId(2), &reading("P", "E1"), &mut new);
    assert!(other.0 >= 1_000 * ChannelId::SLOTS);
}

#[test]
fn no_names_are_given_for_blocks_that_cannot_be_told_apart() {
    let mut names = names_from(BLOCKS_MAX - 1);
    let mut new = Vec::new();
    channel(&mut names, TenantId(1), &reading("P", "E1"), &mut new);
    let next = names.device(TenantId(1), "M1", &mut Vec::new());
    assert!(matches!(next, Err(Error::Blocks(BLOCKS_MAX))), "{next:?}");
}

#[test]
fn points_alike_share_what_is_held_of_their_registers() {
    let mut names = names_from(1);
    for point in 0..500 {
        for register in ["E1", "B1", "Q1"] {
            channel(&mut names, TenantId(1), &reading(&format!("P{point}"), register), &mut Vec::new());
        }
    }
    assert_eq!(names.layouts.len(), 3);
}

proptest! {
    /// With points of more registers than a block holds, known again in any order.
    #[test]
    fn no_two_names_share_an_id_and_each_keeps_its_own_over_a_restart(
        asked in prop::collection::vec((0_u8..4, 0_u8..100), 1..500),
        shuffle: u64,
    ) {
        let (mut names, mut new) = (names_from(1), Vec::new());
        let mut plain = HashMap::new();
        let ask = |names: &mut Names, (point, register): (u8, u8), new: &mut Vec<NewChannel>| {
            channel(names, TenantId(1), &reading(&format!("P{point}"), &format!("R{register}")), new)
        };
        for name in &asked {
            let id = ask(&mut names, *name, &mut new);
            prop_assert_eq!(*plain.entry(*name).or_insert(id), id);
        }
        prop_assert_eq!(plain.values().collect::<HashSet<_>>().len(), plain.len());
        prop_assert_eq!(new.len(), plain.len());

        let secret = Secret::of_tests();
        new.sort_by_key(|known| secret.hash(format!("{shuffle} {known:?}").as_bytes()));
        let mut again = names_from(1_000);
        new.iter().for_each(|known| again.know_channel(known));
        let mut newer = Vec::new();
        for (name, id) in &plain {
            prop_assert_eq!(ask(&mut again, *name, &mut newer), *id);
        }
        prop_assert!(newer.is_empty());
        for point in 0..4 {
            let id = ask(&mut again, (point, 200), &mut newer);
            prop_assert!(!plain.values().any(|there| *there == id), "{id:?} is taken");
        }
    }
}
