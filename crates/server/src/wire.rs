//! Where engines are chosen, and nowhere else: a data directory opened with
//! everything embedded.

use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use host::{Clock, Disk, Entropy, Lock, OsEntropy, RealDisk, Spans, SystemClock};
use ingest::{UploadSettings, Uploads};
use journal::{Archive, Journal, Local};
use meter::TenantId;
use process::{AtHand, Lessor, Live, MaintainSettings, Parts, Progress, Until};
use registry::{Profiles, Registry, Sqlite};
use store::{Lake, Retention};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::warn;

use crate::backup::Alive;
use crate::exit::{Taken, Usage};
use crate::settings::{self, Settings};
use crate::{format, retain};

pub const LOCK: &str = "lock";
pub const LAKE_DIR: &str = "lake";
const ROUNDS_BETWEEN_VACUUMS: u32 = 256;
/// Where queries sort what does not fit into memory; empty between runs.
pub const SPILL_DIR: &str = "spill";

/// A data directory with all its engines open.
pub struct House {
    pub disk: Arc<dyn Disk>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub registry: Arc<Sqlite>,
    pub journal: Arc<Local>,
    pub archive: Arc<Archive>,
    pub lake: Lake,
    /// Names this journal's life.
    pub epoch: String,
    /// Told of records that are followed: nothing, unless a server is told whom.
    pub spans: Spans,
    /// How long what is kept.
    pub retain: Retention,
    /// Held while the house stands: one process a directory.
    pub lock: Box<dyn Lock>,
}

/// Makes a data directory where there is none, which nobody else can look into.
pub fn make(dir: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// The directory's disk and its lock; nothing in it is read yet.
pub fn enter(dir: &Path) -> anyhow::Result<(Arc<dyn Disk>, Box<dyn Lock>)> {
    make(dir).with_context(|| format!("data directory {}", dir.display()))?;
    let disk: Arc<dyn Disk> =
        Arc::new(RealDisk::open(dir).with_context(|| format!("data directory {}", dir.display()))?);
    let lock = disk.lock(LOCK).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => anyhow::Error::new(Taken(format!(
            "another meterhouse process works on data directory {}; stop it, or talk to it with --server",
            dir.display()
        ))),
        _ => anyhow::Error::new(error).context(format!("lock of data directory {}", dir.display())),
    })?;
    Ok((disk, lock))
}

/// Opens everything in a data directory; a new one is laid out.
pub async fn open(dir: &Path, settings: &Settings) -> anyhow::Result<House> {
    let (disk, lock) = enter(dir)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
    let format = format::open(disk.as_ref(), entropy.as_ref())?;
    empty(&dir.join(SPILL_DIR))?;
    let registry = Sqlite::open(dir).context("registry")?;
    let retain = retain::retention(&registry, &settings.retain)?;
    let journal_settings = journal_settings(settings);
    let journal = Local::open(disk.clone(), clock.clone(), entropy.clone(), journal_settings).context("journal")?;
    if let Some(torn) = journal.torn() {
        warn!(?torn, "the last write before a crash was cut short and set aside; nothing acknowledged was in it");
    }
    let archive = Archive::open(disk.clone()).context("archive")?;
    let lake = Lake::open(disk.clone(), clock.clone(), LAKE_DIR, &format.epoch).await.context("lake")?;
    Ok(House {
        disk,
        clock,
        entropy,
        registry: Arc::new(registry),
        journal: Arc::new(journal),
        archive: Arc::new(archive),
        lake,
        epoch: format.epoch,
        spans: Spans::default(),
        retain,
        lock,
    })
}

impl House {
    /// What a backup is taken of.
    pub fn alive(&self) -> Alive {
        let (disk, clock) = (self.disk.clone(), self.clock.clone());
        Alive { disk, clock, registry: self.registry.clone(), journal: self.journal.clone(), lake: self.lake.reader() }
    }
}

/// What a crash left of queries is of no use to anyone.
fn empty(dir: &Path) -> anyhow::Result<()> {
    let about = || format!("spill directory {}", dir.display());
    if dir.exists() {
        std::fs::remove_dir_all(dir).with_context(about)?;
    }
    std::fs::create_dir(dir).with_context(about)
}

fn journal_settings(settings: &Settings) -> journal::Settings {
    let settings::Journal { segment_bytes, keep_bytes } = settings.journal;
    journal::Settings { segment_bytes, keep_bytes, ..Default::default() }
}

/// The tenant a command works for.
pub fn tenant(registry: &dyn Registry, name: &str) -> anyhow::Result<TenantId> {
    let tenants = registry.tenants()?;
    let Some(tenant) = tenants.iter().find(|tenant| tenant.name == name) else {
        let known: Vec<&str> = tenants.iter().map(|tenant| tenant.name.as_str()).collect();
        return Err(Usage(format!("there is no tenant {name:?}; here are {}", known.join(", "))).into());
    };
    Ok(tenant.id)
}

/// The process role at work on a house.
pub struct Running {
    pub progress: watch::Receiver<Progress>,
    pub stop: watch::Sender<Until>,
    pub role: JoinHandle<Result<Lake, process::Error>>,
}

/// What is left of a house once its lake works in the process role.
pub struct Front {
    pub disk: Arc<dyn Disk>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub registry: Arc<Sqlite>,
    pub journal: Arc<Local>,
    pub archive: Arc<Archive>,
    /// How files of tables are read.
    pub profiles: Arc<Profiles>,
    pub reader: store::Reader,
    /// Shows what is being read.
    pub at_hand: AtHand,
    /// Shows what is applied.
    pub live: Live,
    /// Told of records that are followed.
    pub spans: Spans,
    /// The directory's, held to the end.
    _lock: Box<dyn Lock>,
}

/// Starts the process role, which works `until` then unless it is told otherwise.
pub fn start(house: House, settings: &Settings, until: Until) -> (Front, Running) {
    let House { disk, clock, entropy, registry, journal, archive, lake, spans, retain, lock, .. } = house;
    journal.tell(spans.clone());
    let (stop, stopped) = watch::channel(until);
    let (progress_in, progress) = watch::channel(Progress::default());
    let reader = lake.reader();
    let (live, at_hand) = (Live::default(), AtHand::default());
    let profiles = Profiles::new(registry.clone());
    let stored = profiles.clone();
    let parts = Parts {
        journal: journal.clone() as Arc<dyn Journal>,
        archive: archive.clone(),
        lake,
        lessor: Box::new(RegistryLessor { registry: registry.clone() }),
        formats: Box::new(move |tenant, name| stored.stored(tenant, name)),
        disk: disk.clone(),
        entropy: entropy.clone(),
        clock: clock.clone(),
        progress: progress_in,
        at_hand: at_hand.clone(),
        live: live.clone(),
        spans: spans.clone(),
        settings: process_settings(settings, retain),
    };
    let role = tokio::spawn(process::run(parts, stopped));
    let front =
        Front { disk, clock, entropy, registry, journal, archive, profiles, reader, at_hand, live, spans, _lock: lock };
    (front, Running { progress, stop, role })
}

impl Running {
    /// Lets the role finish what is in the journal and gives the lake back.
    pub async fn finish(self) -> anyhow::Result<Lake> {
        self.stop.send_replace(Until::Applied);
        Ok(self.role.await.context("process role")??)
    }
}

/// What is open of files that come in pieces.
pub fn uploads(front: &Front, settings: &Settings) -> anyhow::Result<Arc<Uploads>> {
    let settings::Uploads { open_max, bytes_max, expire_ms } = settings.uploads;
    let settings = UploadSettings { open_max, bytes_max, expire_after: Duration::from_millis(expire_ms) };
    let (disk, entropy, clock) = (front.disk.clone(), front.entropy.clone(), front.clock.clone());
    Uploads::open(disk, entropy, clock, settings).context("uploads")
}

fn process_settings(settings: &Settings, retain: Retention) -> process::Settings {
    process::Settings {
        commit_wait_max_ms: settings.process.commit_wait_max_ms,
        commit_rows_max: settings.process.commit_rows_max,
        maintain: MaintainSettings {
            fold_rows: settings.maintain.fold_rows,
            fold_files: settings.maintain.fold_files,
            compact_files: settings.maintain.compact_files,
            retain,
            look_every: Duration::from_millis(settings.maintain.look_every_ms),
            vacuum_after: Duration::from_millis(settings.maintain.vacuum_after_ms),
            rounds_between_vacuums: ROUNDS_BETWEEN_VACUUMS,
            in_step: false,
        },
    }
}

struct RegistryLessor {
    registry: Arc<dyn Registry>,
}

impl Lessor for RegistryLessor {
    fn lease(&mut self, blocks: u32) -> Result<Range<i64>, process::Error> {
        Ok(self.registry.lease_blocks(blocks)?)
    }
}
