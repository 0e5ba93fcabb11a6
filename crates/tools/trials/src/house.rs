//! The whole house on a simulated disk: journal, archive, ids, lake and the
//! process role, with settings so small that everything happens often.
//!
//! Promise: one power supply under all of it. What the senders know of their
//! bodies is kept in [`Known`] and outlives the house.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use host::{Clock, Disk, Lock, ManualClock, SeededEntropy, SimDisk};
use journal::{Archive, Content, Journal, Local, Stored};
use meter::Timestamp;
use process::{Lessor, MaintainSettings, Parts, Progress, Until};
use store::{Faults, Lake, Table};
use tokio::sync::watch;

use crate::oracle::{Heard, Oracle, Version};
use crate::script::{self, Sent};
use crate::seen::{self, Seen};

/// Below the disk's root.
pub const LAKE_DIR: &str = "lake";
pub const EPOCH: &str = "trials";
/// The ids given out so far, as the registry would know them.
const LEASES: &str = "leases";
/// Bodies of the journal itself; more goes into the archive. Eight kilobytes of
/// segment hold two or three, so that segments are made and trimmed all the time.
const RECORD_BYTES_MAX: usize = 2 << 10;
const SEGMENT_BYTES: u64 = 8 << 10;

/// What the senders know.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Sequence to received-at and number of the body.
    pub acknowledged: BTreeMap<u64, (Timestamp, usize)>,
    /// Number of the body to how often it was sent without an answer.
    pub unanswered: BTreeMap<usize, u32>,
}

/// An open house.
pub struct House {
    pub disk: SimDisk,
    clock: Arc<dyn Clock>,
    pub journal: Arc<Local>,
    archive: Arc<Archive>,
    pub lake: Lake,
    _lock: Box<dyn Lock>,
}

impl House {
    /// Opens what is on the disk, or begins it.
    pub async fn open(disk: &SimDisk, faults: Faults) -> anyhow::Result<House> {
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let lock = shared.lock("lock").context("lock")?;
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(script::ARRIVAL));
        let settings = journal::Settings {
            segment_bytes: SEGMENT_BYTES,
            record_bytes_max: RECORD_BYTES_MAX,
            group_bytes: SEGMENT_BYTES as usize / 2,
            group_wait: Duration::ZERO,
            ..journal::Settings::default()
        };
        // Each start gets other salts: the operations so far differ.
        let entropy = Arc::new(SeededEntropy::new(disk.files().len() as u64));
        let opened = Local::open(shared.clone(), clock.clone(), entropy, settings);
        let journal = Arc::new(opened.context("journal")?);
        let archive = Arc::new(Archive::open(shared.clone()).context("archive")?);
        let lake = Lake::open_with(shared, clock.clone(), LAKE_DIR, EPOCH, faults).await.context("lake")?;
        Ok(House { disk: disk.clone(), clock, journal, archive, lake, _lock: lock })
    }

    /// Sends bodies one after the other; `numbers` are their places in the script.
    pub async fn send(&self, bodies: &[Sent], numbers: Range<usize>, known: &mut Known) -> anyhow::Result<()> {
        send(&self.journal, &self.archive, bodies, numbers, known).await
    }

    /// Applies what is in the journal.
    pub async fn apply(self) -> anyhow::Result<House> {
        self.work(Until::Applied).await
    }

    /// Lets the process role work.
    pub async fn work(self, until: Until) -> anyhow::Result<House> {
        let (stop, stopped) = watch::channel(until);
        let House { disk, clock, journal, archive, lake, _lock } = self;
        let run = process::run(parts(&disk, &clock, &journal, &archive, lake), stopped);
        let lake = run.await.context("process")?;
        drop(stop);
        Ok(House { disk, clock, journal, archive, lake, _lock })
    }

    /// Sends bodies while the house applies what comes.
    pub async fn send_and_apply(
        self,
        bodies: &[Sent],
        numbers: Range<usize>,
        known: &mut Known,
    ) -> anyhow::Result<House> {
        let (stop, stopped) = watch::channel(Until::Told);
        let House { disk, clock, journal, archive, lake, _lock } = self;
        let run = process::run(parts(&disk, &clock, &journal, &archive, lake), stopped);
        let sending = async {
            let sent = send(&journal, &archive, bodies, numbers, known).await;
            stop.send_replace(Until::Applied);
            sent
        };
        let (ran, sent) = tokio::join!(run, sending);
        let lake = ran.context("process")?;
        sent?;
        Ok(House { disk, clock, journal, archive, lake, _lock })
    }

    /// Closes the journal; the rest needs no goodbye.
    pub async fn close(self) -> anyhow::Result<()> {
        Ok(self.journal.close().await?)
    }

    /// Compares everything with what the senders know; the first complaint.
    pub async fn check(&self, bodies: &[Sent], known: &Known) -> Result<(), String> {
        let seen = seen::look(&self.lake.snapshot())?;
        let oracle = self.believed(&seen, bodies, known).await?;
        for (sequence, source) in &seen.sources {
            let expected = oracle.counts[sequence];
            if source.counts != expected {
                return Err(format!("sources say of record {sequence} {:?}, should say {expected:?}", source.counts));
            }
            let kept = |of: &BTreeMap<u64, i64>| of.get(sequence).copied().unwrap_or(0);
            if (kept(&seen.refused), kept(&seen.events)) != (expected.refused, expected.events) {
                return Err(format!("refusals or events of record {sequence} are not those counted"));
            }
        }
        let newest = seen.standing.chunk_by(|a, b| a.key.same_channel(&b.key)).filter_map(|of| of.last().cloned());
        same("latest versions", &seen.latest, &newest.collect::<Vec<_>>())?;
        let (standing, earlier) = oracle.tables();
        same("standing versions", &seen.standing, &standing)?;
        same("earlier versions", &seen.earlier, &earlier)
    }

    /// The oracle, told of every record that is there; complains where that is
    /// not what was acknowledged.
    async fn believed(&self, seen: &Seen, bodies: &[Sent], known: &Known) -> Result<Oracle, String> {
        let end = self.journal.end().await.0;
        if seen.sources.len() as u64 != end - 1 || seen.sources.keys().any(|sequence| *sequence >= end) {
            return Err(format!("{} records are in sources, the journal gave out {}", seen.sources.len(), end - 1));
        }
        // The history belongs to folds; every other table is brought to the end.
        let behind = |table: &Table| self.lake.position(*table).sequence().0 != end;
        if let Some(table) = Table::OF_LANE.into_iter().find(behind) {
            let position = self.lake.position(table);
            return Err(format!("table {} stands at {position}, the journal ends before {end}", table.name()));
        }
        let mut unanswered = known.unanswered.clone();
        let mut oracle = Oracle::default();
        for (sequence, source) in &seen.sources {
            let number = Sent::number_of(&source.message_id).filter(|number| *number < bodies.len());
            let number = number.ok_or_else(|| format!("nobody sent record {sequence}"))?;
            match known.acknowledged.get(sequence) {
                Some(acknowledged) if *acknowledged == (source.received_at, number) => {}
                Some(other) => {
                    return Err(format!("record {sequence} was acknowledged as {other:?}, now is {source:?}"));
                }
                None => {
                    let left = unanswered.get_mut(&number).filter(|left| **left > 0);
                    *left.ok_or_else(|| format!("record {sequence} (body {number}) is there twice"))? -= 1;
                }
            }
            oracle.hears(&Heard { sequence: *sequence, received_at: source.received_at, sent: &bodies[number] });
        }
        match known.acknowledged.keys().find(|sequence| !seen.sources.contains_key(sequence)) {
            Some(lost) => Err(format!("record {lost} was acknowledged and is not there")),
            None => Ok(oracle),
        }
    }

    /// Reads every stored byte; the first damage.
    pub async fn scrub(&self) -> Result<(), String> {
        let lake = self.lake.scrub(&mut |_| ()).await.map_err(|error| format!("scrub of the lake: {error}"))?;
        if let Some(damage) = lake.damage.first() {
            return Err(format!("{} is damaged: {}", damage.path, damage.what));
        }
        let journal = self.journal.scrub().await.map_err(|error| format!("scrub of the journal: {error}"))?;
        let archive = self.archive.scrub().map_err(|error| format!("scrub of the archive: {error}"))?;
        match journal.first().or(archive.first()) {
            Some(damage) => Err(format!("{} is damaged: {}", damage.path, damage.what)),
            None => Ok(()),
        }
    }
}

fn same(what: &str, seen: &[Version], expected: &[Version]) -> Result<(), String> {
    if seen == expected {
        return Ok(());
    }
    if let Some(pair) = seen.windows(2).find(|pair| pair[0].key == pair[1].key)
        && what.starts_with("standing")
    {
        return Err(format!("a reading is there twice: {:?}", pair[0].key));
    }
    let difference = seen.iter().zip(expected).find(|(seen, expected)| seen != expected);
    Err(format!("{} {what}, should be {}; the first that differs: {difference:#?}", seen.len(), expected.len()))
}

async fn send(
    journal: &Local,
    archive: &Archive,
    bodies: &[Sent],
    numbers: Range<usize>,
    known: &mut Known,
) -> anyhow::Result<()> {
    for (number, sent) in numbers.zip(bodies) {
        *known.unanswered.entry(number).or_default() += 1;
        let stored = sent.archived.then(|| archive.put(&sent.bytes[..])).transpose().context("archive")?;
        let content = stored.as_ref().map_or_else(|| Content::Bytes(sent.bytes.clone()), Stored::content);
        let receipt = journal.append(sent.body(number, content)).await.context("append")?;
        *known.unanswered.entry(number).or_default() -= 1;
        known.acknowledged.insert(receipt.sequence.0, (receipt.received_at, number));
    }
    Ok(())
}

fn parts(disk: &SimDisk, clock: &Arc<dyn Clock>, journal: &Arc<Local>, archive: &Arc<Archive>, lake: Lake) -> Parts {
    let (progress, _) = watch::channel(Progress::default());
    Parts {
        journal: journal.clone(),
        archive: archive.clone(),
        lake,
        lessor: Box::new(Leases { disk: disk.clone() }),
        formats: process::built_in_formats(),
        disk: Arc::new(disk.clone()),
        entropy: Arc::new(SeededEntropy::new(1)),
        clock: clock.clone(),
        progress,
        at_hand: process::AtHand::default(),
        live: process::Live::default(),
        spans: host::Spans::default(),
        settings: process::Settings {
            // Only rows count: a round must not depend on how fast the machine is.
            commit_wait_max_ms: u32::MAX,
            commit_rows_max: 4,
            maintain: MaintainSettings {
                fold_rows: 3,
                fold_files: 2,
                compact_files: 3,
                retain: Default::default(),
                look_every: Duration::from_secs(60),
                vacuum_after: Duration::ZERO,
                rounds_between_vacuums: 4,
                in_step: true,
            },
        },
    }
}

/// Ids from a counter on the same disk, written before they are used.
struct Leases {
    disk: SimDisk,
}

impl Lessor for Leases {
    fn lease(&mut self, blocks: u32) -> Result<Range<i64>, process::Error> {
        let told = |cause| process::Error::Checkpoint { path: LEASES.into(), cause };
        let next = match self.disk.read(LEASES, 0, 8) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 1,
            read => i64::from_le_bytes(read.map_err(told)?.try_into().expect("eight bytes were written whole")),
        };
        let end = next + i64::from(blocks);
        self.disk.write_durable(LEASES, &end.to_le_bytes(), true).map_err(told)?;
        Ok(next..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated::block_on;

    #[test]
    fn told_to_stop_at_once_it_leaves_the_rest_to_the_next_start() {
        let disk = SimDisk::new(1);
        let bodies = script::bodies(&script::steps());
        let mut known = Known::default();
        block_on(async {
            let house = House::open(&disk, Faults::default()).await?;
            house.send(&bodies, 0..bodies.len(), &mut known).await?;
            let house = house.work(Until::Now).await?;
            let end = house.journal.end().await;
            assert!(house.lake.position(Table::Readings).sequence() < end, "it went on although it was told to stop");
            house.close().await?;
            let house = House::open(&disk.restart(), Faults::default()).await?.apply().await?;
            house.check(&bodies, &known).await.map_err(anyhow::Error::msg)?;
            house.close().await
        })
        .expect("nothing is lost");
    }
}
