//! The power fails at every disk operation of the house, and each time the next
//! start is asked for everything that was acknowledged.
//!
//! Promise: a boundary is one operation of one step of the script; each is tried
//! with every survival seed, and some once more with a second power loss while
//! the house gets up again. A failure says how to see it again.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use host::{Seeded, SimDisk};
use store::Faults;

use crate::house::{House, Known};
use crate::phases::{Machine, Phase};
use crate::script::{self, Sent, Step};

/// No step of the script takes a second; whoever waits longer waits for ever.
const TRIAL_WAIT_MAX: Duration = Duration::from_secs(60);

/// How much is tried.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Names the run: the same seed tries the same things.
    pub seed: u64,
    /// Every how manyth boundary; 1 tries all.
    pub stride: u64,
    /// What a power loss leaves of unsynced bytes: 0 nothing, 1 all, others some.
    pub survivals: Vec<u64>,
    /// Every how manyth trial loses power a second time.
    pub again_every: u64,
    /// Only the step of this name.
    pub only: Option<String>,
    /// Only boundaries inside this machine.
    pub inside: Option<Machine>,
    /// Whether the first failure ends the run.
    pub stop_at_first: bool,
    /// A mistake to be noticed; `Nothing` for a real run.
    pub planted: Planted,
}

impl Plan {
    /// All boundaries with three survivals each, or with `short` one in 110 with two.
    pub fn new(seed: u64, short: bool) -> Plan {
        let some = Seeded::new(seed).draw() | 2;
        Plan {
            seed,
            stride: if short { 110 } else { 1 },
            survivals: if short { vec![0, some] } else { vec![0, 1, some] },
            again_every: 5,
            only: None,
            inside: None,
            stop_at_first: false,
            planted: Planted::Nothing,
        }
    }
}

/// A mistake on purpose: the trials must notice it.
#[derive(Clone, Copy, Debug, Default)]
pub enum Planted {
    /// No mistake: the house as it is.
    #[default]
    Nothing,
    /// `sync` of files whose path contains this does nothing.
    SkippedSync(&'static str),
    /// A fold empties the overlay before what it held is in history and readings.
    OverlayClearedFirst,
}

/// What went wrong, and where.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The step of the script.
    pub step: &'static str,
    /// The disk operation at which power failed, counted from the step's start.
    pub boundary: u64,
    /// That operation, as the disk's log tells it.
    pub operation: String,
    /// What was at work.
    pub machine: Machine,
    /// What was left of unsynced bytes, as in [`Plan::survivals`].
    pub survival: u64,
    /// The seed of the second power loss, if there was one.
    pub second: Option<u64>,
    /// What was found afterwards, in words.
    pub what: String,
}

/// What was tried.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// As the plan says.
    pub seed: u64,
    /// Boundaries of each machine that were tried.
    pub boundaries: BTreeMap<Machine, u64>,
    /// Power losses inside each machine.
    pub trials: BTreeMap<Machine, u64>,
    /// Second losses, while getting up.
    pub second: u64,
    /// Operations of each step: in its rehearsal, and the most that any run had.
    pub operations: Vec<(&'static str, u64, u64)>,
    /// Everything that went wrong.
    pub failures: Vec<Failure>,
    /// By the wall clock.
    pub took: Duration,
}

/// A house at rest, before a step.
struct Scene {
    disk: SimDisk,
    known: Known,
    step: Step,
    numbers: Range<usize>,
}

/// Runs the whole script, then every planned trial.
pub fn run(plan: &Plan, on_trial: &mut dyn FnMut(&Report)) -> Report {
    let started = Instant::now();
    let steps = script::steps();
    let bodies = script::bodies(&steps);
    let mut report = Report { seed: plan.seed, ..Report::default() };
    let mut scene_disk = SimDisk::new(plan.seed);
    let mut known = Known::default();
    let mut first = 0;
    for step in steps {
        let numbers = first..first + step.bodies.len();
        first = numbers.end;
        let scene = Scene { disk: scene_disk.restart(), known: known.clone(), step, numbers };
        let (after, told, machines) = match scene.rehearse(&bodies) {
            Ok(rehearsed) => rehearsed,
            // What follows would fail for the same reason.
            Err(error) => {
                report.failures.push(scene.failed_rehearsal(&error));
                break;
            }
        };
        (scene_disk, known) = (after, told);
        if plan.only.as_ref().is_none_or(|only| only == scene.step.name) {
            scene.enumerate(plan, &machines, &bodies, &mut report, on_trial);
            if plan.only.is_some() || (plan.stop_at_first && !report.failures.is_empty()) {
                break;
            }
        }
    }
    report.took = started.elapsed();
    report
}

impl Scene {
    /// The step without any mishap: the disk after it, what the senders know
    /// then, and whose each of its operations was.
    fn rehearse(&self, bodies: &[Sent]) -> anyhow::Result<(SimDisk, Known, Vec<Machine>)> {
        let disk = self.disk.restart();
        let mut known = self.known.clone();
        let phase = Phase::new(&disk);
        let lived = async {
            let house = self.live(&disk, Faults::default(), &phase, &mut known).await?;
            let machines = phase.machines();
            house.check(bodies, &known).await.map_err(anyhow::Error::msg)?;
            house.scrub().await.map_err(anyhow::Error::msg)?;
            house.close().await?;
            anyhow::Ok(machines)
        };
        let machines = phase.listen(|| block_on(lived))?;
        Ok((disk.restart(), known, machines))
    }

    fn failed_rehearsal(&self, error: &anyhow::Error) -> Failure {
        Failure {
            step: self.step.name,
            boundary: 0,
            operation: "no power loss at all".into(),
            machine: Machine::Other,
            survival: 0,
            second: None,
            what: format!("{error:#}"),
        }
    }

    /// One boot of the house: bodies come in and are applied.
    async fn live(&self, disk: &SimDisk, faults: Faults, phase: &Phase, known: &mut Known) -> anyhow::Result<House> {
        let house = House::open(disk, faults).await?;
        phase.set(Machine::Commit);
        let (bodies, numbers) = (&self.step.bodies, self.numbers.clone());
        if self.step.crowded {
            return house.send_and_apply(bodies, numbers, known).await;
        }
        house.send(bodies, numbers, known).await?;
        house.apply().await
    }

    fn enumerate(
        &self,
        plan: &Plan,
        rehearsed: &[Machine],
        bodies: &[Sent],
        report: &mut Report,
        on_trial: &mut dyn FnMut(&Report),
    ) {
        let rehearsed_count = rehearsed.len() as u64;
        let mut most = rehearsed_count;
        let mut seed = Seeded::new(plan.seed);
        let mut boundary = seed.below(plan.stride);
        while boundary < most && (report.failures.is_empty() || !plan.stop_at_first) {
            let machine = usize::try_from(boundary).ok().and_then(|boundary| rehearsed.get(boundary));
            if plan.inside.is_none() || plan.inside.as_ref() == machine {
                let operations = self.cut(plan, boundary, &mut seed, bodies, report);
                most = most.max(operations);
                on_trial(report);
            }
            boundary += plan.stride;
        }
        report.operations.push((self.step.name, rehearsed_count, most));
    }

    /// Every trial of one boundary. Returns how many operations the run has, as
    /// far as these trials tell.
    fn cut(&self, plan: &Plan, boundary: u64, seed: &mut Seeded, bodies: &[Sent], report: &mut Report) -> u64 {
        let (mut counted, mut operations) = (false, boundary + 1);
        for survival in &plan.survivals {
            let second = seed.one_in(plan.again_every).then(|| seed.draw());
            let trial = Trial { scene: self, boundary, survival: *survival, second, planted: plan.planted };
            let tried = trial.run(bodies);
            operations = operations.max(tried.operations);
            // Of a run that was shorter this time nothing was cut.
            let Some(machine) = tried.machine else { continue };
            *report.trials.entry(machine).or_default() += 1;
            report.second += u64::from(second.is_some());
            if !std::mem::replace(&mut counted, true) {
                *report.boundaries.entry(machine).or_default() += 1;
            }
            let Some(what) = tried.complaint else { continue };
            let (step, operation, survival) = (self.step.name, tried.operation, *survival);
            report.failures.push(Failure { step, boundary, operation, machine, survival, second, what });
        }
        operations
    }
}

struct Trial<'a> {
    scene: &'a Scene,
    boundary: u64,
    survival: u64,
    second: Option<u64>,
    planted: Planted,
}

/// What came of a trial.
#[derive(Default)]
struct Tried {
    /// None if the run ended before the boundary.
    machine: Option<Machine>,
    operation: String,
    operations: u64,
    complaint: Option<String>,
}

impl Trial<'_> {
    fn run(&self, bodies: &[Sent]) -> Tried {
        let mut tried = Tried::default();
        let ran = std::panic::catch_unwind(AssertUnwindSafe(|| self.lose_power(bodies, &mut tried)));
        tried.complaint = match ran {
            Ok(ended) => ended.err(),
            Err(panic) => Some(format!("it panicked: {:?}", panic.downcast_ref::<String>())),
        };
        tried
    }

    fn lose_power(&self, bodies: &[Sent], tried: &mut Tried) -> Result<(), String> {
        let scene = self.scene;
        let disk = scene.disk.restart();
        let mut faults = Faults::default();
        match self.planted {
            Planted::Nothing => {}
            Planted::SkippedSync(pattern) => disk.skip_fsync(pattern),
            Planted::OverlayClearedFirst => faults.overlay_cleared_first = true,
        }
        disk.crash_at(self.boundary);
        let mut known = scene.known.clone();
        let phase = Phase::new(&disk);
        let lived = phase.listen(|| block_on(limited(scene.live(&disk, faults, &phase, &mut known))));
        tried.operations = disk.operations();
        match disk.log().get(usize::try_from(self.boundary).expect("few operations")) {
            Some(operation) => {
                tried.machine = phase.machines().pop();
                tried.operation = operation.clone();
            }
            // The run was shorter this time: the power goes at its end.
            None => drop(lived.map_err(|error| format!("without a power loss: {error:#}"))?),
        }
        let before = known.clone();
        let left = disk.power_cycle(self.survival);
        self.get_up(&left, bodies, &mut known)?;
        let Some(second) = self.second else { return Ok(()) };
        // The same loss again, and another one while getting up from it.
        let again = disk.power_cycle(self.survival);
        let boundary = Seeded::new(second).below(left.operations().max(1));
        again.crash_at(boundary);
        let mut known = before;
        let told = self.get_up(&again, bodies, &mut known);
        if !again.crashed() {
            return told.map_err(|what| format!("the second time: {what}"));
        }
        let got_up = self.get_up(&again.power_cycle(self.survival), bodies, &mut known);
        got_up.map_err(|what| format!("after a second loss at operation {boundary} of getting up: {what}"))
    }

    /// The next start: what was acknowledged is there, once; then the senders
    /// send what was not answered, and all of it is there.
    fn get_up(&self, disk: &SimDisk, bodies: &[Sent], known: &mut Known) -> Result<(), String> {
        let told = |error: anyhow::Error| format!("{error:#}");
        block_on(limited(async {
            let house = House::open(disk, Faults::default()).await?.apply().await?;
            house.check(bodies, known).await.map_err(anyhow::Error::msg)?;
            let answered: Vec<usize> = known.acknowledged.values().map(|(_, number)| *number).collect();
            for number in self.scene.numbers.clone().filter(|number| !answered.contains(number)) {
                house.send(&bodies[number..=number], number..number + 1, known).await?;
            }
            let house = house.apply().await?;
            house.check(bodies, known).await.map_err(|what| anyhow::anyhow!("all sent again: {what}"))?;
            house.scrub().await.map_err(anyhow::Error::msg)?;
            house.close().await
        }))
        .map_err(told)
    }
}

/// A journal that never answers must fail the trial, not stop the run.
async fn limited<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    match tokio::time::timeout(TRIAL_WAIT_MAX, work).await {
        Ok(done) => done,
        Err(_) => anyhow::bail!("no end after {} s", TRIAL_WAIT_MAX.as_secs()),
    }
}

/// On this thread, so that the order of operations is the same each time.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime needs a few file handles").block_on(work)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { step, boundary, operation, machine, survival, second, what } = self;
        write!(f, "step {step}, boundary {boundary} ({}: {operation}), survival {survival}", machine.name())?;
        if let Some(second) = second {
            write!(f, ", second loss {second}")?;
        }
        write!(f, ": {what}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {:.0} s", self.seed, self.took.as_secs_f64())?;
        writeln!(f, "{:<12} {:>10} {:>8}", "machine", "boundaries", "trials")?;
        for machine in Machine::ALL {
            let of = |counts: &BTreeMap<Machine, u64>| counts.get(&machine).copied().unwrap_or(0);
            writeln!(f, "{:<12} {:>10} {:>8}", machine.name(), of(&self.boundaries), of(&self.trials))?;
        }
        writeln!(f, "second losses while getting up: {}", self.second)?;
        for (step, rehearsed, most) in &self.operations {
            writeln!(f, "step {step}: {rehearsed} operations, at most {most}")?;
        }
        writeln!(f, "failures: {}", self.failures.len())
    }
}
