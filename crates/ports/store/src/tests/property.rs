//! Random lives of a lake against the oracle.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::CompactLimits;

#[derive(Clone, Debug)]
enum Step {
    Record(Vec<Said>),
    /// Shown to readers first, committed after.
    Held(Vec<Said>),
    Fold,
    Compact,
    Vacuum,
    Reopen,
    /// The last record once more.
    Again,
}

fn any_said() -> impl Strategy<Value = Said> {
    let times = (0_i64..3, 0_i64..4);
    let says = (0_i64..4, any::<bool>(), prop::sample::select(&["kWh", "KWH", "Wh", "sheep", "cows"][..]));
    (0_i64..4, 0_i64..8, times, says, prop::sample::select(&["A", "E"][..])).prop_map(
        |(channel, slot, (message, issued), (value, trailing_zero, unit), quality)| Said {
            channel,
            slot,
            message,
            // A file is made after what it tells of.
            issued: message + issued,
            value,
            trailing_zero,
            unit,
            quality,
        },
    )
}

fn any_step() -> impl Strategy<Value = Step> {
    let record = || prop::collection::vec(any_said(), 0..24);
    prop_oneof![
        6 => record().prop_map(Step::Record),
        3 => record().prop_map(Step::Held),
        3 => Just(Step::Fold),
        2 => Just(Step::Compact),
        1 => Just(Step::Vacuum),
        1 => Just(Step::Reopen),
        1 => Just(Step::Again),
    ]
}

const LIMITS: CompactLimits = CompactLimits { files_min: 2, files_max: 3, rows_max: 1 << 20 };

async fn live(steps: Vec<Step>) {
    let mut world = World::open(SimDisk::new(3)).await.expect("an empty disk");
    let mut oracle = Oracle::default();
    let (mut sequence, mut last) = (0, Vec::new());
    for (number, step) in steps.into_iter().enumerate() {
        let when = format!("after step {number}, {step:?}");
        match step {
            Step::Record(said) => {
                sequence += 1;
                hear(&mut oracle, &said, &mut world.words);
                world.record(sequence, &said).await.expect("room enough");
                last = said;
            }
            Step::Again => {
                sequence += 1;
                world.record(sequence, &last.clone()).await.expect("room enough");
            }
            Step::Held(said) => {
                sequence += 1;
                hear(&mut oracle, &said, &mut world.words);
                let round = world.understand(sequence, &said).expect("readable");
                world.show(world.tail_of(&round));
                world.check(&oracle, &format!("while held, {when}"));
                world.commit(sequence, &round).await.expect("room enough");
                // Until the next publication, readers go on seeing the tail.
                world.check(&oracle, &format!("committed but not published, {when}"));
                world.show(Tail::default());
                last = said;
            }
            Step::Fold => drop(world.lake.fold().await.expect("folds")),
            Step::Compact => drop(world.lake.compact(LIMITS).await.expect("compacts")),
            Step::Vacuum => drop(world.lake.vacuum(Duration::ZERO).await.expect("vacuums")),
            Step::Reopen => world = World::open(world.disk.restart()).await.expect("opens again"),
        }
        world.check(&oracle, &when);
        world.check_versions(&oracle, &when);
    }
    let scrubbed = world.lake.scrub(&mut |_| ()).await.expect("readable");
    assert_eq!(scrubbed.damage, []);
}

fn hear(oracle: &mut Oracle, said: &[Said], words: &mut Words) {
    for one in said {
        let row = row_of(one, 0, words);
        oracle.hears(&row, words);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_lake_says_what_the_oracle_says(steps in prop::collection::vec(any_step(), 1..12)) {
        runtime().block_on(live(steps));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    #[test]
    fn ten_orders_of_arrival_end_in_one_state(
        said in prop::collection::vec(any_said(), 1..30),
        seed: u64,
    ) {
        runtime().block_on(async {
            let mut shuffle = host::Seeded::new(seed);
            let mut hashes = Vec::new();
            for order in 0..10 {
                let mut said = said.clone();
                shuffle.shuffle(&mut said);
                let mut world = World::open(SimDisk::new(3)).await.expect("an empty disk");
                for (sequence, record) in (1..).zip(said.chunks(4 + order % 3)) {
                    world.record(sequence, record).await.expect("room enough");
                    if shuffle.one_in(3) {
                        world.lake.fold().await.expect("folds");
                    }
                }
                hashes.push(hash(&world));
            }
            hashes.dedup();
            assert_eq!(hashes.len(), 1, "one state");
        });
    }
}

fn hash(world: &World) -> [u8; 32] {
    let mut name_of = |tenant: TenantId, channel: ChannelId| Ok(format!("{}/{}", tenant.0, channel.0));
    world.lake.snapshot().state_hash(&mut name_of).expect("readable")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a thread")
}
