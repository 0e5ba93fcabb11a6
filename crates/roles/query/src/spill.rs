//! Where queries put what does not fit into their memory.
//!
//! Promise: a query that needs no disk makes nothing there. Most need none, and
//! a directory made and removed for each would have them wait for the disk.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::error::Result;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::{DiskManager, SpillFile, TempFileFactory};

use crate::limits::Spill;

/// The engine's own files under the limit of one query, in a directory that the
/// first of them makes and the last removes.
pub(crate) fn disk(spill: Option<&Spill>) -> DiskManagerBuilder {
    let disk = DiskManagerBuilder::default();
    match spill {
        None => disk.with_mode(DiskManagerMode::Disabled),
        Some(spill) => disk.with_temp_file_factory(Arc::new(OnDemand { spill: spill.clone(), made: Mutex::default() })),
    }
}

struct OnDemand {
    spill: Spill,
    made: Mutex<Option<Arc<DiskManager>>>,
}

impl TempFileFactory for OnDemand {
    fn create_temp_file(&self, description: &str) -> Result<Arc<dyn SpillFile>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let disk = match &*made {
            Some(disk) => disk,
            None => made.insert(Arc::new(
                DiskManagerBuilder::default()
                    .with_mode(DiskManagerMode::Directories(vec![self.spill.directory.clone()]))
                    .with_max_temp_directory_size(self.spill.bytes_max)
                    .build()?,
            )),
        };
        disk.create_tmp_file(description)
    }
}
