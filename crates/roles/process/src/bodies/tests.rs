//! Which bodies go, in a house of files that came months apart.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use host::{Clock, Disk, ManualClock, SeededEntropy, SimDisk};
use journal::{Body, Door, Local};
use meter::{Span, TenantId};
use proptest::prelude::*;
use store::{Lake, Retention};
use tokio::sync::watch;

use super::*;
use crate::{AtHand, Lessor, Live, MaintainSettings, Parts, Progress, Settings, Until};

/// 2025-01-15.
const BEGIN: Timestamp = Timestamp(1_736_899_200_000_000);
const DAY: u64 = 86_400;

struct FromOne;

impl Lessor for FromOne {
    fn lease(&mut self, blocks: u32) -> Result<Range<i64>, Error> {
        Ok(1..1 + i64::from(blocks))
    }
}

struct House {
    disk: SimDisk,
    clock: Arc<ManualClock>,
    journal: Arc<Local>,
    archive: Arc<Archive>,
}

impl House {
    /// A journal that keeps next to nothing of what is applied, where it is asked to.
    fn new(keeps: bool) -> House {
        let (disk, clock) = (SimDisk::new(1), Arc::new(ManualClock::new(BEGIN)));
        let settings = journal::Settings {
            segment_bytes: 16 << 10,
            record_bytes_max: 4 << 10,
            group_bytes: 4 << 10,
            keep_bytes: if keeps { 1 << 30 } else { 0 },
            ..Default::default()
        };
        let entropy = Arc::new(SeededEntropy::new(1));
        let journal = Local::open(Arc::new(disk.clone()), clock.clone(), entropy, settings).expect("opens");
        let archive = Arc::new(Archive::open(Arc::new(disk.clone())).expect("opens"));
        House { disk, clock, journal: Arc::new(journal), archive }
    }

    async fn append(&self, tenant: i32, content: Content) {
        let (object, format) = ("a.csv".to_owned(), "nem12".to_owned());
        let body =
            Body { tenant: TenantId(tenant), door: Door::File, format, object, message_id: String::new(), content };
        self.journal.append(body).await.expect("room enough");
    }

    /// A file as a door takes it in.
    async fn file(&self, tenant: i32, body: u8) {
        let stored = self.archive.put(&[body; 64][..]).expect("room enough");
        self.append(tenant, stored.content()).await;
    }

    /// So many small bodies that whole segments of the journal can go.
    async fn filler(&self) {
        for _ in 0..12 {
            self.append(9, Content::Bytes(Bytes::from(vec![b'x'; 3 << 10]))).await;
        }
    }

    fn has(&self, body: u8) -> bool {
        use sha2::{Digest, Sha256};
        self.archive.has(&Sha256::digest([body; 64]).into()).expect("looks")
    }

    /// Applies all of the journal and does what is due then.
    async fn work(&self, retention: &Retention) -> Lake {
        let (_stop, stopped) = watch::channel(Until::Applied);
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let clock: Arc<dyn Clock> = self.clock.clone();
        let maintain = MaintainSettings {
            fold_rows: 1_000,
            fold_files: 64,
            compact_files: 64,
            retain: retention.clone(),
            look_every: Duration::from_secs(60),
            vacuum_after: Duration::from_secs(60),
            rounds_between_vacuums: 1_000,
            in_step: true,
        };
        let parts = Parts {
            journal: self.journal.clone(),
            archive: self.archive.clone(),
            lake: Lake::open(disk.clone(), clock.clone(), "lake", "e1").await.expect("opens"),
            lessor: Box::new(FromOne),
            formats: crate::built_in_formats(),
            disk,
            entropy: Arc::new(SeededEntropy::new(1)),
            clock,
            progress: watch::channel(Progress::default()).0,
            at_hand: AtHand::default(),
            live: Live::default(),
            spans: host::Spans::default(),
            settings: Settings { commit_wait_max_ms: 1, commit_rows_max: 1_000, maintain },
        };
        crate::run(parts, stopped).await.expect("applied")
    }
}

fn after(days: i64) -> Retention {
    let all = || Retain { others: Some(Span(days * 86_400_000_000)), ..Retain::default() };
    Retention { archive: all(), sources: all(), ..Retention::default() }
}

async fn in_two_months(keeps: bool) -> House {
    let house = House::new(keeps);
    house.file(1, 1).await;
    house.file(1, 2).await;
    house.filler().await;
    house.work(&Retention::default()).await;
    house.clock.advance(Duration::from_secs(60 * DAY));
    // The second file comes again, from another tenant.
    house.file(2, 2).await;
    house.file(1, 3).await;
    house.work(&Retention::default()).await;
    // What was let go of lately stays; two removings later it is not lately any more.
    drop(house.archive.removing());
    drop(house.archive.removing());
    house
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_goes_when_all_its_records_are_over_and_what_is_known_of_it_after_it() {
    let house = in_two_months(false).await;
    let lake = house.work(&after(400)).await;
    assert!([1, 2, 3].iter().all(|body| house.has(*body)), "none is so old");
    drop(lake);
    let mut lake = house.work(&after(30)).await;
    assert_eq!([1, 2, 3].map(|body| house.has(body)), [false, true, true]);
    let gone = lake.retired_sources(TenantId(1)).await.expect("readable");
    assert_eq!(gone.records, 1, "that of the body that went, and not of the one that stays");
    assert_eq!(lake.retired_sources(TenantId(2)).await.expect("readable").records, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_a_record_in_the_journal_still_names_stays() {
    let house = in_two_months(true).await;
    house.work(&after(30)).await;
    assert!([1, 2, 3].iter().all(|body| house.has(*body)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_came_again_and_is_not_applied_yet_stays() {
    let house = in_two_months(false).await;
    let lake = house.work(&Retention::default()).await;
    house.file(1, 1).await;
    drop(house.archive.removing());
    drop(house.archive.removing());
    let (archive, snapshot) = (house.archive.clone(), lake.snapshot());
    let gone = remove_over(archive, house.journal.clone(), snapshot, after(30).archive, house.clock.now()).await;
    assert_eq!((gone, house.has(1)), (0, true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn whatever_the_age_every_record_left_in_the_journal_finds_its_body(
        files in proptest::collection::vec((1..3_i32, 0..3_u8, 0..80_u64), 1..7),
        days in 1..200_i64,
        keeps in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let house = House::new(keeps);
            for (tenant, body, later) in files {
                house.file(tenant, body).await;
                house.filler().await;
                house.work(&after(days)).await;
                house.clock.advance(Duration::from_secs(later * DAY));
            }
            house.work(&after(days)).await;
            let named = named(house.journal.as_ref(), house.journal.start().await).await.expect("readable");
            assert!(named.iter().all(|sha256| house.archive.has(sha256).expect("looks")));
        });
    }
}
