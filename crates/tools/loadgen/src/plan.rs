//! A scenario as it is written down: `benches/scenarios/NAME.toml`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use meter::Span;
use serde::Deserialize;
use simulate::Fleet;

use crate::plugs::Plugs;
use crate::shape::{Says, Shape};
use crate::source::{Order, Source};

/// Registers of a home's own meter, before its plugs.
const METER: u32 = 3;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Plan {
    /// In a line, for people.
    pub about: String,
    pub carries: Carries,
    pub meters: u32,
    /// Of each meter.
    #[serde(default = "one")]
    pub registers: u32,
    /// Between two readings of a register, such as `1m`, `30m` or `30d`.
    pub step: String,
    /// Readings of each register.
    pub steps: u32,
    #[serde(default = "one")]
    pub steps_a_message: u32,
    pub mode: Mode,
    /// Messages a request; one where single meters send.
    #[serde(default = "one")]
    pub messages: u32,
    /// Kept alive.
    pub connections: u32,
    /// Messages a second, whatever becomes of those before; none: each connection sends
    /// as soon as it has its answer.
    pub rate: Option<f64>,
    #[serde(default)]
    pub order: Order,
    /// So many requests in a hundred come twice.
    #[serde(default)]
    pub again_percent: u32,
    /// So many of the steps are stored before the clock runs, and come again with the rest.
    #[serde(default)]
    pub stored_before: u32,
    #[serde(default = "seed")]
    pub seed: u64,
}

/// What the meters say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carries {
    /// A home's counter, voltage, frequency and the power of its plugs.
    Plugs,
    /// The energy of equal intervals.
    Intervals,
    /// A counter of water.
    Counter,
}

/// How messages come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Many messages a request.
    Gateway,
    /// Each meter for itself: one message a request.
    Direct,
}

const fn one() -> u32 {
    1
}

const fn seed() -> u64 {
    1
}

impl Plan {
    /// `name` is a file, or one of the scenarios in `scenarios`; each of `set` is `key=value`
    /// and takes the place of what the file says.
    pub fn read(name: &str, scenarios: &Path, set: &[String]) -> anyhow::Result<Plan> {
        let path = if name.ends_with(".toml") { PathBuf::from(name) } else { scenarios.join(format!("{name}.toml")) };
        let text = std::fs::read_to_string(&path).with_context(|| no_such(name, &path, scenarios))?;
        let mut table: toml::Table = toml::from_str(&text).with_context(|| path.display().to_string())?;
        for pair in set {
            let (key, value) = pair.split_once('=').with_context(|| format!("--set {pair}: key=value is needed"))?;
            // A bare word, such as a mode, is a text without its quotes.
            let value = value.parse().unwrap_or_else(|_| toml::Value::String(value.to_owned()));
            table.insert(key.to_owned(), value);
        }
        // A whole number is a rate too.
        if let Some(whole) = table.get("rate").and_then(toml::Value::as_integer) {
            table.insert("rate".to_owned(), toml::Value::Float(whole as f64));
        }
        let plan: Plan = table.try_into().with_context(|| path.display().to_string())?;
        plan.check().with_context(|| path.display().to_string())?;
        Ok(plan)
    }

    fn check(&self) -> anyhow::Result<()> {
        let counts = [
            ("meters", self.meters),
            ("steps", self.steps),
            ("messages", self.messages),
            ("connections", self.connections),
            ("steps-a-message", self.steps_a_message),
        ];
        for (name, count) in counts {
            ensure!(count > 0, "{name}: at least 1");
        }
        ensure!(self.again_percent <= 100, "again-percent: at most 100");
        ensure!(self.stored_before <= self.steps, "stored-before: at most the steps");
        ensure!(self.mode == Mode::Gateway || self.messages == 1, "messages: single meters send 1 a request");
        ensure!(self.rate.is_none_or(|rate| rate > 0.0), "rate: more than 0");
        span(&self.step)?;
        if self.carries == Carries::Plugs {
            let most = METER + Fleet::PLUGS_MAX;
            ensure!((METER..=most).contains(&self.registers), "registers: homes with plugs have {METER} to {most}");
            ensure!(self.steps_a_message == 1, "steps-a-message: homes with plugs send each step for itself");
            ensure!(self.order == Order::OldestFirst, "order: homes with plugs send the oldest first");
        } else {
            ensure!(self.registers == 1, "registers: 1, unless meters carry plugs");
        }
        Ok(())
    }

    pub fn source(&self) -> anyhow::Result<Source> {
        let step = span(&self.step)?;
        let says = match self.carries {
            Carries::Plugs => {
                let fleet = Fleet::plugs(self.seed, self.meters, self.registers - METER);
                return Ok(Source::Plugs(Plugs { fleet, step, steps: self.steps }));
            }
            Carries::Intervals => Says::Intervals,
            Carries::Counter => Says::Counter,
        };
        Ok(Source::Shape(Shape {
            name: "scenario",
            says,
            channels: self.meters,
            readings: self.steps,
            step,
            a_message: self.steps_a_message,
            seed: self.seed,
        }))
    }

    /// Messages of the run, those that come again not counted.
    pub fn messages(&self) -> u64 {
        u64::from(self.meters) * u64::from(self.steps.div_ceil(self.steps_a_message))
    }
}

fn no_such(name: &str, path: &Path, scenarios: &Path) -> String {
    let mut known: Vec<String> = std::fs::read_dir(scenarios)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".toml")?.to_owned()))
        .collect();
    known.sort();
    format!("{}: {name} is neither a file nor one of {}", path.display(), known.join(", "))
}

fn span(text: &str) -> anyhow::Result<Span> {
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => bail!("step: {text:?} is no time such as 1m, 30m or 30d"),
    };
    let number: u32 = text[..text.len() - 1].parse().with_context(|| format!("step: {text:?}"))?;
    ensure!(number > 0, "step: more than 0");
    Ok(Span::from_seconds(i64::from(number) * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenarios() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../benches/scenarios")
    }

    #[test]
    fn every_scenario_there_is_can_be_run() {
        let mut read = 0;
        for entry in std::fs::read_dir(scenarios()).expect("scenarios") {
            let path = entry.expect("an entry").path();
            let small = ["meters=7".to_owned()];
            let plan = Plan::read(path.to_str().expect("a name"), &scenarios(), &small).expect("a plan");
            let source = plan.source().expect("a source");
            let bodies = source.bodies(0..plan.steps, plan.messages as usize, plan.order);
            assert_eq!(bodies.map(|body| u64::from(body.messages)).sum::<u64>(), plan.messages(), "{}", path.display());
            let readings = u64::from(plan.meters) * u64::from(plan.registers) * u64::from(plan.steps);
            assert_eq!(source.sent().measurements, readings, "{}", path.display());
            read += 1;
        }
        assert!(read > 5, "{read}");
    }

    #[test]
    fn a_rate_may_be_a_whole_number() {
        let plan = Plan::read("hdm", &scenarios(), &["rate=20000".to_owned()]).expect("a plan");
        assert_eq!(plan.rate, Some(20_000.0));
    }

    #[test]
    fn a_scenario_that_cannot_be_run_says_what_is_wrong() {
        let said = |set: &str| {
            let set: Vec<String> = set.split(' ').map(str::to_owned).collect();
            format!("{:#}", Plan::read("hdm", &scenarios(), &set).expect_err(&set.join(" ")))
        };
        assert!(said("registers=31").contains("registers: homes with plugs have 3 to 30"));
        assert!(said("step=1week").contains("1week"));
        assert!(said("meter=1").contains("unknown field `meter`"));
        assert!(said("again-percent=101").contains("at most 100"));
        assert!(said("meters").contains("key=value"));
        let missing = format!("{:#}", Plan::read("none", &scenarios(), &[]).expect_err("no such scenario"));
        assert!(missing.contains("hdm, ") || missing.contains(", hdm"), "{missing}");
    }
}
