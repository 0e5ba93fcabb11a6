//! Vacuum: files that nothing refers to any more go away.
//!
//! Promise: a file stays while a version of the table within the retained time
//! refers to it, or a snapshot that someone holds, or a job at work. What a
//! crash left behind is referred to by nothing and goes at once.

use std::collections::HashSet;
use std::time::Duration;

use host::sweep_temporaries;
use meter::{Span, Timestamp};

use crate::error::{Error, Result};
use crate::lake::{Lake, blocking};
use crate::schema::Table;
use crate::write::Shelf;

/// What a vacuum took away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VacuumReport {
    /// Data files removed.
    pub files: u64,
    /// Size of those.
    pub bytes: u64,
    /// Commits and checkpoints of the log.
    pub log_files: u64,
}

impl Lake {
    /// Removes what no version younger than `retain` needs: outside engines may
    /// be reading those.
    pub async fn vacuum(&mut self, retain: Duration) -> Result<VacuumReport> {
        let jobs = std::sync::Arc::strong_count(&self.at_work) - 1;
        if jobs > 0 {
            return Err(Error::AtWork { jobs });
        }
        self.finish_interrupted_fold().await?;
        let retain = Span(i64::try_from(retain.as_micros()).unwrap_or(i64::MAX));
        let since = Timestamp(self.clock.now().0.saturating_sub(retain.0)).max(Timestamp::MIN);
        let pins = self.pins();
        let mut report = VacuumReport::default();
        for table in Table::ALL {
            let held = pins.iter().flat_map(|pin| pin.files[table.index()].iter());
            let held: HashSet<String> = held.map(|file| file.path.clone()).collect();
            let retained = self.table(table).version_at(since).await?;
            let mut gone = self.table_mut(table).unreferenced(retained).await?;
            gone.retain(|file| !held.contains(&file.path));
            report.files += gone.len() as u64;
            report.bytes += gone.iter().map(|file| file.size).sum::<u64>();
            report.log_files += self.table_mut(table).trim_log(retained).await? as u64;
            let shelf = self.library.shelf.clone();
            blocking(move || {
                for file in gone {
                    let path = shelf.path(table, &file.path);
                    shelf.disk.remove(&path).map_err(Error::disk(&path))?;
                }
                Ok(())
            })
            .await?;
        }
        self.sweep().await?;
        Ok(report)
    }

    /// Removes temporary files that a crash left between the tables' files.
    pub(crate) async fn sweep(&self) -> Result<()> {
        let shelf = self.library.shelf.clone();
        blocking(move || Table::ALL.into_iter().try_for_each(|table| sweep_below(&shelf, &shelf.dir(table)))).await
    }
}

fn sweep_below(shelf: &Shelf, dir: &str) -> Result<()> {
    sweep_temporaries(shelf.disk.as_ref(), dir).map_err(Error::disk(dir))?;
    for entry in shelf.disk.list(dir).map_err(Error::disk(dir))? {
        // Names with an underscore are the log's own affair.
        if entry.is_dir && !entry.name.starts_with('_') {
            sweep_below(shelf, &format!("{dir}/{}", entry.name))?;
        }
    }
    Ok(())
}
