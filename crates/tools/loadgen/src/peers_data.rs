//! The data of the race against others: the same numbers for all who run in it.
//!
//! Promise: everything follows from the set and the seed. Every format holds the same
//! measurements in the same order, and the table of truth is made from the numbers
//! themselves, before any format is written.
//!
//! Read: `homes.rs` (which numbers), `formats.rs` (how each is fed), `truth.rs`
//! (what each must answer).

mod homes;
mod formats;
mod truth;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;
use indicatif::ProgressBar;
use serde_json::json;

use self::homes::{FROM, Homes, Minute};
use self::truth::Truth;

/// Messages a batch of those who are fed in batches of their own.
const BATCH: usize = 5_000;
/// Messages a request of a gateway.
const REQUEST: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Set {
    /// Few homes, many minutes: 100 × 11 × 7,200
    #[value(name = "A")]
    A,
    /// Many homes, few minutes: 2,000 × 30 × 120
    #[value(name = "B")]
    B,
}

#[derive(clap::Args)]
pub struct PeersData {
    #[arg(long, value_enum)]
    set: Set,
    /// A folder to be made
    #[arg(long)]
    out: PathBuf,
    /// The same shape with a fiftieth of the rows
    #[arg(long)]
    small: bool,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Size {
    homes: u32,
    registers: usize,
    minutes: u32,
}

impl PeersData {
    fn size(&self) -> Size {
        let (homes, registers, minutes) = match (self.set, self.small) {
            (Set::A, false) => (100, 11, 7_200),
            (Set::A, true) => (5, 11, 2_880),
            (Set::B, false) => (2_000, 30, 120),
            (Set::B, true) => (80, 30, 60),
        };
        Size { homes, registers, minutes }
    }
}

/// Writes batches of every format, the truth, and what they are.
pub fn peers_data(asked: &PeersData) -> anyhow::Result<()> {
    let size = asked.size();
    for format in formats::ALL {
        let folder = asked.out.join(format.name);
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    let homes = Homes::new(asked.seed, size);
    let mut truth = Truth::new(size);
    let bar = ProgressBar::new(u64::from(size.homes) * u64::from(size.minutes)).with_prefix("making data");
    let mut minutes = homes.minutes();
    let mut written = [0; formats::ALL.len()];
    loop {
        let batch: Vec<Minute> = minutes.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            break;
        }
        batch.iter().for_each(|minute| truth.note(minute));
        for (format, written) in formats::ALL.iter().zip(&mut written) {
            for part in batch.chunks(format.messages) {
                let path = asked.out.join(format.name).join(format!("{written:05}.{}", format.ending));
                std::fs::write(&path, (format.encode)(part, &homes)).with_context(|| path.display().to_string())?;
                *written += 1;
            }
        }
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    truth.write(&asked.out.join("truth"))?;
    describe(&asked.out, asked, &homes, &truth)
}

fn describe(out: &Path, asked: &PeersData, homes: &Homes, truth: &Truth) -> anyhow::Result<()> {
    let size = asked.size();
    let from_s = FROM.0 / 1_000_000;
    let told = json!({
        "set": format!("{:?}", asked.set),
        "small": asked.small,
        "seed": asked.seed,
        "homes": size.homes,
        "registers": homes.registers(),
        "scales": homes.scales(),
        "minutes": size.minutes,
        "rows": truth.rows(),
        "messages": u64::from(size.homes) * u64::from(size.minutes),
        "messages_per_batch": BATCH,
        "messages_per_request": REQUEST,
        "from_s": from_s,
        "to_s": from_s + i64::from(size.minutes) * 60,
        "home": truth::home(size),
        "last_day_from_s": from_s + i64::from(truth::last_day(size)) * 60,
    });
    let path = out.join("manifest.json");
    std::fs::write(&path, serde_json::to_string_pretty(&told)?).with_context(|| path.display().to_string())
}
