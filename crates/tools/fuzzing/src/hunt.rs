//! The hunt: one target, many inputs, and what failed.
//!
//! Promise: every input is watched from another thread, so that one that never ends or
//! takes all memory is named too; an input made of the same seeds and the same number is
//! the same in every run. One hunt at a time in a process: panics and memory are the
//! process's.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use host::Seeded;

use crate::corpus::Corpus;
use crate::targets::Target;
use crate::{Met, memory, panics, shrink};

/// One input may take this long.
pub const SECONDS_MAX: u64 = 5;
/// One input may make memory grow by this much.
pub const BYTES_MAX: usize = 256 << 20;
/// After so many different failures a target is left: the next ones wait for a mend.
pub const FAILURES_MAX: usize = 8;

/// An input that takes this much is not waited for: the machine might have no more.
const BYTES_MAX_AT_ALL: usize = 4 * BYTES_MAX;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long, and from which chance.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Of each target.
    pub time: Duration,
    /// The same seed makes the same inputs in the same order.
    pub seed: u64,
    /// A folder of meter data whose files are seeds too; none where it is not there.
    pub data: Option<PathBuf>,
}

/// What came of a target.
#[derive(Debug)]
pub struct Report {
    /// The target's name.
    pub target: &'static str,
    /// Tried.
    pub inputs: u64,
    /// All of them together.
    pub took: Duration,
    /// The most that memory grew by in one input.
    pub bytes: usize,
    /// Different ones.
    pub failures: Vec<Failure>,
}

/// An input under which a target failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Panic and place, time or memory.
    pub what: String,
    /// As small as it was made.
    pub input: Vec<u8>,
}

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs a target on all its seeds, and then as long as the plan says; or until it hangs.
pub fn run(target: &'static Target, plan: &Plan) -> Report {
    watched(target, target.seeds(plan.data.as_deref()), plan)
}

/// Runs a target on one input.
pub fn replay(target: &'static Target, input: Vec<u8>) -> Report {
    watched(target, vec![input], &Plan { time: Duration::ZERO, seed: 0, data: None })
}

fn watched(target: &'static Target, seeds: Vec<Vec<u8>>, plan: &Plan) -> Report {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    panics::take_down();
    let begun = Instant::now();
    let found = Arc::new(Mutex::new(Found::default()));
    let (done, ended) = channel();
    let hunter = Hunter { target, corpus: Corpus::new(seeds), chance: Seeded::new(plan.seed), found: found.clone() };
    let until = begun + plan.time;
    std::thread::spawn(move || hunter.hunt(until, &done));
    watch(&found, &ended);
    panics::let_go();
    let found = lock(&found);
    let Found { inputs, bytes, failures, .. } = &*found;
    Report { target: target.name, inputs: *inputs, took: begun.elapsed(), bytes: *bytes, failures: failures.clone() }
}

/// Returns when the hunt has ended or its input hangs; its thread is left alone then. Time
/// is told by looks: on a machine that stands still nothing hangs, and nobody looks.
fn watch(found: &Mutex<Found>, ended: &Receiver<()>) {
    let (mut inputs, mut looks) = (0, 0);
    while ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        let mut found = lock(found);
        looks = if found.inputs == inputs { looks + 1 } else { 0 };
        inputs = found.inputs;
        let Some(tried) = &found.tried else { continue };
        let what = if LOOK_EVERY * looks >= Duration::from_secs(SECONDS_MAX) {
            format!("takes more than {SECONDS_MAX} s")
        } else if grown(tried.held) > BYTES_MAX_AT_ALL {
            too_much()
        } else {
            continue;
        };
        let input = tried.input.clone();
        found.failures.push(Failure { what, input });
        found.is_left = true;
        return;
    }
}

/// What is known so far, and what is being tried.
#[derive(Default)]
struct Found {
    inputs: u64,
    bytes: usize,
    failures: Vec<Failure>,
    tried: Option<Tried>,
    /// The watch has given up: should the input end after all, the hunt does too.
    is_left: bool,
}

struct Tried {
    /// Memory held before.
    held: usize,
    input: Vec<u8>,
}

struct Hunter {
    target: &'static Target,
    corpus: Corpus,
    chance: Seeded,
    found: Arc<Mutex<Found>>,
}

impl Hunter {
    fn hunt(mut self, until: Instant, done: &Sender<()>) {
        let mut number = 0;
        while self.corpus.is_seed(number) || Instant::now() < until {
            let input = self.corpus.next(number, &mut self.chance, self.target.words);
            number += 1;
            let failed = self.fails(&input);
            if lock(&self.found).is_left {
                break;
            }
            match failed {
                Ok(met) => self.corpus.learn(input, met, &mut self.chance),
                Err(what) if self.is_known(&what) => {}
                Err(what) => self.keep(what, &input),
            }
            if lock(&self.found).failures.len() >= FAILURES_MAX {
                break;
            }
        }
        // Nobody listens any more where the watch has given up.
        let _ = done.send(());
    }

    /// What an input met, or how it fails.
    fn fails(&self, input: &[u8]) -> Result<Met, String> {
        let held = memory::mark();
        lock(&self.found).tried = Some(Tried { held, input: input.to_vec() });
        let ended = catch_unwind(AssertUnwindSafe(|| (self.target.run)(input)));
        let bytes = grown(held);
        let mut found = lock(&self.found);
        found.tried = None;
        found.inputs += 1;
        found.bytes = found.bytes.max(bytes);
        drop(found);
        match (panics::taken(), ended) {
            (Some(panic), _) => Err(panic),
            (None, _) if bytes > BYTES_MAX => Err(too_much()),
            (None, Ok(met)) => Ok(met),
            (None, Err(_)) => Err("a panic without a hook".to_owned()),
        }
    }

    fn keep(&self, what: String, input: &[u8]) {
        let place = place_of(&what).to_owned();
        let input = shrink::smaller(input, |tried| self.fails(tried).is_err_and(|other| place_of(&other) == place));
        lock(&self.found).failures.push(Failure { what, input });
    }

    fn is_known(&self, what: &str) -> bool {
        lock(&self.found).failures.iter().any(|known| place_of(&known.what) == place_of(what))
    }
}

/// Failures are one where they stand at one place: what a panic says differs with the input.
fn place_of(what: &str) -> &str {
    what.split_once(": ").map_or(what, |(place, _)| place)
}

fn too_much() -> String {
    format!("takes more than {} MiB of memory", BYTES_MAX >> 20)
}

fn grown(held: usize) -> usize {
    memory::most().saturating_sub(held)
}

fn lock(found: &Mutex<Found>) -> MutexGuard<'_, Found> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}
