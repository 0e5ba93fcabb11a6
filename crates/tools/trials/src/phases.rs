//! Which state machine is at work when the power goes.
//!
//! Promise: told by the path of the operation, and for folds and compactions by
//! the debug events of the process role that say where they begin and end.

use std::fmt;
use std::sync::{Arc, Mutex};

use host::SimDisk;
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// A state machine whose boundaries are enumerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Machine {
    /// Journal and archive: making, filling and trimming segments.
    Append,
    /// A round's commits to the tables.
    Commit,
    /// Moving what waits in the overlay.
    Fold,
    /// Merging small files.
    Compaction,
    /// Files that nothing refers to any more are taken away.
    Vacuum,
    /// The lake while it is opened: tables made, leftovers swept.
    Opening,
    /// Ids, the checkpoint, the lock.
    Other,
}

impl Machine {
    /// In the order of the reports.
    pub const ALL: [Machine; 7] = [
        Machine::Append,
        Machine::Commit,
        Machine::Fold,
        Machine::Compaction,
        Machine::Vacuum,
        Machine::Opening,
        Machine::Other,
    ];

    /// As reports and logs call it.
    pub fn name(self) -> &'static str {
        match self {
            Machine::Append => "append",
            Machine::Commit => "commit",
            Machine::Fold => "fold",
            Machine::Compaction => "compaction",
            Machine::Vacuum => "vacuum",
            Machine::Opening => "opening",
            Machine::Other => "other",
        }
    }

    /// The machine of one operation of a simulated disk, as its log tells it,
    /// while the lake was in phase `lake`.
    pub fn of(operation: &str, lake: Machine) -> Machine {
        let path = operation.split(' ').nth(1).unwrap_or_default();
        match path.split('/').next().unwrap_or_default() {
            "journal" | "archive" => Machine::Append,
            "lake" => lake,
            _ => Machine::Other,
        }
    }
}

/// What the lake was doing at each operation of a disk.
#[derive(Clone, Debug)]
pub struct Phase {
    disk: SimDisk,
    /// Operations before each change, and what then began.
    changes: Arc<Mutex<Vec<(u64, Machine)>>>,
}

impl Phase {
    /// Begins with the lake's opening.
    pub fn new(disk: &SimDisk) -> Phase {
        Phase { disk: disk.clone(), changes: Arc::new(Mutex::new(vec![(0, Machine::Opening)])) }
    }

    /// From the next operation on.
    pub fn set(&self, machine: Machine) {
        let operations = self.disk.operations();
        self.changes.lock().expect("no holder of this lock panics").push((operations, machine));
    }

    /// The machine of every operation so far.
    pub fn machines(&self) -> Vec<Machine> {
        let changes = self.changes.lock().expect("no holder of this lock panics");
        let lake = |number: u64| changes[changes.partition_point(|(before, _)| *before <= number) - 1].1;
        (0..).zip(self.disk.log()).map(|(number, operation)| Machine::of(&operation, lake(number))).collect()
    }

    /// Runs `work` on this thread while listening to its events.
    pub fn listen<T>(&self, work: impl FnOnce() -> T) -> T {
        let listener = tracing_subscriber::registry().with(Listener { phase: self.clone() });
        tracing::subscriber::with_default(listener, work)
    }
}

struct Listener {
    phase: Phase,
}

impl<S: Subscriber> Layer<S> for Listener {
    /// Only the process role is listened to: what others would say at this level
    /// costs more than the trial itself.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if listened_to(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        listened_to(metadata)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let machine = match said.phase.as_str() {
            "fold" => Machine::Fold,
            "compaction" => Machine::Compaction,
            "vacuum" => Machine::Vacuum,
            _ => return,
        };
        self.phase.set(if said.message == "begins" { machine } else { Machine::Commit });
    }
}

fn listened_to(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    metadata.is_event() && (target.starts_with("process") || target.starts_with("trials"))
}

#[derive(Default)]
struct Said {
    phase: String,
    message: String,
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "phase" {
            self.phase = value.to_owned();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "phase" => self.phase = format!("{value:?}").trim_matches('"').to_owned(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use host::Disk;

    #[test]
    fn an_operation_belongs_to_the_machine_whose_path_it_touches() {
        assert_eq!(Machine::of("sync journal/1.seg", Machine::Fold), Machine::Append);
        assert_eq!(Machine::of("sync_dir lake/readings/_delta_log", Machine::Fold), Machine::Fold);
        assert_eq!(Machine::of("create state/channels 0", Machine::Fold), Machine::Other);
    }

    #[test]
    fn events_tell_where_a_fold_begins_and_ends() {
        let disk = SimDisk::new(1);
        let phase = Phase::new(&disk);
        let write = |name: &str| disk.create(&format!("lake/{name}"), 0).expect("room enough");
        phase.listen(|| {
            write("before");
            tracing::debug!(phase = "fold", "begins");
            write("inside");
            tracing::debug!(phase = "fold", "ends");
            write("after");
        });
        use Machine::{Commit, Fold, Opening};
        // The first makes the directory too.
        assert_eq!(phase.machines(), [Opening, Opening, Fold, Commit]);
    }
}
