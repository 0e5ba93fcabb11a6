//! Keeping the lake in shape between rounds: folds, compaction, vacuum.
//!
//! One task does all of it, and never while a round waits, so that a fold and
//! a commit cannot meet.

use std::time::Duration;

use store::{CompactLimits, Lake, Table};
use tracing::{debug, info};

use crate::Error;

#[derive(Clone, Debug)]
pub struct MaintainSettings {
    /// Corrections waiting in the overlay before a fold rewrites what they correct.
    pub fold_rows: u64,
    pub fold_files: usize,
    /// Small files in one partition before they are merged.
    pub compact_files: usize,
    /// Files that no table refers to any more are kept this long.
    pub vacuum_after: Duration,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    pub folds: u64,
    pub compactions: u64,
}

/// Whether corrections should be folded now.
fn fold_due(lake: &Lake, settings: &MaintainSettings) -> bool {
    let snapshot = lake.snapshot();
    let overlay = snapshot.files(Table::Overlay);
    let rows: u64 = overlay.iter().map(|file| file.rows).sum();
    lake.fold_due() || rows >= settings.fold_rows || overlay.len() >= settings.fold_files
}

/// Folds and merges what is due. The debug events mark where a phase begins and
/// ends, for whoever wants to break it there.
pub async fn run(lake: &mut Lake, settings: &MaintainSettings) -> Result<Done, Error> {
    let mut done = Done::default();
    if fold_due(lake, settings) {
        debug!(phase = "fold", "begins");
        let report = lake.fold().await?;
        debug!(phase = "fold", "ends");
        info!(?report, "corrections folded");
        done.folds += 1;
    }
    let limits = CompactLimits { files_min: settings.compact_files, ..CompactLimits::default() };
    while lake.compact_job(limits).is_some() {
        debug!(phase = "compaction", "begins");
        let report = lake.compact(limits).await?;
        debug!(phase = "compaction", "ends");
        info!(?report, "files merged");
        if report.files_before == 0 {
            break;
        }
        done.compactions += 1;
    }
    Ok(done)
}

/// Takes away what nothing refers to any more.
pub async fn vacuum(lake: &mut Lake, settings: &MaintainSettings) -> Result<(), Error> {
    let report = lake.vacuum(settings.vacuum_after).await?;
    if report.files > 0 {
        info!(?report, "vacuumed");
    }
    Ok(())
}
