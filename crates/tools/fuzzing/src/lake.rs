//! A small lake for questions, filled as a server's is: through a journal.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use host::{Clock, Disk, ManualClock, SeededEntropy, SimDisk};
use journal::{Archive, Body, Content, Door, Journal, Local};
use meter::TenantId;
use process::{Lessor, MaintainSettings, Parts, Progress, Until};
use store::{Lake, Snapshot};
use tokio::sync::watch;

use crate::parsers::ARRIVAL;

/// Two registers of one point over two days; the last day has readings that are refused.
const BODY: &str = "\
100,NEM12,200501010000,MDP1,RET1
200,NMI0000001,E1B1,1,E1,N1,METER-7,kWh,1440,
300,20040101,1.5,A,,,20040102000000,
300,20040201,250,E52,14,,20040202000000,
200,NMI0000001,E1B1,1,B1,N1,METER-7,kWh,1440,
300,20040101,0.125,A,,,20040102000000,
300,20040102,one,A,,,20040103000000,
900
";

/// The lake as of the end of the journal.
pub(crate) async fn filled() -> Arc<Snapshot> {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(ARRIVAL));
    let settings = journal::Settings { segment_bytes: 1 << 20, record_bytes_max: 64 << 10, ..Default::default() };
    let journal = Local::open(disk.clone(), clock.clone(), Arc::new(SeededEntropy::new(1)), settings);
    let journal = Arc::new(journal.expect("an empty journal opens"));
    let body = Body {
        tenant: TenantId(1),
        door: Door::File,
        format: "nem12".to_owned(),
        object: "town.csv".to_owned(),
        message_id: String::new(),
        content: Content::Bytes(Bytes::from_static(BODY.as_bytes())),
    };
    journal.append(body).await.expect("a simulated disk takes it");
    let (_stop, stopped) = watch::channel(Until::Applied);
    let (progress, _) = watch::channel(Progress::default());
    let parts = Parts {
        journal,
        archive: Arc::new(Archive::open(disk.clone()).expect("an empty archive opens")),
        lake: Lake::open(disk.clone(), clock.clone(), "lake", "fuzzing").await.expect("an empty lake opens"),
        lessor: Box::new(FromOne),
        formats: process::built_in_formats(),
        disk,
        entropy: Arc::new(SeededEntropy::new(1)),
        clock,
        progress,
        at_hand: process::AtHand::default(),
        live: process::Live::default(),
        spans: host::Spans::default(),
        settings: in_one_commit(),
    };
    process::run(parts, stopped).await.expect("a good body is applied").snapshot()
}

/// One commit, and nothing tidied behind it.
fn in_one_commit() -> process::Settings {
    let maintain = MaintainSettings {
        fold_rows: 1_000,
        fold_files: 10,
        compact_files: 10,
        retain: Default::default(),
        look_every: Duration::from_secs(60),
        vacuum_after: Duration::from_secs(3_600),
        rounds_between_vacuums: 1_000,
        in_step: true,
    };
    process::Settings { commit_wait_max_ms: 1, commit_rows_max: 1_000, maintain }
}

/// Asked once.
struct FromOne;

impl Lessor for FromOne {
    fn lease(&mut self, blocks: u32) -> Result<Range<i64>, process::Error> {
        Ok(1..1 + i64::from(blocks))
    }
}
